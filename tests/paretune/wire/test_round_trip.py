"""Whatever the vocabulary can say survives the way to bytes and back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import paretune as pt
from paretune import wire
from paretune.experiment import Progress
from paretune.observation import (
    Checkpoint,
    Event,
    FailureReason,
    Lease,
    MetricPrediction,
    Proposal,
)
from paretune.v1 import optimizer_pb2, store_pb2, types_pb2

EASY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

EARLY, LATE = datetime(1970, 1, 2), datetime(2200, 1, 1)  # noqa: DTZ001 - the strategy adds the zone

names = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=20)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
notes = st.dictionaries(names, texts, max_size=3)
reals = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(1e-3, 1e6)
counts = st.integers(0, 2**31 - 1)
probabilities = st.floats(0, 1)
times = st.none() | st.datetimes(EARLY, LATE, timezones=st.just(UTC))
scalars = reals | st.integers(-(2**53), 2**53) | names
assignments = st.dictionaries(names, scalars, max_size=4)
# Seconds are sent as whole nanoseconds.
seconds = st.integers(0, 10**12).map(lambda nanoseconds: nanoseconds / 1e9)


@st.composite
def parameter(draw, name, parents):
    common = {}
    if parents and draw(st.booleans()):
        parent = draw(st.sampled_from(parents))
        common["when"] = {parent.name: [draw(st.sampled_from(list(parent.choices)))]}
    kind = draw(st.sampled_from(["double", "int", "categorical", "grid"]))
    if kind == "categorical":
        choices = draw(st.lists(names, min_size=2, max_size=4, unique=True))
        weights = st.lists(positive, min_size=len(choices), max_size=len(choices))
        return pt.Categorical(
            name,
            choices,
            default=draw(st.none() | st.sampled_from(choices)),
            prior=draw(st.none() | weights.map(lambda w: pt.Weights(tuple(w)))),
            **common,
        )
    common["prior"] = draw(
        st.none() | st.builds(pt.Normal, reals, positive) | st.builds(pt.Beta, positive, positive)
    )
    if kind == "grid":
        grid = sorted(draw(st.sets(st.integers(1, 1000), min_size=2, max_size=5)))
        return pt.Int(name, grid=grid, log=draw(st.booleans()), **common)
    if kind == "int":
        low, width = draw(st.integers(1, 1000)), draw(st.integers(1, 1000))
        return pt.Int(name, low, low + width, log=draw(st.booleans()), default=low, **common)
    low, width = draw(st.floats(1e-6, 1e6)), draw(st.floats(1.0, 1e6))
    return pt.Double(name, low, low + width, log=draw(st.booleans()), default=low, **common)


@st.composite
def spaces(draw):
    found: list = []
    for name in draw(st.lists(names, min_size=1, max_size=5, unique=True)):
        parents = [p for p in found if isinstance(p, pt.Categorical)]
        found.append(draw(parameter(name, parents)))
    numeric = [p.name for p in found if not isinstance(p, pt.Categorical) and p.condition is None]
    constraints = []
    if numeric:
        weights = st.dictionaries(st.sampled_from(numeric), positive, min_size=1)
        constraints = draw(st.lists(st.builds(pt.LinearConstraint, weights, reals), max_size=2))
    return pt.SearchSpace(tuple(found), tuple(constraints))


thresholds = st.none() | reals | st.builds(pt.RelativeThreshold, names, positive)
metrics = st.builds(
    pt.Metric,
    names,
    st.sampled_from(pt.Goal),
    st.just(pt.Strategy.OPTIMIZE),
    thresholds,
    st.sampled_from(["", "ms", "µJ"]),
)


def command(text):
    return pt.Workload("command", {"a": "b"}, ("./train", "{a}", text.translate({0: "", 123: "", 125: ""})))


stopping = st.builds(
    pt.EarlyStopping,
    st.lists(st.sampled_from(pt.EarlyStoppingRule), min_size=1, unique=True).map(tuple),
    st.floats(0.51, 0.99),
    st.integers(2, 10),
    counts,
)
fidelities = st.builds(pt.Fidelity, st.just("a setting"), st.just(5), st.integers(6, 500))
experiments = st.builds(
    pt.Experiment,
    name=names,
    space=spaces(),
    metrics=st.lists(metrics, min_size=1, max_size=3, unique_by=lambda m: m.name).map(tuple),
    observation_budget=counts.filter(lambda n: n <= 10**9),
    parallelism=st.integers(1, 1000),
    seed=st.integers(-(2**63), 2**63 - 1),
    policy=st.sampled_from(pt.Policy),
    lease_policy=st.builds(pt.LeasePolicy, st.integers(1, 86400).map(float), st.integers(1, 100)),
    workload=st.none() | st.builds(pt.Workload, names, notes) | st.builds(command, texts),
    metadata=notes,
    labels=notes,
    id=texts,
    state=st.sampled_from(pt.ExperimentState),
    etag=texts,
    create_time=times,
    update_time=times,
    progress=st.builds(Progress, *[counts] * 9),
    remeasure=st.booleans(),
    fidelity=st.none() | fidelities,
    early_stopping=st.none() | stopping,
)
values = st.lists(st.builds(pt.MetricValue, names, reals, st.none() | st.floats(0, 1e9)), max_size=3).map(
    tuple
)
provenances = st.builds(
    pt.Provenance,
    st.none() | st.sampled_from(pt.Policy),
    counts,
    st.integers(-(2**63), 2**63 - 1),
    seconds,
    st.lists(st.builds(MetricPrediction, names, reals, positive), max_size=2).map(tuple),
    st.none() | probabilities,
    texts,
    counts,
)
leases = st.builds(Lease, names, names, times.filter(lambda time: time is not None))
suggestions = st.builds(
    pt.Suggestion,
    names,
    names,
    counts,
    assignments,
    st.sampled_from(pt.SuggestionState),
    counts,
    st.none() | leases,
    provenances,
    notes,
    times,
    times,
    texts,
)
outcomes = st.builds(
    pt.Outcome, st.sampled_from(pt.OutcomeKind), names, st.sampled_from(FailureReason), counts
)
observations = st.builds(
    pt.Observation,
    assignments,
    values,
    outcomes,
    names,
    names,
    counts,
    texts,
    notes,
    texts,
    counts,
    times,
    times,
)
checkpoints = st.builds(Checkpoint, names, counts, values, counts, times)
events = st.builds(Event, counts, experiments | suggestions | observations | checkpoints, times)
points = st.builds(pt.ParetoPoint, observations, probabilities, reals)
fronts = st.builds(
    pt.ParetoFront, st.lists(points, max_size=3).map(tuple), reals, st.dictionaries(names, reals), counts
)
predictions = st.builds(
    pt.Prediction,
    st.lists(st.builds(MetricPrediction, names, reals, positive), max_size=2).map(tuple),
    probabilities,
    st.none() | probabilities,
)


def through_bytes(message, kind):
    return kind.FromString(message.SerializeToString(deterministic=True))


@EASY
@given(experiments)
def test_experiment(experiment):
    message = through_bytes(wire.experiment_to_proto(experiment), types_pb2.Experiment)
    assert wire.experiment_from_proto(message) == experiment


@EASY
@given(suggestions)
def test_suggestion(suggestion):
    message = through_bytes(wire.suggestion_to_proto(suggestion), types_pb2.Suggestion)
    assert wire.suggestion_from_proto(message) == suggestion


@EASY
@given(observations)
def test_observation(observation):
    message = through_bytes(wire.observation_to_proto(observation), types_pb2.Observation)
    assert wire.observation_from_proto(message) == observation


@EASY
@given(events)
def test_event(event):
    assert wire.event_from_proto(through_bytes(wire.event_to_proto(event), store_pb2.Event)) == event


@EASY
@given(fronts)
def test_front(front):
    assert wire.front_from_proto(through_bytes(wire.front_to_proto(front), types_pb2.ParetoFront)) == front


@EASY
@given(predictions)
def test_prediction(prediction):
    message = through_bytes(wire.prediction_to_proto(prediction), optimizer_pb2.Prediction)
    assert wire.prediction_from_proto(message) == prediction


@EASY
@given(assignments)
def test_types_of_values_survive(found):
    back = wire.assignments_from_proto(wire.configuration_to_proto(found).assignments)
    assert {name: (type(v), v) for name, v in back.items()} == {n: (type(v), v) for n, v in found.items()}


@EASY
@given(assignments, st.randoms())
def test_equal_assignments_give_equal_bytes(found, shuffled):
    items = list(found.items())
    shuffled.shuffle(items)
    one, other = (
        wire.proposal_to_proto(Proposal(a)).SerializeToString(deterministic=True)
        for a in (found, dict(items))
    )
    assert one == other


def test_absent_fields_read_as_defaults():
    message = types_pb2.Experiment(
        name="e",
        parameters=[types_pb2.Parameter(name="x", double_domain=types_pb2.DoubleDomain(min=0, max=1))],
        metrics=[types_pb2.Metric(name="a", goal=types_pb2.GOAL_MAXIMIZE)],
    )
    expected = pt.Experiment("e", pt.SearchSpace((pt.Double("x", 0, 1),)), (pt.Maximize("a"),))
    assert wire.experiment_from_proto(message) == expected


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda m: m.parameters.add(name="y"), "parameters[1].domain"),
        (lambda m: m.metrics.add(name="b"), "metrics[1].goal"),
        (lambda m: m.metrics.add(name="b", goal=7), "metrics[1].goal"),
        (lambda m: setattr(m, "policy", 99), "policy"),
        (
            lambda m: setattr(m.metrics[0].threshold, "absolute", float("nan")),
            "metrics[0].threshold.absolute",
        ),
        (lambda m: setattr(m.parameters[0].double_domain, "max", -1.0), "parameters[0].min"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_path(change, field):
    message = wire.experiment_to_proto(
        pt.Experiment("e", pt.SearchSpace((pt.Double("x", 0, 1),)), (pt.Maximize("a"),))
    )
    change(message)
    with pytest.raises(pt.errors.InvalidArgument) as caught:
        wire.experiment_from_proto(message)
    assert [violation.field for violation in caught.value.violations] == [field]


def test_an_observation_with_nan_is_refused():
    message = types_pb2.Observation(values=[types_pb2.MetricValue(metric="a", value=float("nan"))])
    with pytest.raises(pt.errors.InvalidArgument, match=r"values\[0\].value"):
        wire.observation_from_proto(message)


def test_a_value_without_a_kind_is_refused():
    with pytest.raises(pt.errors.InvalidArgument, match=r"assignments\['x'\]"):
        wire.assignments_from_proto({"x": types_pb2.Value()})


def test_times_keep_their_microseconds():
    now = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(microseconds=123457)
    message = types_pb2.Suggestion(create_time=wire.time_to_proto(now))
    assert wire.time_from_proto(message, "create_time") == now
