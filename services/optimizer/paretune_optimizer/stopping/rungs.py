"""Where trainings were at each rung and where they ended, as arrays that grow in place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Rungs:
    """Metric vectors of the trainings of one experiment; one row for each, at the place of its suggestion.

    The order of the rows is that of the suggestions, whatever the order in which things are told.

    Args:
        width: metrics (M).
    """

    def __init__(self, width: int) -> None:
        """Nobody has reached anything."""
        self._final = np.full((64, width), np.nan)
        self._ended = np.zeros(64, dtype=np.bool_)
        self._hidden = np.zeros(64, dtype=np.bool_)
        self._then: list[Array] = []
        self._seen: list[NDArray[np.bool_]] = []

    def reach(self, place: int, rung: int, vector: Array) -> bool:
        """Note with which vector (M) a training reached a rung; False: it was seen there before."""
        self._fit(place, rung)
        if self._seen[rung][place]:
            return False
        self._seen[rung][place], self._then[rung][place] = True, vector
        return True

    def end(self, place: int, vector: Array | None, *, hidden: bool = False) -> None:
        """Note with which vector (M) a training finished.

        Args:
            place: its row.
            vector: its last vector; None: it did not finish.
            hidden: it says nothing about others, wherever it was.
        """
        self._fit(place, -1)
        self._hidden[place] = hidden
        self._ended[place] = vector is not None
        self._final[place] = np.nan if vector is None else vector

    def forget(self, place: int) -> None:
        """Forget a training: it begins anew, or nobody trains it."""
        self.end(place, None)
        for seen in self._seen:
            seen[place] = False

    def last(self, place: int) -> int:
        """The last rung that a training, told of by `forget` at its beginning, has reached; -1: none."""
        reached = [rung for rung, seen in enumerate(self._seen) if seen[place]]
        return max(reached, default=-1)

    def at(self, place: int, rung: int) -> Array:
        """The vector (M) with which a training reached a rung that it has reached."""
        return self._then[rung][place]

    def others(self, place: int, rung: int) -> Array:
        """Vectors with which all others reached a rung (n x M)."""
        return self._then[rung][self._beside(place, rung)]

    def finished(self, place: int, rung: int) -> tuple[Array, Array]:
        """Of others that finished: vectors at a rung (k x M), and their last ones (k x M)."""
        rows = self._beside(place, rung) & self._ended
        return self._then[rung][rows], self._final[rows]

    def _beside(self, place: int, rung: int) -> NDArray[np.bool_]:
        rows: NDArray[np.bool_] = self._seen[rung] & ~self._hidden
        rows[place] = False
        return rows

    def _fit(self, place: int, rung: int) -> None:
        """Make room; doubling keeps the cost per row constant."""
        width = self._final.shape[1]
        while place >= self._ended.size:
            more = self._ended.size
            self._ended, self._hidden, *self._seen = (
                np.append(one, np.zeros(more, dtype=np.bool_))
                for one in (self._ended, self._hidden, *self._seen)
            )
            nothing = np.full((more, width), np.nan)
            self._final = np.vstack([self._final, nothing])
            self._then = [np.vstack([then, nothing]) for then in self._then]
        while rung >= len(self._then):
            self._then.append(np.full(self._final.shape, np.nan))
            self._seen.append(np.zeros(self._ended.size, dtype=np.bool_))
