"""Calls about trainer nodes and the Store: what they say of themselves, and who is there."""

from paretune.client.call import Call
from paretune.v1 import store_pb2, trainer_pb2


def report_node(node: trainer_pb2.GetNodeResponse, leaving: bool) -> Call[None]:
    """Say that a node is there, or that it leaves."""
    request = store_pb2.ReportNodeRequest(node=node, leaving=leaving)
    return Call("/paretune.v1.StoreService/ReportNode", request, store_pb2.ReportNodeResponse, lambda _: None)


def list_nodes() -> Call[list[store_pb2.ReportedNode]]:
    """The nodes that reported, by name."""
    return Call(
        "/paretune.v1.StoreService/ListNodes",
        store_pb2.ListNodesRequest(),
        store_pb2.ListNodesResponse,
        lambda reply: list(reply.nodes),
    )


def store_info() -> Call[store_pb2.GetInfoResponse]:
    """What the Store is, and how much room it has."""
    request = store_pb2.GetInfoRequest()
    return Call("/paretune.v1.StoreService/GetInfo", request, store_pb2.GetInfoResponse, lambda reply: reply)
