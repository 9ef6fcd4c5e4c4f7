"""Volumes of the sites: what Li visited of each, and what the framework leaves of it.

Accessible volume: the convex hull of the positions of Li on a site. It does not converge: of one
and the same Gaussian cloud more positions have a larger hull. Positions per site are therefore
capped, their number is told, and the covariance volume (4 pi/3) sqrt(det 5 C), that of the
uniformly filled ellipsoid of the same covariance C, stands beside it and does converge.

Free volume: what spheres of Shannon's radii around the mean positions of all ions but Li leave
of the cell, each place given to the nearest site. It is static: no ion moves or vibrates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError, cKDTree

from gbopt.analysis.li_paths import Paths
from gbopt.crystal.neighbours import with_images, wrap
from gbopt.model.bicrystal import AL, GA, LA, NB, TA, ZR, O

RADII_A = {LA: 1.16, ZR: 0.72, O: 1.38, AL: 0.39, GA: 0.47, TA: 0.64, NB: 0.64}
"""Effective ionic radii: La 3+ with 8 O, Zr 4+, Ta 5+, Nb 5+ with 6, Al 3+, Ga 3+ with 4, O 2-
with 4 cations. R. D. Shannon, Acta Cryst. A32, 751 (1976)."""
FREE_VOXEL_A = 0.25
_QUERY_BATCH = 500_000
# Hardly a place in LLZO is farther from a site; where one is, images are sought farther out.
_REACH_A = 4.0


class VisitedVolumes(NamedTuple):
    """Volumes of what was visited of each site."""

    samples: NDArray[np.intp]
    """(n,) positions they are measured from."""
    hull_A3: NDArray[np.float64]
    """(n,) convex hull; nan with fewer than four positions, or all in one plane."""
    covariance_A3: NDArray[np.float64]
    """(n,) covariance volume; nan with fewer than four positions."""


class FreeVolumes(NamedTuple):
    """Free volume of the static framework."""

    site_A3: NDArray[np.float64]
    """(n,) of the places nearest to each site."""
    std_err_A3: NDArray[np.float64]
    """(n,) of counting voxels, an upper estimate."""
    fraction: float
    """Of the whole cell."""


def visited_volumes(
    paths: Paths, held: NDArray[np.int32], sites: NDArray[np.float64], *, samples: int
) -> VisitedVolumes:
    """Measure the clouds of Li positions on the sites.

    Positions are spread evenly over the time the site was held. Those that are nearer to another
    site, of ions crossing over, are left out.

    Args:
        paths: the trajectory.
        held: (T, N) site held by each Li in each frame; -1 for none.
        sites: (n, 3) A, wrapped into the cell.
        samples: most positions taken of each site.
    """
    site, away = _clouds(paths, held, sites, samples)
    bounds = np.searchsorted(site, np.arange(len(sites) + 1))
    hull, covariance = np.full(len(sites), np.nan), np.full(len(sites), np.nan)
    for number in range(len(sites)):
        cloud = away[bounds[number] : bounds[number + 1]]
        if len(cloud) >= 4:
            hull[number] = hull_volume_A3(cloud)
            covariance[number] = covariance_volume_A3(cloud)
    return VisitedVolumes(np.diff(bounds), hull, covariance)


def _clouds(
    paths: Paths, held: NDArray[np.int32], sites: NDArray[np.float64], samples: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Sites in order, and positions from their centres, A, (m,) and (m, 3)."""
    cell, inverse = paths.info.cell, np.linalg.inv(paths.info.cell)
    flat = held.ravel()
    held_for = np.bincount(flat + 1, minlength=len(sites) + 1)[1:]
    stride = np.maximum(1, -(-held_for // samples))
    order = np.argsort(flat, kind="stable").astype(np.int64)[len(flat) - held_for.sum() :]
    site = flat[order]
    place = np.arange(len(order)) - np.repeat(np.cumsum(held_for) - held_for, held_for)
    taken = place % stride[site] == 0
    order, site = order[taken], site[taken].astype(np.intp)
    positions = paths.li.reshape(-1, 3)[order].astype(np.float64)
    share = positions @ inverse - (sites @ inverse)[site]
    away = (share - np.rint(share)) @ cell
    own = nearest_site(positions, sites, cell) == site
    return site[own], away[own]


def nearest_site(
    positions: NDArray[np.float64], sites: NDArray[np.float64], cell: NDArray[np.float64]
) -> NDArray[np.intp]:
    """(m,) site nearest to each position, (m, 3) A, over the periodic images of the sites.

    Args:
        positions: (m, 3) A, wrapped or not.
        sites: (n, 3) A, wrapped into the cell.
        cell: (3, 3) A, rows are cell vectors.
    """
    places = wrap(positions, cell)
    margin_A = _REACH_A
    while True:
        cloud, source = with_images(sites, cell, margin_A)
        away, which = cKDTree(cloud).query(places, workers=-1)
        farthest = float(away.max(initial=0.0))
        if farthest <= margin_A:  # else an image beyond the margin may be nearer
            nearest: NDArray[np.intp] = source[which]
            return nearest
        margin_A = farthest


def hull_volume_A3(points: NDArray[np.float64]) -> float:
    """Volume of the convex hull of points (m, 3) A; nan where they lie in a plane."""
    try:
        return float(ConvexHull(points).volume)
    except QhullError:
        return float("nan")


def covariance_volume_A3(points: NDArray[np.float64]) -> float:
    """(4 pi/3) sqrt(det 5 C) of points (m, 3) A with covariance C.

    A ball of radius r filled evenly has C = r^2/5, so this is its volume.
    """
    return float(4 / 3 * np.pi * np.sqrt(max(np.linalg.det(5 * np.cov(points.T)), 0.0)))


def free_volumes(
    paths: Paths, sites: NDArray[np.float64], *, voxel_A: float = FREE_VOXEL_A
) -> FreeVolumes:
    """Share what the framework leaves free among the sites.

    Args:
        paths: the trajectory; mean positions of its framework are used.
        sites: (n, 3) A, wrapped into the cell.
        voxel_A: edge of the voxels that are counted.
    """
    cell = paths.info.cell
    shape = np.ceil(np.linalg.norm(cell, axis=1) / voxel_A).astype(int)
    free = np.ones(tuple(shape), dtype=bool)
    for kind in np.unique(paths.framework_species).tolist():
        centres = paths.framework[paths.framework_species == kind]
        _fill(free, centres, RADII_A[kind], cell)
    voxel_A3 = abs(float(np.linalg.det(cell))) / free.size
    counts = np.zeros(len(sites))
    places = np.flatnonzero(free)
    for first in range(0, len(places), _QUERY_BATCH):
        voxel = np.column_stack(np.unravel_index(places[first : first + _QUERY_BATCH], free.shape))
        nearest = nearest_site((voxel + 0.5) / shape @ cell, sites, cell)
        counts += np.bincount(nearest, minlength=len(sites))
    return FreeVolumes(counts * voxel_A3, np.sqrt(counts) * voxel_A3, len(places) / free.size)


def _fill(
    free: NDArray[np.bool_],
    centres: NDArray[np.float64],
    radius_A: float,
    cell: NDArray[np.float64],
) -> None:
    """Mark, in place, the voxels whose middle lies in a sphere."""
    shape = np.array(free.shape)
    inverse = np.linalg.inv(cell)
    reach = np.ceil(radius_A * np.linalg.norm(inverse, axis=0) * shape).astype(int) + 1
    spans = [np.arange(-r, r + 1) for r in reach]
    stencil = np.stack(np.meshgrid(*spans, indexing="ij"), axis=-1).reshape(-1, 3)
    share = centres @ inverse
    share -= np.floor(share)
    batch = max(1, _QUERY_BATCH // len(stencil))
    for first in range(0, len(share), batch):
        part = share[first : first + batch]
        voxel = np.floor(part * shape).astype(np.intp)[:, None] + stencil
        away = ((voxel + 0.5) / shape - part[:, None]) @ cell
        inside = np.einsum("ijk,ijk->ij", away, away) < radius_A**2
        free[tuple((voxel[inside] % shape).T)] = False
