"""Structure of the boundaries: missing oxygen and measured width."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.frames import Sampler
from gbopt.analysis.slabs import (
    Planes,
    core_windows,
    grain_centres,
    inside,
    nearest_boundary,
)
from gbopt.analysis.statistics import Mask, PerBoundary, over_boundaries
from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.model.bicrystal import LA, ZR, O
from gbopt.model.trajectory import TrajectoryInfo


class Shell(NamedTuple):
    """The oxygen around a cation of crystalline LLZO."""

    cation: int
    """Index into SPECIES."""
    bonds: int
    """O within the cut-off of each cation."""
    cutoff_A: float


SHELLS = (
    # First Zr-O shell of c-LLZO at 2.11 A, second at 4.03 A.
    Shell(ZR, 6, 2.7),
    # First La-O shell at 2.51 and 2.60 A, second at 4.15 A: at 1100 K, the tail of the first
    # reaches to 3.5 A, where g(r) is least and 8.0 O have been counted.
    Shell(LA, 8, 3.5),
)
CATIONS_PER_CELL = 40
"""24 La and 16 Zr in the cubic cell of the crystal."""
DISPLACED_A = 1.0
"""A cation farther than this from its site is off it: five times its thermal amplitude."""
SAMPLES_PER_SEGMENT = 10


def rigid_shift(displacements_A: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shift of a grain, (3,) A, from the displacements of its cations, (n, 3) A; 0 of none.

    The median, which a few displaced ions do not pull along.
    """
    if len(displacements_A) == 0:
        return np.zeros(3)
    shift: NDArray[np.float64] = np.median(displacements_A, axis=0)
    return shift


class OxygenVacancies:
    """Counts the O missing around the Zr and La of the cores: descriptors of O vacancies.

    In crystalline LLZO every O belongs to exactly one ZrO6 octahedron, so the share of missing
    Zr-O bonds is the share of missing O; and every O to two LaO8, so that of La-O bonds is too.
    In a disordered core some O bind no Zr or two, and the share tells of under-coordination as
    well: it is not a concentration. Some ten frames of each segment are looked at.

    Args:
        info: what the trajectory is.
        boundaries_A: z of the two boundary planes.
        core_width_A: thickness of the core slabs.
        segments: disjoint time segments behind the error bars.
    """

    def __init__(
        self,
        info: TrajectoryInfo,
        *,
        boundaries_A: Planes,
        core_width_A: float,
        segments: int,
    ) -> None:
        stride = max(1, info.n_frames // segments // SAMPLES_PER_SEGMENT)
        self._sampler = Sampler(info.n_frames, segments, stride)
        self._info = info
        self._o = np.flatnonzero(info.species == O)
        self._cations = [np.flatnonzero(info.species == shell.cation) for shell in SHELLS]
        cores = core_windows(boundaries_A, core_width_A)
        self._regions = [[core] for core in cores]
        self._regions.append(list(grain_centres(boundaries_A, info.length_A)))
        # (segment, shell, region): the two cores, then the centres of the grains together.
        self._bonds = np.zeros((segments, len(SHELLS), 3))
        self._missing = np.zeros((segments, len(SHELLS), 3))

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, free of drift."""
        when = self._sampler.next()
        if when is None:
            return
        cell, segment = self._info.cell, when[0]
        oxygen = wrap(frame[self._o], cell)
        for index, shell in enumerate(SHELLS):
            cations = wrap(frame[self._cations[index]], cell)
            pairs = pairs_within(cations, cell, shell.cutoff_A, oxygen)
            found = np.bincount(pairs.i, minlength=len(cations))
            missing = np.clip(shell.bonds - found, 0, None)
            for region, windows in enumerate(self._regions):
                for window in windows:
                    chosen = inside(cations[:, 2], window, self._info.length_A)
                    bonds = shell.bonds * np.count_nonzero(chosen)
                    self._bonds[segment, index, region] += bonds
                    self._missing[segment, index, region] += missing[chosen].sum()

    def result(self, segments: int | None = None) -> PerBoundary:
        """Share of Zr-O bonds missing in each core, less that in the central third of the grains.

        Args:
            segments: the first so many of them; None for all announced.

        Raises:
            AnalysisError: fewer frames came than these need, or a slab without Zr.
        """
        return self._share(0, segments, "missing Zr-O bonds within 2.7 A")

    def lanthanum(self, segments: int | None = None) -> PerBoundary:
        """Share of La-O bonds missing in each core, less that in the central third of the grains.

        At 1100 K some 0.4 % of the bonds of the crystal are longer than the cut-off.

        Args:
            segments: the first so many of them; None for all announced.

        Raises:
            AnalysisError: fewer frames came than these need, or a slab without La.
        """
        return self._share(1, segments, "missing La-O bonds within 3.5 A")

    def _share(self, shell: int, segments: int | None, what: str) -> PerBoundary:
        done = self._sampler.whole(segments)
        bonds, missing = self._bonds[:done, shell], self._missing[:done, shell]

        def excess(mask: Mask) -> NDArray[np.float64]:
            share = missing[mask].sum(axis=0) / bonds[mask].sum(axis=0)
            beyond: NDArray[np.float64] = share[:2] - share[2]
            return beyond

        method = f"{what}, core less grain centres; segments"
        return over_boundaries(excess, done, unit="", method=method)


class Movement(NamedTuple):
    """How far things went during a run."""

    slide_A: float
    """In-plane shift of one grain against the other."""
    migration_A: float
    """Along the normal: the centre of the displaced cations, of the boundary that moved more."""


class BoundaryWidth:
    """Measures how much of the normal the displaced La and Zr of each boundary take up.

    A cation is displaced in a segment if its mean position there is farther than
    ``DISPLACED_A`` from its crystal site, each grain's own rigid shift (``rigid_shift`` of its
    La and Zr outside the core) being taken off first. The width is their number over the cation
    density of the crystal and the area: the integral along z of the displaced share.

    The error is that over time only. A frozen structure has none; boundaries differ by more.

    Args:
        info: what the trajectory is.
        sites: (n, 3) A, crystal site of each ion, scaled to the cell of ``info``.
        grain: (n,) grain 0 or 1 of each ion.
        core: (n,) True for ions in the core slabs.
        boundaries_A: z of the two boundary planes.
        segments: disjoint time segments.
        lattice_A: lattice parameter of the crystal, for its cation density.
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
        lattice_A: float,
    ) -> None:
        self._sampler = Sampler(info.n_frames, segments)
        self._info = info
        self._cations = np.flatnonzero((info.species == LA) | (info.species == ZR))
        self._sites = sites[self._cations]
        self._inverse = np.linalg.inv(info.cell)
        crystal = ~core[self._cations]
        self._grains = [(grain[self._cations] == which, crystal) for which in (0, 1)]
        self._near = nearest_boundary(self._sites[:, 2], boundaries_A, info.length_A)
        self._cations_per_A = CATIONS_PER_CELL / lattice_A**3 * info.area_A2
        self._depth = _from_nearest(self._sites[:, 2], boundaries_A, info.length_A)
        self._sum = np.zeros((len(self._cations), 3))
        self._displaced = np.zeros((segments, 2))
        self._centre = np.zeros((segments, 2))
        self._shift = np.zeros((segments, 2, 3))

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, unwrapped and free of drift."""
        when = self._sampler.next()
        if when is None:
            return
        segment, sample = when
        self._sum += frame[self._cations]
        if sample == self._sampler.per_segment - 1:
            self._take(segment, self._sum / self._sampler.per_segment)
            self._sum[:] = 0.0

    def _take(self, segment: int, positions: NDArray[np.float64]) -> None:
        """Count displaced cations from the mean positions of the cations in a segment."""
        fractional = (positions - self._sites) @ self._inverse
        displacement = (fractional - np.round(fractional)) @ self._info.cell
        for which, (member, crystal) in enumerate(self._grains):
            self._shift[segment, which] = rigid_shift(displacement[member & crystal])
            displacement[member] -= self._shift[segment, which]
        displaced = np.linalg.norm(displacement, axis=1) > DISPLACED_A
        near = self._near[displaced]
        count = np.bincount(near, minlength=2)
        self._displaced[segment] = count
        depth = np.bincount(near, self._depth[displaced], minlength=2)
        self._centre[segment] = depth / np.maximum(count, 1)

    def movement(self, segments: int | None = None) -> Movement:
        """How far grains and boundaries went from the first segment to the last.

        Args:
            segments: the first so many of them; None for all announced.

        Raises:
            AnalysisError: fewer frames came than these need.
        """
        last = self._sampler.whole(segments) - 1
        slide = np.diff(self._shift[[0, last]], axis=1)[:, 0, :2]
        there = (self._displaced[[0, last]] > 0).all(axis=0)
        gone = np.where(there, self._centre[last] - self._centre[0], 0.0)
        return Movement(float(np.linalg.norm(slide[1] - slide[0])), float(np.abs(gone).max()))

    def result(self, segments: int | None = None) -> PerBoundary:
        """Width of each boundary, A.

        Args:
            segments: the first so many of them; None for all announced.

        Raises:
            AnalysisError: fewer frames came than these need.
        """
        done = self._sampler.whole(segments)
        return over_boundaries(
            lambda mask: self._displaced[:done][mask].mean(axis=0) / self._cations_per_A,
            done,
            unit="A",
            method="La and Zr off their sites; segments",
        )


def _from_nearest(
    z_A: NDArray[np.float64], boundaries_A: Planes, length_A: float
) -> NDArray[np.float64]:
    """Signed distance of each z from the nearest boundary plane, A."""
    away = z_A[:, None] - np.array(boundaries_A)
    away -= length_A * np.round(away / length_A)
    nearest: NDArray[np.float64] = away[np.arange(len(z_A)), np.abs(away).argmin(axis=1)]
    return nearest
