"""`gbopt doctor`, `gbopt bench-md` and `gbopt schema`."""

from __future__ import annotations

import json
import platform
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gbopt import __version__
from gbopt.cli.read import Format, FormatOption
from gbopt.cli.read import _print as print_rows
from gbopt.errors import ConfigError, EnvironmentProblem, GboptError

if TYPE_CHECKING:
    from gbopt.config import CampaignConfig, Potential
    from gbopt.md.bench import Load
    from gbopt.md.probe import Trial
    from gbopt.md.select import Choice

# Distributions of the engines and of what reads learned potentials, by what they serve.
_OPTIONAL = {
    "openmm": "rigid-ion potentials on a GPU",
    "chgnet": "CHGNet",
    "nep-adapters": "NEP models",
    "mace-torch": "MACE models",
    "sevenn": "SevenNet models",
}


def doctor(
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Try every engine again, whatever is remembered.")
    ] = False,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Say what this machine has, which MD engines work on it, how fast, and which is chosen.

    JSON holds everything; CSV the engines, a row each.
    """
    if fmt is Format.TABLE:
        _print_machine()
        _print_engines(fresh)
        return
    engines, chosen = _engines(fresh)
    rows = [_engine_row(trial, error) for trial, error in engines]
    if fmt is Format.CSV:
        print_rows(rows, fmt)
        return
    settings = chosen.settings
    choice = {
        "engine": settings.label,
        "why": chosen.why,
        "coulomb_cutoff_A": settings.coulomb_cutoff_A,
        "us_per_ion_step": chosen.us_per_ion_step,
    }
    found = _machine() | {"engines": rows, "chosen": choice}
    typer.echo(json.dumps(found, indent=1, ensure_ascii=False))


def _machine() -> dict[str, Any]:
    """What there is, engines apart, as plain data."""
    from gbopt.cache import cache_folder
    from gbopt.md.libmpi import libmpi_path
    from gbopt.md.placement import cores, gpu_names
    from gbopt.potentials.library import get_potential, potential_names
    from gbopt.provenance import package_versions

    return {
        "gbopt": __version__,
        "python": platform.python_version(),
        "libraries": package_versions(),
        "cores": cores(),
        "gpus": list(gpu_names()),
        "libmpi": str(libmpi_path() or "") or None,
        "cache": str(cache_folder()),
        "optional": {name: _version(name) for name in _OPTIONAL},
        "potentials": {name: get_potential(name).validity for name in potential_names()},
    }


def _print_machine() -> None:
    from gbopt.md.lammps_builds import lammps_accelerators, lammps_build

    found = _machine()
    typer.echo(f"gbopt       {found['gbopt']}, Python {found['python']}")
    versions = ", ".join(f"{k} {v}" for k, v in found["libraries"].items())
    typer.echo(f"libraries   {versions}")
    typer.echo(f"cores       {found['cores']}")
    typer.echo(f"GPUs        {'; '.join(found['gpus']) or 'none that a driver answers for'}")
    typer.echo(f"libmpi      {found['libmpi'] or 'not in this environment'}")
    typer.echo(f"cache       {found['cache']}")
    for name, version in found["optional"].items():
        typer.echo(f"optional    {name} {version}: {_OPTIONAL[name]}")
    for name, validity in found["potentials"].items():
        typer.echo(f"potential   {name}: {validity}")
    try:
        version = lammps_build()["version"]
        accelerators = ", ".join(name for name in lammps_accelerators() if name != "none")
    except GboptError as error:
        typer.echo(f"LAMMPS      BROKEN: {error.message}")
        raise
    typer.echo(f"LAMMPS      {version} starts; accelerators of the build: {accelerators or 'none'}")


def _version(distribution: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def _engines(fresh: bool) -> tuple[list[tuple[Trial, float | None]], Choice]:
    """Every engine that was tried with the default potential, its force error, and the choice."""
    from gbopt.config import MDConfig
    from gbopt.config.sections import RunConfig
    from gbopt.md.select import candidates, choose, survey
    from gbopt.potentials.library import get_potential

    md, run = MDConfig(), RunConfig()
    potential = get_potential(md.potential)
    tried = candidates(potential, md, run, every=True)
    found = survey(potential, tried, say=_say, fresh=fresh)
    chosen = choose(potential, md, run, say=_say, fresh=fresh)
    return list(zip(found.trials, found.force_errors, strict=True)), chosen


def _engine_row(trial: Trial, force_error: float | None) -> dict[str, Any]:
    """One engine as plain data; nothing was measured of one that does not work."""

    def measured(value: float) -> float | None:
        return float(f"{value:.4g}") if trial.works else None

    return {
        "engine": trial.engine_settings.label,
        "version": trial.version,
        "works": trial.works,
        "why": trial.why,
        "steps_per_s": measured(trial.steps_per_s),
        "ns_per_day": measured(trial.ns_per_day),
        "us_per_ion_step": measured(trial.us_per_ion_step),
        "force_error": force_error,
    }


def _print_engines(fresh: bool) -> None:
    from gbopt.config import MDConfig

    typer.echo(f"\nengines, {MDConfig().potential}, NVT at 1100 K, 1,536 ions")
    engines, chosen = _engines(fresh)
    typer.echo(f"{'':12}{'steps/s':>10}{'ns/day':>9}{'us/ion/step':>13}{'dF/F':>9}")
    for trial, error in engines:
        _print_trial(trial, error)
    typer.echo(f"chosen      {chosen.why}")
    cutoff_A = chosen.settings.coulomb_cutoff_A
    speed = "" if chosen.us_per_ion_step is None else f", {chosen.us_per_ion_step:.2f} us/ion/step"
    typer.echo(f"tuned       Coulomb cut-off {cutoff_A:g} A{speed}")


def _say(text: str) -> None:
    typer.secho(f"            {text}", dim=True, err=True)


def _print_trial(trial: Trial, force_error: float | None) -> None:
    label = trial.engine_settings.label
    if not trial.works:
        typer.echo(f"{label:24}does not work: {trial.why}")
        return
    off = "" if force_error is None else f"{force_error:9.1e}"
    typer.echo(f"{label:24}{_speed(trial)}{off}  {trial.version}")


def _speed(trial: Trial) -> str:
    return f"{trial.steps_per_s:10.4g}{trial.ns_per_day:9.3g}{trial.us_per_ion_step:13.3g}"


def bench_md(
    structure: Annotated[
        Path, typer.Argument(help="Structure: extended XYZ, CIF or LAMMPS data.", metavar="FILE")
    ],
    potential: Annotated[
        str, typer.Option(help="Name of a potential, or its TOML file.")
    ] = "llzo-buckingham-c",
    campaign: Annotated[
        Path | None,
        typer.Option(help="Campaign file whose settings are used and whose cost is printed."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="Time for each, s.")] = 2.0,
    replicas: Annotated[
        int, typer.Option(min=1, max=64, help="Also so many runs side by side.")
    ] = 1,
) -> None:
    """Time every engine that runs here on a structure, and what a campaign would cost."""
    from gbopt.config import load_campaign

    config = load_campaign(campaign) if campaign is not None else _plain_campaign(potential)
    _bench(structure, config, seconds, replicas, cost=campaign is not None)


def _plain_campaign(potential: str) -> CampaignConfig:
    from gbopt.config import CampaignConfig
    from gbopt.potentials.library import get_potential

    get_potential(potential)  # an unknown name is refused before anything is run
    config = CampaignConfig(name="bench", question="how fast are the engines here?", seed=0)
    return config.with_potential(potential)


def _bench(
    structure: Path, config: CampaignConfig, seconds: float, replicas: int, *, cost: bool
) -> None:
    from gbopt.cli.preflight import hours
    from gbopt.evaluate.engines import fitted
    from gbopt.geometry.read import read_unlabelled
    from gbopt.md.bench import side_by_side
    from gbopt.md.placement import shared_gpus
    from gbopt.md.run import system_of
    from gbopt.md.select import candidates
    from gbopt.potentials.library import get_potential

    potential = get_potential(config.md.potential)
    found = read_unlabelled(structure)
    _require_elements(potential, found.elements)
    tried = candidates(potential, config.md, config.run, every=True)
    if not tried:
        raise EnvironmentProblem(
            f"no engine here runs {potential.name}", hint="`gbopt doctor` shows what was found"
        )
    typer.echo(f"{found.formula}, {found.n_ions} ions, {potential.name}")
    for settings in tried:
        cell = fitted(found, settings)
        for count in sorted({1, replicas}):
            run = config.run.model_copy(update={"workers": count})
            with shared_gpus(run, settings) as sharing:
                load = side_by_side(system_of(cell), potential, settings, count, seconds=seconds)
            label = f"{settings.label} x{count}" if count > 1 else settings.label
            notes = [f"{cell.n_ions} ions: repeated, it is too narrow"] if cell is not found else []
            typer.echo(_line(label, load, settings.timestep_ps, [*notes, *filter(None, [sharing])]))
            if cost and load.trial.works:
                per_ion_us = 1e6 / load.total_steps_per_s / found.n_ions
                typer.echo(f"{'':28}the campaign: about {hours(config, per_ion_us):.2g} h")


def _line(label: str, load: Load, timestep_ps: float, notes: list[str]) -> str:
    """Speed of one engine, of all replicas together."""
    if not load.trial.works:
        return f"{label:28}does not work: {load.trial.why}"
    total, ions = load.total_steps_per_s, load.trial.n_ions
    figures = (
        f"{total:9.4g} steps/s{total * timestep_ps * 86.4:9.3g} ns/day"
        f"{1e6 / total / ions:9.3g} us/ion/step"
    )
    return f"{label:28}{figures}{''.join(f'; {note}' for note in notes)}"


def _require_elements(potential: Potential, elements: tuple[str, ...]) -> None:
    if unknown := [name for name in elements if name not in potential.elements]:
        raise ConfigError(
            f"--potential: {potential.name} has no parameters for {', '.join(unknown)}",
            hint=f"it describes {', '.join(potential.elements)}",
        )


class FileKind(StrEnum):
    """A kind of file that gbopt reads its settings from."""

    CAMPAIGN = "campaign"
    STUDY = "study"


def schema(
    kind: Annotated[FileKind, typer.Option(help="The kind of file.")] = FileKind.CAMPAIGN,
) -> None:
    """Print the JSON schema of a campaign or study file: every field, its unit and default."""
    from gbopt.config import CampaignConfig
    from gbopt.config.study import StudyConfig

    model = StudyConfig if kind is FileKind.STUDY else CampaignConfig
    typer.echo(json.dumps(model.model_json_schema(), indent=1))
