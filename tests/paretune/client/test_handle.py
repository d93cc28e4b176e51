import pytest

import paretune as pt
from paretune.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound

GOOD = {"x": 0.5, "n": 2, "kind": "plain"}


def test_one_suggestion_or_a_list(experiment):
    one, several, list_of_one = experiment.suggest(), experiment.suggest(2), experiment.suggest(1)
    assert isinstance(one, pt.Suggestion)
    assert [type(s) for s in several] == [pt.Suggestion] * 2
    assert len(list_of_one) == 1
    assert [s.ordinal for s in experiment.suggestions()] == [1, 2, 3, 4]
    active = experiment.experiment.space.active(one.assignments)
    assert set(one.assignments) == {parameter.name for parameter in active}


def test_observe_a_suggestion_and_free_assignments(experiment):
    suggestion = experiment.suggest()
    answered = experiment.observe(suggestion, {"accuracy": 0.9, "cost": (3.0, 0.5)})
    assert answered.suggestion_id == suggestion.id
    assert answered.values[1] == pt.MetricValue("cost", 3.0, 0.5)
    free = experiment.observe(GOOD, {"accuracy": 0.8, "cost": 2}, metadata={"by": "hand"})
    assert (free.assignments, free.suggestion_id, free.metadata) == (GOOD, "", {"by": "hand"})
    assert [o.id for o in experiment.observations()] == [answered.id, free.id]


def test_observe_what_went_wrong(experiment):
    kinds = [
        experiment.observe(GOOD, infeasible="too big").outcome.kind,
        experiment.observe(GOOD, crashed="disk full").outcome.kind,
        experiment.observe(GOOD, {"accuracy": 0.1}, stopped_early=3).outcome.kind,
    ]
    assert [kind.name for kind in kinds] == ["INFEASIBLE", "CRASHED", "STOPPED_EARLY"]
    progress = experiment.refresh().progress
    assert (progress.infeasible, progress.crashed, progress.stopped_early) == (1, 1, 1)


def test_an_amended_result_is_seen_by_everybody(client, experiment):
    better = experiment.observe(GOOD, {"accuracy": 0.9, "cost": (3.0, 0.5)})
    worse = experiment.observe({**GOOD, "x": 0.1}, {"accuracy": 0.8, "cost": 4.0})
    assert [p.observation.id for p in experiment.pareto_front()] == [better.id]
    amended = experiment.amend(better, {"accuracy": (0.7, 0.1)}, reason="measured on the training set")
    assert [v.value for v in amended.values] == [0.7, 3.0]
    assert amended.values[0].stddev == 0.1
    (former,) = amended.amendments
    assert (former.former_values, former.reason) == (better.values, "measured on the training set")
    assert former.author
    assert {p.observation.id for p in experiment.pareto_front()} == {better.id, worse.id}
    with pytest.raises(Aborted) as caught:
        experiment.amend(better, reason="unseen", crashed="gone")
    assert caught.value.reason == "OBSERVATION_AMENDED"
    experiment.amend(amended, reason="the wrong data", crashed="wrong data")
    assert [p.observation.id for p in experiment.pareto_front()] == [worse.id]
    back = experiment.amend(client.get_observation(better.id), reason="no, it was right", ok=True)
    assert [a.former_outcome.kind.name for a in back.amendments] == ["OK", "OK", "CRASHED"]
    assert experiment.observations()[0] == back


def test_queue(experiment):
    experiment.queue(GOOD)
    assert experiment.suggest().assignments == GOOD


def test_predict_one_or_many(experiment):
    for step in range(4):
        experiment.observe({**GOOD, "x": step / 4}, {"accuracy": step / 4, "cost": 1 + step})
    assert isinstance(experiment.predict(GOOD), pt.Prediction)
    assert len(experiment.predict([GOOD, {**GOOD, "n": 8}])) == 2


def test_life_of_an_experiment(client, experiment):
    assert experiment.pause().state is pt.ExperimentState.PAUSED
    with pytest.raises(FailedPrecondition) as caught:
        experiment.suggest()
    assert caught.value.reason == "EXPERIMENT_NOT_ACTIVE"
    assert experiment.resume().state is pt.ExperimentState.ACTIVE
    assert experiment.finish().state is pt.ExperimentState.FINISHED
    assert experiment.archive().state is pt.ExperimentState.ARCHIVED
    assert client.experiment(experiment.id).experiment.state is pt.ExperimentState.ARCHIVED
    assert experiment.update(name="other").name == "other"
    experiment.delete()
    with pytest.raises(NotFound):
        client.experiment(experiment.id)


def test_best_of_one_metric(client, experiment, fields):
    single = client.create_experiment(**fields(metrics=[pt.Minimize("cost")]))
    assert single.best() is None
    for cost in (3.0, 1.0, 2.0):
        single.observe(GOOD, {"cost": cost})
    assert single.best().value("cost") == 1.0
    with pytest.raises(InvalidArgument, match="pareto_front"):
        experiment.best()


def test_front_and_hypervolume(experiment):
    experiment.observe(GOOD, {"accuracy": 0.5, "cost": 10.0})
    (point,) = experiment.pareto_front()
    assert point.values == {"accuracy": 0.5, "cost": 10.0}
    reference = {"accuracy": 0.0, "cost": 20.0}
    assert experiment.hypervolume(reference_point=reference) == pytest.approx(5.0)
    assert experiment.hypervolume_history(reference_point=reference) == pytest.approx([5.0])


def test_names(experiment):
    assert experiment.name == "compete"
    assert repr(experiment) == f"ExperimentHandle('{experiment.id}', name='compete')"
