"""Formal-charge density along the boundary normal, smoothed over the lattice planes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.frames import Sampler
from gbopt.analysis.slabs import Bins
from gbopt.analysis.statistics import jackknife
from gbopt.model.bicrystal import ELEMENT_CHARGES
from gbopt.model.trajectory import TrajectoryInfo

SMOOTHING_A = 1.5
"""Standard deviation of the Gaussian. Lattice planes of boundaries tilted by 5-30 deg repeat
within 2.6 A: it leaves a thousandth of their oscillation, and makes of a charged layer a peak of
3.5 A full width at half maximum."""
BIN_A = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeDensityProfile:
    """Mean charge along z in S time segments."""

    charge_e: NDArray[np.float64]
    """(S, B) formal charge in each bin, e."""
    bins: Bins
    area_A2: float

    def density(
        self, smoothing_A: float = SMOOTHING_A
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Charge density at the bin centres and its standard error, (B,) each, e/A^3.

        At 1100 K lattice planes carry some 0.04 e/A^3 of either sign, boundaries a thousandth.

        Args:
            smoothing_A: standard deviation of the Gaussian it is convolved with, A.
        """
        k = 2 * np.pi * np.fft.rfftfreq(self.bins.count, self.bins.width_A)
        kernel = np.exp(-0.5 * (k * smoothing_A) ** 2)
        density = self.charge_e / (self.area_A2 * self.bins.width_A)
        smooth = np.fft.irfft(np.fft.rfft(density, axis=1) * kernel, self.bins.count, axis=1)
        outcome = jackknife(lambda mask: smooth[mask].mean(axis=0), len(smooth))
        return outcome.value, outcome.std_err


class ChargeDensity:
    """Accumulates the formal charge along z.

    Formal charges, in which a structure is neutral, whatever the charges of the potential.

    Args:
        info: what the trajectory is.
        segments: disjoint time segments behind the error bars.
    """

    def __init__(self, info: TrajectoryInfo, *, segments: int) -> None:
        self._area_A2 = info.area_A2
        self._sampler = Sampler(info.n_frames, segments)
        # Much finer than the smoothing: bins as wide as a lattice plane is would turn its
        # oscillation into a slow one that no smoothing removes.
        self._bins = Bins.fit(info.length_A, BIN_A)
        self._charges = np.array(ELEMENT_CHARGES, dtype=float)[info.species]
        self._charge = np.zeros((segments, self._bins.count))

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, free of drift."""
        when = self._sampler.next()
        if when is None:
            return
        index = self._bins.index(frame[:, 2])
        self._charge[when[0]] += np.bincount(index, self._charges, self._bins.count)

    def result(self, segments: int | None = None) -> ChargeDensityProfile:
        """Return the charge in each bin in the first segments, or in all announced.

        Raises:
            AnalysisError: fewer frames came than these need.
        """
        done = self._sampler.whole(segments)
        return ChargeDensityProfile(
            charge_e=self._charge[:done] / self._sampler.per_segment,
            bins=self._bins,
            area_A2=self._area_A2,
        )
