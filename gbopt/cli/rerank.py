"""`gbopt rerank`: the best boundaries of a search by the settings of another file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from gbopt.cli.launch import FINISHED_WITH_FAILURES, RetryFailed, Workers, with_workers
from gbopt.cli.read import Format, FormatOption, RunDir
from gbopt.cli.read import _print as print_rows


def rerank(
    run_dir: RunDir,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Campaign file whose potential, temperature, run lengths and bulk reference are "
            "used; its space and its search are not.",
        ),
    ],
    top: Annotated[
        int, typer.Option(min=1, max=50, help="How many of the search's best boundaries.")
    ] = 5,
    replicas: Annotated[
        int, typer.Option(min=1, max=50, help="Runs of each, with different seeds.")
    ] = 2,
    workers: Workers = None,
    retry_failed: RetryFailed = False,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Evaluate the best boundaries again with other settings: is their order that of a potential?

    The conventional boundary is run beside them. Interrupt it freely: called again, it goes on.
    Everything is in DIR/rerank, the summary in its rerank.json.
    """
    from gbopt.campaign import rerank as reranking
    from gbopt.campaign.campaign import Campaign
    from gbopt.campaign.relay import attended
    from gbopt.cli.progress import Display
    from gbopt.config import load_campaign
    from gbopt.report.reranking import compare_orders
    from gbopt.store.files import write_atomic

    config = load_campaign(file)
    campaign = Campaign.recover(run_dir)
    campaign.config = with_workers(campaign.config, workers)
    ranking = reranking.plan(campaign, config, top=top, replicas=replicas)
    with attended() as signals:
        try:
            with Display(campaign.folder.path, plain_to=sys.stderr):
                reranking.rerank(campaign, ranking, retry_failed=retry_failed)
        except KeyboardInterrupt:
            typer.echo("\ninterrupted: finished runs are kept; the same command goes on", err=True)
            raise typer.Exit(signals.exit_code) from None
    found = compare_orders(campaign.config, ranking)
    text = json.dumps(found.as_dict(), indent=1, ensure_ascii=False)
    write_atomic(ranking.folder / reranking.FOUND, text)
    if fmt is Format.JSON:
        typer.echo(text)
    elif fmt is Format.CSV:
        print_rows(found.table(), fmt)
    else:
        print_rows(found.rows(), fmt)
        typer.echo("\n".join(["", *found.sentences()]))
    if any(row["failed"] for row in found.rows()):
        raise typer.Exit(FINISHED_WITH_FAILURES)
