"""The stages of a protocol as LAMMPS commands: pure functions, in any of LAMMPS's units."""

from __future__ import annotations

from typing import NamedTuple

from gbopt.md.engine import EngineSettings
from gbopt.md.protocol import BAROSTAT_PS, THERMOSTAT_PS, Stage
from gbopt.units import ATM_BAR


class Units(NamedTuple):
    """What LAMMPS's units are in ours."""

    ps: float
    """Its unit of time, ps."""
    eV: float
    """Its unit of energy, eV."""
    bar: float
    """Its unit of pressure, bar."""


UNITS = {
    "metal": Units(ps=1.0, eV=1.0, bar=1.0),
    # fs, kcal/mol (thermochemical, as LAMMPS has it) and atm.
    "real": Units(ps=1e-3, eV=4184.0 / 96485.33212331, bar=ATM_BAR),
}


def start_arguments(settings: EngineSettings) -> list[str]:
    """Command-line switches that turn the accelerator on."""
    threads = str(settings.threads)
    return {
        "none": [],
        "opt": ["-sf", "opt"],
        "omp": ["-sf", "omp", "-pk", "omp", threads],
        "intel": ["-sf", "intel", "-pk", "intel", "0", "omp", threads, "mode", "mixed"],
        # Everything stays on the device; several ranks may share one.
        "kokkos": [
            *("-k", "on", "g", "1", "-sf", "kk"),
            *("-pk", "kokkos", "newton", "off", "neigh", "full", "gpu/aware", "off"),
        ],
        # Neighbour lists of this package do not know triclinic cells.
        "gpu": ["-sf", "gpu", "-pk", "gpu", "1", "neigh", "no"],
    }[settings.accelerator]


def header_lines(units: str, settings: EngineSettings, thermo_steps: int) -> list[str]:
    """Commands before the box is made."""
    return [
        f"units {units}",
        "atom_style charge",
        "atom_modify map array",
        "boundary p p p",
        f"neighbor {settings.skin_A} bin",
        "neigh_modify every 1 delay 0 check yes",
        f"timestep {settings.timestep_ps / UNITS[units].ps:.12g}",
        f"thermo {thermo_steps}",
        "thermo_modify norm no",
    ]


def setup_lines(stage: Stage, units: str = "metal", *, fresh: bool = True) -> list[str]:
    """Commands that begin a stage."""
    if stage.kind == "minimise":
        relax = "fix stage all box/relax aniso 0.0 vmax 0.002"
        lines = ["min_style cg", f"min_modify dmax {stage.max_move_A}"]
        return [*lines, relax] if stage.free == "all" else lines
    group = "core" if stage.core_only else "all"
    lines = []
    if fresh and stage.velocity_seed is not None:
        lines.append(
            f"velocity {group} create {stage.start_K} {stage.velocity_seed} "
            "mom yes rot no dist gaussian"
        )
    if stage.field_V_A:
        lines.append(f"fix drive all efield 0.0 0.0 {stage.field_V_A}")
    lines.append(_integrate(stage, group, UNITS[units]))
    if stage.core_only:
        # The temperature that is reported and watched is that of the moving ions.
        lines.append("thermo_modify temp stage_temp")
    return lines


def _integrate(stage: Stage, group: str, units: Units) -> str:
    """The fix that integrates. One ID for all stages: a restart hands its state on by that."""
    if stage.ensemble == "nve":
        return f"fix stage {group} nve"
    heat = f"temp {stage.start_K} {stage.end_K} {THERMOSTAT_PS / units.ps:.12g}"
    if stage.ensemble == "nvt":
        return f"fix stage {group} nvt {heat}"
    pressure, damp = stage.pressure_bar / units.bar, BAROSTAT_PS / units.ps
    edges = "z" if stage.free == "normal" else "aniso"
    return f"fix stage {group} npt {heat} {edges} {pressure:.12g} {pressure:.12g} {damp:.12g}"


def teardown_lines(stage: Stage) -> list[str]:
    """Commands that end a stage."""
    if stage.kind == "minimise":
        return ["unfix stage"] if stage.free == "all" else []
    lines = ["thermo_modify temp thermo_temp"] if stage.core_only else []
    return [*lines, "unfix stage", *(["unfix drive"] if stage.field_V_A else [])]


def minimise_line(stage: Stage, iterations: int, units: str = "metal") -> str:
    """The command that minimises for at most so many iterations."""
    force = 1.0e-3 / UNITS[units].eV
    return f"minimize {stage.energy_tolerance} {force:.6g} {iterations} {20 * iterations}"
