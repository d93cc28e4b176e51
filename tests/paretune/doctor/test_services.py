"""What the doctor thinks of clocks, disks and nodes."""

from google.protobuf.duration_pb2 import Duration

from paretune.doctor import Verdict, files, services
from paretune.rpc.credentials import NONE
from paretune.v1 import store_pb2, trainer_pb2


def test_clocks_are_judged_by_what_the_call_itself_cannot_explain():
    assert services.clocks(100.0, 99.0, 101.0).verdict is Verdict.OK
    assert services.clocks(90.0, 60.0, 120.0).verdict is Verdict.OK, "a slow call is no skew"
    assert services.clocks(103.9, 99.0, 101.0).verdict is Verdict.WARN
    assert services.clocks(96.9, 99.0, 101.0).verdict is Verdict.WARN


def test_disks():
    def verdict(free, kind="ext4", size=10_000_000):
        return files.judge_room("disk", free, kind, "here", size).verdict

    assert verdict(50e9) is Verdict.OK
    assert verdict(0.5e9) is Verdict.WARN
    assert verdict(50e9, size=30e9) is Verdict.WARN, "an upgrade needs as much again"
    assert verdict(50e6) is Verdict.FAIL
    assert verdict(50e9, kind="nfs4") is Verdict.FAIL


def test_nodes():
    def verdict(age, **fields):
        about = trainer_pb2.GetNodeResponse(worker="a", slots=2, **fields)
        return services.node(store_pb2.ReportedNode(node=about, age=Duration(seconds=age)), NONE).verdict

    assert verdict(3) is Verdict.OK
    assert verdict(100) is Verdict.WARN
    assert verdict(3, problem="no room") is Verdict.WARN
