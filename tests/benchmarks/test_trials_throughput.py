"""The script that compares trials per second runs, and says what it measured."""

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "trials_throughput.py"


def test_it_prints_a_line_for_every_system():
    words = ["--workers", "2", "--seconds", "2", "--systems", "floor", "paretune"]
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    rates = dict(
        re.findall(r"^(\w+) +2 workers: +([\d.]+) trials/s.* 0 failures$", done.stdout, re.MULTILINE)
    )
    assert {*rates} == {"floor", "paretune"}
    assert all(float(rate) > 0 for rate in rates.values())
