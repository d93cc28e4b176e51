"""What a bare server with two RPCs can do: `floor` commits each call to SQLite, `transport` stores nothing.

The floor is what paretune should come near to: grpc.aio, one thread that writes all waiting rows in one
transaction (WAL, synchronous=FULL: durable when answered), messages of the size of paretune's.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import grpc

METHODS = ("Suggest", "Observe")
REPLY = b"x" * 600


def serve(address: str, database: str) -> None:
    """Answer until ended; an empty `database`: store nothing."""

    async def nothing(request: bytes, context: object) -> bytes:
        return REPLY

    async def main() -> None:
        server = grpc.aio.server()
        answer = _committing(database) if database else nothing
        handlers = {name: grpc.unary_unary_rpc_method_handler(answer) for name in METHODS}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("floor", handlers),))
        server.add_insecure_port(address)
        await server.start()
        await server.wait_for_termination()

    asyncio.run(main())


def _committing(database: str) -> Callable[[bytes, object], Awaitable[bytes]]:
    """A method that answers when its row is on the disk; rows that wait go into one transaction."""
    thread = ThreadPoolExecutor(1)

    def open_database() -> sqlite3.Connection:
        db = sqlite3.connect(database, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, body BLOB)")
        return db

    db = thread.submit(open_database).result()
    waiting: list[tuple[bytes, asyncio.Future[bytes]]] = []
    writing = False

    def commit(bodies: list[tuple[bytes]]) -> None:
        db.execute("BEGIN")
        db.executemany("INSERT INTO rows (body) VALUES (?)", bodies)
        db.execute("COMMIT")

    async def drain() -> None:
        nonlocal writing
        while waiting:
            group = waiting.copy()
            waiting.clear()
            bodies = [(body,) for body, _ in group]
            await asyncio.get_running_loop().run_in_executor(thread, commit, bodies)
            for _, done in group:
                done.set_result(REPLY)
        writing = False

    tasks: set[asyncio.Task[None]] = set()

    async def answer(request: bytes, context: object) -> bytes:
        nonlocal writing
        done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        waiting.append((request, done))
        if not writing:
            writing = True
            task = asyncio.create_task(drain())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        return await done

    return answer


def worker(address: str) -> Callable[[int], Callable[[], None]]:
    """Two calls for each trial."""
    channel = grpc.insecure_channel(address)
    suggest, observe = (channel.unary_unary(f"/floor/{name}") for name in METHODS)

    def make(number: int) -> Callable[[], None]:
        def trial() -> None:
            suggest(b"x" * 80, timeout=60)
            observe(b"x" * 200, timeout=60)

        return trial

    return make
