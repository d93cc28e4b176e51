"""The UCR data set Adiac: outlines of diatoms as sequences, 37 classes.

Distributed with the UCR time series archive; made by the ADIAC project (automatic
diatom identification and classification). The archive's test part is the validation
set, as in the published experiment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from paretune_trainer.workloads.data import ADIAC, Progress, locate


@dataclass(frozen=True)
class Split:
    """One part of the data set.

    Attributes:
        sequences: (examples, length), float32, each of mean 0 and variance 1.
        labels: (examples,), int64, from 0.
    """

    sequences: NDArray[np.float32]
    labels: NDArray[np.int64]

    def thinned(self, stride: int) -> Split:
        """The same sequences with only every `stride`-th point kept."""
        return Split(np.ascontiguousarray(self.sequences[:, ::stride]), self.labels)


def load_adiac(settings: Mapping[str, str], progress: Progress | None = None) -> tuple[Split, Split]:
    """The 390 training and 391 validation sequences of length 176.

    Raises:
        DataError: A file is missing or is not the published one; see `data.locate`.
    """
    paths = locate(ADIAC, settings, progress=progress)
    return _read(paths["adiac/Adiac_TRAIN"]), _read(paths["adiac/Adiac_TEST"])


def _read(path: Path) -> Split:
    table = np.loadtxt(path, delimiter=",", dtype=np.float32)  # (examples, 177), class 1..37 first
    return Split(np.ascontiguousarray(table[:, 1:]), table[:, 0].astype(np.int64) - 1)
