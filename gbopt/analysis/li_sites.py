"""Sites of Li found from where Li was, in crystals and in glasses alike.

Density clustering: maxima of the smoothed Li density, those that no real dip separates taken as
one, each moved to the centre of the density around it (mean shift: K. Fukunaga and L. Hostetler,
IEEE Trans. Inf. Theory 21, 32 (1975)), and merged where they meet. A site that was never visited
is not found. Kinds: tetrahedra have 4 O around them, octahedra 6; in a crystal whose Li sites are
known (24d and 48g, the centre of a 96h pair, in Ia-3d) those decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gbopt.analysis.li_density import Density, li_density
from gbopt.analysis.li_paths import Paths
from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.errors import AnalysisError, ConfigError
from gbopt.model.bicrystal import O

TETRAHEDRAL, OCTAHEDRAL, OTHER = range(3)
KINDS = ("tetrahedral", "octahedral", "other")
"""Names of the kinds."""
_O_AROUND = {4: TETRAHEDRAL, 6: OCTAHEDRAL}
# Two maxima farther apart are two sites, whatever lies between: neighbours of c-LLZO are at 2 A.
_DIP_REACH_A = 2.6
_LINE_POINTS = 13
_SHIFTS = 40
_SHIFT_DONE_A = 0.005
_SHIFT_BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSettings:
    """Everything that the numbers of a site analysis depend on; kept with them."""

    voxel_A: float = 0.25
    """Edge of a voxel of the Li density."""
    smoothing_A: float = 0.25
    """Standard deviation of the Gaussian that the density is smoothed with."""
    least_density: float = 0.25
    """A maximum below this part of the mean Li density of the cell is no site."""
    dip: float = 0.9
    """Maxima within 2.6 A are one site if the density between them stays above this part of the
    lower one, or if what it dips by is within the standard deviation of counting. What noise
    then still tells apart, merging unites."""
    shift_A: float = 0.9
    """Radius of the sphere whose centre of density a site is moved to."""
    merge_A: float = 1.2
    """Sites that end up closer are one; the two halves of a 96h pair are 0.8 A apart."""
    core_A: float = 0.7
    """An ion enters a site when it comes this close, and stays there till it enters another."""
    coordination_A: float = 2.95
    """O within this distance are around a site: in c-LLZO they are at 1.9 to 2.4, then 3.5 A."""
    known_A: float = 1.0
    """A site this close to a known one of the crystal is of its kind."""
    hull_samples: int = 1000
    """Most positions that the volumes of a site are measured from."""
    segments: int = 5
    """Disjoint time segments behind the errors."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}", hint=f"give a {name} above zero"
                )
        if self.segments < 2:
            raise ConfigError("segments is 1, which gives no error", hint="give two or more")


class KnownSites(NamedTuple):
    """Li sites of a crystal, laid over the cell of a trajectory."""

    positions: NDArray[np.float64]
    """(n, 3) A."""
    kind: NDArray[np.int8]
    """(n,) index into KINDS."""


class LiSites(NamedTuple):
    """The sites found."""

    positions_A: NDArray[np.float64]
    """(n, 3) wrapped into the cell."""
    kind: NDArray[np.int8]
    """(n,) index into KINDS."""
    coordination: NDArray[np.intp]
    """(n,) O around each site, from mean O positions."""
    off_known_A: NDArray[np.float64]
    """(n,) distance from the nearest known site; nan where none is known or near."""
    density: Density


DEFAULTS = SiteSettings()


def find_sites(
    paths: Paths, settings: SiteSettings = DEFAULTS, known: KnownSites | None = None
) -> LiSites:
    """Find the sites that Li visited, and say what they are.

    Args:
        paths: the trajectory.
        settings: of the filter.
        known: Li sites of the crystal, where the cell holds one.

    Raises:
        AnalysisError: no site is found.
    """
    density = li_density(paths, voxel_A=settings.voxel_A, smoothing_A=settings.smoothing_A)
    peaks = _peaks(density, settings, len(paths.li))
    centres = wrap(_shifted(peaks, density, settings.shift_A) @ density.cell, density.cell)
    strength = density.at(centres @ np.linalg.inv(density.cell))
    positions = _merged(centres, strength, density.cell, settings.merge_A)
    if len(positions) == 0:
        raise AnalysisError(
            "no site of Li stands out of its density",
            hint="analyse a longer run, or lower the least density of a site",
        )
    oxygen = wrap(paths.framework[paths.framework_species == O], density.cell)
    around = coordination(positions, oxygen, density.cell, settings.coordination_A)
    kind = np.array([_O_AROUND.get(int(n), OTHER) for n in around], dtype=np.int8)
    off = np.full(len(positions), np.nan)
    if known is not None:
        kind, off = _by_known(positions, kind, known, density.cell, settings.known_A)
    return LiSites(positions, kind, around, off, density)


def coordination(
    positions: NDArray[np.float64],
    oxygen: NDArray[np.float64],
    cell: NDArray[np.float64],
    cutoff_A: float,
) -> NDArray[np.intp]:
    """Oxygen within a distance of each point; all wrapped into the cell, A."""
    if len(oxygen) == 0:
        return np.zeros(len(positions), dtype=np.intp)
    pairs = pairs_within(positions, cell, cutoff_A, oxygen)
    return np.bincount(pairs.i, minlength=len(positions))


def _peaks(density: Density, settings: SiteSettings, frames: int) -> NDArray[np.float64]:
    """Maxima of the smoothed density, (m, 3) in shares of the cell vectors."""
    smooth = density.smooth_A3
    highest = smooth == ndimage.maximum_filter(smooth, size=3, mode="wrap")
    index = np.argwhere(highest & (smooth > settings.least_density * smooth.mean()))
    fractional = (index + 0.5) / density.shape
    order = np.argsort(-smooth[tuple(index.T)], kind="stable")
    fractional = fractional[order]
    if len(fractional) < 2:
        return fractional
    pairs = pairs_within(fractional @ density.cell, density.cell, _DIP_REACH_A)
    vector = pairs.vector @ np.linalg.inv(density.cell)
    steps = np.linspace(0, 1, _LINE_POINTS)
    line = density.at(fractional[pairs.i, None] + steps[:, None] * vector[:, None])
    lower, saddle = np.minimum(line[:, 0], line[:, -1]), line.min(axis=1)
    # The Gaussian counts as many positions as fall into (4 pi s^2)^(3/2).
    counted = lower * (4 * np.pi * settings.smoothing_A**2) ** 1.5 * frames
    noise = lower / np.sqrt(counted)
    apart = (saddle < settings.dip * lower) & (lower - saddle > noise)
    absorbed = np.zeros(len(fractional), dtype=bool)
    absorbed[np.maximum(pairs.i, pairs.j)[~apart & (pairs.i != pairs.j)]] = True
    return fractional[~absorbed]


def _shifted(
    fractional: NDArray[np.float64], density: Density, radius_A: float
) -> NDArray[np.float64]:
    """Mean shift with a sphere of a radius, over the counts as they are."""
    cell, shape = density.cell, density.shape
    widths = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0) / shape
    spans = [np.arange(-reach, reach + 1) for reach in np.ceil(radius_A / widths).astype(int) + 1]
    stencil = np.stack(np.meshgrid(*spans, indexing="ij"), axis=-1).reshape(-1, 3)
    longest = np.linalg.norm(cell / shape[:, None], axis=1).sum()
    stencil = stencil[np.linalg.norm(stencil / shape @ cell, axis=1) < radius_A + longest]
    moved = fractional.copy()
    for first in range(0, len(moved), _SHIFT_BATCH):
        part = moved[first : first + _SHIFT_BATCH]
        for _ in range(_SHIFTS):
            voxel = np.floor(part * shape).astype(np.intp)[:, None] + stencil
            away = ((voxel + 0.5) / shape - part[:, None]) @ cell
            weight = density.counts[tuple(np.moveaxis(voxel % shape, -1, 0))].astype(np.float64)
            weight[np.einsum("ijk,ijk->ij", away, away) > radius_A**2] = 0.0
            total = np.maximum(weight.sum(axis=1), 1e-9)
            step = np.einsum("ij,ijk->ik", weight, away) / total[:, None]
            part += step @ np.linalg.inv(cell)
            if np.abs(step).max() < _SHIFT_DONE_A:
                break
    return moved


def _merged(
    positions: NDArray[np.float64],
    strength: NDArray[np.float64],
    cell: NDArray[np.float64],
    merge_A: float,
) -> NDArray[np.float64]:
    """Of sites closer than a distance the densest stays."""
    order = np.argsort(-strength, kind="stable")
    ranked = positions[order]
    kept = np.ones(len(ranked), dtype=bool)
    pairs = pairs_within(ranked, cell, merge_A)
    for better, worse in sorted(
        (min(i, j), max(i, j)) for i, j in zip(pairs.i.tolist(), pairs.j.tolist(), strict=True)
    ):
        if kept[better] and better != worse:
            kept[worse] = False
    return ranked[kept]


def _by_known(
    positions: NDArray[np.float64],
    kind: NDArray[np.int8],
    known: KnownSites,
    cell: NDArray[np.float64],
    reach_A: float,
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Kinds and distances by the nearest known site; kinds stay where none is near."""
    pairs = pairs_within(positions, cell, reach_A, wrap(known.positions, cell))
    # The nearest comes last, so that it is what stays.
    order = np.argsort(-pairs.distance, kind="stable")
    changed, off = kind.copy(), np.full(len(positions), np.nan)
    changed[pairs.i[order]] = known.kind[pairs.j[order]]
    off[pairs.i[order]] = pairs.distance[order]
    return changed, off
