"""Trainer nodes killed and frozen at random moments: is each suggestion re-issued once, and in time?

    python -m benchmarks.worker_kills --kills 50 --freezes 10

Store, Optimizer and two Trainer nodes with two slots each are real processes on loopback; a trial is a
program that sleeps for half a second. In each round one node is killed with SIGKILL at a random moment and
replaced, or stopped with SIGSTOP for longer than a lease lasts and then let go on: it comes back with results
that nobody wants any more. What happened is read from the Store's own events. Affected are the suggestions
that the node held at that moment, whether it knew so or not. The exit code is 1 when anything is not as it
must be.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import paretune as pt
from paretune.local import free_ports
from paretune.observation import Observation, Suggestion, SuggestionState

TTL = 2.0
SLACK = 1.0
"""Seconds after the end of a dead node's lease by which its suggestion must be with another."""

TRIAL = ("sh", "-c", 'sleep 0.5; echo \'{{"quality": {x}, "cost": 1}}\' >&3')


class TrainerNode:
    """A Trainer with two slots; its name is unique."""

    def __init__(self, server: str, experiment_id: str, folder: Path, number: int) -> None:
        self.name = f"node{number}"
        self.log = folder / f"{self.name}.log"
        words = ["--server", server, "--experiment", experiment_id, "--slots", "2", "--name", self.name]
        words += ["--listen", f"127.0.0.1:{free_ports(1)[0]}", "--run-dir", str(folder), "--grace", "1"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "paretune_trainer", *words], stdout=log, stderr=log
            )

    def refused(self) -> int:
        """Results that it sent and that were not wanted any more."""
        return self.log.read_text(encoding="utf-8").count("is not wanted any more")


@dataclass
class History:
    """What became of one suggestion, in the order of the Store's events; times in seconds.

    Attributes:
        leased: (time, attempt, worker) of each attempt.
        observed: (time, attempt) of each recorded result.
    """

    leased: list[tuple[float, int, str]] = field(default_factory=list)
    observed: list[tuple[float, int]] = field(default_factory=list)


def histories(client: pt.Client, experiment_id: str) -> dict[str, History]:
    """Everything that has happened so far, by suggestion."""
    found: dict[str, History] = defaultdict(History)
    missing = client.get_experiment(experiment_id).progress.observations
    for event in client.watch(experiment_id, skip_checkpoints=True):
        change, when = event.change, event.create_time.timestamp() if event.create_time else 0.0
        if isinstance(change, Suggestion) and change.state is SuggestionState.LEASED and change.lease:
            known = found[change.id].leased
            if not known or known[-1][1] != change.attempt:
                known.append((when, change.attempt, change.lease.worker))
        elif isinstance(change, Observation):
            found[change.suggestion_id].observed.append((when, change.attempt))
            missing -= 1
            if not missing:
                break
    return found


@dataclass
class Blow:
    """A node that was killed or frozen."""

    worker: str
    when: float
    kind: str


def table(blows: Sequence[Blow], found: dict[str, History], refused: int) -> tuple[str, bool]:
    """The figures in Markdown, and whether all is as it must be."""
    stuck = sum(not history.observed for history in found.values())
    twice = sum(len(history.observed) > 1 for history in found.values())
    stale = sum(
        leased[1] > attempt and leased[0] < when
        for history in found.values()
        for when, attempt in history.observed
        for leased in history.leased
    )
    lines = [
        "| rounds | affected suggestions | re-issued after: median s, most s | not by TTL + 1 s | twice |",
        "|---|---|---|---|---|",
    ]
    good = not (stuck or twice or stale)
    for kind in dict.fromkeys(blow.kind for blow in blows):
        delays, repeated = [], 0
        for blow in (one for one in blows if one.kind == kind):
            for history in found.values():
                for place, (leased_at, attempt, worker) in enumerate(history.leased):
                    held = leased_at <= blow.when and worker.startswith(f"{blow.worker}-")
                    done = any(at <= blow.when and by == attempt for at, by in history.observed)
                    gone = any(later[0] <= blow.when for later in history.leased[place + 1 :])
                    # Of what ends in the same instant nobody can say which was first.
                    if held and not done and not gone and len(history.leased) > place + 1:
                        delays.append(history.leased[place + 1][0] - blow.when)
                        repeated += history.leased[place + 1][1] != attempt + 1
        late = sum(delay > TTL + SLACK for delay in delays)
        good = good and not late and not repeated and bool(delays)
        shown = f"{sorted(delays)[len(delays) // 2]:.2f}, {max(delays):.2f}" if delays else "none"
        rounds = sum(blow.kind == kind for blow in blows)
        lines.append(f"| {rounds} {kind} | {len(delays)} | {shown} | {late} | {repeated} |")
    lines.append(
        f"\n{len(found)} suggestions in all. Stale results sent and refused: {refused}; accepted: {stale}. "
        f"Recorded twice: {twice}. Stuck: {stuck}."
    )
    return "\n".join(lines), good


def run(kills: int, freezes: int, seed: int, folder: Path) -> bool:
    """All rounds; prints the table and says whether all is as it must be."""
    rng = random.Random(seed)
    rounds = ["kill -9"] * kills + ["SIGSTOP"] * freezes
    rng.shuffle(rounds)
    with pt.local(folder / "tune.db", trainer_slots=0) as client:
        handle = client.create_experiment(
            name="kills",
            parameters=[pt.Double("x", 0, 1)],
            metrics=[pt.Maximize("quality"), pt.Minimize("cost")],
            policy="random",
            parallelism=16,
            workload=pt.Workload("command", {}, TRIAL),
            lease_policy=pt.LeasePolicy(ttl=TTL, max_attempts=100),
        )
        made = 0

        def start() -> TrainerNode:
            nonlocal made
            made += 1
            return TrainerNode(client.address, handle.id, folder, made)

        nodes, past, blows = [start(), start()], [], []
        while handle.refresh().progress.observations < 4:
            time.sleep(0.1)
        for number, kind in enumerate(rounds, 1):
            time.sleep(rng.uniform(0.0, 1.5))
            victim = rng.choice(nodes)
            blows.append(Blow(victim.name, time.time(), kind))
            if kind == "SIGSTOP":
                os.kill(victim.process.pid, signal.SIGSTOP)
                time.sleep(TTL + SLACK + 0.5)
                os.kill(victim.process.pid, signal.SIGCONT)
            else:
                victim.process.kill()
                victim.process.wait()
                past.append(victim)
                nodes[nodes.index(victim)] = start()
                time.sleep(TTL + SLACK)
            sys.stderr.write(f"round {number} of {len(rounds)}: {kind}\n")
        handle.update(observation_budget=handle.refresh().progress.observations + 8)
        deadline = time.monotonic() + 60
        while handle.refresh().progress.leased and time.monotonic() < deadline:
            time.sleep(0.2)
        for node in nodes:
            node.process.terminate()
        for node in nodes:
            node.process.wait(30)
        text, good = table(
            blows, histories(client, handle.id), sum(node.refused() for node in [*past, *nodes])
        )
        print(text)
    return good


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rounds; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.worker_kills",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--freezes", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        return 0 if run(given.kills, given.freezes, given.seed, Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
