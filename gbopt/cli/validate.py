"""`gbopt validate`: what gbopt computes against published and exact figures."""

from __future__ import annotations

import shlex
import threading
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gbopt.cli.follow import followed
from gbopt.cli.launch import FINISHED_WITH_FAILURES
from gbopt.cli.read import Format, FormatOption
from gbopt.cli.read import _print as print_rows

if TYPE_CHECKING:
    from gbopt.config.sections import RunConfig
    from gbopt.validate.check import Check
    from gbopt.validate.findings import Record

_POLL_S = 1.0


class TierName(StrEnum):
    """How much is checked."""

    QUICK = "quick"
    STANDARD = "standard"
    FULL = "full"


_Tier = Annotated[
    TierName,
    typer.Option(
        "--tier",
        help="quick: 5 minutes on 2 cores; standard: an hour; full: a day of a GPU. Each "
        "includes the ones before it.",
    ),
]
_Out = Annotated[
    Path, typer.Option("--out", "-o", help="Folder of the results; checks done there stand.")
]
_Workers = Annotated[
    int | None, typer.Option("--workers", "-j", min=1, help="Checks at once (default: cores).")
]
_PotentialFile = Annotated[
    str | None,
    typer.Option(
        "--potential",
        metavar="FILE",
        help="One more potential, such as the file (TOML) of a learned one: D, Ea, lattice and "
        "boundary energies of it.",
    ),
]


def validate(
    tier: _Tier = TierName.QUICK,
    out: _Out = Path("runs/validation"),
    workers: _Workers = None,
    potential: _PotentialFile = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Check lattices, diffusion, boundaries, estimators and engines against known figures.

    Prints and writes a table (HTML, CSV, JSON): ours with its error, the reference, its source,
    how far they are apart, and why, where that is known. A difference is no failure of the
    command. Interrupt it freely: called again, it goes on.
    """
    from gbopt.disorder.study import exclusive
    from gbopt.potentials.library import get_potential
    from gbopt.report.validation import write_validation
    from gbopt.validate.run import read_records
    from gbopt.validate.suite import suite

    if potential is not None:
        get_potential(potential)  # refused before anything is run
    checks = suite(tier.value, potential)
    again = ["gbopt", "validate", "--tier", tier.value, "--out", str(out)]
    again += ["--potential", potential] if potential else []
    with exclusive(out):
        try:
            _go(out, checks, _machine(workers), shlex.join(again))
        finally:
            records = read_records(out, checks)
            paths = write_validation(out, tier.value, records)
    _print(records, paths, fmt)
    if any(record.failure for record in records):
        raise typer.Exit(FINISHED_WITH_FAILURES)


def _machine(workers: int | None) -> RunConfig:
    """As many checks at once as were asked for, or as there are cores or places on GPUs."""
    from gbopt.config.sections import RunConfig
    from gbopt.md.placement import cores, gpus

    places = len(gpus()) * RunConfig().workers_per_gpu
    return RunConfig(workers=workers or min(cores(), places or cores()))


def _print(records: list[Record], paths: list[Path], fmt: Format) -> None:
    from gbopt.report.validation import as_json
    from gbopt.validate.table import lines, printed_rows, rows, summary

    found = lines(records)
    if fmt is Format.JSON:
        typer.echo(as_json(records), nl=False)
        return
    print_rows(printed_rows(found) if fmt is Format.TABLE else rows(found), fmt)
    if fmt is Format.TABLE:
        typer.echo("\n".join(["", *summary(found, records), *(f"wrote {p}" for p in paths)]))


def _go(folder: Path, checks: tuple[Check, ...], run: RunConfig, again: str) -> None:
    """Do what is left; interrupted, say how to go on."""
    from gbopt.cli.preflight import say
    from gbopt.evaluate.signals import stoppable
    from gbopt.md import stopping
    from gbopt.validate.run import left, run_checks

    todo = left(folder, checks)
    if not todo:
        return
    minutes = sum(check.cpu_s for check in todo) / 60
    say(
        f"{len(todo)} of {len(checks)} checks to do, {run.workers} at once: about {minutes:.0f} "
        "minutes of one core in all, MD on a GPU far less"
    )
    say(f"goes on, after an interruption, with: {again}")
    stopping.begin(folder)
    try:
        with stoppable(folder) as signals, followed(partial(_follow, folder)):
            run_checks(folder, checks, run, lambda: say("a worker process was killed"))
    except KeyboardInterrupt:
        say(f"\ninterrupted: every check that is done is kept; go on with: {again}")
        raise typer.Exit(signals.exit_code) from None


def _follow(folder: Path, stop: threading.Event) -> None:
    """Print a line for each check that begins or ends."""
    from gbopt.cli.preflight import say
    from gbopt.store.files import read_lines
    from gbopt.store.folders import TRACE

    trace = folder / TRACE
    seen, last = len(read_lines(trace)), False
    while not last:
        last = stop.wait(_POLL_S)
        events = read_lines(trace)
        for event in events[seen:]:
            result = event.get("result", "started")
            say(f"{event['time_utc'][11:19]} {event['check']} ({event['tier']}): {result}")
        seen = len(events)
