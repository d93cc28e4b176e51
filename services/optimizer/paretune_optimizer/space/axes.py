"""One parameter as one coordinate: the four shapes of axis and their arithmetic.

A *coordinate* is how the optimizer stores a value. Continuous axes keep a number in [0, 1] (linear or
logarithmic); ordered axes (ints and grids) keep the exact position of a level in [0, 1]; categorical axes
keep the index of the choice. Two equal values always have bit-equal coordinates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from paretune.parameters import Categorical, Double, Int, Parameter, Scalar

Array = NDArray[np.float64]

SMALL = 8
"""Ordered axes with at most this many levels are never relaxed to continuous ones."""


class Shape(Enum):
    """How an axis behaves in search."""

    CONTINUOUS = "continuous"
    ORDERED = "ordered"
    CATEGORICAL = "categorical"


@dataclass(frozen=True, eq=False)
class Axis:
    """One parameter of the space; equal to itself alone, so that tables can be kept for it.

    Attributes:
        parameter: what the user declared.
        shape: continuous, ordered or categorical.
        levels: number of distinct values, 0 when continuous.
    """

    parameter: Parameter
    shape: Shape
    levels: int

    @classmethod
    def of(cls, parameter: Parameter) -> Axis:
        """Return the axis of a parameter."""
        if isinstance(parameter, Categorical):
            return cls(parameter, Shape.CATEGORICAL, len(parameter.choices))
        if parameter.grid:
            return cls(parameter, Shape.ORDERED, len(parameter.grid))
        if isinstance(parameter, Int):
            return cls(parameter, Shape.ORDERED, parameter.max - parameter.min + 1)
        return cls(parameter, Shape.CONTINUOUS, 0)

    @cached_property
    def relaxed(self) -> bool:
        """Whether a gradient may move along this axis: doubles and wide ints."""
        return self.shape is Shape.CONTINUOUS or (self.shape is Shape.ORDERED and self.levels > SMALL)

    @property
    def middle(self) -> float:
        """Coordinate that stands in while the parameter is inactive."""
        if self.shape is Shape.CATEGORICAL:
            return 0.0
        return float(self.snap(np.array([0.5]))[0])

    def from_unit(self, u: Array) -> Array:
        """Map uniform numbers in [0, 1) to coordinates.

        Ordered and categorical axes get one equal cell per level (on a log axis: cells of equal ratio), so
        that the end levels are not short-changed as rounding u (L - 1) would do.
        """
        if self.shape is Shape.CONTINUOUS:
            return u
        if self.shape is Shape.ORDERED and self._logarithmic:
            low, high = self._range
            value = np.floor(low * np.exp(u * math.log((high + 1.0) / low)))
            return self._of_value(_clipped(value, low, high))
        return self.at_level(np.minimum(np.floor(u * self.levels), self.levels - 1.0))

    def level(self, z: Array) -> Array:
        """Return the nearest level (0 .. levels - 1, as floats) of coordinates; for discrete axes."""
        top = self.levels - 1.0
        if self.shape is Shape.CATEGORICAL:
            return _clipped(np.rint(z), 0.0, top)
        if self._logarithmic:
            low, high = self._range
            value = np.rint(low * np.exp(_clipped(z, 0.0, 1.0) * math.log(high / low)))
            return _clipped(value, low, high) - low
        return np.rint(_clipped(z, 0.0, 1.0) * top)

    def at_level(self, level: Array) -> Array:
        """Return the exact coordinates of levels, clipped to the ends; for discrete axes."""
        # Adding zero turns a negative zero, as rounding makes it, into the plain one.
        level = _clipped(level, 0.0, self.levels - 1.0) + 0.0
        if self.shape is Shape.CATEGORICAL:
            return level
        if self._logarithmic:
            return self._of_value(level + self._range[0])
        return level / (self.levels - 1.0)

    def snap(self, z: Array) -> Array:
        """Return the coordinates of the nearest values the parameter can take."""
        if self.shape is Shape.CONTINUOUS:
            return _clipped(z, 0.0, 1.0) + 0.0
        return self.at_level(self.level(z))

    def native(self, z: Array) -> Array:
        """Return snapped coordinates as numbers in the user's units; for numeric axes."""
        parameter = self.parameter
        if not isinstance(parameter, Categorical) and parameter.grid:
            return np.asarray(parameter.grid, dtype=np.float64)[self.level(z).astype(np.intp)]
        low, high = self._range
        if self.shape is Shape.ORDERED:
            return self.level(z) + low
        if self._logarithmic:
            return _clipped(np.exp(math.log(low) + z * (math.log(high) - math.log(low))), low, high)
        return _clipped(low + z * (high - low), low, high)

    def nearest(self, x: Array) -> Array:
        """Return the snapped coordinates nearest to numbers in the user's units; for numeric axes."""
        parameter = self.parameter
        if not isinstance(parameter, Categorical) and parameter.grid:
            grid = np.asarray(parameter.grid, dtype=np.float64)
            return self.at_level(np.argmin(np.abs(x[:, None] - grid), axis=1).astype(np.float64))
        x = _clipped(x, *self._range)
        return self._of_value(np.rint(x) if self.shape is Shape.ORDERED else x)

    def value(self, z: float) -> Scalar:
        """Return the value at a snapped coordinate, in the parameter's own type."""
        parameter = self.parameter
        at = np.array([z])
        if isinstance(parameter, Categorical):
            return parameter.choices[int(self.level(at)[0])]
        if parameter.grid:
            return parameter.grid[int(self.level(at)[0])]
        if isinstance(parameter, Int):
            return parameter.min + int(self.level(at)[0])
        return float(self.native(at)[0])

    def coordinate(self, value: Scalar) -> float:
        """Return the coordinate of a valid value."""
        parameter = self.parameter
        if isinstance(parameter, Categorical):
            return float(parameter.choices.index(str(value)))
        if parameter.grid:
            return float(self.at_level(np.array([float(parameter.grid.index(value))]))[0])
        if self._logarithmic:
            return float(self._of_value(np.array([float(value)]))[0])
        # The same operations as in `_of_value`, without an array for one number: histories are long.
        low, high = self._range
        return min(max((float(value) - low) / (high - low), 0.0), 1.0) + 0.0

    @cached_property
    def _range(self) -> tuple[float, float]:
        parameter = self.parameter
        assert isinstance(parameter, Double | Int)  # noqa: S101 - narrows the union; callers are numeric
        return float(parameter.min), float(parameter.max)

    @cached_property
    def _logarithmic(self) -> bool:
        parameter = self.parameter
        return isinstance(parameter, Double | Int) and parameter.log and not parameter.grid

    def _of_value(self, value: Array) -> Array:
        low, high = self._range
        if self._logarithmic:
            if math.isinf(high / low):
                span = math.log(high) - math.log(low)
                return _clipped((np.log(value) - math.log(low)) / span, 0.0, 1.0) + 0.0
            return _clipped(np.log(value / low) / math.log(high / low), 0.0, 1.0) + 0.0
        return _clipped((value - low) / (high - low), 0.0, 1.0) + 0.0


def _clipped(x: Array, low: float, high: float) -> Array:
    """Return what `numpy.clip` returns, at a third of its price for the short arrays of a search."""
    return np.minimum(np.maximum(x, low), high)
