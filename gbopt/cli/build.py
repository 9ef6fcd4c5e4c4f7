"""`gbopt build`: one boundary as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gbopt.errors import ConfigError

if TYPE_CHECKING:
    from gbopt.model.spec import GBSpec


def build(
    plane: Annotated[
        str, typer.Option(help="Boundary plane 'h k 0' of one grain, such as '4 1 0'.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File: .extxyz, .cif or .data (LAMMPS).")
    ],
    width_layers: Annotated[
        int, typer.Option(min=2, max=5, help="Disordered slab on each boundary, atomic layers.")
    ] = 3,
    crystal: Annotated[
        float, typer.Option(min=5, max=200, help="Crystal between the disordered slabs, A.")
    ] = 24.0,
    lattice: Annotated[
        float, typer.Option(min=12, max=14.5, help="Lattice parameter of the grains, A.")
    ] = 13.0,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of termination, translation and Li ordering.")
    ] = 0,
) -> None:
    """Build one symmetric tilt boundary about [001] and write it to a file."""
    from gbopt.crystal.known import get_crystal
    from gbopt.geometry.build import build_bicrystal
    from gbopt.geometry.files import check_suffix, write_structure
    from gbopt.geometry.gate import check

    check_suffix(out)
    spec = _spec(plane, width_layers, crystal, seed)
    structure = build_bicrystal(spec, lattice)
    gate = check(structure, get_crystal(spec.crystal))
    write_structure(structure, out)
    typer.echo(f"{spec.label}  key {spec.key}")
    typer.echo(
        f"{structure.n_ions} ions {structure.formula}, charge {gate.charge_e} e, "
        f"{gate.ions_per_A3:.4f} ions/A3"
    )
    a, b, c = structure.cell
    typer.echo(
        f"cell {a[0]:.2f} x {b[1]:.2f} x {c[2]:.2f} A (xy tilt {b[0]:.2f} A), boundaries at "
        f"z = {structure.boundaries_A[0]:.2f} and {structure.boundaries_A[1]:.2f} A, "
        f"nominal width {structure.core_width_A:.2f} A"
    )
    typer.echo("shortest " + ", ".join(f"{k} {v:.2f}" for k, v in gate.shortest_A.items()) + " A")
    if structure.ledger:
        typer.echo(f"oxide units removed: {structure.ledger}")
    typer.echo(f"wrote {out}")


def _spec(plane: str, width_layers: int, crystal_A: float, seed: int) -> GBSpec:
    from gbopt.model.spec import GBSpec

    try:
        miller = tuple(int(part) for part in plane.replace(",", " ").split())
        return GBSpec.model_validate(
            {
                "plane": miller,
                "width_layers": width_layers,
                "crystal_A": crystal_A,
                "seed": seed,
            }
        )
    except ValueError:  # also pydantic's ValidationError
        raise ConfigError(
            f"--plane: {plane!r} is not a plane 'h k 0' with h > k > 0 and no common factor",
            hint="planes such as '4 1 0' (28.07 deg) or '5 3 0'; `gbopt check` lists angles",
        ) from None
