"""Which part of a cell is near a boundary."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Zones(NamedTuple):
    """The boundary planes of a periodic cell: across z, and in a network across y as well."""

    boundaries_A: tuple[float, ...]
    """z of the planes."""
    length_A: float
    """Period along z."""
    cross_boundaries_A: tuple[float, ...] = ()
    """y of the planes perpendicular to them; the cell is orthogonal where there are any."""
    cross_length_A: float = 0.0
    """Period along y."""

    def depth(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance of each position, (n, 3) A, to the nearest boundary plane, (n,) A; inf: none."""
        nearest = _gap(positions[:, 2], self.boundaries_A, self.length_A)
        if self.cross_boundaries_A:
            across = _gap(positions[:, 1], self.cross_boundaries_A, self.cross_length_A)
            nearest = np.minimum(nearest, across)
        return nearest


def _gap(z: NDArray[np.float64], planes: tuple[float, ...], period: float) -> NDArray[np.float64]:
    if not planes:  # a single crystal
        return np.full(len(z), np.inf)
    gap = np.abs(z[:, None] - np.array(planes)[None, :]) % period
    nearest: NDArray[np.float64] = np.minimum(gap, period - gap).min(axis=1)
    return nearest
