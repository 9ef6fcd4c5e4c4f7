"""`gbopt catalog`: the boundaries that can be built, with their sizes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gbopt.cli.read import Format, FormatOption
from gbopt.cli.read import _print as print_rows
from gbopt.errors import ConfigError

if TYPE_CHECKING:
    from gbopt.geometry.catalog import Entry
    from gbopt.model.crystal import Crystal


class Kind(StrEnum):
    """Characters of boundary, as the command line spells them."""

    symmetric_tilt = "symmetric-tilt"
    asymmetric_tilt = "asymmetric-tilt"
    twist = "twist"
    mixed = "mixed"


def catalog(
    kind: Annotated[
        list[Kind] | None, typer.Option("--kind", help="Characters of boundary; repeat for more.")
    ] = None,
    axis: Annotated[
        list[str] | None, typer.Option("--axis", help="Axes of rotation such as 001 or '1 1 0'.")
    ] = None,
    low: Annotated[float, typer.Option("--from", min=0, max=180, help="Least angle, deg.")] = 5.0,
    high: Annotated[float, typer.Option("--to", min=0, max=180, help="Largest angle, deg.")] = 30.0,
    max_ions: Annotated[
        int, typer.Option(min=100, max=200_000, help="Largest cell, ions.")
    ] = 20000,
    width_layers: Annotated[
        int, typer.Option(min=0, max=12, help="Disordered slab on each boundary, atomic layers.")
    ] = 3,
    crystal_thickness: Annotated[
        float, typer.Option("--crystal", min=1, max=200, help="Crystal between the slabs, A.")
    ] = 24.0,
    material: Annotated[str, typer.Option(help="Crystal: c-LLZO, t-LLZO or a CIF.")] = "c-LLZO",
    charges: Annotated[
        str | None, typer.Option(help="Formal charges for a CIF: 'Mg=2,O=-2'.")
    ] = None,
    lattice: Annotated[
        float | None, typer.Option(min=1, max=50, help="Lattice parameter, A.")
    ] = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """List the boundaries without strain in a range of angles, with the size of their cells."""
    from gbopt.cli.material import lattice_of, load_crystal
    from gbopt.geometry.catalog import catalog as list_boundaries
    from gbopt.geometry.catalog import largest_area_a2
    from gbopt.model.orientation import miller

    crystal = load_crystal(material, charges)
    lattice_A = lattice_of(crystal, lattice)
    if low > high:
        raise ConfigError(f"--from {low:g} exceeds --to {high:g}", hint="give the lower one first")
    axes = axis or (["001", "110", "111"] if crystal.system == "cubic" else ["001"])
    found = list_boundaries(
        crystal,
        kinds=[k.value.replace("-", " ") for k in kind or [Kind.symmetric_tilt, Kind.twist]],  # type: ignore[misc]
        axes=[miller(a) for a in axes],
        range_deg=(low, high),
        max_area_a2=largest_area_a2(crystal, max_ions, crystal_thickness, lattice_A),
    )
    rows = [_row(e, crystal, width_layers, crystal_thickness, lattice_A) for e in found]
    rows = [row for row in rows if row["ions"] <= max_ions]
    if fmt is not Format.TABLE:
        print_rows(rows, fmt)
    else:
        _print_table(rows)
        typer.echo(
            f"{len(rows)} boundaries of {crystal.name} without strain, {low:g}-{high:g} deg, at "
            f"most {max_ions} ions with {width_layers} layers, {crystal_thickness:g} A of crystal"
        )


def _row(
    entry: Entry, crystal: Crystal, width_layers: int, crystal_A: float, lattice_A: float
) -> dict[str, Any]:
    from gbopt.geometry.plan import plan
    from gbopt.model.orientation import digits

    sizes = plan(entry.spec(crystal, width_layers, crystal_A), crystal, lattice_A)
    (a, _), (bx, by) = (sizes.interface.cell_a * lattice_A).tolist()
    return {
        "misorientation_deg": round(entry.misorientation_deg, 4),
        "kind": entry.kind,
        "axis": digits(entry.axis),
        "plane": digits(entry.plane),
        "second_plane": digits(sizes.interface.second.plane),
        "mean_plane": entry.mean_plane,
        "sigma": entry.sigma,
        "cell_a_A": round(a, 2),
        "cell_b_A": round((bx**2 + by**2) ** 0.5, 2),
        "area_nm2": round(a * by / 100, 2),
        "layer_A": round(sum(sizes.layers_A) / 2, 3),
        "width_A": round(sizes.core_A, 2),
        "ions": sizes.ions,
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    typer.echo(
        f"{'deg':>7}  {'boundary':<16} {'axis':<7} {'plane':<10} {'second':<10} {'Sigma':>5} "
        f"{'cell A':>15} {'nm2':>7} {'layer A':>7} {'width A':>7} {'ions':>6}"
    )
    for row in rows:
        typer.echo(
            f"{row['misorientation_deg']:>7.2f}  {row['kind']:<16} {'[' + row['axis'] + ']':<7}"
            f" {'(' + row['plane'] + ')':<10} "
            f"{'(' + row['second_plane'] + ')':<10} {row['sigma']:>5} "
            f"{row['cell_a_A']:>6.1f} x {row['cell_b_A']:>6.1f} {row['area_nm2']:>7.2f} "
            f"{row['layer_A']:>7.2f} {row['width_A']:>7.1f} {row['ions']:>6}"
        )
