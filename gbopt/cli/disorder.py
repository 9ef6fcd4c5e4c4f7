"""`gbopt strain` and `gbopt quench`: LLZO far from equilibrium."""

from __future__ import annotations

import shlex
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gbopt.cli.follow import followed
from gbopt.cli.launch import FINISHED_WITH_FAILURES, Workers
from gbopt.cli.read import Format, FormatOption
from gbopt.cli.read import _print as print_rows

if TYPE_CHECKING:
    from gbopt.config.study import StudyConfig
    from gbopt.disorder.setup import Setup
    from gbopt.disorder.systems import Kind
    from gbopt.md.select import Choice
    from gbopt.report.disorder_tables import SystemResult

StudyFile = Annotated[
    Path, typer.Argument(help="Study file (TOML), or the folder of a study.", metavar="FILE")
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Folder of the study (default: runs/NAME)."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print systems and cost, and run nothing.")]
_POLL_S, _PROGRESS_EVERY_S = 1.0, 60.0


def strain(
    file: StudyFile,
    out: Out = None,
    workers: Workers = None,
    dry_run: DryRun = False,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Measure Li diffusion in strained crystals: volumes, Li contents, temperatures, potentials.

    Interrupt it freely: called again, it goes on. Tables and figures go into the folder.
    """
    _part(file, "crystal", out, workers, dry_run=dry_run, fmt=fmt)


def quench(
    file: StudyFile,
    out: Out = None,
    workers: Workers = None,
    dry_run: DryRun = False,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Melt and quench glasses, and measure Li diffusion in them under one or more potentials.

    Interrupt it freely: called again, it goes on. Tables and figures go into the folder.
    """
    _part(file, "glass", out, workers, dry_run=dry_run, fmt=fmt)


def _part(
    file: Path, kind: Kind, out: Path | None, workers: int | None, *, dry_run: bool, fmt: Format
) -> None:
    from gbopt.disorder.setup import Setup
    from gbopt.disorder.study import exclusive, keep_files, pending
    from gbopt.report.disorder import write_study

    text, config, folder = _read(file, kind, workers)
    folder = out or folder or Path("runs") / config.name
    if dry_run:
        _print_cost(config, kind, _engines(config, kind, None))
        return
    with exclusive(folder):
        config = keep_files(folder, config, text)
        setup = Setup(config, folder, {})
        if pending(setup, kind):
            choices = _engines(config, kind, folder)
            engines = {label: choice.settings for label, choice in choices.items()}
            setup = Setup(config, folder, engines)
            _print_cost(config, kind, choices)
            _go(setup, kind, file)
        results, paths = write_study(setup)
    _print_results(setup, results, paths, fmt)


def _read(file: Path, kind: Kind, workers: int | None) -> tuple[str, StudyConfig, Path | None]:
    """The text of a study file, what it asks for, and its folder where that was given instead."""
    from gbopt.config.study import parse_study, read_study
    from gbopt.disorder.study import RESOLVED, require_whole
    from gbopt.disorder.systems import systems
    from gbopt.errors import ConfigError
    from gbopt.store.folders import STUDY

    folder = file if _is_folder(file) else None
    source = file / RESOLVED if folder else file
    config = parse_study(read_study(source), str(source), source.parent)
    text = read_study(folder / STUDY if folder else file)
    if workers is not None:
        changed = config.run.model_copy(update={"workers": workers})
        config = config.model_copy(update={"run": changed})
    if not systems(config, kind):
        section = "crystals" if kind == "crystal" else "glasses"
        other = "quench" if kind == "crystal" else "strain"
        raise ConfigError(f"{file} has no [[{section}]]", hint=f"add some, or call `gbopt {other}`")
    require_whole(config, kind)
    return text, config, folder


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a path that no file can have: reading it says so
        return False


def _go(setup: Setup, kind: Kind, file: Path) -> None:
    """Run what is left of a part; interrupted, write the tables of what there is."""
    from gbopt.cli.preflight import say
    from gbopt.disorder.study import run_part
    from gbopt.evaluate.signals import stoppable
    from gbopt.md import stopping
    from gbopt.md.placement import require_room
    from gbopt.report.disorder import draw_run, write_study

    for settings in setup.engines.values():
        require_room(setup.config.run, settings)
    command = "strain" if kind == "crystal" else "quench"
    again = shlex.join(["gbopt", command, str(file), "--out", str(setup.folder)])
    say(f"goes on, after an interruption, with: {again}")
    stopping.begin(setup.folder)
    try:
        with stoppable(setup.folder) as signals, followed(partial(_follow, setup)):
            run_part(setup, kind, draw_run, lambda: say("a worker process was killed"))
    except KeyboardInterrupt:
        say(f"\ninterrupted: every finished run is kept, a started one goes on with: {again}")
        write_study(setup)
        raise typer.Exit(signals.exit_code) from None


def _print_results(
    setup: Setup, results: list[SystemResult], paths: list[Path], fmt: Format
) -> None:
    """Print systems and crossed table; what failed, with the hint, on stderr."""
    from gbopt.cli.preflight import say
    from gbopt.disorder.study import finished
    from gbopt.report.disorder_tables import (
        cross_rows,
        failures,
        printed_cross_rows,
        printed_rows,
    )

    print_rows(printed_rows(results), fmt)
    if fmt is Format.TABLE:
        if crossed := printed_cross_rows(cross_rows(setup.config, results)):
            typer.echo()
            print_rows(crossed, fmt)
        remarks = [f"{r.label}: {remark}" for r in results for remark in r.remarks]
        typer.echo("\n".join(["", *remarks, *(f"wrote {path}" for path in paths)]))
    failed = failures(*finished(setup))
    for sentence in failed:
        say(sentence)
    if failed:
        say("what failed is tried again when the command is called again")
        raise typer.Exit(FINISHED_WITH_FAILURES)


def _engines(config: StudyConfig, kind: Kind, folder: Path | None) -> dict[str, Choice]:
    from gbopt.cli.preflight import say
    from gbopt.disorder.setup import choose_engines
    from gbopt.disorder.study import needed

    return choose_engines(config, sorted(needed(config, kind)), folder, say)


def _print_cost(config: StudyConfig, kind: Kind, choices: dict[str, Choice]) -> None:
    """Say on stderr what is to be run, and how long that takes here."""
    from gbopt.cli.preflight import say
    from gbopt.disorder.study import costs
    from gbopt.disorder.systems import systems
    from gbopt.md.select import speed_us_per_ion_step
    from gbopt.potentials.library import get_potential

    say(f"study       {config.name}: {config.question}")
    found = systems(config, kind)
    temperatures = ", ".join(f"{T:g}" for T in config.dynamics.temperatures_K)
    say(f"systems     {len(found)}, each at {temperatures} K, {config.dynamics.replicas} of each")
    for system in found:
        say(f"            {system.label}")
    total = 0.0
    engines = {label: choice.settings for label, choice in choices.items()}
    for cost in costs(config, kind, engines):
        choice = choices[cost.potential]
        potential = get_potential(config.potentials[cost.potential])
        us = speed_us_per_ion_step(potential, choice, say=say)
        hours = cost.ion_steps * us * 1e-6 / 3600
        total += hours
        say(f"potential   {cost.potential} = {potential.name}; {choice.why}")
        say(
            f"            {cost.runs} runs, {cost.ion_steps:.3g} ion steps at {us:.3g} us: "
            f"{hours:.2g} h of one place; frames {cost.gigabytes:.2g} GB"
        )
    say(
        f"cost        about {total / config.run.workers:.2g} h with {config.run.workers} runs at "
        "once, each as fast as one alone; what is done already is not run again"
    )


def _follow(setup: Setup, stop: threading.Event) -> None:
    """Print what the runs report, a plain line each."""
    import time

    from gbopt.disorder.setup import progress_of
    from gbopt.store.files import read_lines
    from gbopt.store.folders import TRACE

    trace = setup.folder / TRACE
    seen, spoken = len(read_lines(trace)), time.monotonic()
    while True:
        last = stop.wait(_POLL_S)
        events = read_lines(trace)
        for event in events[seen:]:
            result = f": {event['result']}" if "result" in event else " started"
            typer.echo(f"{event['time_utc'][11:19]} {event['name']}{result}", err=True)
            spoken = time.monotonic()
        seen = len(events)
        if last:
            return
        if time.monotonic() - spoken > _PROGRESS_EVERY_S:
            spoken = time.monotonic()
            for line in progress_of(setup):
                typer.echo(f"  {line}", err=True)
