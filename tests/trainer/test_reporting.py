"""Nodes say that they are there."""

import threading

from paretune.errors import Unavailable
from paretune_trainer import machine
from paretune_trainer.reporting import Reporter


class Client:
    def __init__(self):
        self.requests = []
        self.twice = threading.Event()

    def run(self, call, *, patience=None):
        self.requests.append(call.request)
        if len(self.requests) >= 2:
            self.twice.set()
        if len(self.requests) == 1:
            raise Unavailable("not yet")


def test_a_node_reports_until_it_leaves(node):
    client = Client()
    reporter = Reporter(node, client, "127.0.0.1:1", every=0.01)
    reporter.start()
    assert client.twice.wait(20)
    reporter.stop()
    assert [request.leaving for request in client.requests][0 :: len(client.requests) - 1] == [False, True]
    said = client.requests[0].node
    assert (said.worker, said.slots, said.address, said.executor) == ("w", 2, "127.0.0.1:1", "local")
    assert said.devices[0].memory_used_bytes > 0


def test_what_nvidia_smi_says_of_load():
    table = "GPU-a, 1024, 37\nGPU-b, 5, [N/A]\nnonsense\n"
    assert machine.parse_readings(table) == {
        "GPU-a": machine.Reading(1024**3, 0.37),
        "GPU-b": machine.Reading(5 * 1024**2, None),
    }
