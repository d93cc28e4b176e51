"""A machine, played by a network namespace with one address on a bridge that all of them share."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from paretune.rpc.credentials import Credentials
from paretune.rpc.health import is_serving

BRIDGE, NETWORK = "ptbridge", "10.77.0"
PYTHON = [sys.executable, "-m"]


def ip(*words: str, check: bool = True) -> None:
    """Configure the network."""
    subprocess.run(["ip", *words], check=check, capture_output=not check)


def bridge(stack: ExitStack) -> None:
    """Make the network that all hosts are on, until the stack unwinds."""
    ip("link", "add", BRIDGE, "type", "bridge")
    stack.callback(ip, "link", "delete", BRIDGE, check=False)
    ip("addr", "add", f"{NETWORK}.1/24", "dev", BRIDGE)
    ip("link", "set", BRIDGE, "up")


class Host:
    """A machine: a namespace with one address, a folder, and one service."""

    def __init__(self, number: int, folder: Path) -> None:
        self.name, self.address = f"pthost{number}", f"{NETWORK}.{number}"
        self.folder = folder / self.name
        self._number, self._cable = number, f"ptveth{number}"
        self.process: subprocess.Popen[bytes] | None = None
        self.plug()

    def plug(self) -> None:
        """Make the namespace and connect it."""
        self.folder.mkdir(exist_ok=True)
        ip("netns", "add", self.name)
        # As with virtual machines, one made anew has the hardware address of the one that was lost. Otherwise
        # neighbours that trust their ARP tables send to nobody for a while, which says nothing of paretune.
        card = ("address", f"02:00:00:00:00:{self._number:02x}")
        ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", *card, "netns", self.name)
        ip("link", "set", self._cable, "master", BRIDGE, "up")
        for words in (("addr", "add", f"{self.address}/24", "dev", "eth0"), ("link", "set", "eth0", "up"),
                      ("link", "set", "lo", "up")):  # fmt: skip
            ip("-n", self.name, *words)

    def start(self, *command: str, **environment: str) -> None:
        """Start the service of this host; its log is in its folder."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.name, *PYTHON, *command],
                cwd=self.folder, env=os.environ | environment, stdout=log, stderr=log,
            )  # fmt: skip

    def serves(self, port: int, trust: Credentials) -> bool:
        """Whether the service says so, seen from another host."""
        return is_serving(f"{self.address}:{port}", 2.0, trust)

    def kill(self) -> None:
        """As a power failure: nothing is said, nothing is written."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int | None:
        """Stop the service; its exit code, None when there is none."""
        if self.process is None or self.process.poll() is not None:
            return None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def remove(self) -> None:
        """Take the machine away."""
        self.stop()
        ip("link", "delete", self._cable, check=False)
        ip("netns", "delete", self.name, check=False)

    def suggests(self) -> int:
        """Suggest calls that this Optimizer answered, by its log."""
        lines = (self.folder / "log").read_text(errors="replace").splitlines()
        return sum('"code": "OK"' in line and "OptimizerService/Suggest" in line for line in lines)
