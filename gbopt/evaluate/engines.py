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
    # Heights of the cell in plane, not its edges: what lies within the cut-off counts.
    cell = structure.cell
    heights = (structure.volume_A3 / (cell[2, 2] * math.hypot(*cell[1, :2])), cell[1, 1])
    crystal = not structure.boundaries_A
    if cell[2, 2] < least_A and not crystal:
        raise GeometryError(
            f"the cell is {cell[2, 2]:.1f} A long, {settings.engine} needs {least_A:g} A",
            hint="raise geometry.crystal_A, or set run.engine to lammps",
        )
    along = [math.ceil(least_A / height - 1e-9) for height in (*heights, float(cell[2, 2]))]
    counts = [max(1, n) for n in (along if crystal else (*along[:2], 1))]
    return repeated(structure, (counts[0], counts[1], counts[2]))
