"""Spans of one trial, collected by a collector on loopback from three processes of ours."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc

from paretune.errors import FailedPrecondition
from paretune.local import LocalClient, Suite, free_ports
from paretune.rpc import tracing

TRIAL = """
import sys
import paretune as pt
from paretune.errors import InvalidArgument

with pt.connect(sys.argv[1]) as client:
    experiment = client.create_experiment(
        name="traced", parameters=[pt.Double("x", 0, 1)], metrics=[pt.Minimize("loss")], policy="random"
    )
    for _ in range(2):
        suggestion = experiment.suggest()
        experiment.client.heartbeat(suggestion.id, suggestion.lease.fence)
        try:
            experiment.observe(suggestion, {"lost": 1})
        except InvalidArgument:
            experiment.observe(suggestion, {"loss": 1})
"""


class Collector(otlp_grpc.TraceServiceServicer):
    """Keeps the spans it gets, with the name of their service."""

    def __init__(self):
        self.spans = []

    def Export(self, request, context):
        for group in request.resource_spans:
            (service,) = [a.value.string_value for a in group.resource.attributes if a.key == "service.name"]
            self.spans += [(service, span) for scope in group.scope_spans for span in scope.spans]
        return otlp.ExportTraceServiceResponse()


@pytest.fixture
def collector():
    """A collector, and its address."""
    kept = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    otlp_grpc.add_TraceServiceServicer_to_server(kept, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield kept, f"http://127.0.0.1:{port}"
    server.stop(None)


def test_a_trial_is_one_trace_through_client_optimizer_and_store(collector, tmp_path: Path, monkeypatch):
    kept, endpoint = collector
    script = tmp_path / "trial.py"
    script.write_text(TRIAL)
    with monkeypatch.context() as patch:
        patch.setattr(tracing, "start_client", lambda: None)  # this process is no part of it
        patch.setenv("PARETUNE_TRACES", endpoint)
        with LocalClient(Suite(tmp_path / "tune.db", free_ports())) as client:
            done = subprocess.run(
                [sys.executable, "-W", "error", str(script), client.address],
                capture_output=True, text=True, timeout=100,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
    # All have ended, and sent what they held.
    trials = [span for service, span in kept.spans if (service, span.name) == ("paretune-client", "trial")]
    assert len(trials) == 2
    assert len({span.trace_id for span in trials}) == 2, "two trials are two traces"
    for trial in trials:
        mine = [(service, span) for service, span in kept.spans if span.trace_id == trial.trace_id]
        names = {(service, span.name.rpartition("/")[2]) for service, span in mine}
        for name in ("Heartbeat", "Observe"):
            assert {(f"paretune-{service}", name) for service in ("client", "optimizer", "store")} <= names
        assert {("paretune-optimizer", "Suggest"), ("paretune-store", "LeaseSuggestions")} <= names
        ids = {span.span_id for _, span in mine}
        assert all(span.parent_span_id in ids for _, span in mine if span is not trial), "no span hangs loose"
        refused = [span for service, span in mine if service == "paretune-store" and span.status.code == 2]
        assert [span.name.rpartition("/")[2] for span in refused] == ["Observe"]
    assert not [span.name for _, span in kept.spans if "Health" in span.name]


def test_nothing_happens_unless_asked_for():
    assert tracing.server_interceptors() == tracing.client_interceptors() == ()
    assert tracing.trace_id() == ""
    channel = object()
    assert tracing.traced(channel) is channel


def test_without_opentelemetry_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc.trace_exporter", None)
    with pytest.raises(FailedPrecondition, match=r"paretune\[tracing\]"):
        tracing.start("store", "http://127.0.0.1:4317")
    assert tracing.trace_id() == ""
