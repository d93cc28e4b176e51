"""Trainer nodes as they described themselves last: soft facts, for people."""

import time

from google.protobuf.duration_pb2 import Duration
from sqlite_utils import Database

from paretune.errors import InvalidArgument
from paretune.v1 import store_pb2 as pb
from paretune.v1 import trainer_pb2
from paretune_store.clock import SECOND
from paretune_store.transaction import Transaction, timestamp

FORGET = 24 * 3600 * SECOND
"""Microseconds after which a silent node is forgotten."""

MAX_BYTES = 64 * 1024


def report(tx: Transaction, request: pb.ReportNodeRequest) -> pb.ReportNodeResponse:
    """ReportNode: see store.proto."""
    body = request.node.SerializeToString(deterministic=True)
    if len(body) > MAX_BYTES:
        raise InvalidArgument.of("node", f"has {len(body)} bytes; at most {MAX_BYTES} are allowed")
    tx.db.execute(
        "DELETE FROM nodes WHERE reported < ? OR worker = ?", (tx.now - FORGET, request.node.worker)
    )
    if not request.leaving:
        tx.db.execute("INSERT INTO nodes VALUES (?, ?, ?)", (request.node.worker, tx.now, body))
    return pb.ReportNodeResponse()


def list_(db: Database, request: pb.ListNodesRequest) -> pb.ListNodesResponse:
    """ListNodes: see store.proto."""
    now = time.time_ns() // 1000
    found = db.execute(
        "SELECT reported, body FROM nodes WHERE reported >= ? ORDER BY worker", (now - FORGET,)
    ).fetchall()
    return pb.ListNodesResponse(nodes=[_reported(now, reported, body) for reported, body in found])


def _reported(now: int, reported: int, body: bytes) -> pb.ReportedNode:
    age = max(now - reported, 0)
    return pb.ReportedNode(
        node=trainer_pb2.GetNodeResponse.FromString(body),
        report_time=timestamp(reported),
        age=Duration(seconds=age // SECOND, nanos=age % SECOND * 1000),
    )
