"""Li sites of cubic LLZO laid over the framework of a trajectory, and its site network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.frames import drift_corrected
from gbopt.analysis.li_paths import LiPaths, Paths
from gbopt.analysis.li_sites import OCTAHEDRAL, TETRAHEDRAL, KnownSites, SiteSettings
from gbopt.analysis.site_network import SiteNetwork, site_network
from gbopt.crystal.llzo import CUBIC_A, cubic_sites
from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.model.bicrystal import LA, ON_ZR_SITES, ZR
from gbopt.model.trajectory import Trajectory

# Cells of LLZO stretch by several per cent; the framework of a crystal follows within this.
_STRETCH = 0.15
_FIT_A = 0.6
_CATIONS = 40


def li_site_network(trajectory: Trajectory, settings: SiteSettings) -> SiteNetwork:
    """Follow a trajectory to its end, and return the site network of its Li.

    Args:
        trajectory: its frames are consumed.
        settings: of the filter.

    Raises:
        AnalysisError: what the trajectory does not allow.
    """
    collected = LiPaths(trajectory.info)
    for frame in drift_corrected(trajectory):
        collected.add(frame)
    paths = collected.result()
    return site_network(paths, settings, cubic_li_sites(paths))


def cubic_li_sites(paths: Paths) -> KnownSites | None:
    """Return 24d and the 48g centres of the 96h pairs if the cell holds whole cubic cells.

    The crystal has to stand with its axes along the cell vectors, which may be strained; where
    its origin lies is found from the mean La and Zr (24c and 16a of Ia-3d).

    Returns:
        None where the framework is not that of the crystal: another orientation, a boundary, a
        glass.
    """
    cell = paths.info.cell
    repeat = np.rint(np.linalg.norm(cell, axis=1) / CUBIC_A).astype(int)
    stretched = np.linalg.norm(cell, axis=1) / (np.maximum(repeat, 1) * CUBIC_A)
    zr = np.isin(paths.framework_species, ON_ZR_SITES)
    la = paths.framework_species == LA
    mean = wrap(np.concatenate([paths.framework[zr], paths.framework[la]]), cell)
    if (np.abs(stretched - 1) > _STRETCH).any() or len(mean) != _CATIONS * repeat.prod():
        return None
    sites = cubic_sites()
    cations = [_tiled(sites.framework[sites.species == kind], repeat) for kind in (ZR, LA)]
    origin = _origin(mean, int(zr.sum()), cations, cell)
    if origin is None:
        return None
    tetrahedral = _tiled(sites.tetrahedral, repeat)
    octahedral = _tiled(sites.octahedral.mean(axis=1), repeat)
    every = np.concatenate([tetrahedral, octahedral]) @ cell + origin
    kind = np.repeat([TETRAHEDRAL, OCTAHEDRAL], [len(tetrahedral), len(octahedral)])
    return KnownSites(wrap(every, cell), kind.astype(np.int8))


def _tiled(fractional: NDArray[np.float64], repeat: NDArray[np.intp]) -> NDArray[np.float64]:
    """Sites of one cell in each of the cells, in shares of the whole."""
    grid = np.stack(np.meshgrid(*map(np.arange, repeat), indexing="ij"), axis=-1).reshape(-1, 3)
    every: NDArray[np.float64] = (fractional[:, None] + grid).reshape(-1, 3) / repeat
    return every


def _origin(
    mean: NDArray[np.float64],
    n_zr: int,
    cations: list[NDArray[np.float64]],
    cell: NDArray[np.float64],
) -> NDArray[np.float64] | None:
    """Where the crystal's origin lies, (3,) A; None where nothing fits.

    Zr sites are alike but for the way their surroundings are turned, eight ways in all: each Zr
    of one cell is tried on the first site.
    """
    zr, la = (sites @ cell for sites in cations)
    for candidate in mean[: min(n_zr, len(zr))]:
        shift = candidate - zr[0]
        off = np.concatenate(
            [
                _off(mean[:n_zr], zr + shift, cell),
                _off(mean[n_zr:], la + shift, cell),
            ]
        )
        if len(off) == len(mean) and np.linalg.norm(off, axis=1).max() < 2 * _FIT_A:
            refined: NDArray[np.float64] = shift + off.mean(axis=0)
            return refined
    return None


def _off(
    mean: NDArray[np.float64], sites: NDArray[np.float64], cell: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Vectors from the nearest site to each mean position that has one."""
    pairs = pairs_within(mean, cell, 2 * _FIT_A, wrap(sites, cell))
    return -pairs.vector
