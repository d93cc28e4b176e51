"""Results as a table: rows of plain values, CSV; Parquet and a pandas DataFrame where those are installed."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from paretune.errors import FailedPrecondition
from paretune.experiment import Experiment
from paretune.observation import Observation, ParetoFront
from paretune.parameters import Double

LEADING = ("ordinal", "outcome", "efficient")
TRAILING = (
    "reason",
    "failure",
    "step",
    "observation_id",
    "suggestion_id",
    "attempt",
    "worker",
    "start_time",
    "create_time",
)


def columns(experiment: Experiment) -> tuple[dict[str, str], dict[str, str]]:
    """Column of every parameter and of every metric, by name.

    A column is called as the parameter or metric, and ``parameter.NAME`` or ``metric.NAME`` where that
    would name two columns. The standard error of a metric is in ``METRIC_stddev``.
    """
    parameters = [parameter.name for parameter in experiment.space]
    metrics = [metric.name for metric in experiment.metrics]
    taken = {*LEADING, *TRAILING, *(f"{name}_stddev" for name in metrics)}
    return (
        {name: f"parameter.{name}" if name in taken or name in metrics else name for name in parameters},
        {name: f"metric.{name}" if name in taken or name in parameters else name for name in metrics},
    )


def header(experiment: Experiment) -> list[str]:
    """All columns in order."""
    parameters, metrics = columns(experiment)
    measured = [column for name in metrics for column in (metrics[name], f"{name}_stddev")]
    return [*LEADING, *parameters.values(), *measured, *TRAILING]


def rows(
    experiment: Experiment, observations: Iterable[Observation], front: ParetoFront | None = None
) -> list[dict[str, Any]]:
    """One mapping from column to value per observation; None for what is not known or not active."""
    efficient = {point.observation.id for point in front} if front is not None else None
    return [
        _row(experiment, observation, None if efficient is None else observation.id in efficient)
        for observation in observations
    ]


def _row(experiment: Experiment, observation: Observation, efficient: bool | None) -> dict[str, Any]:
    parameters, metrics = columns(experiment)
    row: dict[str, Any] = dict.fromkeys(header(experiment))
    measured = {value.metric: value for value in observation.values}
    outcome = observation.outcome
    row |= {"ordinal": observation.ordinal, "outcome": outcome.kind.name, "efficient": efficient}
    row |= {column: observation.assignments.get(name) for name, column in parameters.items()}
    for name, column in metrics.items():
        if name in measured:
            row |= {column: measured[name].value, f"{name}_stddev": measured[name].stddev}
    return row | {
        "reason": outcome.reason or None,
        "failure": outcome.failure.name if outcome.failure.value else None,
        "step": outcome.step or None,
        "observation_id": observation.id,
        "suggestion_id": observation.suggestion_id or None,
        "attempt": observation.attempt or None,
        "worker": observation.worker or None,
        "start_time": observation.start_time,
        "create_time": observation.create_time,
    }


def write_csv(path: str | Path, names: Sequence[str], table: Iterable[Mapping[str, Any]]) -> Path:
    """Write the rows as CSV (UTF-8; empty for None; times in ISO 8601); gives the path."""
    path = Path(path)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        for row in table:
            writer.writerow({name: _text(value) for name, value in row.items()})
    return path


def _text(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def write_parquet(path: str | Path, experiment: Experiment, table: Sequence[Mapping[str, Any]]) -> Path:
    """Write the rows as Parquet, with the types of `_arrow_type`; gives the path.

    Raises:
        FailedPrecondition: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise FailedPrecondition(
            "Parquet needs pyarrow: run `pip install 'paretune[parquet]'`, or write CSV.",
            reason="PYARROW_MISSING",
        ) from None
    schema = pa.schema([(name, _arrow_type(pa, experiment, name)) for name in header(experiment)])
    parquet.write_table(pa.Table.from_pylist([dict(row) for row in table], schema), path)
    return Path(path)


def _arrow_type(pa: Any, experiment: Experiment, column: str) -> Any:
    """Numbers are int64 or float64, times are in microseconds UTC, `efficient` is a bool, the rest text."""
    parameters, metrics = columns(experiment)
    kinds = {parameters[parameter.name]: parameter.kind for parameter in experiment.space}
    kinds |= dict.fromkeys([*metrics.values(), *(f"{name}_stddev" for name in metrics)], float)
    kinds |= {"ordinal": int, "step": int, "attempt": int, "efficient": bool}
    if column.endswith("_time") and column in TRAILING:
        return pa.timestamp("us", tz="UTC")
    return {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}[kinds.get(column, str)]


def dataframe(experiment: Experiment, table: Sequence[Mapping[str, Any]]) -> Any:
    """The rows as a `pandas.DataFrame`; metrics and numeric parameters are NaN where they are not known.

    Raises:
        FailedPrecondition: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise FailedPrecondition(
            "to_dataframe() needs pandas: run `pip install pandas`, or take to_rows() or to_csv(path).",
            reason="PANDAS_MISSING",
        ) from None
    frame = pd.DataFrame([dict(row) for row in table], columns=header(experiment))
    parameters, metrics = columns(experiment)
    measured = [*metrics.values(), *(f"{name}_stddev" for name in metrics)]
    reals = [parameters[p.name] for p in experiment.space if isinstance(p, Double)]
    return frame.astype(dict.fromkeys([*measured, *reals], float))
