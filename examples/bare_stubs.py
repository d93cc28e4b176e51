"""Create, suggest, observe and read the front with nothing but the generated stubs.

This is what a client in any other language does; it imports no paretune code but `paretune.v1`. Start the
services with `paretune up`, then run `python examples/bare_stubs.py [HOST:PORT]`. PARETUNE_CA, a PEM file,
turns TLS on; PARETUNE_TOKEN is sent with every call.
"""

import os
import sys
import uuid
from pathlib import Path

import grpc

from paretune.v1 import optimizer_pb2, optimizer_pb2_grpc, store_pb2, store_pb2_grpc, types_pb2


def connect(address: str) -> grpc.Channel:
    """A channel, as the environment says."""
    if certificate := os.environ.get("PARETUNE_CA"):
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(Path(certificate).read_bytes()))
    return grpc.insecure_channel(address)


def main(address: str, trials: int = 10) -> None:
    """Minimize x^2 and (x - 2)^2 at once."""
    token = os.environ.get("PARETUNE_TOKEN")
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    with connect(address) as channel:
        store = store_pb2_grpc.StoreServiceStub(channel)
        optimizer = optimizer_pb2_grpc.OptimizerServiceStub(channel)
        experiment = types_pb2.Experiment(
            name="bare stubs",
            parameters=[types_pb2.Parameter(name="x", double_domain=types_pb2.DoubleDomain(min=-4, max=4))],
            metrics=[
                types_pb2.Metric(name="left", goal=types_pb2.GOAL_MINIMIZE),
                types_pb2.Metric(name="right", goal=types_pb2.GOAL_MINIMIZE),
            ],
            observation_budget=trials,
        )
        request = store_pb2.CreateExperimentRequest(experiment=experiment, request_id=str(uuid.uuid4()))
        experiment = store.CreateExperiment(request, timeout=10, metadata=metadata).experiment
        for _ in range(trials):
            (suggestion,) = optimizer.Suggest(
                optimizer_pb2.SuggestRequest(
                    experiment_id=experiment.id, worker="stubs", request_id=str(uuid.uuid4())
                ),
                timeout=30,
                metadata=metadata,
            ).suggestions
            x = suggestion.assignments["x"].double_value
            store.Observe(
                store_pb2.ObserveRequest(
                    observation=types_pb2.Observation(
                        experiment_id=experiment.id,
                        suggestion_id=suggestion.id,
                        values=[
                            types_pb2.MetricValue(metric="left", value=x**2),
                            types_pb2.MetricValue(metric="right", value=(x - 2) ** 2),
                        ],
                    ),
                    fence=suggestion.lease.fence,
                    request_id=str(uuid.uuid4()),
                ),
                timeout=10,
                metadata=metadata,
            )
        front = optimizer.GetParetoFront(
            optimizer_pb2.GetParetoFrontRequest(experiment_id=experiment.id), timeout=30, metadata=metadata
        ).front
        print(f"{experiment.id}: {front.observation_count} observations, hypervolume {front.hypervolume:.4f}")
        for point in front.points:
            x = point.observation.assignments["x"].double_value
            print(f"x={x:+.3f}", *(f"{v.metric}={v.value:.3f}" for v in point.observation.values))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051")
