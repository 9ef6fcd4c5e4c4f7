"""Frames of a run on disk: what a run that is taken up begins with.

The engine's checkpoint brings back the ions, not the sums that were taken over the frames before
it. Those sums are kept by some ten accumulators, each with histories of its own over a lag. So
the frames are kept instead, for as long as the run is not recorded, and a run that is taken up
sends them again first: whoever analyses them need not know that there was a break. The price is
disk, 12 bytes per ion and frame (124 MB for 5,184 ions and 2,000 frames), and the time to analyse
them again, about a thousandth of that to compute them.

Numbers are kept as float32 (positions within 1e-5 A, less than any noise in them), and sent as
they are kept: so what is found does not depend on whether there was a break.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PRECISION = np.dtype("<f4")


def frames_file(folder: Path, stage: int) -> Path:
    """File with the frames of a stage.

    Args:
        folder: of the run.
        stage: index of the stage.
    """
    return folder / f"frames-{stage}.f32"


def frames_bytes(n_ions: int, count: int) -> int:
    """Size of so many frames."""
    return 3 * PRECISION.itemsize * n_ions * count


class FrameWriter:
    """Appends frames to a file."""

    def __init__(self, file: Path, n_ions: int, kept: int) -> None:
        """Open the file, and drop what it has beyond the first ``kept`` frames."""
        self._handle = file.open("r+b" if kept else "wb")
        self._handle.truncate(frames_bytes(n_ions, kept))
        self._handle.seek(0, os.SEEK_END)

    def add(self, frame: NDArray[np.float64]) -> bytes:
        """Write a frame, (n, 3); return what was written."""
        plain = frame.astype(PRECISION).tobytes()
        self._handle.write(plain)
        return plain

    def sync(self) -> None:
        """Make sure that what was written survives this machine."""
        self._handle.flush()
        os.fsync(self._handle.fileno())

    def close(self) -> None:
        """Finish."""
        self._handle.close()


def read_frames(file: Path, n_ions: int, count: int) -> Iterator[bytes]:
    """The first so many frames, as they were written."""
    with file.open("rb") as handle:
        for _ in range(count):
            yield handle.read(frames_bytes(n_ions, 1))


def as_frame(plain: bytes, n_ions: int) -> NDArray[np.float64]:
    """A frame, (n, 3), from what was written."""
    return np.frombuffer(plain, dtype=PRECISION).astype(np.float64).reshape(n_ions, 3)
