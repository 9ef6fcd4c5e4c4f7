"""`gbopt stop`, `retry` and `rebuild`: what is asked of a campaign from outside."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from gbopt.cli.read import RunDir

_STUDY = "study.toml"


def stop(
    run_dir: RunDir,
    now: Annotated[
        bool, typer.Option("--now", help="End what runs, as Ctrl-C does, rather than finish it.")
    ] = False,
) -> None:
    """Ask the campaign or study that runs in a folder to stop, also one on another machine.

    What runs is finished and nothing is begun after it. `gbopt resume` goes on and forgets it.
    """
    import getpass
    import socket

    from gbopt.md import stopping
    from gbopt.store.rundir import RunFolder

    runs = (run_dir / _STUDY).is_file() or RunFolder.open_(run_dir).is_running()
    by = f"`gbopt stop{' --now' if now else ''}` of {getpass.getuser()} on {socket.gethostname()}"
    stopping.ask(run_dir, now=now, by=by)
    again = f"gbopt resume {shlex.quote(str(run_dir))}"
    if not runs:
        typer.echo(
            f"nothing on this machine runs {run_dir}; if a process on another one does, it will "
            f"stop. The request stands until: {again}"
        )
    elif now:
        typer.echo(f"asked {run_dir} to end now: its last checkpoints are kept")
    else:
        typer.echo(f"asked {run_dir} to stop: what runs is finished, nothing is begun after it")


def retry(
    run_dir: RunDir,
    trials: Annotated[
        list[int] | None,
        typer.Argument(min=0, help="Numbers of failed trials; none: all.", metavar="TRIAL"),
    ] = None,
    match: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Only those whose cause of failure contains TEXT."),
    ] = None,
) -> None:
    """Have failed trials evaluated again, under their own numbers, by the next `gbopt resume`.

    What they had come to stays in their folders, in earlier-1 and so on.
    """
    from gbopt.campaign.again import evaluate_again

    for evaluation in evaluate_again(run_dir, trials or (), match):
        cause = evaluation.failure.cause if evaluation.failure else ""
        typer.echo(f"trial {evaluation.trial}, {evaluation.spec.label}: {cause}")
    typer.echo(f"evaluated again by: gbopt resume {shlex.quote(str(run_dir))}")


def rebuild(run_dir: RunDir) -> None:
    """Make the study anew from the trace and the trials of a run folder; the old one is kept."""
    from gbopt.campaign.campaign import Campaign

    campaign = Campaign.rebuild(run_dir)
    records = campaign.study.records()
    running = sum(record.state == "running" for record in records)
    typer.echo(
        f"{campaign.folder.storage} was rebuilt from {len(records)} trials, "
        f"{running} of them unfinished"
    )
