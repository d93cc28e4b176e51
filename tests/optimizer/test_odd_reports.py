"""Everything that can be said, about histories that no textbook has: finite, or a clear refusal."""

import dataclasses
import math

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.errors import FailedPrecondition
from paretune.experiment import Maximize, Minimize, Strategy
from paretune_optimizer.insight.attainment import attainment
from paretune_optimizer.insight.forecast import should_stop
from paretune_optimizer.insight.front import pareto_front
from paretune_optimizer.insight.importance import importance
from paretune_optimizer.insight.recommend import recommend
from paretune_optimizer.insight.robustness import robustness

FIVE = tuple(Minimize(f"m{i}") for i in range(5))
THREE = (Minimize("a"), Minimize("b"), Maximize("c"))
BOUND = (
    Minimize("f", threshold=0.5),
    Minimize("g"),
    Minimize("c", strategy=Strategy.CONSTRAIN, threshold=0.4),
    Minimize("s", strategy=Strategy.STORE),
)
CASES = {
    "constant metrics": (cases.CUBE, cases.TWO, lambda a: (1.0, 2.0)),
    "scales apart": (cases.CUBE, cases.TWO, lambda a: (1e12 * a["x0"], 1e-6 * (1 - a["x0"]))),
    "subnormal": (cases.CUBE, cases.TWO, lambda a: (1e-310 * a["x0"], 1 - a["x0"])),
    "outlier": (cases.CUBE, cases.TWO, lambda a: (1e9 if a["x1"] > 0.9 else a["x0"], 1 - a["x0"])),
    "all failed": (cases.CUBE, cases.TWO, lambda a: None),
    "half failed": (cases.CUBE, cases.TWO, lambda a: None if a["x0"] > 0.5 else (a["x0"], 1 - a["x0"])),
    "log of a maximized metric": (
        cases.CUBE,
        (Maximize("f"), Minimize("g")),
        lambda a: (math.exp(3 * a["x0"]), math.exp(3 * a["x0"] + a["x1"])),
    ),
    "tree": (cases.TREE, cases.TWO, lambda a: (a["x"], a.get("lr", 0.5) + a.get("depth", 1) / 20)),
    "categories": (cases.CATEGORIES, cases.TWO, lambda a: (len(set(a.values())), -int(a["c0"][1:]))),
    "grids": (cases.GRIDS, cases.TWO, lambda a: (a["g"] * a["h"], 1 / a["h"] + a["wide"] / 1e6)),
    "polytope": (cases.POLYTOPE, cases.TWO, lambda a: (a["x0"], 1 - a["x1"])),
    "three metrics": (cases.CUBE, THREE, lambda a: (a["x0"], a["x1"], a["x0"] + a["x1"] + a["x2"])),
    "five metrics": (cases.CUBE, FIVE, lambda a: (a["x0"], a["x1"], a["x2"], 1 - a["x0"], 1 - a["x1"])),
    "constraint and threshold": (cases.CUBE, BOUND, lambda a: (a["x0"], 1 - a["x0"], a["x1"], 3.0)),
    "one metric": (cases.CUBE, (Maximize("f"),), lambda a: (a["x0"],)),
}  # fmt: skip


def numbers(value) -> list[float]:
    if isinstance(value, bool | str) or value is None:
        return []
    if isinstance(value, int | float):
        return [float(value)]
    if dataclasses.is_dataclass(value):
        return [n for field in dataclasses.fields(value) for n in numbers(getattr(value, field.name))]
    if isinstance(value, dict):
        return [n for one in value.values() for n in numbers(one)]
    return [n for one in value for n in numbers(one)] if isinstance(value, tuple | list) else []


def ask(report, history):
    try:
        return report(history), ""
    except FailedPrecondition as error:
        return None, error.reason


def should_stop_soon(history):
    return should_stop(history, 2)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_finite_or_refused(case, count):
    space, metrics, evaluate = CASES[case]
    history = cases.scattered(cases.experiment(space, metrics), evaluate, count)
    for report in (pareto_front, attainment, importance, robustness, recommend, should_stop_soon):
        told, refusal = ask(report, history)
        assert np.all(np.isfinite(numbers(told)))
        if case == "five metrics" and report is attainment:
            assert refusal == "TOO_MANY_METRICS"
        elif count > 1 and "failed" not in case:
            assert refusal == ""
        else:
            assert refusal in ("", "TOO_FEW_OBSERVATIONS")
