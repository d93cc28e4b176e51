"""Write docs/capacity.md from what was measured: what one installation carries, where it stops, what then.

    .venv/bin/python benchmarks/capacity.py

Reads benchmarks/published/throughput.txt (`make throughput`), latency.jsonl (`make bench`) and hosts.json
(`make test-hosts`). Nothing is measured here; assumptions are the constants below, and told in the document.
"""

import json
import re
import statistics
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PUBLISHED = ROOT / "benchmarks" / "published"
HEARTBEAT_SECONDS = 20.0
"""A third of the default lease of 60 s."""
SHARE = 0.5
"""Of what was measured, to plan with: the rest is for bursts and for machines that do other things too."""
TRAININGS = ((10, 1.0), (60, 1.0), (600, 10.0), (3600, 60.0))
"""Seconds of a training, and between its checkpoints."""
SUGGESTION_CALLS = 2
"""Writes of a trial beside heartbeats and checkpoints: its lease and its observation."""


def rates(text: str) -> dict[str, float]:
    """Trials per second of paretune by workers, and ``writes``: acknowledged observations per second."""
    found: dict[str, list[float]] = {}
    for workers, rate in re.findall(r"^paretune +(\d+) workers: +([\d.]+) trials/s", text, re.MULTILINE):
        found.setdefault(workers, []).append(float(rate))
    writes = re.findall(r"^ +\d+ clients: +(\d+) observations/s", text, re.MULTILINE)
    return {workers: statistics.mean(values) for workers, values in found.items()} | {
        "writes": max(map(float, writes))
    }


def slots(seconds: float, pause: float, writes: float) -> int:
    """Trainings at once that a Store keeps up with, using `SHARE` of its writes per second."""
    each = SUGGESTION_CALLS / seconds + 1 / HEARTBEAT_SECONDS + 1 / pause
    return int(SHARE * writes / each)


def suggestions(records: list[dict[str, Any]]) -> dict[int, float]:
    """Processor milliseconds of our model-based suggestion, by observations in the model."""
    ours = [record for record in records if record["method"] == "paretune"]
    return {record["n"]: 1000 * statistics.median(record["cpu"]) for record in ours}


PAGE = """\
# Capacity

How much one installation carries, where it stops, and what to do then. Computed by `benchmarks/capacity.py`
from figures in `benchmarks/published`, measured with all parts on two shared cores: on machines of their own
expect more. Tried with 200 workers at once ([reliability](reliability.md)); beyond that the tables below
compute, and nobody has tried.

| measured | figure |
|---|---|
{measured}

## Trainers for each Store

At {share:.0%} of the writes measured. A training writes twice for itself, once every {beat:.0f} s for its
lease, and once for each checkpoint. The last column: processors that Optimizers need for it when every
suggestion comes from a model of {size} observations ({cost:.0f} ms each).

| a training takes | a checkpoint every | trainings at once | trials per hour | Optimizer cores |
|---|---|---|---|---|
{trainings}

## Where it stops, and what then

| what | sign | what to do |
|---|---|---|
| an Optimizer computes: {slow:.0f} to {fast:.0f} model-based suggestions per second and core | workers wait \
for Suggest; `paretune_work_seconds` | more Optimizers, their addresses with commas |
| the Store's one process writes | `paretune_store_waiting_writes` grows | fewer checkpoints, longer leases, \
a faster disk; then a Store for each group of projects |
| calls wait | RESOURCE_EXHAUSTED (OVERLOADED) with RetryInfo | clients come again by themselves \
([overload](decisions/0017-overload.md)) |
| the disk | `paretune doctor` warns below 1 GB or twice the database | move it; `--keep-days` |
| experiments in memory | an Optimizer keeps 100 warm and reads others again | `--capacity`, more Optimizers |
"""
USUAL = 480
"""Observations in the model of the table: the budget of the published use cases."""


def document(throughput: str, latency: dict[int, float], hosts: dict[str, float]) -> str:
    """The page."""
    known = rates(throughput)
    figures = {
        f"whole trials per second, {workers} worker(s), suggestions at random": f"{rate:.0f}"
        for workers, rate in known.items()
        if workers != "writes"
    }
    figures["acknowledged writes of the Store per second"] = f"{known['writes']:.0f}"
    for size, cost in latency.items():
        figures[f"processor time of a model-based suggestion, {size} observations"] = f"{cost:.0f} ms"
    lost = f"Store lost with its disk, a copy every {hosts['backup_every_s']:.0f} s"
    figures |= {
        "an Optimizer killed: until its experiment has two more results": f"{hosts['optimizer_gap_s']:.1f} s",
        f"{lost}: lost are the results of the last": f"{hosts['lost_window_s']:.1f} s",
        f"{lost}: until a new Store serves": f"{hosts['store_serving_s']:.1f} s",
        f"{lost}: until the first new result": f"{hosts['store_recovered_s']:.1f} s",
    }
    cost = latency.get(USUAL, max(latency.values()))
    trainings = []
    for seconds, pause in TRAININGS:
        many = slots(seconds, pause, known["writes"])
        cores = many / seconds * cost / 1000
        row = (_span(seconds), _span(pause), _round(many), _round(many * 3600 / seconds), f"{cores:.1f}")
        trainings.append(f"| {' | '.join(row)} |")
    return PAGE.format(
        measured="\n".join(f"| {what} | {figure} |" for what, figure in figures.items()),
        share=SHARE, beat=HEARTBEAT_SECONDS, size=USUAL, cost=cost, trainings="\n".join(trainings),
        slow=1000 / max(latency.values()), fast=1000 / min(latency.values()),
    )  # fmt: skip


def _span(seconds: float) -> str:
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"


def _round(value: float) -> str:
    """Two significant digits: more would pretend."""
    return f"{int(float(f'{value:.2g}')):,}"


def main() -> None:
    """Write the page."""
    latency = [json.loads(line) for line in (PUBLISHED / "latency.jsonl").read_text().splitlines()]
    hosts = json.loads((PUBLISHED / "hosts.json").read_text())
    page = document((PUBLISHED / "throughput.txt").read_text(), suggestions(latency), hosts)
    (ROOT / "docs" / "capacity.md").write_text(page)


if __name__ == "__main__":
    main()
