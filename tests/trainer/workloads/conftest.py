"""A stand-in for the trainer, and the real data set where there is one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from paretune_trainer.workloads.adiac import Split
from paretune_trainer.workloads.data import ADIAC, REVIEWS
from paretune_trainer.workloads.reviews import Corpus, Reviews

_NO_DATA = (
    "the data sets are not here: set PARETUNE_DATA to a folder holding {}, "
    "or put them in shared/data beside the repository"
).format(", ".join(file.name for data in (ADIAC, REVIEWS) for file in data.files))


@dataclass
class RecordedTrial:
    """A trial handle that remembers what the workload asked of it."""

    seed: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    directive: str = "continue"
    stop_at: int | None = None
    checkpoints: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    held: bool = False
    times_held: int = 0

    def should_stop(self) -> bool:
        return self.stop_at is not None and bool(self.checkpoints) and self.checkpoints[-1][0] >= self.stop_at

    def checkpoint(self, step: int, **metrics: float) -> None:
        self.checkpoints.append((step, metrics))

    def log(self, text: str) -> None:
        self.lines.append(text)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        assert not self.held
        self.held = True
        self.times_held += 1
        try:
            yield
        finally:
            self.held = False


@pytest.fixture
def make_trial():
    return RecordedTrial


@pytest.fixture
def data_folder(pytestconfig) -> Path:
    named = os.environ.get("PARETUNE_DATA")
    folder = Path(named) if named else pytestconfig.rootpath.parent / "shared" / "data"
    if not all((folder / file.name).is_file() for data in (ADIAC, REVIEWS) for file in data.files):
        pytest.skip(_NO_DATA)
    return folder


@pytest.fixture
def outlines() -> tuple[Split, Split]:
    """Made-up sequences of 44 points, shaped like the thinned diatoms."""
    rng = np.random.default_rng(0)

    def draw(examples: int) -> Split:
        return Split(rng.standard_normal((examples, 44)).astype(np.float32), rng.integers(0, 37, examples))

    return draw(60), draw(30)


@pytest.fixture
def sentences() -> Corpus:
    """Made-up sentences of 12 words out of 49; word 7 occurs in the positive ones alone."""
    rng = np.random.default_rng(0)

    def draw(count: int) -> Reviews:
        words, labels = rng.integers(8, 50, (count, 12)), rng.integers(0, 2, count)
        words[labels == 1, 3] = 7
        return Reviews(words, labels)

    return Corpus(draw(64), draw(1000), vocabulary=50)


def pytest_terminal_summary(terminalreporter) -> None:
    skipped = [r for r in terminalreporter.stats.get("skipped", []) if _NO_DATA in str(r.longrepr)]
    if skipped:
        terminalreporter.write_line(
            f"WARNING: {len(skipped)} tests on real data did not run. {_NO_DATA}.", yellow=True, bold=True
        )
