"""Nearly coincident cells of a plane lattice and the same lattice turned."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = tuple[tuple[int, int], tuple[int, int]]

# In-plane cells with a longer edge, in units of a, are of no use: twist cells grow as its square.
_REACH_A = 12.0
# The realised angle may miss the target by this much.
_ANGLE_DEG = 0.05
_FLAT = 1e-6


class NearCell(NamedTuple):
    """Two cells of one plane lattice that become equal when one is turned and stretched."""

    first: Rows
    """Cell vectors in the basis of the lattice."""
    second: Rows
    """The cell vectors, in the same basis, that are turned onto them."""
    realised_deg: float
    """Turn of the second lattice onto the first."""


def shared_cell(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Cell halfway between two cells of a plane, and the strain that either needs to reach it.

    Args:
        first: (2, 2) rows are the cell vectors.
        second: (2, 2) likewise; how it is turned does not matter.

    Returns:
        The cell of the mean metric, its first vector along x, and the largest principal strain.
    """
    metric = (first @ first.T + second @ second.T) / 2
    length = math.sqrt(metric[0, 0])
    along = metric[0, 1] / length
    cell = np.array([[length, 0.0], [along, math.sqrt(metric[1, 1] - along**2)]])
    strains = [
        float(np.abs(np.linalg.svd(np.linalg.solve(own, cell), compute_uv=False) - 1).max())
        for own in (first, second)
    ]
    return cell, max(strains)


def nearly_coincident(
    basis: NDArray[np.float64], angle_deg: float, max_strain: float
) -> NearCell | None:
    """Find the smallest cell in which a plane lattice meets itself turned by about an angle.

    Vectors v of the lattice are paired with vectors w of the same lattice that the turn brings
    within the allowed stretch of v; of all pairs of pairs the one with the smallest area wins
    whose strain, shared by both grains, stays within ``max_strain``.

    Args:
        basis: (2, 2) rows are the lattice vectors, in units of a.
        angle_deg: turn of the second lattice onto the first, counter-clockwise.
        max_strain: largest principal strain of either grain.

    Returns:
        The cell, or None where there is none with edges below 12 a.
    """
    reach = math.ceil(_REACH_A / float(np.linalg.svd(basis, compute_uv=False).min()))
    index = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2, indexing="ij"), -1)
    index = index.reshape(-1, 2)
    points = index @ basis
    length = np.linalg.norm(points, axis=1)
    keep = (length > 0) & (length <= _REACH_A)
    index, points, length = index[keep], points[keep], length[keep]
    turned = points @ _turn(angle_deg).T
    # Half of the stretch falls to either grain; the angle may be missed a little besides.
    slack = (2 * max_strain + math.radians(_ANGLE_DEG)) * length
    near = np.linalg.norm(points[:, None] - turned[None], axis=2) <= slack[:, None] + 1e-9
    v, w = np.nonzero(near)
    return _smallest(index, points, (v, w), angle_deg, max_strain)


def _smallest(
    index: NDArray[np.intp],
    points: NDArray[np.float64],
    pairs: tuple[NDArray[np.intp], NDArray[np.intp]],
    angle_deg: float,
    max_strain: float,
) -> NearCell | None:
    v, w = pairs
    i, j = np.triu_indices(len(v), k=1)
    a, b = points[v[i]], points[v[j]]
    area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    i, j = np.where(area < 0, j, i), np.where(area < 0, i, j)
    longer = (points[v[i]] ** 2).sum(1) + (points[v[j]] ** 2).sum(1)
    order = np.lexsort((longer.round(6), np.abs(area).round(6)))
    for n in order[np.abs(area[order]) > 1e-6].tolist():
        one, two = points[v[[i[n], j[n]]]], points[w[[i[n], j[n]]]]
        if abs(np.linalg.det(two)) < _FLAT:
            continue  # two vectors were paired with one
        # Rows: two @ stretch = one; its polar part is the turn that is realised.
        left, _, right = np.linalg.svd(np.linalg.solve(two, one))
        turn = (left @ right).T
        realised = math.degrees(math.atan2(turn[1, 0], turn[0, 0]))
        if shared_cell(one, two)[1] > max_strain:
            continue
        if abs(realised - angle_deg) <= _ANGLE_DEG:
            return NearCell(_rows(index[v[[i[n], j[n]]]]), _rows(index[w[[i[n], j[n]]]]), realised)
    return None


def _rows(pair: NDArray[np.intp]) -> Rows:
    (a, b), (c, d) = pair.tolist()
    return (a, b), (c, d)


def _turn(angle_deg: float) -> NDArray[np.float64]:
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return np.array([[c, -s], [s, c]])
