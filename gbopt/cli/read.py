"""`gbopt status`, `trace`, `show` and `report`: commands that only look."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gbopt.errors import RunFolderError

_PIPE_WIDTH = 240
# Columns up to this width are never folded: numbers and single words.
_WORD = 18
_GAP = 2

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

    Of a study, a validation or one evaluation it says how far that is. With --watch a terminal is
    drawn anew; a pipe gets a plain line each time, or with --format json an object in a line.
    """
    from gbopt.store.folders import HOLDS, kind_of

    kind = kind_of(run_dir)
    if watch:
        from gbopt.cli.watch import watch as follow

        if kind:
            raise RunFolderError(
                f"{run_dir} holds {HOLDS[kind]}: --watch follows campaigns",
                hint="the command that runs it says how far it is; without --watch this one does",
            )
        if fmt is Format.CSV:
            raise typer.BadParameter("--watch prints a table or json", param_hint="--format")
        follow(run_dir, interval_s, as_json=fmt is Format.JSON)
        return
    if kind:
        from gbopt.report.standing import standing_rows

        _print(standing_rows(run_dir, kind), fmt)
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
    """Print a table: in a pipe each row on one line, on a terminal what fits its width."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        typer.echo("nothing yet")
        return
    cells = {name: [_cell(row[name]) for row in rows] for name in rows[0]}
    # In a pipe no width is known: a wide one keeps each row on one line.
    console = Console()
    terminal = console.is_terminal
    console = console if terminal else Console(width=_PIPE_WIDTH)
    shown = _fitting(cells, console.width) if terminal else list(cells)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in shown:
        table.add_column(name, overflow="fold", no_wrap=terminal and _least(name, cells) <= _WORD)
    for line in zip(*(cells[name] for name in shown), strict=True):
        table.add_row(*map(Text, line))  # Text: brackets in a user's words are no markup
    console.print(table)
    if left := [name for name in cells if name not in shown and any(cells[name])]:
        typer.echo(f"no room for {', '.join(left)}: widen the terminal, or --format csv", err=True)


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def _least(name: str, cells: dict[str, list[str]]) -> int:
    """Width of a column on one line."""
    return max(map(len, [name, *cells[name]]))


def _fitting(cells: dict[str, list[str]], width: int) -> list[str]:
    """Columns, from the left, that have room on a terminal; texts may be folded, empty ones go."""
    shown: list[str] = []
    left = width
    for name, values in cells.items():
        if not any(values):
            continue
        left -= min(_least(name, cells), _WORD) + (_GAP if shown else 0)
        if left < 0:
            break
        shown.append(name)
    return shown
