"""What `paretune run` says when nothing runs."""

import pytest
from google.protobuf.duration_pb2 import Duration

import paretune as pt
from paretune.cli.training import _why_idle
from paretune.v1 import store_pb2, trainer_pb2


class Nodes:
    """What is needed of a client to ask who is there."""

    def __init__(self, *nodes):
        self.nodes = [store_pb2.ReportedNode(node=node, age=Duration(seconds=1)) for node in nodes]

    def run(self, call, patience):
        return self.nodes


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ((), "is there a Trainer?"),
        (
            ({"worker": "a", "unable": {"e": "There is no module."}},),
            "leaves x alone: There is no module",
        ),
        (({"worker": "a", "running": 3}, {"worker": "b"}), "3 of others are, on 2 nodes"),
    ],
)
def test_it_says_why_nothing_runs(nodes, said):
    space = pt.SearchSpace((pt.Double("a", 0, 1),))
    experiment = pt.Experiment("x", space, (pt.Minimize("m"),), id="e")
    assert said in _why_idle(Nodes(*(trainer_pb2.GetNodeResponse(**node) for node in nodes)), experiment)
