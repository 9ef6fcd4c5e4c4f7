"""What is kept of each glass and of each run: JSON, written last, so that it says all is there."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from gbopt.model.evaluation import Failure, QualityFlag
from gbopt.model.observables import Estimate
from gbopt.provenance import Provenance


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Cell(_Record):
    """Size and composition of a cell."""

    n_ions: int
    composition: str
    """Ions of the cell."""
    stoichiometry: str
    """Per La3Zr2."""
    charge_e: int
    """Formal charge of the cell; a uniform background of the opposite charge makes up for it."""
    volume_A3: float
    volume_per_unit_A3: float
    """Per formula unit."""
    density_g_cm3: float


class GlassRecord(_Record):
    """How a glass was made."""

    schema_version: Literal[1] = 1
    name: str
    made_with: str
    """Label of the potential."""
    potential: str
    replica: int
    cell: Cell | None = None
    melt_K: float
    melt_ps: float
    rate_K_ps: float
    quench_to_K: float
    loosened: str = ""
    """How the crystal was broken up before the melt; empty where it was not."""
    rms_La_A: float | None = None
    """Root mean square displacement of La during loosening or melt, the larger."""
    rms_Zr_A: float | None = None
    """The same of Zr."""
    ordered_share: float | None = None
    """Zr of the glass with a centrosymmetric shell of Zr: 1 in a crystal, 0 in a glass."""
    failure: Failure | None = None
    seconds: float
    provenance: Provenance


class RunRecord(_Record):
    """One system at one temperature: what was run, and what was found."""

    schema_version: Literal[1] = 1
    name: str
    kind: Literal["crystal", "glass"]
    label: str
    made_with: str
    run_with: str
    potential: str
    phase: str
    volume: float
    li: float
    compensation: str
    temperature_K: float
    replica: int
    cell: Cell | None = None
    production_ps: float
    equilibrate_ps: float
    D_cm2_s: Estimate | None = None
    lag_ps: float | None = None
    exponent: float | None = None
    steadiness: Estimate | None = None
    """D at the lag over D at half of it."""
    hops_per_ion: float | None = None
    ordered_share: float | None = None
    """Zr with a centrosymmetric shell of Zr at the end: 1 in a crystal, 0 in a glass."""
    displaced_share: float | None = None
    """La and Zr off their crystal sites (of a crystal), off where they began (of a glass)."""
    rms_La_A: float | None = None
    rms_Zr_A: float | None = None
    network: dict[str, Estimate | float] = {}
    """Figures of the Li site network."""
    flags: tuple[QualityFlag, ...] = ()
    failure: Failure | None = None
    seconds: float
    provenance: Provenance

    @property
    def usable(self) -> bool:
        """Whether its diffusivity is that of what it is said to be."""
        return self.D_cm2_s is not None and all(flag.level != "fail" for flag in self.flags)
