"""A program in any language as a workload: started, listened to and stopped from the trial's process.

It is given parameters, settings and the seed: as `{name}` in its arguments, as variables, as a JSON file.
What it reports is read by `command_report`. docs/decisions/0014-commands.md says why so.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from paretune.command import filled
from paretune_trainer.command_report import METRICS_FD, CommandTrial, Report, UnusableReport
from paretune_trainer.processes import kill_group
from paretune_trainer.workload import Infeasible, Value

STOP_SECONDS: Final = 10.0
"""Time between SIGTERM and SIGKILL for a program that is stopped early."""


class CommandFailed(Exception):
    """The program ended with a failure; the message is a sentence."""


def find_program(command: Sequence[str], folder: Path) -> str:
    """The program of a command: on the PATH, or a path from the folder of the user's code.

    Raises:
        FileNotFoundError: there is none that can be run.
    """
    program = command[0]
    if "{" in program:  # known only when the parameters are
        return program
    found = shutil.which(program if "/" not in program else str(folder / program))
    if found is None:
        where = "on this node's PATH" if "/" not in program else f"in {folder} that can be run"
        raise FileNotFoundError(f"There is no program {program!r} {where}.")
    return found


def environment(
    parameters: Mapping[str, Value], settings: Mapping[str, str], seed: int, scratch: Path
) -> dict[str, str]:
    """The variables that tell a program what to do; the file of PARETUNE_TRIAL_FILE is written."""
    file = scratch / "parameters.json"
    content = {"parameters": dict(parameters), "settings": dict(settings), "seed": seed}
    file.write_text(json.dumps(content), encoding="utf-8")
    return {
        **{f"PARETUNE_SETTING_{_variable(name)}": value for name, value in settings.items()},
        **{f"PARETUNE_PARAM_{_variable(name)}": _text(value) for name, value in parameters.items()},
        "PARETUNE_SEED": str(seed),
        "PARETUNE_TRIAL_FILE": str(file),
        "PARETUNE_METRICS_FD": str(METRICS_FD),
        "PARETUNE_METRICS_FILE": str(scratch / "metrics.jsonl"),
        "PARETUNE_SCRATCH": str(scratch),
    }


def _variable(name: str) -> str:
    return re.sub(r"\W", "_", name, flags=re.ASCII).upper()


def _text(value: Value) -> str:
    return value if isinstance(value, str) else repr(value)


def run(
    command: Sequence[str], folder: Path, parameters: Mapping[str, Value], trial: CommandTrial
) -> dict[str, Any]:
    """Run a program to its end; its metrics.

    Args:
        command: program and arguments, with `{name}` in them.
        folder: where it runs.
        parameters: of this trial.
        trial: where checkpoints go and stops come from. The working folder is its scratch folder.

    Raises:
        Infeasible: the program said so.
        CommandFailed: it ended with another exit status than 0.
        UnusableReport: it reported something else than metrics, or nothing.
    """
    scratch = Path.cwd()
    values = {name: _text(value) for name, value in {**trial.settings, **parameters}.items()}
    values.setdefault("seed", str(trial.seed))
    words = [filled(word, values) for word in command]
    words[0] = find_program(words, folder)
    with Report(scratch / "metrics.jsonl") as report:
        variables = {**os.environ, **environment(parameters, trial.settings, trial.seed, scratch)}
        process = subprocess.Popen(  # noqa: S603 - running the user's command is the purpose
            words,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            pass_fds=(METRICS_FD,),
            process_group=0,
        )
        report.started()
        try:
            stopped = _follow(process, report, trial)
        except BaseException:
            kill_group(process.pid)
            process.wait()
            raise
        report.finish(trial)
    return _ended(process.returncode, report, words[0], stopped)


def _follow(process: subprocess.Popen[bytes], report: Report, trial: CommandTrial) -> bool:
    """Listen until the program has ended; whether it was told to stop."""
    kill_at = float("inf")
    with _ended_descriptor(process.pid) as ended:
        while process.poll() is None:
            report.read(trial, [ended] if ended >= 0 else [])
            if kill_at == float("inf") and trial.should_stop():
                kill_group(process.pid, signal.SIGTERM)
                kill_at = time.monotonic() + STOP_SECONDS
            if time.monotonic() > kill_at:
                kill_group(process.pid)
    return kill_at < float("inf")


@contextlib.contextmanager
def _ended_descriptor(pid: int) -> Any:
    """A descriptor that becomes readable when the process ends; -1 where the system has none."""
    try:
        descriptor = os.pidfd_open(pid)
    except (AttributeError, OSError):
        yield -1
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _ended(status: int, report: Report, program: str, stopped: bool) -> dict[str, Any]:
    if report.infeasible:
        raise Infeasible(report.infeasible)
    if stopped:
        return report.values
    if status < 0:
        # The trial ends as its program did, so that it is judged as a Python workload is.
        signal.signal(-status, signal.SIG_DFL) if -status not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -status)
    if status:
        hint = " (killed for want of memory?)" if status == 128 + signal.SIGKILL else ""
        raise CommandFailed(f"{Path(program).name} ended with exit status {status}{hint}.")
    if not report.values:
        raise UnusableReport(
            f"{Path(program).name} reported no metrics: write a line such as "
            '{"accuracy": 0.9} to descriptor $PARETUNE_METRICS_FD or to the file $PARETUNE_METRICS_FILE.'
        )
    return report.values
