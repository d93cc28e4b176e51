"""Calls to the gRPC services on behalf of a browser, with the browser's own token."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor

from paretune.rpc.channel import open_async_channel
from paretune.rpc.credentials import NONE, Credentials, Metadata
from paretune.rpc.policy import path_of
from paretune.rpc.status import translated
from paretune.v1 import optimizer_pb2, store_pb2, trainer_pb2

SERVICES = {
    name: module.DESCRIPTOR.services_by_name[name]
    for name, module in (
        ("StoreService", store_pb2),
        ("OptimizerService", optimizer_pb2),
        ("TrainerService", trainer_pb2),
    )
}
TIMEOUT = 30.0
"""Seconds that a unary call may take."""


def method_named(name: str) -> MethodDescriptor:
    """The method that ``StoreService.GetExperiment`` names."""
    service, _, method = name.partition(".")
    found: MethodDescriptor = SERVICES[service].methods_by_name[method]
    return found


def message_class(descriptor: Any) -> Any:
    """The class of messages with this descriptor."""
    return message_factory.GetMessageClass(descriptor)


class Services:
    """Channels to the one address that clients need, and to trainer nodes.

    Args:
        server: address of the Optimizer.
        trainers: addresses of trainer nodes.
        credentials: whom to trust, and what certificate to show; tokens come with the calls.

    Raises:
        InvalidArgument: a file of the credentials cannot be used.
    """

    def __init__(self, server: str, trainers: Sequence[str] = (), credentials: Credentials = NONE) -> None:
        self.server = server
        self.trainers = tuple(trainers)
        self._credentials = credentials
        self._channels = {
            address: open_async_channel(address, credentials=credentials) for address in {server, *trainers}
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for channel in self._channels.values():
            await channel.close()

    async def call(
        self, name: str, request: Any, token: str = "", *, address: str = "", timeout: float = TIMEOUT
    ) -> Any:
        """Call the unary RPC that ``StoreService.GetExperiment`` names; gives its reply.

        Raises:
            ParetuneError: what the service raised.
        """
        method = method_named(name)
        invoke = self._channels[address or self.server].unary_unary(
            path_of(method),
            request_serializer=type(request).SerializeToString,
            response_deserializer=message_class(method.output_type).FromString,
        )
        with translated():
            return await invoke(
                request, timeout=timeout, metadata=self._metadata(address or self.server, token)
            )

    async def stream(self, name: str, request: Any, token: str = "") -> AsyncGenerator[Any, None]:
        """The replies of a streaming RPC; ending the iteration ends the call.

        Raises:
            ParetuneError: what the service raised.
        """
        method = method_named(name)
        invoke = self._channels[self.server].unary_stream(
            path_of(method),
            request_serializer=type(request).SerializeToString,
            response_deserializer=message_class(method.output_type).FromString,
        )
        call = invoke(request, metadata=self._metadata(self.server, token))
        try:
            with translated():
                async for reply in call:
                    yield reply
        finally:
            call.cancel()

    def _metadata(self, address: str, token: str) -> Metadata:
        """The headers of a call for whoever has this token.

        Raises:
            InvalidArgument: it is none, or would go to another machine unencrypted.
        """
        credentials = replace(self._credentials, token=token)
        credentials.check(address)
        return credentials.metadata()
