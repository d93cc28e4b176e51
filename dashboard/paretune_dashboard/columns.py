"""One experiment's trials as columns: small, quick to sort and to thin out, ready for charts."""

import re
from collections.abc import Sequence
from typing import Any

import moocore
import numpy as np
from numpy.typing import NDArray

from paretune.v1 import types_pb2 as pb

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

OUTCOMES = ("", "OK", "INFEASIBLE", "CRASHED", "STOPPED_EARLY")
DIGITS = 7
"""Significant digits of the numbers in charts; tables and CSV files have them all."""


class Columns:
    """Observations of one experiment, one row each, by ordinal; grows.

    Attributes:
        metrics: names, in the order of the experiment.
        parameters: names, in the order of the experiment.
        choices: of every categorical parameter; None for a numeric one. Cells of it are indices into these.
    """

    def __init__(self, experiment: pb.Experiment) -> None:
        self.metrics = [metric.name for metric in experiment.metrics]
        self.parameters = [parameter.name for parameter in experiment.parameters]
        self.choices = [
            list(p.categorical_domain.choices) if p.HasField("categorical_domain") else None
            for p in experiment.parameters
        ]
        self._maximized = [metric.goal == pb.GOAL_MAXIMIZE for metric in experiment.metrics]
        self._optimized = [
            k
            for k, metric in enumerate(experiment.metrics)
            if metric.strategy in (pb.STRATEGY_UNSPECIFIED, pb.STRATEGY_OPTIMIZE)
        ]
        self._metric_at = {name: k for k, name in enumerate(self.metrics)}
        self._parameter_at = {name: k for k, name in enumerate(self.parameters)}
        self._choice_at = [{c: i for i, c in enumerate(cs)} if cs else {} for cs in self.choices]
        self.count = 0
        width = 2 * len(self.metrics) + len(self.parameters)
        self._cells: Floats = np.empty((0, width))
        self._outcomes: NDArray[np.uint8] = np.empty(0, np.uint8)
        self._times: Floats = np.empty(0)
        self.ids: list[str] = []
        self.reasons: list[str] = []
        self.workers: list[str] = []

    def put(self, observation: pb.Observation) -> bool:
        """Take in an observation; False when a row is missing before it. Known ones are replaced."""
        row = observation.ordinal - 1
        if row > self.count or row < 0:
            return False
        if row == self.count:
            self._grow()
            self.count += 1
            self.ids.append("")
            self.reasons.append("")
            self.workers.append("")
        cells = self._cells[row]
        cells[:] = np.nan
        m = len(self.metrics)
        for value in observation.values:
            k = self._metric_at.get(value.metric)
            if k is not None:
                cells[k] = value.value
                if value.HasField("stddev"):
                    cells[m + k] = value.stddev.value
        for name, assigned in observation.assignments.items():
            k = self._parameter_at.get(name)
            if k is not None:
                kind = assigned.WhichOneof("kind")
                plain: Any = getattr(assigned, kind) if kind else np.nan
                cells[2 * m + k] = self._choice_at[k].get(plain, np.nan) if self.choices[k] else plain
        self._outcomes[row] = observation.outcome.kind or pb.OUTCOME_KIND_OK
        self._times[row] = observation.create_time.seconds + observation.create_time.nanos * 1e-9
        self.ids[row] = observation.id
        self.reasons[row] = observation.outcome.reason[:300]
        self.workers[row] = observation.worker
        return True

    def _grow(self) -> None:
        if self.count < len(self._outcomes):
            return
        size = max(256, 2 * self.count)
        cells = np.empty((size, self._cells.shape[1]))
        cells[: self.count] = self._cells[: self.count]
        self._cells = cells
        self._outcomes = np.concatenate([self._outcomes, np.zeros(size - self.count, np.uint8)])
        self._times = np.concatenate([self._times, np.zeros(size - self.count)])

    def progress(self) -> dict[str, int]:
        """How many rows there are of each outcome, by the names of Experiment.progress."""
        counts = np.bincount(self._outcomes[: self.count], minlength=len(OUTCOMES)).tolist()
        return {"observations": self.count} | {
            name.lower(): count for name, count in zip(OUTCOMES[1:], counts[1:], strict=True)
        }

    # Choosing rows

    def values(self, rows: Any) -> Floats:
        """Metric values of rows: (n, metrics)."""
        return self._cells[: self.count][rows, : len(self.metrics)]

    def efficient(self) -> Indices:
        """Rows that no other OK row dominates, whatever the thresholds say: never thinned out."""
        ok = np.flatnonzero(self._outcomes[: self.count] == pb.OUTCOME_KIND_OK)
        points = self.values(ok)[:, self._optimized]
        points = np.where([self._maximized[k] for k in self._optimized], -points, points)
        whole = np.isfinite(points).all(axis=1)
        ok, points = ok[whole], points[whole]
        if not len(ok):
            return ok
        return np.asarray(ok[moocore.is_nondominated(points)], np.int64)

    def sample(self, limit: int) -> Indices:
        """At most `limit` rows, ascending, that show what all of them would.

        All efficient rows and the latest hundred; of the others those that lie alone in metric space first:
        one per cell of a grid, then a second one, and so on.
        """
        if self.count <= limit:
            return np.arange(self.count)
        chosen = np.zeros(self.count, bool)
        chosen[self.efficient()] = True
        chosen[-100:] = True
        left = np.flatnonzero(~chosen)
        room = limit - int(chosen.sum())
        if room > 0:
            chosen[left[np.argsort(self._depth(left, limit), kind="stable")[:room]]] = True
        return np.flatnonzero(chosen)[:limit] if room < 0 else np.flatnonzero(chosen)

    def _depth(self, rows: Indices, limit: int) -> Indices:
        """How many rows before each lie in the same cell of a grid over metric space."""
        points = self.values(rows)
        low, high = (np.nanquantile(points, q, axis=0) for q in (0.005, 0.995))
        side = max(4, round((4 * limit) ** (1 / min(max(points.shape[1], 1), 3))))
        with np.errstate(invalid="ignore", divide="ignore"):
            scaled = np.nan_to_num((points - low) / np.where(high > low, high - low, 1.0), nan=-0.1)
        cells = np.clip(scaled * side, -1, side).astype(np.int64)
        keys = cells[:, :3] @ np.array([1, side + 3, (side + 3) ** 2])[: min(points.shape[1], 3)]
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        starts = np.r_[0, np.flatnonzero(np.diff(ordered)) + 1]
        sizes = np.diff(np.r_[starts, len(ordered)])
        depth = np.empty(len(rows), np.int64)
        depth[order] = np.arange(len(rows)) - np.repeat(starts, sizes)
        return depth

    def matching(self, text: str, outcomes: Sequence[str] = ()) -> Indices:
        """Rows whose outcome is one of those named and that match a filter.

        The filter is words, all of which must hold: ``NAME<NUMBER`` (also <=, >, >=, =, !=) of a metric,
        parameter or ``ordinal``; anything else is looked for in reason, worker, id and choices.
        """
        keep = np.ones(self.count, bool)
        if outcomes:
            keep &= np.isin(
                self._outcomes[: self.count], [OUTCOMES.index(o) for o in outcomes if o in OUTCOMES]
            )
        for word in text.split():
            keep &= self._holds(word)
        return np.flatnonzero(keep)

    def _holds(self, word: str) -> NDArray[np.bool_]:
        parts = re.fullmatch(r"(.+?)(<=|>=|!=|<|>|=)(.+)", word)
        column = self.column(parts[1]) if parts else None
        if parts and column is not None:
            values, choices = column
            wanted = _number(parts[3], choices)
            if wanted is not None:
                compare = {
                    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
                    "=": np.equal, "!=": np.not_equal,
                }[parts[2]]  # fmt: skip
                return np.asarray(compare(values, wanted), bool)
        low = word.lower()
        found = np.fromiter(
            (
                low in reason.lower() or low in worker.lower() or low in name.lower()
                for reason, worker, name in zip(self.reasons, self.workers, self.ids, strict=True)
            ),
            bool,
            self.count,
        )
        m = 2 * len(self.metrics)
        for k, choices in enumerate(self.choices):
            hits = [i for i, choice in enumerate(choices or ()) if low in choice.lower()]
            if hits:
                found |= np.isin(self._cells[: self.count, m + k], hits)
        return found

    def column(self, name: str) -> tuple[Floats, list[str] | None] | None:
        """The cells of ``ordinal``, ``time``, ``outcome``, a metric or a parameter, and its choices."""
        own: dict[str, Floats] = {
            "ordinal": np.arange(1.0, self.count + 1),
            "time": self._times[: self.count],
            "outcome": self._outcomes[: self.count].astype(float),
        }
        if name in own:
            return own[name], None
        if name in self._metric_at:
            return self._cells[: self.count, self._metric_at[name]], None
        if name in self._parameter_at:
            k = self._parameter_at[name]
            return self._cells[: self.count, 2 * len(self.metrics) + k], self.choices[k]
        return None

    def ordered(self, rows: Indices, by: str, descending: bool) -> Indices:
        """The rows sorted by a column; those without a value last."""
        column = self.column(by)
        if column is None:
            return rows
        keys = column[0][rows]
        empty = np.isnan(keys)
        order = np.argsort(np.where(empty, 0, -keys if descending else keys), kind="stable")
        return np.concatenate([rows[order][~empty[order]], rows[order][empty[order]]])

    # Giving rows

    def document(self, rows: Any, *, digits: int = DIGITS) -> dict[str, Any]:
        """Rows as columns for JSON: cells are numbers or null, metrics and parameters in their order."""
        m = len(self.metrics)
        rows = np.asarray(rows, np.int64)
        cells = _rounded(self._cells[: self.count][rows], digits)
        columns = [_nullable(column) for column in cells.T]
        return {
            "total": self.count,
            "ordinals": (rows + 1).tolist(),
            "outcomes": self._outcomes[: self.count][rows].tolist(),
            "values": columns[:m],
            "stddevs": columns[m : 2 * m],
            "parameters": columns[2 * m :],
        }

    def table(self, rows: Any) -> dict[str, Any]:
        """Rows as columns for a table: with ids, reasons, workers and times."""
        rows = np.asarray(rows, np.int64)
        return self.document(rows, digits=15) | {
            "ids": [self.ids[row] for row in rows],
            "reasons": [self.reasons[row] for row in rows],
            "workers": [self.workers[row] for row in rows],
            "times": self._times[: self.count][rows].tolist(),
        }


def _number(text: str, choices: list[str] | None) -> float | None:
    if choices is not None:
        return float(choices.index(text)) if text in choices else None
    try:
        return float(text)
    except ValueError:
        return None


def _rounded(cells: Floats, digits: int) -> Floats:
    """Numbers with so many significant digits, whose text is short."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = 10.0 ** (digits - 1 - np.floor(np.log10(np.abs(cells))))
        return np.where(np.isfinite(scale) & (scale > 0), np.round(cells * scale) / scale, cells)


def _nullable(column: Floats) -> list[float | None] | None:
    """A column for JSON: None for NaN; None as a whole when it has no number."""
    missing = np.isnan(column)
    if missing.all() and len(column):
        return None
    cells: list[float | None] = column.tolist()
    for row in np.flatnonzero(missing).tolist():
        cells[row] = None
    return cells
