"""Network filesystems are recognized by the table of mounts."""

from pathlib import Path

import pytest

from paretune.filesystem import network_filesystem
from paretune_store import database
from paretune_store.database import OnNetwork, open_database

TABLE = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:40 / /home rw shared:1 - nfs4 server:/home rw
31 30 0:41 / /home/local\\040disk rw - xfs /dev/sdb rw
32 22 0:42 / /mnt/win rw - cifs //server/share rw
33 22 0:43 / /mnt/win rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", ""),
        ("/data", ""),
        ("/home", "nfs4"),
        ("/home/me/tune", "nfs4"),
        ("/homestead", ""),
        ("/home/local disk/tune", ""),
        ("/mnt/win", ""),  # something local was mounted over it
    ],
)
def test_the_mount_of_a_folder(tmp_path, folder, kind):
    (tmp_path / "mounts").write_text(TABLE)
    assert network_filesystem(Path(folder), tmp_path / "mounts") == kind


def test_systems_without_such_a_table(tmp_path):
    assert network_filesystem(Path("/home"), tmp_path / "none") == ""


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs"])
def test_a_store_refuses_them_unless_told_otherwise(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(database, "network_filesystem", lambda folder: kind)
    with pytest.raises(OnNetwork, match=f"{kind}.*--network-filesystem"):
        open_database(tmp_path / "store.db")
    assert list(tmp_path.iterdir()) == []
    open_database(tmp_path / "store.db", network=True).close()
