"""What a check found, what it is held against, and how far apart the two are."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from gbopt.model.evaluation import Failure
from gbopt.model.observables import Estimate
from gbopt.provenance import Provenance

Tier = Literal["quick", "standard", "full"]
Tested = Literal["gbopt", "potential"]
TIERS: tuple[Tier, ...] = ("quick", "standard", "full")
AGREES = 2.0
"""Standard errors within which two figures are called the same."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Finding(_Record):
    """A figure of ours."""

    key: str
    """Under which its reference and its remark are filed."""
    quantity: str
    """What it is, for the table."""
    ours: Estimate
    """An error of 0 stands for a figure that has none of its own."""
    note: str = ""
    """How this one was got: ions, length of the run, what a quality check said."""


class Record(_Record):
    """One check that was done: its file is written last, so that it says that all is there."""

    schema_version: Literal[1] = 1
    check: str
    section: str
    tier: Tier
    findings: tuple[Finding, ...]
    failure: Failure | None = None
    cpu_s: float
    """Processor time, its child processes included."""
    seconds: float
    provenance: Provenance


class Known(NamedTuple):
    """What a figure is held against."""

    low: float
    high: float
    """Equal to ``low`` where the reference is a figure and no range."""
    source: str
    tests: Tested
    """Whose fault a difference would be: of gbopt, where the answer is exact or comes from the
    same potential; of the potential, where it is experiment, DFT or another potential."""
    std_err: float = 0.0
    """Of the reference; 0 where none is stated."""
    allowance: float | None = None
    """By how much a figure without an error may be off, in its unit."""
    remark: str = ""
    """What to know when the two are compared."""
    explained: str = ""
    """Why they differ, where they are known to; shown where they do."""

    @property
    def text(self) -> str:
        """Figure or range, for the table."""
        if self.low == self.high:
            return f"{self.low:.5g}" + (f" +- {self.std_err:.2g}" if self.std_err else "")
        if math.isinf(self.low):
            return f"below {self.high:.4g}"
        return f"{self.low:.4g} to {self.high:.4g}"


class Agreement(NamedTuple):
    """How far a figure is from its reference."""

    by: Literal["error", "allowance", "bound", "nothing"]
    """What it is measured in: standard errors of the difference; the allowance; not at all, as
    ours is a bound that the reference does not contradict, or as there is no reference."""
    off: float
    """0 inside a range."""

    @property
    def agrees(self) -> bool | None:
        """Whether the two are the same; None where that cannot be said."""
        if self.by in ("bound", "nothing"):
            return None
        return self.off <= (AGREES if self.by == "error" else 1.0)

    @property
    def text(self) -> str:
        """For the table."""
        return {
            "error": f"{self.off:.1f} standard errors",
            "allowance": f"{self.off:.2g} of the allowance",
            "bound": "ours is a bound",
            "nothing": "",
        }[self.by]


def agreement(ours: Estimate, known: Known | None) -> Agreement:
    """Hold a figure against its reference.

    Args:
        ours: with an error above 0, or the reference must have one or an allowance.
        known: figure or range; None where there is none.
    """
    if known is None:
        return Agreement("nothing", 0.0)
    away = max(known.low - ours.value, ours.value - known.high, 0.0)
    if ours.bound and away and (ours.bound == "lower") == (ours.value < known.low):
        return Agreement("bound", 0.0)
    if known.allowance is not None:
        return Agreement("allowance", away / known.allowance)
    error = math.hypot(ours.std_err, known.std_err)
    if error == 0:
        return Agreement("nothing", 0.0)
    return Agreement("error", away / error)
