"""Every boundary that can be realised in a range of angles, with its size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from gbopt.geometry.interface import interface_of
from gbopt.geometry.plan import plan
from gbopt.integers import kernel
from gbopt.model.crystal import Crystal
from gbopt.model.orientation import (
    INDEX_MAX,
    SIGMA_MAX,
    Miller,
    Rotation,
    coprime,
    cross,
    cubic_family,
    dot,
    least_angle,
    norm2,
    symmetric_tilt,
    turned_back,
)
from gbopt.model.spec import BoundaryKind, GBSpec

KINDS: tuple[BoundaryKind, ...] = ("symmetric tilt", "asymmetric tilt", "twist", "mixed")


def planes_up_to(max_index: int) -> tuple[Miller, ...]:
    """Planes with Miller indices up to a number, one of each pair of opposite ones."""
    return tuple(
        (h, k, i)
        for h, k, i in product(range(-max_index, max_index + 1), repeat=3)
        if (h, k, i) > (0, 0, 0) and math.gcd(h, k, i) == 1
    )


LOW_INDEX = planes_up_to(2)
# Interfaces do not depend on these; a specification asks for them.
_ANY = {"width_layers": 0, "crystal_A": 1.0, "seed": 0}


class Entry(NamedTuple):
    """A boundary without strain."""

    kind: BoundaryKind
    axis: Miller
    plane: Miller
    rotation_deg: float
    """Rotation about the axis, with its sign."""
    mean_plane: str
    sigma: int
    area_a2: float
    """In-plane cell, in units of a^2."""

    @property
    def misorientation_deg(self) -> float:
        """Rotation about the axis without its sign."""
        return abs(self.rotation_deg)

    def spec(self, crystal: Crystal, width_layers: int, crystal_A: float, seed: int = 0) -> GBSpec:
        """Return the specification of this boundary."""
        return GBSpec(
            crystal=crystal.name,
            axis=self.axis,
            plane=self.plane,
            misorientation_deg=self.rotation_deg,
            width_layers=width_layers,
            crystal_A=crystal_A,
            seed=seed,
        )

    def ions(self, crystal: Crystal, width_layers: int, crystal_A: float, lattice_A: float) -> int:
        """Ions of the bicrystal before any neutral unit is removed or added."""
        return plan(self.spec(crystal, width_layers, crystal_A), crystal, lattice_A).ions


def catalog(
    crystal: Crystal,
    *,
    kinds: Iterable[BoundaryKind],
    axes: Iterable[Miller],
    range_deg: tuple[float, float],
    max_area_a2: float,
    planes: tuple[Miller, ...] = LOW_INDEX,
) -> list[Entry]:
    """List the boundaries without strain, of each set of equivalent ones one.

    Args:
        crystal: what the grains are made of.
        kinds: characters of boundary.
        axes: axes of rotation.
        range_deg: least and largest misorientation, both included.
        max_area_a2: largest in-plane cell, in units of a^2.
        planes: planes of the first grain for asymmetric tilt and mixed boundaries.

    Returns:
        Entries sorted by misorientation, then kind, mean plane and area.
    """
    wanted = tuple(sorted(set(kinds)))
    found = {
        key: entry
        for axis in dict.fromkeys(coprime(a) for a in axes)
        for key, entry in _of_axis(crystal, wanted, axis, range_deg, max_area_a2, planes)
    }
    return sorted(
        found.values(),
        key=lambda e: (round(e.misorientation_deg, 6), e.kind, e.mean_plane, e.area_a2, e.axis),
    )


@lru_cache(maxsize=64)
def _of_axis(
    crystal: Crystal,
    kinds: tuple[BoundaryKind, ...],
    axis: Miller,
    range_deg: tuple[float, float],
    max_area_a2: float,
    planes: tuple[Miller, ...],
) -> tuple[tuple[tuple[object, ...], Entry], ...]:
    found: dict[tuple[object, ...], Entry] = {}
    for plane, rotation in _candidates(kinds, axis, range_deg, max_area_a2, planes):
        second = turned_back(rotation, plane)
        # The shared cell holds whole cells of either plane: most are too large at a glance.
        if any(_plane_area_a2(crystal, p) > max_area_a2 + 1e-6 for p in (plane, second)):
            continue
        entry = _entry(crystal, axis, plane, rotation)
        if entry.kind not in kinds or entry.area_a2 > max_area_a2 + 1e-9:
            continue
        key = _equivalence(entry, second)
        plainness = _plainness(plane, entry.rotation_deg)
        if key not in found or plainness > _plainness(found[key].plane, found[key].rotation_deg):
            found[key] = entry
    return tuple(found.items())


def _candidates(
    kinds: tuple[BoundaryKind, ...],
    axis: Miller,
    range_deg: tuple[float, float],
    max_area_a2: float,
    planes: tuple[Miller, ...],
) -> Iterator[tuple[Miller, Rotation]]:
    """Planes with rotations in the range; some are equivalent, some too large."""
    low, high = range_deg[0] - 1e-9, range_deg[1] + 1e-9
    if "symmetric tilt" in kinds:
        yield from _symmetric(axis, low, high, max_area_a2)
    turned = [axis] if "twist" in kinds else []
    if not {"asymmetric tilt", "mixed"}.isdisjoint(kinds):
        turned += [p for p in planes if cross(p, axis) != (0, 0, 0)]
    if turned:
        for rotation in _rotations(axis, low, high, max_area_a2):
            for plane in turned:
                yield plane, rotation


def _symmetric(
    axis: Miller, low: float, high: float, max_area_a2: float
) -> Iterator[tuple[Miller, Rotation]]:
    """Planes of symmetric tilts, of each set of equivalent ones the plainest."""
    found: dict[tuple[object, ...], tuple[Miller, Rotation]] = {}
    for plane in _zone(axis, 2 * max_area_a2):
        tilt = symmetric_tilt(axis, plane)
        if tilt and low <= abs(tilt[0].degrees) <= high:
            key = (cubic_family(plane), cubic_family(tilt[1]), round(abs(tilt[0].degrees), 6))
            plainness = _plainness(plane, tilt[0].degrees)
            if key not in found or plainness > _plainness(found[key][0], found[key][1].degrees):
                found[key] = (plane, tilt[0])
    yield from found.values()


@lru_cache(maxsize=4096)
def _plane_area_a2(crystal: Crystal, plane: Miller) -> float:
    """Area of a primitive cell of a lattice plane, in units of a^2."""
    step = math.gcd(*(dot(plane, v) for v in crystal.primitive)) / crystal.denominator
    spacing_a = step / float(np.linalg.norm(crystal.normal_a(plane)))
    return crystal.cells_a3 / spacing_a


def largest_area_a2(crystal: Crystal, max_ions: int, thickness_A: float, lattice_A: float) -> float:
    """Largest in-plane cell, in units of a^2, of two grains that thick with so many ions."""
    per_a3 = crystal.ions_per_primitive / crystal.cells_a3
    return max_ions * lattice_A / (2 * per_a3 * thickness_A)


def _zone(axis: Miller, longest: float) -> Iterator[Miller]:
    """Coprime planes that contain the axis, up to a length of their indices."""
    basis = kernel([[x] for x in axis])
    # The basis is not reduced, but short: some factor of room does.
    reach = math.ceil(longest * max(math.hypot(*v) for v in basis)) + 1
    for i, j in product(range(-reach, reach + 1), repeat=2):
        if math.gcd(i, j) == 1:
            plane = (
                i * basis[0][0] + j * basis[1][0],
                i * basis[0][1] + j * basis[1][1],
                i * basis[0][2] + j * basis[1][2],
            )
            if norm2(plane) <= longest**2 and max(map(abs, plane)) <= INDEX_MAX:
                yield coprime(plane)


def _rotations(axis: Miller, low: float, high: float, max_area_a2: float) -> Iterator[Rotation]:
    """Coincidence rotations in a range, both senses, of an index that can fit the area."""
    # The smallest area of a plane is a^2 / 2 or so, and a cell in the plane can be a Sigma-th.
    largest = min(SIGMA_MAX, int(8 * max_area_a2) + 1)
    reach = math.isqrt(4 * largest * norm2(axis))
    for m, n in product(range(reach + 1), range(1, reach + 1)):
        if math.gcd(m, n) == 1 and m * m + n * n * norm2(axis) <= 4 * largest * norm2(axis):
            for rotation in (Rotation(axis, m, n), Rotation(axis, m, -n)):
                least = abs(least_angle(axis, rotation.degrees))
                if abs(rotation.degrees) > least + 1e-9 or rotation.sigma > largest:
                    continue  # the crystal itself has turned on, or the cell is too large
                if low <= least <= high:
                    yield rotation


def _entry(crystal: Crystal, axis: Miller, plane: Miller, rotation: Rotation) -> Entry:
    spec = GBSpec(axis=axis, plane=plane, misorientation_deg=rotation.degrees, **_ANY)
    return Entry(
        kind=spec.kind,
        axis=axis,
        plane=plane,
        rotation_deg=spec.misorientation_deg,
        mean_plane=spec.mean_plane,
        sigma=rotation.sigma,
        area_a2=interface_of(spec, crystal).area_a2,
    )


def _equivalence(entry: Entry, second: Miller) -> tuple[object, ...]:
    """What equivalent boundaries have in common: both planes and how they lie to the axis."""
    sides = sorted(
        (cubic_family(p), round(abs(dot(p, entry.axis)) / math.sqrt(norm2(p)), 9))
        for p in (entry.plane, second)
    )
    return (
        entry.kind,
        cubic_family(entry.axis),
        round(entry.misorientation_deg, 6),
        round(entry.area_a2, 6),
        entry.mean_plane,
        tuple(sides),
    )


def _plainness(plane: Miller, rotation_deg: float) -> tuple[object, ...]:
    """Which of several equivalent boundaries to name: positive indices, the largest first."""
    return sum(x >= 0 for x in plane), plane, rotation_deg > 0
