"""How two cubic crystals are turned against each other."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from gbopt.geometry.lattice_fit import Lattice, Sample, nearest_rotation

_CUBIC = Rotation.create_group("O")
TETRAGONAL = 0.02
"""Edges of a cell that differ by a larger share are those of a tetragonal crystal: c/a of t-LLZO is
0.960, and the strain that fits two grains to one cell stays below 1 %."""
_ROUNDS = 5  # each takes the error of the edges down a hundredfold
_WORSE = 1.1
_CLOSE_DEG = 1.0
_HIGHEST_INDEX = 9


def crystal_axes(
    lattice: Lattice, ions: Sample, periods: Sample
) -> tuple[NDArray[np.float64], tuple[float, float, float]]:
    """Orientation and edges of a crystal with right angles.

    Without shear, the widest extent of a thin grain fixes its rotation. The edges are equal
    where that describes the ions about as well.

    Args:
        lattice: a first fit.
        ions: the crystal's ions.
        periods: cell vectors by which it repeats; each counts as much as all the ions.

    Returns:
        The rotation whose columns are the crystal axes, of equivalent ones that nearest to
        x, y, z; and the edges along them, A. The third is the c axis of a tetragonal crystal.
    """
    weight = np.sqrt(len(ions.ideal))
    sample = Sample(
        np.concatenate([ions.ideal - ions.ideal.mean(axis=0), weight * periods.ideal]),
        np.concatenate([ions.found - ions.found.mean(axis=0), weight * periods.found]),
    )
    start = np.linalg.norm(lattice.axes_A, axis=0)
    cubic, free = (_fit_edges(sample, start, equal=equal) for equal in (True, False))
    rotation, edges, _ = free if cubic[2] > _WORSE * free[2] else cubic
    turns = _CUBIC.as_matrix()
    if edges.max() / edges.min() - 1 > TETRAGONAL:
        odd = np.abs(edges - np.median(edges)).argmax()
        turns = turns[np.abs(turns[:, odd, 2]) > 0.5]
    choices = rotation @ turns
    chosen = int(np.trace(choices, axis1=1, axis2=2).argmax())
    a, b, c = (edges @ np.abs(turns[chosen])).tolist()
    return choices[chosen], (a, b, c)


def _fit_edges(
    sample: Sample, edges: NDArray[np.float64], *, equal: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Rotation, edges (3,) A and the root of the summed squares of what they leave, A."""
    for _ in range(_ROUNDS):
        rotation = nearest_rotation(sample.ideal * edges, sample.found)
        along = (sample.ideal * (sample.found @ rotation)).sum(axis=0)
        square = (sample.ideal**2).sum(axis=0)
        edges = np.full(3, along.sum() / square.sum()) if equal else along / square
    left = sample.found - (sample.ideal * edges) @ rotation.T
    return rotation, edges, float(np.linalg.norm(left))


def misorientation(
    one: NDArray[np.float64], other: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Disorientation of two cubic crystals.

    Args:
        one: (3, 3) rotation whose columns are the crystal axes.
        other: the same of the other crystal.

    Returns:
        The least rotation angle in degrees of all equivalent ones, and its axis (3,) in crystal
        axes with 0 <= u <= v <= w.
    """
    vectors = (Rotation.from_matrix(one.T @ other) * _CUBIC).as_rotvec()
    least = vectors[np.linalg.norm(vectors, axis=1).argmin()]
    angle = float(np.linalg.norm(least))
    return float(np.degrees(angle)), np.sort(np.abs(least)) / max(angle, 1e-12)


def near_miller(direction: NDArray[np.float64]) -> tuple[int, int, int] | None:
    """Lowest indices up to 9 of a direction (3,) in crystal axes; None where all are 1 deg off."""
    unit = direction / np.linalg.norm(direction)
    reach = range(-_HIGHEST_INDEX, _HIGHEST_INDEX + 1)
    for h, k, i in sorted(product(reach, repeat=3), key=lambda v: (np.dot(v, v), v)):
        along = np.dot((h, k, i), unit)
        if along > np.cos(np.radians(_CLOSE_DEG)) * np.linalg.norm((h, k, i)) > 0:
            return h, k, i
    return None
