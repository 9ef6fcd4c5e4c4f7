"""The regions of a bicrystal whose composition is set apart: the core of each boundary, the grains.

Numbers by region are given in this order: one for each boundary, the grains last.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.geometry.zones import Zones


class Regions(NamedTuple):
    """A periodic cell, divided into the cores of its boundaries and the grains between them."""

    cell: NDArray[np.float64]
    """(3, 3) A, rows are cell vectors."""
    zones: Zones
    core_width_A: float
    """Thickness of the core of each boundary."""

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each region, as a sentence has it."""
        cores = len(self.zones.boundaries_A)
        return (*(f"the core of boundary {n + 1}" for n in range(cores)), "the grains")

    @property
    def area_nm2(self) -> float:
        """Area of one boundary, nm^2."""
        return float(np.linalg.norm(np.cross(self.cell[0], self.cell[1]))) / 100

    @property
    def volumes_A3(self) -> list[float]:
        """Volume of each region, A^3."""
        core = self.area_nm2 * 100 * self.core_width_A
        cores = len(self.zones.boundaries_A)
        total = float(abs(np.linalg.det(self.cell)))
        return [core] * cores + [total - cores * core]

    def of(self, positions: NDArray[np.float64]) -> NDArray[np.intp]:
        """Region of each position, (n, 3) A: the rule by which ``Bicrystal.core`` is marked."""
        planes = self.zones.boundaries_A
        depth = np.stack([Zones((z,), self.zones.length_A).depth(positions) for z in planes])
        inside = depth.min(axis=0) <= self.core_width_A / 2
        return np.where(inside, depth.argmin(axis=0), len(planes))

    def counts(self, positions: NDArray[np.float64]) -> NDArray[np.intp]:
        """Number of positions in each region."""
        return np.bincount(self.of(positions), minlength=len(self.names))

    def grain(self, positions: NDArray[np.float64]) -> NDArray[np.int8]:
        """Grain, 0 or 1, in which each position lies, (n, 3) A, wrapped."""
        return (positions[:, 2] >= self.zones.boundaries_A[1]).astype(np.int8)

    def points(self, region: int, per_A3: float, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw points uniformly in a region, (m, 3) A, wrapped."""
        planes, period = self.zones.boundaries_A, self.zones.length_A
        grains = region == len(planes)
        middle, width = (period / 2, period) if grains else (planes[region], self.core_width_A)
        drawn = rng.random((int(per_A3 * self.area_nm2 * 100 * width), 3)) @ self.cell
        drawn[:, 2] = (middle + (rng.random(len(drawn)) - 0.5) * width) % period
        inside: NDArray[np.float64] = drawn[self.of(drawn) == region]
        return inside
