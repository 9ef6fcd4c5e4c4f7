"""`gbopt network`: a periodic network of four columnar grains as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gbopt.errors import ConfigError


def network(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File: .extxyz, .cif or .data (LAMMPS).")
    ],
    angle: Annotated[
        float | None, typer.Option(help="Misorientation of a checkerboard of grains, deg.")
    ] = None,
    angles: Annotated[
        str | None, typer.Option(help="Or the angle of each of the four grains: '0 10 25 40'.")
    ] = None,
    axis: Annotated[str, typer.Option(help="Common axis, along x.")] = "001",
    grain: Annotated[str, typer.Option(help="Size of a grain along y and z, A.")] = "40 40",
    width_layers: Annotated[
        int, typer.Option(min=0, max=12, help="Disordered slab on each boundary, atomic layers.")
    ] = 3,
    material: Annotated[str, typer.Option(help="Crystal: c-LLZO or t-LLZO.")] = "c-LLZO",
    lattice: Annotated[
        float | None, typer.Option(min=1, max=50, help="Lattice parameter of the grains, A.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all that is drawn.")] = 0,
) -> None:
    """Build four columnar grains whose boundaries lie on two perpendicular families of planes."""
    from gbopt.cli.material import lattice_of, load_crystal
    from gbopt.config.files import validated
    from gbopt.geometry.files import check_suffix, write_structure
    from gbopt.geometry.network import build_network
    from gbopt.model.network import NetworkSpec
    from gbopt.model.orientation import coprime, miller

    check_suffix(out)
    if (angle is None) == (angles is None):
        raise ConfigError(
            "give either --angle or --angles", hint="--angle 15, or --angles '0 9 20 31'"
        )
    crystal = load_crystal(material, None)
    fields = {
        "crystal": crystal.name,
        "axis": coprime(miller(axis)),
        "grain_A": _numbers(grain, 2, "--grain"),
        "width_layers": width_layers,
        "seed": seed,
    }
    if angle is not None:
        fields["angles_deg"] = NetworkSpec.checkerboard_deg(angle)
    else:
        fields["angles_deg"] = _numbers(angles or "", 4, "--angles")
    spec = validated(NetworkSpec, fields, "the network: ", "`gbopt network --help`")
    structure = build_network(spec, lattice_of(crystal, lattice), crystal)
    write_structure(structure, out)
    typer.echo(f"{spec.label}  key {spec.key}")
    a, b, c = (float(structure.cell[i, i]) for i in range(3))
    typer.echo(f"{structure.n_ions} ions {structure.formula}, charge {structure.charge_e} e")
    typer.echo(f"cell {a:.2f} x {b:.2f} x {c:.2f} A, nominal width {structure.core_width_A:.2f} A")
    lines = ", ".join(f"({y:.1f}, {z:.1f})" for y, z in structure.junctions_A)
    typer.echo(f"junction lines along x at (y, z) = {lines} A")
    typer.echo(f"neutral units removed: {structure.ledger or 'none'}")
    typer.echo(f"wrote {out}")


def _numbers(text: str, count: int, option: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.replace(",", " ").split())
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise ConfigError(
            f"{option}: {text!r} is not {count} numbers",
            hint=f"write them with spaces, such as {option} '{' '.join(['20'] * count)}'",
        )
    return numbers
