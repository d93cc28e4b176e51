"""What searches on a surrogate show: model-based against random search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from benchmarks.comparison.problems import Problem
from benchmarks.recording.searches import Run, random_search
from benchmarks.recording.surrogate import CASES, efficient_rows, problem, surrogate
from benchmarks.recording.table import Array

RATIO = 10
"""Random trainings for each model-based one."""

PUBLISHED_COUNTS = {("rotten_tomatoes", 480): 1800}
"""Random trainings of the published comparison, where it was not ten times as many."""


@dataclass(frozen=True)
class Outcome:
    """What one seed shows; see `figures`.

    Attributes:
        share: of the merged frontier that is model-based.
        volume: hypervolume of the model-based front over that of random search.
        true_share, true_volume: the same of the values without scatter.
        feasible, random_feasible: share of trainings that did not fail.
        points: of the merged frontier.
    """

    share: float
    volume: float
    true_share: float
    true_volume: float
    feasible: float
    random_feasible: float
    points: int


def outcome(run: Run, count: int) -> Outcome:
    """Compare a run with random search of `count` trainings."""
    oracle, space = surrogate(run.case), problem(run.case)
    rows, theirs = random_search(run.case, run.seed, count)
    ours = np.array([values or [np.nan] * 2 for values in run.measured])
    true_ours, true_theirs = oracle.expected(np.array(run.X)), oracle.expected(rows)
    # What was measured as failed was not found, whatever the truth.
    true_ours[np.isnan(ours[:, 0])] = np.nan
    true_theirs[np.isnan(theirs[:, 0])] = np.nan
    share, points = merged_share(space, ours, theirs)
    true_share, _ = merged_share(space, true_ours, true_theirs)
    return Outcome(
        share,
        space.hypervolume(ours) / space.hypervolume(theirs),
        true_share,
        space.hypervolume(true_ours) / space.hypervolume(true_theirs),
        float(np.isfinite(ours[:, 0]).mean()),
        float(np.isfinite(theirs[:, 0]).mean()),
        points,
    )


def merged_share(space: Problem, ours: Array, theirs: Array) -> tuple[float, int]:
    """Share of the merged frontier that only the first set of values has, and the frontier's points.

    Points are distinct vectors, as in `paretune.study.comparison`: what both have counts for neither.
    """
    both = np.vstack([ours, theirs]) * space.signs
    efficient = efficient_rows(both)
    mine = {tuple(both[row]) for row in efficient if row < len(ours)}
    other = {tuple(both[row]) for row in efficient if row >= len(ours)}
    points = len(mine | other)
    return (len(mine - other) / points if points else 0.0), points


def outcomes(runs: Iterable[Run]) -> dict[tuple[str, int, int], list[Outcome]]:
    """Outcomes by use case, budget and trainings of random search, in the order of seeds."""
    found: dict[tuple[str, int, int], list[Outcome]] = {}
    for run in sorted(runs, key=lambda run: (list(CASES).index(run.case), run.budget, run.seed)):
        published = PUBLISHED_COUNTS.get((run.case, run.budget))
        for count in (RATIO * run.budget, *([published] if published else [])):
            found.setdefault((run.case, run.budget, count), []).append(outcome(run, count))
    return found


def table_of(found: Mapping[tuple[str, int, int], list[Outcome]]) -> list[str]:
    """The outcomes as a table in Markdown: mean, and least and most of all seeds."""
    lines = [
        "| use case | trainings | seeds | share of merged frontier | hypervolume ratio | feasible "
        "| share, no scatter | ratio, no scatter |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (case, budget, count), several in found.items():
        shares, true_shares = (
            _spread([100 * getattr(one, field) for one in several], "{:.1f}", " %")
            for field in ("share", "true_share")
        )
        ratios, true_ratios = (
            _spread([getattr(one, field) for one in several], "{:.3f}") for field in ("volume", "true_volume")
        )
        feasible = " : ".join(
            f"{100 * np.mean([getattr(one, field) for one in several]):.0f} %"
            for field in ("feasible", "random_feasible")
        )
        trainings = f"{budget} : {count:,}"
        cells = [case, trainings, str(len(several)), shares, ratios, feasible, true_shares, true_ratios]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _spread(values: list[float], form: str, unit: str = "") -> str:
    mean, low, high = (form.format(value) for value in (np.mean(values), min(values), max(values)))
    return f"{mean}{unit} ({low} to {high})"
