"""What early stops save: recorded trainings replayed with them and without.

python -m benchmarks.early_stopping [diatoms_quick] --seeds 10
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from benchmarks.early_stopping.replay import Replay, load, replay

from paretune.experiment import Maximize, Minimize
from paretune.stopping import EarlyStopping, EarlyStoppingRule, Fidelity

RULES = EarlyStoppingRule
CHOICES = {
    "dominated": (RULES.DOMINATED,),
    "halving": (RULES.HALVING,),
    "dominated+halving": (RULES.DOMINATED, RULES.HALVING),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one line for each set of rules."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", default="diatoms_quick", help="of a table in benchmarks/data")
    parser.add_argument("--trainings", type=int, default=600, help="how many of them are replayed")
    parser.add_argument("--metrics", default="accuracy:max,inference_time:min")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=5, help="first step at which a training may be stopped")
    parser.add_argument(
        "--share", type=float, default=0.5, help="share of the trainings that is trained whole"
    )
    parser.add_argument("--confidence", type=float, default=0.95)
    parser.add_argument("--reduction", type=int, default=3)
    parser.add_argument("--rules", default=" ".join(CHOICES), help="which of the sets of rules")
    given = parser.parse_args(arguments)
    kinds = dict(pair.split(":") for pair in given.metrics.split(","))
    recorded = load(given.name, list(kinds), given.trainings)
    fidelity = Fidelity("steps", given.first, max(one.steps for one in recorded))
    finals = [one.final for one in recorded if one.final]
    metrics = [Maximize(n) if k == "max" else Minimize(n) for n, k in kinds.items()]
    reference = np.array(
        [-min(f[n] for f in finals) if k == "max" else max(f[n] for f in finals) for n, k in kinds.items()]
    )
    print(f"{len(recorded)} trainings of {fidelity.max} steps; {given.seeds} orders")
    print(
        "At equal hypervolume: steps at which the mean over orders reaches that of the first half trained\n"
        "whole, as a share of the steps of the latter [orders that reached their own, and the median share]."
    )
    count = round(given.share * len(recorded))
    for name in given.rules.split():
        stopping = EarlyStopping(CHOICES[name], given.confidence, given.reduction)
        plains, stops = [], []
        for seed in range(given.seeds):
            order = np.random.default_rng(seed).permutation(len(recorded))
            plains.append(replay(recorded, order[:count], metrics, None, fidelity, reference))
            stops.append(replay(recorded, order, metrics, stopping, fidelity, reference))
        print(f"{name:18} {summary(plains, stops, count)}")


def summary(plains: list[Replay], stops: list[Replay], count: int) -> str:
    """One line about replays without and with stops, order by order."""
    total = np.mean([plain.steps[-1] for plain in plains])
    wanted = np.mean([plain.hypervolume[-1] for plain in plains])
    grid = np.linspace(0.0, total, 1001)
    mean = np.mean([stop.at(grid) for stop in stops], axis=0)
    reached = np.flatnonzero(mean >= wanted)
    equal = f"{grid[reached[0]] / total:.2f} of the steps" if reached.size else "not reached"
    own = [s.steps_to(p.hypervolume[-1]) / p.steps[-1] for p, s in zip(plains, stops, strict=True)]
    same = np.mean([s.steps[count - 1] / p.steps[-1] for p, s in zip(plains, stops, strict=True)])
    kept = np.mean([s.hypervolume[count - 1] / p.hypervolume[-1] for p, s in zip(plains, stops, strict=True)])
    return (
        f"at equal hypervolume {equal} [{np.sum(np.isfinite(own))} of {len(own)}, {np.median(own):.2f}]; "
        f"of the same trainings {same:.2f} of the steps and {kept:.3f} of the hypervolume"
    )


if __name__ == "__main__":
    main()
