"""Group commit: who shares a commit, who suffers for whom, and when the news goes out."""

import asyncio
import sqlite3
import threading

import pytest
from sqlite_utils import Database

from paretune.errors import InvalidArgument, ResourceExhausted, Unavailable
from paretune_store import writer as writer_module
from paretune_store.transaction import Transaction, Vocabulary
from paretune_store.writer import Writer


@pytest.fixture(autouse=True, params=[False, True], ids=["on the thread", "on the loop"])
def brief(request, monkeypatch):
    """Everything holds wherever requests are applied."""
    monkeypatch.setattr(Writer.submit, "__kwdefaults__", {"brief": request.param})


class Faulty(Database):
    """A database whose statements fail when told to; counts commits."""

    def __init__(self, path) -> None:
        super().__init__(sqlite3.connect(path, isolation_level=None, check_same_thread=False))
        self.fail: dict[str, Exception] = {}
        self.commits = 0

    def execute(self, sql, parameters=None):
        for start, error in getattr(self, "fail", {}).items():
            if sql.startswith(start):
                raise error
        if sql == "COMMIT":
            self.commits += 1
        return super().execute(sql, parameters)


@pytest.fixture
def db(tmp_path):
    db = Faulty(tmp_path / "numbers.db")
    db.execute("CREATE TABLE numbers (n INTEGER UNIQUE)")
    yield db
    db.close()


def put(number: int, error: Exception | None = None):
    def apply(tx: Transaction) -> int:
        tx.db.execute("INSERT INTO numbers VALUES (?)", (number,))
        if error:
            raise error
        return number

    return apply


def numbers(db) -> list[int]:
    return [n for (n,) in db.execute("SELECT n FROM numbers ORDER BY n").fetchall()]


def run(db, steps, committed=lambda transactions: None):
    """The outcome of `steps(writer)`, with a writer that is closed afterwards."""

    async def main():
        writer = Writer(db, lambda: Transaction(db, 0, 0, str, str, Vocabulary()), committed)
        try:
            return await steps(writer)
        finally:
            await writer.close()

    return asyncio.run(main())


async def held(writer: Writer, work: list) -> tuple:
    """A gate that the writer waits at, and futures for `work`, which waits behind it and so forms a group."""
    entered, gate = threading.Event(), threading.Event()

    def wait(tx: Transaction) -> None:
        entered.set()
        gate.wait(10)

    first = asyncio.ensure_future(writer.submit(wait, brief=False))
    while not entered.is_set():
        await asyncio.sleep(0.001)
    rest = [asyncio.ensure_future(writer.submit(one)) for one in work]
    await asyncio.sleep(0)  # lets them be submitted
    return gate, first, rest


def test_what_waits_shares_a_commit(db):
    async def steps(writer):
        gate, first, rest = await held(writer, [put(n) for n in range(20)])
        db.commits = 0
        gate.set()
        await first
        return await asyncio.gather(*rest)

    assert run(db, steps) == [*range(20)]
    assert db.commits == 2  # the gate's own, and one for the twenty
    assert numbers(db) == [*range(20)]


def test_groups_have_a_limit(db, monkeypatch):
    monkeypatch.setattr(writer_module, "GROUP_SIZE", 8)

    async def steps(writer):
        gate, first, rest = await held(writer, [put(n) for n in range(20)])
        db.commits = 0
        gate.set()
        await asyncio.gather(first, *rest)

    run(db, steps)
    assert db.commits == 1 + 3


def test_a_refusal_leaves_its_group_alone(db):
    async def steps(writer):
        wrong = InvalidArgument("no")
        gate, _, rest = await held(writer, [put(1), put(2, wrong), put(3), put(3), put(4)])
        gate.set()
        return await asyncio.gather(*rest, return_exceptions=True)

    first, refused, third, twice, last = run(db, steps)
    assert (first, third, last) == (1, 3, 4)
    assert isinstance(refused, InvalidArgument)
    assert isinstance(twice, sqlite3.IntegrityError)  # a bug, and only its own request's
    assert numbers(db) == [1, 3, 4]


def test_nobody_hears_before_the_commit(db, tmp_path):
    other = sqlite3.connect(tmp_path / "numbers.db")
    seen = []

    def committed(transactions):
        seen.append((len(transactions), other.execute("SELECT count(*) FROM numbers").fetchone()[0]))

    async def steps(writer):
        await writer.submit(put(1))
        assert seen == [(1, 1)]  # published, and readable by others, before the future was resolved
        await writer.submit(put(2))

    run(db, steps, committed)
    other.close()
    assert seen == [(1, 1), (1, 2)]


@pytest.mark.parametrize("where", ["COMMIT", "BEGIN", "INSERT"])
def test_when_the_file_fails_nothing_is_acknowledged(db, where):
    published = []

    async def steps(writer):
        gate, first, rest = await held(writer, [put(1), put(2)])
        db.fail = {where: sqlite3.OperationalError("disk I/O error")}
        gate.set()
        _, *failed = await asyncio.gather(first, *rest, return_exceptions=True)
        db.fail = {}
        return failed, await writer.submit(put(3))

    failed, later = run(db, steps, published.extend)
    assert [type(error) for error in failed] == [Unavailable, Unavailable]
    assert {error.reason for error in failed} == {"STORAGE_UNAVAILABLE"}
    assert later == 3
    assert numbers(db) == [3]


def test_a_full_disk_is_said_so(db):
    class Full(sqlite3.OperationalError):
        sqlite_errorcode = sqlite3.SQLITE_FULL

    async def steps(writer):
        db.fail = {"COMMIT": Full("database or disk is full")}
        try:
            await writer.submit(put(1))
        finally:
            db.fail = {}

    with pytest.raises(ResourceExhausted) as caught:
        run(db, steps)
    assert caught.value.reason == "STORAGE_UNAVAILABLE"
    assert caught.value.retry_after > 0
    assert numbers(db) == []


def test_a_transaction_that_sqlite_gave_up_fails_the_whole_group(db):
    def gives_up(tx: Transaction) -> None:
        tx.db.execute("ROLLBACK")  # as SQLite does by itself when the disk is full
        raise sqlite3.OperationalError("database or disk is full")

    async def steps(writer):
        gate, _, rest = await held(writer, [put(1), gives_up, put(2)])
        gate.set()
        return await asyncio.gather(*rest, return_exceptions=True)

    assert [type(error) for error in run(db, steps)] == [Unavailable] * 3
    assert numbers(db) == []


def test_the_queue_is_bounded(db, monkeypatch):
    monkeypatch.setattr(writer_module, "MAX_WAITING", 5)

    async def steps(writer):
        gate, first, rest = await held(writer, [put(n) for n in range(8)])
        gate.set()
        outcomes = await asyncio.gather(first, *rest, return_exceptions=True)
        return outcomes, await writer.submit(put(99))

    outcomes, later = run(db, steps)
    shed = [error for error in outcomes if isinstance(error, ResourceExhausted)]
    assert len(shed) == 4
    assert {error.reason for error in shed} == {"OVERLOADED"}
    assert later == 99


def test_closing_finishes_what_was_submitted(db):
    async def main():
        writer = Writer(db, lambda: Transaction(db, 0, 0, str, str, Vocabulary()), lambda transactions: None)
        waiting = [asyncio.ensure_future(writer.submit(put(n))) for n in range(100)]
        await asyncio.sleep(0)
        await writer.close()
        return await asyncio.gather(*waiting)

    assert asyncio.run(main()) == [*range(100)]


def test_a_caller_that_gives_up_harms_nobody(db):
    async def steps(writer):
        gate, _, (impatient, patient) = await held(writer, [put(1), put(2)])
        impatient.cancel()
        gate.set()
        return await patient

    assert run(db, steps) == 2
    assert numbers(db) == [1, 2]  # whether it had an effect is unknown to the caller: here it had


def test_where_there_is_company_commits_are_shared_by_most(db):
    async def steps(writer):
        async def client(first: int) -> None:
            for number in range(first, first + 10):
                await writer.submit(put(number))

        await asyncio.gather(*(client(10 * n) for n in range(16)))

    run(db, steps)
    assert numbers(db) == list(range(160))
    assert db.commits <= 160 / 4


def test_who_is_alone_waits_for_nobody(db, monkeypatch):
    monkeypatch.setattr(writer_module, "PATIENCE", None)  # what would be waited for fails

    async def steps(writer):
        for number in range(20):
            await writer.submit(put(number))

    run(db, steps)
    assert db.commits == 20


def test_brief_requests_are_applied_on_the_loop_unless_others_are_among_them(db):
    def where(tx: Transaction) -> str:
        return threading.current_thread().name

    async def steps(writer):
        alone = await writer.submit(where, brief=True)
        gate, first, _ = await held(writer, [])
        mixed = [asyncio.ensure_future(writer.submit(where, brief=brief)) for brief in (True, False)]
        await asyncio.sleep(0)
        gate.set()
        await first
        return [alone, *await asyncio.gather(*mixed)]

    assert run(db, steps) == [threading.main_thread().name, "writer", "writer"]
