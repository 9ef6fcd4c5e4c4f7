"""`gbopt dashboard`: optuna-dashboard on the study, with our notes, pictures and figures."""

from __future__ import annotations

import ipaddress
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gbopt.cli.follow import followed
from gbopt.cli.read import RunDir
from gbopt.errors import EnvironmentProblem, GboptError, RunFolderError

if TYPE_CHECKING:
    from gbopt.store.storage import Storage

_LOOK_S = 20.0


def dashboard(
    run_dir: RunDir,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8080,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but 127.0.0.1 opens it to others.")
    ] = "127.0.0.1",
) -> None:
    """Open optuna-dashboard on the study of a campaign, also while it runs.

    Notes, pictures of the boundaries and figures with error bars are added and kept up to date.
    It listens on this machine only, unless --host says otherwise.
    """
    from gbopt.store.board import PICTURES, serve
    from gbopt.store.rundir import RunFolder

    storage = RunFolder.open_(run_dir).storage
    if storage.file is not None and not storage.file.exists():
        raise RunFolderError(
            f"the study {storage} is missing", hint=f"`gbopt resume {run_dir}` rebuilds it"
        )
    typer.echo(f"http://{host}:{port} ({_who(host)}; Ctrl-C ends it)")
    try:
        with followed(partial(_follow, run_dir, storage)):
            serve(storage, run_dir / PICTURES, host, port)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            hint="name another with --port",
        ) from None


def _who(host: str) -> str:
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if local:
        return "loopback only"
    return "OPEN to every machine that reaches this one, without a password, to change it as well"


def _follow(run_dir: Path, storage: Storage, ended: threading.Event) -> None:
    """Keep notes, pictures and figures up to date until told to end."""
    from gbopt.campaign.view import CampaignView
    from gbopt.report.dashboard import board_of
    from gbopt.store.board import decorate

    shown, said = None, ""
    while not ended.is_set():
        try:
            view = CampaignView.of(run_dir)
            state = (len(view.evaluations), view.stop_reason)
            if state != shown:
                decorate(storage, board_of(view))
                shown = state
        except (GboptError, OSError) as error:
            # The trials themselves are shown all the same, and the next look may find it mended.
            if str(error) != said:
                typer.echo(f"notes and figures are not up to date: {error}", err=True)
                said = str(error)
        ended.wait(_LOOK_S)
