"""The verbs about results, through a real Optimizer."""

import asyncio

import grpc
import pytest

import paretune as pt
from paretune.errors import FailedPrecondition, InvalidArgument, NotFound
from paretune.insight import AttainmentSource
from paretune.observation import ProbabilitySource
from paretune.v1 import optimizer_pb2 as pb
from paretune.v1 import optimizer_pb2_grpc


@pytest.fixture(scope="module")
def observed(client):
    """Sixteen results that compete: accuracy costs."""
    handle = client.create_experiment(
        name="insight",
        parameters=[pt.Double("x", 0.0, 1.0), pt.Int("n", 1, 8), pt.Categorical("kind", ["plain", "odd"])],
        metrics=[pt.Maximize("accuracy"), pt.Minimize("cost")],
    )
    for k in range(16):
        x, kind = k / 15, ("plain", "odd")[k % 2]
        values = {"accuracy": x - 0.1 * (k % 2), "cost": (5.0 + 10.0 * x**2, 0.05)}
        handle.observe({"x": x, "n": 1 + k % 8, "kind": kind}, values)
    return handle


def test_attainment(observed):
    told = observed.attainment()
    assert told.source is AttainmentSource.MODEL
    assert [len(surface.points) > 0 for surface in told.surfaces] == [True] * 3
    drawn = observed.attainment(
        levels=[0.5],
        source="resampling",
        samples=40,
        sample_size=8,
        reference_point={"accuracy": 0, "cost": 20},
    )
    assert (drawn.source, drawn.samples) == (AttainmentSource.RESAMPLING, 40)
    assert drawn.reference_point == {"accuracy": 0.0, "cost": 20.0}
    assert drawn.expectation.deviation > told.expectation.deviation
    with pytest.raises(InvalidArgument, match="did you mean 'model'"):
        observed.attainment(source="modle")
    for levels in ([0.0], [1.5], [0.5] * 21, [float("nan")]):
        with pytest.raises(InvalidArgument, match="levels"):
            observed.attainment(levels=levels)


def test_importance(observed):
    told = observed.importance()
    assert told.observation_count == 16
    assert told.of("cost").parameters[0].parameter == "x"
    assert set(told.front.shares) == {"x", "n", "kind"}


def test_robustness(observed):
    told = observed.robustness(radius=0.1)
    front = observed.pareto_front()
    assert [point.observation_id for point in told.points] == [p.observation.id for p in front]
    by_name = {metric.metric: metric for metric in told.points[0].metrics}
    assert by_name["accuracy"].worst <= by_name["accuracy"].mean, "worse means less of what is maximized"
    assert by_name["cost"].worst >= by_name["cost"].mean
    for wrong in ({"radius": 0.0}, {"radius": 0.6}, {"slack": -1.0}, {"slack": float("nan")}):
        with pytest.raises(InvalidArgument, match=next(iter(wrong))):
            observed.robustness(**wrong)


def test_recommend(observed):
    knee = observed.recommend()
    assert "knee" in knee.reason
    best = observed.recommend(weights={"accuracy": 1})
    cheap = observed.recommend(limits={"cost": 6.0})
    assert best.assignments["x"] > knee.assignments["x"] > cheap.assignments["x"]
    assert {value.metric for value in best.expected} == {"accuracy", "cost"}
    with pytest.raises(FailedPrecondition) as caught:
        observed.recommend(limits={"cost": 1.0})
    assert caught.value.reason == "NOTHING_WITHIN_LIMITS"
    with pytest.raises(InvalidArgument, match="one or the other"):
        observed.recommend(weights={"cost": 1}, limits={"cost": 1.0})


def test_should_stop(observed):
    told = observed.should_stop(trials=3)
    assert [one.trials for one in told.forecast] == [1, 2, 3]
    assert told == observed.should_stop(trials=3)
    assert observed.should_stop(trials=1, threshold=1e6)
    for wrong in ({"trials": 101}, {"threshold": -0.1}, {"threshold": float("inf")}):
        with pytest.raises(InvalidArgument, match=next(iter(wrong))):
            observed.should_stop(**wrong)


def test_the_front_says_where_its_probabilities_come_from(client, observed):
    front = observed.pareto_front()
    assert front.probability_source is ProbabilitySource.MODEL
    assert observed.pareto_front(as_of=10).probability_source is ProbabilitySource.STANDARD_ERRORS
    request = pb.GetParetoFrontRequest(
        experiment_id=observed.id, probability_source=ProbabilitySource.STANDARD_ERRORS.value
    )
    with grpc.insecure_channel(client.address) as channel:
        reply = optimizer_pb2_grpc.OptimizerServiceStub(channel).GetParetoFront(request, timeout=20)
    assert reply.front.probability_source == ProbabilitySource.STANDARD_ERRORS.value


def test_before_the_first_observation(client, experiment):
    for call in (experiment.attainment, experiment.importance, experiment.robustness, experiment.recommend):
        with pytest.raises(FailedPrecondition) as caught:
            call()
        assert caught.value.reason == "TOO_FEW_OBSERVATIONS"
    assert not experiment.should_stop()
    with pytest.raises(NotFound):
        client.recommend("nowhere")


def test_awaited_twins_say_the_same(client, observed):
    weights = {"cost": 1, "accuracy": 2}

    async def ask():
        async with await pt.aio.connect(client.address) as twin:
            handle = await twin.experiment(observed.id)
            return (
                await handle.attainment(samples=16),
                await handle.importance(),
                await handle.robustness(),
                await handle.recommend(weights=weights),
                await handle.should_stop(trials=2),
            )

    assert asyncio.run(ask()) == (
        observed.attainment(samples=16),
        observed.importance(),
        observed.robustness(),
        observed.recommend(weights=weights),
        observed.should_stop(trials=2),
    )
