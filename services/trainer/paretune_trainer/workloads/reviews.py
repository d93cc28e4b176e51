"""The 10,662 movie review sentences of Pang and Lee: half praise, half not.

B. Pang, L. Lee, "Seeing stars: exploiting class relationships for sentiment
categorization with respect to rating scales", ACL 2005; sentence polarity data set v1.0.

A sentence becomes words by the rules Kim published with "Convolutional neural networks
for sentence classification", EMNLP 2014:

1. Every character but ASCII letters, digits and ``( ) , ! ? ' ` `` is a space.
2. ``'s 've n't 're 'd 'll`` begin a word of their own.
3. ``( ) , ! ?`` are words of their own.
4. Case is dropped, and words are what lies between spaces.

They give the 18,764 distinct words that Kim counts (18,765 with the padding word) and a
longest sentence of 56. The files hold single-byte text in which some lines come from
Windows: read as Latin-1 every byte is a character, and rule 1 makes a space of each that
is not ASCII, so it does not matter which of the two encodings a line was written in.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from paretune_trainer.workloads.data import REVIEWS, Progress, locate

VALIDATION: Final = 1000
PADDING: Final = 0
_SPLIT_SEED: Final = 10

_OTHER: Final = re.compile(r"[^A-Za-z0-9(),!?'`]")
_CLITIC: Final = re.compile(r"('s|'ve|n't|'re|'d|'ll)")
_MARK: Final = re.compile(r"([(),!?])")


@dataclass(frozen=True)
class Reviews:
    """Some of the sentences.

    Attributes:
        words: (sentences, length), int64, indices into the vocabulary; 0 pads at the end.
        labels: (sentences,), int64, 0 negative and 1 positive.
    """

    words: NDArray[np.int64]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Corpus:
    """The two parts and the number of words the indices run over, with the padding."""

    train: Reviews
    valid: Reviews
    vocabulary: int


def load_reviews(
    settings: Mapping[str, str],
    progress: Progress | None = None,
    *,
    sentences: int | None = None,
    length: int | None = None,
    min_count: int = 1,
) -> Corpus:
    """The sentences in a fixed random order, the last 1,000 of them for validation.

    The order does not depend on a trial's seed: all trials are judged on the same
    sentences. The vocabulary is drawn from both parts, as published; it sees no labels.

    Args:
        settings: See `data.locate`.
        progress: Told about the bytes of a download.
        sentences: Training sentences to keep, from the start; all 9,662 when None.
        length: Words of a sentence to keep, from its start; all when None.
        min_count: Words seen less often in the sentences kept are left out.

    Raises:
        DataError: A file is missing or is not the published one; see `data.locate`.
    """
    paths = locate(REVIEWS, settings, progress=progress)
    positive, negative = (_read(paths[f"rt-polarity/rt-polarity.{part}"]) for part in ("pos", "neg"))
    texts, labels = [*positive, *negative], np.repeat([1, 0], [len(positive), len(negative)])
    # The legacy generator, for NumPy promises that its stream never changes.
    order = np.random.RandomState(_SPLIT_SEED).permutation(len(texts))
    train, valid = order[:-VALIDATION][:sentences], order[-VALIDATION:]
    kept = [tokenize(texts[row])[:length] for row in (*train, *valid)]
    words, vocabulary = _indices(kept, min_count)
    cut = len(train)
    return Corpus(
        Reviews(words[:cut], labels[train]), Reviews(words[cut:], labels[valid]), vocabulary=vocabulary
    )


def tokenize(text: str) -> list[str]:
    """The words of a sentence, after the rules at the top of this module."""
    text = _OTHER.sub(" ", text)
    text = _CLITIC.sub(r" \1", text)
    return _MARK.sub(r" \1 ", text).lower().split()


def _read(path: Path) -> list[str]:
    # Not splitlines: in Latin-1 the bytes 0x85 and 0x1c to 0x1e would end lines too.
    return path.read_bytes().decode("latin-1").rstrip("\n").split("\n")


def _indices(sentences: Sequence[Sequence[str]], min_count: int) -> tuple[NDArray[np.int64], int]:
    """Indices by falling frequency, ties by alphabet; (sentences, longest), and their number."""
    counts = Counter(word for sentence in sentences for word in sentence)
    ranked = sorted((-count, word) for word, count in counts.items() if count >= min_count)
    index = {word: rank for rank, (_, word) in enumerate(ranked, start=PADDING + 1)}
    rows = [[index[word] for word in sentence if word in index] for sentence in sentences]
    table = np.full((len(rows), max(map(len, rows))), PADDING, dtype=np.int64)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return table, len(index) + 1
