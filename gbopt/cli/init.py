"""`gbopt init`: a campaign file to begin with."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gbopt.errors import ConfigError

_MOST_WORKERS = {"quick": 2, "overnight": 8, "cluster": 16}


class Size(StrEnum):
    """How much a campaign may cost."""

    quick = "quick"
    overnight = "overnight"
    cluster = "cluster"


def init(
    file: Annotated[
        Path, typer.Argument(help="File to write; its name is the campaign's.", metavar="FILE")
    ] = Path("campaign.toml"),
    size: Annotated[
        Size, typer.Option("--for", help="Minutes on two cores, a night, or days on a node.")
    ] = Size.overnight,
) -> None:
    """Write a campaign file that runs as it stands, each field under what it means."""
    from gbopt.config.starter import starter
    from gbopt.md.placement import cores

    if file.suffix != ".toml":
        raise ConfigError(
            f"{file} does not end in .toml", hint=f"name it {file.with_suffix('.toml').name}"
        )
    text = starter(file.stem, size.value, min(cores(), _MOST_WORKERS[size.value]))
    try:
        with file.open("x", encoding="utf-8") as handle:
            handle.write(text)
    except FileExistsError:
        raise ConfigError(
            f"{file} exists already, and is not overwritten", hint="give another name"
        ) from None
    typer.echo(f"wrote {file}\nnext: gbopt check {shlex.quote(str(file))}")
