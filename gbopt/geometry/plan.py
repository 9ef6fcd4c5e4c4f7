"""The sizes of a bicrystal and the choices that fix its slabs, before an ion is placed."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.errors import ConfigError
from gbopt.geometry.interface import Interface, interface_of
from gbopt.geometry.slab import (
    Slab,
    basis_a,
    displacement_cell,
    draw_terminations,
    make_slab,
    terminations,
)
from gbopt.model.crystal import Crystal
from gbopt.model.orientation import digits
from gbopt.model.spec import GBSpec


class Plan(NamedTuple):
    """The sizes of a bicrystal, known before it is built."""

    interface: Interface
    n_planes: tuple[int, int]
    """Lattice planes of each grain."""
    layers_A: tuple[float, float]
    """Thickness of one atomic layer of either plane; the core counts their mean."""
    core_A: float
    """Thickness of the disordered slab, or of the film, on each boundary."""
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
    layers_A = (
        crystal.layer_spacing_a(cuts[0].plane) * lattice_A,
        crystal.layer_spacing_a(cuts[1].plane) * lattice_A,
    )
    core_A = spec.width_layers * sum(layers_A) / 2
    if spec.film is not None:
        core_A = spec.film.thickness_A
    first, second = (
        max(1, math.ceil((spec.crystal_A + core_A) / (cut.spacing_a * lattice_A) - 1e-9))
        for cut in cuts
    )
    cells = first * cuts[0].points_per_plane + second * cuts[1].points_per_plane
    ions = round(cells * crystal.ions_per_primitive)
    return Plan(interface, (first, second), layers_A, core_A, ions)


def draw_choices(
    spec: GBSpec, crystal: Crystal, interface: Interface, rng: np.random.Generator
) -> Draw:
    """Take terminations and translation from the specification, or draw them."""
    cuts = (interface.first, interface.second)
    drawn = draw_terminations(crystal, cuts, rng)
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


def fill_slabs(crystal: Crystal, sizes: Plan, draw: Draw, lattice_A: float) -> tuple[Slab, Slab]:
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


def cell_of(
    sizes: Plan, lattice_A: float, gap_A: float
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
