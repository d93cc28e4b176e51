"""Create or resume experiments, and see them through."""

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from paretune.cli import tables
from paretune.cli.console import remark
from paretune.cli.follow import follow
from paretune.cli.nodes import SILENT_SECONDS
from paretune.cli.workloads import check_code, check_workload, code_folders
from paretune.client import Client
from paretune.client.handle import ExperimentHandle
from paretune.client.node_calls import list_nodes
from paretune.errors import FailedPrecondition, InvalidArgument, ParetuneError
from paretune.experiment import Experiment, ExperimentState
from paretune.local import LocalClient

FIXED: dict[str, Callable[[Experiment], Any]] = {
    "parameters": lambda e: e.space,
    "metrics": lambda e: [(metric.name, metric.goal, metric.strategy) for metric in e.metrics],
    "seed": lambda e: e.seed,
    "policy": lambda e: e.policy,
    "workload or settings": lambda e: e.workload,
    "fidelity": lambda e: e.fidelity,
}
"""What results depend on: an experiment that differs in one of these is another experiment."""

CHANGEABLE = ("observation_budget", "parallelism", "remeasure", "lease_policy", "metrics", "early_stopping")
"""What may change while an experiment runs; of metrics, thresholds and units."""


class Created(ExperimentHandle):
    """An experiment that this very command created: it goes when it turns out that it cannot be run."""

    def forget_unused(self) -> None:
        """Delete it, unless it holds a result, or a configuration that a person queued; says so."""
        with suppress(ParetuneError):
            found = self.refresh()
            queued_by_hand = any(one.provenance.policy is None for one in self.suggestions())
            if not found.progress.observations and not queued_by_hand:
                self.client.delete_experiment(self.id, etag=found.etag)
                remark(f"Experiment {self.id} is not kept: nothing was trained.")


def create_or_resume(client: Client, wanted: Experiment, new: bool = False) -> ExperimentHandle:
    """The newest experiment of this name, brought up to date, or a new one, `Created`; says which.

    Raises:
        InvalidArgument: one of this name exists with another space, metrics, seed, policy or workload.
        FailedPrecondition: it was finished or archived.
    """
    found = None if new else next(client.list_experiments(tuple(ExperimentState), name=wanted.name), None)
    if found is None:
        made = Created(client, client.create_experiment(replace(wanted, id=new_id(wanted.name))).experiment)
        remark(f"Created experiment {made.id}: {_budget_text(made.experiment)}.")
        return made
    if differing := [word for word, of in FIXED.items() if of(found) != of(wanted)]:
        raise InvalidArgument(
            f"{wanted.name!r} exists ({found.id}) with other {' and '.join(differing)}: "
            "start afresh with --new, or change the name."
        )
    if found.state not in (ExperimentState.ACTIVE, ExperimentState.PAUSED):
        raise FailedPrecondition(
            f"{found.id} is {found.state.name.lower()}: `paretune resume {found.id}` first, or use --new."
        )
    handle = ExperimentHandle(client, found)
    changes = {
        name: getattr(wanted, name) for name in CHANGEABLE if getattr(found, name) != getattr(wanted, name)
    }
    if found.state is ExperimentState.PAUSED:
        changes["state"] = ExperimentState.ACTIVE
    if changes:
        handle.update(**changes)
    done = handle.experiment.observation_budget and (
        found.progress.observations >= handle.experiment.observation_budget
    )
    verb = "Finished already" if done else "Resuming"
    remark(f"{verb}: experiment {found.id}, observations {tables.count_text(handle.experiment)}.")
    return handle


def new_id(name: str) -> str:
    """A readable id: the name as far as ids allow, and six random digits."""
    stem = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower()).strip("-")[:40]
    stem = stem.lstrip("0123456789-").rstrip("-") or "e"
    return f"{stem}-{secrets.token_hex(3)}"


def _budget_text(experiment: Experiment) -> str:
    budget = experiment.observation_budget
    count = f"{budget} observations" if budget else "no budget, runs until Ctrl-C"
    return f"{count}, {experiment.parallelism} at a time, policy {experiment.policy.name.lower()}"


def train(client: Client, *handles: ExperimentHandle) -> None:
    """Follow the experiments until all budgets are filled, with a Trainer of our own on our own services.

    Raises:
        InvalidArgument: our own Trainer cannot run the workload: it is unknown, or its data are missing,
            say. What is `Created` and empty is not kept then; what was there before is left as it is.
        ParetuneError: see `follow`.
    """
    open_ = [handle for handle in handles if not _filled(handle.experiment)]
    if not open_:
        return
    experiments = [handle.experiment for handle in handles]
    if not isinstance(client, LocalClient):
        follow(client, experiments, idle=partial(_why_idle, client))
        return
    own = _OwnTrainer(client, [handle.experiment for handle in open_])
    slots = max(1, max(handle.experiment.parallelism for handle in open_))
    try:
        for handle in open_:
            check_code(handle.experiment, code_folders())
        client.supervisor.add(client.suite.trainer(slots, [handle.id for handle in open_]))
        client.supervisor.wait_until_ready()
        for handle in open_:
            check_workload(client.suite.trainer_address, handle.experiment)
        follow(client, experiments, check=own.check, idle=own.idle)
    except InvalidArgument:
        for handle in handles:
            if isinstance(handle, Created):
                handle.forget_unused()
        raise


def _filled(experiment: Experiment) -> bool:
    return 0 < experiment.observation_budget <= experiment.progress.observations


def _why_idle(client: Client, experiment: Experiment) -> str:
    """What the Trainers say about an experiment of which nothing runs."""
    nodes = []
    with suppress(ParetuneError):  # who may not see the nodes learns nothing of them
        reported = client.run(list_nodes(), patience=2.0)
        nodes = [one.node for one in reported if one.age.seconds <= SILENT_SECONDS]
    why = sorted({node.unable[experiment.id] for node in nodes if experiment.id in node.unable})
    name = experiment.name
    if why:
        return (
            f"The Trainer leaves {name} alone: {'; '.join(why)} "
            "Code is looked for where `paretune up` or `paretune trainer` was started."
        )
    if not nodes:
        return f"No trial of {name} is running: is there a Trainer? Add one with `paretune trainer`."
    busy = sum(node.running for node in nodes)
    return (
        f"No trial of {name} is running; {busy} of others are, on {len(nodes)} nodes. "
        "`paretune nodes` and the logs of the nodes say what they cannot run."
    )


class _OwnTrainer:
    """What our own Trainer says of experiments that it cannot run: nobody else would run them.

    Raises:
        InvalidArgument: by `check`, with what the Trainer said.
    """

    def __init__(self, client: LocalClient, experiments: Sequence[Experiment]) -> None:
        self._supervisor, self._experiments = client.supervisor, experiments
        self._log = client.suite.folder / "trainer.log"
        # An earlier run may have left words there that hold no more.
        self._read = self._log.stat().st_size if self._log.exists() else 0

    def check(self) -> None:
        """Look whether all goes well."""
        self._supervisor.check()
        for line in self._new_lines():
            for experiment in self._experiments:
                why = line.partition(f"experiment {experiment.id} is left alone: ")[2]
                if why:
                    raise InvalidArgument.of("workload", f"the Trainer cannot run {experiment.name}: {why}")

    def idle(self, experiment: Experiment) -> str:
        """Where to look when nothing happens."""
        return f"Waiting for the Trainer; see {self._log}."

    def _new_lines(self) -> list[str]:
        try:
            with self._log.open("rb") as log:
                log.seek(self._read)
                whole, newline, _ = log.read().rpartition(b"\n")
        except OSError:
            return []
        self._read += len(whole) + len(newline)
        return whole.decode(errors="replace").splitlines()
