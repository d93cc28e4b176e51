"""What a study computes, on examples worked out by hand; its report, on the same."""

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

import paretune as pt
from paretune.experiment import Experiment, Policy, Strategy, Workload
from paretune.insight import Attainment, AttainmentSource, AttainmentSurface, VorobevExpectation
from paretune.observation import MetricValue, Observation, Outcome, OutcomeKind, ParetoFront, ParetoPoint
from paretune.space import SearchSpace
from paretune.study import animation, page, report
from paretune.study.comparison import (
    MODEL_BASED,
    RANDOM,
    Search,
    Study,
    first_reach,
    is_feasible,
    merged_frontier,
    shared_reference_point,
)
from paretune.study.figures import Making
from paretune.study.published import differences

METRICS = (pt.Maximize("accuracy", threshold=0.5), pt.Minimize("cost", unit="s"))
BEGUN = datetime(2026, 1, 2, tzinfo=UTC)
OURS = ((0.9, 5.0), (0.7, 2.0), (0.6, 1.0), (0.4, 0.1), (0.6, 6.0))
THEIRS = ((0.95, 7.0), (0.8, 6.0), (0.7, 2.0), (0.55, 3.0))
NASTY = '<script>alert("x")</script>'


def experiment(label, workload="diatoms", **settings):
    return Experiment(
        name=f"life-{label}",
        space=SearchSpace((pt.Double("x", 0, 1),)),
        metrics=METRICS,
        policy=Policy.RANDOM if label == RANDOM else Policy.GP,
        workload=Workload(workload, settings),
        id=f"{label}-1",
        seed=7,
    )


def observation(ordinal, values, kind=OutcomeKind.OK):
    return Observation(
        {"x": 0.5},
        tuple(MetricValue(metric.name, value) for metric, value in zip(METRICS, values, strict=True)),
        Outcome(kind, "" if kind is OutcomeKind.OK else "why"),
        id=f"o-{ordinal}",
        ordinal=ordinal,
        metadata={"device": NASTY, "torch": "2.13.0"},
        start_time=BEGUN + timedelta(seconds=10 * ordinal),
        create_time=BEGUN + timedelta(seconds=10 * ordinal + 4),
    )


def front(values, volume=1.0, **point):
    points = tuple(ParetoPoint(observation(ordinal, one)) for ordinal, one in enumerate(values, 1))
    return ParetoFront(points, volume, point or {"accuracy": 0.5, "cost": 8.0})


def search(label, values, efficient, volumes, **settings):
    observations = [observation(ordinal, one) for ordinal, one in enumerate(values, 1)]
    volume = volumes[-1] if volumes else 0.0
    return Search(label, experiment(label, **settings), observations, front(efficient, volume), volumes)


@pytest.fixture
def study():
    surfaces = [
        AttainmentSurface(level, ({"accuracy": 0.9 - level / 5, "cost": 6.0 + level},))
        for level in (0.05, 0.5, 0.95)
    ]
    regions = Attainment(
        tuple(surfaces),
        AttainmentSource.RESAMPLING,
        800,
        {"accuracy": 0.5, "cost": 8.0},
        VorobevExpectation(surfaces[1], 0.5, 0.1),
    )
    return Study(
        search(MODEL_BASED, OURS, OURS[:3], (0.2, 1.4, 1.5, 1.5, 1.5), preset="quick", data="/home/me"),
        search(RANDOM, THEIRS, (THEIRS[0], THEIRS[2]), (0.1, 0.4, 1.2, 1.2), preset="quick"),
        {"accuracy": 0.5, "cost": 8.0},
        regions,
    )


def test_the_frontier_of_both_and_who_found_it(study):
    merged = study.merged
    # (0.7, 2.0) was found by both, to the last digit; (0.9, 5.0) and (0.6, 1.0) are ours, (0.95, 7.0) theirs.
    assert merged.model_based == ((0.9, 5.0), (0.6, 1.0))
    assert merged.random == ((0.95, 7.0),)
    assert merged.both == ((0.7, 2.0),)
    assert (merged.model_based_share, merged.random_share, merged.tied_share) == (0.5, 0.25, 0.25)


def test_a_dominated_point_and_a_repeated_one_count_for_nothing():
    merged = merged_frontier(METRICS, front([(0.9, 5.0), (0.9, 5.0)]), front([(0.9, 5.5), (0.8, 5.0)]))
    assert merged.model_based == ((0.9, 5.0),)
    assert merged.model_based_share == 1.0
    nothing = merged_frontier(METRICS, front([]), front([]))
    assert (len(nothing), nothing.model_based_share, nothing.random_share) == (0, 0.0, 0.0)


def test_figures_of_a_study(study):
    assert study.volume_ratio == pytest.approx(1.25)
    assert study.equal_budget_ratio == pytest.approx(3.0)
    assert study.random_catches_up is None
    assert study.model_based_overtakes == 2
    assert study.attainment_size == 4
    assert study.model_based.feasible_share == pytest.approx(0.8)
    assert study.random.feasible_share == 1.0
    assert study.model_based.training_seconds == pytest.approx(20.0)
    assert study.span == (BEGUN + timedelta(seconds=10), BEGUN + timedelta(seconds=54))


def test_one_reference_point_for_both_is_the_worse_in_each_metric():
    one, other = front([], accuracy=0.5, cost=9.0), front([], accuracy=0.4, cost=7.0)
    assert shared_reference_point(METRICS, [one, other]) == {"accuracy": 0.4, "cost": 9.0}
    assert shared_reference_point(METRICS, []) == {}


def test_feasible_is_what_succeeded_within_the_thresholds():
    bounded = Experiment(
        "e",
        SearchSpace((pt.Double("x", 0, 1),)),
        (METRICS[0], pt.Minimize("cost", threshold=3.0, strategy=Strategy.CONSTRAIN)),
    )
    assert is_feasible(bounded, observation(1, (0.5, 3.0)))
    assert not is_feasible(bounded, observation(1, (0.49, 3.0)))
    assert not is_feasible(bounded, observation(1, (0.5, 3.1)))
    assert not is_feasible(bounded, observation(1, (0.9, 1.0), OutcomeKind.INFEASIBLE))


def test_when_a_hypervolume_is_reached():
    assert first_reach([0.0, 1.0, 2.0], 1.0) == 2
    assert first_reach([0.0, 1.0], 1.5) is None


@pytest.mark.parametrize(
    ("workload", "settings", "said"),
    [
        ("digits", {}, []),
        ("diatoms", {}, ["5 and 4 trainings instead of 480 and 4,800"]),
        ("diatoms", {"preset": "quick"}, ["trainings are those of preset quick, not full", "5 and 4"]),
        (
            "diatoms",
            {"epochs": "3", "framework": "keras"},
            ["settings differ from the preset's (epochs)", "5"],
        ),
    ],
)
def test_what_cannot_be_compared_is_said(workload, settings, said):
    both = [
        search(label, values, (), (), workload=workload, **settings)
        for label, values in ((MODEL_BASED, OURS), (RANDOM, THEIRS))
    ]
    found = differences(Study(*both, {}))
    assert len(found) == len(said)
    assert all(one.startswith(text) for one, text in zip(found, said, strict=True))


def test_the_efficient_ones_of_two_metrics():
    values = [(0.5, 2.0), (0.9, 5.0), (0.5, 1.0), (0.9, 6.0), (0.4, 1.0), (0.9, 5.0)]
    assert animation.efficient(METRICS, values) == [(0.9, 5.0), (0.5, 1.0)]


def test_the_report_needs_no_other_file_and_escapes_everything(study, tmp_path):
    files = report.write(study, Making(f"paretune study {NASTY}", "abc", "m"), tmp_path)
    page = files["report"].read_text().replace("&nbsp;", " ")
    assert NASTY not in page
    assert "<script" not in page
    assert set(re.findall(r'(?:src|href|srcset)="(.{10})', page)) == {"data:image"}
    assert page.count("data:image/png") == 4  # three pictures, and a still for whoever wants no motion
    assert "not comparable to the published ones: trainings are those of preset quick, not full" in page
    assert "85.7 %" in page
    assert "found 2 of the 4 points of the frontier of both together (50 %)" in page
    assert "/home/me" not in page
    assert all(files[name].read_bytes().startswith(b"\x89PNG") for name in ("scatter", "attainment"))
    with Image.open(files["animation"]) as moving:
        assert moving.n_frames == 5


def test_results_say_how_they_were_made(study, tmp_path):
    files = report.write(study, Making("paretune study", "abc", "m"), tmp_path)
    rows = list(csv.DictReader(io.StringIO(files["csv"].read_text())))
    assert [row["search"] for row in rows] == [MODEL_BASED] * 5 + [RANDOM] * 4
    assert {(row["preset"], row["seed"], row["commit"], row["made.torch"]) for row in rows} == {
        ("quick", "7", "abc", "2.13.0")
    }
    figures = json.loads(files["json"].read_text())
    assert figures["merged_frontier"]["tied_share"] == 0.25
    assert figures["made"]["training_seconds"] == pytest.approx(36.0)
    assert "data" not in figures["settings"]


def test_a_study_without_anything_feasible_has_a_report(tmp_path):
    both = [search(label, [(0.1, 1.0)], (), ()) for label in (MODEL_BASED, RANDOM)]
    files = report.write(Study(*both, {}), Making("x", "", "m"), tmp_path)
    page = files["report"].read_text()
    assert "Neither search found anything feasible" in page
    assert "animation" not in files


@pytest.mark.parametrize(
    ("seconds", "text"), [(8.24, "8.24 s"), (119, "119 s"), (720, "12 min"), (12240, "3.4 h")]
)
def test_durations(seconds, text):
    assert page.duration(seconds) == text


def test_shares():
    assert [page.percent(share) for share in (0.857, 1.0, 0.0, 0.48)] == [
        "85.7 %", "100 %", "0 %", "48 %"
    ]  # fmt: skip
