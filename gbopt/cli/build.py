"""`gbopt build`: one boundary as a file."""

from __future__ import annotations

import math
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from gbopt.errors import ConfigError

if TYPE_CHECKING:
    from gbopt.geometry.angles import Choice
    from gbopt.model.bicrystal import Bicrystal
    from gbopt.model.crystal import Crystal
    from gbopt.model.spec import GBSpec


class Mode(StrEnum):
    """How an angle is turned into a commensurate cell."""

    exact = "exact"
    nearest = "nearest"
    strained = "strained"


_ANGLE, _CELL = "By angle", "Cell"
_Out = Annotated[
    Path, typer.Option("--out", "-o", help="File to write: .extxyz, .cif or .data (LAMMPS).")
]
_Name = Annotated[
    str | None,
    typer.Argument(help="Name: 'Sigma5(210)[001]', 'Sigma3(112)' or 'Sigma5(001) twist'."),
]
_Spec = Annotated[
    Path | None,
    typer.Option("--spec", help="TOML or JSON file with the fields of GBSpec; options add to it."),
]
_Plane = Annotated[
    str | None, typer.Option(help="Boundary plane of the first grain, 410 or '11 1 0'.")
]
_Axis = Annotated[str | None, typer.Option(help="Axis of rotation; default 001.")]
_Angle = Annotated[float | None, typer.Option(help="Misorientation, deg.", rich_help_panel=_ANGLE)]
_Twist = Annotated[
    bool, typer.Option("--twist", help="A twist, not a symmetric tilt.", rich_help_panel=_ANGLE)
]
_MeanPlane = Annotated[
    str | None, typer.Option(help="Of symmetric tilts: 100 or 110.", rich_help_panel=_ANGLE)
]
_Mode = Annotated[
    Mode,
    typer.Option(help="What to do where the angle is not commensurate.", rich_help_panel=_ANGLE),
]
_MaxIons = Annotated[
    int, typer.Option(min=100, help="Largest cell considered, ions.", rich_help_panel=_ANGLE)
]
_MaxStrain = Annotated[
    float,
    typer.Option(min=0, max=0.05, help="Of either grain, mode strained.", rich_help_panel=_ANGLE),
]
_Material = Annotated[
    str | None,
    typer.Option(
        help="c-LLZO (default), t-LLZO or the CIF of another crystal.", rich_help_panel=_CELL
    ),
]
_Charges = Annotated[
    str | None, typer.Option(help="Formal charges for a CIF: 'Mg=2,O=-2'.", rich_help_panel=_CELL)
]
_Width = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=12,
        help="Disordered slab on each boundary, atomic layers; default 3.",
        rich_help_panel=_CELL,
    ),
]
_FilmA = Annotated[
    float | None,
    typer.Option(
        "--film",
        help="Film of glass on each boundary instead of the slab, A; a run melts and quenches it.",
        rich_help_panel=_CELL,
    ),
]
_FilmLi = Annotated[
    float | None,
    typer.Option(
        help="Li per formula unit of the film, such as 6.5, by neutral Li2O; default 7.",
        rich_help_panel=_CELL,
    ),
]
_Thickness = Annotated[
    float | None,
    typer.Option(
        "--crystal",
        min=1,
        max=500,
        help="Crystal between the disordered slabs, A; default 24.",
        rich_help_panel=_CELL,
    ),
]
_Lattice = Annotated[
    float | None,
    typer.Option(min=1, max=50, help="Lattice parameter of the grains, A.", rich_help_panel=_CELL),
]
_Seed = Annotated[int | None, typer.Option(min=0, help="Seed of all that is drawn; default 0.")]


class _Limits(NamedTuple):
    """How an angle may be realised."""

    mode: Mode
    max_ions: int
    max_strain: float


def build(
    out: _Out,
    name: _Name = None,
    spec: _Spec = None,
    plane: _Plane = None,
    axis: _Axis = None,
    angle: _Angle = None,
    twist: _Twist = False,
    mean_plane: _MeanPlane = None,
    mode: _Mode = Mode.exact,
    max_ions: _MaxIons = 50000,
    max_strain: _MaxStrain = 0.005,
    material: _Material = None,
    charges: _Charges = None,
    width_layers: _Width = None,
    film: _FilmA = None,
    film_li: _FilmLi = None,
    thickness: _Thickness = None,
    lattice: _Lattice = None,
    seed: _Seed = None,
) -> None:
    """Build one boundary, given by name, plane, angle or specification, and write it to a file."""
    from gbopt.cli.material import lattice_of, load_crystal
    from gbopt.geometry.build import build_bicrystal
    from gbopt.geometry.files import check_suffix, write_structure
    from gbopt.geometry.plan import plan

    check_suffix(out)
    asked = {"name": name, "--plane": plane, "--angle": angle, "--twist": twist or None}
    _refuse_contradictions(asked | {"--mean-plane": mean_plane}, mode)
    given = {"width_layers": width_layers, "crystal_A": thickness, "seed": seed}
    fields: dict[str, Any] = {"crystal_A": 24.0, "seed": 0}
    fields |= _read(spec) if spec else {}
    fields |= {key: value for key, value in given.items() if value is not None}
    fields |= _film(film, film_li, fields)
    crystal = load_crystal(material or str(fields.get("crystal", "c-LLZO")), charges)
    fields["crystal"] = crystal.name
    if axis is not None:
        fields["axis"] = _axis(axis)
    lattice_A = lattice_of(crystal, lattice)
    choice: Choice | None = None
    if angle is not None and plane is None:
        limits = _Limits(mode, max_ions, max_strain)
        choice = _by_angle((angle, twist, mean_plane), crystal, lattice_A, fields, limits)
        boundary = choice.spec
    else:
        boundary = _given(name, plane, angle, fields)
    if (ions := plan(boundary, crystal, lattice_A).ions) > max_ions:
        raise ConfigError(
            f"{boundary.label} has {ions} ions, --max-ions allows {max_ions}",
            hint=f"give --max-ions {ions}, or take another boundary from `gbopt catalog`",
        )
    structure = build_bicrystal(boundary, lattice_A, crystal)
    if choice is not None and angle is not None:
        record = {"choice": choice.record(angle)}
        structure = replace(structure, provenance=structure.provenance | record)
    write_structure(structure, out)
    _print(boundary, structure, crystal, out)


def _refuse_contradictions(asked: dict[str, Any], mode: Mode) -> None:
    """Refuse options that the chosen way of naming a boundary would not read."""
    given = [option for option, value in asked.items() if value is not None]
    by_angle = asked["--angle"] is not None and asked["--plane"] is None
    unread = [o for o in given if o in {"--twist", "--mean-plane"} and not by_angle]
    if asked["name"] is not None:
        unread += [option for option in given if option in {"--plane", "--angle"}]
    if mode is not Mode.exact and not (by_angle and asked["name"] is None):
        unread.append(f"--mode {mode.value}")
    if asked["--twist"] and asked["--mean-plane"] is not None:
        unread.append("--mean-plane")
    if unread:
        raise ConfigError(
            f"{', '.join(dict.fromkeys(unread))} would not be read beside {' '.join(given)}",
            hint="name a boundary, or give --plane (with --angle), or --angle with --twist, "
            "--mean-plane and --mode",
        )
    if asked["--mean-plane"] not in {None, "100", "110"}:
        raise ConfigError(
            f"--mean-plane {asked['--mean-plane']} is neither 100 nor 110",
            hint="symmetric tilts are tilted from one of these",
        )
    if asked["--angle"] is not None and not -180 <= asked["--angle"] <= 180:
        raise ConfigError(
            f"--angle {asked['--angle']:g} is no angle", hint="give one within 180 deg"
        )


def _axis(text: str) -> tuple[int, int, int]:
    from gbopt.model.orientation import coprime, miller

    return coprime(miller(text))


def _read(path: Path) -> dict[str, Any]:
    """Fields of a specification from a TOML or JSON file."""
    import json

    from gbopt.config.files import read_toml, toml_data

    text = read_toml(path, "specification", "spec.toml with plane = [3, 1, 0]")
    if path.suffix != ".json":
        return toml_data(text, str(path))
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}", hint="write JSON, or TOML in a file of another name"
        ) from None
    if not isinstance(fields, dict):
        raise ConfigError(f"{path} holds no table of fields", hint="write the fields of GBSpec")
    return fields


def _film(
    thickness_A: float | None, li_per_formula_unit: float | None, fields: dict[str, Any]
) -> dict[str, Any]:
    """The film that options or a file ask for; without one the default slab."""
    before = fields.get("film")
    film = dict(before) if isinstance(before, dict) else {}
    if thickness_A is not None:
        film["thickness_A"] = thickness_A
    if li_per_formula_unit is not None:
        film["li_per_formula_unit"] = li_per_formula_unit
    if not film:
        return {} if before is not None else {"width_layers": fields.get("width_layers", 3)}
    if "thickness_A" not in film:
        raise ConfigError(
            "--film-li is of a film, of which none is given", hint="give its thickness: --film 20"
        )
    return {"film": film}


def _by_angle(
    wanted: tuple[float, bool, str | None],
    crystal: Crystal,
    lattice_A: float,
    fields: dict[str, Any],
    limits: _Limits,
) -> Choice:
    from gbopt.geometry.angles import Wish, choose

    angle_deg, twist, mean_plane = wanted
    others = {key: v for key, v in fields.items() if key not in {"plane", "misorientation_deg"}}
    # Any plane will do to check the other fields before they are used.
    axis = others.get("axis", (0, 0, 1))
    checked = _validated(others | {"plane": axis, "misorientation_deg": 0.0})
    wish = Wish(
        kind="twist" if twist else "symmetric tilt",
        axis=checked.axis,
        angle_deg=angle_deg,
        width_layers=checked.width_layers,
        # A film takes up as much of a cell as crystal of its thickness.
        crystal_A=checked.crystal_A + (checked.film.thickness_A if checked.film else 0.0),
        mean_plane=mean_plane,
        seed=checked.seed,
    )
    choice = choose(
        wish,
        crystal,
        lattice_A,
        mode=limits.mode.value,
        max_ions=limits.max_ions,
        max_strain=limits.max_strain,
    )
    record = choice.record(angle_deg)
    typer.echo(
        f"target {angle_deg:g} deg, realised {choice.realised_deg:.4f} deg, strain "
        f"{choice.strain:.3%} in either grain"
    )
    for what in ("next_cheaper", "next_closer"):
        typer.echo(f"{what.replace('_', ' '):<12} {_other(record[what])}")
    own = {"axis", "plane", "misorientation_deg", "max_strain"}
    chosen = {key: v for key, v in choice.spec.model_dump().items() if key in own}
    return choice._replace(spec=_validated(others | chosen))


def _other(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "none within the limits"
    plane = " ".join(str(x) for x in entry["plane"])
    return f"{entry['misorientation_deg']:.4f} deg on ({plane}), {entry['ions']} ions"


def _given(
    name: str | None, plane: str | None, angle: float | None, fields: dict[str, Any]
) -> GBSpec:
    """Return the specification of a name, of a plane, or of a file alone."""
    from gbopt.model.orientation import parse_name

    which: dict[str, Any] = {}
    if name is not None:
        named_axis, rotation, named_plane = parse_name(name)
        which = {
            "axis": named_axis,
            "plane": named_plane,
            "misorientation_deg": round(rotation.degrees, 6),
        }
    elif plane is not None:
        which = {"plane": _axis(plane), "misorientation_deg": angle}
    elif "plane" not in fields:
        raise ConfigError(
            "no boundary is given",
            hint="give a name such as 'Sigma5(210)[001]', --plane, --angle or --spec",
        )
    return _validated(fields | which)


def _validated(fields: dict[str, Any]) -> GBSpec:
    from gbopt.config.files import validated
    from gbopt.model.spec import GBSpec

    hint = "`gbopt catalog` lists boundaries; `gbopt build --help` the options"
    return validated(GBSpec, fields, "the boundary: ", hint)


def _print(spec: GBSpec, structure: Bicrystal, crystal: Crystal, out: Path) -> None:
    from gbopt.geometry.dopants import doped
    from gbopt.geometry.gate import characterise, check
    from gbopt.geometry.interface import interface_of
    from gbopt.model.orientation import symmetric_tilt

    interface = interface_of(spec, crystal)
    host = doped(crystal, structure.elements)
    gate = check(structure, host, interface)
    typer.echo(f"{spec.label}  key {spec.key}")
    if spec.sigma == 1:
        typer.echo("Sigma 1: both grains are one orientation, a control and no grain boundary")
    tilt = symmetric_tilt(spec.axis, spec.plane)
    if spec.kind == "asymmetric tilt" and tilt and _opposite(tilt[0].degrees, spec):
        typer.echo(f"the symmetric tilt on this plane is at {tilt[0].degrees:.2f} deg")
    typer.echo(
        f"{structure.n_ions} ions {structure.formula}, charge {gate.charge_e} e, "
        f"{gate.ions_per_A3:.4f} ions/A3"
    )
    a, b, c = structure.cell
    typer.echo(
        f"cell {a[0]:.2f} x {b[1]:.2f} x {c[2]:.2f} A (xy tilt {b[0]:.2f} A), nominal width "
        f"{structure.core_width_A:.2f} A, strain {interface.strain:.3%}"
    )
    thin = "" if gate.bulk_like else ": too thin to hold bulk crystal"
    typer.echo(
        f"grains of {gate.grains_A[0]:.1f} and {gate.grains_A[1]:.1f} A between the cores{thin}; "
        f"{_measured(gate.misorientation_deg)}"
    )
    for boundary in characterise(structure, host, interface):
        made_of = "".join(f"{name}{n}" for name, n in boundary.counts.items() if n) or "no core"
        typer.echo(
            f"boundary at z = {boundary.z_A:.2f} A: {made_of}, {boundary.charge_e:+d} e, ions "
            f"displaced by {boundary.displaced_A:.2f} A"
        )
    if film := structure.provenance.get("film"):
        typer.echo(
            f"each film: {film['formula_units']:.1f} formula units with Li "
            f"{film['li_per_formula_unit']:.2f}; it becomes glass when it is melted and quenched"
        )
    typer.echo("shortest " + ", ".join(f"{k} {v:.2f}" for k, v in gate.shortest_A.items()) + " A")
    if structure.ledger:
        typer.echo(f"neutral units removed (negative: added): {structure.ledger}")
    typer.echo(f"wrote {out}")


def _opposite(degrees: float, spec: GBSpec) -> bool:
    """Whether an angle is that of the specification but for its sense."""
    return abs(degrees + spec.misorientation_deg) < 0.01


def _measured(angle_deg: float) -> str:
    if math.isnan(angle_deg):
        return "misorientation not measured: too few ordered cations between the cores"
    return f"measured misorientation {angle_deg:.2f} deg"
