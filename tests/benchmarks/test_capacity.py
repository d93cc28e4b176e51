"""The capacity page follows from its inputs."""

import importlib.util
from pathlib import Path

SPEC = importlib.util.spec_from_file_location(
    "capacity", Path(__file__).resolve().parents[2] / "benchmarks" / "capacity.py"
)
capacity = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(capacity)

THROUGHPUT = """\
   1 clients:     500 observations/s acknowledged, latency p50 1.7 ms
  32 clients:    1200 observations/s acknowledged, latency p50 20.3 ms
paretune   32 workers:    100.0 trials/s, p50 1 ms
paretune   32 workers:    140.0 trials/s, p50 1 ms
optuna     32 workers:     10.0 trials/s, p50 1 ms
"""


def test_rates_are_read_and_averaged():
    assert capacity.rates(THROUGHPUT) == {"32": 120.0, "writes": 1200.0}


def test_slots_are_what_writes_allow():
    # In a second a slot writes 2/100 for trials, 1/20 for leases, 1/10 for checkpoints.
    assert capacity.slots(100, 10, 1700) == int(0.5 * 1700 / 0.17)


def test_the_page_names_its_figures():
    hosts = {"optimizer_gap_s": 1.25, "backup_every_s": 2, "lost_window_s": 3.5, "store_serving_s": 2.6,
             "store_recovered_s": 20.0}  # fmt: skip
    page = capacity.document(THROUGHPUT, {50: 60.0, 500: 250.0}, hosts)
    for part in ("32 worker(s), suggestions at random | 120 |", "250 ms", "| 3.5 s |", "4 to 17 model-based"):
        assert part in page
