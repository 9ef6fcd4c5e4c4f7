"""GBSpec -> Bicrystal, and the single crystal that is its bulk reference."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.known import get_crystal
from gbopt.crystal.neighbours import wrap
from gbopt.errors import ConfigError
from gbopt.geometry.gate import check
from gbopt.geometry.integers import cosets
from gbopt.geometry.interface import Interface, interface_of
from gbopt.geometry.mobile import Host, place_mobile
from gbopt.geometry.overlap import Framework, disorder, push_apart, remove_units
from gbopt.geometry.slab import (
    Slab,
    basis_a,
    displacement_cell,
    draw_termination,
    make_slab,
    terminations,
)
from gbopt.geometry.zones import Zones
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.crystal import Crystal
from gbopt.model.orientation import digits
from gbopt.model.spec import GBSpec

# Ions this far beyond the disordered slab may still be pushed.
MARGIN_A = 2.0
# Mobile ions that no site takes are put into voids this near to a boundary at least.
_VOIDS_A = 6.0


class Plan(NamedTuple):
    """The sizes of a bicrystal, known before it is built."""

    interface: Interface
    n_planes: tuple[int, int]
    """Lattice planes of each grain."""
    core_A: float
    """Thickness of the disordered slab on each boundary."""
    ions: int
    """Ions before any neutral unit is removed or added."""


class Draw(NamedTuple):
    """The choices that fix the two slabs of a bicrystal."""

    cuts: tuple[float, float]
    """Termination of each grain, in interplanar spacings."""
    translation: tuple[float, float]
    """Shift of the second grain, in fractions of the cell of non-identical displacement."""


def plan(spec: GBSpec, crystal: Crystal, lattice_A: float) -> Plan:
    """Work out cell, grain thickness and number of ions of a boundary.

    Raises:
        GeometryError: the boundary is not commensurate.
    """
    interface = interface_of(spec, crystal)
    cuts = (interface.first, interface.second)
    layer_a = sum(crystal.layer_spacing_a(cut.plane) for cut in cuts) / 2
    core_A = spec.width_layers * layer_a * lattice_A
    first, second = (
        max(1, math.ceil((spec.crystal_A + core_A) / (cut.spacing_a * lattice_A) - 1e-9))
        for cut in cuts
    )
    cells = first * cuts[0].points_per_plane + second * cuts[1].points_per_plane
    return Plan(interface, (first, second), core_A, round(cells * crystal.ions_per_primitive))


def build_bicrystal(spec: GBSpec, lattice_A: float, crystal: Crystal | None = None) -> Bicrystal:
    """Build the boundary that a specification describes.

    The cell holds two grains and two boundaries, at z = 0 and above the first grain. The same
    specification, crystal and lattice parameter give the same structure, bit for bit.

    Args:
        spec: the boundary.
        lattice_A: lattice parameter of the grains.
        crystal: what ``spec.crystal`` names, where gbopt does not bring it along.

    Raises:
        ConfigError: the crystal is unknown, or is not the one that the specification names.
        GeometryError: it cannot be built without touching ions or leaving charge.
    """
    crystal = _named(spec, crystal)
    rng = np.random.default_rng(spec.seed)
    sizes = plan(spec, crystal, lattice_A)
    draw = _draw(spec, crystal, sizes.interface, rng)
    slabs = _slabs(crystal, sizes, draw, lattice_A)
    cell, boundaries = _cell(crystal, sizes, lattice_A, spec.gap_A)
    zones = Zones(boundaries, float(cell[2, 2]))
    framework, sites = assemble(crystal, slabs, [z + spec.gap_A / 2 for z in boundaries], rng)
    framework = disorder(framework, cell, zones, sizes.core_A, rng)
    framework = push_apart(framework, crystal, cell, zones, sizes.core_A / 2 + MARGIN_A, rng)
    framework, ledger = remove_units(framework, crystal, cell)
    host = Host(
        wrap(framework.positions, cell),
        framework.species,
        cell,
        zones,
        max(sizes.core_A, _VOIDS_A),
    )
    mobile = np.zeros((0, 3))
    if crystal.mobile is not None:
        count = mobile_count(crystal, framework.species)
        mobile = place_mobile(crystal, host, sites, lattice_A, count, rng)
    bicrystal = finished(
        crystal,
        framework._replace(positions=host.positions),
        mobile,
        mobile_grain=(mobile[:, 2] >= boundaries[1]).astype(np.int8),
        cell=cell,
        zones=zones,
        core_width_A=sizes.core_A,
        lattice_A=lattice_A,
        ledger=ledger,
        provenance=_provenance(spec, sizes, draw),
    )
    check(bicrystal, crystal)
    return bicrystal


def _named(spec: GBSpec, crystal: Crystal | None) -> Crystal:
    if crystal is None:
        return get_crystal(spec.crystal)
    if crystal.name != spec.crystal:
        raise ConfigError(
            f"the specification names the crystal {spec.crystal!r}, given is {crystal.name!r}",
            hint="make the specification with crystal = the name of the crystal",
        )
    return crystal


def _draw(spec: GBSpec, crystal: Crystal, interface: Interface, rng: np.random.Generator) -> Draw:
    """Take terminations and translation from the specification, or draw them."""
    cuts = (interface.first, interface.second)
    drawn = (draw_termination(crystal, cuts[0], rng), draw_termination(crystal, cuts[1], rng))
    if spec.termination is not None:
        ranges = [terminations(crystal, cut) for cut in cuts]
        for index, (low, _) in zip(spec.termination, ranges, strict=True):
            if not 0 <= index < len(low):
                raise ConfigError(
                    f"termination = {list(spec.termination)}: ({digits(spec.plane)}) has the least "
                    f"polar cuts 0 to {len(low) - 1}",
                    hint="take one of these, or leave termination out to have it drawn",
                )
        first, second = (
            float((low[i] + high[i]) / 2)
            for i, (low, high) in zip(spec.termination, ranges, strict=True)
        )
        drawn = (first, second)
    across = rng.random(2)
    if spec.translation is not None:
        across = np.array(spec.translation)
    return Draw(drawn, (float(across[0]), float(across[1])))


def _provenance(spec: GBSpec, sizes: Plan, draw: Draw) -> dict[str, Any]:
    interface = sizes.interface
    return {
        "spec": spec.model_dump(mode="json"),
        "key": spec.key,
        "angle": {
            "target_deg": spec.misorientation_deg,
            "realised_deg": interface.realised_deg,
            "sigma": spec.sigma,
            "strain_per_grain": interface.strain,
            "cell_a": interface.cell_a.tolist(),
            "planes": [list(interface.first.plane), list(interface.second.plane)],
        },
        "terminations": list(draw.cuts),
        "translation": list(draw.translation),
    }


def _slabs(crystal: Crystal, sizes: Plan, draw: Draw, lattice_A: float) -> tuple[Slab, Slab]:
    """Fill both slabs; without translation the second lattice continues the first's origin."""
    first, second = sizes.interface.first, sizes.interface.second
    cell = sizes.interface.cell_a
    onward = sizes.n_planes[0] * basis_a(crystal, first)[2, :2]
    moved = np.array(draw.translation) @ displacement_cell(sizes.interface)
    moved = moved + onward @ np.linalg.inv(cell)
    return (
        make_slab(crystal, first, sizes.n_planes[0], lattice_A, (0.0, 0.0, draw.cuts[0])),
        make_slab(crystal, second, sizes.n_planes[1], lattice_A, (*moved.tolist(), draw.cuts[1])),
    )


def _cell(
    crystal: Crystal, sizes: Plan, lattice_A: float, gap_A: float
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Cell and the z of both boundaries: a grain and half a gap on either side of it."""
    thick = [
        planes * cut.spacing_a * lattice_A
        for planes, cut in zip(
            sizes.n_planes, (sizes.interface.first, sizes.interface.second), strict=True
        )
    ]
    cell = np.zeros((3, 3))
    cell[:2, :2] = sizes.interface.cell_a * lattice_A
    cell[2, 2] = sum(thick) + 2 * gap_A
    return cell, (0.0, thick[0] + gap_A)


def assemble(
    crystal: Crystal,
    slabs: tuple[Slab, ...],
    offsets_A: list[float],
    rng: np.random.Generator,
) -> tuple[Framework, tuple[NDArray[np.float64], ...]]:
    """Stack the grains and draw what sits on mixed sites.

    Returns:
        The framework, and for each kind of mobile site its positions; mixed sites that are left
        empty are open to the mobile ion too, as a last kind.
    """
    ups = [np.array([0.0, 0.0, z]) for z in offsets_A]
    positions = [slab.framework + up for slab, up in zip(slabs, ups, strict=True)]
    species = [slab.species for slab in slabs]
    grain = [np.full(len(slab.species), g, dtype=np.int8) for g, slab in enumerate(slabs)]
    empty: list[NDArray[np.float64]] = []
    for kind, mixture in enumerate(crystal.mixed):
        where = np.concatenate([slab.mixed[kind] + up for slab, up in zip(slabs, ups, strict=True)])
        side = np.repeat(np.arange(len(slabs)), [len(slab.mixed[kind]) for slab in slabs])
        order, start = rng.permutation(len(where)), 0
        for one, share in zip(mixture.species, mixture.occupancy, strict=True):
            chosen = order[start : start + round(share * len(where))]
            start += len(chosen)
            positions.append(where[chosen])
            species.append(np.full(len(chosen), one, dtype=np.int8))
            grain.append(side[chosen].astype(np.int8))
        empty.append(where[order[start:]])
    mobile = [
        np.concatenate([slab.mobile[kind] + up for slab, up in zip(slabs, ups, strict=True)])
        for kind in range(len(crystal.mobile_sites))
    ]
    joined = np.concatenate(positions)
    framework = Framework(joined, joined.copy(), np.concatenate(species), np.concatenate(grain))
    return framework, (*mobile, *empty)


def mobile_count(crystal: Crystal, species: NDArray[np.int8]) -> int:
    """Mobile ions that make the other ions neutral.

    Raises:
        ConfigError: no whole, positive number of them does.
    """
    charge = int(np.array(crystal.formal_charges_e)[species].sum())
    each = crystal.formal_charges_e[crystal.mobile or 0]
    if charge % each or -charge // each < 0:
        raise ConfigError(
            f"{crystal.name}: {charge:+d} e of the other ions cannot be made up by "
            f"{crystal.elements[crystal.mobile or 0]} of {each:+d} e",
            hint="check the formal charges and occupancies of the crystal",
        )
    return -charge // each


def finished(
    crystal: Crystal,
    framework: Framework,
    mobile: NDArray[np.float64],
    *,
    mobile_grain: NDArray[np.int8],
    cell: NDArray[np.float64],
    zones: Zones,
    core_width_A: float,
    lattice_A: float,
    ledger: dict[str, int],
    provenance: dict[str, Any],
) -> Bicrystal:
    """Put framework and mobile ions together, the mobile ones first."""
    sites = np.concatenate([mobile, framework.sites])
    kind = np.full(len(mobile), crystal.mobile or 0, dtype=np.int8)
    return Bicrystal(
        positions=np.concatenate([mobile, framework.positions]),
        cell=cell,
        sites=sites,
        species=np.concatenate([kind, framework.species]),
        grain=np.concatenate([mobile_grain, framework.grain]),
        # By site: an ion displaced out of the slab still belongs to it and is annealed.
        core=zones.depth(sites) <= core_width_A / 2,
        boundaries_A=zones.boundaries_A,
        cross_boundaries_A=zones.cross_boundaries_A,
        core_width_A=core_width_A,
        lattice_A=lattice_A,
        elements=crystal.elements,
        formal_charges_e=crystal.formal_charges_e,
        ledger=ledger,
        provenance=provenance,
    )


def build_bulk(
    cells: int, lattice_A: float, seed: int, crystal: Crystal | None = None
) -> Bicrystal:
    """Build a crystal of ``cells`` conventional cells along each edge, mobile ions by seed.

    Args:
        cells: conventional cells along each edge.
        lattice_A: lattice parameter a.
        seed: seed of the ordering of the mobile ions and of mixed sites.
        crystal: cubic LLZO where none is given.
    """
    crystal = crystal or get_crystal("c-LLZO")
    rng = np.random.default_rng(seed)
    cell = crystal.shape_a * lattice_A * cells
    slab = _conventional(crystal, cells, lattice_A)
    framework, sites = assemble(crystal, (slab,), [0.0], rng)
    zones = Zones((), float(cell[2, 2]))
    mobile = np.zeros((0, 3))
    if crystal.mobile is not None:
        host = Host(wrap(framework.positions, cell), framework.species, cell, zones, 0.0)
        count = mobile_count(crystal, framework.species)
        mobile = place_mobile(crystal, host, sites, lattice_A, count, rng)
    bulk = finished(
        crystal,
        framework._replace(positions=wrap(framework.positions, cell)),
        mobile,
        mobile_grain=np.zeros(len(mobile), dtype=np.int8),
        cell=cell,
        zones=zones,
        core_width_A=0.0,
        lattice_A=lattice_A,
        ledger={},
        provenance={"crystal": crystal.name, "cells": cells, "seed": seed},
    )
    check(bulk, crystal)
    return bulk


def _conventional(crystal: Crystal, cells: int, lattice_A: float) -> Slab:
    """All sites of a block of conventional cells."""
    edge = np.eye(3, dtype=int) * crystal.denominator * cells
    vectors = np.array(crystal.primitive)
    outer = [tuple(row) for row in np.rint(edge @ np.linalg.inv(vectors)).astype(int).tolist()]
    points = np.array(cosets(outer)) @ vectors / crystal.denominator

    def spread(sites: NDArray[np.float64]) -> NDArray[np.float64]:
        every = (points[:, None, :] + sites[None]).reshape(-1, 3)
        placed: NDArray[np.float64] = every @ crystal.shape_a * lattice_A
        return placed

    return Slab(
        spread(crystal.framework),
        np.tile(crystal.species, len(points)),
        tuple(spread(mixture.positions) for mixture in crystal.mixed),
        tuple(spread(kind.positions) for kind in crystal.mobile_sites),
    )
