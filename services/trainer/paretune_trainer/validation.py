"""One pure check for every request of TrainerService: all that can be said without looking at the node.

Whether a workload is known here, and understands its parameters and settings, is checked by `byhand`.
"""

from google.protobuf.message import Message

from paretune import wire
from paretune.errors import InvalidArgument
from paretune.rpc.checks import Validators, check_request, required
from paretune.v1 import trainer_pb2 as pb

MAX_SEED = 2**31 - 1


def validate(request: Message) -> None:
    """Refuse a request that is wrong whatever runs here.

    Raises:
        InvalidArgument: with the path of every field that was found wrong.
    """
    check_request(request, VALIDATORS)


def _run(request: pb.RunRequest) -> None:
    if not request.workload.name and not request.workload.command:
        raise InvalidArgument.of("workload.name", "is required, or else a command")
    wire.assignments_from_proto(request.assignments)
    if not 0 <= request.seed <= MAX_SEED:
        raise InvalidArgument.of("seed", f"must be from 0 to {MAX_SEED}")


VALIDATORS: Validators = {
    pb.GetNodeRequest: required(),
    pb.ListWorkloadsRequest: required(),
    pb.ListRunsRequest: required(),
    pb.RunRequest: _run,
    pb.CancelRequest: required("run_id"),
    pb.DrainRequest: required(),
}
"""Every request of TrainerService; a test compares it with the descriptor."""
