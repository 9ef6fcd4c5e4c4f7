"""Which engine and which GPU an evaluation gets, and how a structure is fitted to it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from gbopt.config import MDConfig
from gbopt.config.sections import RunConfig
from gbopt.errors import EnvironmentProblem, GeometryError, RunFolderError
from gbopt.geometry.repeat import repeated
from gbopt.md.engine import EngineSettings
from gbopt.md.lammps_builds import lammps_accelerators
from gbopt.md.placement import device_of
from gbopt.md.select import Choice, base_settings, choose, engine_version
from gbopt.model.bicrystal import Bicrystal
from gbopt.potentials.library import get_potential


class WithEngine(Protocol):
    """What an engine is chosen by: a campaign, or two sections like its own."""

    @property
    def md(self) -> MDConfig:
        """Potential, time step and cut-offs."""

    @property
    def run(self) -> RunConfig:
        """The machine."""


def choose_engine(config: WithEngine, say: Callable[[str], None] = lambda _: None) -> Choice:
    """The engine of a campaign on this machine, and why.

    Args:
        config: the campaign.
        say: called with a line of text where something has to be tried first.

    Raises:
        ConfigError: the engine that is asked for cannot run the potential.
        EnvironmentProblem: nothing here can.
    """
    return choose(get_potential(config.md.potential), config.md, config.run, say=say)


BEFORE_THE_CHOICE: dict[str, str | int | float] = {
    "engine": "lammps",
    "precision": "double",
    "coulomb_cutoff_A": 8.5,
    "mesh_order": 5,
}
"""What campaigns ran on before there was a choice of engines."""


def pin(settings: EngineSettings) -> dict[str, str | int | float]:
    """What must not change within a campaign: the engine and how finely it computes."""
    return {name: getattr(settings, name) for name in BEFORE_THE_CHOICE}


def read_pin(file: Path) -> dict[str, str | int | float]:
    """Read which engine a run folder pins.

    Raises:
        RunFolderError: its record is damaged.
    """
    try:
        pinned = json.loads(file.read_text(encoding="utf-8"))
        if set(pinned) >= set(BEFORE_THE_CHOICE):
            return dict(pinned)
    except (ValueError, TypeError):
        pass  # said below, as for a file that lacks something
    raise RunFolderError(
        f"{file} does not say which engine this campaign runs on",
        hint="copy the engine_settings of any trial's evaluation.json into it",
    )


def pinned_engine(
    config: WithEngine, pinned: dict[str, str | int | float], say: Callable[[str], None]
) -> Choice:
    """The engine that a campaign was begun with, on what this machine has for it.

    Args:
        config: the campaign.
        pinned: what ``pin`` gave.
        say: called with a line of text where something has to be tried first.

    Raises:
        EnvironmentProblem: the campaign now asks for another engine, or this machine lacks it.
    """
    name, precision = pinned["engine"], pinned["precision"]
    if config.run.engine not in ("auto", name):
        raise EnvironmentProblem(
            f"run.engine = {config.run.engine!r}, but this campaign was begun with {name}",
            hint=f"set it back to auto or {name}, or start a new run: figures of two engines do "
            "not belong in one search",
        )
    if name == "openmm" and config.run.precision != precision:
        raise EnvironmentProblem(
            f"run.precision = {config.run.precision!r}, the campaign was begun with {precision}",
            hint=f"set it back to {precision}, or start a new run",
        )
    run = config.run.model_copy(update={"engine": name})
    split_A = float(pinned["coulomb_cutoff_A"])
    md = config.md.model_copy(update={"coulomb_cutoff_A": split_A})
    chosen = choose(get_potential(config.md.potential), md, run, say=say)
    return chosen._replace(settings=replace(chosen.settings, mesh_order=int(pinned["mesh_order"])))


def on_its_gpu(settings: EngineSettings, slot: int) -> EngineSettings:
    """An engine with the GPU of a worker.

    Args:
        settings: the engine of the campaign.
        slot: number of the worker.
    """
    return replace(settings, device=device_of(slot, settings))


def relaxing_engine(config: WithEngine, settings: EngineSettings) -> EngineSettings:
    """The engine that relaxes small cells with their edges: OpenMM can do neither."""
    if settings.engine != "openmm":
        return settings
    accelerator = "omp" if "omp" in lammps_accelerators() else "none"
    plain = base_settings(config.md, config.run)
    return replace(
        plain, accelerator=accelerator, threads=1, coulomb_cutoff_A=settings.coulomb_cutoff_A
    )


def engine_identity(settings: EngineSettings) -> dict[str, str | int | float]:
    """What a reference depends on of the engine that it was made with."""
    split = {"coulomb_cutoff_A": settings.coulomb_cutoff_A, "mesh_order": settings.mesh_order}
    precision = settings.precision if settings.engine == "openmm" else "double"
    version = engine_version(settings.engine)
    return {"engine": settings.engine, "version": version, "precision": precision, **split}


def fitted(structure: Bicrystal, settings: EngineSettings) -> Bicrystal:
    """The structure, repeated along the boundary where the engine takes no cell as narrow.

    Raises:
        GeometryError: it is too short along the normal, where repeating it would make other
            boundaries.
    """
    least_A = settings.least_edge_A
    # The cell is in LAMMPS form: its diagonal is what a cut-off is held against.
    x, y, z = (
        max(1, math.ceil(least_A / float(width) - 1e-9)) for width in structure.cell.diagonal()
    )
    if z > 1 and structure.boundaries_A:
        raise GeometryError(
            f"the cell is {structure.length_A:.1f} A long, {settings.engine} needs {least_A:g} A",
            hint="raise geometry.crystal_A, or set run.engine to lammps",
        )
    return repeated(structure, (x, y, z))
