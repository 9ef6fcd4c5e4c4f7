"""Time-averaged number density of Li on a grid over the cell, of any shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from gbopt.analysis.li_paths import Paths

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
    cell = paths.info.cell
    inverse = np.asarray(np.linalg.inv(cell), dtype=np.float64)
    shape = np.ceil(np.linalg.norm(cell, axis=1) / voxel_A).astype(int)
    size = int(shape.prod())
    counts = np.zeros(size)
    for _, positions in batches(paths.li):
        fractional = positions @ inverse
        fractional -= np.floor(fractional)
        index = np.minimum((fractional * shape).astype(np.intp), shape - 1)
        flat = (index[:, 0] * shape[1] + index[:, 1]) * shape[2] + index[:, 2]
        counts += np.bincount(flat, minlength=size)
    grid = counts.reshape(tuple(shape)).astype(np.float32)
    voxel_A3 = abs(float(np.linalg.det(cell))) / size
    smooth = _blurred(grid, inverse, smoothing_A) / np.float32(voxel_A3 * len(paths.li))
    return Density(grid, smooth, cell)


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
