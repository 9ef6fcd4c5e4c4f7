"""The ``gbopt`` command: its groups of subcommands and what happens when one goes wrong."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from gbopt import __version__
from gbopt.cli import (
    analyze,
    build,
    catalog,
    compare,
    confirm,
    control,
    dashboard,
    disorder,
    doctor,
    evaluate,
    export,
    generate,
    init,
    insight,
    inspect,
    join,
    launch,
    network,
    observe,
    read,
    regress,
    reproduce,
    rerank,
    sites,
    validate,
)
from gbopt.errors import EnvironmentProblem, GboptError

INTERRUPTED = 130

app = typer.Typer(
    name="gbopt",
    help="Search for the grain boundaries of LLZO that resist lithium least.\n\n"
    "Exit codes: 0 done, 1 bad input, 2 wrong usage, 3 this machine lacks something, "
    "4 finished with failed trials, 130 interrupted (Ctrl-C, or `gbopt stop --now`), "
    "143 ended by SIGTERM, 138 by SIGUSR1.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gbopt {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Global options."""


_RUNNING, _LOOKING, _MAKING = "Run a campaign", "Look at a campaign", "Structures and set-up"
_DISORDER = "Far from equilibrium"

app.command(rich_help_panel=_RUNNING)(init.init)
app.command(rich_help_panel=_RUNNING)(launch.check)
app.command(rich_help_panel=_RUNNING)(launch.run)
app.command(rich_help_panel=_RUNNING)(launch.resume)
app.command(rich_help_panel=_RUNNING)(evaluate.evaluate)
app.command(rich_help_panel=_RUNNING)(join.worker)
app.command(rich_help_panel=_RUNNING)(join.submit)
app.command(rich_help_panel=_RUNNING)(control.stop)
app.command(rich_help_panel=_RUNNING)(control.retry)
app.command(rich_help_panel=_RUNNING)(control.rebuild)
app.command(rich_help_panel=_RUNNING)(confirm.confirm)
app.command(rich_help_panel=_RUNNING)(rerank.rerank)
app.command(rich_help_panel=_RUNNING)(observe.observe)
app.command(rich_help_panel=_LOOKING)(read.status)
app.command(rich_help_panel=_LOOKING)(read.trace)
app.command(rich_help_panel=_LOOKING)(read.show)
app.command(rich_help_panel=_LOOKING)(insight.insight)
app.command(rich_help_panel=_LOOKING)(regress.regress)
app.command(rich_help_panel=_LOOKING)(compare.compare)
app.command(rich_help_panel=_LOOKING)(reproduce.reproduce)
app.command(rich_help_panel=_LOOKING)(read.report)
app.command(rich_help_panel=_LOOKING)(dashboard.dashboard)
app.command(rich_help_panel=_LOOKING)(analyze.analyze)
app.command(rich_help_panel=_LOOKING)(sites.sites)
app.command(rich_help_panel=_DISORDER)(disorder.strain)
app.command(rich_help_panel=_DISORDER)(disorder.quench)
app.command(rich_help_panel=_MAKING)(catalog.catalog)
app.command(rich_help_panel=_MAKING)(build.build)
app.command(rich_help_panel=_MAKING)(network.network)
app.command(rich_help_panel=_MAKING)(generate.generate)
app.command(rich_help_panel=_MAKING)(export.export)
app.command(rich_help_panel=_MAKING)(inspect.inspect)
app.command(rich_help_panel=_MAKING)(doctor.doctor)
app.command(rich_help_panel=_MAKING)(validate.validate)
app.command(rich_help_panel=_MAKING)(doctor.bench_md)
app.command(rich_help_panel=_MAKING)(doctor.schema)


def main() -> None:
    """Run the command line; an expected error is one sentence and a hint, never a traceback."""
    # Worker processes must not import a stray json.py of the folder they were started in.
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        app()
    except GboptError as error:
        said = f"error: {error.message}"
        # Where this is no terminal, echo takes the colour away.
        typer.echo(said if os.environ.get("NO_COLOR") else typer.style(said, fg="red"), err=True)
        typer.echo(f"hint: {error.hint}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output (head, less) has left: nothing more to say.
        sys.stderr.close()
        sys.exit(0)
    except (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        typer.secho(f"error: {error.filename}: {error.strerror}", err=True)
        typer.secho("hint: check the path; folders must exist before files in them", err=True)
        sys.exit(GboptError.exit_code)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        typer.secho(f"error: the system refused{where}: {error.strerror or error}", err=True)
        typer.secho("hint: check space, permissions and quota there, then resume", err=True)
        sys.exit(EnvironmentProblem.exit_code)
