"""The asyncio twins, against real services."""

import asyncio
import inspect
from itertools import count

import pytest

import paretune as pt
from paretune.aio import AsyncClient, AsyncExperimentHandle, AsyncTrial
from paretune.errors import FailedPrecondition, NotFound, Unavailable
from paretune.local import free_ports

GOOD = {"x": 0.5, "n": 2, "kind": "plain"}


def awaiting(test):
    """Run a coroutine test in an event loop of its own."""

    def run(services, fields):
        async def main():
            async with await pt.aio.connect(services.address) as client:
                await test(client, await client.create_experiment(**fields()))

        asyncio.run(main())

    return run


def verbs(kind) -> set[str]:
    return {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("blocking", "twin", "left_out"),
    [
        (pt.Client, AsyncClient, set()),
        # Tables and pictures are of the blocking handle: they compute more than they wait.
        (
            pt.ExperimentHandle,
            AsyncExperimentHandle,
            {"to_rows", "to_csv", "to_parquet", "to_dataframe", "best"},
        ),
        (pt.Trial, AsyncTrial, {"crashed"}),
    ],
)
def test_twins_have_the_same_verbs_with_the_same_arguments(blocking, twin, left_out):
    assert verbs(blocking) - left_out == verbs(twin)
    for name in verbs(twin):
        ours, theirs = (inspect.signature(getattr(kind, name)) for kind in (twin, blocking))
        assert list(ours.parameters) == list(theirs.parameters), name


@awaiting
async def test_suggest_and_observe(client, experiment):
    one, several = await experiment.suggest(), await experiment.suggest(2)
    await experiment.observe(one, {"accuracy": 0.9, "cost": (3.0, 0.1)})
    await experiment.observe(GOOD, infeasible="too big")
    assert [o.outcome.kind.name for o in await experiment.observations()] == ["OK", "INFEASIBLE"]
    assert [s.ordinal for s in await experiment.suggestions()] == [1, 2, 3]
    beat = await client.heartbeat(several[0].id, several[0].lease.fence)
    assert beat.directive is pt.Directive.CONTINUE
    (point,) = await experiment.pareto_front()
    assert point.values["accuracy"] == 0.9
    assert len(await experiment.hypervolume_history()) == 2
    assert await experiment.hypervolume() == (await experiment.hypervolume_history())[-1]


@awaiting
async def test_errors_are_the_same(client, experiment):
    await experiment.pause()
    with pytest.raises(FailedPrecondition) as caught:
        await experiment.suggest()
    assert caught.value.reason == "EXPERIMENT_NOT_ACTIVE"
    await experiment.resume()
    await experiment.delete()
    with pytest.raises(NotFound):
        await client.experiment(experiment.id)


@awaiting
async def test_watch(client, experiment):
    await experiment.queue(GOOD)
    kinds = []
    async for event in experiment.watch():
        kinds.append(type(event.change))
        if len(kinds) == 2:
            break
    assert kinds == [pt.Experiment, pt.Suggestion]


@awaiting
async def test_lists(client, experiment):
    assert experiment.id in [e.id async for e in client.list_experiments(name=experiment.name)]


@awaiting
async def test_trials_one_by_one(client, experiment):
    numbers = count()
    async for trial in experiment.trials():
        async with trial:
            if next(numbers) == 1:
                raise ValueError("shapes differ")
            await trial.checkpoint(1, accuracy=0.1)
            assert not trial.should_stop
            await trial.observe(accuracy=trial["x"], cost=1.0)
    progress = (await experiment.refresh()).progress
    assert (progress.ok, progress.crashed) == (5, 1)


@awaiting
async def test_trials_side_by_side(client, experiment):
    met = asyncio.Barrier(2)

    async def train(trial):
        async with trial:
            await asyncio.wait_for(met.wait(), 30)
            await trial.observe(accuracy=trial["x"], cost=1.0)

    async with asyncio.TaskGroup() as group:
        async for trial in experiment.trials(parallelism=2):
            group.create_task(train(trial))
    assert (await experiment.refresh()).progress.ok == 6


@awaiting
async def test_a_cancelled_task_releases_its_lease(client, experiment):
    begun = asyncio.Event()

    async def train():
        async for trial in experiment.trials():
            async with trial:
                begun.set()
                await asyncio.sleep(60)

    task = asyncio.create_task(train())
    await asyncio.wait_for(begun.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [s.state.name for s in await experiment.suggestions()] == ["QUEUED"]


def test_nobody_there():
    address = f"127.0.0.1:{free_ports(1)[0]}"

    async def main():
        with pytest.raises(Unavailable, match="paretune up"):
            await pt.aio.connect(address, wait=0.3)
        async with AsyncClient(address, timeout=0.5) as client:
            with pytest.raises(Unavailable, match=address):
                await client.get_experiment("e")

    asyncio.run(main())
