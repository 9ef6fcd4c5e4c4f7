"""`gbopt inspect`: what a ready-made structure is made of."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gbopt.cli.read import Format, FormatOption
from gbopt.cli.read import _print as print_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gbopt.geometry.recognised import Boundary, CrystalGrain, Recognised
    from gbopt.model.bicrystal import Bicrystal

# Below this share of ions on sites, something else than two flat boundaries is in the cell.
_SOUND = 0.8
# Oxide units that are rounding.
_NOTHING = 0.005
_REACH_A = 4.0


def inspect(
    file: Annotated[
        Path,
        typer.Argument(help="CIF, extended XYZ, POSCAR (.vasp) or LAMMPS data of one structure."),
    ],
    charges: Annotated[
        str, typer.Option(help="Formal charges such as 'La=3,Ta=5', before the usual ones.")
    ] = "",
    lattice: Annotated[
        float | None,
        typer.Option(min=3, help="Lattice parameter, A, where it is not the usual one within 5 %."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Write it with grains and cores marked, z along the normal: .extxyz, .cif, .data.",
        ),
    ] = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Say what boundaries, grains and composition a structure that gbopt did not build has.

    JSON holds everything; CSV the boundaries, a row each.
    """
    from gbopt.crystal.charges import parse_charges
    from gbopt.geometry.files import check_suffix, write_structure
    from gbopt.geometry.read import read_ions
    from gbopt.geometry.recognise import recognise

    if out is not None:
        check_suffix(out)
    ions = read_ions(file, parse_charges(charges))
    structure, found = recognise(ions, source=file.name, lattice_A=lattice)
    if fmt is Format.JSON:
        typer.echo(json.dumps(_record(structure, found), indent=1))
    elif fmt is Format.CSV:
        print_rows([_flat(boundary) for boundary in _record(structure, found)["boundaries"]], fmt)
    else:
        typer.echo("\n".join(_lines(structure, found)))
    if out is not None:
        write_structure(structure, out)
        typer.echo(f"wrote {out}", err=fmt is not Format.TABLE)


def _lines(structure: Bicrystal, found: Recognised) -> list[str]:
    """Everything in words."""
    return [
        *_cell(structure, found),
        *_composition(found),
        *(_boundary(n, boundary) for n, boundary in enumerate(found.boundaries)),
        *(_grain(n, grain) for n, grain in enumerate(found.grains)),
        *_shortest(structure),
        *_warnings(found),
    ]


def _record(structure: Bicrystal, found: Recognised) -> dict[str, Any]:
    """Everything as plain data; what does not exist in a crystal is null."""
    import numpy as np

    def plain(value: Any) -> Any:
        if isinstance(value, float):
            return None if math.isnan(value) else round(value, 4)
        if isinstance(value, np.ndarray):
            return plain(value.tolist())
        if isinstance(value, dict):
            return {name: plain(each) for name, each in value.items()}
        return [plain(each) for each in value] if isinstance(value, list | tuple) else value

    return {
        "ions": structure.n_ions,
        "formula": structure.formula,
        "charge_e": structure.charge_e,
        "cell_A": plain(structure.cell),
        "stacked_along": found.file_axis,
        "bulk": plain(found.bulk._asdict()),
        "on_site": plain(found.on_site),
        "boundaries": [plain(boundary._asdict()) for boundary in found.boundaries],
        "grains": [plain(grain._asdict()) for grain in found.grains],
        "surfaces_A": plain(found.surfaces_A),
        "shortest_A": plain(_shortest_A(structure)),
        "warnings": _warnings(found),
    }


def _flat(boundary: dict[str, Any]) -> dict[str, Any]:
    """One boundary as a row: a column for each oxide."""
    excess = boundary.pop("excess_per_nm2")
    axis = " ".join(map(str, boundary.pop("axis")))
    return boundary | {"axis": axis} | {f"{name}_per_nm2": units for name, units in excess.items()}


def _cell(structure: Bicrystal, found: Recognised) -> list[str]:
    a, b, c = structure.cell
    formula = "".join(f"{name}{count}" for name, count in structure.counts.items() if count)
    stacked = (
        f"grains stacked along {found.file_axis} of the file, here z"
        if found.boundaries or found.surfaces_A
        else "a single crystal: no boundary"
    )
    return [
        f"{structure.n_ions} ions {formula}, charge {structure.charge_e} e, "
        f"{structure.n_ions / structure.volume_A3:.4f} ions/A3",
        f"cell {a[0]:.2f} x {b[1]:.2f} x {c[2]:.2f} A (xy tilt {b[0]:.2f} A), {stacked}",
    ]


def _composition(found: Recognised) -> list[str]:
    bulk = found.bulk
    lattice = f"a = {bulk.a_A:.3f}" + (f", c = {bulk.c_A:.3f}" if bulk.c_A != bulk.a_A else "")
    return [
        f"bulk {bulk.crystal}, {lattice} A; {bulk.formula_units:g} formula units, "
        f"excess {_amounts(bulk.excess)}"
    ]


def _amounts(units: dict[str, float]) -> str:
    """Oxide units such as ``+2 Li2O -1 La2O3``."""
    terms = [f"{number:+.3g} {oxide}" for oxide, number in units.items() if abs(number) > _NOTHING]
    return " ".join(terms) or "none"


def _boundary(number: int, boundary: Boundary) -> str:
    turned = f"{boundary.misorientation_deg:.2f} deg"
    if boundary.misorientation_deg >= 1.0:
        turned += f" about {_indices(boundary.axis, '[]')}"
    if not math.isnan(boundary.c_axes_deg):
        turned += f", c axes {boundary.c_axes_deg:.1f} deg apart"
    width = f"{boundary.width_A:.1f} A wide" if boundary.width_A >= 0.1 else "sharp"
    return (
        f"boundary {number} at z = {boundary.z_A:.2f} A, {width}, between grains "
        f"{boundary.below} and {boundary.above}, turned by {turned}; "
        f"excess per nm2 {_amounts(boundary.excess_per_nm2)}"
    )


def _grain(number: int, grain: CrystalGrain) -> str:
    # Indices of a plane are along its normal times the lattice parameters, of a direction over.
    normal = _indices(grain.rotation[2] * grain.axes_A, "()")
    across = _indices(grain.rotation[0] / grain.axes_A, "[]")
    return (
        f"grain {number} from z = {grain.low_A:.2f} to {grain.high_A:.2f} A "
        f"({grain.high_A - grain.low_A:.1f} A), plane {normal}, x along {across}, "
        f"{grain.sound:.0%} of its La, Zr, O on sites"
    )


def _indices(vector: NDArray[np.float64], brackets: str) -> str:
    """Miller indices, or the unit vector where no low ones are near."""
    from gbopt.geometry.disorientation import near_miller

    found = near_miller(vector)
    unit = vector / (vector @ vector) ** 0.5
    inside = " ".join(map(str, found) if found else (f"{x:.2f}" for x in unit))
    return f"{brackets[0]}{inside}{brackets[1]}"


def _shortest_A(structure: Bicrystal) -> dict[str, float]:
    """Shortest distance of each pair of elements within reach."""
    from gbopt.crystal.neighbours import pairs_within

    pairs = pairs_within(structure.positions, structure.cell, _REACH_A)
    shortest: dict[tuple[int, int], float] = {}
    kinds = zip(structure.species[pairs.i], structure.species[pairs.j], strict=True)
    for (i, j), distance in zip(kinds, pairs.distance.tolist(), strict=True):
        pair = (int(min(i, j)), int(max(i, j)))
        shortest[pair] = min(distance, shortest.get(pair, _REACH_A))
    names = structure.elements
    return {f"{names[i]}-{names[j]}": distance for (i, j), distance in sorted(shortest.items())}


def _shortest(structure: Bicrystal) -> list[str]:
    """Shortest distance of each pair of elements, beside that of DFT-relaxed LLZO boundaries."""
    from gbopt.crystal.llzo import RELAXED_MINIMUM_A
    from gbopt.model.bicrystal import SPECIES

    terms = []
    for pair, distance in _shortest_A(structure).items():
        one, other = pair.split("-")
        term = f"{pair} {distance:.2f}"
        if {one, other} <= set(SPECIES):
            term += f" ({RELAXED_MINIMUM_A[SPECIES.index(one), SPECIES.index(other)]:.2f})"
        terms.append(term)
    return [f"shortest distances (in DFT-relaxed LLZO boundaries), A: {', '.join(terms)}"]


def _warnings(found: Recognised) -> list[str]:
    lines = [
        f"vacuum from z = {low:.2f} to {high:.2f} A: surfaces, not boundaries"
        for low, high in found.surfaces_A
    ]
    if len(found.boundaries) == 1:
        lines.append("one boundary only: gbopt measures cells that hold two")
    if min(grain.sound for grain in found.grains) < _SOUND:
        lines.append(
            "many ions inside the grains are off their sites: is the structure hot or damaged, "
            "or are there boundaries across another axis as well?"
        )
    return lines
