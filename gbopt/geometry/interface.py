"""Where two lattices meet: the planes, the common cell in the plane, and the strain it costs."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.errors import GeometryError
from gbopt.geometry.near import nearly_coincident, shared_cell
from gbopt.integers import Vector, combine, kernel, reduced, step
from gbopt.model.crystal import Crystal
from gbopt.model.orientation import (
    Miller,
    Rotation,
    cross,
    digits,
    dot,
    symmetric_tilt,
    turned_back,
)
from gbopt.model.spec import GBSpec

Pair = tuple[Vector, Vector]


class Cut(NamedTuple):
    """One grain as it is cut along the boundary."""

    plane: Miller
    """Miller indices of the boundary plane in the grain's own lattice."""
    across: Pair
    """The two vectors of the in-plane cell in the conventional basis, times the denominator."""
    primitive: Pair
    """The same for a primitive cell of the lattice plane."""
    stack: Vector
    """A vector to the next lattice plane, likewise."""
    spacing_a: float
    """Distance between lattice planes, in units of a."""
    deformation: NDArray[np.float64]
    """(3, 3) takes Cartesian crystal vectors (columns) to the cell's frame: turn and strain."""

    @property
    def points_per_plane(self) -> int:
        """Lattice points of one plane in the in-plane cell."""
        return abs(_determinant(in_basis(self.across, self.primitive)))


class Interface(NamedTuple):
    """A boundary between two lattices with its common in-plane cell."""

    first: Cut
    second: Cut
    cell_a: NDArray[np.float64]
    """(2, 2) in-plane cell vectors in the frame x, y, in units of a; the first along x."""
    realised_deg: float
    """Angle between the lattices, about the axis of the specification."""
    strain: float
    """Largest principal strain of either grain; 0 where the lattices coincide as they are."""

    @property
    def area_a2(self) -> float:
        """Area of the in-plane cell, in units of a^2."""
        return float(abs(np.linalg.det(self.cell_a)))


def interface_of(spec: GBSpec, crystal: Crystal) -> Interface:
    """Find the smallest cell in the plane that both grains of a specification share.

    The lattice of the first grain and the turned lattice of the second are intersected with the
    boundary plane in exact integer algebra. With ``max_strain`` a symmetric tilt is sheared, and a
    twist stretched, to an angle at which the lattices coincide only nearly.

    Raises:
        GeometryError: the crystal cannot be turned so, or the angle is not commensurate.
    """
    fourfold = crystal.system == "tetragonal" and spec.axis[:2] == (0, 0)
    if not (crystal.system == "cubic" or fourfold or spec.misorientation_deg == 0):
        raise GeometryError(
            f"{crystal.name} is not cubic and cannot be turned about [{digits(spec.axis)}]",
            hint="cubic crystals turn about any axis, tetragonal ones about [001]",
        )
    rotation = spec.rotation
    if rotation is not None:
        return _coincident(spec.plane, rotation, crystal)
    if spec.max_strain > 0 and spec.kind == "twist":
        return _stretched(spec, crystal)
    tilt = symmetric_tilt(spec.axis, spec.plane)
    if spec.max_strain > 0 and tilt is not None:
        return _sheared(_coincident(spec.plane, tilt[0], crystal), spec)
    raise GeometryError(
        f"misorientation_deg = {spec.misorientation_deg:g} about [{digits(spec.axis)}] is not "
        f"commensurate on ({digits(spec.plane)})",
        hint="take an angle that `gbopt catalog` lists; strain reaches others for symmetric "
        "tilts and twists",
    )


def in_basis(vectors: Pair, basis: Pair) -> tuple[tuple[int, int], tuple[int, int]]:
    """Coordinates of two vectors of a plane in a basis of the plane."""
    # Any two components in which the basis is independent will do.
    a, b = basis
    i, j = max(
        ((0, 1), (0, 2), (1, 2)), key=lambda ij: abs(a[ij[0]] * b[ij[1]] - a[ij[1]] * b[ij[0]])
    )
    scale = a[i] * b[j] - a[j] * b[i]

    def coordinates(v: Vector) -> tuple[int, int]:
        return (v[i] * b[j] - v[j] * b[i]) // scale, (a[i] * v[j] - a[j] * v[i]) // scale

    return coordinates(vectors[0]), coordinates(vectors[1])


def _determinant(rows: tuple[tuple[int, int], tuple[int, int]]) -> int:
    (a, b), (c, d) = rows
    return a * d - b * c


@lru_cache(maxsize=1024)
def _coincident(plane: Miller, rotation: Rotation, crystal: Crystal) -> Interface:
    """Intersect the two lattices in the plane."""
    rows, over = rotation.matrix
    basis = crystal.primitive
    turned = [tuple(sum(r[j] * v[j] for j in range(3)) for r in rows) for v in basis]
    # x @ basis of the first lattice equals y @ turned / over of the second, in the plane.
    equations = [[*(over * c for c in v), dot(plane, v)] for v in basis]
    equations += [[*(-c for c in v), 0] for v in turned]
    common = kernel(equations)
    first = [combine(z[:3], basis) for z in common]
    second = [combine(z[3:], basis) for z in common]
    factors = _oriented(first, plane, rotation.axis, crystal)
    return _joined(
        (plane, _combined(factors, first)),
        (turned_back(rotation, plane), _combined(factors, second)),
        crystal,
        rotation.degrees,
    )


def _combined(factors: Pair, vectors: list[Miller]) -> Pair:
    return combine(factors[0], vectors), combine(factors[1], vectors)


def _oriented(vectors: list[Miller], plane: Miller, axis: Miller, crystal: Crystal) -> Pair:
    """Factors of the cell vectors: the first along the axis if it lies in the plane, else short.

    The pair is right-handed about the plane's normal.
    """

    def product(f: Vector, g: Vector) -> float:
        return float(
            _cartesian(combine(f, vectors), crystal) @ _cartesian(combine(g, vectors), crystal)
        )

    if dot(axis, plane) == 0:
        (along,) = kernel([cross(axis, v) for v in vectors])
        if dot(axis, combine(along, vectors)) < 0:
            along = (-along[0], -along[1])
        _, (p, q) = step(along)
        other: Vector = (-q, p)
        times = math.floor(0.5 - product(other, along) / product(along, along) - 1e-9)
        other = (other[0] + times * along[0], other[1] + times * along[1])
    else:
        along, other = reduced((1, 0), (0, 1), product)
    normal = crystal.normal_a(plane)
    a, b = (_cartesian(combine(f, vectors), crystal) for f in (along, other))
    if np.cross(a, b) @ normal < 0:
        other = (-other[0], -other[1])
    return along, other


def _cartesian(vector: Vector, crystal: Crystal) -> NDArray[np.float64]:
    """A lattice vector in the Cartesian frame of the crystal, in units of a."""
    cartesian: NDArray[np.float64] = np.array(vector) / crystal.denominator @ crystal.shape_a
    return cartesian


def _joined(
    first: tuple[Miller, Pair], second: tuple[Miller, Pair], crystal: Crystal, angle_deg: float
) -> Interface:
    """Bring both grains into one frame with the mean of their in-plane cells."""
    flat = [_flat(plane, across, crystal) for plane, across in (first, second)]
    cell, strain = shared_cell(flat[0], flat[1])
    cuts = [_cut(plane, across, cell, crystal) for plane, across in (first, second)]
    for shared in (cell, *(cut.deformation for cut in cuts)):  # kept by a cache
        shared.flags.writeable = False
    return Interface(cuts[0], cuts[1], cell, angle_deg, strain if strain > 1e-9 else 0.0)


def _axes(plane: Miller, across: Pair, crystal: Crystal) -> NDArray[np.float64]:
    """(3, 3) rows x (along the first vector), y, z (the normal) in the crystal's frame."""
    x = _cartesian(across[0], crystal)
    z = crystal.normal_a(plane)
    x, z = x / np.linalg.norm(x), z / np.linalg.norm(z)
    return np.array([x, np.cross(z, x), z])


def _flat(plane: Miller, across: Pair, crystal: Crystal) -> NDArray[np.float64]:
    """(2, 2) the two vectors of an in-plane cell in the frame x, y of the grain."""
    axes = _axes(plane, across, crystal)
    flat: NDArray[np.float64] = np.array([_cartesian(v, crystal) for v in across]) @ axes[:2].T
    return flat


def _cut(plane: Miller, across: Pair, cell: NDArray[np.float64], crystal: Crystal) -> Cut:
    basis = crystal.primitive
    heights = [dot(plane, v) for v in basis]
    height, factors = step(heights)
    inside = [combine(z, basis) for z in kernel([[h] for h in heights])]
    spacing = height / crystal.denominator / float(np.linalg.norm(crystal.normal_a(plane)))
    in_plane = np.eye(3)
    # Column vectors of the frame: an in-plane row f becomes f @ solve(flat, cell).
    in_plane[:2, :2] = np.linalg.solve(_flat(plane, across, crystal), cell).T
    return Cut(
        plane=plane,
        across=across,
        primitive=(inside[0], inside[1]),
        stack=combine(factors, basis),
        spacing_a=spacing,
        deformation=in_plane @ _axes(plane, across, crystal),
    )


def _sheared(interface: Interface, spec: GBSpec) -> Interface:
    """Shear both grains of a symmetric tilt along the boundary until their lattices meet the angle.

    A simple shear y += g z keeps the in-plane cell and turns a grain by -atan(g / 2) about x; its
    principal strains are +-g / 2. Each grain takes half of the turn.
    """
    turn = math.radians(spec.misorientation_deg - interface.realised_deg) / 2
    strain = math.tan(abs(turn))
    if strain > spec.max_strain:
        raise GeometryError(
            f"({digits(spec.plane)})[{digits(spec.axis)}] reaches {spec.misorientation_deg:g} deg "
            f"only with {strain:.2%} of strain, max_strain allows {spec.max_strain:.2%}",
            hint="take the plane that `gbopt catalog` proposes, or raise max_strain",
        )
    cuts = []
    for cut, sign in ((interface.first, 1.0), (interface.second, -1.0)):
        shear = np.eye(3)
        shear[1, 2] = sign * 2 * math.tan(turn)
        cuts.append(cut._replace(deformation=shear @ cut.deformation))
    return interface._replace(
        first=cuts[0], second=cuts[1], realised_deg=spec.misorientation_deg, strain=strain
    )


def _stretched(spec: GBSpec, crystal: Crystal) -> Interface:
    """Join two cells of a twist that match but for a stretch."""
    basis = crystal.primitive
    inside = [combine(z, basis) for z in kernel([[dot(spec.plane, v)] for v in basis])]
    short = reduced(
        inside[0], inside[1], lambda v, w: float(_cartesian(v, crystal) @ _cartesian(w, crystal))
    )
    flat = _flat(spec.plane, short, crystal)
    # About the normal or against it: the frame's z is the normal of the plane.
    sense = 1.0 if dot(spec.axis, spec.plane) > 0 else -1.0
    near = nearly_coincident(flat, sense * spec.misorientation_deg, spec.max_strain)
    if near is None:
        raise GeometryError(
            f"no cell of a {spec.misorientation_deg:g} deg twist on ({digits(spec.plane)}) "
            f"matches within {spec.max_strain:.2%} of strain",
            hint="raise max_strain, or take an angle that `gbopt catalog` lists",
        )
    first, second = (
        (combine(rows[0], short), combine(rows[1], short)) for rows in (near.first, near.second)
    )
    return _joined((spec.plane, first), (spec.plane, second), crystal, sense * near.realised_deg)
