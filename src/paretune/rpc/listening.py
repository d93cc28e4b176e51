"""Why an address cannot be listened at, in words for people."""

import errno
import socket

TAKEN = "another program listens there"

_WHY = {
    errno.EADDRINUSE: TAKEN,
    errno.EADDRNOTAVAIL: "this machine does not have that address",
    errno.EACCES: "ports below 1024 are for root",
}


def why_not(address: str) -> str:
    """Why nothing can begin to listen at `host:port` now; "" when something can, or it is no such address.

    A host may have several addresses; one of them is enough, as it is for gRPC.
    """
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return ""
    try:
        places = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError:
        return "there is no host of that name"
    reasons = [_cannot_bind(family, place) for family, _, _, _, place in places]
    return "" if "" in reasons else reasons[0]


def _cannot_bind(family: int, place: tuple[object, ...]) -> str:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As gRPC does: a port whose last connections are only winding down is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        return _WHY.get(error.errno or 0, str(error.strerror))
    return ""
