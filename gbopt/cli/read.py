"""`gbopt status`, `trace`, `show` and `report`: commands that only look."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gbopt.errors import RunFolderError

RunDir = Annotated[Path, typer.Argument(help="Run folder.", metavar="DIR")]


class Format(StrEnum):
    """How a table is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to print.")]


def status(
    run_dir: RunDir,
    fmt: FormatOption = Format.TABLE,
    watch: Annotated[
        bool,
        typer.Option("--watch", "-w", help="Go on until the campaign stops, or Ctrl-C."),
    ] = False,
    interval_s: Annotated[
        float | None,
        typer.Option(
            "--interval",
            min=0.1,
            help="Time between two looks, s (default: 2 on a terminal, 60 in a pipe).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Say where a campaign stands: progress, best so far, what runs now.

    With --watch a terminal is drawn anew; a pipe gets a plain line each time, or with
    --format json an object in a line.
    """
    if watch:
        from gbopt.cli.watch import watch as follow

        if fmt is Format.CSV:
            raise typer.BadParameter("--watch prints a table or json", param_hint="--format")
        follow(run_dir, interval_s, as_json=fmt is Format.JSON)
        return
    from gbopt.campaign.view import CampaignView
    from gbopt.report.tables import status_rows

    _print(status_rows(CampaignView.of(run_dir)), fmt)


def trace(
    run_dir: RunDir,
    fmt: FormatOption = Format.TABLE,
    failed: Annotated[bool, typer.Option("--failed", help="Only failed trials.")] = False,
) -> None:
    """List every evaluation with its error bars."""
    from gbopt.campaign.view import CampaignView
    from gbopt.report.tables import failure_rows, trace_rows

    view = CampaignView.of(run_dir)
    _print(failure_rows(view) if failed else trace_rows(view), fmt)


def show(
    run_dir: RunDir,
    trial: Annotated[int, typer.Argument(min=0, help="Trial number.", metavar="TRIAL")],
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Show everything about one trial: numbers, boundaries, flags, cause of failure."""
    from gbopt.campaign.view import CampaignView
    from gbopt.report.tables import failure_text, trial_rows

    view = CampaignView.of(run_dir)
    evaluation = view.trial(trial)
    if evaluation is None:
        raise RunFolderError(
            f"{run_dir} has no finished trial {trial}",
            hint=f"`gbopt trace {run_dir}` lists the finished ones",
        )
    if fmt is Format.JSON:
        typer.echo(evaluation.model_dump_json(indent=1))
        return
    _print(trial_rows(evaluation), fmt)
    if evaluation.failure is not None and fmt is Format.TABLE:
        typer.echo(failure_text(evaluation.failure))


def report(
    run_dir: RunDir,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="HTML file (default: DIR/report.html).")
    ] = None,
) -> None:
    """Write the report of a campaign, one HTML file that needs no network."""
    from gbopt.campaign.view import CampaignView
    from gbopt.report.html import write_report

    target = out or run_dir / "report.html"
    write_report(CampaignView.of(run_dir), target)
    typer.echo(f"wrote {target}")


def _print(rows: list[dict[str, Any]], fmt: Format) -> None:
    """Print rows of equal keys as a table, JSON or CSV."""
    if fmt is Format.JSON:
        import json

        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
    elif fmt is Format.CSV:
        import csv
        import sys

        if rows:
            writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    else:
        _table(rows)


def _table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        typer.echo("nothing yet")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        # Text: brackets in a user's words are no markup.
        table.add_row(*(Text("" if value is None else str(value)) for value in row.values()))
    console = Console()
    # In a pipe no width is known: a wide one keeps each row on one line.
    Console(width=None if console.is_terminal else 240).print(table)
