"""The REST interface in one table: which RPC answers which method and path.

Path variables and, for GET and DELETE, query parameters fill fields of the request by their names in the
protos; of POST and PATCH the JSON body is the rest of the request. All else (the endpoints, the OpenAPI
document, the tests) is made from this table and the protos.
"""

from dataclasses import dataclass

API = "/api/v1"


@dataclass(frozen=True)
class Route:
    """One RPC as a REST route.

    Attributes:
        method: HTTP method.
        path: with the names of request fields in braces; nested ones with dots.
        rpc: ``Service.Method``.
    """

    method: str
    path: str
    rpc: str


_EXPERIMENT = f"{API}/experiments/{{experiment_id}}"
_SUGGESTION = f"{API}/suggestions/{{suggestion_id}}"

ROUTES = (
    Route("GET", f"{API}/experiments", "StoreService.ListExperiments"),
    Route("POST", f"{API}/experiments", "StoreService.CreateExperiment"),
    Route("GET", _EXPERIMENT, "StoreService.GetExperiment"),
    Route("PATCH", f"{API}/experiments/{{experiment.id}}", "StoreService.UpdateExperiment"),
    Route("DELETE", _EXPERIMENT, "StoreService.DeleteExperiment"),
    Route("GET", f"{_EXPERIMENT}/events", "StoreService.Watch"),
    Route("GET", f"{_EXPERIMENT}/suggestions", "StoreService.ListSuggestions"),
    Route("POST", f"{_EXPERIMENT}/suggestions", "OptimizerService.Suggest"),
    Route("POST", f"{_EXPERIMENT}/queue", "StoreService.QueueSuggestion"),
    Route("GET", _SUGGESTION, "StoreService.GetSuggestion"),
    Route("POST", f"{_SUGGESTION}/heartbeat", "StoreService.Heartbeat"),
    Route("POST", f"{_SUGGESTION}/release", "StoreService.ReleaseSuggestion"),
    Route("POST", f"{_SUGGESTION}/cancel", "StoreService.CancelSuggestion"),
    Route("POST", f"{_SUGGESTION}/stop", "StoreService.StopSuggestion"),
    Route("GET", f"{_SUGGESTION}/checkpoints", "StoreService.ListCheckpoints"),
    Route("POST", f"{_SUGGESTION}/checkpoints", "StoreService.RecordCheckpoints"),
    Route("GET", f"{_EXPERIMENT}/observations", "StoreService.ListObservations"),
    Route("POST", f"{API}/experiments/{{observation.experiment_id}}/observations", "StoreService.Observe"),
    Route("POST", f"{_EXPERIMENT}/observations/batch", "StoreService.ObserveBatch"),
    Route("GET", f"{API}/observations/{{observation_id}}", "StoreService.GetObservation"),
    Route("POST", f"{API}/observations/{{observation_id}}/amend", "StoreService.AmendObservation"),
    Route("GET", f"{API}/nodes", "StoreService.ListNodes"),
    Route("GET", f"{API}/info", "StoreService.GetInfo"),
    Route("GET", f"{_EXPERIMENT}/front", "OptimizerService.GetParetoFront"),
    Route("POST", f"{_EXPERIMENT}/front", "OptimizerService.GetParetoFront"),
    Route("GET", f"{_EXPERIMENT}/hypervolume", "OptimizerService.GetHypervolumeHistory"),
    Route("POST", f"{_EXPERIMENT}/hypervolume", "OptimizerService.GetHypervolumeHistory"),
    Route("POST", f"{_EXPERIMENT}/predict", "OptimizerService.Predict"),
    Route("GET", f"{_EXPERIMENT}/attainment", "OptimizerService.GetAttainment"),
    Route("POST", f"{_EXPERIMENT}/attainment", "OptimizerService.GetAttainment"),
    Route("GET", f"{_EXPERIMENT}/importance", "OptimizerService.GetImportance"),
    Route("GET", f"{_EXPERIMENT}/robustness", "OptimizerService.GetRobustness"),
    Route("POST", f"{_EXPERIMENT}/recommend", "OptimizerService.Recommend"),
    Route("GET", f"{_EXPERIMENT}/should-stop", "OptimizerService.ShouldStop"),
)

_FILES = "whole histories as files, which the command line reads and writes"

NOT_ROUTED = {
    "StoreService.Export": _FILES,
    "StoreService.Import": _FILES,
    "StoreService.Backup": _FILES,
    "StoreService.LeaseSuggestions": "between Optimizer and Store; Suggest is for everybody else",
    "StoreService.LeaseSuggestionsBatch": "between Optimizer and Store; Suggest is for everybody else",
    "StoreService.ReportNode": "what trainer nodes say about themselves",
    "TrainerService.*": "of each trainer node; ListNodes gathers what they report",
}
