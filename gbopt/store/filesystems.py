"""File systems that several machines share: SQLite is not safe on them."""

from __future__ import annotations

from pathlib import Path

_SHARED = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "glusterfs"),
    *("fuse.glusterfs", "fuse.ceph", "fuse.sshfs", "fuse.juicefs", "fuse.beegfs", "afs", "panfs"),
    *("orangefs", "pvfs2", "weka", "wekafs", "ocfs2", "gfs2", "fhgfs", "vastnfs"),
}


MOUNTS = Path("/proc/self/mounts")
"""What is mounted where, as Linux writes it."""


def shared_kind(path: Path) -> str | None:
    """The kind of network file system that a path lies on; None on a disk of this machine.

    Args:
        path: need not exist.
    """
    found, deepest = None, -1
    where = path.resolve()
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None  # no Linux: nothing is known
    for line in lines:
        _, point, kind, *_ = line.split(" ")
        # Spaces stand in the list as \040 and the like.
        plain = Path(point.encode("latin-1", "replace").decode("unicode_escape"))
        if where.is_relative_to(plain) and len(plain.parts) >= deepest:
            found, deepest = kind, len(plain.parts)
    return found if found in _SHARED else None
