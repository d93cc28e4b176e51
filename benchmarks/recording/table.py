"""Recorded trainings as a table: packed into a small file of the repository, and read back.

`benchmarks/data/NAME.csv.gz` has one row per training:

| column | meaning |
|---|---|
| index | number of the training, which is its seed, too |
| a column per parameter | its value, as trained |
| outcome, reason | OK, or INFEASIBLE and why |
| METRIC, METRIC_stderr | value and standard error; empty where the training gave none |
| seconds | CPU seconds of the whole training, measurements included |
| curve | checkpoints, separated by ";", each `step value ... seconds` as the sidecar names them |

The sidecar `NAME.json` says how the table was made. Measured numbers have six significant digits.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.recording.record import IDENTITY
from numpy.typing import NDArray

Array = NDArray[np.float64]
DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class Table:
    """Recorded trainings (n rows).

    Attributes:
        name: of the files.
        parameters: names of the d parameters, in the order of the columns of X.
        X: configurations (n x d).
        ok: whether a training gave its metrics (n).
        reasons: why not; empty text where it did.
        values: metric -> measured values (n), NaN where there are none.
        errors: metric -> their standard errors (n), likewise.
        seconds: CPU seconds of each training (n).
        curves: the learning curve of each training: rows of step, a value per `curve_metrics`,
            CPU seconds since the start (k x (2 + m), k may be 0).
        curve_metrics: names of the values in the curves.
        making: how it was made; see the sidecar.
    """

    name: str
    parameters: tuple[str, ...]
    X: Array
    ok: NDArray[np.bool_]
    reasons: tuple[str, ...]
    values: Mapping[str, Array] = field(hash=False)
    errors: Mapping[str, Array] = field(hash=False)
    seconds: Array
    curves: tuple[Array, ...]
    curve_metrics: tuple[str, ...]
    making: Mapping[str, Any] = field(hash=False)

    def __len__(self) -> int:
        return len(self.X)


def load(name: str, folder: Path = DATA) -> Table:
    """Read a packed table.

    Raises:
        FileNotFoundError: there is none of this name.
    """
    making = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    with gzip.open(folder / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    parameters, metrics = tuple(making["parameters"]), making["metrics"]
    numbers = lambda column: np.array([float(row[column] or "nan") for row in rows])  # noqa: E731
    return Table(
        name=name,
        parameters=parameters,
        X=np.column_stack([numbers(parameter) for parameter in parameters]),
        ok=np.array([row["outcome"] == "OK" for row in rows]),
        reasons=tuple(row["reason"] for row in rows),
        values={metric: numbers(metric) for metric in metrics},
        errors={metric: numbers(f"{metric}_stderr") for metric in metrics},
        seconds=numbers("seconds"),
        curves=tuple(_curve(row["curve"], len(making["curve"])) for row in rows),
        curve_metrics=tuple(making["curve"][1:-1]),
        making=making,
    )


def _curve(text: str, width: int) -> Array:
    numbers = [[float(word) for word in checkpoint.split()] for checkpoint in text.split(";") if checkpoint]
    return np.array(numbers).reshape(-1, width)


def name_of(source: Path) -> str:
    """What the table of a recording is called: WORKLOAD_PRESET, and _repeats where trainings are repeated."""
    note = json.loads(source.with_suffix(".made.json").read_text())[0]
    return f"{note['workload']}_{note['settings']['preset']}{'_repeats' * (note['repeats'] > 1)}"


def pack(source: Path, name: str, folder: Path = DATA, **facts: Any) -> Path:
    """Write a recording as `NAME.csv.gz` and `NAME.json`; gives the former. The same input, the same bytes.

    Args:
        source: JSON lines of `record`, with its `.made.json` beside it.
        name: of the files.
        folder: where they go.
        **facts: more to say in the sidecar.

    Raises:
        ValueError: the recording is empty.
    """
    rows = sorted(map(json.loads, source.read_text().splitlines()), key=lambda row: row["index"])
    notes = json.loads(source.with_suffix(".made.json").read_text())
    if not rows:
        raise ValueError(f"{source}: holds no training")
    metrics = list(next(row["metrics"] for row in rows if row["metrics"]))
    curve_metrics = list(next(row["curve"][0][1] for row in rows if row["curve"]))
    text = io.StringIO()
    measured = [column for metric in metrics for column in (metric, f"{metric}_stderr")]
    columns = ["index", *notes[0]["parameters"], "outcome", "reason", *measured, "seconds", "curve"]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_packed(row, curve_metrics) for row in rows)
    folder.mkdir(parents=True, exist_ok=True)
    packed = folder / f"{name}.csv.gz"
    packed.write_bytes(gzip.compress(text.getvalue().encode(), 9, mtime=0))
    sidecar = {
        **{key: notes[0][key] for key in IDENTITY},
        "trainings": len(rows),
        "outcomes": {kind: sum(row["outcome"] == kind for row in rows) for kind in ("OK", "INFEASIBLE")},
        "metrics": metrics,
        "curve": ["step", *curve_metrics, "seconds"],
        **facts,
        "made": [{key: value for key, value in note.items() if key not in IDENTITY} for note in notes],
    }
    (folder / f"{name}.json").write_text(json.dumps(sidecar, indent=2) + "\n", encoding="utf-8")
    return packed


def _packed(row: Mapping[str, Any], curve_metrics: Sequence[str]) -> dict[str, Any]:
    metrics: dict[str, str] = {}
    for metric, measured in row["metrics"].items():
        value, error = measured if isinstance(measured, list) else (measured, None)
        metrics |= {metric: f"{value:.6g}", f"{metric}_stderr": "" if error is None else f"{error:.3g}"}
    curve = ";".join(
        " ".join([str(step), *(f"{values[name]:.4g}" for name in curve_metrics), f"{seconds:.4g}"])
        for step, values, seconds in row["curve"]
    )
    kept = {key: row[key] for key in ("index", "outcome", "reason", "seconds")}
    return {**kept, **row["parameters"], **metrics, "curve": curve}
