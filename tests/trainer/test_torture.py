"""One node, one slot, one bad trial after the other: each is recorded once, and the next one is taken."""

from itertools import pairwise

import pytest

from paretune.client import Client
from paretune.experiment import Maximize, Minimize
from paretune.observation import OutcomeKind
from paretune.parameters import Categorical

ENDS = {
    "ok": ("OK", "UNSPECIFIED"),
    "segfault": ("CRASHED", "SIGNAL"),
    "allocate": ("INFEASIBLE", "OUT_OF_MEMORY"),
    "spin": ("CRASHED", "TIMEOUT"),  # and ignores SIGTERM
    "nan": ("INFEASIBLE", "NOT_FINITE"),
    "flood": ("OK", "UNSPECIFIED"),  # 2 GiB of output
    "double_fork": ("OK", "UNSPECIFIED"),
    "crash": ("CRASHED", "EXCEPTION"),
}


@pytest.mark.parametrize(
    ("order", "limits"),
    [
        ([how for how in ENDS if how != "flood"], ("--time-limit", "8", "--memory-mb", "1500")),
        (["flood"], ()),  # however long a busy machine takes for it
    ],
    ids=["short", "flood"],
)
def test_every_bad_end_is_recorded_once_and_the_next_trial_follows(services, start_trainer, order, limits):
    order = [*order, "ok"]
    with Client(services.address) as client:
        experiment = client.create_experiment(
            name="torture",
            parameters=[Categorical("how", list(ENDS))],
            metrics=[Maximize("accuracy"), Minimize("latency")],
            observation_budget=len(order),
            policy="random",
            workload="sample_workloads:misbehave",
        )
        queued = [experiment.queue({"how": how}).id for how in order]
        own = ("--server", services.address, "--experiment", experiment.id, "--retries", "0")
        trainer = start_trainer(*own, *limits)
        trainer.wait_for_log(f"#{len(order)} OK", 240)
        found = {one.suggestion_id: one for one in experiment.observations()}
    assert list(found) == queued
    for key, how in zip(queued, order, strict=True):
        kind, failure = ENDS[how]
        outcome = found[key].outcome
        assert (outcome.kind.name, outcome.failure.name) == (kind, failure), how
        assert outcome.reason or outcome.kind is OutcomeKind.OK
    for before, after in pairwise(found.values()):
        gap = (after.start_time - before.create_time).total_seconds()
        print(f"{before.assignments['how']:12} {before.metadata['duration_s']:>7} s, next after {gap:.3f} s")
