"""Pictures: what is drawn, and that files are pictures."""

import sys

import pytest

import paretune as pt
from paretune.errors import InvalidArgument
from paretune.observation import MetricValue, Observation, ParetoFront, ParetoPoint
from paretune.plot import geometry, insight

GOOD = {"x": 0.5, "n": 2, "kind": "plain"}
POINTS = ((0.9, 9.0), (0.5, 2.0), (0.4, 8.0), (0.7, 4.0))


@pytest.fixture
def observed(experiment):
    for accuracy, cost in POINTS:
        experiment.observe(GOOD, {"accuracy": accuracy, "cost": (cost, 0.5)})
    experiment.observe(GOOD, {"accuracy": 0.95, "cost": 1.0}, infeasible="too big")
    experiment.observe(GOOD, crashed="disk full")
    return experiment


def legend(figure) -> list[str]:
    return [text.get_text() for one in figure.legends for text in one.get_texts()]


def is_png(path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000


def test_front_of_two_metrics(observed, tmp_path):
    figure = observed.plot.pareto(save=tmp_path / "front.png")
    assert is_png(tmp_path / "front.png")
    (axes,) = figure.axes
    assert axes.get_xlabel() == "accuracy, higher is better"
    assert axes.get_ylabel() == "cost [ms], lower is better"
    dominated, infeasible, front = legend(figure)
    assert dominated == "dominated (1)"
    assert infeasible == "infeasible (1)"
    assert front.startswith("front (3, hypervolume ")
    stairs = max((line.get_xydata().tolist() for line in axes.lines), key=len)
    assert all([accuracy, cost] in stairs for accuracy, cost in POINTS if accuracy != 0.4)
    assert any("threshold 20" in text.get_text() for text in axes.texts)


def test_two_experiments_in_one_picture(client, observed, fields, tmp_path):
    other = client.create_experiment(**fields(name="random"))
    other.observe(GOOD, {"accuracy": 0.6, "cost": 5.0})
    figure = observed.plot.pareto(compare=other, save=tmp_path / "both.png")
    assert is_png(tmp_path / "both.png")
    assert any(text.startswith("random: front (1") for text in legend(figure))
    curves = observed.plot.history(compare={"at random": other}).axes[0].get_lines()
    assert [len(curve.get_xdata()) for curve in curves] == [6, 1]
    assert curves[1].get_label().startswith("at random")


def test_experiments_with_other_metrics_do_not_compare(client, observed, fields):
    other = client.create_experiment(**fields(metrics=[pt.Maximize("speed")]))
    with pytest.raises(InvalidArgument, match="accuracy"):
        observed.plot.pareto(compare=other)


@pytest.mark.parametrize("names", [["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_any_number_of_metrics_and_observations(client, fields, names, count, tmp_path):
    experiment = client.create_experiment(**fields(metrics=[pt.Minimize(name) for name in names]))
    for step in range(count):
        experiment.observe(GOOD, {name: (step + 1.0) ** power for power, name in enumerate(names, -1)})
    figure = experiment.plot.pareto(save=tmp_path / "front.png")
    experiment.plot.history(save=tmp_path / "history.png")
    assert is_png(tmp_path / "front.png")
    assert is_png(tmp_path / "history.png")
    pairs = max(1, len(names) * (len(names) - 1) // 2)
    assert len([axes for axes in figure.axes if axes.get_visible()]) == pairs


@pytest.mark.parametrize(
    ("first", "second", "corners"),
    [
        (pt.Maximize("a"), pt.Minimize("b"), [(2, 9), (2, 3), (1, 3), (1, 1), (0, 1)]),
        (pt.Minimize("a"), pt.Maximize("b"), [(1, 0), (1, 1), (2, 1), (2, 3), (9, 3)]),
    ],
)
def test_stairs_bound_what_the_front_dominates(first, second, corners):
    points = [
        pt.ParetoPoint(pt.Observation({}, (pt.MetricValue("a", a), pt.MetricValue("b", b))))
        for a, b in ((1.0, 1.0), (2.0, 3.0))
    ]
    front = pt.ParetoFront(tuple(points), 0.0, {})
    found = geometry.stairs(first, second, front, (0.0, 9.0), (0.0, 9.0))
    assert found == corners


def test_wide_ranges_are_drawn_logarithmically(client, fields):
    experiment = client.create_experiment(**fields(metrics=[pt.Maximize("a"), pt.Minimize("b")]))
    for power in range(4):
        experiment.observe(GOOD, {"a": 0.1 * power, "b": 10.0**power})
    (axes,) = experiment.plot.pareto().axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")


def test_pyplot_is_left_alone(observed):
    before = "matplotlib.pyplot" in sys.modules
    observed.plot.pareto()
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_view_shows_where_fronts_differ_and_leaves_far_points_out():
    front = ParetoFront(
        tuple(
            ParetoPoint(Observation({}, (MetricValue("accuracy", a),), id=str(a))) for a in (0.9, 0.92, 0.95)
        ),
        1.0,
        {"accuracy": 0.88},
    )
    low, high = geometry.view(pt.Maximize("accuracy"), [0.1, 0.5, 0.9, 0.95], [front])
    assert 0.8 < low < 0.88
    assert 0.95 < high < 1.0
    assert geometry.view(pt.Maximize("accuracy"), [0.87, 0.96], [front]) is None
    assert geometry.view(pt.Maximize("accuracy"), [0.1, 0.5], []) is None


@pytest.fixture
def learned(client, fields):
    """Enough of an experiment for a model; one of its parameters depends on another."""
    made = client.create_experiment(**fields(policy="sobol", observation_budget=12))
    for suggestion in made.suggest(12):
        x, n = suggestion.assignments["x"], suggestion.assignments["n"]
        made.observe(suggestion, {"accuracy": n * (1.0 - (x - 0.4) ** 2), "cost": 2.0 * n})
    return made


def test_what_the_model_says(learned, tmp_path):
    for draw in (learned.plot.attainment, learned.plot.importance, learned.plot.hypervolume):
        draw(save=tmp_path / "picture.png")
        assert is_png(tmp_path / "picture.png")
    panels = [axes.get_title(loc="left").strip() for axes in learned.plot.importance().axes]
    assert panels == ["accuracy", "cost", "reaching the front"]


def test_slices_show_every_metric_along_parameters(learned):
    figure = learned.plot.slices({"x": 0.4, "n": 3, "kind": "plain"}, ["x", "kind"])
    assert [axes.get_xlabel() for axes in figure.axes[2:]] == ["x", "kind"]
    (line,) = figure.axes[0].lines
    assert len(line.get_xdata()) == 31
    best = line.get_xdata()[line.get_ydata().argmax()]
    assert best == pytest.approx(0.4, abs=0.15)
    assert len(learned.plot.slices().axes) >= 6
    with pytest.raises(InvalidArgument, match="did you mean 'kind'"):
        learned.plot.slices(parameters=["kid"])
    with pytest.raises(InvalidArgument, match="missing"):
        learned.plot.slices({"x": 0.4})


def test_slices_stay_in_the_search_space():
    space = pt.SearchSpace(
        (
            pt.Double("a", 0, 1),
            pt.Double("b", 0, 1),
            pt.Categorical("kind", ["plain", "deep"]),
            pt.Int("depth", 1, 100, log=True, when={"kind": ["deep"]}),
        ),
        (pt.LinearConstraint({"a": 1.0, "b": 1.0}, 1.0),),
    )
    experiment = pt.Experiment("e", space, (pt.Minimize("f"),))
    at = {"a": 0.1, "b": 0.5, "kind": "plain"}
    found = insight.slices(experiment, at, ["a", "kind"])
    assert max(one["a"] for one in found["a"]) <= 0.5
    assert found["kind"] == [at, {**at, "kind": "deep", "depth": 10}]


def test_attainment_is_drawn_for_two_metrics(client, fields):
    made = client.create_experiment(**fields(metrics=[pt.Minimize("f")], policy="sobol"))
    for suggestion in made.suggest(6):
        made.observe(suggestion, {"f": suggestion.assignments["x"]})
    with pytest.raises(InvalidArgument, match="two optimized metrics"):
        made.plot.attainment()
