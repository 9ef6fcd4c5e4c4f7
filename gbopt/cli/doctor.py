"""`gbopt doctor` and `gbopt schema`."""

from __future__ import annotations

import json
import os
import platform

import typer

from gbopt import __version__
from gbopt.errors import GboptError


def doctor() -> None:
    """Say what this machine has and whether gbopt works on it."""
    from gbopt.cli.preflight import require_engine
    from gbopt.evaluate.cache import cache_folder
    from gbopt.md.libmpi import lammps_version, libmpi_path
    from gbopt.potentials.library import get_potential, potential_names
    from gbopt.provenance import package_versions

    typer.echo(f"gbopt       {__version__}, Python {platform.python_version()}")
    versions = ", ".join(f"{k} {v}" for k, v in package_versions().items())
    typer.echo(f"libraries   {versions}")
    typer.echo(f"cores       {os.cpu_count()}")
    typer.echo(f"libmpi      {libmpi_path() or 'not in this environment'}")
    typer.echo(f"cache       {cache_folder()}")
    for name in potential_names():
        typer.echo(f"potential   {name}: {get_potential(name).validity}")
    try:
        require_engine()
    except GboptError as error:
        typer.echo(f"engine      BROKEN: {error.message}")
        raise
    typer.echo(f"engine      {lammps_version()}: starts")


def schema() -> None:
    """Print the JSON schema of a campaign file: every field with its unit, range and default."""
    from gbopt.config import CampaignConfig

    typer.echo(json.dumps(CampaignConfig.model_json_schema(), indent=1))
