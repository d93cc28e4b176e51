"""A Store in its own process, as operators run it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paretune.rpc.health import wait_until_serving


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def start(database: Path, address: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "paretune_store"],
        env=os.environ | {"PARETUNE_DB": str(database), "PARETUNE_STORE_LISTEN": address} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def stop(process: subprocess.Popen[str], how: signal.Signals = signal.SIGTERM) -> str:
    """End the process; what it had to say."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        said, _ = process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        raise AssertionError(f"the Store did not stop; it said: {said}") from None
    return said


@contextmanager
def running(database: Path, address: str = "") -> Iterator[str]:
    """A Store that serves; its address."""
    address = address or free_address()
    process = start(database, address)
    try:
        wait_until_serving(address, 20)
        yield address
    finally:
        said = stop(process)
    assert process.returncode == 0, said
