"""One thread for linear algebra, and a place on the path for the shared cases."""

import sys
from pathlib import Path

import scipy.linalg  # noqa: F401 - its BLAS must be loaded before it can be limited
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parent))
# Matrices here are small: threads cost more than they give, and change the last bits.
threadpool_limits(1)
