"""Lattices fitted to ions: the crystal around one cation, grown to all that lie on its sites.

The neighbours of a cation give the orientation of the crystal around it, as in polyhedral template
matching (Larsen et al., Modelling Simul. Mater. Sci. Eng. 24, 055007 (2016)). From there a lattice
is fitted to the ions in ever larger spheres.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gbopt.crystal.neighbours import pairs_within, with_images
from gbopt.geometry.reference import Reference, unit_fractions

FEWEST_IONS = 12
"""To fewer ions no lattice is fitted."""
_STRETCH = 1.08
# Two neighbours span the same figure as two vectors of the crystal within these.
_LENGTH_SHARE, _COSINE = 0.15, 0.25
# Share of the ions that a period must take to their like, and its weight against an ion's.
_REPEATED, _EXACT = 0.8, 1e3
# Radii of spheres, of the distance of second neighbours: these first, then what the fit to them
# can be trusted to predict.
_RADII = (1.3, 1.3, 1.8, 2.5, 3.4)


class Lattice(NamedTuple):
    """A crystal lattice in space: a site is at ``origin_A + axes_A @ fractional``."""

    origin_A: NDArray[np.float64]
    axes_A: NDArray[np.float64]
    """(3, 3) columns are the conventional cell vectors."""


class Framework(NamedTuple):
    """The ions on the sublattices of a reference: in LLZO all but lithium."""

    positions: NDArray[np.float64]
    """(n, 3) A, wrapped."""
    kinds: NDArray[np.int8]
    """(n,) sublattice."""
    cell: NDArray[np.float64]
    """(3, 3) A, rows are cell vectors."""


class Surroundings(NamedTuple):
    """The framework with its periodic images."""

    positions: NDArray[np.float64]
    kinds: NDArray[np.int8]
    tree: cKDTree

    @classmethod
    def of(cls, framework: Framework, reference: Reference) -> Self:
        """Add the images that a lattice grown in the cell may reach."""
        widest = _RADII[-1] * reference.reach_A
        positions, source = with_images(framework.positions, framework.cell, widest)
        return cls(positions, framework.kinds[source], cKDTree(positions))

    def near(
        self, centre: NDArray[np.float64], radius_A: float
    ) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
        """Positions and kinds of the ions in a sphere."""
        inside = self.tree.query_ball_point(centre, radius_A)
        return self.positions[inside], self.kinds[inside]


class Seed(NamedTuple):
    """The crystal around one cation of the first sublattice."""

    score: float
    """Share of the neighbours in the crystal that are in place."""
    position: NDArray[np.float64]
    axes_A: NDArray[np.float64]
    """(3, 3) columns are the cell vectors, turned but not strained."""


def seeds_of(framework: Framework, reference: Reference) -> list[Seed]:
    """Match the surroundings of every cation of the first sublattice, the best ordered first."""
    first = framework.positions[framework.kinds == 0]
    pairs = pairs_within(first, framework.cell, _STRETCH * reference.reach_A, first)
    others = np.flatnonzero(pairs.distance > 1e-6)
    others = others[np.argsort(pairs.i[others], kind="stable")]
    ends = np.searchsorted(pairs.i[others], np.arange(len(first) + 1))
    found = [
        _match(position, pairs.vector[others[ends[n] : ends[n + 1]]], reference)
        for n, position in enumerate(first)
    ]
    return sorted(found, key=lambda seed: -seed.score)


def _match(
    position: NDArray[np.float64], vectors: NDArray[np.float64], reference: Reference
) -> Seed:
    """Turn the shell of the crystal so that most of its vectors meet an observed one, (k, 3) A."""
    shell, tolerance = reference.shell_A, reference.tolerance_A
    turns = list(_turns(vectors, shell))
    if not turns:
        return Seed(0.0, position, np.eye(3) * reference.lattice_A)
    placed = np.einsum("pij,tj->pti", np.array(turns), shell)
    gap = np.linalg.norm(placed[:, :, None, :] - vectors[None, None], axis=-1)
    misfit = np.minimum(gap.min(axis=2), tolerance).sum(axis=1)
    chosen = gap[int(misfit.argmin())]
    near, inside = chosen.argmin(axis=1), chosen.min(axis=1) < tolerance
    rotation = nearest_rotation(shell[inside], vectors[near[inside]])
    return Seed(float(inside.mean()), position, rotation * reference.lattice_A)


def _turns(
    vectors: NDArray[np.float64], shell: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    """Rotations that lay two vectors of the shell along two observed ones of like geometry."""
    cosines = _cosines(shell)
    k = int(np.abs(cosines[0]).argmin())
    frame = _frame(shell[0], shell[k])
    lengths = np.linalg.norm(vectors, axis=1)
    alike = [np.abs(lengths / np.linalg.norm(shell[n]) - 1) < _LENGTH_SHARE for n in (0, k)]
    angled = np.abs(_cosines(vectors) - cosines[0, k]) < _COSINE
    for i, j in np.argwhere(alike[0][:, None] & alike[1][None] & angled):
        yield _frame(vectors[i], vectors[j]) @ frame.T


def _cosines(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """(k, k) cosines of the angles between vectors (k, 3)."""
    unit = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    cosines: NDArray[np.float64] = unit @ unit.T
    return cosines


def _frame(v: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Right-handed unit vectors, as columns: the bisector of two vectors, their normal, across."""
    along = v / np.linalg.norm(v) + w / np.linalg.norm(w)
    normal = np.cross(v, w)
    along, normal = along / np.linalg.norm(along), normal / np.linalg.norm(normal)
    return np.column_stack([along, normal, np.cross(along, normal)])


def nearest_rotation(model: NDArray[np.float64], seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """Proper rotation that takes model vectors (k, 3) nearest to the seen ones (Kabsch)."""
    u, _, vt = np.linalg.svd(seen.T @ model)
    rotation: NDArray[np.float64] = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    return rotation


def nearest_sites(
    lattice: Lattice,
    reference: Reference,
    positions: NDArray[np.float64],
    kinds: NDArray[np.int8],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the site of its own sublattice nearest to each ion.

    Returns:
        The sites, (n, 3) in fractions of the conventional cell, and the distances, (n,) A.
    """
    fractional = np.linalg.solve(lattice.axes_A, (positions - lattice.origin_A).T).T
    ideal = np.empty_like(fractional)
    for kind, tree in enumerate(reference.trees):
        here = fractional[kinds == kind]
        sites = np.asarray(tree.data)[tree.query(unit_fractions(here))[1]]
        ideal[kinds == kind] = sites + np.round(here - sites)
    distance: NDArray[np.float64] = np.linalg.norm((fractional - ideal) @ lattice.axes_A.T, axis=1)
    return ideal, distance


class Sample(NamedTuple):
    """Vectors of a lattice and where they were found."""

    ideal: NDArray[np.float64]
    """(n, 3) in fractions of the conventional cell."""
    found: NDArray[np.float64]
    """(n, 3) A."""


def periods_of(
    lattice: Lattice,
    reference: Reference,
    positions: NDArray[np.float64],
    kinds: NDArray[np.int8],
    vectors: NDArray[np.float64],
) -> Sample:
    """Those of some cell vectors, (k, 3) A, by which the sites of ions repeat.

    A crystal that fills the cell across a vector repeats by it exactly, which fixes its lattice
    better than the scattered positions of the ions do.
    """
    here, _ = nearest_sites(lattice, reference, positions, kinds)
    ideal, found = [], []
    for vector in vectors:
        there, distance = nearest_sites(lattice, reference, positions + vector, kinds)
        step = np.median(there - here, axis=0)
        same = (np.abs(there - here - step) < 1e-6).all(axis=1) & (distance < reference.tolerance_A)
        if same.mean() > _REPEATED:
            ideal.append(step)
            found.append(vector)
    return Sample(np.reshape(ideal, (-1, 3)), np.reshape(found, (-1, 3)))


def fit_lattice(ions: Sample, periods: Sample | None = None) -> Lattice:
    """Least squares: the (strained) lattice whose sites are nearest to the ions.

    It repeats by the given periods all but exactly.
    """
    design = np.column_stack([ions.ideal, np.ones(len(ions.ideal))])
    targets = ions.found
    if periods is not None:
        rows = np.column_stack([periods.ideal, np.zeros(len(periods.ideal))])
        design = np.concatenate([design, _EXACT * rows])
        targets = np.concatenate([targets, _EXACT * periods.found])
    solution = np.asarray(np.linalg.lstsq(design, targets, rcond=None)[0], dtype=np.float64)
    return Lattice(solution[3], solution[:3].T)


def grow(seed: Seed, around: Surroundings, reference: Reference) -> Lattice | None:
    """Fit the lattice to the ions in ever larger spheres around a seed; None: too few on sites."""
    lattice = _placed(seed, around, reference)
    for radius in _RADII:
        positions, kinds = around.near(seed.position, radius * reference.reach_A)
        ideal, distance = nearest_sites(lattice, reference, positions, kinds)
        on = distance < reference.tolerance_A
        if np.count_nonzero(on) < FEWEST_IONS:
            return None
        lattice = fit_lattice(Sample(ideal[on], positions[on]))
    return lattice


def _placed(seed: Seed, around: Surroundings, reference: Reference) -> Lattice:
    """Put the seed on that site of the first sublattice with which most ions lie on sites."""
    positions, kinds = around.near(seed.position, _RADII[0] * reference.reach_A)

    def misfit(lattice: Lattice) -> float:
        distance = nearest_sites(lattice, reference, positions, kinds)[1]
        return float(np.minimum(distance, reference.tolerance_A).sum())

    origins = [seed.position - seed.axes_A @ site for site in reference.sites[0]]
    return min((Lattice(origin, seed.axes_A) for origin in origins), key=misfit)
