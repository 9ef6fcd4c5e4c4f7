"""The record of a candidate: what is noted while it runs, and what is made of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

import numpy as np

from gbopt.analysis.boundary import log_objective
from gbopt.config import CampaignConfig
from gbopt.evaluate.adaptive import Incumbent
from gbopt.evaluate.attempts import AS_CONFIGURED
from gbopt.evaluate.bulk import BulkReference
from gbopt.evaluate.meters import Measured
from gbopt.md.engine import EngineSettings
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.evaluation import (
    BoundaryResult,
    Conditions,
    Ending,
    Evaluation,
    Failure,
    QualityFlag,
    Status,
)
from gbopt.model.spec import GBSpec
from gbopt.potentials.library import get_potential
from gbopt.provenance import arrays_key, make_provenance

# Shares of the target by which the mean temperature of production may be off.
_TEMPERATURE_WARN, _TEMPERATURE_FAIL = 0.02, 0.05

Scalars = dict[str, int | float | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be evaluated, and as which trial."""

    number: int
    replicate: int
    requested: Scalars
    params: Scalars
    spec: GBSpec
    best: Incumbent | None = None
    """The best boundary known when it started: a surely worse one is not run to its end."""


@dataclass(slots=True)
class Notes:
    """What is known so far of a candidate in progress."""

    started_utc: str
    settings: EngineSettings
    engine: str = ""
    """Engine and version, as it said when it started."""
    structure: Bicrystal | None = None
    conditions: Conditions | None = None
    measured: Measured | None = None
    more_flags: tuple[QualityFlag, ...] = ()
    """Flags beside those of the measurement."""
    seconds: dict[str, float] = field(default_factory=dict)
    md_steps: int = 0
    frames: int = 0
    segments: int = 0
    """Whole time segments of production."""
    ending: Ending | None = None
    artifacts: dict[str, str] = field(default_factory=dict)
    preparation: str = AS_CONFIGURED
    """What was done before NVT."""
    retry: int = 0
    """How often the trial had been evaluated before."""

    def begin_again(self) -> None:
        """Forget what an attempt that failed had come to."""
        self.frames = self.segments = 0
        self.ending = self.measured = self.conditions = None
        self.more_flags = ()
        self.artifacts.pop("trajectory", None)


def conditions(
    config: CampaignConfig,
    bulk: BulkReference,
    structure: Bicrystal,
    length_A: float,
    notes: Notes,
) -> Conditions:
    """Under which conditions the figures hold."""
    return Conditions(
        potential=get_potential(config.md.potential).name,
        temperature_K=config.md.temperature_K,
        pressure_atm=config.md.pressure_atm,
        production_ps=round((notes.frames - 1) * config.md.frame_ps, 6),
        lattice_A=bulk.lattice_A.value,
        composition=structure.formula,
        n_ions=structure.n_ions,
        area_A2=structure.area_A2,
        length_A=length_A,
        nominal_width_A=structure.core_width_A,
        oxide_units_removed=structure.ledger,
        preparation=notes.preparation,
    )


def record(
    job: Job,
    config: CampaignConfig,
    notes: Notes,
    status: Status,
    failure: Failure | None,
) -> Evaluation:
    """Make the record of a candidate, whatever became of it."""
    measured = notes.measured
    flags = (*(measured.flags if measured else ()), *notes.more_flags)
    if status is Status.OK and notes.ending == "inferior":
        status = Status.PRUNED
    elif status is Status.OK and any(flag.level == "fail" for flag in flags):
        status = Status.SUSPECT
    return Evaluation(
        trial=job.number,
        replicate=job.replicate,
        requested=job.requested,
        params=job.params,
        spec=job.spec,
        status=status,
        ending=notes.ending if measured else None,
        objective=log_objective(measured.cell[config.search.objective]) if measured else None,
        observables=measured.cell if measured else {},
        boundaries=_boundaries(measured),
        flags=flags,
        conditions=notes.conditions,
        failure=failure,
        seconds=notes.seconds,
        md_steps=notes.md_steps,
        artifacts=notes.artifacts,
        provenance=make_provenance(
            engine=notes.engine or notes.settings.label,
            engine_settings=asdict(notes.settings),
            potential_key=get_potential(config.md.potential).key,
            settings_key=config.key,
            structure_key=structure_key(notes.structure) if notes.structure else "",
            seed=job.spec.seed,
            best_known=job.best,
            started_utc=notes.started_utc,
            finished_utc=now(),
            retry=notes.retry,
        ),
    )


def structure_key(structure: Bicrystal) -> str:
    """Content key of ions and cell: the same for two structures that are so bit for bit."""
    elements = np.array(structure.elements)[structure.species]
    return arrays_key(structure.positions, structure.cell, elements)


def temperature_flag(mean_K: float, target_K: float) -> QualityFlag:
    """Whether production had the temperature that was asked for."""
    off = abs(mean_K / target_K - 1)
    level = "ok" if off < _TEMPERATURE_WARN else "warn" if off < _TEMPERATURE_FAIL else "fail"
    return QualityFlag(
        name="temperature",
        level=level,
        measured=round(mean_K, 1),
        limit=target_K,
        message=f"mean temperature of production {mean_K:.0f} K, target {target_K:g} K"
        + ("" if level == "ok" else ": lengthen md.nvt_ps or shorten md.timestep_ps"),
    )


def _boundaries(measured: Measured | None) -> tuple[BoundaryResult, ...]:
    if measured is None:
        return ()
    pairs = zip(measured.boundaries_A, measured.each, strict=True)
    return tuple(BoundaryResult(z_A=z, observables=each) for z, each in pairs)


def now() -> str:
    """The present time as ISO 8601 text in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
