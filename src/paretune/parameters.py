"""Parameters: the knobs of a search. Each validates itself and raises `InvalidArgument` with field paths."""

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import UnionType
from typing import Any, ClassVar

from paretune.errors import InvalidArgument
from paretune.limits import INT_LIMIT, MAX_CHOICES, MAX_GRID, MAX_NAME_BYTES

Scalar = float | int | str
"""A value of a parameter: float for Double, int for Int, str for Categorical."""

Assignments = dict[str, Scalar]
"""A configuration: the value of every active parameter, by name."""


def check_name(name: object, path: str = "name") -> None:
    """Refuse names that are empty, over 256 bytes, or hold control or unpaired surrogate characters."""
    if not isinstance(name, str) or not name:
        raise InvalidArgument.of(path, "must be a non-empty string")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise InvalidArgument.of(path, "must be valid Unicode") from None
    if size > MAX_NAME_BYTES:
        raise InvalidArgument.of(path, f"has {size} bytes; at most {MAX_NAME_BYTES} are allowed")
    if not name.isprintable() or name != name.strip():
        raise InvalidArgument.of(path, f"{name!r} has control characters or space around it")


def check_kind(value: object, kinds: type | UnionType, path: str, wanted: str) -> None:
    """Refuse a value that is none of the kinds; `wanted` says what to give instead."""
    if not isinstance(value, kinds):
        raise InvalidArgument.of(path, f"is {value!r}; give {wanted}")


def check_whole(value: object, least: int, most: int, path: str, wanted: str) -> None:
    """Refuse what is not a whole number from `least` to `most`; `wanted` says so."""
    if not hasattr(value, "__index__") or not least <= value.__index__() <= most:
        raise InvalidArgument.of(path, f"must be {wanted}")


def is_number(value: object) -> bool:
    """Whether `value` is a finite int or float (bool is not)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True)
class Condition:
    """The parameter is active only when its parent is active and has one of `values`."""

    parent: str
    values: tuple[Scalar, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise InvalidArgument.of("condition.values", "needs at least one value of the parent")
        if len(self.values) > MAX_GRID:
            raise InvalidArgument.of("condition.values", f"has more than {MAX_GRID} values")


@dataclass(frozen=True)
class Normal:
    """Belief that good values lie around `mean` (in log units for log-scaled parameters)."""

    mean: float
    stddev: float

    def __post_init__(self) -> None:
        if not is_number(self.mean):
            raise InvalidArgument.of("prior.normal.mean", "must be a finite number")
        if not is_number(self.stddev) or self.stddev <= 0:
            raise InvalidArgument.of("prior.normal.stddev", "must be a finite number above 0")


@dataclass(frozen=True)
class Beta:
    """Belief as a Beta density over the range of the parameter."""

    alpha: float
    beta: float

    def __post_init__(self) -> None:
        for name, value in (("alpha", self.alpha), ("beta", self.beta)):
            if not is_number(value) or value <= 0:
                raise InvalidArgument.of(f"prior.beta.{name}", "must be a finite number above 0")


@dataclass(frozen=True)
class Weights:
    """Belief about the choices of a categorical parameter: one weight per choice."""

    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if not all(is_number(w) and w >= 0 for w in self.weights) or sum(self.weights) <= 0:
            raise InvalidArgument.of("prior.categorical.weights", "must be not negative and not all 0")


Prior = Normal | Beta | Weights


When = Condition | Mapping[str, Sequence[Scalar]]
"""A condition, or the short form ``{"booster": ["dart"]}``."""

_FROM_GRID: Any = None


@dataclass(frozen=True)
class _Conditional:
    """What all kinds of parameters share: a name, and when they are active."""

    name: str

    @property
    def condition(self) -> Condition | None:
        """When the parameter is active; None: always."""
        return self.when  # type: ignore[attr-defined, no-any-return]

    def _settle(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _settle_condition(self, when: When | None) -> None:
        check_name(self.name)
        if when is None or isinstance(when, Condition):
            return
        if len(when) != 1:
            raise InvalidArgument.of("condition", "names exactly one parent, as in {'booster': ['dart']}")
        ((parent, values),) = when.items()
        many = isinstance(values, Sequence) and not isinstance(values, str)
        self._settle(when=Condition(parent, tuple(values) if many else (values,)))  # type: ignore[arg-type]

    def _check_default(self, default: object) -> None:
        if default is not None and not self.contains(default):
            raise InvalidArgument.of("default_value", f"{default!r} is not {self.describe()}")

    def contains(self, value: object) -> bool:
        """Whether `value` is allowed."""
        raise NotImplementedError

    def describe(self) -> str:
        """The allowed values in words."""
        raise NotImplementedError


@dataclass(frozen=True)
class Double(_Conditional):
    """A real number in [min, max], optionally log-scaled or restricted to a grid of values.

    Raises:
        InvalidArgument: min is not below max, a bound is not finite, log with min <= 0, or the grid is
            not ascending from min to max.
    """

    min: float = _FROM_GRID
    max: float = _FROM_GRID
    log: bool = field(default=False, kw_only=True)
    grid: Sequence[float] = field(default=(), kw_only=True)
    default: float | None = field(default=None, kw_only=True)
    prior: Prior | None = field(default=None, kw_only=True)
    when: When | None = field(default=None, kw_only=True)

    kind: ClassVar[type] = float

    def __post_init__(self) -> None:
        self._settle_condition(self.when)
        _settle_range(self)
        self._settle(min=float(self.min), max=float(self.max), grid=tuple(float(v) for v in self.grid))
        self._check_default(self.default)

    def contains(self, value: object) -> bool:
        """Whether `value` is a finite number in range (on the grid, if there is one)."""
        if not is_number(value):
            return False
        return value in self.grid if self.grid else self.min <= value <= self.max  # type: ignore[operator]

    def describe(self) -> str:
        """The allowed values in words."""
        return f"one of {list(self.grid)}" if self.grid else f"a number from {self.min:g} to {self.max:g}"


@dataclass(frozen=True)
class Int(_Conditional):
    """A whole number in [min, max], optionally log-scaled or restricted to a grid of values.

    Raises:
        InvalidArgument: as `Double`, or a bound is not a whole number of magnitude up to 2**53.
    """

    min: int = _FROM_GRID
    max: int = _FROM_GRID
    log: bool = field(default=False, kw_only=True)
    grid: Sequence[int] = field(default=(), kw_only=True)
    default: int | None = field(default=None, kw_only=True)
    prior: Prior | None = field(default=None, kw_only=True)
    when: When | None = field(default=None, kw_only=True)

    kind: ClassVar[type] = int

    def __post_init__(self) -> None:
        self._settle_condition(self.when)
        _settle_range(self)
        self._settle(grid=tuple(self.grid))
        self._check_default(self.default)

    def contains(self, value: object) -> bool:
        """Whether `value` is a whole number in range (on the grid, if there is one)."""
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return value in self.grid if self.grid else self.min <= value <= self.max

    def describe(self) -> str:
        """The allowed values in words."""
        return f"one of {list(self.grid)}" if self.grid else f"a whole number from {self.min} to {self.max}"


@dataclass(frozen=True)
class Categorical(_Conditional):
    """One of several unordered choices.

    Raises:
        InvalidArgument: fewer than two choices, or an empty or repeated one.
    """

    choices: Sequence[str] = ()
    default: str | None = field(default=None, kw_only=True)
    prior: Prior | None = field(default=None, kw_only=True)
    when: When | None = field(default=None, kw_only=True)

    kind: ClassVar[type] = str

    def __post_init__(self) -> None:
        self._settle_condition(self.when)
        if isinstance(self.choices, str):
            raise InvalidArgument.of("choices", f"is the text {self.choices!r}; give a list of texts")
        self._settle(choices=tuple(self.choices))
        if not 2 <= len(self.choices) <= MAX_CHOICES:
            raise InvalidArgument.of("choices", f"needs 2 to {MAX_CHOICES} choices, has {len(self.choices)}")
        for index, choice in enumerate(self.choices):
            check_name(choice, f"choices[{index}]")
        if len(set(self.choices)) < len(self.choices):
            raise InvalidArgument.of("choices", "must be distinct")
        prior = self.prior
        if prior is not None and not (isinstance(prior, Weights) and len(prior.weights) == len(self.choices)):
            raise InvalidArgument.of("prior", f"must be Weights with {len(self.choices)} weights")
        self._check_default(self.default)

    def contains(self, value: object) -> bool:
        """Whether `value` is one of the choices."""
        return isinstance(value, str) and value in self.choices

    def describe(self) -> str:
        """The allowed values in words."""
        return f"one of {list(self.choices)}"


Parameter = Double | Int | Categorical


def _settle_range(parameter: Double | Int) -> None:
    grid = parameter.grid
    whole = parameter.kind is int
    if grid:
        if len(grid) > MAX_GRID:
            raise InvalidArgument.of("grid", f"has {len(grid)} values; at most {MAX_GRID} are allowed")
        if any(not is_number(v) or (whole and not isinstance(v, int)) for v in grid):
            raise InvalidArgument.of("grid", "must hold finite numbers of the parameter's kind")
        if len(grid) < 2 or any(a >= b for a, b in pairwise(grid)):
            raise InvalidArgument.of("grid", "must hold two or more ascending values")
        parameter._settle(
            min=grid[0] if parameter.min is _FROM_GRID else parameter.min,
            max=grid[-1] if parameter.max is _FROM_GRID else parameter.max,
        )
    for label, bound in (("min", parameter.min), ("max", parameter.max)):
        if not is_number(bound):
            raise InvalidArgument.of(label, "must be a finite number")
        if whole and (not isinstance(bound, int) or abs(bound) > INT_LIMIT):
            raise InvalidArgument.of(label, "must be a whole number of magnitude up to 2**53")
    if not parameter.min < parameter.max:
        raise InvalidArgument.of("min", f"{parameter.min!r} must be below max {parameter.max!r}")
    if not math.isfinite(float(parameter.max) - float(parameter.min)):
        raise InvalidArgument.of("max", "is too far from min: the range overflows a double")
    if parameter.log and parameter.min <= 0:
        raise InvalidArgument.of("min", "must be above 0 when log is set")
    if grid and (grid[0] != parameter.min or grid[-1] != parameter.max):
        raise InvalidArgument.of("grid", "must begin with min and end with max")
    if isinstance(parameter.prior, Weights):
        raise InvalidArgument.of("prior", "of a numeric parameter is Normal or Beta")


def unknown_name(kind: str, name: str, known: Collection[str]) -> str:
    """The sentence about an unknown name, with the closest known one."""
    close = difflib.get_close_matches(name, list(known), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(list(known)[:12])}"
    return f"there is no {kind} {name!r}{hint}"
