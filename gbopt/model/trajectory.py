"""Trajectory: unwrapped frames, or velocities, at a fixed interval, streamed one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FrameContent = Literal["positions", "velocities"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryInfo:
    """What an analysis must know before the first frame."""

    species: NDArray[np.int8]
    """(n,) index into model.bicrystal.ELEMENTS."""
    cell: NDArray[np.float64]
    """(3, 3) A, rows are cell vectors; constant (NVT)."""
    frame_interval_ps: float
    """Time between two frames, ps."""
    n_frames: int
    """Number of frames announced; a run that is ended early has fewer."""
    temperature_K: float
    """Target temperature of the thermostat, K; that of the end where it is ramped."""
    length_err_A: float = 0.0
    """Standard error of the cell length along the normal, from the NPT run before, A."""

    content: FrameContent = "positions"
    """What the frames are."""

    @property
    def length_A(self) -> float:
        """Cell length along the normal, A."""
        return float(self.cell[2, 2])

    @property
    def area_A2(self) -> float:
        """Area normal to z, A^2."""
        return float(np.linalg.norm(np.cross(self.cell[0], self.cell[1])))


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Frames, (n, 3) float64, in the order of ``info.species``.

    They are unwrapped positions, A, or, where ``info.content`` says so, velocities, A/ps.
    ``frames`` may be consumed once: nothing is held in memory.
    """

    info: TrajectoryInfo
    frames: Iterator[NDArray[np.float64]]
