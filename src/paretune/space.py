"""The search space: which parameters are active, and which configurations are valid.

`SearchSpace.validate` is the one place that decides whether a configuration is valid.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from paretune.errors import InvalidArgument, Violation
from paretune.limits import MAX_LINEAR_CONSTRAINTS, MAX_PARAMETERS
from paretune.parameters import (
    Assignments,
    Categorical,
    Double,
    Int,
    Parameter,
    Scalar,
    check_kind,
    is_number,
    unknown_name,
)


@dataclass(frozen=True)
class LinearConstraint:
    """sum(weight * value) <= upper_bound over unconditional numeric parameters."""

    weights: Mapping[str, float] = field(hash=False)
    upper_bound: float

    def __post_init__(self) -> None:
        if not self.weights:
            raise InvalidArgument.of("terms", "needs at least one term")
        for index, (name, weight) in enumerate(self.weights.items()):
            if not is_number(weight) or weight == 0:
                raise InvalidArgument.of(f"terms[{index}].weight", f"of {name!r} must be finite and not 0")
        if not is_number(self.upper_bound):
            raise InvalidArgument.of("upper_bound", "must be a finite number")

    def describe(self) -> str:
        """For people: ``a + 2 b - c <= 1``."""
        signs = {weight: "-" if weight < 0 else "+" for weight in self.weights.values()}
        words = [
            f"{signs[weight]} {'' if abs(weight) == 1 else f'{abs(weight):g} '}{name}"
            for name, weight in self.weights.items()
        ]
        return f"{' '.join(words)} <= {self.upper_bound:g}".removeprefix("+ ")

    def satisfied_by(self, assignments: Mapping[str, Scalar]) -> bool:
        """Whether the weighted sum is within the bound, up to rounding errors."""
        terms = [weight * float(assignments[name]) for name, weight in self.weights.items()]
        return math.fsum(terms) <= self.upper_bound + 1e-9 * max(1.0, *(abs(term) for term in terms))


@dataclass(frozen=True)
class SearchSpace:
    """All parameters and the constraints between them.

    Raises:
        InvalidArgument: no parameters or too many, a name twice, a condition on a parameter that is not
            declared earlier or with values that the parent cannot take, a constraint over unknown,
            conditional or categorical parameters.
    """

    parameters: tuple[Parameter, ...]
    linear_constraints: tuple[LinearConstraint, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.parameters) <= MAX_PARAMETERS:
            raise InvalidArgument.of(
                "parameters", f"has {len(self.parameters)}; from 1 to {MAX_PARAMETERS} are allowed"
            )
        if len(self.linear_constraints) > MAX_LINEAR_CONSTRAINTS:
            raise InvalidArgument.of(
                "linear_constraints",
                f"has {len(self.linear_constraints)}; at most {MAX_LINEAR_CONSTRAINTS} are allowed",
            )
        earlier: dict[str, Parameter] = {}
        for index, parameter in enumerate(self.parameters):
            path = f"parameters[{index}]"
            check_kind(parameter, Parameter, path, "a Double, an Int or a Categorical")
            if parameter.name in earlier:
                raise InvalidArgument.of(f"{path}.name", f"{parameter.name!r} is used twice")
            _check_condition(parameter, earlier, f"{path}.condition")
            earlier[parameter.name] = parameter
        for index, constraint in enumerate(self.linear_constraints):
            for name in constraint.weights:
                path = f"linear_constraints[{index}].terms"
                known = earlier.get(name)
                if known is None:
                    raise InvalidArgument.of(path, unknown_name("parameter", name, earlier))
                if isinstance(known, Categorical) or known.condition is not None:
                    raise InvalidArgument.of(path, f"{name!r} must be numeric and unconditional")

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def __getitem__(self, name: str) -> Parameter:
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(name)

    def active(self, assignments: Mapping[str, Scalar]) -> list[Parameter]:
        """Parameters that are active given the values of their parents, in order of declaration."""
        found: dict[str, Parameter] = {}
        for parameter in self.parameters:
            when = parameter.condition
            if when is None or (when.parent in found and assignments.get(when.parent) in when.values):
                found[parameter.name] = parameter
        return list(found.values())

    def validate(self, assignments: Mapping[str, object], path: str = "assignments") -> Assignments:
        """The configuration with every value in its exact type, in order of declaration.

        Raises:
            InvalidArgument: one violation for each unknown, missing, inactive or out-of-range value and
                for each broken linear constraint.
        """
        names = [parameter.name for parameter in self.parameters]
        wrong = [
            Violation(f"{path}[{name!r}]", unknown_name("parameter", name, names))
            for name in assignments
            if name not in names
        ]
        active = self.active(assignments)  # type: ignore[arg-type]
        active_names = {parameter.name for parameter in active}
        valid: Assignments = {}
        for parameter in active:
            where = f"{path}[{parameter.name!r}]"
            if parameter.name not in assignments:
                wrong.append(Violation(where, f"is missing; it must be {parameter.describe()}"))
                continue
            value = assignments[parameter.name]
            if isinstance(parameter, Int) and isinstance(value, float) and value.is_integer():
                value = int(value)
            if not parameter.contains(value):
                wrong.append(Violation(where, f"{value!r} is not {parameter.describe()}"))
                continue
            valid[parameter.name] = float(value) if isinstance(parameter, Double) else value  # type: ignore
        wrong += [
            Violation(f"{path}[{parameter.name!r}]", f"is not active: {_when(parameter)}")
            for parameter in self.parameters
            if parameter.name in assignments and parameter.name not in active_names
        ]
        if not wrong:
            wrong = [
                Violation(path, f"breaks linear_constraints[{index}]: {constraint.describe()}")
                for index, constraint in enumerate(self.linear_constraints)
                if not constraint.satisfied_by(valid)
            ]
        if wrong:
            raise InvalidArgument(violations=wrong)
        return valid


def _when(parameter: Parameter) -> str:
    when = parameter.condition
    return f"needs {when.parent} in {list(when.values)}" if when else "always active"


def _check_condition(parameter: Parameter, earlier: Mapping[str, Parameter], path: str) -> None:
    when = parameter.condition
    if when is None:
        return
    parent = earlier.get(when.parent)
    if parent is None:
        raise InvalidArgument.of(f"{path}.parent", f"{when.parent!r} is not a parameter declared earlier")
    if isinstance(parent, Double):
        raise InvalidArgument.of(f"{path}.parent", f"{when.parent!r} must be categorical or int")
    for index, value in enumerate(when.values):
        if not parent.contains(value):
            raise InvalidArgument.of(f"{path}.values[{index}]", f"{value!r} is not {parent.describe()}")
