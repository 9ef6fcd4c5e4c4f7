"""`gbopt export`: what a library or a campaign holds, as files for other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gbopt.errors import ConfigError

if TYPE_CHECKING:
    from gbopt.geometry.query import Condition


class ExportFormat(StrEnum):
    """File formats, by the ending of their names; what is written follows from them."""

    EXTXYZ = "extxyz"
    CIF = "cif"
    DATA = "data"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    SVG = "svg"
    PDF = "pdf"
    ZIP = "zip"


_STRUCTURES = (ExportFormat.EXTXYZ, ExportFormat.CIF, ExportFormat.DATA)
_TABLES = (ExportFormat.CSV, ExportFormat.JSON, ExportFormat.PARQUET)
_FIGURES = (ExportFormat.SVG, ExportFormat.PDF)
_LIBRARY, _CAMPAIGN = "Of a library", "Of a campaign"


Numbers = Annotated[
    list[int] | None,
    typer.Option(min=0, help="Structures or trials by number; repeat for more."),
]
Where = Annotated[
    str | None,
    typer.Option(help="Conditions: 'misorientation < 15 and width = 3'.", rich_help_panel=_LIBRARY),
]
Kind = Annotated[
    str | None, typer.Option(help="Kind of boundary, such as twist.", rich_help_panel=_LIBRARY)
]
MaxIons = Annotated[
    int | None, typer.Option(min=1, help="Largest cell, ions.", rich_help_panel=_LIBRARY)
]
Best = Annotated[
    int, typer.Option(min=1, help="Structures of so many best.", rich_help_panel=_CAMPAIGN)
]
Author = Annotated[
    list[str] | None,
    typer.Option(help="Name for the zip; repeat for more.", rich_help_panel=_CAMPAIGN),
]
Licence = Annotated[
    str,
    typer.Option(
        "--license", help="SPDX name, such as CC-BY-4.0, or URL.", rich_help_panel=_CAMPAIGN
    ),
]


def export(
    folder: Annotated[Path, typer.Argument(help="Library or run folder.", metavar="DIR")],
    to: Annotated[
        Path, typer.Option(help="Folder for the files; for a table or zip also a file name.")
    ],
    fmt: Annotated[ExportFormat, typer.Option("--format", "-f", help="Format of the files.")],
    number: Numbers = None,
    where: Where = None,
    kind: Kind = None,
    max_ions: MaxIons = None,
    best: Best = 1,
    author: Author = None,
    licence: Licence = "",
) -> None:
    """Write what a library or a campaign holds as files.

    extxyz, cif and data (LAMMPS): structures, of a campaign those of the best boundary as built and
    after production. Of a campaign also csv, json and parquet: the trace as a table of numbers;
    svg and pdf: figures with their numbers; zip: all of it for a data repository, as an RO-Crate.
    """
    from gbopt.geometry.archive import INDEX

    if (folder / "run.json").is_file():
        given = {"--where": where, "--kind": kind, "--max-ions": max_ions}
        if wrong := [name for name, value in given.items() if value is not None]:
            raise ConfigError(
                f"{wrong[0]} chooses from a library, but {folder} is a run folder",
                hint="choose trials with --number, or the best ones with --best",
            )
        typer.echo(_of_campaign(folder, to, fmt, number, best, author or [], licence))
        return
    if fmt not in _STRUCTURES and (folder / INDEX).is_file():
        raise ConfigError(
            f"a library is written as structures, not as {fmt.value}",
            hint=f"take --format extxyz, cif or data; {folder / 'properties.csv'} is its table",
        )
    typer.echo(_of_library(folder, to, fmt, _conditions(where, kind, max_ions), number))


def _of_library(
    library: Path,
    to: Path,
    fmt: ExportFormat,
    conditions: list[Condition],
    number: list[int] | None,
) -> str:
    """Write structures of a library; return what was written."""
    from gbopt.geometry.archive import Archive
    from gbopt.geometry.compact import decode
    from gbopt.geometry.files import write_structure

    written = 0
    with Archive.open_(library) as archive:
        chosen = [r for r in archive.records(conditions) if not number or r.number in number]
        if not chosen:
            raise ConfigError(
                f"no structure of {library} meets all conditions",
                hint=f"{library / 'properties.csv'} lists them; loosen a condition",
            )
        to.mkdir(parents=True, exist_ok=True)
        for record in chosen:
            blob = archive.blob(record.number)
            if blob is not None:
                path = to / f"{record.number:06d}-{record.key}.{fmt.value}"
                write_structure(decode(blob), path)
                written += 1
    return f"wrote {written:,} structures to {to}"


def _of_campaign(
    run_dir: Path,
    to: Path,
    fmt: ExportFormat,
    number: list[int] | None,
    best: int,
    authors: list[str],
    licence: str,
) -> str:
    """Write what the format asks for; return what was written."""
    from gbopt.campaign.view import CampaignView
    from gbopt.report import exports

    view, suffix = CampaignView.of(run_dir), f".{fmt.value}"
    if fmt in _STRUCTURES:
        chosen = exports.trials(view, number) if number else exports.best_trials(view, best)
        files = exports.write_structures(view, chosen, to, fmt.value)
        return f"wrote {len(files)} structures to {to}"
    if fmt in _FIGURES:
        from gbopt.report.print_figures import write_figures

        figures = [f for f in write_figures(view, to, fmt.value) if f.suffix == suffix]
        return f"wrote {len(figures)} figures, each with its numbers as CSV, to {to}"
    if fmt in _TABLES:
        target = to if to.suffix == suffix else to / f"{view.config.name}-trace{suffix}"
        from gbopt.report.numbers import number_table

        exports.write_table(number_table(view.evaluations), target)
        return f"wrote {target}"
    from gbopt.report.bundle import Credit, write_bundle

    target = to if to.suffix == suffix else to / f"{view.config.name}{suffix}"
    count = write_bundle(view, target, Credit(authors, licence))
    none = "" if licence else "; it names no licence: choose one with --license"
    return f"wrote {target}, {count} files{none}"


def _conditions(where: str | None, kind: str | None, max_ions: int | None) -> list[Condition]:
    from gbopt.geometry.catalog import KINDS
    from gbopt.geometry.query import Condition, parse_where

    found = [Condition("status", "=", "ok"), *(parse_where(where) if where else [])]
    if kind is not None:
        if kind.replace("-", " ") not in KINDS:
            raise ConfigError(f"--kind: {kind!r} is no kind", hint=f"one of {', '.join(KINDS)}")
        found.append(Condition("kind", "=", kind.replace("-", " ")))
    if max_ions is not None:
        found.append(Condition("ions", "<=", max_ions))
    return found
