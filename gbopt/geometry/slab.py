"""One grain: a slab of n lattice planes over a primitive in-plane cell.

Such a slab holds exactly n primitive cells wherever it is cut, so its framework and its number
of lithium sites are those of the bulk crystal: it is neutral by construction.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.llzo import primitive_sites
from gbopt.geometry.lattice import plane_basis
from gbopt.model.bicrystal import FORMAL_CHARGES


class Slab(NamedTuple):
    """Sites of one grain in A; z runs from 0 to the slab's thickness."""

    framework: NDArray[np.float64]
    """(n, 3) La, Zr and O."""
    species: NDArray[np.int8]
    """(n,) index into SPECIES."""
    tetrahedral: NDArray[np.float64]
    """(t, 3) 24d sites."""
    octahedral: NDArray[np.float64]
    """(o, 2, 3) the split positions of each octahedron."""


def make_slab(
    plane: tuple[int, int, int],
    n_planes: int,
    lattice_A: float,
    shift: tuple[float, float, float],
) -> Slab:
    """Fill a slab of ``n_planes`` lattice planes parallel to (h k 0).

    Args:
        plane: Miller indices of the slab's plane.
        n_planes: thickness in interplanar spacings.
        lattice_A: lattice parameter.
        shift: rigid shift of the crystal along the two in-plane vectors and the stacking
            vector, in fractions of each; the third is the termination.
    """
    basis, cells = _primitive_in(plane)
    vectors = np.array(basis) * lattice_A
    species = primitive_sites().species
    framework, tetrahedral, octahedral = (
        _tile(fractional, n_planes, np.array(shift), vectors) for fractional in cells
    )
    # The two split positions of an octahedron were tiled as neighbours in one list.
    return Slab(framework, np.tile(species, n_planes), tetrahedral, octahedral.reshape(-1, 2, 3))


def polarisation(plane: tuple[int, int, int], shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Charge on the upper face of a slab for each termination, in e per primitive in-plane cell.

    A slab of whole primitive cells is neutral, but where it is cut decides its dipole: its faces
    carry +P and -P. Lithium counts with its mean occupancy (a third of 24d, half of each 96h).

    Args:
        plane: Miller indices of the slab's plane.
        shifts: (m,) terminations, as the third shift of ``make_slab``.
    """
    _, (framework, tetrahedral, octahedral) = _primitive_in(plane)
    heights = np.concatenate([part[:, 2] for part in (framework, tetrahedral, octahedral)])
    charges = np.concatenate(
        [
            np.array(FORMAL_CHARGES, dtype=float)[primitive_sites().species],
            np.full(len(tetrahedral), 1 / 3),
            np.full(len(octahedral), 1 / 2),
        ]
    )
    dipole: NDArray[np.float64] = ((heights[None, :] + shifts[:, None]) % 1.0) @ charges
    return dipole


def nonpolar_termination(plane: tuple[int, int, int], rng: np.random.Generator) -> float:
    """Draw a termination among those whose faces carry the least charge.

    Two slabs cut at random leave one boundary of the cell rich in lithium and the other poor,
    by up to several e/nm2: an artefact of the cut, not of the boundary.
    """
    low, high = _nonpolar_cuts(plane)
    width = high - low
    chosen = rng.choice(len(low), p=width / width.sum())
    return float(low[chosen] + rng.random() * width[chosen])


@lru_cache(maxsize=256)
def _nonpolar_cuts(
    plane: tuple[int, int, int],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ranges of the termination over which the charge on the faces is least.

    The charge changes only where the cut passes a site: it is constant from site to site.
    """
    _, parts = _primitive_in(plane)
    passes = np.unique(np.round(1.0 - np.concatenate([part[:, 2] for part in parts]) % 1.0, 9))
    low, high = passes, np.append(passes[1:], passes[0] + 1.0)
    charge = np.abs(polarisation(plane, (low + high) / 2))
    wide = high - low > 1e-6  # sites of one height differ by rounding
    least = wide & (charge < charge[wide].min() + 1e-6)
    return low[least], high[least]


@lru_cache(maxsize=256)
def _primitive_in(
    plane: tuple[int, int, int],
) -> tuple[tuple[NDArray[np.float64], ...], tuple[NDArray[np.float64], ...]]:
    """The plane's basis and the crystal's sites in fractions of it."""
    basis = plane_basis(plane)
    vectors = (basis.axis, basis.across, basis.stack)
    to_fraction = basis.rotation.T @ np.linalg.inv(np.array(vectors))
    sites = primitive_sites()
    lists = (sites.framework, sites.tetrahedral, sites.octahedral.reshape(-1, 3))
    return vectors, tuple(list_ @ to_fraction for list_ in lists)


def _tile(
    fractional: NDArray[np.float64],
    n_planes: int,
    shift: NDArray[np.float64],
    vectors: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Repeat along the stacking vector and bring every site into the slab."""
    layers = np.arange(n_planes)[:, None, None] * np.array([0.0, 0.0, 1.0])
    sites = (fractional[None] + shift + layers).reshape(-1, 3)
    sites[:, 2] -= n_planes * np.floor(sites[:, 2] / n_planes)
    sites[:, :2] -= np.floor(sites[:, :2])
    tiled: NDArray[np.float64] = sites @ vectors
    return tiled
