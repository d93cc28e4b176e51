"""Tiny workloads, good and bad, that the tests run in real processes by "sample_workloads:name"."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from paretune_trainer.workload import Infeasible


def ok(parameters, trial):
    trial.log("hello")
    print("printed")
    for step in range(1, 4):
        trial.checkpoint(step, accuracy=step / 10)
    return {"accuracy": (0.75 + parameters.get("x", 0), 0.01), "latency": 2}


def infeasible(parameters, trial):
    raise Infeasible("the network has more weights than the device allows")


def nan(parameters, trial):
    trial.checkpoint(1, accuracy=float("nan"), latency=3.0)
    return {"accuracy": float("nan"), "latency": 2.0}


def infinite(parameters, trial):
    return {"accuracy": 1.0, "latency": (float("inf"), 0.1)}


def unknown_error(parameters, trial):
    return {"accuracy": (0.5, float("nan")), "latency": (1.0, -1.0)}


def out_of_memory(parameters, trial):
    raise MemoryError("no more")


def torch_out_of_memory(parameters, trial):
    # By name: the frameworks' own class, without the framework.
    raise type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried to allocate 9.00 GiB")


def declared_after_out_of_memory(parameters, trial):
    try:
        raise MemoryError
    except MemoryError as error:
        raise Infeasible("out of memory") from error


def allocate(parameters, trial):
    block = bytearray(2 * 1024**3)
    return {"accuracy": len(block), "latency": 0.0}


def crash(parameters, trial):
    print("before the crash")
    raise ValueError("first line\nsecond line")


def huge_message(parameters, trial):
    raise RuntimeError("x" * 5_000_000)


def segfault(parameters, trial):
    ctypes.string_at(0)


def kill_itself(parameters, trial):
    os.kill(os.getpid(), signal.SIGKILL)


def killed_once(parameters, trial):
    mark = Path(parameters["folder"]) / "begun"
    if not mark.exists():
        mark.touch()
        kill_itself(parameters, trial)
    return {"accuracy": 0.5, "latency": 1.0}


def leave(parameters, trial):
    sys.exit(parameters.get("code", 0))


def replace_itself(parameters, trial):
    os.execv("/bin/true", ["true"])


def forever(parameters, trial):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    trial.checkpoint(1, accuracy=0.1)
    while True:
        time.sleep(0.05)


def until_told(parameters, trial):
    step = 0
    while not trial.should_stop():
        step += 1
        trial.checkpoint(step, accuracy=step / 1000)
        time.sleep(0.01)
    return {"accuracy": step / 1000}


def climb(parameters, trial):
    """Good configurations train to their end; the others until they are told to stop."""
    step = 0
    while not trial.should_stop():
        step += 1
        trial.checkpoint(step, accuracy=parameters["x"] * step, latency=1.0)
        if parameters["x"] > 0.5 and step == int(trial.settings["steps"]):
            break
        time.sleep(0.02)
    return {"accuracy": parameters["x"] * step, "latency": 1.0}


def deaf(parameters, trial):
    for step in range(30):
        trial.checkpoint(step, accuracy=0.5)
        time.sleep(0.01)
    return {"accuracy": 0.5, "latency": 1.0}


def wrong_names(parameters, trial):
    return {"acc": 0.5, "latency": 1.0}


def more_names(parameters, trial):
    return {"accuracy": 0.5, "latency": 1.0, "weights": 1000}


def no_mapping(parameters, trial):
    return 0.5


def no_number(parameters, trial):
    return {"accuracy": "high", "latency": 1.0}


def garbage(parameters, trial):
    os.write(trial._results, b"\x00\xff not json\n")
    return {"accuracy": 0.5, "latency": 1.0}


def endless_line(parameters, trial):
    while True:
        os.write(trial._results, b"x" * 65536)


def close_everything(parameters, trial):
    os.closerange(0, 256)
    time.sleep(60)


def flood(parameters, trial):
    line = b"\xfe" * 65536
    for _ in range(parameters["mib"] * 16):
        os.write(1, line)
    os.write(2, b"the end")
    return {"accuracy": 0.5, "latency": 1.0}


def many_metrics(parameters, trial):
    return {f"metric {number}": 1.0 for number in range(50_000)}


def see_environment(parameters, trial):
    trial.log(json.dumps(dict(os.environ)))
    return {"accuracy": 0.5, "latency": 1.0}


def write_files(parameters, trial):
    Path("weights.bin").write_bytes(b"1" * 1000)
    trial.log(str(Path.cwd()))
    return {"accuracy": 0.5, "latency": 1.0}


def draw(parameters, trial):
    import random

    return {"accuracy": random.random(), "latency": float(trial.seed)}


def pid(parameters, trial):
    return {"accuracy": float(os.getpid()), "latency": float(os.getppid())}


def visible(parameters, trial):
    """Its own id, and the number of processes that it sees."""
    seen = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return {"accuracy": float(os.getpid()), "latency": float(len(seen))}


def reach(parameters, trial):
    """Whether a signal would reach a process; none is sent."""
    try:
        os.kill(parameters["pid"], 0)
    except ProcessLookupError:
        return {"accuracy": 0.0, "latency": 0.0}
    return {"accuracy": 1.0, "latency": 0.0}


def spin(parameters, trial):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        pass


def misbehave(parameters, trial):
    """One of the functions here, by name."""
    details = {"mib": 2048, "folder": str(Path.cwd()), "children": 3}
    return globals()[parameters["how"]](details, trial)


def double_fork(parameters, trial):
    """Leaves a grandchild in a session of its own, and fifty children."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            _mark(parameters["folder"])
            time.sleep(300)
        os._exit(0)
    for _ in range(parameters.get("children", 0)):
        if os.fork() == 0:
            time.sleep(300)
    _await_mark(parameters["folder"])
    if parameters.get("then") == "wait":
        time.sleep(300)
    return {"accuracy": 0.5, "latency": 1.0}


def kill_parent(parameters, trial):
    """Leaves a program running, and kills the process that would end it."""
    program = subprocess.Popen(["/bin/sleep", "300"], start_new_session=True)
    for pid in (program.pid, os.getpid()):
        (Path(parameters["folder"]) / f"pid-{pid}").touch()
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(300)


def _mark(folder):
    (Path(folder) / f"pid-{os.getpid()}").touch()


def _await_mark(folder):
    while not any(Path(folder).iterdir()):
        time.sleep(0.01)


def measure(parameters, trial):
    """Says when it held the lock, in nanoseconds of the system's clock."""
    with trial.exclusive():
        begin = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        with trial.exclusive():
            time.sleep(0.1)
        end = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return {"accuracy": begin / 1e9, "latency": end / 1e9}


def die_measuring(parameters, trial):
    with trial.exclusive():
        trial.checkpoint(1, accuracy=1.0)
        os.kill(os.getpid(), signal.SIGKILL)


def sleep(parameters, trial):
    trial.checkpoint(1, accuracy=0.1)
    time.sleep(float(trial.settings.get("seconds", "0.05")))
    return {"accuracy": float(parameters.get("x", 0.5)), "latency": 1.0}


def flaky(parameters, trial):
    if parameters["x"] < 0.5:
        raise RuntimeError("below a half")
    return {"accuracy": parameters["x"], "latency": 1.0}
