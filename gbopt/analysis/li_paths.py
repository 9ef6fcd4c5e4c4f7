"""LiPaths: where every Li was in every frame, and where the framework was on average."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import LA, LI, ON_ZR_SITES
from gbopt.model.trajectory import TrajectoryInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """What a site analysis looks at; T frames of N Li ions, M ions of the framework."""

    info: TrajectoryInfo
    li: NDArray[np.float32]
    """(T, N, 3) A, unwrapped and free of drift."""
    framework: NDArray[np.float64]
    """(M, 3) A, mean positions of all ions but Li."""
    framework_species: NDArray[np.int8]
    """(M,) index into ELEMENTS."""

    @property
    def formula_units(self) -> float:
        """Formula units Li7La3Zr2O12 by their five cations on La and Zr sites."""
        cations = np.isin(self.framework_species, (LA, *ON_ZR_SITES))
        return float(np.count_nonzero(cations)) / 5


class LiPaths:
    """Keeps the Li positions of every frame, and sums up those of the framework.

    Held in memory are 12 bytes for each Li ion and frame: positions in single precision, which
    rounds them by 1e-5 A in a cell of 100 A.

    Args:
        info: what the trajectory is.

    Raises:
        AnalysisError: no Li.
    """

    def __init__(self, info: TrajectoryInfo) -> None:
        self._is_li = info.species == LI
        if not self._is_li.any():
            raise AnalysisError("the trajectory holds no Li", hint="analyse an LLZO trajectory")
        self._info = info
        self._li = np.zeros((info.n_frames, int(self._is_li.sum()), 3), dtype=np.float32)
        self._sum = np.zeros((int((~self._is_li).sum()), 3))
        self._seen = 0

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, unwrapped and free of drift; surplus frames are left."""
        if self._seen < len(self._li):
            self._li[self._seen] = frame[self._is_li]
            self._sum += frame[~self._is_li]
            self._seen += 1

    def result(self) -> Paths:
        """Return what came so far; a run that was ended early has fewer frames than announced.

        Raises:
            AnalysisError: fewer than two frames, or positions that are not finite numbers.
        """
        if self._seen < 2:
            raise AnalysisError(
                f"{self._seen} frame{'' if self._seen == 1 else 's'} came, but jumps need two",
                hint="analyse a longer trajectory",
            )
        li, framework = self._li[: self._seen], self._sum / self._seen
        # A sum is not finite if any of its terms is not.
        if not (np.isfinite(li.sum(dtype=np.float64)) and np.isfinite(framework).all()):
            raise AnalysisError(
                "the trajectory holds numbers that are not finite", hint="check the run it is from"
            )
        return Paths(
            info=self._info,
            li=li,
            framework=framework,
            framework_species=self._info.species[~self._is_li],
        )
