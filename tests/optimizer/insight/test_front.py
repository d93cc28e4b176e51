"""The front as people see it: own units, own directions, thresholds, constraints, noise."""

import numpy as np
import pytest

from paretune.errors import InvalidArgument
from paretune.experiment import Experiment, Maximize, Minimize, Strategy
from paretune.observation import MetricValue, Observation, Outcome, OutcomeKind, ProbabilitySource
from paretune.parameters import Double
from paretune.space import SearchSpace
from paretune_optimizer.history import History
from paretune_optimizer.insight.front import hypervolume_history, pareto_front

SPACE = SearchSpace((Double("x", 0, 1),))


def history_of(metrics, rows, stddev=None, outcomes=None) -> History:
    history = History(Experiment(name="e", space=SPACE, metrics=metrics))
    for index, row in enumerate(rows):
        outcome = (outcomes or {}).get(index, Outcome())
        values = (
            ()
            if outcome.kind is not OutcomeKind.OK
            else tuple(MetricValue(m.name, v, stddev) for m, v in zip(metrics, row, strict=True))
        )
        history.add_observation(
            Observation({"x": index / len(rows)}, values, outcome, id=f"o{index}", ordinal=index + 1)
        )
    return history


PAIR = (Maximize("accuracy"), Minimize("ms"))


def test_front_is_ordered_best_first_with_contributions_that_matter():
    history = history_of(PAIR, [(0.9, 3.0), (0.5, 1.0), (0.8, 3.5), (0.95, 9.0)])
    front = pareto_front(history, reference={"accuracy": 0.0, "ms": 10.0})
    assert [p.observation.id for p in front] == ["o3", "o0", "o1"]
    # Rectangles by hand: 0.95*1 + 0.9*6 + 0.5*2.
    assert front.hypervolume == pytest.approx(0.95 * 1 + 0.9 * 6 + 0.5 * 2)
    assert front[0].hypervolume_contribution == pytest.approx((0.95 - 0.9) * 1 + 0.0 + 0.9 * 0)
    assert all(p.probability_efficient == 1.0 for p in front)
    assert front.observation_count == 4


def test_default_reference_is_worst_of_the_front_moved_out_by_a_tenth():
    front = pareto_front(history_of(PAIR, [(0.9, 3.0), (0.5, 1.0)]))
    assert front.reference_point == pytest.approx({"accuracy": 0.5 - 0.04, "ms": 3.2})


def test_failures_thresholds_and_constraints_keep_points_off():
    metrics = (Maximize("accuracy", threshold=0.6), Minimize("ms"),
               Minimize("size", strategy=Strategy.CONSTRAIN, threshold=5.0))  # fmt: skip
    rows = [(0.9, 3.0, 4.0), (0.5, 1.0, 4.0), (0.99, 2.0, 6.0), (0.0, 0.0, 0.0)]
    history = history_of(metrics, rows, outcomes={3: Outcome(OutcomeKind.INFEASIBLE, "NaN loss")})
    front = pareto_front(history)
    assert [p.observation.id for p in front] == ["o0"]
    assert front.reference_point["accuracy"] == 0.6


def test_as_of_looks_back_and_the_curve_never_falls():
    rows = np.random.default_rng(0).random((50, 2))
    history = history_of(PAIR, rows)
    curve, reference = hypervolume_history(history)
    assert len(curve) == 50
    assert np.all(np.diff(curve) >= 0)
    for count in (1, 20, 50):
        assert pareto_front(history, count, reference=reference).hypervolume == pytest.approx(
            curve[count - 1]
        )


def test_crashed_rows_repeat_the_hypervolume():
    history = history_of(
        PAIR, [(0.9, 3.0), (0, 0), (0.5, 1.0)], outcomes={1: Outcome(OutcomeKind.CRASHED, "boom")}
    )
    curve, _ = hypervolume_history(history)
    assert curve[0] == curve[1] < curve[2]


def test_noise_gives_probabilities_and_slack_gives_room():
    rows = [(0.90, 3.0), (0.899, 3.01), (0.5, 5.0)]
    history = history_of(PAIR, rows, stddev=0.02)
    front = pareto_front(history)
    assert [p.observation.id for p in front] == ["o0"]
    assert 0.2 < front[0].probability_efficient < 1.0
    wide = pareto_front(history, slack=2.0)
    assert {p.observation.id for p in wide} == {"o0", "o1"}
    assert next(p for p in wide if p.observation.id == "o1").probability_efficient > 0.05


def test_no_feasible_point_is_an_empty_front():
    front = pareto_front(history_of(PAIR, [(0, 0)], outcomes={0: Outcome(OutcomeKind.CRASHED, "boom")}))
    assert len(front) == 0
    assert front.hypervolume == 0.0
    assert hypervolume_history(history_of(PAIR, []))[0] == []


def test_reference_point_names_are_checked():
    history = history_of(PAIR, [(0.9, 3.0)])
    with pytest.raises(InvalidArgument, match="did you mean 'accuracy'"):
        pareto_front(history, reference={"acuracy": 0.1, "ms": 3})
    with pytest.raises(InvalidArgument, match="lacks a value of 'ms'"):
        pareto_front(history, reference={"accuracy": 0.1})


def test_single_metric():
    history = history_of((Maximize("accuracy"),), [(0.5,), (0.9,), (0.7,)])
    front = pareto_front(history)
    assert [p.observation.id for p in front] == ["o1"]


def lucky(x: float, rng) -> tuple[float, float]:
    return (x + 0.2 * rng.standard_normal(), 1.0 - x + 0.2 * rng.standard_normal())


def noisy_history() -> History:
    rng = np.random.default_rng(4)
    metrics = (Minimize("f"), Minimize("g"))
    return history_of(metrics, [lucky(k / 40, rng) for k in range(40)])


def test_the_model_doubts_lucky_measurements_without_standard_errors():
    front = pareto_front(noisy_history())
    assert front.probability_source is ProbabilitySource.MODEL
    assert min(p.probability_efficient for p in front) < 0.9
    sure = pareto_front(noisy_history(), source=ProbabilitySource.STANDARD_ERRORS)
    assert sure.probability_source is ProbabilitySource.STANDARD_ERRORS
    assert {p.probability_efficient for p in sure} == {1.0}
    assert [p.observation.id for p in sure] == [p.observation.id for p in front]


def test_the_model_speaks_of_the_present_only():
    history = noisy_history()
    wanted = ProbabilitySource.MODEL
    assert pareto_front(history, 30, source=wanted).probability_source is ProbabilitySource.STANDARD_ERRORS
    assert pareto_front(history, 40, source=wanted).probability_source is wanted


def test_the_models_probabilities_do_not_depend_on_what_was_asked_before():
    fresh, used = noisy_history(), noisy_history()
    pareto_front(used, source=ProbabilitySource.STANDARD_ERRORS)
    pareto_front(used, 20)
    assert pareto_front(fresh) == pareto_front(used)


def test_true_front_points_are_believed_more_than_false_ones():
    """Fifty noisy points on a true front and fifty behind it: the model tells them apart."""
    rng = np.random.default_rng(0)
    space = SearchSpace((Double("x", 0, 1), Double("y", 0, 1)))
    history = History(Experiment(name="e", space=space, metrics=(Minimize("f"), Minimize("g"))))
    for k in range(100):
        x, y = rng.random(), 0.0 if k % 2 else 0.15
        values = (x + y + 0.05 * rng.standard_normal(), 1.0 - x + y + 0.05 * rng.standard_normal())
        measured = tuple(MetricValue(m, v, 0.05) for m, v in zip("fg", values, strict=True))
        history.add_observation(Observation({"x": x, "y": y}, measured, id=f"o{k}", ordinal=k + 1))
    chance = {True: [], False: []}
    for point in pareto_front(history, slack=3.0):
        chance[point.assignments["y"] == 0.0].append(point.probability_efficient)
    assert len(chance[False]) > 5
    assert np.mean(chance[True]) > 3 * np.mean(chance[False])


def test_probabilities_are_left_out_when_nobody_asks_for_them():
    front = pareto_front(history_of(PAIR, [(0.9, 3.0), (0.5, 1.0)], 0.1), source=ProbabilitySource.NONE)
    assert [p.probability_efficient for p in front] == [0.0, 0.0]
    assert front.probability_source is ProbabilitySource.NONE
