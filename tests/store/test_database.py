"""Opening the file: what is refused, and that a refusal leaves the file as it was."""

import hashlib
import os
import sqlite3
from pathlib import Path

import pytest
from store_cases import Driver

from paretune_store import schema
from paretune_store.database import CannotOpen, Corrupt, InUse, ReadOnly, TooNew, open_database
from paretune_store.sqlite import SqliteStore


@pytest.fixture
def database(tmp_path) -> Path:
    """A file with one observed experiment, and nobody who has it open."""
    path = tmp_path / "store.db"
    driver = Driver(lambda clock: SqliteStore.open(path, clock))
    driver.observe(driver.create(id="digits").id)
    driver.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["store.db", "store.db.lock"]
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refused(path: Path, error: type[CannotOpen]) -> str:
    """What the refusal says; the file is unchanged and the lock free again."""
    before = digest(path)
    for _ in range(2):
        with pytest.raises(error) as caught:
            open_database(path)
    assert type(caught.value) is error
    assert digest(path) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_settings_that_durability_rests_on(database):
    opened = open_database(database)
    for pragma, wanted in (
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("mmap_size", 0),
    ):
        assert opened.writer.execute(f"PRAGMA {pragma}").fetchone() == (wanted,)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        opened.reader.execute("DELETE FROM experiments")
    opened.close()


def test_the_file_says_which_schema_it_has(database):
    opened = open_database(database)
    assert opened.writer.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
    assert opened.writer.execute("PRAGMA application_id").fetchone() == (schema.APPLICATION_ID,)
    assert len(schema.migrations.applied(opened.writer)) == schema.VERSION
    assert not schema.migrations.pending(opened.writer)
    opened.close()


def test_a_file_that_is_open_is_refused(database):
    opened = open_database(database)
    with pytest.raises(InUse, match=str(os.getpid())):
        open_database(database)
    alias = database.with_name("alias.db")
    alias.symlink_to(database)
    with pytest.raises(InUse):
        open_database(alias)
    opened.close()
    open_database(database).close()


@pytest.mark.parametrize("page", range(14))
def test_a_damaged_page_is_refused_and_left_alone(database, page):
    with database.open("r+b") as file:
        file.seek(page * 4096 + (100 if page == 0 else 0))
        file.write(b"\xff" * 64)
    assert "damaged" in refused(database, Corrupt)


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"hello " * 5000])
def test_what_is_no_database_is_refused(tmp_path, content):
    path = tmp_path / "store.db"
    path.write_bytes(content)
    refused(path, Corrupt)


@pytest.mark.parametrize("pages", [1, 3, 10])
def test_a_truncated_file_is_refused(database, pages):
    os.truncate(database, database.stat().st_size - pages * 4096)
    refused(database, Corrupt)


def test_the_database_of_another_program_is_refused(tmp_path):
    path = tmp_path / "store.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    assert "not a database of a paretune Store" in refused(path, Corrupt)


def test_a_newer_file_is_refused(database):
    db = sqlite3.connect(database)
    db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    db.close()
    assert "newer paretune" in refused(database, TooNew)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ReadOnly, match="nowhere"):
        open_database(tmp_path / "nowhere" / "store.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_that_cannot_be_written_is_refused(database):
    database.chmod(0o400)
    refused(database, ReadOnly)


def test_a_draft_left_by_a_crash_does_no_harm(tmp_path):
    (tmp_path / "store.db.new").write_bytes(b"half a file")
    open_database(tmp_path / "store.db").close()
    assert not (tmp_path / "store.db.new").exists()


def test_names_with_url_characters_are_only_names(tmp_path):
    path = tmp_path / "a?mode=memory#%41 b.db"
    open_database(path).close()
    assert path.stat().st_size > 0


@pytest.mark.parametrize(("left", "refused"), [("open by 123\n", True), ("123\n", False), ("", False)])
def test_a_log_that_somebody_took_away_is_noticed_after_a_kill_only(tmp_path, left, refused):
    path = tmp_path / "store.db"
    open_database(path).close()
    Path(f"{path}.lock").write_text(left)  # as a kill leaves it, as earlier versions did, as a close does
    if refused:
        with pytest.raises(Corrupt, match=r"-wal is missing"):
            open_database(path)
    else:
        open_database(path).close()


def test_a_log_without_its_database_is_refused(database):
    """SQLite would take it into whatever database is made under that name."""
    log = database.with_name("store.db-wal")
    kept = database.rename(database.with_name("kept.db"))
    log.write_bytes(b"what was written last")
    with pytest.raises(Corrupt, match=r"no .*store\.db, but .*-wal is there.*move the log away"):
        open_database(database)
    assert not database.exists()
    assert log.exists()
    log.unlink()
    kept.rename(database)
    open_database(database).close()


def test_a_restore_that_was_cut_short_is_not_taken_for_a_database(database):
    Path(f"{database}.lock").write_text("restored by 123\n")
    for _ in range(2):  # the old file is still there, or none is
        with pytest.raises(Corrupt, match="cut short"):
            open_database(database)
        database.unlink(missing_ok=True)
