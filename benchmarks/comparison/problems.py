"""Test problems, from their papers, and two in the shape of published experiments.

Every problem is evaluated without noise, many rows at once, in the user's units; a row of NaN is a training
that failed. Hypervolumes are taken of these true values against `reference`, never of what a method saw.

- ZDT1: Zitzler, Deb, Thiele 2000, "Comparison of multiobjective evolutionary algorithms", eq. 7.
- DTLZ2: Deb, Thiele, Laumanns, Zitzler 2002, "Scalable multi-objective optimization test problems", eq. 9.
- WFG4: Huband, Hingston, Barone, While 2006, "A review of multiobjective test problems", tables XIII, XIV.
- RE21, RE36: Tanabe, Ishibuchi 2020, "An easy-to-use real-world multi-objective optimization problem
  suite", arXiv 2009.12867 (four bar truss; gear train, all integer).
- diatom: the 12 parameters and ranges of the published experiment on diatoms (examples/diatoms.yaml) with
  the made-up response of quick_quality.py.
- diatoms_surrogate, rotten_tomatoes_surrogate: models of recorded trainings (benchmarks.recording.surrogate),
  without their scatter; estimates, not trainings.
- tomatoes: the 6 parameters and ranges of the published experiment on movie reviews
  (examples/rotten_tomatoes.yaml) with a made-up response; 26 % of uniform draws are accurate and quick
  enough, as many as were published.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import moocore
import numpy as np
from numpy.typing import NDArray

from paretune.parameters import Assignments, Double, Int

Array = NDArray[np.float64]
Range = Double | Int


@dataclass(frozen=True)
class Problem:
    """A test problem.

    Attributes:
        parameters: what is searched.
        evaluate: true metrics (n x m, the user's units) of configurations (n x d); NaN rows failed.
        maximized: for each metric, whether larger is better.
        reference: reference point of the hypervolume, in the user's units.
        noise: standard deviation of the relative noise that the methods see.
        penalty: metrics a method without a notion of failure is told instead; empty: nothing fails.
    """

    name: str
    parameters: tuple[Range, ...]
    evaluate: Callable[[Array], Array]
    reference: tuple[float, ...]
    maximized: tuple[bool, ...] = (False, False)
    noise: float = 0.0
    penalty: tuple[float, ...] = ()

    @property
    def signs(self) -> Array:
        """Factors that make every metric smaller-is-better."""
        return np.where(self.maximized, -1.0, 1.0)

    def values(self, assignments: Assignments) -> Array:
        """Return the true metrics of one configuration."""
        row = [float(assignments[p.name]) for p in self.parameters]
        return self.evaluate(np.array([row]))[0]

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Draw configurations uniformly (count x d)."""
        columns = [
            rng.integers(p.min, p.max, count, endpoint=True).astype(float)
            if isinstance(p, Int)
            else rng.uniform(p.min, p.max, count)
            for p in self.parameters
        ]
        return np.column_stack(columns)

    def assignments(self, row: Array) -> dict[str, float | int | str]:
        """Name the values of one row."""
        return {
            p.name: round(v) if isinstance(p, Int) else float(v)
            for p, v in zip(self.parameters, row, strict=True)
        }

    def hypervolume(self, values: Array) -> float:
        """Return the hypervolume of true values (n x m) against the reference; failures count nothing."""
        points = values[np.all(np.isfinite(values), axis=1)] * self.signs
        if not len(points):
            return 0.0
        return float(moocore.hypervolume(points, ref=np.array(self.reference) * self.signs))


def named(name: str) -> Problem:
    """Return a problem by name: one of `PROBLEMS`, or `USE-CASE_surrogate`, a model of recorded trainings.

    Raises:
        KeyError: if there is no such problem.
    """
    if name in PROBLEMS:
        return PROBLEMS[name]
    # Not above: the surrogates are problems of this module, and need scikit-learn and the recorded tables.
    from benchmarks.recording.surrogate import CASES, problem

    case = name.removesuffix("_surrogate")
    limits = CASES[case].limits
    return replace(problem(case), penalty=(limits[0] - 10.0, 2.0 * limits[1]) if limits else ())


def _unit(d: int) -> tuple[Range, ...]:
    return tuple(Double(f"x{i + 1}", 0.0, 1.0) for i in range(d))


def zdt1(X: Array) -> Array:
    """ZDT1: front f2 = 1 - sqrt(f1)."""
    g = 1.0 + 9.0 * X[:, 1:].mean(axis=1)
    return np.column_stack([X[:, 0], g * (1.0 - np.sqrt(X[:, 0] / g))])


def dtlz2(X: Array, m: int) -> Array:
    """DTLZ2: front is the part of the unit sphere where no coordinate is negative."""
    radius = 1.0 + ((X[:, m - 1 :] - 0.5) ** 2).sum(axis=1)
    angle = X[:, : m - 1] * math.pi / 2
    columns = []
    for j in range(m):
        value = radius * np.cos(angle[:, : m - 1 - j]).prod(axis=1)
        columns.append(value * np.sin(angle[:, m - 1 - j]) if j else value)
    return np.column_stack(columns)


def wfg4(X: Array, k: int = 2, m: int = 2) -> Array:
    """WFG4: many local fronts; z_i in [0, 2 i], the first k are positions, front a quarter ellipse."""
    y = X / (2.0 * np.arange(1, X.shape[1] + 1))
    # s_multi with A = 30, B = 10, C = 0.35 (table XI).
    offset = np.abs(y - 0.35) / (2.0 * (np.floor(0.35 - y) + 0.35))
    t = (1.0 + np.cos(122.0 * math.pi * (0.5 - offset)) + 40.0 * offset**2) / 12.0
    size = k // (m - 1)
    x = np.column_stack([t[:, i * size : (i + 1) * size].mean(axis=1) for i in range(m - 1)])
    distance = t[:, k:].mean(axis=1)
    columns = []
    for j in range(m):
        shape = np.sin(x[:, : m - 1 - j] * math.pi / 2).prod(axis=1)
        if j:
            shape = shape * np.cos(x[:, m - 1 - j] * math.pi / 2)
        columns.append(distance + 2.0 * (j + 1) * shape)
    return np.column_stack(columns)


def re21(X: Array) -> Array:
    """RE21, four bar truss: volume and displacement (F = 10 kN, E = 2e5 kN/cm2, L = 200 cm)."""
    x1, x2, x3, x4 = X.T
    root = math.sqrt(2.0)
    volume = 200.0 * (2.0 * x1 + root * x2 + np.sqrt(x3) + x4)
    displacement = 10.0 * 200.0 / 2e5 * (2.0 / x1 + 2.0 * root / x2 - 2.0 * root / x3 + 2.0 / x4)
    return np.column_stack([volume, displacement])


def re36(X: Array) -> Array:
    """RE36, gear train: error of the ratio 6.931, largest gear, violation of an error below one half."""
    x1, x2, x3, x4 = X.T
    error = np.abs(6.931 - (x3 / x1) * (x4 / x2))
    return np.column_stack([error, X.max(axis=1), np.maximum(error / 6.931 - 0.5, 0.0)])


def diatom(X: Array) -> Array:
    """Accuracy that saturates with capacity in a narrow band of rates; seconds linear in work."""
    batch, f1, f2, f3, w1, w2, w3, lr, beta_1, beta_2, _, decay = X.T
    seconds = 0.02 + 0.22 * (w1 * f1 + w2 * f1 * f2 + w3 * f2 * f3) / 1e6 + 0.01 * np.sqrt(8.0 / batch)
    capacity = 0.5 * np.log(f1 * f2 * f3 / 32**3) / math.log(512) + 0.5 * (
        1 - np.exp(-(w1 * 1.2 + w2 + 0.8 * w3) / 12)
    )
    rate = (lr + 6.5 - 0.35 * np.log(batch / 16)) / 2.2
    late = np.maximum(0.0, decay + 8.0) / 4.0
    beta = ((beta_1 + 2.3) / 3.0) ** 2 + ((beta_2 + 6.5) / 9.0) ** 2
    trained = np.exp(np.where(rate < 0, -0.5, -1.2) * rate**2 - 0.15 * late**2 - 0.08 * beta)
    return np.column_stack([0.05 + 0.78 * trained * (0.55 + 0.45 * capacity), seconds])


def tomatoes(X: Array) -> Array:
    """Accuracy (%) and training seconds; below 65 % or above 250 s the training failed."""
    dropout, lr, norm, epochs, batch, embed = X.T
    # Steps times a rate: too little leaves the start, too much diverges.
    progress = lr + np.log(epochs / 30.0) - 0.6 * np.log(batch / 50.0) + 0.15 * np.log(norm / 3.0)
    gap = (progress + 6.8) / np.where(progress < -6.8, 4.1, 2.6)
    width = 1.0 - np.exp(-embed / 140.0)
    kept = 1.0 - 0.5 * (dropout - 0.5) ** 2
    overfit = 0.06 * np.maximum(0.0, np.log(epochs / 40.0)) * (1.0 - dropout)
    accuracy = 50.0 + 30.0 * np.exp(-(gap**2)) * kept * (0.72 + 0.28 * width) * (1.0 - overfit)
    accuracy *= 1.0 - 0.02 * ((np.log(batch) - 3.5) / 1.2) ** 2
    seconds = 4.0 + epochs * (0.35 + 0.0042 * embed) * (0.55 + 28.0 / batch)
    values = np.column_stack([accuracy, seconds])
    values[(accuracy < 65.0) | (seconds > 250.0)] = np.nan
    return values


_LN = math.log
DIATOM: tuple[Range, ...] = (
    Int("batch_size", 8, 32),
    *(Int(f"filters_{i}", 32, 256) for i in (1, 2, 3)),
    *(Int(f"width_{i}", 2, 10) for i in (1, 2, 3)),
    Double("log_learning_rate", _LN(1e-10), 0.0),
    Double("log_beta_1", _LN(1e-2), _LN(0.5)),
    Double("log_beta_2", _LN(1e-6), _LN(0.5)),
    Double("log_epsilon", _LN(1e-10), _LN(1e-6)),
    Double("log_decay", _LN(1e-10), _LN(1e-1)),
)
TOMATOES: tuple[Range, ...] = (
    Double("dropout_rate", 0.1, 0.9),
    Double("log_learning_rate", _LN(1e-8), 0.0),
    Double("max_grad_norm", 1.0, 10.0),
    Int("epochs", 5, 100),
    Int("batch_size", 10, 100),
    Int("embed_dim", 100, 500),
)
_TRUSS: tuple[Range, ...] = (
    Double("x1", 1.0, 3.0),
    Double("x2", math.sqrt(2.0), 3.0),
    Double("x3", math.sqrt(2.0), 3.0),
    Double("x4", 1.0, 3.0),
)
_WFG: tuple[Range, ...] = tuple(Double(f"z{i}", 0.0, 2.0 * i) for i in range(1, 7))
_UP_DOWN = (True, False)

PROBLEMS = {
    p.name: p
    for p in (
        Problem("zdt1", _unit(12), zdt1, (1.1, 1.1)),
        Problem("dtlz2", _unit(6), lambda X: dtlz2(X, 2), (1.1, 1.1)),
        Problem("dtlz2m3", _unit(6), lambda X: dtlz2(X, 3), (1.1, 1.1, 1.1), (False,) * 3),
        Problem("wfg4", _WFG, wfg4, (3.0, 5.0)),
        Problem("re21", _TRUSS, re21, (3000.0, 0.05)),
        Problem(
            "re36", tuple(Int(f"x{i}", 12, 60) for i in range(1, 5)), re36, (6.6, 62.0, 0.45), (False,) * 3
        ),
        Problem("diatom1", DIATOM, diatom, (0.3, 0.35), _UP_DOWN, noise=0.01),
        Problem("diatom3", DIATOM, diatom, (0.3, 0.35), _UP_DOWN, noise=0.03),
        Problem("tomatoes", TOMATOES, tomatoes, (65.0, 250.0), _UP_DOWN, noise=0.01, penalty=(50.0, 500.0)),
    )
}
