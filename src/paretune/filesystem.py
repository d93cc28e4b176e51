"""Which filesystem a folder is on: SQLite's log needs shared memory, which no network filesystem gives."""

from pathlib import Path

NETWORK = frozenset(
    [
        *("9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.ceph", "fuse.glusterfs", "fuse.s3fs"),
        *("fuse.sshfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs"),
        *("smb3", "smbfs"),
    ]
)
"""Types, as Linux names them in /proc/self/mountinfo."""

MOUNTS = Path("/proc/self/mountinfo")


def network_filesystem(folder: Path, mounts: Path = MOUNTS) -> str:
    """The type of the network filesystem that holds a folder; empty for a local or an unknown one.

    Args:
        folder: an absolute path.
        mounts: the table of mounts.
    """
    kind = filesystem(folder, mounts)
    return kind if kind in NETWORK else ""


def filesystem(folder: Path, mounts: Path = MOUNTS) -> str:
    """The type of the filesystem that holds a folder; empty where it is not known.

    Args:
        folder: an absolute path.
        mounts: the table of mounts, as in proc_pid_mountinfo(5).
    """
    best, kind = "", ""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""  # not Linux
    for line in lines:
        left, _, right = line.partition(" - ")
        point = left.split()[4].encode().decode("unicode_escape")
        # The last mount at a point hides those before it.
        if folder.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind
