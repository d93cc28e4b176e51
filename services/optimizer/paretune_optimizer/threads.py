"""One thread for linear algebra while a suggestion is computed.

numpy and scipy bring an OpenBLAS each, with as many threads as the machine has cores. On matrices of a few
hundred rows those threads cost far more than they give (tens of times on a busy machine) and change the last
bits of results, which must be reproducible.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import scipy.linalg  # noqa: F401 - its BLAS must be loaded before the controller looks for it
from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
R = TypeVar("R")


@cache
def _controller() -> Any:
    return ThreadpoolController()


def single_threaded(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that runs with one BLAS thread and restores the number afterwards.

    The limit holds for the whole process while the function runs.
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _controller().limit(limits=1):
            return function(*args, **kwargs)

    return limited
