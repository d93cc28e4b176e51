"""What a person sees while an experiment runs: the state from events, and how it is drawn."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

import paretune as pt
from paretune.cli.progress import Course, Display, clock_text, end_line, observation_line, sparkline
from paretune.cli.tables import measured_text
from paretune.observation import Checkpoint, Event, Lease, MetricValue

T0 = datetime(2026, 1, 1, tzinfo=UTC)
EXPERIMENT = pt.Experiment(
    name="digits",
    space=pt.SearchSpace((pt.Double("x", 0, 1),)),
    metrics=(pt.Maximize("accuracy"), pt.Minimize("ms", unit="ms")),
    observation_budget=4,
    update_time=T0,
)


OK = pt.Outcome()


def event(change):
    return Event(1, change)


def suggestion(n, state=pt.SuggestionState.LEASED, attempt=1):
    lease = Lease("w", "f", T0) if state is pt.SuggestionState.LEASED else None
    return event(pt.Suggestion(f"s{n}", "e", n, {"x": 0.5}, state, attempt, lease))


def checkpoint(n, step, value):
    return event(Checkpoint(f"s{n}", step, (MetricValue("accuracy", value),)))


def observation(n, accuracy=0.9, ms=2.0, outcome=OK):
    values = (MetricValue("accuracy", accuracy), MetricValue("ms", ms)) if outcome.kind.value == 1 else ()
    return event(pt.Observation({"x": 0.5}, values, outcome, ordinal=n, suggestion_id=f"s{n}"))


def fed(*events, **fields):
    course = Course(EXPERIMENT, **fields)
    for one in events:
        course.take(one)
    return course


def test_a_trial_begins_goes_on_and_ends():
    course = fed(suggestion(1), suggestion(2), checkpoint(1, 3, 0.7))
    assert [(r.suggestion.ordinal, r.step) for r in course.running.values()] == [(1, 3), (2, 0)]
    assert course.take(observation(1)).ordinal == 1
    course.take(suggestion(1, pt.SuggestionState.OBSERVED))
    assert list(course.running) == ["s2"]
    assert (course.observed, course.best, course.done) == (1, {"accuracy": 0.9, "ms": 2.0}, False)


def test_a_lease_that_expired_begins_anew():
    course = fed(suggestion(1), checkpoint(1, 7, 0.7), suggestion(1, pt.SuggestionState.QUEUED))
    assert course.running == {}
    course.take(suggestion(1, attempt=2))
    assert (course.running["s1"].step, course.running["s1"].suggestion.attempt) == (0, 2)


def test_what_happened_before_is_not_new():
    course = fed(begun_with=2)
    assert [course.take(observation(n)) is not None for n in (1, 2, 3)] == [False, False, True]
    assert course.take(observation(3)) is None


def test_what_an_experiment_was_does_not_hide_what_it_is():
    course = fed(observation(1), observation(2))
    course.take(event(replace(EXPERIMENT, observation_budget=2, update_time=T0 - timedelta(seconds=1))))
    assert not course.done
    course.take(event(replace(EXPERIMENT, observation_budget=2, update_time=T0 + timedelta(seconds=1))))
    assert course.done


def test_best_is_per_direction_and_of_good_outcomes():
    failed = pt.Outcome(pt.OutcomeKind.INFEASIBLE, "no")
    course = fed(observation(1, 0.5, 1.0), observation(2, 0.9, 3.0), observation(3, outcome=failed))
    assert course.best == {"accuracy": 0.9, "ms": 1.0}
    assert course.failed == 1


def test_the_time_left_follows_the_rate_since_watching_began():
    course = fed(*(observation(n) for n in (1, 2, 3)), begun_at=100.0, begun_with=1)
    assert course.seconds_left(110.0) == pytest.approx(5.0)
    assert fed(begun_at=100.0).seconds_left(110.0) is None


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3600, "1:00:00"), (-1, "0:00")])
def test_clock(seconds, text):
    assert clock_text(seconds) == text


def test_lines():
    course = fed(observation(1))
    one = observation(1, 0.97251, 1.8349).change
    assert observation_line(course, one) == "digits [1/4] accuracy 0.9725  ms 1.835 ms"
    bad = observation(2, outcome=pt.Outcome(pt.OutcomeKind.CRASHED, "KeyError:\n 'x\x1b'")).change
    assert observation_line(course, bad) == "digits [2/4] crashed: KeyError: 'x?'"
    assert end_line(course, 75.0) == "digits: 1 of 4 observations, in 1:15."


@pytest.mark.parametrize("width", [20, 40, 80])
def test_the_drawing_fits_the_terminal(width):
    course = fed(suggestion(1), suggestion(2, attempt=2), checkpoint(1, 3, 0.7), observation(3))
    console = Console(
        width=width, file=io.StringIO(), force_terminal=True, color_system=None, highlight=False
    )
    console.print(Display(console, [course], clock=lambda: 10.0))
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) <= width
    assert "trial 1  step 3" in lines[2] or width == 20
    assert "3/4" in lines[0] or width == 20


def test_without_a_terminal_every_observation_is_a_line():
    console = Console(file=io.StringIO(), width=200)
    course = Course(EXPERIMENT)
    with Display(console, [course], clock=lambda: 0.0) as display:
        for n in (1, 2):
            display.observed(course, course.take(observation(n)))
    assert console.file.getvalue().splitlines() == [
        "digits [1/4] accuracy 0.9  ms 2 ms",
        "digits [2/4] accuracy 0.9  ms 2 ms",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (MetricValue("m", 0.97251, 0.0074), "0.9725 ± 0.0074"),
        (MetricValue("m", 12.345, 0.2), "12.35 ± 0.20"),
        (MetricValue("m", 12345.0, 30.0), "12345 ± 30"),
        (MetricValue("m", 1.23456), "1.235"),
        (MetricValue("m", 1.23456, 0.0), "1.235"),
        (None, "-"),
    ],
)
def test_a_value_has_the_digits_that_its_error_leaves(value, text):
    assert measured_text(value) == text


def test_a_curve_in_a_few_characters():
    assert sparkline([]) == sparkline([1.0]) == ""
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([1, 1]) == "▄▄"
    assert sparkline(range(1000), width=4) == "▁▃▆█"
