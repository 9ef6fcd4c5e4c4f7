"""`gbopt reproduce`: one trial made again, and what differs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gbopt.cli.launch import FINISHED_WITH_FAILURES
from gbopt.cli.read import Format, FormatOption, RunDir
from gbopt.cli.read import _print as print_rows

if TYPE_CHECKING:
    from gbopt.campaign.reproduce import Figure
    from gbopt.md.run import Progress

GEOMETRY_DIFFERS = 1
_EVERY_S = 30.0


def reproduce(
    run_dir: RunDir,
    trial: Annotated[int, typer.Argument(min=0, help="Trial number.", metavar="TRIAL")],
    geometry_only: Annotated[
        bool, typer.Option("--geometry-only", help="Build its structure alone; no MD.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="New folder (default: runs/NAME-trial-TRIAL-again)."),
    ] = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Make a trial again from its record and say what differs; its run folder is left as it is.

    On one thread of the same machine and engine the figures come out the same, digit by digit.
    Exit code 1 if the geometry differs.
    """
    from gbopt.campaign import reproduce as again
    from gbopt.cli.preflight import say

    found = again.original(run_dir, trial)
    target = out or Path("runs") / f"{found.config.name}-trial-{trial}-again"
    if not geometry_only:
        again.require_elsewhere(target, run_dir)
        again.require_engine(found)
    differences = again.geometry_differences(found)
    say(f"trial {trial}, {found.evaluation.spec.label}")
    for sentence in differences:
        say(f"geometry differs: {sentence}")
    if not differences:
        say("geometry: the same, bit for bit")
    if not geometry_only:
        say(f"running it again on {found.engine.label} in {target}")
        evaluation = again.evaluate_anew(found, target, _Lines().add)
        rows = [_row(figure) for figure in again.figures(found.evaluation, evaluation)]
        print_rows(rows, fmt)
        for line in again.surroundings(found.evaluation, evaluation):
            say(line)
        same = sum(row["same"] == "yes" for row in rows)
        say(f"{same} of {len(rows)} figures are the same; the new record is in {target}")
        if evaluation.status is not found.evaluation.status and not evaluation.status.finished:
            raise typer.Exit(GEOMETRY_DIFFERS if differences else FINISHED_WITH_FAILURES)
    if differences:
        raise typer.Exit(GEOMETRY_DIFFERS)


def _row(figure: Figure) -> dict[str, Any]:
    unit = (figure.before or figure.again).unit  # type: ignore[union-attr]
    shown = {
        name: "" if value is None else str(value.model_copy(update={"unit": ""}))
        for name, value in (("then", figure.before), ("now", figure.again))
    }
    apart = "" if figure.same else f"{figure.apart:.2g} errors"
    return {"figure": figure.name, **shown, "unit": unit, "same": "yes" if figure.same else apart}


class _Lines:
    """Says now and then on stderr where the run stands."""

    def __init__(self) -> None:
        self._last_s = time.monotonic()

    def add(self, now: Progress) -> None:
        """Say it, where some time has passed since the last line."""
        from gbopt.cli.preflight import say

        if time.monotonic() - self._last_s > _EVERY_S:
            self._last_s = time.monotonic()
            say(f"  {now.stage}: step {now.step} of {now.steps}")
