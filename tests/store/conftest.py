"""Where the shared cases and the contract suite are found; the engine under test."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "store"), str(TESTS / "contract")]
