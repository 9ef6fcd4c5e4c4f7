"""`gbopt compare`: campaigns side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gbopt.cli.read import Format, FormatOption
from gbopt.cli.read import _print as print_rows


def compare(
    run_dirs: Annotated[
        list[Path], typer.Argument(help="Run folders, two or more.", metavar="DIR DIR...")
    ],
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Compare campaigns: best boundaries with their ratio, failures, and settings that differ.

    Ratios are of the objective, over that of the first campaign. JSON holds everything; CSV the
    campaigns, a row each.
    """
    from gbopt.campaign.view import CampaignView
    from gbopt.report.compare import campaign_rows, remarks, setting_rows

    if len(run_dirs) < 2:
        raise typer.BadParameter("give two run folders or more", param_hint="DIR")
    views = [CampaignView.of(path) for path in run_dirs]
    rows, settings = campaign_rows(views), setting_rows(views)
    if fmt is Format.JSON:
        found = {"campaigns": rows, "settings": settings, "remarks": remarks(views)}
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
        return
    print_rows(rows, fmt)
    if fmt is Format.TABLE:
        typer.echo("\nsettings that differ:" if settings else "\nno setting differs")
        if settings:
            print_rows(settings, fmt)
        typer.echo("\n" + "\n".join(remarks(views)))
