"""What a Trainer can run: asked of it before anything is trained."""

from collections.abc import Iterable

from paretune.errors import InvalidArgument
from paretune.experiment import Experiment
from paretune.parameters import unknown_name
from paretune.rpc.channel import open_channel
from paretune.rpc.status import translated
from paretune.v1 import trainer_pb2, trainer_pb2_grpc


def check_workload(trainer: str, experiment: Experiment) -> None:
    """Refuse an experiment that the Trainer at an address cannot run.

    Code named ``module:function`` and commands are not looked at: only running them can tell.

    Raises:
        InvalidArgument: an unknown workload, or a parameter, metric or setting that it does not know.
        Unavailable: the Trainer does not answer.
    """
    workload = experiment.workload
    if workload is None or workload.command or ":" in workload.name:
        return
    with open_channel(trainer) as channel, translated():
        stub = trainer_pb2_grpc.TrainerServiceStub(channel)
        known = {
            w.name: w for w in stub.ListWorkloads(trainer_pb2.ListWorkloadsRequest(), timeout=10).workloads
        }
    if workload.name not in known:
        hint = unknown_name("workload", workload.name, known)
        raise InvalidArgument.of("workload", f"{hint} (code of your own is `module:function`)")
    found = known[workload.name]
    _check("parameters", "parameter", [p.name for p in experiment.space], [p.name for p in found.parameters])
    _check("metrics", "metric", [m.name for m in experiment.metrics], [m.name for m in found.metrics])
    _check("settings", "setting", experiment.settings, found.settings)


def _check(field: str, kind: str, given: Iterable[str], known: Iterable[str]) -> None:
    known = list(known)
    for name in given:
        if name not in known:
            raise InvalidArgument.of(field, unknown_name(kind, name, known))
