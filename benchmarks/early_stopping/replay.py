"""Replays of recorded trainings, with the board that the Optimizer uses, and a clock that counts steps."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from benchmarks.recording.table import Table
from benchmarks.recording.table import load as read_table

from paretune.experiment import Experiment, Metric
from paretune.observation import (
    Checkpoint,
    Event,
    Lease,
    MetricValue,
    Observation,
    Outcome,
    OutcomeKind,
    Suggestion,
    SuggestionState,
)
from paretune.parameters import Double
from paretune.space import SearchSpace
from paretune.stopping import EarlyStopping, Fidelity
from paretune_optimizer.fronts.hypervolume import hypervolume
from paretune_optimizer.stopping.board import Board


@dataclass(frozen=True)
class Recorded:
    """One recorded training.

    Attributes:
        final: metric -> value; empty when the training failed.
        curve: (step, metric -> value), ascending.
    """

    final: dict[str, float]
    curve: list[tuple[int, dict[str, float]]]

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.curve[-1][0] if self.curve else 0


def load(name: str, metrics: Sequence[str], count: int) -> list[Recorded]:
    """The first `count` of the recorded trainings `benchmarks/data/NAME.csv.gz`.

    A metric that no checkpoint has, such as an inference time, does not depend on training: it counts as
    known from the first checkpoint on.
    """
    table = read_table(name)
    return [_of_row(table, row, metrics) for row in range(min(count, len(table.X)))]


def _of_row(table: Table, row: int, metrics: Sequence[str]) -> Recorded:
    final = {name: float(table.values[name][row]) for name in metrics if np.isfinite(table.values[name][row])}
    early = {name: value for name, value in final.items() if name not in table.curve_metrics}
    curve = [
        (int(step), {**early, **dict(zip(table.curve_metrics, map(float, values), strict=True))})
        for step, *values, _ in table.curves[row]
    ]
    return Recorded(final if table.ok[row] else {}, curve)


@dataclass(frozen=True)
class Replay:
    """What a replay cost and found.

    Attributes:
        steps: steps trained until each training ended (n), cumulative, in the order in which they ended.
        hypervolume: of the front of whole trainings after each (n).
        stopped: trainings that were stopped.
    """

    steps: np.ndarray
    hypervolume: np.ndarray
    stopped: int

    def at(self, steps: np.ndarray) -> np.ndarray:
        """Hypervolume after so many steps."""
        return np.concatenate([[0.0], self.hypervolume])[np.searchsorted(self.steps, steps, side="right")]

    def steps_to(self, volume: float) -> float:
        """Steps until the hypervolume was reached; infinite if it never was."""
        reached = np.flatnonzero(self.hypervolume >= volume)
        return float(self.steps[reached[0]]) if reached.size else float("inf")


def replay(
    recorded: Sequence[Recorded],
    order: Sequence[int],
    metrics: Sequence[Metric],
    stopping: EarlyStopping | None,
    fidelity: Fidelity,
    reference: np.ndarray,
    workers: int = 4,
) -> Replay:
    """Train the recorded configurations in an order, several side by side, stopping as the rules say.

    Args:
        recorded: all trainings.
        order: which are trained, one after the other.
        metrics: the optimised metrics.
        stopping: the rules; None: none.
        fidelity: steps of a training.
        reference: reference point (m), minimised.
        workers: trainings at once; each step of any training takes the same time.
    """
    experiment = Experiment(
        "replay", SearchSpace((Double("i", 0, len(recorded)),)), tuple(metrics),
        fidelity=fidelity, early_stopping=stopping,
    )  # fmt: skip
    board = Board(experiment)
    sign = np.array([-1.0 if metric.goal.name == "MAXIMIZE" else 1.0 for metric in metrics])
    waiting, running = list(order)[::-1], []
    spent, stopped = 0, 0
    steps, volumes, front = [], [], np.empty((0, len(metrics)))

    def start(now: int) -> None:
        if waiting:
            index = waiting.pop()
            board.apply(Event(0, _leased(index)))
            heapq.heappush(running, (now + _first(recorded[index]), index, 0))

    for _ in range(workers):
        start(0)
    while running:
        now, index, at = heapq.heappop(running)
        training = recorded[index]
        if at < len(training.curve):
            step, values = training.curve[at]
            spent += step - (training.curve[at - 1][0] if at else 0)
            told = tuple(MetricValue(name, value) for name, value in values.items())
            board.apply(Event(0, Checkpoint(f"s{index}", step, told, 1)))
            stop = board.verdict(f"s{index}") if at + 1 < len(training.curve) else None
            if stop is None and at + 1 < len(training.curve):
                heapq.heappush(running, (now + training.curve[at + 1][0] - step, index, at + 1))
                continue
            stopped += stop is not None
            board.apply(Event(0, _observed(index, training, stopped=stop is not None, step=step)))
            if stop is None and training.final:
                front = np.vstack([front, sign * [training.final[metric.name] for metric in metrics]])
        steps.append(spent)
        volumes.append(hypervolume(front, reference))
        start(now)
    return Replay(np.array(steps), np.array(volumes), stopped)


def _first(training: Recorded) -> int:
    return training.curve[0][0] if training.curve else 0


def _leased(index: int) -> Suggestion:
    lease = Lease("w", "1", datetime(2026, 1, 1, tzinfo=UTC))
    return Suggestion(
        f"s{index}", "e", index + 1, {"i": float(index)}, SuggestionState.LEASED, attempt=1, lease=lease
    )


def _observed(index: int, training: Recorded, *, stopped: bool, step: int) -> Observation:
    values = tuple(MetricValue(name, value) for name, value in training.final.items())
    whole = Observation(
        {"i": float(index)}, values, id=f"o{index}", suggestion_id=f"s{index}", ordinal=index + 1
    )
    if stopped:
        last = next(values for at, values in training.curve if at == step)
        told = tuple(MetricValue(name, value) for name, value in last.items())
        return replace(whole, values=told, outcome=Outcome(OutcomeKind.STOPPED_EARLY, step=step))
    if not training.final:
        return replace(whole, values=(), outcome=Outcome(OutcomeKind.INFEASIBLE, "failed"))
    return whole
