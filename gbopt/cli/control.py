"""`gbopt stop`: what is asked of a campaign from outside."""

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
