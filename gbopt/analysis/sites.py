"""Oxygen on the sites of the crystal: vacancies and interstitials of the grains."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gbopt.analysis.frames import Sampler
from gbopt.analysis.slabs import Planes, nearest_boundary
from gbopt.analysis.statistics import Mask, PerBoundary, over_boundaries
from gbopt.analysis.structure import rigid_shift
from gbopt.crystal.neighbours import with_images, wrap
from gbopt.model.bicrystal import LA, ZR, O
from gbopt.model.trajectory import TrajectoryInfo

# No place in the cell is farther than this from an O site: the sites of two grains fill it.
_REACH_A = 4.0


class SiteDefects(NamedTuple):
    """Defects of oxygen in the crystal on either side of each boundary, per crystal O site."""

    vacancies: PerBoundary
    """Share of the sites that hold no O."""
    interstitials: PerBoundary
    """O beyond one per site, per site."""


class OxygenSites:
    """Counts vacant and doubly occupied O sites of the grains (Wigner and Seitz's cells).

    Every O belongs to the crystal site nearest to its mean position over a segment, each grain's
    sites being moved by its rigid shift (``rigid_shift`` of the mean positions of its La and Zr
    outside the core). Sites within the core slabs take part, so that disordered O of a core are
    not assigned to the crystal beside it, but are not counted: they have lost their meaning.

    Mean positions, because a vibration that takes an ion over to its neighbour for a moment
    would count as a vacancy and an interstitial: at 1100 K an O moves by 0.17 A (root mean
    square along each axis) and neighbouring sites are 2.9 A apart. An O that migrates within a
    segment is counted where it was on average; migration of O is not seen in nanoseconds.

    A site whose ion was removed when the boundary was built is not among the sites, and its
    vacancy is not counted. Such sites lie in the cores.

    Args:
        info: what the trajectory is.
        sites: (n, 3) A, crystal site of each ion, scaled to the cell of ``info``.
        grain: (n,) grain 0 or 1 of each ion.
        core: (n,) True for ions in the core slabs.
        boundaries_A: z of the two boundary planes.
        segments: disjoint time segments.
    """

    def __init__(
        self,
        info: TrajectoryInfo,
        *,
        sites: NDArray[np.float64],
        grain: NDArray[np.int8],
        core: NDArray[np.bool_],
        boundaries_A: Planes,
        segments: int,
    ) -> None:
        self._sampler = Sampler(info.n_frames, segments)
        self._cell = info.cell
        self._sites = sites
        self._oxygen = np.flatnonzero(info.species == O)
        cation = (info.species == LA) | (info.species == ZR)
        self._cations = [np.flatnonzero(cation & ~core & (grain == which)) for which in (0, 1)]
        self._grain = grain[self._oxygen]
        near = nearest_boundary(sites[self._oxygen, 2], boundaries_A, info.length_A)
        crystal = ~core[self._oxygen]
        self._near = [crystal & (near == which) for which in (0, 1)]
        self._sum = np.zeros((len(info.species), 3))
        # (segment, boundary)
        self._vacant = np.zeros((segments, 2))
        self._extra = np.zeros((segments, 2))

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, unwrapped and free of drift."""
        when = self._sampler.next()
        if when is None:
            return
        segment, sample = when
        self._sum += frame
        if sample == self._sampler.per_segment - 1:
            occupants = self._occupants(self._sum / self._sampler.per_segment)
            for boundary, chosen in enumerate(self._near):
                self._vacant[segment, boundary] = np.count_nonzero(occupants[chosen] == 0)
                self._extra[segment, boundary] = np.clip(occupants[chosen] - 1, 0, None).sum()
            self._sum[:] = 0.0

    def _occupants(self, positions: NDArray[np.float64]) -> NDArray[np.intp]:
        """O on each O site, from mean positions of all ions, (n, 3) A."""
        shifts = np.array([self._shift(positions, chosen) for chosen in self._cations])
        sites = wrap(self._sites[self._oxygen] + shifts[self._grain], self._cell)
        cloud, source = with_images(sites, self._cell, _REACH_A)
        _, nearest = cKDTree(cloud).query(wrap(positions[self._oxygen], self._cell))
        return np.bincount(source[nearest], minlength=len(sites))

    def _shift(
        self, positions: NDArray[np.float64], chosen: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        moved = (positions[chosen] - self._sites[chosen]) @ np.linalg.inv(self._cell)
        return rigid_shift((moved - np.round(moved)) @ self._cell)

    def result(self, segments: int | None = None) -> SiteDefects:
        """Return the defects on either side of each boundary, to mid-grain.

        Args:
            segments: the first so many of them; None for all announced.

        Raises:
            AnalysisError: fewer frames came than these need, or no crystal beside a boundary.
        """
        done = self._sampler.whole(segments)
        sites = np.array([np.count_nonzero(chosen) for chosen in self._near], dtype=float)

        def share(counts: NDArray[np.float64], what: str) -> PerBoundary:
            def mean(mask: Mask) -> NDArray[np.float64]:
                ratio: NDArray[np.float64] = counts[:done][mask].mean(axis=0) / sites
                return ratio

            return over_boundaries(mean, done, unit="", method=f"{what}; segments")

        return SiteDefects(
            share(self._vacant, "crystal O sites nearest to no mean O position"),
            share(self._extra, "mean O positions beyond one per crystal O site"),
        )
