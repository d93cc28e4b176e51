"""The node: a number of slots, the trials that run in them, and what may be asked about both."""

from __future__ import annotations

import itertools
import json
import logging
import os
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from paretune.errors import FailedPrecondition, NotFound
from paretune.experiment import Workload
from paretune.observation import FailureReason
from paretune_trainer import machine, namespace
from paretune_trainer.child import OWN_WORKLOADS
from paretune_trainer.config import Config, trial_environment
from paretune_trainer.ending import CannotStart, Ending, Listener, Step
from paretune_trainer.facts import GPU_MEMORY
from paretune_trainer.folders import NodeFolder
from paretune_trainer.job import Job
from paretune_trainer.placement import NoRoom, Placement, Seat
from paretune_trainer.ray_executor import RayRunner
from paretune_trainer.runner import Runner
from paretune_trainer.schema import CannotRun, Target
from paretune_trainer.steering import Steering
from paretune_trainer.verdict import Rules, Verdict, judge
from paretune_trainer.workload import Value

log = logging.getLogger("paretune.trainer")

_RETRIED: Final = (FailureReason.SIGNAL, FailureReason.OUT_OF_MEMORY)
"""What may be the machine's doing: only when it happens again does it say something about the trial."""

_LOAD_SECONDS: Final = 300.0
"""Time that importing a workload may take when its node first meets it."""


_NOWHERE: Final = Seat()


@dataclass(frozen=True)
class Task:
    """One training, with where it comes from.

    Attributes:
        metrics: names to record; None: all that the workload returns.
        experiment_id: empty outside experiments, as is `suggestion_id`.
    """

    workload: Workload
    target: Target
    parameters: Mapping[str, Value]
    seed: int
    metrics: Sequence[str] | None = None
    experiment_id: str = ""
    suggestion_id: str = ""

    @property
    def warm_key(self) -> str:
        """Equal for trainings that import the same modules."""
        settings = dict(sorted(self.workload.settings.items()))
        return json.dumps([self.target.entry_point, settings, self.workload.command])


@dataclass
class Run:
    """A task that runs now."""

    task: Task
    steering: Steering = field(default_factory=Steering)
    seat: Seat = field(default_factory=Seat)
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    start_time: datetime = field(default_factory=lambda: datetime.now(UTC))
    last_step: Step | None = None


def _gpu_memory(result: Mapping[str, object]) -> int:
    """Bytes of the GPU that a trial's framework says it held; 0 when it does not say."""
    facts = result.get("facts")
    said = str(facts.get(GPU_MEMORY)) if isinstance(facts, dict) else ""
    return int(said) if said.isdecimal() else 0


class Node:
    """Slots and runs. Thread-safe.

    Attributes:
        draining: whether no new trials are taken.
        unable: experiments that this node leaves alone, by id, and why.

    Args:
        config: the operator's settings.
        environ: the node's environment, of which trials get an allow-list.
    """

    def __init__(self, config: Config, environ: Mapping[str, str] = os.environ) -> None:
        self.config = config
        self._folder = NodeFolder(config.folder)
        self._environment = trial_environment(environ, config.pass_env)
        gpus = machine.visible(machine.gpus(), environ.get("CUDA_VISIBLE_DEVICES"))
        # Ray places its own tasks.
        self.placement = Placement(gpus if config.executor == "local" else (), by_memory=config.share_gpus)
        self._lock = threading.Lock()
        self._checking = threading.Lock()
        self._free = config.slots
        self._idle: list[Runner | RayRunner] = []
        self._runner_count = 0
        self._runs: dict[str, Run] = {}
        self._loadable: set[str] = set()
        self._preload: dict[str, tuple[str, ...]] = {}
        self.draining = threading.Event()
        self.unable: dict[str, str] = {}

    # Capacity

    @contextmanager
    def slot(self, task: Task) -> Iterator[Seat]:
        """Hold one slot, with a seat on a device, for `task`.

        Raises:
            FailedPrecondition: NODE_BUSY: none is free, no device has room, or the node is draining.
            CannotStart: the node's folder cannot be written.
        """
        with self._lock:
            if self._free == 0 or self.draining.is_set():
                raise self._busy("is draining" if self.draining.is_set() else "has no free slot")
            self._free -= 1
        try:
            self._check_folder()
            with self.placement.seat(task.warm_key) as seat:
                yield seat
        except NoRoom as error:
            raise self._busy(f"has no room: {error}") from None
        finally:
            with self._lock:
                self._free += 1

    def _check_folder(self) -> None:
        try:
            self._folder.ensure()
        except OSError as error:
            raise CannotStart(
                f"The folder {self._folder.path} of this node cannot be used: {error}"
            ) from error

    def _busy(self, state: str) -> FailedPrecondition:
        running = str(self.config.slots - self._free)
        return FailedPrecondition(
            f"The node {state}: try again later, or another node.",
            reason="NODE_BUSY",
            metadata={"slots": str(self.config.slots), "running": running},
        )

    @contextmanager
    def _runner(self, key: str) -> Iterator[Runner | RayRunner]:
        """A runner, if possible one that is warm for this key; the caller holds a slot."""
        with self._lock:
            runner = next((idle for idle in self._idle if idle.warm_for == key), None)
            if runner is None and self._runner_count < self.config.slots:
                runner = self._new_runner()
                self._runner_count += 1
            elif runner is None:
                runner = self._idle[0]  # warm for something else: it starts anew
            if runner in self._idle:
                self._idle.remove(runner)
        try:
            yield runner
        finally:
            with self._lock:
                self._idle.append(runner)

    def _new_runner(self) -> Runner | RayRunner:
        if self.config.executor == "ray":
            return RayRunner(self.config)
        warm = self.config.warm != "never"
        return Runner(self._folder.path, self._environment, keep_warm=warm, apart=self._may_be_apart())

    def _may_be_apart(self) -> bool:
        if self.config.pid_namespace == "never":
            return False
        if why := namespace.refusal():
            if not self._runner_count:
                log.warning("trials run without a PID namespace of their own: %s", why)
            return False
        return True

    # Training

    def prepare(self, task: Task) -> None:
        """Make sure, once per workload, that its code can be imported here; the caller holds a slot.

        Raises:
            CannotRun: it cannot; the message says why.
            CannotStart: no process can be started.
        """
        with self._checking:
            if task.warm_key in self._loadable:
                return
            steering = Steering()
            try:
                ending = self._execute(task, steering, Listener(), load_only=True)
            finally:
                steering.close()
            verdict = judge(ending, self._rules(replace(task, metrics=())))
            if verdict.not_run or ending.result is None:
                raise CannotRun(
                    f"Workload {task.workload.name!r} cannot be loaded on this node: {verdict.outcome.reason}"
                )
            self._loadable.add(task.warm_key)

    def train(self, run: Run, listener: Listener | None = None) -> Verdict | None:
        """Run a task to its end; the caller holds a slot.

        Args:
            run: a new run; its steering stops it.
            listener: told of intermediate vectors and output, in this thread.

        Returns:
            What to record; None when the run was cancelled.

        Raises:
            CannotStart: no process can be started.
        """
        outer = listener or Listener()

        def step(step: Step) -> None:
            run.last_step = step
            outer.step(step)

        with self._lock:
            self._runs[run.id] = run
        try:
            for tries in itertools.count(1):
                ending = self._execute(run.task, run.steering, Listener(step, outer.output), run.seat)
                if ending.cancelled:
                    return None
                verdict = judge(ending, self._rules(run.task), run.last_step)
                failure = verdict.outcome.failure
                if failure not in _RETRIED or run.steering.stopped:
                    break
                if failure is FailureReason.OUT_OF_MEMORY and run.seat.shared:
                    # The others may have had the memory: only alone does it say something about the trial.
                    run.seat.wait_alone(lambda: run.steering.cancelled)
                elif tries > self.config.retries:
                    break
                log.warning("run %s is begun anew: %s", run.id, verdict.outcome.reason)
        finally:
            with self._lock:
                del self._runs[run.id]
            run.steering.close()
        notes = {**verdict.metadata, **self._provenance(run.task)}
        return replace(verdict, metadata=notes if tries == 1 else {**notes, "tries": str(tries)})

    def _execute(
        self,
        task: Task,
        steering: Steering,
        listener: Listener,
        seat: Seat = _NOWHERE,
        *,
        load_only: bool = False,
    ) -> Ending:
        job = Job(
            task.target.entry_point,
            task.parameters,
            task.workload.settings,
            task.seed,
            lock=str(self._folder.path / seat.lock_name),
            pauses=seat.gpu is not None,
            environment=seat.environment,
            python_path=tuple(self.config.python_path),
            memory_bytes=self.config.memory_bytes,
            load_only=load_only,
            command=task.workload.command,
        )
        key = task.warm_key if self._may_stay_warm(task.target) else ""
        with self._runner(key) as runner:
            try:
                ending = runner.run(
                    job,
                    steering,
                    replace(listener, started=seat.started, measuring=seat.measuring),
                    time_limit=_LOAD_SECONDS if load_only else self.config.time_limit,
                    warm_key=key,
                    preload=self._preload.get(key, (task.target.module,)),
                )
            finally:
                seat.ended()
        if ending.result:
            seat.succeeded(_gpu_memory(ending.result))
        if key and ending.result:
            self._learn(key, ending.result.get("modules"))
        return ending

    def _may_stay_warm(self, target: Target) -> bool:
        if self.config.warm == "auto":
            return target.builtin and not machine.gpus()
        return self.config.warm == "always"

    def _learn(self, key: str, modules: object) -> None:
        """Preload next time what a trial of the workload had imported of paretune's own modules."""
        if isinstance(modules, list):
            own = {name for name in modules if isinstance(name, str) and name.startswith(OWN_WORKLOADS)}
            self._preload[key] = tuple(sorted({*self._preload.get(key, ()), *own}))

    def _rules(self, task: Task) -> Rules:
        return Rules(task.metrics, self.config.time_limit, self.config.timeout_is_infeasible)

    def _provenance(self, task: Task) -> dict[str, str]:
        notes = {"seed": str(task.seed), "workload": task.workload.name}
        if preset := task.workload.settings.get("preset"):
            notes["preset"] = preset
        return notes

    # What may be asked and ordered

    def runs(self) -> list[Run]:
        """The trials that run now, oldest first."""
        with self._lock:
            return sorted(self._runs.values(), key=lambda run: run.start_time)

    @property
    def busy(self) -> int:
        """Slots that are taken."""
        return self.config.slots - self._free

    def cancel(self, run_id: str) -> None:
        """End a run.

        Raises:
            NotFound: it does not run here.
        """
        with self._lock:
            run = self._runs.get(run_id)
        if run is None:
            raise NotFound.of("run", run_id)
        run.steering.cancel()

    def cancel_all(self) -> None:
        """End all runs."""
        for run in self.runs():
            run.steering.cancel()

    def close(self) -> None:
        """End the idle launchers and remove the node's folder; no trial may run any more."""
        with self._lock:
            idle, self._idle = self._idle, []
        for runner in idle:
            runner.close()
        self._folder.remove()
