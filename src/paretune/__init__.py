"""paretune: the whole efficient frontier of competing metrics, with few trainings."""

from paretune import aio, errors
from paretune.client import Client
from paretune.client.connection import connect
from paretune.client.handle import ExperimentHandle
from paretune.client.trial import Trial
from paretune.errors import ParetuneError
from paretune.experiment import (
    Experiment,
    ExperimentState,
    Goal,
    LeasePolicy,
    Maximize,
    Metric,
    Minimize,
    Policy,
    RelativeThreshold,
    Strategy,
    Workload,
)
from paretune.local import local
from paretune.observation import (
    Directive,
    MetricValue,
    Observation,
    Outcome,
    OutcomeKind,
    ParetoFront,
    ParetoPoint,
    Prediction,
    Provenance,
    Suggestion,
    SuggestionState,
)
from paretune.parameters import Beta, Categorical, Condition, Double, Int, Normal, Weights
from paretune.space import LinearConstraint, SearchSpace
from paretune.stopping import EarlyStopping, EarlyStoppingRule, Fidelity

__all__ = [
    "Beta",
    "Categorical",
    "Client",
    "Condition",
    "Directive",
    "Double",
    "EarlyStopping",
    "EarlyStoppingRule",
    "Experiment",
    "ExperimentHandle",
    "ExperimentState",
    "Fidelity",
    "Goal",
    "Int",
    "LeasePolicy",
    "LinearConstraint",
    "Maximize",
    "Metric",
    "MetricValue",
    "Minimize",
    "Normal",
    "Observation",
    "Outcome",
    "OutcomeKind",
    "ParetoFront",
    "ParetoPoint",
    "ParetuneError",
    "Policy",
    "Prediction",
    "Provenance",
    "RelativeThreshold",
    "SearchSpace",
    "Strategy",
    "Suggestion",
    "SuggestionState",
    "Trial",
    "Weights",
    "Workload",
    "aio",
    "connect",
    "errors",
    "local",
]
