"""How long trainings train, and when they are stopped before their end."""

import re
from dataclasses import dataclass
from enum import Enum

from paretune.errors import InvalidArgument
from paretune.parameters import check_name, is_number

_FIDELITY = re.compile(r"(.+?)\s+(\d+)\s*\.\.\s*(\d+)")


@dataclass(frozen=True)
class Fidelity:
    """The length of a training in its own steps: more is better and dearer, so it is not searched.

    Attributes:
        name: of the setting under which trainings are told `max`, such as "epochs".
        min: fewest steps after which metrics mean something.
        max: steps of a whole training.
    """

    name: str
    min: int
    max: int

    def __post_init__(self) -> None:
        check_name(self.name)
        if not 1 <= self.min < self.max < 2**62:
            raise InvalidArgument.of(
                "min", f"and max are {self.min} and {self.max}: 1 <= min < max is needed"
            )

    @classmethod
    def parse(cls, text: str) -> "Fidelity":
        """Read `epochs 5..500`.

        Raises:
            InvalidArgument: it is not written so.
        """
        match = _FIDELITY.fullmatch(text.strip())
        if match is None:
            raise InvalidArgument(f"{text!r} is not written as NAME MIN..MAX, such as epochs 5..500")
        return cls(match[1], int(match[2]), int(match[3]))

    def __str__(self) -> str:
        return f"{self.name} {self.min}..{self.max}"


class EarlyStoppingRule(Enum):
    """A reason to end a training before its end; types.proto says what each means."""

    FEASIBILITY = 1
    DOMINATED = 2
    HALVING = 3


DEFAULT_RULES = (EarlyStoppingRule.FEASIBILITY, EarlyStoppingRule.DOMINATED)
"""HALVING is left out: it saves most, and costs part of the front where early steps say little."""


@dataclass(frozen=True)
class EarlyStopping:
    """When trainings are stopped before their end.

    Attributes:
        rules: one that says stop is enough.
        confidence: probability that FEASIBILITY and DOMINATED must have.
        reduction: HALVING keeps one in so many at each rung.
        min_step: no training is stopped before this step; 0: the fidelity's min, or else 1.
    """

    rules: tuple[EarlyStoppingRule, ...] = DEFAULT_RULES
    confidence: float = 0.9
    reduction: int = 3
    min_step: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", tuple(self.rules))
        if not self.rules or len(set(self.rules)) != len(self.rules):
            raise InvalidArgument.of("rules", "must name at least one rule, each once")
        if not is_number(self.confidence) or not 0.5 < self.confidence < 1:
            raise InvalidArgument.of("confidence", "must be above 0.5 and below 1")
        if not 2 <= self.reduction <= 10:
            raise InvalidArgument.of("reduction", "must be from 2 to 10")
        if not 0 <= self.min_step < 2**62:
            raise InvalidArgument.of("min_step", "must not be negative")


def first_step(fidelity: Fidelity | None, stopping: EarlyStopping) -> int:
    """The first step at which a training may be stopped."""
    return stopping.min_step or (fidelity.min if fidelity else 1)
