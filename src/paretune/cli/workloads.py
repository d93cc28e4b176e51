"""What a Trainer can run: found out before anything is trained."""

import os
import symtable
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from paretune.errors import InvalidArgument
from paretune.experiment import Experiment
from paretune.parameters import unknown_name
from paretune.rpc.channel import open_channel
from paretune.rpc.status import translated
from paretune.v1 import trainer_pb2, trainer_pb2_grpc


def check_workload(trainer: str, experiment: Experiment) -> None:
    """Refuse an experiment that the Trainer at an address cannot run.

    Code named ``module:function`` is not looked at, see `check_code`, nor are commands: only running them
    can tell.

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


def code_folders() -> list[str]:
    """Where a Trainer started by this process looks for code of people's own."""
    given = os.environ.get("PARETUNE_TRAINER_PYTHON_PATH", "")
    return [folder for folder in given.split(os.pathsep) if folder] or [str(Path.cwd())]


def check_code(experiment: Experiment, folders: Sequence[str]) -> None:
    """Refuse a ``module:function`` that is neither in these folders nor installed; nothing is imported.

    What only running can tell, such as a function made by other code, passes.

    Raises:
        InvalidArgument: no such module or function, or a module that is no Python.
    """
    workload = experiment.workload
    if workload is None or workload.command or ":" not in workload.name:
        return
    module, _, function = workload.name.partition(":")
    spec = _found(module, [*folders, *sys.path])
    if spec is None:
        places = " or ".join(folders)
        raise InvalidArgument.of("workload", f"there is no module {module!r} in {places}, nor installed")
    if not spec.origin or Path(spec.origin).suffix != ".py":
        return
    source = Path(spec.origin).read_text(encoding="utf-8", errors="replace")
    try:
        scope = symtable.symtable(source, spec.origin, "exec")
    except SyntaxError as error:
        raise InvalidArgument.of("workload", f"{spec.origin}:{error.lineno}: {error.msg}") from None
    bound = {
        symbol.get_name() for symbol in scope.get_symbols() if symbol.is_assigned() or symbol.is_imported()
    }
    if function not in bound and "__getattr__" not in bound and "import *" not in source:
        functions = [table.get_name() for table in scope.get_children() if table.get_type() == "function"]
        hint = unknown_name("function", function, functions) if functions else "it defines no function"
        raise InvalidArgument.of("workload", f"{spec.origin}: {hint}")


def _found(module: str, path: Sequence[str]) -> ModuleSpec | None:
    """Where a module is, found without importing its packages."""
    head, _, rest = module.partition(".")
    spec, full = PathFinder.find_spec(head, path), head
    while spec is not None and rest:
        head, _, rest = rest.partition(".")
        full = f"{full}.{head}"
        spec = PathFinder.find_spec(full, spec.submodule_search_locations or [])
    return spec
