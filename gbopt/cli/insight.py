"""`gbopt insight`: what the search has learnt, how far to trust it, and what it would do next."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from gbopt.cli.read import Format, FormatOption, RunDir
from gbopt.cli.read import _print as print_rows


def insight(
    run_dir: RunDir,
    fmt: FormatOption = Format.TABLE,
    count: Annotated[
        int, typer.Option(min=1, max=50, help="How many boundaries to propose next.")
    ] = 5,
) -> None:
    """Show what is worth evaluating next, and how well the model predicts what it has not seen.

    JSON holds the course of the search, interactions and compromises as well; CSV the boundaries
    to evaluate next. Effects of single variables: `gbopt regress`.
    """
    from gbopt.campaign.view import CampaignView
    from gbopt.report.search import insights, model_notes, next_rows

    found = insights(CampaignView.of(run_dir), count)
    if fmt is Format.JSON:
        typer.echo(json.dumps(found.as_dict(), indent=1, ensure_ascii=False))
        return
    print_rows(next_rows(found.upcoming), fmt)
    if fmt is Format.TABLE:
        typer.echo("\n" + "\n".join(model_notes(found)))
