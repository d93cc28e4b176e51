"""What the Store is and how much room it has, for `paretune doctor` and whoever watches the disk."""

import os
import shutil
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sqlite_utils import Database

from paretune.filesystem import filesystem
from paretune.v1 import store_pb2 as pb
from paretune_store.database import recorded_version
from paretune_store.transaction import timestamp


def get(db: Database, request: pb.GetInfoRequest) -> pb.GetInfoResponse:
    """GetInfo: see store.proto."""
    ((_, _, name),) = db.execute("PRAGMA database_list").fetchall()
    file = Path(name)
    return pb.GetInfoResponse(
        version=_version(),
        schema_version=recorded_version(db, file),
        time=timestamp(time.time_ns() // 1000),
        database_bytes=file.stat().st_size,
        free_bytes=shutil.disk_usage(file.parent).free,
        filesystem=filesystem(file.parent),
    )


def _version() -> str:
    try:
        return version("paretune")
    except PackageNotFoundError:  # sources that were copied, as in the images
        return os.environ.get("PARETUNE_VERSION", "")
