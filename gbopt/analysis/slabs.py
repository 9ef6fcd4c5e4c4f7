"""Bins and windows along the periodic boundary normal z."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Window = tuple[float, float]
"""z from low to high, A; may reach over the cell's ends, no longer than the cell."""
Planes = tuple[float, float]
"""z of the two boundary planes, A."""


@dataclass(frozen=True, slots=True)
class Bins:
    """Equal bins over the periodic length, an even number of them.

    z = 0 is the centre of bin 0, so z = L/2 is a centre too: where boundaries are, the slowest
    layer falls within one bin instead of being shared, and diluted, between two.
    """

    count: int
    length_A: float

    @classmethod
    def fit(cls, length_A: float, bin_A: float) -> Bins:
        """Bins of the width nearest to ``bin_A`` of which an even number fills the length."""
        return cls(2 * max(1, round(length_A / (2.0 * bin_A))), length_A)

    @property
    def width_A(self) -> float:
        """Width of a bin, A."""
        return self.length_A / self.count

    @property
    def centres_A(self) -> NDArray[np.float64]:
        """(count,) z of the bin centres, A."""
        return np.arange(self.count, dtype=np.float64) * self.width_A

    def index(self, z_A: NDArray[np.float64]) -> NDArray[np.intp]:
        """Bin of each z, A, wrapped or not."""
        return np.floor(z_A / self.width_A + 0.5).astype(np.intp) % self.count

    def overlap(self, *windows: Window) -> NDArray[np.float64]:
        """(count,) length of each bin inside the windows, A; without windows the whole cell."""
        if not windows:
            return np.full(self.count, self.width_A, dtype=np.float64)
        low = (self.centres_A - self.width_A / 2)[:, None]
        total: NDArray[np.float64] = np.zeros(self.count)
        for start, end in windows:
            # The images of a bin that the window can reach.
            cells = np.arange(np.floor(start / self.length_A) - 1, end / self.length_A + 2)
            image = low + cells * self.length_A
            inside = np.minimum(end, image + self.width_A) - np.maximum(start, image)
            total += np.clip(inside, 0.0, None).sum(axis=1)
        return total


def core_windows(boundaries_A: Planes, core_width_A: float) -> tuple[Window, Window]:
    """Slabs of the nominal width centred on the two boundary planes."""
    first, second = boundaries_A
    half = core_width_A / 2
    return (first - half, first + half), (second - half, second + half)


def grains(boundaries_A: Planes, length_A: float) -> tuple[Window, Window]:
    """The two grains, each from one boundary plane to the next."""
    first, second = boundaries_A
    after = first + (second - first) % length_A
    return (first, after), (after, first + length_A)


def boundary_windows(boundaries_A: Planes, length_A: float) -> tuple[Window, Window]:
    """For each boundary the slab nearer to it than to the other, mid-grain to mid-grain."""
    (first, after), (_, end) = grains(boundaries_A, length_A)
    middle, end_middle = (first + after) / 2, (after + end) / 2
    return (end_middle - length_A, middle), (middle, end_middle)


def grain_centres(boundaries_A: Planes, length_A: float) -> tuple[Window, Window]:
    """The central third of each grain."""
    first, second = (
        (low + (high - low) / 3, high - (high - low) / 3)
        for low, high in grains(boundaries_A, length_A)
    )
    return first, second


def inside(z_A: NDArray[np.float64], window: Window, length_A: float) -> NDArray[np.bool_]:
    """Whether each z, A, wrapped or not, lies in a window of the periodic cell."""
    low, high = window
    return (z_A - low) % length_A < high - low


def nearest_boundary(
    z_A: NDArray[np.float64], boundaries_A: Planes, length_A: float
) -> NDArray[np.intp]:
    """0 or 1: the boundary that each z, A, is nearest to."""
    return np.where(inside(z_A, boundary_windows(boundaries_A, length_A)[0], length_A), 0, 1)
