"""A TCP proxy that spoils connections on purpose, on a loop and a thread of its own.

Toxics, one at a time, switched while connections live: latency (with jitter), bandwidth, slicer (tiny
pieces), blackhole (takes everything, answers nothing), half_open (the way back is dead), reset, refuse
(nothing new gets through), drop_reply (breaks the connection when the next reply comes, after the service
did its work).
"""

import asyncio
import random
import socket
import struct
import threading
from contextlib import suppress

TOXICS = ("latency", "bandwidth", "slicer", "blackhole", "half_open", "reset", "refuse")


class Proxy:
    def __init__(self, target: str, seed: int = 1) -> None:
        self._host, port = target.rsplit(":", 1)
        self._port = int(port)
        self._rng = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self.toxic = ""
        self.drop_replies_after = 0
        """Bytes from the service on a connection after which the next ones break it; 0: never."""
        self.dropped = 0
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._connected, "127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def poison(self, toxic: str) -> None:
        """From now on; `reset` breaks what is open, too."""
        self.toxic = toxic
        if toxic in ("reset", ""):
            self._loop.call_soon_threadsafe(self._reset)

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            self._reset()
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._do(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _reset(self) -> None:
        for writer in list(self._writers):
            self._break(writer)

    def _break(self, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.toxic == "refuse":
            self._break(writer)
            return
        try:
            there, back = await asyncio.open_connection(self._host, self._port)
        except OSError:
            self._break(writer)
            return
        self._writers |= {writer, back}
        try:
            await asyncio.gather(
                self._pump(reader, back, writer, inward=True), self._pump(there, writer, back, inward=False)
            )
        finally:
            self._writers -= {writer, back}
            self._break(writer)
            self._break(back)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        other: asyncio.StreamWriter,
        *,
        inward: bool,
    ) -> None:
        passed = 0
        with suppress(OSError, asyncio.IncompleteReadError):
            while data := await source.read(65536):
                if not inward and self.drop_replies_after:
                    passed += len(data)
                    if passed > self.drop_replies_after:
                        self.dropped += 1
                        break
                await self._pass(data, sink, inward)
        self._break(sink)
        self._break(other)

    async def _pass(self, data: bytes, sink: asyncio.StreamWriter, inward: bool) -> None:
        toxic = self.toxic
        if toxic == "blackhole" or (toxic == "half_open" and not inward):
            return
        if toxic == "latency":
            await asyncio.sleep(self._rng.uniform(0.01, 0.2))
        size = {"slicer": 7, "bandwidth": 512}.get(toxic, len(data))
        for at in range(0, len(data), size):
            sink.write(data[at : at + size])
            await sink.drain()
            if toxic in ("slicer", "bandwidth"):
                await asyncio.sleep(0.001 if toxic == "slicer" else 512 / 65536)
