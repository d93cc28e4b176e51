"""One row for every RPC: who may call it, what it is about, what it costs, whether it is audited.

A service whose descriptor has an RPC without a row, or a row whose path leads nowhere, does not start
(`check_policy`). The gate admits by `role` and `scope`, admission control sheds by `cost`, the audit log
records what is `audited`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor

from paretune.access import Role


class Cost(IntEnum):
    """What a call costs and when it may be refused for overload: the larger first."""

    VITAL = 1
    """Heartbeats and results: a few rows; refusing them wastes trainings."""
    LIGHT = 2
    """Single objects, pages, small changes."""
    HEAVY = 3
    """Suggestions and whatever else needs a model."""
    BULK = 4
    """Whole histories and files: exports, imports, backups, endless streams."""


ANY = ""
"""Scope of a call that names nothing yet or lists: the service keeps to the caller's project by itself."""
ALL = "*"
"""Scope of a call about the service as a whole: for tokens of all projects only."""


@dataclass(frozen=True)
class Rule:
    """One row.

    Attributes:
        role: the smallest role that may call it.
        scope: path of the request field that names the object whose project counts; or `ANY`, or `ALL`.
        cost: its class of cost.
        audited: whether it is written to the audit log: all that change something, but signs of life.
    """

    role: Role
    scope: str
    cost: Cost
    audited: bool = False


_READ, _TRAINER, _WRITE, _ADMIN = Role
_VITAL, _LIGHT, _HEAVY, _BULK = Cost

_STORE = {
    "CreateExperiment": Rule(_WRITE, ANY, _LIGHT, True),
    "GetExperiment": Rule(_READ, "experiment_id", _LIGHT),
    "ListExperiments": Rule(_READ, ANY, _LIGHT),
    "UpdateExperiment": Rule(_WRITE, "experiment.id", _LIGHT, True),
    "DeleteExperiment": Rule(_WRITE, "experiment_id", _LIGHT, True),
    "LeaseSuggestions": Rule(_TRAINER, "experiment_id", _LIGHT, True),
    "LeaseSuggestionsBatch": Rule(_TRAINER, "experiment_id", _LIGHT, True),
    "QueueSuggestion": Rule(_WRITE, "experiment_id", _LIGHT, True),
    "Heartbeat": Rule(_TRAINER, "suggestion_id", _VITAL),
    "ReleaseSuggestion": Rule(_TRAINER, "suggestion_id", _VITAL, True),
    "CancelSuggestion": Rule(_WRITE, "suggestion_id", _LIGHT, True),
    "StopSuggestion": Rule(_WRITE, "suggestion_id", _LIGHT, True),
    "GetSuggestion": Rule(_READ, "suggestion_id", _LIGHT),
    "ListSuggestions": Rule(_READ, "experiment_id", _LIGHT),
    "Observe": Rule(_TRAINER, "observation.experiment_id", _VITAL, True),
    "ObserveBatch": Rule(_TRAINER, "experiment_id", _VITAL, True),
    "AmendObservation": Rule(_WRITE, "observation_id", _LIGHT, True),
    "GetObservation": Rule(_READ, "observation_id", _LIGHT),
    "ListObservations": Rule(_READ, "experiment_id", _LIGHT),
    "RecordCheckpoints": Rule(_TRAINER, "suggestion_id", _VITAL, True),
    "ListCheckpoints": Rule(_READ, "suggestion_id", _LIGHT),
    # Nodes serve all projects, and everybody may see which there are.
    "ReportNode": Rule(_TRAINER, ANY, _LIGHT),
    "ListNodes": Rule(_READ, ANY, _LIGHT),
    "Watch": Rule(_READ, "experiment_id", _BULK),
    "Export": Rule(_READ, "experiment_id", _BULK),
    "Import": Rule(_WRITE, ANY, _BULK, True),
    "Backup": Rule(_ADMIN, ALL, _BULK, True),
    "GetInfo": Rule(_READ, ANY, _LIGHT),
}

_OPTIMIZER = {
    "Suggest": Rule(_TRAINER, "experiment_id", _HEAVY, True),
    "GetParetoFront": Rule(_READ, "experiment_id", _HEAVY),
    "GetHypervolumeHistory": Rule(_READ, "experiment_id", _HEAVY),
    "Predict": Rule(_READ, "experiment_id", _HEAVY),
    "GetAttainment": Rule(_READ, "experiment_id", _HEAVY),
    "GetImportance": Rule(_READ, "experiment_id", _HEAVY),
    "GetRobustness": Rule(_READ, "experiment_id", _HEAVY),
    "Recommend": Rule(_READ, "experiment_id", _HEAVY),
    "ShouldStop": Rule(_READ, "experiment_id", _HEAVY),
}

# A node serves all projects and runs their code: only what describes it is for everybody.
_TRAINER_NODE = {
    "GetNode": Rule(_READ, ANY, _LIGHT),
    "ListWorkloads": Rule(_READ, ANY, _LIGHT),
    "ListRuns": Rule(_READ, ALL, _LIGHT),
    "Run": Rule(_WRITE, ALL, _BULK, True),
    "Cancel": Rule(_WRITE, ALL, _LIGHT, True),
    "Drain": Rule(_ADMIN, ALL, _LIGHT, True),
}

POLICY: dict[str, Rule] = {
    f"/paretune.v1.{service}/{method}": rule
    for service, rules in (
        ("StoreService", _STORE),
        ("OptimizerService", _OPTIMIZER),
        ("TrainerService", _TRAINER_NODE),
    )
    for method, rule in rules.items()
}


class PolicyGap(Exception):
    """An RPC has no row in the policy table, or a row is wrong: the service must not start."""


def path_of(method: MethodDescriptor) -> str:
    """The path of an RPC on the wire, such as ``/paretune.v1.StoreService/Observe``."""
    return f"/{method.containing_service.full_name}/{method.name}"


def check_policy(services: Iterable[ServiceDescriptor], policy: dict[str, Rule] | None = None) -> None:
    """Refuse services that the table does not cover entirely.

    Raises:
        PolicyGap: names every RPC without a row and every row whose path leads nowhere.
    """
    table = POLICY if policy is None else policy
    wrong = []
    for service in services:
        for method in service.methods:
            rule = table.get(path_of(method))
            if rule is None:
                wrong.append(f"{path_of(method)} has no row")
            elif rule.scope not in (ANY, ALL) and not _leads_somewhere(method, rule.scope):
                wrong.append(f"{path_of(method)}: its request has no field {rule.scope!r}")
    if wrong:
        raise PolicyGap(f"paretune/rpc/policy.py is not complete: {'; '.join(wrong)}.")


def _leads_somewhere(method: MethodDescriptor, path: str) -> bool:
    message: Descriptor | None = method.input_type
    for name in path.split("."):
        field = message.fields_by_name.get(name) if message else None
        if field is None:
            return False
        message = field.message_type
    return True
