"""Workloads that take memory of the GPUs of fake_nvidia_smi.sh."""

import os
import time
from pathlib import Path


def _gpu(trial):
    return Path(trial.settings["gpus"]) / os.environ["CUDA_VISIBLE_DEVICES"]


def _take(trial, mib):
    (_gpu(trial) / str(os.getpid())).write_text(str(mib))


def _living(trial):
    files = [file for file in _gpu(trial).iterdir() if file.name.isdecimal()]
    return sum(Path("/proc", file.name).exists() for file in files)


def hold(parameters, trial):
    """Hold memory for a while; when that was, and who else was there at most."""
    _take(trial, 250)
    begin, most = time.monotonic(), 0
    while time.monotonic() < begin + 0.8:
        most = max(most, _living(trial))
        time.sleep(0.05)
    return {"begin": begin, "end": time.monotonic(), "most": most, "gpu": int(_gpu(trial).name[-1])}


def leak(parameters, trial):
    (_gpu(trial) / "leak").write_text("700")
    return {"accuracy": 1.0, "latency": 1.0}


def tick(parameters, trial):
    """Note the time again and again, until a file says that it is enough; in a child of a child, too."""
    _take(trial, 10)
    notes = _gpu(trial) / "ticks"
    if os.fork() == 0:
        while True:
            _note(notes)
    while not (_gpu(trial) / "enough").exists():
        _note(notes)
    return {"accuracy": 1.0, "latency": 1.0}


def _note(notes):
    with notes.open("a") as file:
        file.write(f"{time.monotonic()}\n")
    time.sleep(0.005)


def measure(parameters, trial):
    with trial.exclusive():
        begin = time.monotonic()
        time.sleep(0.4)
        end = time.monotonic()
    return {"begin": begin, "end": end}


def die_measuring(parameters, trial):
    with trial.exclusive():
        os.kill(os.getpid(), 9)


def crowded(parameters, trial):
    """Run out of memory unless it is alone."""
    _take(trial, 300)
    time.sleep(0.5)
    if _living(trial) > 1:
        raise MemoryError("not enough for both")
    return {"accuracy": 1.0, "latency": 1.0}
