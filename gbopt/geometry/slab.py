"""One grain: a slab of n lattice planes over an in-plane cell.

Such a slab holds a whole number of primitive cells wherever it is cut, so its framework and its
mobile sites are those of the bulk crystal: it is neutral by construction.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.geometry.interface import Cut, Interface, Pair, in_basis
from gbopt.integers import Vector, cosets, span
from gbopt.model.crystal import Crystal

# Face charges, in e per a^2, that differ by less are alike.
_ALIKE = 1e-4


class Slab(NamedTuple):
    """Sites of one grain in A; z runs from 0 to the slab's thickness."""

    framework: NDArray[np.float64]
    """(n, 3) ordered sites."""
    species: NDArray[np.int8]
    """(n,) index into the crystal's elements."""
    mixed: tuple[NDArray[np.float64], ...]
    """(s, 3) for each kind of site with a mixture of elements."""
    mobile: tuple[NDArray[np.float64], ...]
    """(s, 3) for each kind of site of the mobile ion."""


class _Fractions(NamedTuple):
    """Sites of one layer of in-plane cells, in fractions of its two vectors and the stacking."""

    framework: NDArray[np.float64]
    mixed: tuple[NDArray[np.float64], ...]
    mobile: tuple[NDArray[np.float64], ...]


def make_slab(
    crystal: Crystal,
    cut: Cut,
    n_planes: int,
    lattice_A: float,
    shift: tuple[float, float, float],
) -> Slab:
    """Fill a slab of ``n_planes`` lattice planes over the in-plane cell.

    Args:
        crystal: what fills it.
        cut: plane, in-plane cell and orientation.
        n_planes: thickness in interplanar spacings.
        lattice_A: lattice parameter.
        shift: rigid shift of the crystal along the two in-plane vectors and the stacking
            vector, in fractions of each; the third is the termination.
    """
    vectors = basis_a(crystal, cut) * lattice_A
    sites = _fractions(crystal, cut.across, cut.stack)
    species = np.tile(crystal.species, cut.points_per_plane)
    offset = np.array(shift)

    def tiled(fractional: NDArray[np.float64]) -> NDArray[np.float64]:
        layers = np.arange(n_planes)[:, None, None] * np.array([0.0, 0.0, 1.0])
        where = (fractional[None] + offset + layers).reshape(-1, 3)
        where[:, 2] -= n_planes * np.floor(where[:, 2] / n_planes)
        where[:, :2] -= np.floor(where[:, :2])
        placed: NDArray[np.float64] = where @ vectors
        return placed

    return Slab(
        tiled(sites.framework),
        np.tile(species, n_planes),
        tuple(tiled(kind) for kind in sites.mixed),
        tuple(tiled(kind) for kind in sites.mobile),
    )


def basis_a(crystal: Crystal, cut: Cut) -> NDArray[np.float64]:
    """(3, 3) rows: the in-plane cell and the stacking vector in the cell's frame, units of a."""
    rows = np.array([*cut.across, cut.stack]) / crystal.denominator
    basis: NDArray[np.float64] = rows @ crystal.shape_a @ cut.deformation.T
    basis[:2, 2] = 0.0  # rounding
    return basis


def displacement_cell(interface: Interface) -> NDArray[np.float64]:
    """Cell of non-identical displacement: rows in fractions of the in-plane cell.

    A rigid shift of one grain by a vector of either plane lattice gives the same bicrystal, so
    the shifts that differ fill a cell of the lattice that both plane lattices span together.
    """
    generators: list[Vector] = []
    scale = interface.first.points_per_plane * interface.second.points_per_plane
    for cut in (interface.first, interface.second):
        inverse = np.linalg.inv(np.array(in_basis(cut.across, cut.primitive), dtype=float))
        generators += [(round(a * scale), round(b * scale)) for a, b in inverse]
    return np.array(span(generators), dtype=float) / scale


def polarisation(crystal: Crystal, cut: Cut, shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Charge on the upper face of a slab for each termination, in e per primitive in-plane cell.

    A slab of whole primitive cells is neutral, but where it is cut decides its dipole: its faces
    carry +P and -P. Sites that are partly occupied count with their mean occupancy.

    Args:
        crystal: what fills the slab.
        cut: its plane.
        shifts: (m,) terminations, as the third shift of ``make_slab``.
    """
    heights, charges = _charged_heights(crystal, cut.primitive, cut.stack)
    dipole: NDArray[np.float64] = ((heights[None, :] + shifts[:, None]) % 1.0) @ charges
    return dipole


def terminations(crystal: Crystal, cut: Cut) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ranges (low, high) of the termination over which the charge on the faces is least.

    The charge changes only where the cut passes a site: it is constant from site to site.
    """
    return _nonpolar(crystal, cut.primitive, cut.stack)


def draw_terminations(
    crystal: Crystal, cuts: tuple[Cut, Cut], rng: np.random.Generator
) -> tuple[float, float]:
    """Draw both terminations among those whose faces carry the least charge, and alike.

    Two slabs cut at random leave one boundary of the cell rich in lithium and the other poor,
    by up to several e/nm2: an artefact of the cut, not of the boundary. The least polar cuts often
    come as +P and -P; the boundaries carry P1 - P2 and P2 - P1, so of the pairs those with the
    least difference are drawn from.
    """
    ranges = [terminations(crystal, cut) for cut in cuts]
    # Per area: the primitive cells of two different planes differ in size.
    faces = [
        polarisation(crystal, cut, (low + high) / 2) / (crystal.cells_a3 / cut.spacing_a)
        for cut, (low, high) in zip(cuts, ranges, strict=True)
    ]
    unlike = np.abs(faces[0][:, None] - faces[1][None, :])
    width = np.outer(ranges[0][1] - ranges[0][0], ranges[1][1] - ranges[1][0])
    share = np.where(unlike < unlike.min() + _ALIKE, width, 0.0).ravel()
    pair = divmod(int(rng.choice(len(share), p=share / share.sum())), unlike.shape[1])
    first, second = (
        float(low[n] + rng.random() * (high[n] - low[n]))
        for n, (low, high) in zip(pair, ranges, strict=True)
    )
    return first, second


@lru_cache(maxsize=512)
def _nonpolar(
    crystal: Crystal, primitive: Pair, stack: Vector
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    heights, charges = _charged_heights(crystal, primitive, stack)
    passes = np.unique(np.round(1.0 - heights % 1.0, 9))
    low, high = passes, np.append(passes[1:], passes[0] + 1.0)
    middle = (low + high) / 2
    charge = np.abs(((heights[None, :] + middle[:, None]) % 1.0) @ charges)
    wide = high - low > 1e-6  # sites of one height differ by rounding
    least = wide & (charge < charge[wide].min() + 1e-6)
    return low[least], high[least]


@lru_cache(maxsize=512)
def _charged_heights(
    crystal: Crystal, primitive: Pair, stack: Vector
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Height of each site of a primitive cell in interplanar spacings, and its mean charge."""
    formal = np.array(crystal.formal_charges_e, dtype=float)
    sites = _fractions(crystal, primitive, stack)
    heights, charges = [sites.framework[:, 2]], [formal[crystal.species]]
    each = 0.0 if crystal.mobile is None else formal[crystal.mobile]
    for mixture, where in zip(crystal.mixed, sites.mixed, strict=True):
        mean = float(np.dot(mixture.occupancy, formal[list(mixture.species)]))
        heights.append(where[:, 2])
        charges.append(np.full(len(where), mean + mixture.mobile * each))
    for kind, where in zip(crystal.mobile_sites, sites.mobile, strict=True):
        heights.append(where[:, 2])
        charges.append(np.full(len(where), kind.occupancy * each))
    return np.concatenate(heights), np.concatenate(charges)


@lru_cache(maxsize=512)
def _fractions(crystal: Crystal, across: Pair, stack: Vector) -> _Fractions:
    rows = np.array([*across, stack], dtype=float) / crystal.denominator
    to_fraction = np.linalg.inv(rows)
    shifts = _lattice_points(crystal, across, stack)

    def spread(sites: NDArray[np.float64]) -> NDArray[np.float64]:
        fractions: NDArray[np.float64] = (shifts[:, None, :] + sites[None]) @ to_fraction
        return fractions.reshape(-1, 3)

    return _Fractions(
        spread(crystal.framework),
        tuple(spread(mixture.positions) for mixture in crystal.mixed),
        tuple(spread(kind.positions) for kind in crystal.mobile_sites),
    )


def _lattice_points(crystal: Crystal, across: Pair, stack: Vector) -> NDArray[np.float64]:
    """Points of the lattice in a cell of one layer, in the conventional basis."""
    inverse = np.linalg.inv(np.array(crystal.primitive, dtype=float))
    outer = [tuple(np.rint(np.array(v) @ inverse).astype(int).tolist()) for v in (*across, stack)]
    points: NDArray[np.float64] = (
        np.array(cosets(outer)) @ np.array(crystal.primitive) / crystal.denominator
    )
    return points
