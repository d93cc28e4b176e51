"""A service that is full, for the conformance cases of overload; what it lets in goes to another one."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc

from paretune.errors import FailedPrecondition, ResourceExhausted
from paretune.rpc.admission import Admission
from paretune.rpc.channel import open_async_channel
from paretune.rpc.credentials import Credentials
from paretune.rpc.gate import Gate
from paretune.rpc.interceptor import CallInterceptor
from paretune.rpc.tls import ServerTls
from paretune.rpc.tokens import TokenFile
from paretune_optimizer.service.forward import StoreForwarder

RETRY_SECONDS = 0.3
EARLY_SECONDS = 0.02
"""Clients may round a delay, and clocks differ by a little."""


class FullHouse(Admission):
    """ListNodes never finds room. Any other call is refused once, and let in when it comes again in time."""

    def __init__(self) -> None:
        super().__init__()
        self._refused: dict[str, float] = {}

    @contextmanager
    def room(self, method: str) -> Iterator[None]:
        """See `Admission.room`.

        Raises:
            ResourceExhausted: as above.
            FailedPrecondition: the caller came again sooner than it was told.
        """
        refused = self._refused.pop(method, None)
        if method.endswith("/ListNodes") or refused is None:
            self._refused[method] = time.monotonic()
            raise ResourceExhausted("The house is full.", retry_after=RETRY_SECONDS)
        if time.monotonic() - refused < RETRY_SECONDS - EARLY_SECONDS:
            raise FailedPrecondition("Came again sooner than told.", reason="TOO_EARLY")
        yield


@contextmanager
def full_house(address: str, folder: Path) -> Iterator[str]:
    """Address of such a service in front of the one at `address`, with the doors in `folder`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def begin() -> tuple[grpc.aio.Server, grpc.aio.Channel, int]:
        channel = open_async_channel(address, credentials=Credentials(ca=folder / "ca.pem"))
        gate = Gate(TokenFile(folder / "tokens.json"))
        server = grpc.aio.server(interceptors=[CallInterceptor(gate, admission=FullHouse())])
        server.add_generic_rpc_handlers((StoreForwarder(channel, channel),))
        tls = ServerTls(folder / "service.pem", folder / "service.pem")
        port = server.add_secure_port("localhost:0", tls.credentials())
        await server.start()
        return server, channel, port

    async def end() -> None:
        await server.stop(None)
        await channel.close()

    server, channel, port = asyncio.run_coroutine_threadsafe(begin(), loop).result(60)
    try:
        yield f"localhost:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
