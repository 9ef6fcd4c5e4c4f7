"""`gbopt regress`: what geometry, Li enrichment and O vacancies do to the objective."""

from __future__ import annotations

import json

import typer

from gbopt.cli.read import Format, FormatOption, RunDir
from gbopt.cli.read import _print as print_rows


def regress(run_dir: RunDir, fmt: FormatOption = Format.TABLE) -> None:
    """Say what goes with a low value: regression, ranks, importance, partial dependence.

    The table rounds; JSON holds everything with the partial dependences, CSV one row of plain
    numbers for each column.
    """
    from gbopt.campaign.view import CampaignView
    from gbopt.report.influence import findings
    from gbopt.report.sections import effect_notes, effect_rows

    view = CampaignView.of(run_dir)
    found = findings(view)
    notes = effect_notes(view, found)
    if fmt is Format.JSON:
        record = found.as_dict() | {"notes": notes}
        typer.echo(json.dumps(record, indent=1, ensure_ascii=False))
    elif fmt is Format.CSV:
        print_rows(found.rows, fmt)
    else:
        if found.effects:
            print_rows(effect_rows(found), fmt)
            typer.echo()
        typer.echo("\n".join(notes))
