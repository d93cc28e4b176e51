"""What leaving ``with trial:`` means, in every case."""

import math
import time

import pytest

import paretune as pt
from paretune.client.trial import Trial
from paretune.errors import FailedPrecondition, InvalidArgument
from paretune.observation import FailureReason


@pytest.fixture
def trials(experiment):
    stream = experiment.trials()
    yield stream
    stream.close()


def states(experiment) -> list[str]:
    return [suggestion.state.name for suggestion in experiment.suggestions()]


def only(experiment) -> pt.Observation:
    (observation,) = experiment.observations()
    return observation


def test_a_report_is_recorded_with_its_notes(experiment, trials):
    with next(trials) as trial:
        trial.metadata["epochs"] = 3
        trial.observe(accuracy=0.9, cost=(1.8, 0.05))
    observation = only(experiment)
    assert trial.observation == observation
    assert observation.values == (pt.MetricValue("accuracy", 0.9), pt.MetricValue("cost", 1.8, 0.05))
    assert observation.assignments == trial.assignments
    assert observation.metadata == {"epochs": "3"}
    assert observation.start_time <= observation.create_time
    assert observation.worker == trial.suggestion.lease.worker


def test_metrics_whose_names_are_no_identifiers(client, fields):
    experiment = client.create_experiment(**fields(metrics=[pt.Maximize("top-1 %"), pt.Minimize("self")]))
    trials = experiment.trials()
    with next(trials) as trial:
        trial.observe({"top-1 %": 90.0}, self=1.0)
    assert only(experiment).value("self") == 1.0


def test_assignments_are_read_by_name(trials):
    with next(trials) as trial:
        assert trial["x"] == trial.assignments["x"]
        with pytest.raises(KeyError, match="did you mean 'kind'"):
            trial["kinds"]
        trial.observe(accuracy=0.9, cost=1.8)


def test_infeasible(experiment, trials):
    with next(trials) as trial:
        trial.infeasible("too big for the device", cost=99.0)
    observation = only(experiment)
    assert observation.outcome == pt.Outcome(
        pt.OutcomeKind.INFEASIBLE, "too big for the device", FailureReason.DECLARED
    )
    assert observation.value("cost") == 99.0


def test_stopped_early(experiment, trials):
    with next(trials) as trial:
        trial.stopped_early(7, accuracy=0.3)
    assert only(experiment).outcome == pt.Outcome(pt.OutcomeKind.STOPPED_EARLY, step=7)


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ValueError("shapes differ"), FailureReason.EXCEPTION),
        (MemoryError("no more"), FailureReason.OUT_OF_MEMORY),
        (TimeoutError("too slow"), FailureReason.TIMEOUT),
        (RuntimeError("\ud800 unprintable"), FailureReason.EXCEPTION),
        (RuntimeError("long " * 40_000), FailureReason.EXCEPTION),
    ],
)
def test_an_exception_is_a_crash_and_the_loop_goes_on(experiment, trials, error, failure):
    with next(trials):
        raise error
    outcome = only(experiment).outcome
    assert (outcome.kind, outcome.failure) == (pt.OutcomeKind.CRASHED, failure)
    assert type(error).__name__ in outcome.reason
    assert "raise error" in only(experiment).metadata["traceback"]
    with next(trials) as trial:
        trial.observe(accuracy=0.9, cost=1.8)
    assert len(experiment.observations()) == 2


def test_nan_says_what_to_do_and_the_trial_can_still_do_it(experiment, trials):
    with next(trials) as trial:
        with pytest.raises(InvalidArgument, match=r"trial\.infeasible"):
            trial.observe(accuracy=math.nan, cost=1.0)
        trial.infeasible("the loss diverged")
    assert only(experiment).outcome.kind is pt.OutcomeKind.INFEASIBLE


def test_nan_that_nobody_caught_is_a_crash_of_its_own_kind(experiment, trials):
    with next(trials) as trial:
        trial.observe(accuracy=math.nan, cost=1.0)
    outcome = only(experiment).outcome
    assert (outcome.kind, outcome.failure) == (pt.OutcomeKind.CRASHED, FailureReason.NOT_FINITE)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_releases_the_lease(experiment, trials, kind):
    with pytest.raises(kind), next(trials):
        raise kind
    assert states(experiment) == ["QUEUED"]
    assert experiment.observations() == []


@pytest.mark.parametrize("values", [{"acuracy": 0.9, "cost": 1.0}, {"accuracy": 0.9}, {"accuracy": "high"}])
def test_a_report_that_cannot_be_right_ends_the_loop_at_once(experiment, trials, values):
    with pytest.raises(InvalidArgument, match=r"acc|cost"), next(trials) as trial:
        trial.observe(values)
    assert states(experiment) == ["QUEUED"]
    assert experiment.observations() == []


def test_leaving_without_a_report(experiment, trials):
    with pytest.raises(FailedPrecondition, match=r"trial\.observe") as caught, next(trials):
        pass
    assert caught.value.reason == "TRIAL_NOT_REPORTED"
    assert states(experiment) == ["QUEUED"]


def test_a_released_trial_needs_no_report(experiment, trials):
    with next(trials) as trial:
        trial.release()
    assert states(experiment) == ["QUEUED"]


def test_reporting_twice(experiment, trials):
    with next(trials) as trial:
        trial.observe(accuracy=0.9, cost=1.8)
        with pytest.raises(FailedPrecondition, match="once"):
            trial.observe(accuracy=0.9, cost=1.8)
    with pytest.raises(FailedPrecondition), trial:
        pass
    assert len(experiment.observations()) == 1


def test_an_exception_after_the_report_is_not_hidden(experiment, trials):
    def train(trial):
        with trial:
            trial.observe(accuracy=0.9, cost=1.8)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(next(trials))
    assert only(experiment).outcome.kind is pt.OutcomeKind.OK


def test_a_loop_that_is_left_takes_its_trial_along(experiment):
    trial = next(experiment.trials())
    with pytest.raises(FailedPrecondition, match="in a variable"), trial:
        pass
    assert states(experiment) == ["QUEUED"]


def test_a_trial_that_is_dropped_stops_its_heartbeats(trials):
    trial = Trial(_NoBeats(), next(trials).suggestion, ttl=60.0, patience=1.0)
    thread = trial._lease._thread
    assert thread.is_alive()
    del trial
    thread.join(20)
    assert not thread.is_alive()


class _NoBeats:
    """A client that is never asked."""


def test_checkpoints(client, experiment, trials):
    with next(trials) as trial:
        assert trial.checkpoint(1, accuracy=0.5) is pt.Directive.CONTINUE
        assert trial.checkpoint(2, {"accuracy": (0.6, 0.1)}) is pt.Directive.CONTINUE
        with pytest.raises(InvalidArgument, match="infeasible"):
            trial.checkpoint(3, accuracy=math.inf)
        assert not trial.should_stop
        trial.observe(accuracy=0.9, cost=1.8)
    steps = client.list_checkpoints(trial.suggestion.id)
    assert [(c.step, c.values[0].value) for c in steps] == [(1, 0.5), (2, 0.6)]


def test_a_cancelled_suggestion_is_dropped_and_the_loop_goes_on(client, experiment, trials):
    with next(trials) as trial:
        client.cancel(trial.suggestion.id)
        assert trial.checkpoint(1, accuracy=0.5) is pt.Directive.CANCEL
        assert trial.should_stop
        trial.observe(accuracy=0.9, cost=1.8)
    with next(trials) as trial:
        trial.observe(accuracy=0.9, cost=1.8)
    assert states(experiment) == ["CANCELLED", "OBSERVED"]


def test_a_crash_after_the_lease_was_lost_is_dropped(client, experiment, trials):
    with next(trials) as trial:
        client.cancel(trial.suggestion.id)
        raise ValueError
    assert experiment.observations() == []


def test_the_lease_is_kept_alive_while_the_training_computes(client, fields):
    """Several times the lease's life passes; whoever asks meanwhile gets something else."""
    experiment = client.create_experiment(**fields(lease_policy=pt.LeasePolicy(ttl=1.0)))
    trials = experiment.trials()
    with next(trials) as trial:
        first = client.get_suggestion(trial.suggestion.id).lease.expire_time
        time.sleep(2.5)
        later = client.get_suggestion(trial.suggestion.id)
        assert later.state is pt.SuggestionState.LEASED
        assert later.lease.expire_time > first
        assert later.attempt == 1
        trial.observe(accuracy=0.9, cost=1.8)
    assert len(experiment.observations()) == 1
