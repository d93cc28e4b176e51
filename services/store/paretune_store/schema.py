"""The tables, as numbered migrations that are never edited once released.

Plain SQL rather than sqlite-utils' table builder, because cascades, partial indexes and AUTOINCREMENT have no
words there; sqlite-utils applies each migration, and its record that it was applied, in one transaction.
"""

from sqlite_utils import Database, Migrations

from paretune import failpoints

APPLICATION_ID = 0x70747374
"""Marks the file as a Store of paretune ("ptst")."""

VERSION = 4
"""Number of migrations; kept in the file's user_version, so that an older Store can refuse a newer file."""

migrations = Migrations("paretune_store")


@migrations()
def m0001_tables(db: Database) -> None:
    """Experiments, suggestions, observations, checkpoints, events, replies, facts about the file."""
    db.executescript(
        """
        CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

        -- body: paretune.v1.Experiment without progress, which lives in the counters. The counters are kept
        -- by every write, so that no call counts rows. last_event leaves checkpoints out.
        CREATE TABLE experiments (
            key INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL,
            state INTEGER NOT NULL,
            labels TEXT NOT NULL,
            etag TEXT NOT NULL,
            body BLOB NOT NULL,
            observations INTEGER NOT NULL DEFAULT 0,
            ok INTEGER NOT NULL DEFAULT 0,
            infeasible INTEGER NOT NULL DEFAULT 0,
            crashed INTEGER NOT NULL DEFAULT 0,
            stopped_early INTEGER NOT NULL DEFAULT 0,
            queued INTEGER NOT NULL DEFAULT 0,
            leased INTEGER NOT NULL DEFAULT 0,
            lost INTEGER NOT NULL DEFAULT 0,
            cancelled INTEGER NOT NULL DEFAULT 0,
            last_ordinal INTEGER NOT NULL DEFAULT 0,
            last_event INTEGER NOT NULL DEFAULT 0
        );

        -- body: the part of paretune.v1.Suggestion that never changes; the rest are columns. Times are
        -- microseconds since 1970. fence stays after a cancellation, so that its holder can be told.
        CREATE TABLE suggestions (
            key INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            experiment INTEGER NOT NULL REFERENCES experiments (key) ON DELETE CASCADE,
            ordinal INTEGER NOT NULL,
            state INTEGER NOT NULL,
            attempt INTEGER NOT NULL DEFAULT 0,
            expirations INTEGER NOT NULL DEFAULT 0,
            worker TEXT,
            fence TEXT,
            expires INTEGER,
            updated INTEGER NOT NULL,
            body BLOB NOT NULL,
            UNIQUE (experiment, ordinal)
        );
        CREATE INDEX suggestions_queued ON suggestions (experiment, attempt, ordinal) WHERE state = 1;
        CREATE INDEX suggestions_expiring ON suggestions (expires) WHERE state = 2;

        -- body: paretune.v1.Observation. UNIQUE (suggestion): one result each, whatever the code does.
        CREATE TABLE observations (
            key INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            experiment INTEGER NOT NULL REFERENCES experiments (key) ON DELETE CASCADE,
            ordinal INTEGER NOT NULL,
            suggestion INTEGER UNIQUE REFERENCES suggestions (key),
            outcome INTEGER NOT NULL,
            body BLOB NOT NULL,
            UNIQUE (experiment, ordinal)
        );

        -- body: paretune.v1.Checkpoint.
        CREATE TABLE checkpoints (
            suggestion INTEGER NOT NULL REFERENCES suggestions (key) ON DELETE CASCADE,
            attempt INTEGER NOT NULL,
            step INTEGER NOT NULL,
            body BLOB NOT NULL,
            PRIMARY KEY (suggestion, attempt, step)
        ) WITHOUT ROWID;

        -- body: paretune.v1.Event without sequence.
        CREATE TABLE events (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            experiment INTEGER NOT NULL REFERENCES experiments (key) ON DELETE CASCADE,
            kind INTEGER NOT NULL,
            body BLOB NOT NULL
        );
        CREATE INDEX events_by_experiment ON events (experiment, sequence);

        -- The first reply to every request_id, written in the transaction of its effect.
        CREATE TABLE replies (
            request_id TEXT NOT NULL PRIMARY KEY,
            digest BLOB NOT NULL,
            response BLOB NOT NULL,
            created INTEGER NOT NULL
        );

        PRAGMA application_id = 1886679924;  -- APPLICATION_ID
        PRAGMA user_version = 1;
        """
    )
    failpoints.hit("mid_migration")


@migrations()
def m0002_nodes_and_stops(db: Database) -> None:
    """Early stops that were asked for; trainer nodes that reported."""
    db.executescript(
        """
        -- Why the holder of a lease is asked to stop early; goes with the lease.
        ALTER TABLE suggestions ADD COLUMN stop_reason TEXT;

        -- body: paretune.v1.GetNodeResponse. reported: microseconds since 1970.
        CREATE TABLE nodes (worker TEXT NOT NULL PRIMARY KEY, reported INTEGER NOT NULL, body BLOB NOT NULL);

        PRAGMA user_version = 2;
        """
    )
    failpoints.hit("mid_migration")


@migrations()
def m0003_projects(db: Database) -> None:
    """Projects of experiments; which token took a lease."""
    db.executescript(
        """
        ALTER TABLE experiments ADD COLUMN project TEXT NOT NULL DEFAULT 'default';

        -- Id of the token with which the suggestion was leased last; empty: none was asked for.
        ALTER TABLE suggestions ADD COLUMN holder TEXT NOT NULL DEFAULT '';

        PRAGMA user_version = 3;
        """
    )
    failpoints.hit("mid_migration")


@migrations()
def m0004_logs(db: Database) -> None:
    """The end of what trainings printed."""
    db.executescript(
        """
        -- One per suggestion, replaced by each heartbeat that brings one. told: microseconds since 1970.
        CREATE TABLE logs (
            suggestion INTEGER PRIMARY KEY REFERENCES suggestions (key) ON DELETE CASCADE,
            told INTEGER NOT NULL,
            tail TEXT NOT NULL
        );
        CREATE INDEX logs_by_time ON logs (told);

        PRAGMA user_version = 4;
        """
    )
    failpoints.hit("mid_migration")


def migrate(db: Database) -> None:
    """Bring the file to `VERSION`."""
    migrations.apply(db)
