"""`gbopt worker` and `gbopt submit`: more processes, here and elsewhere, for one campaign."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gbopt.cli.launch import MaxHours, Until, Workers, limit, with_workers
from gbopt.cli.read import RunDir

if TYPE_CHECKING:
    from gbopt.campaign.campaign import Campaign

UntilWalltime = Annotated[
    bool,
    typer.Option(
        "--until-walltime",
        help="Begin nothing that a job of SLURM has no time left for, and stop at a checkpoint "
        "before it ends.",
    ),
]


def worker(
    run_dir: RunDir,
    workers: Workers = 1,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Address of the study's database, where it is another one from here or has a "
            "password (kept nowhere).",
        ),
    ] = None,
    max_hours: MaxHours = None,
    until: Until = None,
    until_walltime: UntilWalltime = False,
) -> None:
    """Work on a campaign together with others, from any machine that has its run folder.

    Trials whose worker died are taken over with their checkpoints. Start as many as you like, and
    end them as you like: `gbopt stop` ends all.
    """
    from gbopt.campaign.campaign import Campaign
    from gbopt.campaign.relay import attended
    from gbopt.campaign.run import join
    from gbopt.cli.progress import Display
    from gbopt.md import stopping
    from gbopt.store.choice import ADDRESS

    if storage is not None:
        os.environ[ADDRESS] = storage
    deadline = limit(max_hours, until, walltime=until_walltime)
    campaign = Campaign.open_(run_dir)
    campaign.config = with_workers(campaign.config, workers)
    with attended() as signals:
        try:
            with Display(run_dir):
                reason = join(campaign, deadline)
        except KeyboardInterrupt:
            typer.echo("\ninterrupted: what it evaluated goes on at its last checkpoint elsewhere")
            raise typer.Exit(signals.exit_code) from None
    typer.echo(f"stopped: {reason}")
    if stopping.read(run_dir) is not None:
        typer.echo(
            f"that stands until {run_dir / stopping.FILE} is deleted, or until it is resumed"
        )


def submit(
    target: Annotated[
        Path,
        typer.Argument(
            help="Campaign file, for a new run folder, or run folder.", metavar="TARGET"
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="New run folder (default: runs/NAME).")
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            help="slurm; local: processes of this machine that outlive the command; dask: a "
            "cluster of this machine, until it ends; or the address of a dask scheduler, such as "
            "tcp://host:8786."
        ),
    ] = "slurm",
    jobs: Annotated[int, typer.Option(min=1, max=10_000, help="How many jobs.")] = 1,
    workers: Annotated[
        int, typer.Option("--workers", "-j", min=1, help="Evaluations at once in each job.")
    ] = 1,
    hours: Annotated[
        float, typer.Option(min=0.1, help="Time limit of each job, h; it is queued again then.")
    ] = 24.0,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs of each job.")] = 0,
    memory_GB: Annotated[
        float | None, typer.Option("--memory", min=0.1, help="Memory of each job, GB.")
    ] = None,
    slurm: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Option of sbatch, such as partition=gpu."),
    ] = None,
    until_walltime: UntilWalltime = False,
) -> None:
    """Start workers of a campaign as jobs of SLURM, or on dask.

    A job that reaches its time limit, or is pre-empted, is queued again and goes on at its
    checkpoint, until the campaign stops. The run folder must be on a file system that all share.
    """
    from gbopt.md import stopping

    campaign = _opened(target, out)
    path = campaign.folder.path.resolve()
    stopping.begin(path)
    if to in ("slurm", "local"):
        _as_jobs(campaign, to, jobs, workers, hours, gpus, memory_GB, slurm, until_walltime)
    elif to == "dask":
        _on_dask(campaign, jobs * workers)
        return
    else:
        from gbopt.campaign.on_dask import send

        send(campaign, to, jobs * workers)
        typer.echo(f"{jobs * workers} workers begin on {to}")
    typer.echo(f"watch them with: gbopt status {shlex.quote(str(path))} --watch")
    typer.echo(f"end them with: gbopt stop {shlex.quote(str(path))}")


def _opened(target: Path, out: Path | None) -> Campaign:
    """The campaign of a run folder, or in a new one where a campaign file is given."""
    from gbopt.campaign.campaign import Campaign
    from gbopt.cli.launch import begun
    from gbopt.errors import ConfigError

    if not target.is_dir():
        return begun(target, out, None, here=False)
    if out is not None:
        raise ConfigError(
            f"--out {out}: {target} is a run folder already",
            hint="give a campaign file, or leave --out away",
        )
    return Campaign.open_(target)


def _as_jobs(
    campaign: Campaign,
    cluster: str,
    jobs: int,
    workers: int,
    hours: float,
    gpus: int,
    memory_GB: float | None,
    slurm: list[str] | None,
    until_walltime: bool,
) -> None:
    from gbopt.campaign.jobs import Worker
    from gbopt.campaign.jobs import submit as queue
    from gbopt.errors import ConfigError

    of_sbatch: dict[str, object] = {"requeue": True}
    for text in slurm or []:
        key, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(f"--slurm {text!r} is no option", hint="write --slurm partition=gpu")
        of_sbatch[key.lstrip("-")] = value
    options: dict[str, object] = {"slurm_additional_parameters": of_sbatch}
    if gpus:
        options["gpus_per_node"] = gpus
    if memory_GB is not None:
        options["mem_gb"] = memory_GB
    worker = Worker(str(campaign.folder.path.resolve()), workers, until_walltime)
    queued = queue(campaign, cluster, jobs, worker, hours, options)
    numbers = ", ".join(job.job_id for job in queued)
    typer.echo(f"jobs {numbers}; their logs are in {campaign.folder.path / 'jobs'}")


def _on_dask(campaign: Campaign, workers: int) -> None:
    from gbopt.campaign.on_dask import work_here
    from gbopt.campaign.relay import attended
    from gbopt.cli.progress import Display

    with attended() as signals:
        try:
            with Display(campaign.folder.path):
                reasons = work_here(campaign, workers)
        except KeyboardInterrupt:
            raise typer.Exit(signals.exit_code) from None
    typer.echo(f"stopped: {reasons[-1]}")
