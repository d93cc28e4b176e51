"""The board: what events of an experiment say about its trainings."""

import math
import time
from datetime import UTC, datetime

import pytest

import paretune as pt
from paretune.observation import Amendment, Checkpoint, Event, Lease, MetricPrediction
from paretune_optimizer.stopping.board import Board

LEASE = Lease("w", "1", datetime(2026, 1, 1, tzinfo=UTC))
STOPPED = pt.OutcomeKind.STOPPED_EARLY
HALVING = pt.EarlyStopping((pt.EarlyStoppingRule.HALVING,))


def told(values):
    return tuple(pt.MetricValue(name, value) for name, value in values.items())


class Course:
    """A board, and events told in few words."""

    def __init__(self, **fields):
        fields = {"fidelity": pt.Fidelity("epochs", 3, 30), "early_stopping": HALVING, **fields}
        self.experiment = pt.Experiment(
            "e",
            pt.SearchSpace((pt.Double("x", 0, 1),)),
            (pt.Maximize("accuracy", threshold=fields.pop("threshold", None)), pt.Minimize("ms")),
            **fields,
        )
        self.board = Board(self.experiment)
        self.ordinals = {}

    def suggestion(self, key, attempt=1, **fields):
        fields = {"state": pt.SuggestionState.LEASED, "lease": LEASE, **fields}
        ordinal = self.ordinals.setdefault(key, len(self.ordinals) + 1)
        self.board.apply(Event(0, pt.Suggestion(key, "e", ordinal, {"x": 0.5}, attempt=attempt, **fields)))

    def step(self, key, step, attempt=1, **values):
        return self.board.apply(Event(0, Checkpoint(key, step, told(values), attempt)))

    def end(self, key, kind=pt.OutcomeKind.OK, former=None, **values):
        """The result of a training; `former`: what it was before somebody amended it."""
        outcome = pt.Outcome(kind, "" if kind is pt.OutcomeKind.OK else "so")
        amendments = (Amendment(told(former), outcome, "amended"),) if former else ()
        observation = pt.Observation(
            {"x": 0.5}, told(values), outcome, id=f"o-{key}", suggestion_id=key,
            ordinal=self.ordinals.get(key, 1), amendments=amendments,
        )  # fmt: skip
        self.board.apply(Event(0, observation))
        return observation

    def many(self, count=8):
        """Trainings at the first rung, the i-th better the larger i is."""
        for i in range(count):
            self.suggestion(f"s{i}")
            self.step(f"s{i}", 3, accuracy=i / 10, ms=10 - i)


def test_a_training_is_judged_where_it_reaches_a_rung():
    course = Course()
    course.suggestion("a")
    assert [course.step("a", step, accuracy=0.1, ms=1.0) for step in (1, 2, 3, 4, 8, 9, 26, 27, 30)] == [
        *("", "", "a", "", "", "a", "", "a", ""),
    ]


def test_the_worst_are_stopped_and_the_best_go_on():
    course = Course()
    course.many()
    stop = course.board.verdict("s0")
    assert (stop.suggestion_id, stop.attempt, stop.rule) == ("s0", 1, pt.EarlyStoppingRule.HALVING)
    assert stop.reason.startswith("halving: place 8 of 8 at this step")
    assert course.board.verdict("s7") is None


@pytest.mark.parametrize("how", ["asked", "queued", "observed", "cancelled", "unknown", "off"])
def test_who_does_not_train_is_not_stopped(how):
    course = Course()
    course.many()
    key = "s0"
    if how == "asked":
        course.suggestion("s0", stop_reason="halving: ...")
    elif how == "queued":
        course.suggestion("s0", state=pt.SuggestionState.QUEUED, lease=None)
    elif how == "observed":
        course.end("s0", accuracy=0.1, ms=1.0)
    elif how == "cancelled":
        course.suggestion("s0", state=pt.SuggestionState.CANCELLED, lease=None)
    elif how == "unknown":
        key = "nobody"
    else:
        from dataclasses import replace

        course.board.apply(Event(0, replace(course.experiment, early_stopping=None)))
    assert course.board.verdict(key) is None


def test_another_attempt_begins_anew():
    course = Course()
    course.many()
    course.suggestion("s0", attempt=2)
    assert course.board.verdict("s0") is None
    assert course.step("s0", 9, attempt=1, accuracy=0.9, ms=1.0) == ""  # of the superseded attempt
    assert course.step("s0", 3, attempt=2, accuracy=0.0, ms=11.0) == "s0"
    assert course.board.verdict("s0").attempt == 2


def test_what_no_checkpoint_says_is_what_the_model_expected():
    course = Course()
    for i in range(8):
        predictions = (MetricPrediction("ms", 10.0 - i, 1.0),)
        course.suggestion(f"s{i}", provenance=pt.Provenance(predictions=predictions))
        course.step(f"s{i}", 3, accuracy=i / 10)
    assert course.board.verdict("s0") is not None
    assert course.board.verdict("s7") is None


def test_a_threshold_that_will_be_missed_is_named():
    feasibility = pt.EarlyStopping((pt.EarlyStoppingRule.FEASIBILITY,), confidence=0.9)
    course = Course(early_stopping=feasibility, threshold=0.8)
    for i in range(20):
        course.suggestion(f"f{i}")
        course.step(f"f{i}", 3, accuracy=i / 50, ms=1.0)
        course.end(f"f{i}", accuracy=i / 50 + 0.4, ms=1.0)
    course.suggestion("a")
    course.step("a", 3, accuracy=0.2, ms=1.0)
    assert course.board.verdict("a").reason.startswith("feasibility: accuracy would miss its threshold")
    course.suggestion("b")
    course.step("b", 3, accuracy=0.5, ms=1.0)
    assert course.board.verdict("b") is None


def eight_of_which_six_finish() -> Course:
    course = Course()
    for i in range(8):
        course.suggestion(f"s{i}")
        course.step(f"s{i}", 3, accuracy=i / 10, ms=1.0)
    for i in range(6):
        # Those that were lower gained more.
        course.end(f"s{i}", accuracy=i / 10 + 0.9 - i / 10, ms=1.0)
    return course


def test_a_stopped_training_is_projected_by_the_changes_of_its_nearest_neighbours():
    course = eight_of_which_six_finish()
    mean, deviation = course.board.projection(course.end("s6", STOPPED, accuracy=0.6, ms=1.0))
    # Its nearest four that finished are s2 to s5, which gained 0.7 to 0.4; all minimised.
    assert mean == pytest.approx([-(0.6 + 0.55), 1.0])
    assert deviation == pytest.approx([0.129, 0.0], abs=1e-3)


def test_an_amended_value_of_a_stopped_training_stands_for_itself():
    course = eight_of_which_six_finish()
    before = {"accuracy": 0.6, "ms": 1.0}
    mean, _ = course.board.projection(course.end("s6", STOPPED, before, accuracy=0.6, ms=9.0))
    assert mean == pytest.approx([-(0.6 + 0.55), math.nan], nan_ok=True)
    mean, _ = course.board.projection(course.end("s6", STOPPED, before, **before))
    assert mean == pytest.approx([-(0.6 + 0.55), 1.0])


def test_a_result_that_was_taken_out_and_brought_back_counts_as_before():
    course = eight_of_which_six_finish()
    stopped = course.end("s6", STOPPED, accuracy=0.6, ms=1.0)
    before, _ = course.board.projection(stopped)
    course.end("s5", pt.OutcomeKind.CRASHED)
    assert course.board.projection(stopped)[0] == pytest.approx([-(0.6 + 0.65), 1.0])
    course.end("s5", accuracy=0.9, ms=1.0)
    assert course.board.projection(stopped)[0] == pytest.approx(before)


def test_the_order_in_which_curves_are_told_does_not_matter():
    """As events tell them, and as an import does."""
    live, imported = Course(), Course()
    keys = [f"s{i}" for i in range(9)]
    # All alike, so that only their order decides who the nearest are.
    for key, gain in zip(keys, range(9), strict=True):
        live.suggestion(key)
        live.step(key, 3, accuracy=0.0, ms=1.0)
        stopped = live.end(key, STOPPED if key == "s8" else pt.OutcomeKind.OK, accuracy=gain, ms=1.0)
    for key in keys:
        imported.suggestion(key, state=pt.SuggestionState.OBSERVED, lease=None)
    for key in reversed(keys):
        imported.step(key, 3, accuracy=0.0, ms=1.0)
    for key, gain in zip(keys, range(9), strict=True):
        imported.end(key, STOPPED if key == "s8" else pt.OutcomeKind.OK, accuracy=gain, ms=1.0)
    for ours, theirs in zip(imported.board.projection(stopped), live.board.projection(stopped), strict=True):
        assert list(ours) == list(theirs)


def test_nothing_is_projected_from_too_few():
    course = Course()
    course.many(4)
    for i in range(3):
        course.end(f"s{i}", accuracy=0.9, ms=1.0)
    assert course.board.projection(course.end("s3", STOPPED, accuracy=0.3, ms=1.0)) is None
    assert course.board.projection(course.end("nobody", STOPPED, accuracy=0.3, ms=1.0)) is None


def test_projections_hardly_cost_more_when_many_have_trained():
    def seconds(count):
        course = Course()
        for i in range(count):
            course.suggestion(f"s{i}")
            course.step(f"s{i}", 3, accuracy=i / count, ms=1.0)
            course.end(f"s{i}", accuracy=i / count + 0.1, ms=2.0 - i / count)
        course.suggestion("a")
        course.step("a", 3, accuracy=0.4, ms=1.0)
        stopped = course.end("a", STOPPED, accuracy=0.4, ms=1.0)
        return min(timed(course.board.projection, stopped) for _ in range(20))

    def timed(work, *arguments):
        begun = time.thread_time()
        assert work(*arguments)
        return time.thread_time() - begun

    assert seconds(2400) < 4 * seconds(100)
