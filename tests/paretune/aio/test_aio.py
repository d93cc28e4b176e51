"""The asyncio twins, against real services."""

import asyncio
import inspect
from itertools import count

import pytest

import paretune as pt
from paretune.aio import AsyncClient, AsyncExperimentHandle, AsyncTrial
from paretune.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from paretune.local import free_ports

GOOD = {"x": 0.5, "n": 2, "kind": "plain"}


def awaiting(test):
    """Run a coroutine test in an event loop of its own."""

    def run(services, fields, tmp_path):
        async def main():
            async with await pt.aio.connect(services.address) as client:
                given = {"tmp_path": tmp_path} if "tmp_path" in inspect.signature(test).parameters else {}
                await test(client, await client.create_experiment(**fields()), **given)

        asyncio.run(main())

    return run


def public(kind) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")} - {"blocking"}


@pytest.mark.parametrize(
    ("blocking", "twin", "left_out"),
    [
        (pt.Client, AsyncClient, set()),
        (pt.ExperimentHandle, AsyncExperimentHandle, {"plot"}),  # as its docstring says
        (pt.Trial, AsyncTrial, set()),
    ],
)
def test_twins_have_the_same_verbs_with_the_same_arguments(blocking, twin, left_out):
    # An attribute of the blocking trial is a property of its twin.
    assert public(blocking) - left_out == public(twin) - {"observation"}
    for name in filter(lambda name: callable(getattr(blocking, name)), public(blocking) - left_out):
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
async def test_cancelled_while_others_hold_the_last_suggestions_it_ends(client, experiment):
    held = await experiment.suggest(6)

    async def work():
        async for _ in experiment.trials():
            raise AssertionError

    task = asyncio.create_task(work())
    await asyncio.wait([task], timeout=0.3)
    assert not task.done()
    task.cancel()
    ended, _ = await asyncio.wait([task], timeout=20)
    assert ended == {task}
    assert [one.state.name for one in await experiment.suggestions()] == ["LEASED"] * len(held)


@awaiting
async def test_tables_best_crashes_and_pictures(client, experiment, tmp_path):
    async for trial in experiment.trials():
        async with trial:
            assert (await trial.crashed("no memory")) == trial.observation
            assert not trial.lost
        break
    await experiment.observe(GOOD, {"accuracy": 0.9, "cost": 3.0})
    rows = await experiment.to_rows()
    assert [row["outcome"] for row in rows] == ["CRASHED", "OK"]
    assert len((await experiment.to_csv(tmp_path / "all.csv")).read_text().splitlines()) == 3
    assert len(await experiment.to_dataframe()) == 2
    assert (await experiment.to_parquet(tmp_path / "all.parquet")).exists()
    with pytest.raises(InvalidArgument, match="compete"):
        await experiment.best()
    await asyncio.to_thread(experiment.blocking.plot.pareto, save=tmp_path / "front.png")
    assert (tmp_path / "front.png").exists()


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
