"""Evaluations that end the process that makes them: they must not do so for ever.

A worker that dies leaves its trial to the next one. A trial of which that comes to nothing is given
up; one that gets further each time is not to blame: its machine was taken away. The workers of a
machine die together, so before it is given up a trial is evaluated apart from others of its kind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gbopt.cache import write_whole
from gbopt.evaluate.kills import LIMIT, Reached
from gbopt.model.evaluation import Failure
from gbopt.store.leases import LeaseLostError
from gbopt.store.progress import PROGRESS

_FILE = "begun.json"
_BEGINNING = "start"


@contextmanager
def counted(folder: Path) -> Iterator[Failure | None]:
    """Note that an evaluation is made while the context lasts; why it is to be given up, if it is.

    Args:
        folder: of the trial, where a process that dies leaves its note.
    """
    file = folder / _FILE
    reached, stage = _ended(folder)
    failure = _failure(reached.count, stage) if reached.given_up else None
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps({"steps": reached.steps, "count": reached.count}))
    try:
        yield failure
    except LeaseLostError:
        raise  # the note is that of the process that has the trial now
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    file.unlink(missing_ok=True)


def suspect(folder: Path) -> bool:
    """Whether an evaluation may be what ends its processes: it did not get further in the last.

    Args:
        folder: of the trial.
    """
    return _ended(folder)[0].count >= LIMIT - 1


def _ended(folder: Path) -> tuple[Reached, str]:
    """How far an evaluation came whose process has died, or dies now, and in which stage."""
    noted, now = _read(folder / _FILE), _read(folder / PROGRESS) or {}
    stage = now.get("stage", _BEGINNING)
    if noted is None:
        return Reached(), stage
    reached = Reached(**noted)
    reached.end(stage, now.get("step", 0), now.get("steps", 0))
    return reached, stage


def _failure(count: int, stage: str) -> Failure:
    return Failure(
        stage=stage,
        cause=f"the process that evaluated it died {count} times without getting beyond {stage}",
        hint="too little memory is the usual cause: lower run.workers or geometry.max_ions",
        log_tail="",
    )


def _read(file: Path) -> dict[str, Any] | None:
    """What is in a file of this program's; None where it is not there, or was cut short."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
