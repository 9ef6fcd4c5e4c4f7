"""Whether a film between two grains is glass: molten, without crystal order, without a gap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gbopt.analysis.frames import Sampler
from gbopt.analysis.slabs import Planes, inside, nearest_boundary
from gbopt.analysis.structure import SAMPLES_PER_SEGMENT
from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.model.bicrystal import LA, ON_ZR_SITES
from gbopt.model.evaluation import QualityFlag
from gbopt.model.trajectory import TrajectoryInfo

# Zr-Zr neighbours in units of a: the crystal has 8 at 0.433 and 6 at 0.500, then 12 at 0.707. A
# vector within 0.08 of one of them is that of the crystal; of vectors at random 7 % are.
_REACH_a, _MATCH_a = 0.6, 0.08
# Thickness of the layers that a gap is looked for with, A.
_LAYER_A = 3.0
MIN_MOVED_A = 3.6
"""The distance from La to the nearest Zr: ions that went farther have changed their neighbours."""
MAX_ORDER = 0.5
"""Share of the order of the grains that a glass may have."""
MIN_DENSITY = 0.6
"""Share of the mean density that the thinnest layer of a film without a gap has at least."""


class FilmState(NamedTuple):
    """What was found, of both films together."""

    moved_A: float
    """Root mean square displacement of the La and Zr of the films from where they were built, less
    that of each film as a whole; at least, since images of ions are not told apart."""
    order: float
    """Share of the films' Zr-Zr neighbour vectors that either grain's lattice has."""
    grain_order: float
    """The same of the grains, each against its own lattice."""
    thinnest: float
    """Density of ions in the thinnest layer of 3 A, over that of the cell."""


class FilmGlass:
    """Feed every production frame to ``add``, then ask for ``result``.

    Mean positions over production are looked at: they are free of vibration, and blur whatever
    is still liquid.

    Args:
        info: what the trajectory is.
        start: (n, 3) A, the ions as they were built, scaled to the cell of ``info``.
        sites: (n, 3) A, crystal site of each ion, scaled likewise.
        grain: (n,) grain 0 or 1 of each ion.
        core: (n,) True for the ions of the films.
        boundaries_A: z of the middles of the films.
        width_A: thickness of the films.
        lattice_A: lattice parameter of the crystal.
        segments: disjoint time segments.
    """

    def __init__(
        self,
        info: TrajectoryInfo,
        *,
        start: NDArray[np.float64],
        sites: NDArray[np.float64],
        grain: NDArray[np.int8],
        core: NDArray[np.bool_],
        boundaries_A: Planes,
        width_A: float,
        lattice_A: float,
        segments: int,
    ) -> None:
        stride = max(1, info.n_frames // segments // SAMPLES_PER_SEGMENT)
        self._sampler = Sampler(info.n_frames, segments, stride)
        self._info, self._boundaries = info, boundaries_A
        self._start, self._sites, self._grain, self._core = start, sites, grain, core
        self._width_A, self._lattice_A = width_A, lattice_A
        self._sum = np.zeros_like(start)
        self._layers = np.zeros(max(1, round(info.length_A / _LAYER_A)))
        self._samples = 0

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, unwrapped and free of drift."""
        if self._sampler.next() is None:
            return
        self._sum += frame
        self._samples += 1
        count, length_A = len(self._layers), self._info.length_A
        layer = (frame[:, 2] % length_A / length_A * count).astype(np.intp) % count
        self._layers += np.bincount(layer, minlength=count)

    def result(self, segments: int | None = None) -> FilmState:
        """State of the films.

        Args:
            segments: the first so many of them; None for all announced.

        Raises:
            AnalysisError: fewer frames came than these need.
        """
        self._sampler.whole(segments)
        mean = self._sum / self._samples
        order, grain_order = self._order(mean)
        return FilmState(self._moved_A(mean), order, grain_order, self._thinnest())

    def _moved_A(self, mean: NDArray[np.float64]) -> float:
        chosen = self._core & np.isin(self._info.species, (LA, *ON_ZR_SITES))
        fractional = (mean - self._start)[chosen] @ np.linalg.inv(self._info.cell)
        moved = (fractional - np.round(fractional)) @ self._info.cell
        film = nearest_boundary(self._start[chosen][:, 2], self._boundaries, self._info.length_A)
        for which in (0, 1):
            moved[film == which] -= np.median(moved[film == which], axis=0)
        return float(np.sqrt((moved**2).sum(axis=1).mean()))

    def _order(self, mean: NDArray[np.float64]) -> tuple[float, float]:
        """Crystal order of the films and of the grains."""
        cell, reach_A = self._info.cell, _REACH_a * self._lattice_A
        zirconium = np.isin(self._info.species, ON_ZR_SITES)
        film = np.flatnonzero(zirconium & self._core)
        lattices, ordered = [], []
        for which in (0, 1):
            own = zirconium & (self._grain == which)
            ideal = pairs_within(wrap(self._sites[own], cell), cell, reach_A).vector
            lattices.append(np.concatenate([ideal, -ideal]))
            crystal = pairs_within(wrap(mean[own & ~self._core], cell), cell, reach_A).vector
            ordered.append(self._matching(crystal, lattices[which]))
        disordered = pairs_within(wrap(mean[film], cell), cell, reach_A).vector
        share = self._matching(disordered, np.concatenate(lattices))
        return _mean(share), _mean(np.concatenate(ordered))

    def _matching(
        self, vectors: NDArray[np.float64], lattice: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Which vectors a lattice has, (m,); of 0.433 a there are no two kinds to confuse."""
        if len(vectors) == 0 or len(lattice) == 0:
            return np.zeros(0, dtype=bool)
        gap, _ = cKDTree(lattice).query(vectors)
        return np.asarray(gap < _MATCH_a * self._lattice_A)

    def _thinnest(self) -> float:
        """Least density of a layer whose middle lies in a film, over the mean of the cell."""
        count, length_A = len(self._layers), self._info.length_A
        middles = (np.arange(count) + 0.5) * length_A / count
        half = self._width_A / 2
        film = np.any(
            [inside(middles, (z - half, z + half), length_A) for z in self._boundaries], axis=0
        )
        return float(self._layers[film].min() / self._layers.mean())


def _mean(share: NDArray[np.bool_]) -> float:
    return float(share.mean()) if len(share) else 0.0


def film_flags(film: FilmState) -> tuple[QualityFlag, ...]:
    """Whether a film is what it is called: molten, glass, whole."""
    moved, order = f"{film.moved_A:.2f} A", f"{film.order:.0%}"
    remedy = "raise the temperature or the time of the melt"
    return (
        _flag(
            "film_melted",
            film.moved_A >= MIN_MOVED_A,
            film.moved_A,
            MIN_MOVED_A,
            f"La and Zr of the film moved by {moved} (rms) from where they were built",
            f": less than to a neighbour, so it was not molten; {remedy}",
        ),
        _flag(
            "film_disordered",
            film.order <= MAX_ORDER * film.grain_order,
            film.order,
            MAX_ORDER * film.grain_order,
            f"{order} of the Zr-Zr vectors of the film are the crystal's, {film.grain_order:.0%} "
            "of the grains'",
            f": it is no glass; {remedy}, or quench faster",
        ),
        _flag(
            "film_whole",
            film.thinnest >= MIN_DENSITY,
            film.thinnest,
            MIN_DENSITY,
            f"the thinnest layer of the film has {film.thinnest:.2f} of the mean density",
            ": there is a gap in it; lengthen md.npt_ps, or lower gap_A",
        ),
    )


def _flag(
    name: str, good: bool, measured: float, limit: float, found: str, failed: str
) -> QualityFlag:
    return QualityFlag(
        name=name,
        level="ok" if good else "fail",
        measured=measured,
        limit=limit,
        message=found + ("" if good else failed) + ".",
    )
