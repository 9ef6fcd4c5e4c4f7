"""`gbopt stop`, `retry` and `rebuild`: what is asked of a campaign from outside."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from gbopt.cli.read import RunDir


def stop(
    run_dir: RunDir,
    now: Annotated[
        bool, typer.Option("--now", help="End what runs, as Ctrl-C does, rather than finish it.")
    ] = False,
) -> None:
    """Ask what runs in a folder to stop: campaign, study, validation or evaluation.

    What runs is finished and nothing is begun after it, also on another machine. Whatever goes on
    in the folder forgets it.
    """
    import getpass
    import socket

    from gbopt.errors import RunFolderError
    from gbopt.md import stopping
    from gbopt.store.folders import is_at_work, kind_of
    from gbopt.store.rundir import RunFolder

    kind = kind_of(run_dir)
    if kind == "evaluation" and not now:
        raise RunFolderError(
            f"{run_dir} holds one evaluation, after which nothing is begun anyway",
            hint=f"`gbopt stop --now {shlex.quote(str(run_dir))}` ends it at its last checkpoint",
        )
    runs = is_at_work(run_dir) if kind else RunFolder.open_(run_dir).is_running()
    by = f"`gbopt stop{' --now' if now else ''}` of {getpass.getuser()} on {socket.gethostname()}"
    stopping.ask(run_dir, now=now, by=by)
    folder = shlex.quote(str(run_dir))
    again = f"the command that `gbopt status {folder}` names" if kind else f"gbopt resume {folder}"
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
