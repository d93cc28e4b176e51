"""A valid request for every RPC."""

from doors import STORE

from paretune.v1 import optimizer_pb2 as op
from paretune.v1 import store_pb2 as st
from paretune.v1 import trainer_pb2 as tr
from paretune.v1 import types_pb2 as ty

ROLES = ("read", "trainer", "write", "admin")
EXPERIMENT = ty.Experiment(
    name="e",
    parameters=[ty.Parameter(name="x", double_domain=ty.DoubleDomain(min=0, max=1))],
    metrics=[ty.Metric(name="m", goal=ty.GOAL_MINIMIZE)],
)
X = {"x": ty.Value(double_value=0.5)}
M = [ty.MetricValue(metric="m", value=1.0)]


def experiment(**fields) -> ty.Experiment:
    made = ty.Experiment(**fields)
    made.MergeFrom(EXPERIMENT)
    return made


def requests_for(suite, headers):
    """From a kind of caller to a request for every RPC, about objects that are made here."""

    def store(name, request, who="admin"):
        return suite.call(f"/{STORE}/{name}", request, metadata=headers[who])

    created = store("CreateExperiment", st.CreateExperimentRequest(experiment=experiment())).experiment
    e = created.id
    done = store(
        "Observe", st.ObserveRequest(observation=ty.Observation(experiment_id=e, assignments=X, values=M))
    )
    o = done.observation.id
    for _ in range(4):
        store("QueueSuggestion", st.QueueSuggestionRequest(experiment_id=e, assignments=X))
    lease = st.LeaseSuggestionsRequest(experiment_id=e, count=1, worker="w")
    s = {who: store("LeaseSuggestions", lease, who).suggestions[0].id for who in ROLES[1:]}
    finished = store("LeaseSuggestions", lease).suggestions[0].id
    store("CancelSuggestion", st.CancelSuggestionRequest(suggestion_id=finished))
    report = ty.Observation(experiment_id=e, values=M)

    def of(who: str) -> dict:
        mine = (
            s.get(who.split()[0], s["admin"]) if "elsewhere" not in who and "all" not in who else s["write"]
        )
        if who.startswith("trainer of all"):
            mine = s["trainer"]
        report.suggestion_id = mine
        late = st.ObserveRequest(observation=report, fence="0")
        return {
            "CreateExperiment": st.CreateExperimentRequest(experiment=experiment()),
            "GetExperiment": st.GetExperimentRequest(experiment_id=e),
            "ListExperiments": st.ListExperimentsRequest(),
            "UpdateExperiment": st.UpdateExperimentRequest(
                experiment=ty.Experiment(id=e, parallelism=2), update_mask={"paths": ["parallelism"]}
            ),
            "DeleteExperiment": st.DeleteExperimentRequest(experiment_id=e, etag="old"),
            "LeaseSuggestions": st.LeaseSuggestionsRequest(experiment_id=e, worker="w"),
            "LeaseSuggestionsBatch": st.LeaseSuggestionsBatchRequest(
                experiment_id=e, requests=[st.LeaseSuggestionsRequest(experiment_id=e, worker="w")]
            ),
            "QueueSuggestion": st.QueueSuggestionRequest(experiment_id=e, assignments=X),
            "Heartbeat": st.HeartbeatRequest(suggestion_id=mine, fence="0"),
            "ReleaseSuggestion": st.ReleaseSuggestionRequest(suggestion_id=mine, fence="0"),
            "CancelSuggestion": st.CancelSuggestionRequest(suggestion_id=finished),
            "StopSuggestion": st.StopSuggestionRequest(suggestion_id=finished, reason="r"),
            "GetSuggestion": st.GetSuggestionRequest(suggestion_id=finished),
            "ListSuggestions": st.ListSuggestionsRequest(experiment_id=e),
            "Observe": late,
            "ObserveBatch": st.ObserveBatchRequest(experiment_id=e, requests=[late]),
            "AmendObservation": st.AmendObservationRequest(
                observation_id=o, values=M, reason="r", amendment_count=9
            ),
            "GetObservation": st.GetObservationRequest(observation_id=o),
            "ListObservations": st.ListObservationsRequest(experiment_id=e),
            "RecordCheckpoints": st.RecordCheckpointsRequest(
                suggestion_id=mine, fence="0", checkpoints=[ty.Checkpoint(step=1, values=M)]
            ),
            "ListCheckpoints": st.ListCheckpointsRequest(suggestion_id=finished),
            "ReportNode": st.ReportNodeRequest(node=tr.GetNodeResponse(worker="w")),
            "ListNodes": st.ListNodesRequest(),
            "GetInfo": st.GetInfoRequest(),
            "Watch": st.WatchRequest(experiment_id=e),
            "Export": st.ExportRequest(experiment_id=e),
            "Import": st.ImportRequest(),
            "Backup": st.BackupRequest(),
            "Suggest": op.SuggestRequest(experiment_id=e, worker="w"),
            "Predict": op.PredictRequest(experiment_id=e, configurations=[op.Configuration(assignments=X)]),
            **{
                name: getattr(op, f"{name}Request")(experiment_id=e)
                for name in (
                    "GetParetoFront", "GetHypervolumeHistory", "GetAttainment", "GetImportance",
                    "GetRobustness", "Recommend", "ShouldStop",
                )
            },
            "GetNode": tr.GetNodeRequest(),
            "ListWorkloads": tr.ListWorkloadsRequest(),
            "ListRuns": tr.ListRunsRequest(),
            "Run": tr.RunRequest(workload=ty.Workload(name="nothing")),
            "Cancel": tr.CancelRequest(run_id="none"),
            "Drain": tr.DrainRequest(),
        }  # fmt: skip

    return of
