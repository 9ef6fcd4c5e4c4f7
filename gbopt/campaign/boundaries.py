"""The boundaries that a campaign file allows, with the sizes of their cells: nothing is built."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from gbopt.config.sections import GeometryConfig
from gbopt.crystal.known import get_crystal
from gbopt.errors import ConfigError
from gbopt.geometry.catalog import Entry, catalog, largest_area_a2, planes_up_to
from gbopt.geometry.plan import plan
from gbopt.model.crystal import Crystal
from gbopt.model.orientation import Miller, digits
from gbopt.model.spec import BoundaryKind, GBSpec

CRYSTAL = "c-LLZO"
"""Name of the crystal of both grains."""
# Normals of the three kinds of atomic layer: a layer of any plane is as thick as one of theirs.
_LAYERS: tuple[Miller, ...] = ((1, 0, 0), (1, 1, 0), (1, 1, 1))
# Strain fills in whole degrees that are farther than this from an angle without strain.
_GAP_DEG = 0.5


class Boundary(NamedTuple):
    """What tells the boundaries of a campaign apart."""

    mean_plane: str
    """See ``GBSpec.mean_plane``."""
    misorientation_deg: float
    """Without sign, four decimals."""
    width_layers: int
    kind: BoundaryKind
    axis: str
    """Indices as text, such as 001."""


class Cell(NamedTuple):
    """The cell of a boundary, as it would be built."""

    spec: GBSpec
    """Stoichiometric, with the seed 0."""
    ions: int
    """Before any neutral unit is removed or added."""
    area_A2: float
    """Area of each boundary."""
    core_A: float
    """Thickness of the disordered slab on each boundary."""
    edges_A: tuple[float, float]
    """Length of the first in-plane vector, and width of the cell across it."""
    strain: float
    """Of either grain, at most."""


@lru_cache(maxsize=8)
def boundaries(geometry: GeometryConfig, lattice_A: float) -> dict[Boundary, Cell]:
    """List every boundary and width that fits, in the order of their keys.

    Of several with one key, such as two orientations of a plane to the axis, the smallest cell is
    taken. Do not change the returned dictionary: it is kept.

    Args:
        geometry: what the campaign file asks for.
        lattice_A: lattice parameter that ions are counted with, A.

    Raises:
        ConfigError: there is none; what rules all of them out is named.
    """
    crystal = get_crystal(CRYSTAL)
    entries = _entries(geometry, crystal, lattice_A)
    found: dict[Boundary, Cell] = {}
    for spec in _specifications(entries, geometry):
        key = boundary_of(spec)
        cell = _cell(spec, crystal, lattice_A)
        if cell.ions <= geometry.max_ions and (key not in found or cell.ions < found[key].ions):
            found[key] = cell
    if not found:
        raise _nothing_fits(geometry)
    return dict(sorted(found.items()))


def boundary_of(spec: GBSpec) -> Boundary:
    """Return what tells a specification from the others of its campaign."""
    return Boundary(
        mean_plane=spec.mean_plane,
        misorientation_deg=round(abs(spec.misorientation_deg), 4),
        width_layers=spec.width_layers,
        kind=spec.kind,
        axis=digits(spec.axis),
    )


def _entries(geometry: GeometryConfig, crystal: Crystal, lattice_A: float) -> list[Entry]:
    """Boundaries without strain whose thinnest cells may fit."""
    thinnest_A = geometry.crystal_A + geometry.width_layers[0] * lattice_A * min(
        crystal.layer_spacing_a(plane) for plane in _LAYERS
    )
    found = catalog(
        crystal,
        kinds=geometry.kinds,
        axes=geometry.axes,
        range_deg=geometry.misorientation_deg,
        # Two grains of at least this thickness bound the in-plane cell.
        max_area_a2=largest_area_a2(crystal, geometry.max_ions, thinnest_A, lattice_A),
        planes=planes_up_to(geometry.max_index),
    )
    listed = [e for e in found if e.kind != "symmetric tilt" or e.mean_plane in geometry.mean_plane]
    if found and not listed:
        planes = ", ".join(sorted({entry.mean_plane for entry in found}))
        raise ConfigError(
            f"no symmetric tilt about {_named(geometry.axes)} has a mean plane of "
            f"geometry.mean_plane = {list(geometry.mean_plane)}",
            hint=f"those that fit have {planes}",
        )
    return listed


def _specifications(entries: Iterable[Entry], geometry: GeometryConfig) -> Iterator[GBSpec]:
    """Specifications of all widths, first those without strain."""
    crystal = get_crystal(CRYSTAL)
    widths = range(geometry.width_layers[0], geometry.width_layers[1] + 1)
    common = {
        "relax_translations": geometry.relax_translations,
        "orderings": geometry.orderings,
    }
    for entry, width in product(entries, widths):
        yield entry.spec(crystal, width, geometry.crystal_A).model_copy(update=common)
    for (entry, angle_deg), width in product(_sheared(entries, geometry), widths):
        spec = entry.spec(crystal, width, geometry.crystal_A)
        turned = {"misorientation_deg": angle_deg, "max_strain": geometry.max_strain}
        yield spec.model_copy(update=common | turned)


def _sheared(entries: Iterable[Entry], geometry: GeometryConfig) -> Iterator[tuple[Entry, float]]:
    """Symmetric tilts, with the whole degrees that a shear brings them to."""
    low, high = geometry.misorientation_deg
    tilts: dict[tuple[Miller, str], list[Entry]] = {}
    for entry in entries:
        if entry.kind == "symmetric tilt" and geometry.max_strain > 0:
            tilts.setdefault((entry.axis, entry.mean_plane), []).append(entry)
    for same, target in product(tilts.values(), range(math.ceil(low), math.floor(high) + 1)):
        away = {entry: abs(entry.misorientation_deg - target) for entry in same}
        if min(away.values()) <= _GAP_DEG:
            continue
        # Each grain is turned by half of what is missing.
        for entry, missing in away.items():
            if math.tan(math.radians(missing) / 2) <= geometry.max_strain:
                yield entry, math.copysign(target, entry.rotation_deg)


def _cell(spec: GBSpec, crystal: Crystal, lattice_A: float) -> Cell:
    sizes = plan(spec, crystal, lattice_A)
    first_A = float(np.linalg.norm(sizes.interface.cell_a[0])) * lattice_A
    area_A2 = sizes.interface.area_a2 * lattice_A**2
    return Cell(
        spec=spec,
        ions=sizes.ions,
        area_A2=area_A2,
        core_A=sizes.core_A,
        edges_A=(first_A, area_A2 / first_A),
        strain=sizes.interface.strain,
    )


def _nothing_fits(geometry: GeometryConfig) -> ConfigError:
    low, high = geometry.misorientation_deg
    kinds = " or ".join(geometry.kinds)
    return ConfigError(
        f"no boundary between {low:g} and {high:g} deg fits geometry.max_ions = "
        f"{geometry.max_ions}: none of the kinds {kinds} about {_named(geometry.axes)}",
        hint="raise geometry.max_ions, lower geometry.crystal_A or widen the range",
    )


def _named(axes: Iterable[Miller]) -> str:
    return " or ".join(f"[{digits(axis)}]" for axis in axes)
