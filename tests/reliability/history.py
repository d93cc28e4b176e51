"""What clients asked and what they heard, as JSON Lines; and the one checker that compares it with the file.

Every line has a `kind`: invoke, ok, refused (the service said no: nothing may have changed), unknown (nobody
answered: it may have happened, or not), with the request_id and what came back.
"""

import json
import sqlite3
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from paretune.v1 import types_pb2 as types

LABEL = "request"
"""Key in the metadata of observations that holds their request_id."""


class History:
    """Written while a scenario runs; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self.acknowledged = 0
        self.code, self.full = "", False
        """How the last refusal was told, and whether it named the Store's storage."""

    def add(self, kind: str, request: str, **more: Any) -> None:
        with self._lock:
            self._file.write(json.dumps({"kind": kind, "request": request, **more}) + "\n")
            self.acknowledged += kind == "ok"

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def check(history: Path, database: Path) -> list[str]:
    """Everything that is wrong with a file, given what its clients were told."""
    return check_whole(database) + check_told(read(history), observations(database))


def observations(database: Path) -> list[types.Observation]:
    """The observations in a file, in the order of their ordinals."""
    db = sqlite3.connect(database)
    try:
        rows = db.execute("SELECT body FROM observations ORDER BY experiment, ordinal").fetchall()
    finally:
        db.close()
    return [types.Observation.FromString(row[0]) for row in rows]


def check_told(lines: list[dict[str, Any]], found: list[types.Observation]) -> list[str]:
    """Acknowledged: there, once, as told. Refused: not there. Never asked: not there."""
    wrong = []
    recorded: dict[str, list[types.Observation]] = {}
    for one in found:
        recorded.setdefault(one.metadata[LABEL], []).append(one)
    wrong += [f"recorded {len(r)} times: {name}" for name, r in recorded.items() if len(r) > 1]
    asked = {line["request"] for line in lines if line["kind"] == "invoke"}
    wrong += [f"nobody asked for {name}" for name in recorded if name not in asked]
    told: dict[str, str] = {}
    for line in lines:
        name = line["request"]
        if line["kind"] == "ok":
            if name not in recorded:
                wrong.append(f"acknowledged and lost: {name}")
            elif line["id"] != recorded[name][0].id or line["value"] != recorded[name][0].values[0].value:
                wrong.append(f"recorded otherwise than acknowledged: {name}")
            if told.setdefault(name, line["id"]) != line["id"]:
                wrong.append(f"two answers to {name}")
        elif line["kind"] == "refused" and name in recorded:
            wrong.append(f"refused and recorded: {name}")
    return wrong


def check_whole(database: Path) -> list[str]:
    """The file is whole, and its counters are what counting gives."""
    wrong = []
    db = sqlite3.connect(database)
    try:
        for pragma, good in (("integrity_check", [("ok",)]), ("foreign_key_check", [])):
            if (said := db.execute(f"PRAGMA {pragma}").fetchall()) != good:
                wrong.append(f"{pragma}: {said[:3]}")
        for key, counted, ordinal in db.execute("SELECT key, observations, last_ordinal FROM experiments"):
            for table, last in (("observations", counted), ("suggestions", ordinal)):
                rows = db.execute(
                    f"SELECT ordinal FROM {table} WHERE experiment = ? ORDER BY ordinal", (key,)
                )
                if [row[0] for row in rows] != [*range(1, last + 1)]:
                    wrong.append(f"{table} of experiment {key} are not 1 to {last}")
            states = dict(
                db.execute("SELECT state, count(*) FROM suggestions WHERE experiment = ? GROUP BY 1", (key,))
            )
            names = {1: "queued", 2: "leased", 4: "cancelled", 5: "lost"}
            for state, name in names.items():
                (told,) = db.execute(f"SELECT {name} FROM experiments WHERE key = ?", (key,)).fetchone()
                if told != states.get(state, 0):
                    wrong.append(f"experiment {key}: {name} is {told}, counting gives {states.get(state, 0)}")
        twice = Counter(row[0] for row in db.execute("SELECT suggestion FROM observations WHERE suggestion"))
        wrong += [f"suggestion {key} was observed {n} times" for key, n in twice.items() if n > 1]
    except sqlite3.DatabaseError as error:
        wrong.append(f"cannot be read: {error}")
    finally:
        db.close()
    return wrong
