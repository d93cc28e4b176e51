"""Tests of what strangers see: documents, names, the wheel."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
