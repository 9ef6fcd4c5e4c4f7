"""Whether the framework is a crystal, a glass at rest or a melt: where La and Zr are and go."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gbopt.analysis.frames import Sampler
from gbopt.analysis.structure import DISPLACED_A, rigid_shift
from gbopt.crystal.neighbours import with_images, wrap
from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import LA, ZR
from gbopt.model.trajectory import TrajectoryInfo

NEAREST_CATIONS = 5**0.5 / 8
"""Distance of La and Zr in cubic LLZO, in units of a (3.63 A)."""
CENTRED = 0.02
"""A Zr whose centrosymmetry is below this is in a crystal: 0.002 where mean positions scatter by
0.1 A about the sites; of the Zr of a glass or of random packings none are below 0.03."""
_NEIGHBOURS = 8
# Of the edge of the cube that one Zr has to itself; eight neighbours are at 1.09 in the crystal.
_REACH = 2.4


class FrameworkMotion(NamedTuple):
    """What the cations did."""

    ordered_share: float
    """Zr with a centrosymmetric shell of Zr at the end: 1 in the crystal, however it is turned and
    whichever ions are where, 0 in a glass."""
    displaced_share: float
    """La and Zr whose mean position at the end is farther than 1 A from where they were built."""
    rms_La_A: float
    """Root mean square displacement from the first segment to the last: of mean positions, so
    that the vibration of ions that keep their places is not in it."""
    rms_Zr_A: float
    """The same of Zr."""

    @property
    def crystalline(self) -> bool:
        """Whether most of it is a crystal."""
        return self.ordered_share > 0.5

    def molten(self, lattice_A: float) -> bool:
        """Whether La and Zr have both gone farther than to the next cation site.

        Args:
            lattice_A: lattice parameter of the crystal at the volume of the run.
        """
        return min(self.rms_La_A, self.rms_Zr_A) > NEAREST_CATIONS * lattice_A


class Framework:
    """Follows La and Zr; frames are added one by one.

    Args:
        info: what the trajectory is.
        sites: (n, 3) A, where each ion was built.
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
        centred = centrosymmetry(last[self._kinds == ZR], self._cell) < CENTRED
        return FrameworkMotion(
            ordered_share=float(centred.mean()),
            displaced_share=float((np.linalg.norm(off, axis=1) > DISPLACED_A).mean()),
            rms_La_A=rms[LA],
            rms_Zr_A=rms[ZR],
        )


def centrosymmetry(
    positions: NDArray[np.float64], cell: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Centrosymmetry of each ion within its eight nearest neighbours of the same kind.

    Sum of |r_i + r_j|^2 over the four pairs of neighbours in which it is least, over twice the sum
    of |r_i|^2 over all eight (Kelchner, Plimpton and Hamilton, Phys. Rev. B 58, 11085 (1998),
    equation 1, normalised): 0 where every neighbour has one opposite it, as in bcc, whatever the
    orientation.

    Args:
        positions: (n, 3) A, ions of one kind; for a crystal at temperature their mean positions.
        cell: (3, 3) A.

    Returns:
        (n,); 1 where there are too few neighbours.
    """
    wrapped = wrap(positions, cell)
    reach = _REACH * (abs(float(np.linalg.det(cell))) / len(positions)) ** (1 / 3)
    cloud, _ = with_images(wrapped, cell, reach)
    distance, index = cKDTree(cloud).query(wrapped, _NEIGHBOURS + 1)
    found = np.ones(len(positions))
    pairs = np.triu_indices(_NEIGHBOURS, 1)
    for ion in np.flatnonzero(np.isfinite(distance).all(axis=1)):
        vectors = cloud[index[ion, 1:]] - wrapped[ion]
        opposite = ((vectors[:, None] + vectors[None]) ** 2).sum(axis=2)[pairs]
        least = np.sort(opposite)[: _NEIGHBOURS // 2]
        found[ion] = least.sum() / (2 * (vectors**2).sum())
    return found
