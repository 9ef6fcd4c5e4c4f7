"""Time-averaged number density of Li on a grid over the cell, of any shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from gbopt.analysis.li_paths import Paths
from gbopt.model.bicrystal import LI
from gbopt.model.trajectory import TrajectoryInfo

BATCH_POSITIONS = 500_000
"""Positions that are worked on at once: bounds the work space, not the result."""


class Density(NamedTuple):
    """Li density on a grid whose axes are the cell vectors."""

    counts: NDArray[np.float32]
    """(a, b, c) positions found in each voxel, as they are."""
    smooth_A3: NDArray[np.float32]
    """(a, b, c) Li per A^3, convolved with a Gaussian."""
    cell: NDArray[np.float64]
    """(3, 3) A, rows are cell vectors."""

    @property
    def shape(self) -> NDArray[np.intp]:
        """Voxels along each cell vector."""
        return np.array(self.counts.shape)

    def at(self, fractional: NDArray[np.float64]) -> NDArray[np.float64]:
        """Smoothed density at points (..., 3) in shares of the cell vectors, Li per A^3."""
        voxel = np.moveaxis(fractional, -1, 0) * self.shape.reshape(
            3, *(1,) * (fractional.ndim - 1)
        )
        found: NDArray[np.float64] = ndimage.map_coordinates(
            self.smooth_A3, voxel - 0.5, order=1, mode="grid-wrap", output=np.float64
        )
        return found


def batches(positions: NDArray[np.float32]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Frames in turn, as many at once as ``BATCH_POSITIONS`` allows.

    Args:
        positions: (T, N, 3) A.

    Yields:
        Which frames, and their positions (t * N, 3) in double precision.
    """
    step = max(1, BATCH_POSITIONS // positions.shape[1])
    for first in range(0, len(positions), step):
        taken = slice(first, min(first + step, len(positions)))
        yield taken, positions[taken].reshape(-1, 3).astype(np.float64)


def li_density(paths: Paths, *, voxel_A: float, smoothing_A: float) -> Density:
    """Count Li positions in voxels and smooth them with a periodic Gaussian.

    The convolution is done on the Fourier coefficients, times exp(-s^2 k^2 / 2), which is right
    for oblique cells too.

    Args:
        paths: the trajectory.
        voxel_A: edge of a voxel along each cell vector, at most.
        smoothing_A: standard deviation s of the Gaussian.
    """
    voxels = _Voxels(paths.info.cell, voxel_A)
    counts = np.zeros(voxels.shape)
    for _, positions in batches(paths.li):
        counts += np.bincount(voxels.index(positions), minlength=counts.size).reshape(counts.shape)
    return smoothed(counts, paths.info.cell, len(paths.li), smoothing_A)


def smoothed(
    counts: NDArray[np.floating | np.integer],
    cell: NDArray[np.float64],
    frames: int,
    smoothing_A: float,
) -> Density:
    """Turn counts into a density.

    Args:
        counts: (a, b, c) positions found in each voxel.
        cell: (3, 3) A, rows are cell vectors.
        frames: over how many frames.
        smoothing_A: standard deviation of the Gaussian.
    """
    grid = counts.astype(np.float32)
    inverse = np.asarray(np.linalg.inv(cell), dtype=np.float64)
    voxel_A3 = abs(float(np.linalg.det(cell))) / grid.size
    smooth = _blurred(grid, inverse, smoothing_A) / np.float32(voxel_A3 * frames)
    return Density(grid, smooth, cell)


class LiMap:
    """Counts where Li is, frame by frame, on a grid over the cell.

    Args:
        info: what the trajectory is.
        voxel_A: edge of a voxel along each cell vector, at most.
    """

    def __init__(self, info: TrajectoryInfo, voxel_A: float) -> None:
        self._voxels = _Voxels(info.cell, voxel_A)
        self._li = np.flatnonzero(info.species == LI)
        self.counts = np.zeros(self._voxels.shape, dtype=np.uint32)
        """(a, b, c) positions found in each voxel."""
        self.frames = 0

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, free of drift."""
        np.add.at(self.counts.reshape(-1), self._voxels.index(frame[self._li]), 1)
        self.frames += 1


class _Voxels:
    """A grid whose axes are the cell vectors."""

    def __init__(self, cell: NDArray[np.float64], voxel_A: float) -> None:
        self._inverse = np.linalg.inv(cell)
        self._count = np.ceil(np.linalg.norm(cell, axis=1) / voxel_A).astype(int)
        self.shape = tuple(self._count.tolist())

    def index(self, positions: NDArray[np.float64]) -> NDArray[np.intp]:
        """(n,) flat index of the voxel that each position, (n, 3) A, is in."""
        fractional = positions @ self._inverse
        fractional -= np.floor(fractional)
        a, b, c = np.minimum((fractional * self._count).astype(np.intp), self._count - 1).T
        flat: NDArray[np.intp] = (a * self.shape[1] + b) * self.shape[2] + c
        return flat


def _blurred(
    grid: NDArray[np.float32], inverse: NDArray[np.float64], smoothing_A: float
) -> NDArray[np.float32]:
    """Convolve with a Gaussian of standard deviation ``smoothing_A``."""
    metric = inverse.T @ inverse  # h metric h is the squared length of the wave vector over 2 pi
    h = [np.fft.fftfreq(n, 1 / n) for n in grid.shape[:2]]
    h.append(np.fft.rfftfreq(grid.shape[2], 1 / grid.shape[2]))
    along = [x.reshape([-1 if i == axis else 1 for i in range(3)]) for axis, x in enumerate(h)]
    square = sum(metric[i, j] * along[i] * along[j] for i in range(3) for j in range(3))
    spectrum = fft.rfftn(grid)
    spectrum *= np.exp(-2 * np.pi**2 * smoothing_A**2 * square).astype(np.float32)
    blurred: NDArray[np.float32] = np.maximum(fft.irfftn(spectrum, s=grid.shape), 0)
    return blurred
