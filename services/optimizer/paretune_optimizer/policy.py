"""READ THIS FIRST: how a suggestion is made.

`suggest` picks the policy of the experiment, calls it once per configuration asked for, and wraps what comes
back with its provenance. AUTO is a quasi-random design followed by the Gaussian process engine
(`policies.gp`); TPE and NSGA2 follow a design too. Under every policy the user's defaults come first: a
default is a belief, and usually among the best of the first points. Whatever goes wrong, the answer is a
quasi-random point and the reason.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from paretune.errors import FailedPrecondition
from paretune.experiment import Policy
from paretune.observation import MetricPrediction, OutcomeKind, Proposal, Provenance
from paretune_optimizer.history import History
from paretune_optimizer.insight.predict import predict
from paretune_optimizer.policies import gp, grid, nsga2, quasi_random, random, tpe
from paretune_optimizer.search.maximize import Deadline, fresh
from paretune_optimizer.space.encoding import ENUMERATION_LIMIT
from paretune_optimizer.threads import single_threaded

Array = NDArray[np.float64]

EXHAUSTED = "SPACE_EXHAUSTED"
NOTHING_LEFT = "the model found no untried configuration"


@single_threaded
def suggest(
    history: History,
    count: int = 1,
    ordinal: int | None = None,
    budget: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
) -> list[Proposal]:
    """Propose configurations to train next.

    Args:
        history: all that is known of the experiment; not changed, but for remembered models.
        count: how many; the later ones take the earlier ones for pending.
        ordinal: ordinal of the first suggestion, which addresses its random numbers; None takes the
            history's next.
        budget: seconds that may be spent; when it is short, refinement is cut or a quasi-random point given.
        clock: monotonic seconds.

    Returns:
        One to `count` proposals, fewer only when a finite space has fewer unseen configurations left. All
        are valid, in bounds and, wherever the space allows it, distinct from each other and from everything
        observed or pending; in an experiment with `remeasure` some may be chosen to be measured again.

    Raises:
        FailedPrecondition: reason SPACE_EXHAUSTED, if every configuration of a finite space was seen or is
            in training (and none is worth measuring again), or no point meets the linear constraints.
            Nothing else is raised on odd data.
    """
    start = clock()
    first = history.next_ordinal if ordinal is None else ordinal
    everything = history.encoding.enumerate(ENUMERATION_LIMIT)
    pending = history.pending
    proposals: list[Proposal] = []
    for k in range(count):
        taken = np.vstack([history.Z, pending])
        tried = everything is not None and not np.any(fresh(history.encoding, everything, taken))
        if tried and not _repeats(history):
            break
        # Every proposal of a batch gets its share of what is left.
        now = clock()
        deadline = Deadline(clock, now + (start + budget - now) / (count - k))
        made = _one(history, first + k, pending, taken, everything, deadline)
        if made is None:
            break
        z, policy, reason = made
        proposals.append(Proposal(history.assignments(z), _provenance(history, z, policy, reason, clock)))
        pending = np.vstack([pending, z[None, :]])
    if not proposals:
        raise FailedPrecondition(
            "Every configuration of this search space has been tried or is in training.", reason=EXHAUSTED
        )
    return proposals


def design_size(history: History) -> int:
    """Return how many observations the quasi-random design has.

    max(6, min(2 p + 2, a fifth of the budget)), never more than half of the budget, and a quarter more while
    half of what came back had failed.
    """
    p, budget = history.encoding.dimension, history.experiment.observation_budget
    size = max(6, min(2 * p + 2, budget // 5 if budget else 20))
    if budget:
        size = max(1, min(size, budget // 2))
    failed = int(np.sum(history.outcome != OutcomeKind.OK.value))
    return size + size // 4 if 2 * failed >= size else size


def _one(
    history: History, ordinal: int, pending: Array, taken: Array, everything: Array | None, deadline: Deadline
) -> tuple[Array, Policy, str] | None:
    """Return coordinates, the policy that made them and why a simpler one did; None if there is no point."""
    wanted = history.experiment.policy
    reason = ""
    default = _untried_default(history, taken)
    if default is not None:
        return default, wanted if wanted in (Policy.RANDOM, Policy.GRID) else Policy.SOBOL, ""
    if wanted is Policy.RANDOM:
        return _result(random.propose(history, ordinal, taken), wanted, "", history, taken, everything)
    if wanted is Policy.GRID:
        return _result(grid.propose(history, ordinal, taken), wanted, "", history, taken, everything)
    if wanted is not Policy.SOBOL and (wanted is Policy.GP or not _in_design(history, pending)):
        if wanted in (Policy.TPE, Policy.NSGA2):
            z, reason = _ranked_point(wanted, history, ordinal, pending, taken)
        else:
            z, reason = _model_point(history, ordinal, pending, taken, deadline)
            wanted = Policy.GP
            if z is not None:
                return z, wanted, ""
        if z is not None:
            return _result(z, wanted, "", history, taken, everything)
    z = quasi_random.propose(history, ordinal, taken)
    return _result(z, Policy.SOBOL, reason, history, taken, everything)


def _untried_default(history: History, taken: Array) -> Array | None:
    """Return the coordinates (p) of the user's defaults, while they wait to be tried."""
    z = history.encoding.default
    if z is None or not history.default_waits:
        return None
    return z if fresh(history.encoding, z[None, :], taken)[0] else None


def _repeats(history: History) -> bool:
    """Tell whether the design, and then the model, may go on when everything was tried."""
    return history.experiment.remeasure and history.experiment.policy in (Policy.AUTO, Policy.GP)


def uses_model(history: History) -> bool:
    """Tell whether the next suggestion would come from the model."""
    return without_model(history) == 0


def without_model(history: History) -> int:
    """Return how many suggestions can be made before one comes from the model."""
    policy = history.experiment.policy
    if policy in (Policy.RANDOM, Policy.GRID, Policy.SOBOL) or len(history) == 0:
        return sys.maxsize
    return 0 if policy is Policy.GP else max(0, _design_left(history, history.pending))


def _in_design(history: History, pending: Array) -> bool:
    """Tell whether the design still has points to hand out."""
    return _design_left(history, pending) > 0 or len(history) < 1


def _design_left(history: History, pending: Array) -> int:
    """Return how many points of the design are to be handed out; pending ones count as handed out.

    Workers that ask before as many results are in as the design has points get more of it, up to half of the
    budget: a model of fewer sends them to the corners of the space, docs/decisions/0042.
    """
    nsga2_wanted = history.experiment.policy is Policy.NSGA2
    size = nsga2.population_size(history) if nsga2_wanted else design_size(history)
    budget = history.experiment.observation_budget
    if len(history) < size:
        size = max(size, budget // 2 if budget else sys.maxsize)
    return int(size - len(history) - pending.shape[0])


def _ranked_point(
    wanted: Policy, history: History, ordinal: int, pending: Array, taken: Array
) -> tuple[Array | None, str]:
    """Return a point of TPE or NSGA-II, which need no time worth counting, or None and why."""
    try:
        if wanted is Policy.TPE:
            z = tpe.propose(history, ordinal, pending, taken)
        else:
            z = nsga2.propose(history, ordinal, taken)
    except Exception as error:  # the promise is a suggestion, whatever the data
        return None, f"{wanted.name} failed: {type(error).__name__}: {error}"
    if z is None or not np.all(np.isfinite(z)):
        return None, f"{wanted.name} found no untried configuration, or too few observations to build on"
    return z, ""


def _model_point(
    history: History, ordinal: int, pending: Array, taken: Array, deadline: Deadline
) -> tuple[Array | None, str]:
    if len(history) == 0:
        return None, "no observation yet"
    if deadline.over:
        return None, "no time left for the model"
    known = len(history.learned)
    try:
        z = gp.propose(history, ordinal, pending, taken, deadline)
    except Exception as error:  # the promise is a suggestion, whatever the data
        return None, f"the model failed: {type(error).__name__}: {error}"
    if len(history.learned) != known or history.fitted_at is None:
        history.fitted_at = deadline.clock()
    if z is None:
        return None, NOTHING_LEFT
    if not np.all(np.isfinite(z)):
        return None, "the model proposed a value that is not finite"
    return z, ""


def _result(
    z: Array | None, policy: Policy, reason: str, history: History, taken: Array, everything: Array | None
) -> tuple[Array, Policy, str] | None:
    """Replace a point that is taken by an untried one of a finite space, if there is one.

    If there is none, a design that may measure again goes on; where the model saw no use in that, it ends.
    """
    if everything is not None and (z is None or not fresh(history.encoding, z[None, :], taken)[0]):
        untried = everything[fresh(history.encoding, everything, taken)]
        if untried.shape[0]:
            z = untried[0]
        elif not _repeats(history) or reason == NOTHING_LEFT:
            z = None
    return None if z is None else (z, policy, reason)


def _provenance(
    history: History, z: Array, policy: Policy, reason: str, clock: Callable[[], float]
) -> Provenance:
    predictions: tuple[MetricPrediction, ...] = ()
    feasibility, age = None, 0.0
    if policy is Policy.GP:
        told = predict(history, z[None, :])[0]
        predictions, feasibility = told.metrics, told.feasibility
        age = max(0.0, clock() - history.fitted_at) if history.fitted_at is not None else 0.0
    return Provenance(
        policy=policy,
        observation_count=len(history),
        seed=history.experiment.seed,
        model_age=age,
        predictions=predictions,
        feasibility=feasibility,
        fallback_reason=reason,
        repeats=int(np.sum(np.all(z == history.Z, axis=1))),
    )
