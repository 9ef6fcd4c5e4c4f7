"""Evaluation: the record of one candidate, from the question to the numbers and their flaws."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from gbopt.model.observables import Estimate
from gbopt.model.spec import GBSpec
from gbopt.provenance import Provenance

SCHEMA_VERSION: Literal[1] = 1
SO_FAR = "estimate.json"
"""File in the folder of a trial in production: its objective so far, for those who watch."""


class Status(StrEnum):
    """How an evaluation ended."""

    OK = "ok"
    SUSPECT = "suspect"
    """Finished, but at least one quality flag says fail: use the number with care."""
    PRUNED = "pruned"
    """Ended early as surely worse than the best one; its flags say what else there is."""
    GEOMETRY_REJECTED = "geometry_rejected"
    MD_FAILED = "md_failed"
    ANALYSIS_FAILED = "analysis_failed"

    @property
    def finished(self) -> bool:
        """Whether there are numbers."""
        return self in (Status.OK, Status.SUSPECT, Status.PRUNED)


Ending = Literal["budget", "target", "inferior"]
"""Why production ended: at its full length, at its target error, or as surely worse."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class QualityFlag(_Record):
    """One check of the measurement: what was found, what is asked for, what it means."""

    name: str
    level: Literal["ok", "warn", "fail"]
    measured: float
    limit: float
    message: str


class BoundaryResult(_Record):
    """The figures of one of the two boundaries of the cell."""

    z_A: float
    observables: dict[str, Estimate]


class Failure(_Record):
    """Why there are no numbers."""

    stage: str
    cause: str
    hint: str
    log_tail: str


class Conditions(_Record):
    """Under which conditions the numbers hold."""

    potential: str
    temperature_K: float
    pressure_atm: float
    production_ps: float
    lattice_A: float
    composition: str
    n_ions: int
    area_A2: float
    length_A: float
    nominal_width_A: float
    oxide_units_removed: dict[str, int]
    preparation: str = "as configured"
    """What was done before NVT; a second attempt at a run that failed is more careful there."""


class Evaluation(_Record):
    """One candidate: what was asked, what was built, what was measured, and what to distrust."""

    schema_version: Literal[1] = SCHEMA_VERSION
    trial: int
    replicate: int
    """How many earlier trials of the campaign have the same geometry."""
    requested: dict[str, int | float | str]
    """What the optimiser proposed, before snapping."""
    params: dict[str, int | float | str]
    """What was realised: the coordinates the surrogate is fitted on."""
    spec: GBSpec
    status: Status
    ending: Ending | None = None
    """Why production ended; None where it did not."""
    objective: Estimate | None = None
    """log10 of the objective quantity, with its standard error in log10 units."""
    observables: dict[str, Estimate] = {}
    boundaries: tuple[BoundaryResult, ...] = ()
    flags: tuple[QualityFlag, ...] = ()
    conditions: Conditions | None = None
    failure: Failure | None = None
    seconds: dict[str, float] = {}
    md_steps: int = 0
    artifacts: dict[str, str] = {}
    """Name to path, relative to the trial's folder."""
    provenance: Provenance
