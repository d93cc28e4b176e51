"""Trials as tasks of a Ray cluster: the launcher of the node, on whichever machine Ray chooses.

The node keeps leases, verdicts and results; Ray only says where a trial runs. What a task gets and gives is
JSON. The task runs `paretune_trainer` of its own machine: paretune, the workload and its data must be there,
under the same paths. Words of steering go through the key-value table of the cluster's head. A task that is
lost, with its worker or with its machine, is submitted again: the lease goes on meanwhile.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from paretune_trainer.config import Config, shared_folder, trial_environment
from paretune_trainer.ending import CannotStart, Ending, Listener, Step
from paretune_trainer.job import Job
from paretune_trainer.output import Log
from paretune_trainer.runner import Runner
from paretune_trainer.steering import Steering

log = logging.getLogger("paretune.trainer")

LOSSES: Final = 3
"""Times that a lost task is submitted again, before the suggestion is handed back."""

_TICK_SECONDS: Final = 0.2
_connecting = threading.Lock()


def connect(address: str) -> Any:
    """The `ray` module, connected to the cluster at an address; once per process.

    Raises:
        CannotStart: Ray is not installed, or no cluster answers.
    """
    with _connecting:
        try:
            import ray
        except ImportError:
            raise CannotStart("--executor ray needs Ray: pip install 'paretune[ray]'.") from None
        if not ray.is_initialized():
            try:
                ray.init(address=address, log_to_driver=False, namespace="paretune", configure_logging=False)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise CannotStart(f"No Ray cluster answers at {address}: {error}") from None
        return ray


class RayRunner:
    """Runs one training at a time as a Ray task; has the shape of `Runner`.

    Args:
        config: address of the cluster, and what a trial asks of it.
    """

    warm_for = ""

    def __init__(self, config: Config) -> None:
        self._config = config

    def run(
        self,
        job: Job,
        steering: Steering,
        listener: Listener,
        *,
        time_limit: float = 0.0,
        warm_key: str = "",
        preload: Sequence[str] = (),
    ) -> Ending:
        """As `Runner.run`; nothing stays warm.

        Raises:
            CannotStart: no cluster answers, or the task was lost again and again.
        """
        ray = connect(self._config.ray_address)
        for losses in range(LOSSES + 1):
            try:
                return self._run_once(ray, job, steering, listener, time_limit)
            except ray.exceptions.RayError as error:
                if steering.cancelled:
                    return Ending(cancelled=True)
                log.warning(
                    "a Ray task was lost (%s)%s", type(error).__name__, "" if losses == LOSSES else ": again"
                )
        raise CannotStart(f"The Ray task was lost {LOSSES + 1} times.")

    def close(self) -> None:
        """Nothing is kept."""

    def _run_once(
        self, ray: Any, job: Job, steering: Steering, listener: Listener, time_limit: float
    ) -> Ending:
        from ray.experimental import internal_kv

        key = f"paretune-{uuid.uuid4().hex}"
        remote = ray.remote(max_retries=0, num_cpus=self._config.trial_cpus, num_gpus=self._config.trial_gpus)
        messages = remote(trial).remote(json.dumps(asdict(job)), key, time_limit, list(self._config.pass_env))
        cancelled = False
        while True:
            words = steering.take()
            if "stop" in words:
                internal_kv._internal_kv_put(key, b"stop")
            if "cancel" in words:
                cancelled = True
                internal_kv._internal_kv_put(key, b"cancel")
            ready, _ = ray.wait([messages], timeout=_TICK_SECONDS, fetch_local=False)
            if not ready:
                continue
            ((kind, content),) = json.loads(ray.get(next(messages))).items()
            if kind == "step":
                listener.step(Step(content[0], content[1]))
            elif kind == "output":
                listener.output(content.encode())
            elif kind == "cannot_start":
                raise CannotStart(content)
            else:
                kept = Log()
                kept.add(content.pop("log").encode())
                ending = Ending(**content, log=kept)
                return replace(ending, cancelled=ending.cancelled or cancelled)


def trial(job_text: str, key: str, time_limit: float, pass_env: list[str]) -> Iterator[str]:
    """The task: runs one training in the launcher of this machine; tells its progress, the ending last."""
    content = json.loads(job_text)
    for name in ("python_path", "command"):
        content[name] = tuple(content[name])
    job = replace(Job(**content), lock=str(shared_folder() / "measurement-ray.lock"))
    told: queue.Queue[dict[str, Any]] = queue.Queue()
    steering = Steering()
    environment = trial_environment(os.environ, pass_env)
    threading.Thread(
        target=_work, args=(job, steering, time_limit, environment, told), name="trial", daemon=True
    ).start()
    over = threading.Event()
    threading.Thread(target=_listen, args=(key, steering, over), name="steering", daemon=True).start()
    try:
        while True:
            message = told.get()
            yield json.dumps(message)
            if "step" not in message and "output" not in message:
                return
    finally:
        over.set()
        steering.close()


def _work(
    job: Job, steering: Steering, time_limit: float, environment: Mapping[str, str], told: queue.Queue[Any]
) -> None:
    listener = Listener(
        lambda step: told.put({"step": [step.step, dict(step.values)]}),
        lambda data: told.put({"output": data.decode(errors="replace")}),
    )
    with tempfile.TemporaryDirectory(prefix="paretune-ray-") as folder:
        runner = Runner(Path(folder), environment, keep_warm=False)
        try:
            ending = runner.run(job, steering, listener, time_limit=time_limit)
            fields = {name: getattr(ending, name) for name in ending.__dataclass_fields__ if name != "log"}
            told.put({"ending": {**fields, "log": ending.log.text()}})
        except CannotStart as error:
            told.put({"cannot_start": str(error)})
        finally:
            runner.close()


def _listen(key: str, steering: Steering, over: threading.Event) -> None:
    """Carry the words of the node into the task."""
    from ray.experimental import internal_kv

    said = b""
    while not over.wait(_TICK_SECONDS):
        word = internal_kv._internal_kv_get(key)
        if word and word != said:
            said = word
            steering.cancel() if word == b"cancel" else steering.stop_early()
    internal_kv._internal_kv_del(key)
