"""The stages a cell goes through, in terms that every engine understands.

Pure functions of the settings: what a run did can be read in its ``request.json``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from gbopt.config import FieldConfig, MDConfig
from gbopt.model.trajectory import FrameContent
from gbopt.provenance import derive_seed
from gbopt.units import ATM_BAR

THERMOSTAT_PS = 0.1
BAROSTAT_PS = 0.5
# A run hotter than this many times its target has blown up.
_BLOW_UP = 3.0
_ENERGY_ITERATIONS = 1000
_ENERGY_TOLERANCE = 1e-8
_NO_LIMIT_K = 1e12  # JSON has no infinity

NO_FIELD = FieldConfig()

Kind = Literal["minimise", "dynamics", "production"]
Edges = Literal["none", "normal", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stretch of a run."""

    name: str
    kind: Kind
    steps: int
    """MD steps, or most iterations of a minimisation."""
    ensemble: Literal["nve", "nvt", "npt"] = "nvt"
    start_K: float = 0.0
    """Temperature of the thermostat at the start of the stage."""
    end_K: float = 0.0
    """The same at its end: it is ramped in between."""
    velocity_seed: int | None = None
    """Draw new velocities at ``start_K`` first."""
    core_only: bool = False
    """Hold the grains where they are."""
    free: Edges = "none"
    """NPT: edges under the barostat; they are set to their mean over the second half at the end.
    Minimisation: edges that are relaxed to zero pressure."""
    pressure_bar: float = 0.0
    field_V_A: float = 0.0
    """Field along z, V/A, acting on the charges of the potential."""
    max_temperature_K: float = _NO_LIMIT_K
    chunk_steps: int = 0
    """A production stage asks every so many steps, a multiple of those between frames, whether
    to go on; 0: it never asks."""
    frame_steps: int = 0
    """Steps between two frames of a production stage; 0: those of the request."""
    sends: FrameContent = "positions"
    """What the frames of a production stage are."""
    energy_tolerance: float = 1e-6
    """A minimisation ends where an iteration changes the energy by less than this part."""
    max_move_A: float = 0.1
    """Farthest that an ion is moved in one iteration of a minimisation."""


def _steps(time_ps: float, md: MDConfig) -> int:
    return max(1, round(time_ps / md.timestep_ps))


def frame_steps(md: MDConfig) -> int:
    """MD steps between two frames."""
    return _steps(md.frame_ps, md)


def frames_of(stages: tuple[Stage, ...], frame_steps: int) -> int:
    """Frames that stages send.

    Args:
        stages: those that send none too.
        frame_steps: steps between two frames, where a stage has no number of its own.
    """
    productions = (stage for stage in stages if stage.kind == "production")
    return sum(stage.steps // (stage.frame_steps or frame_steps) + 1 for stage in productions)


def boundary_stages(
    md: MDConfig,
    seed: int,
    field: FieldConfig = NO_FIELD,
    *,
    chunks: int = 1,
    charge_scale: float = 1.0,
) -> tuple[Stage, ...]:
    """Minimise, disorder the cores, NPT with the normal free, NVT, production, fields.

    Args:
        md: the settings.
        seed: seed of the velocities.
        field: runs under a field that follow production.
        chunks: pieces of production; after each it asks whether to go on. None ends before the
            time segment of an analysis in as many segments is whole.
        charge_scale: charges of the potential over the formal ones. A field is meant to act on
            formal charges, so the one that is applied is larger by this.
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
        *_field_stages(md, field, charge_scale),
    )


def bulk_stages(
    md: MDConfig,
    *,
    npt_ps: float,
    production_ps: float,
    seed: int,
    field: FieldConfig = NO_FIELD,
    charge_scale: float = 1.0,
) -> tuple[Stage, ...]:
    """Minimise, NPT with all edges free, NVT, production, fields, for the reference crystal."""
    return (
        _minimise(md),
        _npt(md, npt_ps, "all", derive_seed(seed, 2)),
        _nvt("nvt", "dynamics", 0.25 * npt_ps, md),
        _nvt("production", "production", production_ps, md),
        *_field_stages(md, field, charge_scale),
    )


def _field_stages(md: MDConfig, field: FieldConfig, charge_scale: float) -> tuple[Stage, ...]:
    """NVT under each field along z; frames as in production."""
    return tuple(
        replace(
            _nvt(f"field {strength:g} V/A", "production", field.run_ps, md),
            field_V_A=strength / charge_scale,
        )
        for strength in field.fields_V_A
    )


def _minimise(md: MDConfig) -> Stage:
    # A short reach per iteration keeps ions out of the Buckingham well at tiny distances.
    return Stage(name="minimise", kind="minimise", steps=md.minimise_iterations, max_move_A=0.05)


def energy_stage(*, relax_cell: bool) -> Stage:
    """Minimise until the energy is known to a few hundredths of an eV; cells at zero pressure."""
    return Stage(
        name="energy",
        kind="minimise",
        steps=_ENERGY_ITERATIONS,
        free="all" if relax_cell else "none",
        energy_tolerance=_ENERGY_TOLERANCE,
    )


def _core_stage(
    name: str, time_ps: float, start_K: float, end_K: float, md: MDConfig, seed: int | None
) -> Stage:
    """NVT of the core ions alone; the grains are held where they are."""
    return Stage(
        name=name,
        kind="dynamics",
        steps=round(time_ps / md.timestep_ps),
        core_only=True,
        start_K=start_K,
        end_K=end_K,
        velocity_seed=seed,
        max_temperature_K=_BLOW_UP * max(start_K, end_K),
    )


def _npt(md: MDConfig, time_ps: float, free: Edges, seed: int) -> Stage:
    return replace(
        _nvt("npt", "dynamics", time_ps, md),
        ensemble="npt",
        free=free,
        pressure_bar=md.pressure_atm * ATM_BAR,
        velocity_seed=seed,
    )


def _nvt(name: str, kind: Kind, time_ps: float, md: MDConfig) -> Stage:
    return Stage(
        name=name,
        kind=kind,
        steps=_steps(time_ps, md),
        start_K=md.temperature_K,
        end_K=md.temperature_K,
        max_temperature_K=_BLOW_UP * md.temperature_K,
    )
