"""A full disk: telling it from other trouble, and saying how much room is needed."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from gbopt.errors import EnvironmentProblem
from gbopt.md.frames import frames_bytes

FULL = (errno.ENOSPC, errno.EDQUOT)
_LEAST_BYTES = 64_000
"""With less left on it a disk counts as full: an engine does not always say what it died of."""
_BYTES_PER_ION, _BYTES_BESIDE = 2_000, 2_000_000
"""Structures, checkpoints, logs and profiles of one evaluation, rounded up."""


def needed_bytes(n_ions: int, frames: int) -> int:
    """Room that one evaluation needs on the disk.

    Args:
        n_ions: of its cell.
        frames: that are on the disk when it ends, those that are then deleted too.
    """
    return _BYTES_BESIDE + n_ions * _BYTES_PER_ION + frames_bytes(n_ions, frames)


def is_full(folder: Path) -> bool:
    """Whether next to nothing can be written in a folder any more."""
    try:
        return shutil.disk_usage(folder).free < _LEAST_BYTES
    except OSError:
        return False


def unwritable(folder: Path, error: OSError | None, needed: int) -> EnvironmentProblem:
    """What to tell the user who has to make room, or to give access back.

    Args:
        folder: where something was to be written.
        error: what the system said; None: it is full, as ``is_full`` has it.
        needed: bytes that are needed there.
    """
    said = "no space left on the disk" if error is None else error.strerror or str(error)
    if error is not None and error.errno not in FULL:
        hint = "restore access there, then resume"
    else:
        left = shutil.disk_usage(folder).free if folder.exists() else 0
        hint = (
            f"free some {_megabytes(needed)} there ({_megabytes(left)} are left, or your quota "
            "is reached), then resume"
        )
    return EnvironmentProblem(f"{folder} cannot be written: {said}", hint=hint)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.3g} MB"
