"""The stages a cell goes through, each as LAMMPS commands and a number of steps.

Pure functions of the settings: what a run did can be read in its ``request.json``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from gbopt.config import FieldConfig, MDConfig
from gbopt.model.bicrystal import FORMAL_CHARGES, LI
from gbopt.potentials.buckingham import get_potential
from gbopt.provenance import derive_seed
from gbopt.units import ATM_BAR

_THERMOSTAT_PS = 0.1
_BAROSTAT_PS = 0.5
# A run hotter than this many times its target has blown up.
_BLOW_UP = 3.0
_ENERGY_ITERATIONS = 1000
_ENERGY_TOLERANCE = 1e-8

NO_FIELD = FieldConfig()

Kind = Literal["minimise", "dynamics", "production"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stretch of a run."""

    name: str
    kind: Kind
    steps: int
    setup: tuple[str, ...]
    teardown: tuple[str, ...]
    max_temperature_K: float
    average_cell: Literal["none", "normal", "all"] = "none"
    """Cell edges that are set to their mean over the second half of the stage."""
    chunk_steps: int = 0
    """A production stage asks every so many steps whether to go on; 0: it never asks."""
    energy_tolerance: float = 1e-6
    """A minimisation ends where an iteration changes the energy by less than this part."""


def _steps(time_ps: float, md: MDConfig) -> int:
    return max(1, round(time_ps / md.timestep_ps))


def frame_steps(md: MDConfig) -> int:
    """MD steps between two frames."""
    return _steps(md.frame_ps, md)


def boundary_stages(
    md: MDConfig, seed: int, field: FieldConfig = NO_FIELD, *, chunks: int = 1
) -> tuple[Stage, ...]:
    """Minimise, disorder the cores, NPT with the normal free, NVT, production, fields.

    Args:
        md: the settings.
        seed: seed of the velocities.
        field: runs under a field that follow production.
        chunks: pieces of production; after each it asks whether to go on. None ends before the
            time segment of an analysis in as many segments is whole.
    """
    hot, target = md.anneal_temperature_K, md.temperature_K
    disorder = (
        _core_stage("anneal", md.anneal_ps, hot, hot, md, derive_seed(seed, 1)),
        _core_stage("quench", md.quench_ps, hot, target, md, None),
    )
    production = _nvt("production", "production", md.production_ps, md)
    frames = production.steps // frame_steps(md)
    chunk = -(-frames // chunks) * frame_steps(md)
    return (
        _minimise(md),
        *(stage for stage in disorder if md.anneal_ps > 0 and stage.steps > 0),
        _npt(md, md.npt_ps, "normal", derive_seed(seed, 2)),
        _nvt("nvt", "dynamics", md.nvt_ps, md),
        replace(production, chunk_steps=chunk),
        *_field_stages(md, field),
    )


def bulk_stages(
    md: MDConfig, *, npt_ps: float, production_ps: float, seed: int, field: FieldConfig = NO_FIELD
) -> tuple[Stage, ...]:
    """Minimise, NPT with all edges free, NVT, production, fields, for the reference crystal."""
    return (
        _minimise(md),
        _npt(md, npt_ps, "all", derive_seed(seed, 2)),
        _nvt("nvt", "dynamics", 0.25 * npt_ps, md),
        _nvt("production", "production", production_ps, md),
        *_field_stages(md, field),
    )


def _field_stages(md: MDConfig, field: FieldConfig) -> tuple[Stage, ...]:
    """NVT under each field along z; frames as in production."""
    return tuple(
        _nvt(f"field {strength:g} V/A", "production", field.run_ps, md, strength)
        for strength in field.fields_V_A
    )


def _minimise(md: MDConfig) -> Stage:
    return Stage(
        name="minimise",
        kind="minimise",
        steps=md.minimise_iterations,
        # A short reach per iteration keeps ions out of the Buckingham well at tiny distances.
        setup=("min_style cg", "min_modify dmax 0.05"),
        teardown=(),
        max_temperature_K=float("inf"),
    )


def energy_stage(*, relax_cell: bool) -> Stage:
    """Minimise until the energy is known to a few hundredths of an eV; cells at zero pressure."""
    relax = ("fix relax all box/relax aniso 0.0 vmax 0.002",) if relax_cell else ()
    return Stage(
        name="energy",
        kind="minimise",
        steps=_ENERGY_ITERATIONS,
        setup=("min_style cg", "min_modify dmax 0.1", *relax),
        teardown=("unfix relax",) if relax_cell else (),
        max_temperature_K=float("inf"),
        energy_tolerance=_ENERGY_TOLERANCE,
    )


def _core_stage(
    name: str, time_ps: float, start_K: float, end_K: float, md: MDConfig, seed: int | None
) -> Stage:
    """NVT of the core ions alone; the grains are held where they are."""
    create = (f"velocity core create {start_K} {seed} mom yes rot no dist gaussian",)
    return Stage(
        name=name,
        kind="dynamics",
        steps=round(time_ps / md.timestep_ps),
        setup=(
            *(create if seed is not None else ()),
            f"fix stage core nvt temp {start_K} {end_K} {_THERMOSTAT_PS}",
            # The temperature that is reported and watched is that of the moving ions.
            "thermo_modify temp stage_temp",
        ),
        teardown=("thermo_modify temp thermo_temp", "unfix stage"),
        max_temperature_K=_BLOW_UP * max(start_K, end_K),
    )


def _npt(md: MDConfig, time_ps: float, free: Literal["normal", "all"], seed: int) -> Stage:
    bar = md.pressure_atm * ATM_BAR
    edges = "z" if free == "normal" else "aniso"
    return Stage(
        name="npt",
        kind="dynamics",
        steps=_steps(time_ps, md),
        setup=(
            f"velocity all create {md.temperature_K} {seed} mom yes rot no dist gaussian",
            f"fix stage all npt temp {md.temperature_K} {md.temperature_K} {_THERMOSTAT_PS} "
            f"{edges} {bar} {bar} {_BAROSTAT_PS}",
        ),
        teardown=("unfix stage",),
        max_temperature_K=_BLOW_UP * md.temperature_K,
        average_cell=free,
    )


def field_scale(md: MDConfig) -> float:
    """Charges of the potential over the formal ones.

    A field acts on formal charges: where the potential scales them all, the field that it is
    given is the larger by this.
    """
    return get_potential(md.potential).charges_e[LI] / FORMAL_CHARGES[LI]


def _nvt(name: str, kind: Kind, time_ps: float, md: MDConfig, field_V_A: float = 0.0) -> Stage:
    acting_V_A = field_V_A / field_scale(md)
    drive = (f"fix drive all efield 0.0 0.0 {acting_V_A}",) if field_V_A else ()
    return Stage(
        name=name,
        kind=kind,
        steps=_steps(time_ps, md),
        setup=(
            *drive,
            f"fix stage all nvt temp {md.temperature_K} {md.temperature_K} {_THERMOSTAT_PS}",
        ),
        teardown=("unfix stage", *(("unfix drive",) if drive else ())),
        max_temperature_K=_BLOW_UP * md.temperature_K,
    )
