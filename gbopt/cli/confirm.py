"""`gbopt confirm`: the best boundary and a reference, run anew and compared."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gbopt.cli.launch import FINISHED_WITH_FAILURES, RetryFailed, Workers, with_workers
from gbopt.cli.read import Format, FormatOption, RunDir
from gbopt.cli.read import _print as print_rows

if TYPE_CHECKING:
    from gbopt.config import CampaignConfig

_FilmA = Annotated[
    float | None,
    typer.Option(
        "--film", help="Hold it against a film of glass of this thickness, A, between two grains."
    ),
]
_FilmLi = Annotated[
    float | None, typer.Option(help="Li per formula unit of the film, such as 6.5; default 7.")
]


def confirm(
    run_dir: RunDir,
    workers: Workers = None,
    film: _FilmA = None,
    film_li: _FilmLi = None,
    retry_failed: RetryFailed = False,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Run the best boundary and a reference anew, at the temperatures to confirm at.

    The reference is a conventional boundary or a film of glass: confirm.reference, or --film.
    Fresh seeds throughout: the improvement factor with its interval, activation energies and the
    extrapolation to 300 K come from these runs alone. Interrupt it freely: called again, it goes
    on.
    """
    from gbopt.campaign import confirm as confirmation
    from gbopt.campaign.campaign import Campaign
    from gbopt.campaign.relay import attended
    from gbopt.cli.preflight import say
    from gbopt.cli.progress import Display
    from gbopt.md.placement import require_room
    from gbopt.report.confirmation import summarise
    from gbopt.store.files import write_atomic

    campaign = Campaign.recover(run_dir)
    campaign.config = with_workers(_with_film(campaign.config, film, film_li), workers)
    require_room(campaign.config.run, campaign.engine(say).settings)
    chosen_blindly = campaign.design()
    with attended() as signals:
        try:
            with Display(campaign.folder.path, plain_to=sys.stderr):
                results = confirmation.confirm(campaign, retry_failed=retry_failed)
        except KeyboardInterrupt:
            typer.echo("\ninterrupted: finished runs are kept; the same command goes on", err=True)
            raise typer.Exit(signals.exit_code) from None
    design = [e for e in campaign.folder.evaluations() if e.trial in chosen_blindly]
    found = summarise(campaign.config, results, design)
    text = json.dumps(found.as_dict(), indent=1, ensure_ascii=False)
    write_atomic(campaign.folder.path / confirmation.CONFIRMATION, text)
    if fmt is Format.JSON:
        typer.echo(text)
    elif fmt is Format.CSV:
        print_rows(found.table(), fmt)
    else:
        for rows in (found.rows(), found.route_rows(), found.ladder_rows()):
            if rows:
                print_rows(rows, fmt)
                typer.echo()
        typer.echo("\n".join([*found.remarks(), "", *found.sentences()]))
    if found.missing_K or any(not evaluation.status.finished for _, evaluation in results):
        raise typer.Exit(FINISHED_WITH_FAILURES)


def _with_film(
    config: CampaignConfig, film_A: float | None, film_li: float | None
) -> CampaignConfig:
    """The campaign with a film as its reference, where one is asked for."""
    from gbopt.config import CampaignConfig
    from gbopt.config.files import validated

    given: dict[str, Any] = {"film_A": film_A, "film_li": film_li}
    changed = {name: value for name, value in given.items() if value is not None}
    if not changed:
        return config
    data = config.model_dump()
    data["confirm"] |= {"reference": "glass film", **changed}
    return validated(CampaignConfig, data, "the film: ", "change --film, --film-li or [confirm]")
