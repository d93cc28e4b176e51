"""A stand-in for the trainer, and the real data set where there is one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from paretune_trainer.workloads.adiac import Split
from paretune_trainer.workloads.reviews import Corpus, Reviews


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
def data_folder(data_sets) -> Path:
    return data_sets


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
