"""Local Li motion: density and diffusivity of each bin from midpoint-binned displacements."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HOP_A = 2.0
"""Length of a Li hop in garnet LLZO, A (24d to 96h 1.6 A, 96h to 96h across 24d 2.4 A)."""
LEAST_HOPS = 50.0
"""With fewer hops the Poisson error is 14 % or more: a boundary core is then only bounded from
below in its resistance, and so is its cell; a bulk reference is none."""
MIN_GROUP_HOPS = 20.0
"""Bins with fewer hops than this are merged with a neighbour."""
MAX_GROUP_A = 2 * HOP_A
"""Merged bins are not thicker than this, so that a slow slab is not averaged with its grain."""


class LocalMotion(NamedTuple):
    """Per bin (B): what the through-plane resistance is made of."""

    density: NDArray[np.float64]
    """(B,) Li displacements by midpoint, per start and volume, 1/A^3."""
    diffusivity: NDArray[np.float64]
    """(B, 3) [M(2t) - M(t)]/2t along x, y, z, A^2/ps; negative where noise exceeds it."""
    floor: NDArray[np.float64]
    """(B,) D of one hop in the whole ion time, A^2/ps: no smaller one can be resolved."""
    ion_time: NDArray[np.float64]
    """(B,) ions times observed time, ps, of the group that the bin belongs to."""

    @property
    def bounded(self) -> NDArray[np.float64]:
        """(B, 3) the diffusivity, not below the floor."""
        return np.maximum(self.diffusivity, self.floor[:, None])


def local_motion(
    sum_sq: NDArray[np.float64],
    counts: NDArray[np.float64],
    starts: NDArray[np.float64],
    groups: NDArray[np.intp],
    *,
    lag_ps: float,
    observed_ps: float,
    bin_volume_A3: float,
) -> LocalMotion:
    """Density and diffusivity of each bin, from the sums of the group of bins it belongs to.

    Args:
        sum_sq: (2, B, 3) squared displacements in lags t and 2t, A^2.
        counts: (2, B) displacements.
        starts: (2,) time origins.
        groups: (B,) label of the group of each bin.
        lag_ps: the lag t.
        observed_ps: time over which the sums were taken.
        bin_volume_A3: volume of one bin.
    """
    together = (groups[:, None] == groups).astype(float)
    grouped = together @ counts.T
    msd = (together @ sum_sq) / np.maximum(grouped.T, 1.0)[:, :, None]
    ions = (grouped / starts).mean(axis=1)
    # Without a single displacement the ion time is taken as that of one start.
    ion_time = observed_ps * np.maximum(ions, 1.0 / starts.sum())
    return LocalMotion(
        density=ion_time / (observed_ps * bin_volume_A3 * together.sum(axis=1)),
        diffusivity=(msd[1] - msd[0]) / (2 * lag_ps),
        floor=HOP_A**2 / (2 * ion_time),
        ion_time=ion_time,
    )


def merge_bins(hops: NDArray[np.float64], most_bins: int) -> NDArray[np.intp]:
    """Merge bins with few hops with the slower of their neighbours.

    The reciprocal of a noisy D is noisier still, and a bin without a hop has none. For walkers
    with a layer 40 times slower that make eight hops a bin, merging to 20 hops cuts the scatter
    of the resistance from 26 to 8 %; where hops are many it changes nothing.

    Args:
        hops: (B,) hops of each bin as its D_z tells them; bins are periodic.
        most_bins: bins in the largest group allowed.

    Returns:
        (B,) label of the group of each bin.
    """
    groups = [[index] for index in range(len(hops))]
    while (pair := _next_merge(groups, hops, most_bins)) is not None:
        weak, neighbour = pair
        groups[weak] += groups[neighbour]
        del groups[neighbour]
    labels = np.empty(len(hops), dtype=np.intp)
    for label, members in enumerate(groups):
        labels[members] = label
    return labels


def _next_merge(
    groups: list[list[int]], hops: NDArray[np.float64], most_bins: int
) -> tuple[int, int] | None:
    """Weakest group that needs and can find a neighbour, and that neighbour."""
    totals = [float(hops[members].sum()) for members in groups]
    for weak in np.argsort(totals).tolist():
        if totals[weak] >= MIN_GROUP_HOPS:
            return None
        sides = [
            side
            for side in ((weak - 1) % len(groups), (weak + 1) % len(groups))
            if side != weak and len(groups[side]) + len(groups[weak]) <= most_bins
        ]
        if sides:
            return weak, min(sides, key=totals.__getitem__)
    return None
