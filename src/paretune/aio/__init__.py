"""The client for asyncio: the same verbs as `paretune.Client`, awaited.

    async with await paretune.aio.connect("127.0.0.1:50051") as client:
        experiment = await client.experiment("e-1")
        async for trial in experiment.trials():
            async with trial:
                await trial.observe(accuracy=0.97, inference_ms=(1.8, 0.05))

What is sent and what the replies mean is in `paretune.client.calls`; the verbs are described at `Client`.
"""

import asyncio
import os

from paretune.aio.client import AsyncClient
from paretune.aio.handle import AsyncExperimentHandle
from paretune.aio.trial import AsyncTrial
from paretune.client import DEFAULT_ADDRESS
from paretune.rpc.channel import DEFAULT_TIMEOUT
from paretune.rpc.credentials import Credentials
from paretune.rpc.health import wait_until_any_serves
from paretune.rpc.replicas import addresses_of

__all__ = ["AsyncClient", "AsyncExperimentHandle", "AsyncTrial", "connect"]


async def connect(
    address: str = DEFAULT_ADDRESS,
    *,
    timeout: float = DEFAULT_TIMEOUT,
    wait: float = 10.0,
    token: str | None = None,
    token_file: str | os.PathLike[str] | None = None,
    ca: str | os.PathLike[str] | None = None,
    tls: bool | None = None,
    cert: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
    insecure: bool | None = None,
) -> AsyncClient:
    """As `paretune.connect`."""
    credentials = Credentials.from_environment().but(
        token=token, token_file=token_file, ca=ca, tls=tls, cert=cert, key=key, insecure=insecure
    )
    await asyncio.to_thread(wait_until_any_serves, addresses_of(address), wait, credentials)
    return AsyncClient(address, timeout=timeout, credentials=credentials)
