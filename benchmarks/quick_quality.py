"""Quick look at search quality: hypervolume of random, sobol and gp on five problems, a few seeds.

    python benchmarks/quick_quality.py [--problems zdt1,dtlz2] [--policies random,gp] [--seeds 3]

Prints the noise-free hypervolume at half and at all of the budget (mean and standard error over seeds) and
the CPU time per suggestion. Pin the threads: OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1.

Problems: ZDT1 (Zitzler, Deb and Thiele 2000, eq. 7), ZDT3 (eq. 9), DTLZ2 (Deb, Thiele, Laumanns and Zitzler
2002, eq. 9), and two made for this project: `diatom`, the parameters and trade-off of a small sequence
classifier (7 ints, 5 doubles, 1 % noise), and `crash`, the same with out-of-memory failures in about
half of the space.
"""

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import moocore
import numpy as np
from numpy.typing import NDArray

from paretune.experiment import Experiment, Maximize, Metric, Minimize, Policy
from paretune.observation import MetricValue, Observation, Outcome, OutcomeKind
from paretune.parameters import Assignments, Double, Int, Parameter
from paretune.space import SearchSpace
from paretune_optimizer.history import History
from paretune_optimizer.policy import suggest

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """A test problem.

    Attributes:
        evaluate: noise-free metric vector of assignments, or None for an infeasible configuration.
        reference: reference point in the user's units.
        noise: standard deviation of the relative noise of each metric.
    """

    parameters: tuple[Parameter, ...]
    metrics: tuple[Metric, ...]
    evaluate: Callable[[Assignments], tuple[float, ...] | None]
    reference: tuple[float, ...]
    noise: float = 0.0


def _unit(d: int) -> tuple[Parameter, ...]:
    return tuple(Double(f"x{i}", 0.0, 1.0) for i in range(d))


def zdt1(a: Assignments) -> tuple[float, ...]:
    """ZDT1: convex front f2 = 1 - sqrt(f1)."""
    x = np.array(list(a.values()), dtype=float)
    g = 1.0 + 9.0 * x[1:].mean()
    return float(x[0]), float(g * (1.0 - math.sqrt(x[0] / g)))


def zdt3(a: Assignments) -> tuple[float, ...]:
    """ZDT3: a front in five pieces."""
    x = np.array(list(a.values()), dtype=float)
    g = 1.0 + 9.0 * x[1:].mean()
    r = x[0] / g
    return float(x[0]), float(g * (1.0 - math.sqrt(r) - r * math.sin(10.0 * math.pi * x[0])))


def dtlz2(m: int) -> Callable[[Assignments], tuple[float, ...]]:
    """DTLZ2 with m metrics: an eighth of a sphere (a quarter circle for m = 2)."""

    def evaluate(a: Assignments) -> tuple[float, ...]:
        x = np.array(list(a.values()), dtype=float)
        radius = 1.0 + float(np.sum((x[m - 1 :] - 0.5) ** 2))
        angle = x[: m - 1] * math.pi / 2
        out = []
        for j in range(m):
            value = radius * float(np.prod(np.cos(angle[: m - 1 - j])))
            out.append(value * (math.sin(angle[m - 1 - j]) if j else 1.0))
        return tuple(out)

    return evaluate


DIATOM = (
    Int("batch_size", 8, 32),
    *(Int(f"filters_{i}", 32, 256) for i in (1, 2, 3)),
    *(Int(f"width_{i}", 2, 10) for i in (1, 2, 3)),
    Double("log_lr", math.log(1e-10), 0.0),
    Double("log_beta_1", math.log(1e-2), math.log(0.5)),
    Double("log_beta_2", math.log(1e-6), math.log(0.5)),
    Double("log_epsilon", math.log(1e-10), math.log(1e-6)),
    Double("log_decay", math.log(1e-10), math.log(1e-1)),
)


def diatom(a: Assignments) -> tuple[float, ...]:
    """Accuracy that saturates with capacity and has a narrow band of good rates; time linear in work."""
    f = [float(a[f"filters_{i}"]) for i in (1, 2, 3)]
    w = [float(a[f"width_{i}"]) for i in (1, 2, 3)]
    work = (w[0] * f[0] + w[1] * f[0] * f[1] + w[2] * f[1] * f[2]) / 1e6
    seconds = 0.02 + 0.22 * work + 0.01 * math.sqrt(8.0 / float(a["batch_size"]))
    capacity = 0.5 * math.log(f[0] * f[1] * f[2] / 32**3) / math.log(512) + 0.5 * (
        1 - math.exp(-(w[0] * 1.2 + w[1] + 0.8 * w[2]) / 12)
    )
    lr = (float(a["log_lr"]) + 6.5 - 0.35 * math.log(float(a["batch_size"]) / 16)) / 2.2
    decay = max(0.0, float(a["log_decay"]) + 8.0) / 4.0
    beta = ((float(a["log_beta_1"]) + 2.3) / 3.0) ** 2 + ((float(a["log_beta_2"]) + 6.5) / 9.0) ** 2
    trained = math.exp(-0.5 * lr * lr if lr < 0 else -1.2 * lr * lr) * math.exp(
        -0.15 * decay**2 - 0.08 * beta
    )
    return 0.05 + 0.78 * trained * (0.55 + 0.45 * capacity), seconds


def crash(a: Assignments) -> tuple[float, ...] | None:
    """The diatom shape, failing where activations do not fit into memory."""
    memory = float(a["batch_size"]) * sum(float(a[f"filters_{i}"]) for i in (1, 2, 3))
    return None if memory > 8200 else diatom(a)


PROBLEMS = {
    "zdt1": Problem(_unit(12), (Minimize("f1"), Minimize("f2")), zdt1, (1.1, 1.1)),
    "zdt3": Problem(_unit(8), (Minimize("f1"), Minimize("f2")), zdt3, (1.1, 1.1)),
    "dtlz2": Problem(_unit(6), (Minimize("f1"), Minimize("f2")), dtlz2(2), (1.1, 1.1)),
    "dtlz2m3": Problem(_unit(6), tuple(Minimize(f"f{j}") for j in range(3)), dtlz2(3), (1.1, 1.1, 1.1)),
    "dtlz2m4": Problem(_unit(7), tuple(Minimize(f"f{j}") for j in range(4)), dtlz2(4), (1.1,) * 4),
    "diatom": Problem(DIATOM, (Maximize("accuracy"), Minimize("seconds")), diatom, (0.3, 0.35), noise=0.01),
    "crash": Problem(DIATOM, (Maximize("accuracy"), Minimize("seconds")), crash, (0.3, 0.35), noise=0.01),
}


def run(problem: Problem, policy: Policy, seed: int, budget: int) -> tuple[list[Array], list[float], int]:
    """Search once; return noise-free values (minimised), CPU seconds per suggestion, and failures."""
    experiment = Experiment(
        "bench", SearchSpace(problem.parameters), problem.metrics, budget, seed=seed, policy=policy
    )
    history = History(experiment)
    noise = np.random.default_rng(1000 + seed)
    truth: list[Array] = []
    spent: list[float] = []
    failures = 0
    for n in range(1, budget + 1):
        start = time.process_time()
        proposal = suggest(history, ordinal=n)[0]
        spent.append(time.process_time() - start)
        if proposal.provenance.fallback_reason:
            print("   fallback:", proposal.provenance.fallback_reason)
        values = problem.evaluate(proposal.assignments)
        observation = Observation(proposal.assignments, id=str(n), ordinal=n)
        if values is None:
            failures += 1
            outcome = Outcome(OutcomeKind.INFEASIBLE, "out of memory")
            history.add_observation(replace(observation, outcome=outcome))
            truth.append(np.full(len(problem.metrics), np.inf))
            continue
        measured = tuple(
            MetricValue(m.name, v * (1.0 + problem.noise * float(noise.standard_normal())))
            for m, v in zip(problem.metrics, values, strict=True)
        )
        history.add_observation(replace(observation, values=measured))
        truth.append(np.array(values) * history.roles.sign)
    return truth, spent, failures


def hypervolume(problem: Problem, truth: list[Array]) -> float:
    """Return the noise-free hypervolume against the problem's reference point."""
    sign = History(Experiment("h", SearchSpace(problem.parameters), problem.metrics)).roles.sign
    points = np.array([row for row in truth if np.all(np.isfinite(row))]).reshape(-1, sign.size)
    return float(moocore.hypervolume(points, ref=np.array(problem.reference) * sign)) if points.size else 0.0


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--problems", default="zdt1,dtlz2,diatom")
    parser.add_argument("--policies", default="random,sobol,auto")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budget", type=int, default=100)
    args = parser.parse_args()
    for name in args.problems.split(","):
        problem = PROBLEMS[name]
        for policy in args.policies.split(","):
            half, full, spent, failed = [], [], [], []
            for seed in range(args.first_seed, args.first_seed + args.seeds):
                truth, cpu, failures = run(problem, Policy[policy.upper()], seed, args.budget)
                half.append(hypervolume(problem, truth[: args.budget // 2]))
                full.append(hypervolume(problem, truth))
                spent += cpu[args.budget // 2 :]
                failed.append(failures)
            root = math.sqrt(args.seeds)
            print(
                f"{name:8s} {policy:7s} "
                f"HV@{args.budget // 2} {np.mean(half):.4f} +- {np.std(half) / root:.4f}  "
                f"HV@{args.budget} {np.mean(full):.4f} +- {np.std(full) / root:.4f}  "
                f"cpu {1e3 * np.median(spent):.0f} ms (p95 {1e3 * np.quantile(spent, 0.95):.0f})  "
                f"failures {np.mean(failed):.1f}  min {min(half):.3f}/{min(full):.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
