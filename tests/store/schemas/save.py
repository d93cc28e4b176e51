"""Write the database of the current schema into this folder: see README.md."""

import gzip
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from store_cases import Driver, checkpoint, experiment  # noqa: E402

from paretune.v1 import store_pb2 as pb  # noqa: E402
from paretune_store import schema  # noqa: E402
from paretune_store.sqlite import SqliteStore  # noqa: E402

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "store.db"
    driver = Driver(lambda clock: SqliteStore.open(path, clock))
    driver.create(id="digits", ttl=60)
    driver.observe("digits")
    driver.checkpoints(driver.lease("digits"), checkpoint(1), checkpoint(2))
    driver.queue("digits", 0.25)
    driver.do(pb.CreateExperimentRequest(experiment=experiment(id="second"), request_id="once"))
    driver.close()
    saved = HERE / f"{schema.VERSION}.db.gz"
    saved.write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    print(f"wrote {saved}")
