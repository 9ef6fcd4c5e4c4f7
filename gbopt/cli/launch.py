"""`gbopt check`, `gbopt run` and `gbopt resume`."""

from __future__ import annotations

import json
import os
import shlex
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gbopt.cli.read import Format, FormatOption
from gbopt.cli.read import _print as print_rows

if TYPE_CHECKING:
    from gbopt.campaign.campaign import Campaign
    from gbopt.campaign.deadline import Deadline
    from gbopt.config import CampaignConfig

FINISHED_WITH_FAILURES = 4

CampaignFile = Annotated[Path, typer.Argument(help="Campaign file (TOML).", metavar="FILE")]
RunDir = Annotated[Path, typer.Argument(help="Run folder.", metavar="DIR")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", "-j", min=1, help="Evaluations at once, instead of run.workers."),
]
RetryFailed = Annotated[
    bool,
    typer.Option(
        "--retry-failed", help="Run again what failed; else failed runs stay as they are."
    ),
]
MaxHours = Annotated[
    float | None,
    typer.Option(min=0, help="Start no evaluation after so many hours, instead of max_hours."),
]
Until = Annotated[
    str | None,
    typer.Option(metavar="HH:MM", help="Start no evaluation after that time of day (local)."),
]


def check(file: CampaignFile, fmt: FormatOption = Format.TABLE) -> None:
    """Check a campaign file, print its space, its cost and warnings. At most engines are timed.

    JSON and CSV hold the figures alone: counts, speed, hours, gigabytes, warnings.
    """
    from gbopt.cli.preflight import outlook, print_preflight
    from gbopt.config import load_campaign

    config = load_campaign(file)
    _require_space(config)
    if fmt is Format.TABLE:
        print_preflight(config)
        return
    found = outlook(config).as_dict()
    if fmt is Format.JSON:
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        print_rows([found | {"warnings": "; ".join(found["warnings"])}], fmt)


def run(
    file: CampaignFile,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run folder (default: runs/NAME).")
    ] = None,
    workers: Workers = None,
    max_hours: MaxHours = None,
    until: Until = None,
) -> None:
    """Run a campaign in a new run folder."""
    deadline = limit(max_hours, until)
    _go(begun(file, out, workers), deadline)


def begun(file: Path, out: Path | None, workers: int | None, *, here: bool = True) -> Campaign:
    """Make the run folder of a campaign.

    Args:
        file: the campaign file.
        out: the folder; by default runs/NAME.
        workers: instead of run.workers, where given.
        here: whether it is run by this machine, which then must be able to.
    """
    from gbopt.campaign.campaign import Campaign
    from gbopt.cli.preflight import say
    from gbopt.config import parse_campaign, read_campaign
    from gbopt.evaluate.engines import choose_engine
    from gbopt.md.placement import require_room
    from gbopt.store.rundir import require_new

    text = read_campaign(file)
    config = with_workers(parse_campaign(text, str(file), file.parent), workers)
    _require_space(config)
    folder = out or Path("runs") / config.name
    require_new(folder)
    if here:
        require_room(config.run, choose_engine(config, say).settings)
    return Campaign.start(folder, config, text)


def resume(
    run_dir: RunDir,
    workers: Workers = None,
    evaluations: Annotated[
        int | None,
        typer.Option(min=1, help="New budget: evaluations in all, instead of search.evaluations."),
    ] = None,
    max_hours: MaxHours = None,
    until: Until = None,
) -> None:
    """Continue a campaign that was interrupted or killed, or give it a larger budget."""
    from gbopt.campaign.campaign import Campaign
    from gbopt.cli.preflight import say
    from gbopt.cli.progress import event_line
    from gbopt.md.placement import require_room

    deadline = limit(max_hours, until)
    campaign = Campaign.recover(run_dir)
    last = campaign.folder.events()[-1:]
    if last and last[0]["event"] == "rebuilt":
        typer.echo(event_line(last[0]))
    if evaluations is not None:
        search = campaign.config.search.model_copy(update={"evaluations": evaluations})
        campaign.config = campaign.config.model_copy(update={"search": search})
        with campaign.folder.exclusive():  # not that of a campaign that runs
            campaign.folder.change_limits(campaign.config)
    campaign.config = with_workers(campaign.config, workers)
    require_room(campaign.config.run, campaign.engine(say).settings)
    _go(campaign, deadline)


def with_workers(config: CampaignConfig, workers: int | None) -> CampaignConfig:
    """The campaign with another number of workers, where one was given."""
    if workers is None:
        return config
    run_section = config.run.model_copy(update={"workers": workers})
    return config.model_copy(update={"run": run_section})


def _require_space(config: CampaignConfig) -> None:
    """Refuse an empty space, an unfit potential or earlier run before a folder is made."""
    from gbopt.campaign.space import GBSpace
    from gbopt.campaign.told import of_earlier
    from gbopt.evaluate.fields import require_driven

    _ = GBSpace(config).geometries
    require_driven(config)
    of_earlier(config)  # what it is to learn from is there, and fits


def limit(max_hours: float | None, until: str | None, *, walltime: bool = False) -> Deadline:
    """The limit of this run alone, if there is one."""
    from gbopt.campaign.deadline import Deadline, after_hours, at_clock, at_walltime

    starts = (
        None if max_hours is None else after_hours(max_hours),
        None if until is None else at_clock(until),
    )
    return Deadline(
        start=min((moment for moment in starts if moment is not None), default=None),
        end=at_walltime(os.environ) if walltime else None,
    )


def _go(campaign: Campaign, deadline: Deadline) -> None:
    from gbopt.campaign.relay import attended
    from gbopt.campaign.run import run as run_campaign
    from gbopt.cli.progress import Display

    path = campaign.folder.path
    again = f"resume with: gbopt resume {shlex.quote(str(path))}"
    typer.echo(again)
    if deadline.start is not None:  # the time of day that was given may be tomorrow's
        at = datetime.fromtimestamp(deadline.start.at_s)
        typer.echo(f"begins no evaluation after {at:%A, %H:%M}")
    sys.stdout.flush()
    with attended() as signals:
        try:
            with Display(path):
                reason = run_campaign(campaign, deadline)
        except KeyboardInterrupt:
            typer.echo("\ninterrupted: every finished evaluation is kept, none is half recorded")
            typer.echo(again)
            raise typer.Exit(signals.exit_code) from None
    typer.echo(f"stopped: {reason}")
    _summary(path)


def _summary(path: Path) -> None:
    from gbopt.campaign.view import CampaignView
    from gbopt.report.tables import verdict

    view = CampaignView.of(path)
    typer.echo(verdict(view))
    if any(not evaluation.status.finished for evaluation in view.evaluations):
        raise typer.Exit(FINISHED_WITH_FAILURES)
