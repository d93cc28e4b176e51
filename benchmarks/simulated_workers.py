"""200 workers that only sleep, on this machine: is each suggestion done once, and what does scheduling cost?

    python -m benchmarks.simulated_workers --workers 200 --trials 600 --seconds 5

Services of its own are started. Each worker runs the trainer's real loop: look for work, lease, heartbeat,
report. Only the training is a sleep in a thread, because 200 processes would measure the machine's memory.
Overhead of a trial: from the reply with the lease to the start of the training, and from its end to the reply
that it is recorded.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import paretune as pt
from paretune.client import Client
from paretune.observation import MetricValue, Outcome
from paretune_trainer.config import Config
from paretune_trainer.ending import Listener
from paretune_trainer.node import Node, Run
from paretune_trainer.verdict import Verdict
from paretune_trainer.worker import Workers


@dataclass
class Clocks:
    """When things happened to each suggestion, monotonic seconds."""

    leased: dict[str, float] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    recorded: dict[str, float] = field(default_factory=dict)


class TimedClient:
    """A client that notes when leases arrive and results are recorded."""

    def __init__(self, client: Client, clocks: Clocks) -> None:
        self._client, self._clocks = client, clocks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def suggest(self, *arguments: Any, **named: Any) -> Any:
        """As the client's."""
        found = self._client.suggest(*arguments, **named)
        self._clocks.leased |= {one.id: time.monotonic() for one in found}
        return found

    def observe(self, observation: Any, **named: Any) -> Any:
        """As the client's."""
        recorded = self._client.observe(observation, **named)
        self._clocks.recorded[observation.suggestion_id] = time.monotonic()
        return recorded


class SleepingNode(Node):
    """A node whose trainings only sleep."""

    def __init__(self, config: Config, clocks: Clocks, seconds: float) -> None:
        super().__init__(config)
        self._clocks, self._seconds = clocks, seconds

    def prepare(self, task: Any) -> None:
        """There is nothing to load."""

    def train(self, run: Run, listener: Listener | None = None) -> Verdict | None:
        """Sleep, unless it is cancelled meanwhile."""
        self._clocks.started[run.task.suggestion_id] = time.monotonic()
        time.sleep(self._seconds)
        self._clocks.ended[run.task.suggestion_id] = time.monotonic()
        run.steering.close()
        return Verdict(Outcome(), (MetricValue("a", 1.0), MetricValue("b", 1.0)))


def measure(workers: int, trials: int, seconds: float, folder: Path, connections: int = 20) -> dict[str, Any]:
    """Run the trials; what they cost.

    Args:
        workers: slots in all, shared by so many clients as there are connections.
        trials: observations to make.
        seconds: length of each training.
        folder: for the database and scratch folders.
        connections: clients, each with its own connection and node.
    """
    clocks = Clocks()
    with pt.local(folder / "tune.db") as client:
        handle = client.create_experiment(
            name="sleep",
            parameters=[pt.Double("x", 0, 1)],
            metrics=[pt.Maximize("a"), pt.Minimize("b")],
            observation_budget=trials,
            parallelism=workers,
            policy="random",
            workload="sleep:sleep",
        )
        running = []
        for number in range(connections):
            slots = workers // connections + (number < workers % connections)
            if slots:
                node = SleepingNode(Config(f"node-{number}", slots, folder, (handle.id,)), clocks, seconds)
                own = Client(client.address)
                running.append((Workers(node, TimedClient(own, clocks)), node, own))
        begin = time.monotonic()
        for pool, _, _ in running:
            pool.start()
        while client.get_experiment(handle.id).progress.observations < trials:
            time.sleep(0.2)
        took = time.monotonic() - begin
        stops = [threading.Thread(target=pool.stop, args=(seconds,)) for pool, _, _ in running]
        for thread in stops:
            thread.start()
        for thread in stops:
            thread.join()
        for _, node, own in running:
            node.close()
            own.close()
        observed = [one.suggestion_id for one in client.list_observations(handle.id)]
        suggested = list(client.list_suggestions(handle.id))
    start = np.array([clocks.started[key] - clocks.leased[key] for key in observed])
    end = np.array([clocks.recorded[key] - clocks.ended[key] for key in observed])
    overhead = start + end
    return {
        "workers": workers,
        "trials": len(observed),
        "each suggestion once": len(set(observed)) == len(observed) == len(suggested) == trials,
        "attempts": max(one.attempt for one in suggested),
        "overhead ms p50": round(1e3 * float(np.median(overhead)), 1),
        "overhead ms p99": round(1e3 * float(np.quantile(overhead, 0.99)), 1),
        "overhead share p50": round(float(np.median(overhead)) / seconds, 4),
        "trials/s": round(len(observed) / took, 1),
        "bound trials/s": round(workers / seconds, 1),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--trials", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(given.workers, given.trials, given.seconds, Path(folder)), indent=1))


if __name__ == "__main__":
    main()
