"""A workload whose import starts a thread: no process can be forked safely after it."""

import os
import threading

threading.Thread(target=threading.Event().wait, daemon=True).start()


def pid(parameters, trial):
    return {"accuracy": float(os.getpid()), "latency": float(os.getppid())}
