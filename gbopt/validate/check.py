"""What a check is, and what it is given to measure with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from gbopt.config import MDConfig
from gbopt.config.sections import RunConfig
from gbopt.disorder.setup import EngineChoice
from gbopt.evaluate.engines import choose_engine, on_its_gpu
from gbopt.md.engine import EngineSettings
from gbopt.potentials.library import get_potential
from gbopt.provenance import content_key
from gbopt.validate.findings import Finding, Tier

FORMAT = 1


class Measured(NamedTuple):
    """What a check found, and on which engine."""

    findings: tuple[Finding, ...]
    engine: str = "none"
    """Engine and version; none where no MD engine took part."""
    settings: Mapping[str, str | int | float] = MappingProxyType({})
    """Of the engine."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a check is done."""

    folder: Path
    """Its own, for what it must keep to go on after an interruption."""
    slot: int
    """Number of the place it has: decides the GPU."""
    run: RunConfig

    def engine(self, md: MDConfig) -> EngineSettings:
        """The fastest engine here for the potential of these settings."""
        return on_its_gpu(choose_engine(EngineChoice(md, self.run)).settings, self.slot)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One piece of evidence: a function, and what it is done with."""

    name: str
    """Such as ``diffusion set C``."""
    section: str
    """Of the table."""
    tier: Tier
    cpu_s: float
    """Processor time that it takes on one core of a common machine, roughly."""
    spec: Any
    """A frozen dataclass: all that its figures depend on."""
    measure: Callable[[Any, Bench], Measured]
    """Takes the spec."""

    @property
    def file_name(self) -> str:
        """Name of its file and folder; another when anything that it depends on is another."""
        slug = "".join(c if c.isalnum() else "-" for c in self.name.lower()).strip("-")
        return f"{slug}-{self.tier}-{self.key}"

    @property
    def potential_key(self) -> str:
        """Content key of its potential; empty where it has none."""
        name = getattr(self.spec, "potential", None)
        return get_potential(name).key if name else ""

    @property
    def key(self) -> str:
        """Content key of all that its figures depend on, but code and machine."""
        spec = self.spec
        if self.potential_key:  # by content, not by the place of a file
            spec = replace(spec, potential=self.potential_key)
        what = {"format": FORMAT, "measure": self.measure.__name__, "spec": asdict(spec)}
        return content_key(what, 8)


def plain(settings: EngineSettings) -> dict[str, str | int | float]:
    """Settings of an engine for the record."""
    return asdict(settings)
