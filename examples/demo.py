"""The demo: a real network, tuned for accuracy against inference time, model-based beside random search.

    python examples/demo.py            # starts, or resumes where it stopped, or shows what was finished
    python examples/demo.py --fresh    # starts afresh

Starts the three services on loopback, trains 40 configurations by each search, two at a time, prints both
hypervolumes and the front, writes demo/front.png and demo/results.csv, and stops what it started.

Both searches run side by side, and the Trainer takes trials of each in turn: what disturbs measurements of
time on this machine disturbs both alike, which one search after the other would not promise.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import paretune as pt
from paretune import frame
from paretune.cli.app import guarded
from paretune.cli.console import number, out, print_table, relative, remark, say
from paretune.cli.tables import front_tables
from paretune.cli.training import create_or_resume, train
from paretune.experiment_file import load_experiment
from paretune.local import LocalClient, Suite, free_ports
from paretune.plot.fronts import Series, pareto
from paretune.plot.style import saved

FILE = Path(__file__).with_name("digits.yaml")
METRICS = (pt.Maximize("accuracy", threshold=0.8), pt.Minimize("inference_ms", unit="ms"))
"""As in the file; besides, a network that is right less than 80 % of the time is of no use, however fast."""

LEASE = pt.LeasePolicy(ttl=10)
"""Trials take a second or two: what a killed Trainer had begun need not wait for long."""

MODEL_BASED, RANDOM = "model-based", "random search"


def main() -> None:
    """Run the demo, or as much of it as is left to do."""
    parser = argparse.ArgumentParser(description="Tune a network for accuracy against inference time.")
    parser.add_argument("--fresh", action="store_true", help="start afresh instead of resuming")
    parser.add_argument("--budget", type=int, default=40, help="trials of each search (default: 40)")
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="where results go (default: demo)")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    digits = replace(
        load_experiment(FILE), metrics=METRICS, observation_budget=chosen.budget, lease_policy=LEASE
    )
    searches = {
        MODEL_BASED: digits,
        RANDOM: replace(digits, name=f"{digits.name}-random", policy=pt.Policy.RANDOM),
    }
    with LocalClient(Suite(chosen.folder / "demo.db", free_ports()), notify=remark) as client:
        remark(
            f"To watch from another terminal: paretune watch digits --db {relative(client.suite.database)}"
        )
        handles = {
            label: create_or_resume(client, search, chosen.fresh) for label, search in searches.items()
        }
        if all(handle.experiment.progress.observations >= chosen.budget for handle in handles.values()):
            remark("Here is what came out; start afresh with `make demo FRESH=1`.")
        try:
            train(client, *handles.values())
        except KeyboardInterrupt:
            remark("Stopped. Run the demo again to go on where it stopped.")
            raise
        report(handles, chosen.folder)


def report(handles: Mapping[str, pt.ExperimentHandle], folder: Path) -> None:
    """Print and write what came out."""
    model_based, random = handles[MODEL_BASED], handles[RANDOM]
    point = shared_reference_point([model_based, random])
    fronts = {label: handle.pareto_front(reference_point=point) for label, handle in handles.items()}
    picture, csv = folder / "front.png", folder / "results.csv"
    series = [Series(label, handle.observations(), fronts[label]) for label, handle in handles.items()]
    saved(pareto(model_based.experiment, series), picture)
    rows = [{"search": label, **row} for label, handle in handles.items() for row in handle.to_rows()]
    frame.write_csv(csv, ["search", *frame.header(model_based.experiment)], rows)

    for table in front_tables(model_based.experiment, fronts[MODEL_BASED], out().width):
        print_table(table)
    where = ", ".join(f"{name} {number(value)}" for name, value in point.items())
    lines = [f"Hypervolume from ({where}), larger is better:"]
    lines += [
        f"  {label:14}{number(front.hypervolume):>8}   {len(front)} of {front.observation_count} efficient"
        for label, front in fronts.items()
    ]
    lines.append(f"Wrote {relative(picture)} and {relative(csv)}.")
    say("\n".join(lines))


def shared_reference_point(handles: Sequence[pt.ExperimentHandle]) -> dict[str, float]:
    """The worse of the searches' own reference points, metric by metric."""
    points = [handle.pareto_front().reference_point for handle in handles]
    worst = {pt.Goal.MAXIMIZE: min, pt.Goal.MINIMIZE: max}
    return {
        metric.name: worst[metric.goal](point[metric.name] for point in points)
        for metric in handles[0].experiment.optimized_metrics
    }


if __name__ == "__main__":
    sys.exit(guarded(main))
