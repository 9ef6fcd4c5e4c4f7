"""Whether the framework is a crystal, a glass at rest or a melt: where La and Zr are and go."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.frames import Sampler
from gbopt.analysis.structure import DISPLACED_A, rigid_shift
from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import LA, ZR
from gbopt.model.trajectory import TrajectoryInfo

AMORPHOUS_SHARE = 0.1
"""A crystal with more of its La and Zr off their sites has lost its order."""
NEAREST_CATIONS = 5**0.5 / 8
"""Distance of La and Zr in cubic LLZO, in units of a (3.63 A)."""


class FrameworkMotion(NamedTuple):
    """What the cations did."""

    displaced_share: float
    """La and Zr whose mean position in the last segment is farther than 1 A from their site."""
    rms_La_A: float
    """Root mean square displacement from the first segment to the last: mean positions of ions
    that keep their places, so that vibration is not in it."""
    rms_Zr_A: float
    """The same of Zr."""

    @property
    def amorphous(self) -> bool:
        """Whether a crystal is none any more."""
        return self.displaced_share > AMORPHOUS_SHARE

    def molten(self, lattice_A: float) -> bool:
        """Whether La and Zr have both gone farther than to the next cation site.

        Args:
            lattice_A: lattice parameter of the crystal at the volume of the melt.
        """
        return min(self.rms_La_A, self.rms_Zr_A) > NEAREST_CATIONS * lattice_A


class Framework:
    """Follows La and Zr; frames are added one by one.

    Args:
        info: what the trajectory is.
        sites: (n, 3) A, the site each ion was built on.
        segments: time segments that mean positions are taken over.

    Raises:
        AnalysisError: no La or no Zr.
    """

    def __init__(
        self, info: TrajectoryInfo, sites: NDArray[np.float64], *, segments: int = 10
    ) -> None:
        self._ions = np.flatnonzero((info.species == LA) | (info.species == ZR))
        kinds = info.species[self._ions]
        if not (kinds == LA).any() or not (kinds == ZR).any():
            raise AnalysisError(
                "the trajectory holds no La or no Zr", hint="analyse a trajectory of LLZO"
            )
        self._kinds = kinds
        self._sites = sites[self._ions]
        self._cell = info.cell
        self._sampler = Sampler(info.n_frames, segments)
        self._last = segments - 1
        self._sums = np.zeros((2, len(self._ions), 3))

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, unwrapped and free of drift."""
        when = self._sampler.next()
        if when is None:
            return
        if when[0] == 0:
            self._sums[0] += frame[self._ions]
        elif when[0] == self._last:
            self._sums[1] += frame[self._ions]

    def result(self) -> FrameworkMotion:
        """What was found.

        Raises:
            AnalysisError: fewer frames came than were announced.
        """
        self._sampler.whole()
        first, last = self._sums / self._sampler.per_segment
        fractional = (last - self._sites) @ np.linalg.inv(self._cell)
        off = (fractional - np.round(fractional)) @ self._cell
        off -= rigid_shift(off)
        gone = last - first
        rms = {
            kind: float(np.sqrt((gone[self._kinds == kind] ** 2).sum(axis=1).mean()))
            for kind in (LA, ZR)
        }
        displaced = float((np.linalg.norm(off, axis=1) > DISPLACED_A).mean())
        return FrameworkMotion(displaced, rms[LA], rms[ZR])
