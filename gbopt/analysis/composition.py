"""Composition along the boundary normal: density profiles and Li enrichment of the cores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.frames import Sampler
from gbopt.analysis.slabs import Bins, Planes, core_windows, inside
from gbopt.analysis.statistics import Mask, PerBoundary, jackknife, over_boundaries, propagate
from gbopt.model.bicrystal import ELEMENTS, LA, LI, ON_ZR_SITES
from gbopt.model.observables import Estimate
from gbopt.model.trajectory import TrajectoryInfo

BULK_LI_PER_CATION = 7 / 5
"""Li per (La+Zr) of Li7La3Zr2O12."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositionProfile:
    """Mean ion counts of S time segments."""

    profile: NDArray[np.float64]
    """(S, 8, B) ions of each of ELEMENTS in each bin."""
    core: NDArray[np.float64]
    """(S, 2, 8) ions of each of ELEMENTS in the core slab of each boundary."""
    bins: Bins
    area_A2: float
    core_width_A: float

    def density(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Number density of each of ELEMENTS and its standard error, (8, B) each, 1/A^3."""
        volume_A3 = self.area_A2 * self.bins.width_A
        outcome = jackknife(
            lambda mask: self.profile[mask].mean(axis=0) / volume_A3, len(self.profile)
        )
        return outcome.value, outcome.std_err

    def li_enrichment_ratio(self) -> PerBoundary:
        """Li per (La+Zr) in the core over 7/5, that of the crystal; Ta and Nb count as Zr.

        Raises:
            AnalysisError: a core without La and Zr.
        """

        def ratio(mask: Mask) -> NDArray[np.float64]:
            ions = self.core[mask].sum(axis=0)
            cations = ions[:, [LA, *ON_ZR_SITES]].sum(axis=1)
            enrichment: NDArray[np.float64] = ions[:, LI] / cations
            return enrichment / BULK_LI_PER_CATION

        return over_boundaries(
            ratio,
            len(self.core),
            unit="",
            method="Li per (La+Zr) in the core over 7/5; segments",
        )

    def li_enrichment_volumetric(self, bulk_li_per_A3: Estimate) -> PerBoundary:
        """Li per volume of the core over the Li density of bulk crystal, 1/A^3."""
        volume_A3 = self.area_A2 * self.core_width_A
        density = over_boundaries(
            lambda mask: self.core[mask, :, LI].mean(axis=0) / volume_A3,
            len(self.core),
            unit="A-3",
            method="Li per core volume over that of bulk crystal; segments",
        )
        mean, first, second = (
            _over(estimate, bulk_li_per_A3) for estimate in (density.mean, *density.each)
        )
        return PerBoundary(mean, (first, second))


class Composition:
    """Accumulates where the ions of each species are.

    Args:
        info: what the trajectory is.
        boundaries_A: z of the two boundary planes.
        core_width_A: thickness of the core slabs.
        segments: disjoint time segments behind the error bars.
        bin_A: bin width along z; the nearest that divides the length evenly is taken.
    """

    def __init__(
        self,
        info: TrajectoryInfo,
        *,
        boundaries_A: Planes,
        core_width_A: float,
        segments: int,
        bin_A: float,
    ) -> None:
        self._info = info
        self._sampler = Sampler(info.n_frames, segments)
        self._bins = Bins.fit(info.length_A, bin_A)
        self._core_width_A = core_width_A
        self._cores = core_windows(boundaries_A, core_width_A)
        self._species = info.species.astype(np.intp)
        self._profile = np.zeros((segments, len(ELEMENTS) * self._bins.count))
        self._core = np.zeros((segments, 2, len(ELEMENTS)))

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, free of drift."""
        when = self._sampler.next()
        if when is None:
            return
        segment = when[0]
        z = frame[:, 2]
        cell = self._species * self._bins.count + self._bins.index(z)
        self._profile[segment] += np.bincount(cell, minlength=self._profile.shape[1])
        for boundary, window in enumerate(self._cores):
            chosen = self._species[inside(z, window, self._info.length_A)]
            self._core[segment, boundary] += np.bincount(chosen, minlength=len(ELEMENTS))

    def result(self, segments: int | None = None) -> CompositionProfile:
        """Return the counts of the first segments, or of all announced.

        Raises:
            AnalysisError: fewer frames came than these need.
        """
        done = self._sampler.whole(segments)
        frames = self._sampler.per_segment
        shape = (done, len(ELEMENTS), self._bins.count)
        return CompositionProfile(
            profile=self._profile[:done].reshape(shape) / frames,
            core=self._core[:done] / frames,
            bins=self._bins,
            area_A2=self._info.area_A2,
            core_width_A=self._core_width_A,
        )


def _over(density: Estimate, bulk: Estimate) -> Estimate:
    ratio = density.value / bulk.value
    return propagate(
        ratio,
        [(1 / bulk.value, density), (-ratio / bulk.value, bulk)],
        unit="",
        method=density.method,
    )
