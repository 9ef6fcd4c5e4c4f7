"""Which engine and which GPU an evaluation gets, and how a structure is fitted to it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from gbopt.config import CampaignConfig
from gbopt.errors import GeometryError
from gbopt.geometry.repeat import repeated
from gbopt.md.engine import EngineSettings
from gbopt.md.placement import device_of
from gbopt.md.select import Choice, base_settings, choose
from gbopt.model.bicrystal import Bicrystal
from gbopt.potentials.library import get_potential


def choose_engine(config: CampaignConfig, say: Callable[[str], None] = lambda _: None) -> Choice:
    """The engine of a campaign on this machine, and why.

    Args:
        config: the campaign.
        say: called with a line of text where something has to be tried first.

    Raises:
        ConfigError: the engine that is asked for cannot run the potential.
        EnvironmentProblem: nothing here can.
    """
    return choose(get_potential(config.md.potential), config.md, config.run, say=say)


def engine_of(config: CampaignConfig, slot: int) -> EngineSettings:
    """The same with the GPU of a worker.

    Args:
        config: the campaign.
        slot: number of the worker.
    """
    settings = choose_engine(config).settings
    return replace(settings, device=device_of(slot, settings))


def relaxing_engine(config: CampaignConfig, settings: EngineSettings) -> EngineSettings:
    """The engine that relaxes small cells with their edges: OpenMM can neither."""
    if settings.engine != "openmm":
        return settings
    base = base_settings(config.md, config.run)
    return replace(base, accelerator="omp", threads=1)


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
