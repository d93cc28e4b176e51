"""The part of docs/use-cases.md that is computed: between its two marks, nothing is written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks.recording.record import ROOT
from benchmarks.recording.searches import Run
from benchmarks.recording.surrogate import CASES, FOLDS, cross_validated, surrogate

PAGE = ROOT / "docs" / "use-cases.md"
BEGIN = "<!-- From here written by `python -m benchmarks.recording.versus_random`. -->"
END = "<!-- Up to here. -->"
REALLY = (
    "Every training is real here: a model-based search, whose suggestions were trained as the recorded "
    "configurations were, beside groups of ten times as many recorded random trainings; means over groups."
)


def put(text: str, page: Path = PAGE) -> None:
    """Replace what lies between the marks of a page.

    Raises:
        ValueError: the page has no such marks.
    """
    old = page.read_text(encoding="utf-8")
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{page}: lacks the marks {BEGIN} and {END}")
    page.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}", encoding="utf-8")


def tables_text() -> list[str]:
    """What is recorded, and how well the surrogate predicts what it has not seen."""
    lines = [
        "| recorded at `quick` | trainings | feasible | machine | meanwhile |",
        "|---|---|---|---|---|",
    ]
    for name in CASES:
        table = surrogate(name).table
        made = table.making["made"][-1]
        machine = (
            f"{made['cores']} cores of {made['device']}, Python {made['python']}, PyTorch {made['torch']}"
        )
        feasible = f"{int(table.ok.sum()):,} ({100 * table.ok.mean():.0f} %)"
        lines.append(f"| {name} | {len(table):,} | {feasible} | {machine} | {table.making['load']} |")
    lines += [
        "",
        f"Errors of the surrogate in {FOLDS}-fold cross-validation, beside those of the nearest recorded "
        "training and the scatter of trainings that were repeated with other seeds:",
        "",
        "| surrogate of | error of accuracy | of trainings that learn | explained variance of accuracy "
        "| error of time | feasibility right | nearest: accuracy, time | scatter: accuracy, time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, case in CASES.items():
        oracle = surrogate(name)
        errors = cross_validated(case, oracle.table, FOLDS)
        trees, nearest = errors["trees"], errors["nearest"]
        cells = [
            name,
            f"{trees['accuracy']:.3g}",
            f"{trees['accuracy_learned']:.3g}",
            f"{100 * trees['accuracy_r2']:.0f} %",
            f"{100 * trees['log_time']:.0f} %",
            f"{100 * trees['feasibility']:.0f} %" if "feasibility" in trees else "no limits",
            f"{nearest['accuracy']:.3g}, {100 * nearest['log_time']:.0f} %",
            f"{oracle.noise[0]:.2g}, {100 * oracle.noise[1]:.1f} %",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def page_text(
    comparison: Sequence[str], runs: Sequence[Run], retrained: Sequence[str], real: Sequence[str] = ()
) -> str:
    """All that lies between the marks."""
    commits = sorted({run.made.get("commit", "unknown") for run in runs})
    cpu = np.mean([run.cpu / run.budget for run in runs]) if runs else 0.0
    return "\n".join(
        [
            *tables_text(),
            "",
            "### Model-based against random search, on the surrogate",
            "",
            "Mean, and least and most of all seeds. *No scatter*: of the surrogate's own values instead of "
            "those measured. What both found counts for neither.",
            "",
            *comparison,
            "",
            f"Searches of commit {', '.join(commits)}; the mean suggestion took {1000 * cpu:.0f} ms of CPU.",
            "",
            *(
                f"![{name}: both searches on the surrogate](images/versus_random_{name}.png)"
                for name in CASES
            ),
            *(["", "### The same fronts, really trained", "", *retrained] if retrained else []),
            *(["", "### Without a surrogate", "", REALLY, "", *real] if real else []),
        ]
    )
