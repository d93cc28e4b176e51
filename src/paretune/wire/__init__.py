"""The one translator between the vocabulary and the messages of paretune.v1, both ways, side by side.

`x_to_proto(x)` never fails; `x_from_proto(message)` raises `InvalidArgument` with field paths, because the
vocabulary validates itself. Absent and default fields read as the vocabulary's defaults.
"""

from paretune.wire.experiment import (
    experiment_from_proto,
    experiment_to_proto,
    lease_policy_from_proto,
    metric_from_proto,
    metric_to_proto,
)
from paretune.wire.observation import (
    checkpoint_from_proto,
    checkpoint_to_proto,
    configuration_to_proto,
    front_from_proto,
    front_to_proto,
    metric_value_from_proto,
    metric_value_to_proto,
    observation_from_proto,
    observation_to_proto,
    outcome_from_proto,
    outcome_to_proto,
    point_to_proto,
    proposal_to_proto,
    provenance_from_proto,
    provenance_to_proto,
    suggestion_from_proto,
    suggestion_to_proto,
)
from paretune.wire.parameters import parameter_from_proto, parameter_to_proto
from paretune.wire.values import (
    assignments_from_proto,
    assignments_to_proto,
    duration_from_proto,
    duration_to_proto,
    each,
    enum_from_proto,
    enum_to_proto,
    time_from_proto,
    time_to_proto,
    value_from_proto,
    value_to_proto,
)

__all__ = [
    "assignments_from_proto",
    "assignments_to_proto",
    "checkpoint_from_proto",
    "checkpoint_to_proto",
    "configuration_to_proto",
    "duration_from_proto",
    "duration_to_proto",
    "each",
    "enum_from_proto",
    "enum_to_proto",
    "experiment_from_proto",
    "experiment_to_proto",
    "front_from_proto",
    "front_to_proto",
    "lease_policy_from_proto",
    "metric_from_proto",
    "metric_to_proto",
    "metric_value_from_proto",
    "metric_value_to_proto",
    "observation_from_proto",
    "observation_to_proto",
    "outcome_from_proto",
    "outcome_to_proto",
    "parameter_from_proto",
    "parameter_to_proto",
    "point_to_proto",
    "proposal_to_proto",
    "provenance_from_proto",
    "provenance_to_proto",
    "suggestion_from_proto",
    "suggestion_to_proto",
    "time_from_proto",
    "time_to_proto",
    "value_from_proto",
    "value_to_proto",
]
