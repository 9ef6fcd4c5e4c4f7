"""What `gbopt check` prints, and the choice of the engine before anything is run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import typer

from gbopt.config import CampaignConfig
from gbopt.errors import EnvironmentProblem

if TYPE_CHECKING:
    from gbopt.md.engine import EngineSettings

# One core of a cloud machine with a rigid-ion potential, where nothing was measured here.
_US_PER_ION_STEP = 6.0
# Of two Sigma5 cells: one gave the same conductivity at 0.9 and 1.7 V; in the other 1.3 V left the
# motion along the cores as it was, and 2.6 V made it half as fast again.
_LINEAR_V, _LINEAR_AT_K = 1.7, 1100.0


def say(text: str) -> None:
    """Say on stderr what is being tried: figures alone go to stdout."""
    typer.echo(text, err=True)


def print_preflight(config: CampaignConfig) -> None:
    """Print the space and the cost of a campaign."""
    from gbopt.campaign.confirm import temperatures
    from gbopt.campaign.space import GBSpace
    from gbopt.potentials.describe import describe
    from gbopt.potentials.library import get_potential

    space = GBSpace(config)
    geometries = space.geometries
    potential = get_potential(config.md.potential)
    ions = [count for _, count in geometries.values()]
    steps = _steps(config.in_search())
    mean_ions = sum(ions) / len(ions)
    us, source = _speed(config)
    searching = _hours(config.in_search(), us, mean_ions, steps)
    typer.echo(f"campaign    {config.name} (key {config.key})")
    typer.echo(f"question    {config.question}")
    for line in describe(potential, config.md.potential):
        typer.echo(f"potential   {line}")
    typer.echo(
        f"space       {len(geometries)} distinct boundaries, {min(ions)}-{max(ions)} ions, "
        f"{min(k[1] for k in geometries):g}-{max(k[1] for k in geometries):g} deg"
    )
    for plane in config.geometry.mean_plane:
        angles = sorted({k[1] for k in geometries if k[0] == plane})
        typer.echo(f"            ({plane}): {', '.join(f'{a:.2f}' for a in angles) or 'none'}")
    typer.echo(
        f"run         {config.md.temperature_K:g} K, {config.md.production_ps:g} ps of "
        f"production, {steps} MD steps an evaluation"
    )
    typer.echo(
        f"cost        about {searching:.2g} h for {config.search.evaluations} evaluations, "
        f"{config.run.workers} at once, at {us:.2g} us per ion and step together ({source})"
    )
    ladder = len(temperatures(config))
    runs = 2 * config.confirm.replicas * ladder
    again = _hours(config, us, mean_ions, _steps(config), evaluations=runs, references=ladder)
    typer.echo(f"confirm     {runs} runs for `gbopt confirm`, about {again:.2g} h more")
    for warning in _warnings(config):
        typer.echo(f"warning     {warning}")


def _steps(config: CampaignConfig) -> int:
    from gbopt.md.protocol import boundary_stages

    return sum(stage.steps for stage in boundary_stages(config.md, 0, config.field))


def hours(config: CampaignConfig, us_per_ion_step: float) -> float:
    """Cost of the search of a campaign where all workers together have this speed."""
    from gbopt.campaign.space import GBSpace

    ions = [count for _, count in GBSpace(config).geometries.values()]
    searched = config.in_search()
    return _hours(searched, us_per_ion_step, sum(ions) / len(ions), _steps(searched))


def _speed(config: CampaignConfig) -> tuple[float, str]:
    """Microseconds per ion and step of all workers together, and how they are known."""
    from gbopt.evaluate.engines import choose_engine

    workers = config.run.workers
    try:
        chosen = choose_engine(config, say)
    except EnvironmentProblem as problem:  # a login node, say: the file can be checked all the same
        return _US_PER_ION_STEP / workers, f"assumed; nothing runs it here: {problem.message}"
    if chosen.us_per_ion_step is None:
        return _US_PER_ION_STEP / workers, f"assumed; {chosen.why}"
    together = _side_by_side(workers, chosen.settings) / _repeats(config, chosen.settings)
    return chosen.us_per_ion_step / together, f"measured here for one; {chosen.why}"


def _side_by_side(workers: int, settings: EngineSettings) -> float:
    """How many times the speed of one run all have together."""
    from gbopt.md.placement import gpus, on_gpu

    if not on_gpu(settings):
        return float(workers)
    devices = min(workers, max(1, len(gpus())))
    # Of 2, 4 and 8 runs on one H100 under MPS: 1.7, 2.6 and 3.2 times that of one.
    return float(devices * (workers / devices) ** 0.6)


def _repeats(config: CampaignConfig, settings: EngineSettings) -> int:
    """Copies of a cell that an engine needs side by side; its ions count as often."""
    from gbopt.campaign.space import GBSpace

    # Along the axis [001] a cell is one lattice parameter wide.
    return max(1, math.ceil(settings.least_edge_A / GBSpace(config).lattice_A))


def _hours(
    config: CampaignConfig,
    us_per_ion_step: float,
    ions: float,
    steps: int,
    *,
    evaluations: int | None = None,
    references: int = 1,
) -> float:
    """Cost of evaluations (None: those of the search) and of bulk references, all workers busy."""
    count = config.search.evaluations if evaluations is None else evaluations
    boundaries = count * ions * steps
    field_ps = len(config.field.fields_V_A) * config.field.run_ps
    bulk_ps = 1.25 * config.bulk.npt_ps + config.bulk.production_ps + field_ps
    bulk_steps = bulk_ps / config.md.timestep_ps
    # Fewer replicas than workers leave workers idle.
    replicas = max(config.bulk.replicas, config.run.workers)
    bulk = references * replicas * 192 * config.bulk.cells**3 * bulk_steps
    return (boundaries + bulk) * us_per_ion_step * 1e-6 / 3600


def _warnings(config: CampaignConfig) -> list[str]:
    found = []
    if config.geometry.crystal_A < 20:
        found.append("grains thinner than about 40 A hold no bulk crystal: raise crystal_A")
    if config.md.temperature_K < 900:
        found.append("undoped LLZO orders below about 880 K, and Li hops too rarely for MD")
    if config.md.production_ps < 50:
        found.append("less than 50 ps of production resolves only the fastest boundaries")
    if config.md.potential.startswith("kozinsky-grieder-cip"):
        found.append("this potential is valid at fixed volume only; boundaries relax at 1 atm")
    if (volts := _volts(config)) > _LINEAR_V * config.md.temperature_K / _LINEAR_AT_K:
        found.append(
            f"the fields put up to {volts:.2g} V over a cell; above {_LINEAR_V:g} V at "
            f"{_LINEAR_AT_K:g} K the response may not be linear: lower field.fields_V_A"
        )
    return found


def _volts(config: CampaignConfig) -> float:
    """Highest voltage that the fields put over a cell."""
    from gbopt.campaign.space import GBSpace

    length_A = GBSpace(config).longest_cell_A
    return length_A * max((abs(field) for field in config.field.fields_V_A), default=0.0)
