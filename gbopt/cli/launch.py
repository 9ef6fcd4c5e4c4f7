"""`gbopt check`, `gbopt run` and `gbopt resume`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gbopt.config import CampaignConfig, load_campaign

if TYPE_CHECKING:
    from gbopt.campaign.campaign import Campaign

FINISHED_WITH_FAILURES = 4
_INTERRUPTED = 130

CampaignFile = Annotated[Path, typer.Argument(help="Campaign file (TOML).", metavar="FILE")]
RunDir = Annotated[Path, typer.Argument(help="Run folder.", metavar="DIR")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", "-j", min=1, help="Evaluations at once, instead of run.workers."),
]


def check(file: CampaignFile) -> None:
    """Check a campaign file, print its space and its cost. Runs no MD."""
    from gbopt.cli.preflight import print_preflight

    print_preflight(load_campaign(file))


def run(
    file: CampaignFile,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run folder (default: runs/NAME).")
    ] = None,
    workers: Workers = None,
) -> None:
    """Run a campaign in a new run folder."""
    from gbopt.campaign.campaign import Campaign
    from gbopt.cli.preflight import require_engine

    config = _with_workers(load_campaign(file), workers)
    _require_space(config)
    require_engine()
    path = out or Path("runs") / config.name
    campaign = Campaign.start(path, config, file.read_text(encoding="utf-8"))
    _go(campaign)


def resume(run_dir: RunDir, workers: Workers = None) -> None:
    """Continue a campaign that was interrupted, killed or given a larger budget."""
    from gbopt.campaign.campaign import Campaign
    from gbopt.cli.preflight import require_engine

    campaign = Campaign.open_(run_dir)
    require_engine()
    campaign.config = _with_workers(campaign.config, workers)
    _go(campaign)


def _with_workers(config: CampaignConfig, workers: int | None) -> CampaignConfig:
    if workers is None:
        return config
    run_section = config.run.model_copy(update={"workers": workers})
    return config.model_copy(update={"run": run_section})


def _require_space(config: CampaignConfig) -> None:
    """Refuse a space without boundaries or an unknown potential before a folder is made."""
    from gbopt.campaign.space import GBSpace

    _ = GBSpace(config).geometries


def _go(campaign: Campaign) -> None:
    from gbopt.campaign.run import run as run_campaign
    from gbopt.cli.progress import Display

    path = campaign.folder.path
    typer.echo(f"resume with: gbopt resume {path}")
    sys.stdout.flush()
    try:
        with Display(path):
            reason = run_campaign(campaign)
    except KeyboardInterrupt:
        typer.echo("\ninterrupted: every finished evaluation is kept, none is half recorded")
        typer.echo(f"resume with: gbopt resume {path}")
        raise typer.Exit(_INTERRUPTED) from None
    typer.echo(f"stopped: {reason}")
    _summary(path)


def _summary(path: Path) -> None:
    from gbopt.campaign.view import CampaignView
    from gbopt.report.tables import verdict

    view = CampaignView.of(path)
    typer.echo(verdict(view))
    if any(not evaluation.status.finished for evaluation in view.evaluations):
        raise typer.Exit(FINISHED_WITH_FAILURES)
