"""A workload whose import leaves a word for forked processes, as asyncio's does from Python 3.12 on."""

import os
import signal

os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))


def pid(parameters, trial):
    return {"accuracy": float(os.getpid()), "latency": float(os.getppid())}
