"""Boundaries, grains and bulk reference of a structure that was not built here."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.errors import GeometryError
from gbopt.geometry.disorientation import TETRAGONAL, crystal_axes, misorientation
from gbopt.geometry.grains import Grain, Stack, find_stacks
from gbopt.geometry.lattice_fit import (
    FEWEST_IONS,
    Framework,
    Sample,
    nearest_sites,
    periods_of,
)
from gbopt.geometry.read import Ions, oriented
from gbopt.geometry.recognised import Boundary, BulkReference, CrystalGrain, Recognised
from gbopt.geometry.reference import Reference, garnet
from gbopt.geometry.surplus import formula_units, oxide_surplus, per_nm2, share_of_boundary
from gbopt.model.bicrystal import FORMAL_CHARGES, SPECIES, Bicrystal

LAYER = 0.5
"""Of the distance of second neighbours, the least nominal width of a core: an atomic layer."""
VACUUM_A = 4.0
"""A stretch along the normal as long as this without any ion is vacuum between two surfaces."""
END = 0.5
"""Of the same distance, the ends of a grain in which the boundary strains its crystal."""
# Two axes whose stacks explain the structure about as well.
_AS_WELL = 0.03
_LEAST_EXPLAINED = 0.3
# No strain makes one crystal of LLZO out of another that is so much larger.
_FAR_SHARE = 0.3


class _Joint(NamedTuple):
    """Where two grains follow each other without vacuum between them."""

    z_A: float
    width_A: float
    below: int
    above: int


def recognise(
    ions: Ions,
    *,
    source: str,
    lattice_A: float | None = None,
    reference: Reference | None = None,
) -> tuple[Bicrystal, Recognised]:
    """Find the boundaries, the grains and the bulk reference of a structure.

    Args:
        ions: the structure; any of its cell vectors may cross the boundaries.
        source: where it comes from, for the provenance.
        lattice_A: lattice parameter of its crystal, if it is not near that of the reference.
        reference: the crystal, LLZO unless given.

    Returns:
        The structure turned so that z is the boundary normal, and what was found. Its ``sites``
        are the positions; its core is as wide as the widest boundary, one atomic layer at least.

    Raises:
        GeometryError: no grain is found, or the cell cannot be turned so that c is the normal.
    """
    crystal = reference or garnet()
    if lattice_A is not None:
        if not abs(lattice_A / crystal.lattice_A - 1) < _FAR_SHARE:
            raise GeometryError(
                f"a lattice parameter of {lattice_A:g} A is far from that of {crystal.name}, "
                f"{crystal.lattice_A:g} A",
                hint=f"give one within {_FAR_SHARE:.0%} of it",
            )
        crystal = replace(crystal, lattice_A=lattice_A)
    axis = _across(find_stacks(_framework(ions, crystal), crystal)).axis
    turned = oriented(ions, axis)
    framework = _framework(turned, crystal)
    stack = find_stacks(framework, crystal, [2])[0]
    surfaces = _vacuum(turned)
    joints, ordered = _joints(stack, surfaces)
    periods = turned.cell if stack.endless else turned.cell[:2]
    grains = tuple(_grain(framework, grain, crystal, periods) for grain in ordered)
    found = Recognised(
        file_axis="abc"[axis],
        boundaries=tuple(_boundary(turned, crystal, grains, joint) for joint in joints),
        grains=grains,
        surfaces_A=surfaces,
        bulk=_bulk(turned, grains, crystal),
        on_site=stack.on_site,
    )
    return _bicrystal(turned, found, source, crystal), found


def _framework(ions: Ions, crystal: Reference) -> Framework:
    kinds = crystal.kinds(ions.elements)
    if missing := [e for n, e in enumerate(crystal.elements) if not (kinds == n).any()]:
        raise GeometryError(
            f"the structure holds no {' or '.join(sorted(missing[0]))}, by which "
            f"{crystal.name} is recognised",
            hint="only grains of LLZO are known; give the reference crystal of others in Python",
        )
    return Framework(ions.positions[kinds >= 0], kinds[kinds >= 0], ions.cell)


def _across(stacks: list[Stack]) -> Stack:
    """The stack that explains most ions; of equal ones one with ends, and then along c."""
    best = max(stack.on_site for stack in stacks)
    if best < _LEAST_EXPLAINED:
        raise GeometryError(
            f"only {best:.0%} of the ions lie on the sites of a crystal: no grains are found",
            hint="give crystalline grains between parallel planes (networks are not recognised), "
            "and their lattice parameter if it differs from the usual one by more than 5 %",
        )
    close = [stack for stack in stacks if stack.on_site >= best - _AS_WELL]
    return max(close, key=lambda stack: (not stack.endless, stack.axis))


def _vacuum(ions: Ions) -> tuple[tuple[float, float], ...]:
    """Stretches along z without ions, from low to high."""
    z = np.sort(ions.positions[:, 2])
    following = np.append(z[1:], z[0] + ions.cell[2, 2])
    empty = following - z >= VACUUM_A
    return tuple(zip(z[empty].tolist(), following[empty].tolist(), strict=True))


def _joints(
    stack: Stack, surfaces: tuple[tuple[float, float], ...]
) -> tuple[list[_Joint], list[Grain]]:
    """Joints by z, and the grains numbered upwards from the first joint."""
    grains, count, length = stack.grains, len(stack.grains), stack.length_A
    joints = []
    for n, grain in enumerate(grains if not stack.endless else ()):
        low = grains[(n + 1) % count].low_A + (length if n + 1 == count else 0.0)
        middle = (grain.high_A + low) / 2
        if not any((middle - start) % length < end - start for start, end in surfaces):
            joints.append(_Joint(middle % length, max(0.0, low - grain.high_A), n, n + 1))
    joints.sort()
    first = joints[0].above if joints else 0
    numbered = [
        joint._replace(below=(joint.below - first) % count, above=(joint.above - first) % count)
        for joint in joints
    ]
    return numbered, [grains[(n + first) % count] for n in range(count)]


def _grain(
    framework: Framework, grain: Grain, crystal: Reference, vectors: NDArray[np.float64]
) -> CrystalGrain:
    """Orientation and lattice parameters, away from the ends where these leave room.

    Args:
        framework: its ions, with the boundary normal along z.
        grain: the grain.
        crystal: its crystal.
        vectors: (k, 3) A, cell vectors along which the grain has no end.
    """
    on_site, kinds = framework.positions[grain.on_site], framework.kinds[grain.on_site]
    middle = (grain.low_A + grain.high_A) / 2
    cells = np.round((middle - on_site[:, 2]) / framework.cell[2, 2])
    positions = on_site + cells[:, None] * framework.cell[2]
    inner_A = max(grain.thickness_A / 2 - END * crystal.reach_A, grain.thickness_A / 4)
    inner = np.abs(positions[:, 2] - middle) <= inner_A
    inner &= kinds < crystal.measured
    if np.count_nonzero(inner) < FEWEST_IONS:
        inner = np.ones(len(kinds), dtype=bool)
    positions, kinds = positions[inner], kinds[inner]
    sites, _ = nearest_sites(grain.lattice, crystal, positions, kinds)
    periods = periods_of(grain.lattice, crystal, positions, kinds, vectors)
    rotation, axes = crystal_axes(grain.lattice, Sample(sites, positions), periods)
    return CrystalGrain(grain.low_A, grain.high_A, rotation, axes, grain.sound)


def _boundary(
    ions: Ions, crystal: Reference, grains: tuple[CrystalGrain, ...], joint: _Joint
) -> Boundary:
    below, above = grains[joint.below], grains[joint.above]
    length, area = float(ions.cell[2, 2]), float(ions.cell[0, 0] * ions.cell[1, 1])
    # The two grains of this joint: the one whose end is the last before it, the other after.
    up = length * np.round((joint.z_A - joint.width_A / 2 - below.high_A) / length)
    down = length * np.round((joint.z_A + joint.width_A / 2 - above.low_A) / length)
    weights = share_of_boundary(
        ions.positions[:, 2],
        (below.low_A + up, below.high_A + up),
        (above.low_A + down, above.high_A + down),
        length,
    )
    angle, axis = misorientation(below.rotation, above.rotation)
    return Boundary(
        z_A=joint.z_A,
        width_A=joint.width_A,
        below=joint.below,
        above=joint.above,
        misorientation_deg=angle,
        axis=axis,
        c_axes_deg=_between_c_axes(below, above),
        excess_per_nm2=per_nm2(oxide_surplus(ions, crystal, weights), area),
    )


def _between_c_axes(one: CrystalGrain, other: CrystalGrain) -> float:
    if not (_tetragonal(one) and _tetragonal(other)):
        return np.nan
    cosine = abs(float(one.rotation[:, 2] @ other.rotation[:, 2]))
    return float(np.degrees(np.arccos(min(1.0, cosine))))


def _tetragonal(grain: CrystalGrain) -> bool:
    return max(grain.axes_A) / min(grain.axes_A) - 1 > TETRAGONAL


def _bulk(ions: Ions, grains: tuple[CrystalGrain, ...], crystal: Reference) -> BulkReference:
    edges = np.array([grain.axes_A for grain in grains])
    a, c = float(edges[:, :2].mean()), float(edges[:, 2].mean())
    tetragonal = any(_tetragonal(grain) for grain in grains)
    if not tetragonal:
        a = c = float(edges.mean())
    every = np.ones(len(ions.elements))
    return BulkReference(
        crystal=f"{'t' if tetragonal else 'c'}-{crystal.name}",
        a_A=a,
        c_A=c,
        formula_units=formula_units(ions, crystal, every),
        excess=oxide_surplus(ions, crystal, every),
    )


def _bicrystal(ions: Ions, found: Recognised, source: str, crystal: Reference) -> Bicrystal:
    """The structure as other parts of the package take it."""
    present = set(ions.elements.tolist())
    host = SPECIES if set(crystal.unit) == set(SPECIES) else ()
    elements = (*host, *sorted(present - set(host)))
    given = dict(zip(ions.elements.tolist(), ions.charges_e.tolist(), strict=True))
    charges = {**dict(zip(SPECIES, FORMAL_CHARGES, strict=True)), **given}
    z, length = ions.positions[:, 2], ions.cell[2, 2]
    planes = np.array([boundary.z_A for boundary in found.boundaries])
    lattice_A = (found.bulk.a_A**2 * found.bulk.c_A) ** (1 / 3)
    core_A = max((max(b.width_A, LAYER * crystal.reach_A) for b in found.boundaries), default=0.0)
    apart = np.abs(z[:, None] - planes)
    core = (np.minimum(apart, length - apart) <= core_A / 2).any(axis=1)
    return Bicrystal(
        positions=ions.positions,
        cell=ions.cell,
        sites=ions.positions.copy(),
        species=np.array([elements.index(name) for name in ions.elements.tolist()], dtype=np.int8),
        grain=_labels(z, found, length),
        core=core,
        boundaries_A=tuple(planes.tolist()),
        core_width_A=core_A,
        lattice_A=lattice_A,
        elements=elements,
        formal_charges_e=tuple(charges[name] for name in elements),
        provenance={
            "read": source,
            "stacked_along": found.file_axis,
            "crystal": found.bulk.crystal,
        },
    )


def _labels(z: NDArray[np.float64], found: Recognised, length_A: float) -> NDArray[np.int8]:
    """Grain of each height: the one that begins at the last boundary or surface below it."""
    starts = [(boundary.z_A, boundary.above) for boundary in found.boundaries]
    for low, high in found.surfaces_A:
        middle = (low + high) / 2 % length_A
        gaps = [(grain.low_A - middle) % length_A for grain in found.grains]
        starts.append((middle, int(np.argmin(gaps))))
    if not starts:
        return np.zeros(len(z), dtype=np.int8)
    heights, grains = zip(*sorted(starts), strict=True)
    labels: NDArray[np.int8] = np.array(grains, dtype=np.int8)
    return labels[np.searchsorted(heights, z, side="right") - 1]
