"""What answers at an address: the Optimizer, the Store behind it, the trainer nodes; and do clocks agree?"""

import time
from collections.abc import Iterator

from paretune.client import Client
from paretune.client.node_calls import list_nodes, store_info
from paretune.doctor.files import judge_room
from paretune.doctor.finding import Finding, Verdict, fail, ok, warn
from paretune.doctor.machine import installed
from paretune.errors import ParetuneError
from paretune.rpc.credentials import Credentials
from paretune.rpc.health import is_serving, wait_until_serving
from paretune.rpc.replicas import addresses_of
from paretune.v1 import store_pb2

SECONDS = 5.0
SKEW = 2.0
"""Seconds between two clocks that are worth a word."""
SILENT_SECONDS = 60.0


def examine(address: str, credentials: Credentials) -> Iterator[Finding]:
    """Everything about the services behind an address."""
    found = [_optimizer(one, credentials) for one in addresses_of(address)]
    yield from found
    if all(one.verdict is Verdict.FAIL for one in found):
        return
    with Client(address, timeout=SECONDS, credentials=credentials) as client:
        yield from _store(client)
        yield from _nodes(client, credentials)


def _optimizer(address: str, credentials: Credentials) -> Finding:
    begin = time.monotonic()
    try:
        wait_until_serving(address, SECONDS, credentials)
    except ParetuneError as error:
        return fail("optimizer", f"{address} does not serve", str(error))
    return ok("optimizer", f"{address} serves, answered in {1000 * (time.monotonic() - begin):.0f} ms")


def _store(client: Client) -> Iterator[Finding]:
    try:
        client.run(store_info())  # opens the connection behind, so that the next one is timed alone
        before = time.time()
        info = client.run(store_info())
        after = time.time()
    except ParetuneError as error:
        advice = "The Optimizer cannot reach the Store, or may not: look at its log, --store, and the token."
        if "GetInfo" in str(error):
            advice = "The Store is older than this command: upgrade it."
        yield fail("store", str(error), advice)
        return
    ours = installed("paretune")
    found = f"version {info.version or 'unknown'}, schema {info.schema_version}"
    if info.version and info.version != ours:
        yield warn(
            "store", f"{found}; here {ours}", "Within v1 both understand each other; upgrade the older."
        )
    else:
        yield ok("store", found)
    yield clocks(info.time.ToNanoseconds() / 1e9, before, after)
    yield judge_room("disk", info.free_bytes, info.filesystem, "at the Store", info.database_bytes)


def clocks(theirs: float, before: float, after: float) -> Finding:
    """How far the Store's clock is from ours.

    Args:
        theirs: its time while it answered, seconds since 1970.
        before: our time when we asked.
        after: our time when the answer came; its clock was read somewhere between.
    """
    skew = theirs - after if theirs > after else min(theirs - before, 0.0)
    found = f"the Store's clock and ours differ by {abs(skew):.1f} s"
    if abs(skew) > SKEW:
        return warn(
            "clock", found, "Times in tables and ends of tokens are off: run NTP on both. Leases are not."
        )
    return ok("clock", found if skew else f"agree within {1000 * (after - before):.0f} ms")


def _nodes(client: Client, credentials: Credentials) -> Iterator[Finding]:
    try:
        found = client.run(list_nodes())
    except ParetuneError as error:
        yield fail("trainer", str(error), "See above.")
        return
    if not found:
        yield warn("trainer", "no node has reported", "Start one where the GPUs are: `paretune trainer`.")
    for one in found:
        yield node(one, credentials)


def node(one: store_pb2.ReportedNode, credentials: Credentials) -> Finding:
    """A trainer node: did it report lately, does it say that it is well, can it be reached from here?"""
    about = one.node
    name = f"{about.worker}: {about.running} of {about.slots} slots in use"
    if one.age.seconds > SILENT_SECONDS:
        return warn(
            "trainer", f"{name}, silent for {one.age.seconds} s", "Look whether it runs; leases expire."
        )
    if about.problem:
        return warn("trainer", f"{name}, {about.problem}", "Its log says more.")
    for id, why in about.unable.items():
        found = f"{name}, leaves {id} alone: {why}"
        return warn("trainer", found, "Code is looked for in the folder where it was started.")
    if about.address and not is_serving(about.address, 2.0, credentials):
        found = f"{name}; {about.address} cannot be reached from here"
        return ok("trainer", f"{found}, which only the logs of its runs need")
    return ok("trainer", name)
