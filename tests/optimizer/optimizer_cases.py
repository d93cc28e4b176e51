"""Experiments and histories for tests."""

from collections.abc import Callable, Sequence

from paretune.experiment import Experiment, Metric, Minimize, Policy
from paretune.observation import MetricValue, Observation, Outcome, OutcomeKind, Proposal
from paretune.parameters import Assignments, Categorical, Double, Int
from paretune.space import LinearConstraint, SearchSpace
from paretune_optimizer.history import History
from paretune_optimizer.policy import suggest

TWO = (Minimize("f"), Minimize("g"))
CUBE = tuple(Double(f"x{i}", 0.0, 1.0) for i in range(3))
MIXED = (
    Double("lr", 1e-5, 1.0, log=True),
    Int("width", 8, 512),
    Int("depth", 1, 5),
    Categorical("kind", ["a", "b", "c"]),
)
TREE = (
    Categorical("kind", ["tree", "net"]),
    Int("depth", 1, 20, when={"kind": ["tree"]}),
    Double("lr", 1e-4, 1.0, log=True, when={"kind": ["net"]}),
    Double("drop", 0.0, 1.0, when={"kind": ["net"]}),
    Double("x", 0.0, 1.0),
)
CATEGORIES = tuple(Categorical(f"c{i}", [f"v{k}" for k in range(9)]) for i in range(5))
GRIDS = (Double("g", grid=[0.1, 0.2, 0.9]), Int("h", grid=[1, 2, 4, 8, 16, 32]), Int("wide", 0, 10**6))
POLYTOPE = SearchSpace(CUBE, (LinearConstraint({"x0": 1.0, "x1": 1.0}, 0.3),))

Evaluate = Callable[[Assignments], Sequence[float] | None]


def experiment(parameters=CUBE, metrics: tuple[Metric, ...] = TWO, **settings) -> Experiment:
    space = parameters if isinstance(parameters, SearchSpace) else SearchSpace(tuple(parameters))
    return Experiment("case", space, metrics, **settings)


def result(history: History, assignments: Assignments, values, n: int, stddev=None) -> Observation:
    if values is None:
        return Observation(assignments, (), Outcome(OutcomeKind.INFEASIBLE, "no"), id=f"o{n}", ordinal=n)
    names = history.roles.names
    measured = tuple(MetricValue(name, v, stddev) for name, v in zip(names, values, strict=True))
    return Observation(assignments, measured, id=f"o{n}", ordinal=n)


def search(experiment: Experiment, evaluate: Evaluate, count: int) -> tuple[History, list[Proposal]]:
    """Suggest and observe, one after the other; every suggestion must be valid."""
    history = History(experiment)
    proposals = []
    for n in range(1, count + 1):
        (proposal,) = suggest(history, ordinal=n)
        experiment.space.validate(proposal.assignments)
        proposals.append(proposal)
        history.add_observation(result(history, proposal.assignments, evaluate(proposal.assignments), n))
    return history, proposals


def scattered(experiment: Experiment, evaluate: Evaluate, count: int) -> History:
    """A history of quasi-random points."""
    history = History(experiment)
    sobol = History(Experiment("s", experiment.space, experiment.metrics, seed=99, policy=Policy.SOBOL))
    for n in range(1, count + 1):
        assignments = suggest(sobol, ordinal=n)[0].assignments
        history.add_observation(result(history, assignments, evaluate(assignments), n))
    return history
