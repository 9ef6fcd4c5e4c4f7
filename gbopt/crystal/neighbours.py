"""Pairs of ions within a distance in a periodic cell of any shape and size."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


class Pairs(NamedTuple):
    """Pairs (i, j) with the vectors and distances from i to the nearest image of j."""

    i: NDArray[np.intp]
    j: NDArray[np.intp]
    vector: NDArray[np.float64]
    distance: NDArray[np.float64]


def wrap(positions: NDArray[np.float64], cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the positions, (n, 3) A, moved into the cell (rows are cell vectors)."""
    fractional = positions @ np.linalg.inv(cell)
    fractional -= np.floor(fractional)
    fractional[fractional >= 1.0] = 0.0  # -1e-17 - floor(-1e-17) rounds to 1.0
    return fractional @ cell


def with_images(
    positions: NDArray[np.float64], cell: NDArray[np.float64], margin_A: float
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Add the periodic images that lie within ``margin_A`` of the cell.

    Args:
        positions: (n, 3) A, wrapped into the cell.
        cell: (3, 3) A, rows are cell vectors.
        margin_A: thickness of the shell of images.

    Returns:
        The positions with images, the originals first, and for each the index of its original.
    """
    inverse = np.linalg.inv(cell)
    # Distance between opposite faces is the inverse length of the reciprocal vectors.
    reach = margin_A * np.linalg.norm(inverse, axis=0)
    fractional = positions @ inverse
    index = np.arange(len(positions))
    for axis in range(3):
        copies = [fractional]
        sources = [index]
        for shift in range(1, int(np.ceil(reach[axis])) + 1):
            up = fractional[:, axis] + shift < 1.0 + reach[axis]
            down = fractional[:, axis] - shift >= -reach[axis]
            for chosen, sign in ((up, shift), (down, -shift)):
                moved = fractional[chosen].copy()
                moved[:, axis] += sign
                copies.append(moved)
                sources.append(index[chosen])
        fractional, index = np.concatenate(copies), np.concatenate(sources)
    return fractional @ cell, index


def pairs_within(
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    cutoff_A: float,
    others: NDArray[np.float64] | None = None,
) -> Pairs:
    """Find all pairs closer than ``cutoff_A``, periodic images included.

    Args:
        positions: (n, 3) A, the ions i, wrapped into the cell.
        cell: (3, 3) A, rows are cell vectors; may be narrower than the cut-off.
        cutoff_A: largest distance.
        others: (m, 3) A, the ions j, wrapped; without it pairs among ``positions`` are given,
            each once (i < j, or an ion with its own image, twice).
    """
    if others is None:
        return _pairs_among(positions, cell, cutoff_A)
    cloud, source = with_images(others, cell, cutoff_A)
    found = _tree(positions).sparse_distance_matrix(_tree(cloud), cutoff_A, output_type="ndarray")
    i, image = found["i"], found["j"]
    return Pairs(i, source[image], cloud[image] - positions[i], found["v"])


def _tree(points: NDArray[np.float64]) -> Any:
    # Ions fill space evenly: the work that balances a tree would not come back.
    return cKDTree(points, balanced_tree=False, compact_nodes=False)


def _pairs_among(
    positions: NDArray[np.float64], cell: NDArray[np.float64], cutoff_A: float
) -> Pairs:
    """Pairs of one set: a tree of ions and images, each pair of ions kept once."""
    cloud, source = with_images(positions, cell, cutoff_A)
    # Of each pair the first index is the lower: an original, unless both are images.
    found = _tree(cloud).query_pairs(cutoff_A, output_type="ndarray")
    found = found[found[:, 0] < len(positions)]
    i, image = found[:, 0], found[:, 1]
    # (i, image of j) and (j, image of i) are one pair: the one with i <= j stays.
    kept = (image < len(positions)) | (i <= source[image])
    i, image = i[kept], image[kept]
    vector = cloud[image] - positions[i]
    return Pairs(i, source[image], vector, np.sqrt(np.einsum("ij,ij->i", vector, vector)))
