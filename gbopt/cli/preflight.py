"""What `gbopt check` prints, and the choice of the engine before anything is run."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from gbopt.config import CampaignConfig
from gbopt.errors import EnvironmentProblem

if TYPE_CHECKING:
    from gbopt.campaign.boundaries import Boundary
    from gbopt.campaign.space import GBSpace
    from gbopt.md.engine import EngineSettings
    from gbopt.search.space import Dimension, Params, Scalar

# One core of a cloud machine with a rigid-ion potential, where nothing was measured here.
_US_PER_ION_STEP = 6.0
# Of two Sigma5 cells: one gave the same conductivity at 0.9 and 1.7 V; in the other 1.3 V left the
# motion along the cores as it was, and 2.6 V made it half as fast again.
_LINEAR_V, _LINEAR_AT_K = 1.7, 1100.0
# More angles of one kind than this are not listed one by one.
_ANGLES = 20


def say(text: str) -> None:
    """Say on stderr what is being tried: figures alone go to stdout."""
    typer.echo(text, err=True)


class Outlook(NamedTuple):
    """What a campaign will cost, as far as can be known before it is run."""

    campaign: str
    key: str
    boundaries: int
    """Distinct geometries."""
    candidates: int
    """Those with each composition that they have room for."""
    least_ions: int
    mean_ions: float
    most_ions: int
    steps: int
    """MD steps of an evaluation of full length."""
    us_per_ion_step: float
    """Of all workers together."""
    speed_from: str
    """How that is known."""
    steps_per_s: float
    """Of one evaluation of a cell of mean size, all workers at work."""
    evaluations: int
    workers: int
    hours: float
    disk_GB: float
    """At most; structures, records, logs and profiles, and what is there while runs last."""
    confirm_runs: int
    confirm_hours: float
    confirm_disk_GB: float
    warnings: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Plain data; estimates have no more than three digits that mean something."""
        found = self._asdict()
        rounded = {k: float(f"{v:.3g}") for k, v in found.items() if isinstance(v, float)}
        return found | rounded


def outlook(config: CampaignConfig) -> Outlook:
    """Work out what a campaign will cost; at most engines are timed."""
    from gbopt.campaign.confirm import temperatures
    from gbopt.campaign.redundant import redundancies
    from gbopt.campaign.reference import melt_of
    from gbopt.campaign.space import GBSpace

    space = GBSpace(config)
    ions = [cell.ions for cell in space.geometries.values()]
    mean_ions = _mean_ions(space)
    us, source = _speed(config)
    searched, melt = config.in_search(), melt_of(config)
    steps, ladder = _steps(searched), len(temperatures(config))
    runs = 2 * config.confirm.replicas * ladder
    again_steps = (_steps(config) + _steps(melt.of(config) if melt else config)) // 2
    disk_GB = _disk_GB(config, mean_ions, config.search.evaluations)
    return Outlook(
        campaign=config.name,
        key=config.key,
        boundaries=len(ions),
        candidates=len(space.search_space.candidates or ()),
        least_ions=min(ions),
        mean_ions=mean_ions,
        most_ions=max(ions),
        steps=steps,
        us_per_ion_step=us,
        speed_from=source,
        steps_per_s=1e6 / (us * config.run.workers * mean_ions),
        evaluations=config.search.evaluations,
        workers=config.run.workers,
        hours=_hours(searched, us, mean_ions, steps),
        disk_GB=disk_GB,
        confirm_runs=runs,
        confirm_hours=_hours(
            config, us, mean_ions, again_steps, evaluations=runs, references=ladder
        ),
        confirm_disk_GB=_disk_GB(config, mean_ions, runs),
        warnings=[
            *_warnings(config),
            *redundancies(config),
            *_too_few_cores(config),
            *_no_room(disk_GB),
        ],
    )


def print_preflight(config: CampaignConfig) -> None:
    """Print the space and the cost of a campaign."""
    from gbopt.campaign.reference import film_of
    from gbopt.campaign.space import GBSpace
    from gbopt.potentials.describe import describe
    from gbopt.potentials.library import get_potential

    found = outlook(config)
    typer.echo(f"campaign    {config.name} (key {config.key})")
    typer.echo(f"question    {config.question}")
    for line in describe(get_potential(config.md.potential), config.md.potential):
        typer.echo(f"potential   {line}")
    for line in _space(GBSpace(config)):
        typer.echo(line)
    typer.echo(
        f"run         {config.md.temperature_K:g} K, {config.md.production_ps:g} ps of "
        f"production, {found.steps} MD steps an evaluation"
    )
    typer.echo(
        f"cost        about {found.hours:.2g} h for {found.evaluations} evaluations, "
        f"{found.workers} at once, at {found.us_per_ion_step:.2g} us per ion and step together "
        f"({found.speed_from})"
    )
    typer.echo(
        f"            {found.steps_per_s:.3g} steps/s each with {found.mean_ions:,.0f} ions, the "
        f"mean; at most {found.disk_GB:.2g} GB on disk"
    )
    film = film_of(config)
    against = f" against a {film.label}" if film else ""
    typer.echo(
        f"confirm     {found.confirm_runs} runs for `gbopt confirm`{against}, about "
        f"{found.confirm_hours:.2g} h and {found.confirm_disk_GB:.2g} GB more"
    )
    for warning in found.warnings:
        typer.echo(f"warning     {warning}")


def _disk_GB(config: CampaignConfig, ions: float, evaluations: int) -> float:
    """Room that evaluations take, and what the runs under way hold besides."""
    from gbopt.md.room import needed_bytes

    frames = round(config.md.production_ps / config.md.frame_ps) + 1
    kept = needed_bytes(round(ions), frames if config.run.keep_trajectory else 0)
    return (evaluations * kept + config.run.workers * needed_bytes(round(ions), frames)) / 1e9


def _too_few_cores(config: CampaignConfig) -> list[str]:
    from gbopt.md.placement import cores, gpus

    here, workers = cores(), config.run.workers
    if workers <= here or gpus():
        return []
    return [
        f"run.workers = {workers}, but this machine gives {here} cores: more workers are no faster "
        "here, and the cost is that of this machine"
    ]


def _no_room(disk_GB: float) -> list[str]:
    free_GB = shutil.disk_usage(".").free / 1e9
    if disk_GB < free_GB:
        return []
    return [f"{disk_GB:.2g} GB may be needed, and {free_GB:.2g} GB are free in this folder"]


def _space(space: GBSpace) -> Iterator[str]:
    """How many boundaries there are, of which kinds, and what is searched over them."""
    geometries, searched = space.geometries, space.search_space
    ions = [cell.ions for cell in geometries.values()]
    angles = [boundary.misorientation_deg for boundary in geometries]
    yield (
        f"space       {len(geometries)} distinct boundaries, {min(ions)}-{max(ions)} ions, "
        f"{min(angles):g}-{max(angles):g} deg"
    )
    groups: dict[str, list[Boundary]] = {}
    for boundary in geometries:
        planes = f" ({boundary.mean_plane})" if boundary.kind == "symmetric tilt" else ""
        groups.setdefault(f"{boundary.kind} [{boundary.axis}]{planes}", []).append(boundary)
    for name, members in sorted(groups.items()):
        own = sorted({boundary.misorientation_deg for boundary in members})
        listed = ", ".join(f"{angle:.2f}" for angle in own)
        if len(own) > _ANGLES:
            listed = f"{len(own)} angles from {own[0]:.2f} to {own[-1]:.2f}"
        yield f"            {name}: {len(members)}, at {listed} deg"
    if strained := [cell.strain for cell in geometries.values() if cell.strain > 0]:
        yield f"            {len(strained)} of them strained by up to {max(strained):.2%}"
    candidates = searched.candidates or ()
    ranges = [_range(dimension, candidates) for dimension in searched.free]
    yield f"searched    {'; '.join(ranges) or 'nothing'}"
    if len(candidates) > len(geometries):
        yield f"            {len(candidates)} candidates: each boundary with what it has room for"


def _range(dimension: Dimension, candidates: Sequence[Params]) -> str:
    choices: Sequence[Scalar] = dimension.choices
    if dimension.name == "li2o_per_nm2":  # a number, but of a list
        choices = sorted({point[dimension.name] for point in candidates})
    if choices:
        return f"{dimension.name} {' | '.join(str(choice) for choice in choices)}"
    return f"{dimension.name} {dimension.low:g} to {dimension.high:g}"


def _mean_ions(space: GBSpace) -> float:
    ions = [cell.ions for cell in space.geometries.values()]
    return sum(ions) / len(ions)


def _steps(config: CampaignConfig) -> int:
    from gbopt.md.protocol import boundary_stages

    return sum(stage.steps for stage in boundary_stages(config.md, 0, config.field))


def hours(config: CampaignConfig, us_per_ion_step: float) -> float:
    """Cost of the search of a campaign where all workers together have this speed."""
    from gbopt.campaign.space import GBSpace

    searched = config.in_search()
    return _hours(searched, us_per_ion_step, _mean_ions(GBSpace(config)), _steps(searched))


def _speed(config: CampaignConfig) -> tuple[float, str]:
    """Microseconds per ion and step of all workers together, and how they are known."""
    from gbopt.evaluate.engines import choose_engine
    from gbopt.md.select import speed_us_per_ion_step
    from gbopt.potentials.library import get_potential

    workers = config.run.workers
    try:
        chosen = choose_engine(config, say)
        alone = speed_us_per_ion_step(get_potential(config.md.potential), chosen, say=say)
    except EnvironmentProblem as problem:  # a login node, say: the file can be checked all the same
        return _US_PER_ION_STEP / workers, f"assumed; nothing runs it here: {problem.message}"
    together = _side_by_side(workers, chosen.settings) / _repeats(config, chosen.settings)
    return alone / together, f"measured here for one; {chosen.why}"


def _side_by_side(workers: int, settings: EngineSettings) -> float:
    """How many times the speed of one run all have together."""
    from gbopt.md.placement import cores, gpus, on_gpu

    if not on_gpu(settings):
        return float(min(workers, max(1, cores() // (settings.threads * settings.ranks))))
    devices = min(workers, max(1, len(gpus())))
    # Of 2, 4 and 8 runs on one H100 under MPS: 1.7, 2.6 and 3.2 times that of one.
    return float(devices * (workers / devices) ** 0.6)


def _repeats(config: CampaignConfig, settings: EngineSettings) -> float:
    """Copies of a cell that an engine needs side by side, the mean; its ions count as often."""
    from gbopt.campaign.space import GBSpace

    space = GBSpace(config)
    needed = [
        cell.ions * math.prod(max(1, math.ceil(settings.least_edge_A / e)) for e in cell.edges_A)
        for cell in space.geometries.values()
    ]
    return sum(needed) / len(needed) / _mean_ions(space)


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
    from gbopt.evaluate.adaptive import LEAST_SEGMENTS

    found = []
    if config.geometry.crystal_A < 20:
        found.append("grains thinner than some 40 A hold no bulk crystal: raise crystal_A")
    if any(d.where != "core" for dopants in config.geometry.dopants for d in dopants):
        found.append(
            "the bulk reference is undoped: what dopants change in the grains is counted with the "
            'boundary; where = "core" keeps them out of the grains'
        )
    if config.md.temperature_K < 900:
        found.append("undoped LLZO orders below about 880 K, and Li hops too rarely for MD")
    if config.md.production_ps < 50:
        found.append("less than 50 ps of production resolves only the fastest boundaries")
    ends_early = config.adaptive.prune or config.adaptive.target_dex > 0
    asked = "adaptive" in config.model_fields_set and ends_early
    if asked and config.analysis.segments <= LEAST_SEGMENTS:
        found.append(
            f"[adaptive] has no effect: no run ends before {LEAST_SEGMENTS} segments, and these "
            f"have {config.analysis.segments}: raise analysis.segments"
        )
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
