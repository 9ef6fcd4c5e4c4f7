"""What a study consists of: systems, and the runs of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gbopt.config.study import Compensation, Phase, StudyConfig

Kind = Literal["crystal", "glass"]
FULL_LI = 7.0
"""Li per La3Zr2O12 of a neutral cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A crystal or a glass at a volume and a composition, under a potential."""

    kind: Kind
    run_with: str
    """Label of the potential of its dynamics."""
    made_with: str = ""
    """Label of the potential that melted and quenched it; empty for a crystal."""
    phase: Phase = "c-LLZO"
    """The crystal; for a glass the one that was melted."""
    volume: float = 1.0
    """Volume over the experimental one."""
    li: float = 7.0
    """Li per La3Zr2O12."""
    compensation: Compensation = "none"

    @property
    def name(self) -> str:
        """Name for folders, such as ``glass-nep-112-Li7-by-cip``."""
        what = self.phase if self.kind == "crystal" else f"glass-{self.made_with}"
        neutral = "-neutral" if self.compensation == "oxygen" else ""
        return f"{what}-{100 * self.volume:g}-Li{self.li:g}{neutral}-by-{self.run_with}"

    @property
    def label(self) -> str:
        """Name for tables and figures, such as ``glass of nep, 112 %, Li7, run by cip``."""
        what = self.phase if self.kind == "crystal" else f"glass of {self.made_with}"
        neutral = " neutral" if self.compensation == "oxygen" else ""
        return f"{what}, {100 * self.volume:g} %, Li{self.li:g}{neutral}, run by {self.run_with}"


@dataclass(frozen=True, slots=True)
class Run:
    """One system at one temperature."""

    system: System
    temperature_K: float
    replica: int

    @property
    def name(self) -> str:
        """Name for folders."""
        return f"{self.system.name}-{self.temperature_K:g}K-{self.replica}"


@dataclass(frozen=True, slots=True)
class Glass:
    """One melt-quenched glass, from which those of all volumes and compositions are made."""

    made_with: str
    replica: int

    @property
    def name(self) -> str:
        """Name for folders."""
        return f"{self.made_with}-{self.replica}"


def systems(config: StudyConfig, kind: Kind) -> list[System]:
    """Every system of a kind that a study asks for, each once."""
    if kind == "crystal":
        found = [
            System(
                kind="crystal",
                run_with=label,
                phase=group.phase,
                volume=volume,
                li=li,
                compensation=_taken(group.compensation, li),
            )
            for group in config.crystals
            for label in group.potentials
            for volume in group.volume
            for li in group.li
        ]
    else:
        found = [
            System(
                kind="glass",
                made_with=maker,
                run_with=runner,
                volume=volume,
                li=li,
                compensation=_taken(group.compensation, li),
            )
            for group in config.glasses
            for maker in group.made_with
            for runner in group.run_with
            for volume in group.volume
            for li in group.li
        ]
    return list(dict.fromkeys(found))


def _taken(compensation: Compensation, li: float) -> Compensation:
    """What is taken with the Li: where none is taken, both choices are one system."""
    return compensation if li < FULL_LI else "none"


def runs(config: StudyConfig, kind: Kind) -> list[Run]:
    """Every run of the systems of a kind.

    Replica by replica, so that a study that is stopped early has all systems.
    """
    dynamics = config.dynamics
    return [
        Run(system, temperature_K, replica)
        for replica in range(dynamics.replicas)
        for temperature_K in dynamics.temperatures_K
        for system in systems(config, kind)
    ]


def all_runs(config: StudyConfig) -> list[Run]:
    """The runs of crystals, then those of glasses."""
    return [*runs(config, "crystal"), *runs(config, "glass")]


def glasses(config: StudyConfig) -> list[Glass]:
    """The glasses that have to be made."""
    makers = dict.fromkeys(maker for group in config.glasses for maker in group.made_with)
    return [Glass(maker, r) for r in range(config.dynamics.replicas) for maker in makers]
