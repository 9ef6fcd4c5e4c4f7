"""What a folder of results holds beside campaigns, by the files that only its kind has."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

Kind = Literal["evaluation", "study", "validation"]

REQUEST = "request.json"
"""Of one evaluation: what was asked, and which engine. MD has a file of that name too."""
SETTINGS = "resolved.toml"
"""Of every kind but validations: the settings with every default."""
STUDY = "study.toml"
"""Of a study of crystals and glasses: its file as given."""
CHECKS = "checks"
"""Of a validation: the records of its checks."""
CHECKED_IN = "work"
"""Of a validation: where its checks run."""
TRACE = "trace.jsonl"
"""Of studies and validations: what began and what ended, a line each."""
EVALUATION_LOCK, STUDY_LOCK = ".run.lock", ".study.lock"
"""Held by the command that works in the folder; a validation has that of a study."""
HOLDS: dict[Kind, str] = {
    "evaluation": "one evaluation, of `gbopt evaluate`",
    "study": "a study of crystals and glasses, of `gbopt strain` and `gbopt quench`",
    "validation": "a validation, of `gbopt validate`",
}


def kind_of(path: Path) -> Kind | None:
    """Say what a folder holds; None: a campaign, or nothing of ours."""
    if (path / "run.json").is_file():
        return None
    if all((path / name).is_file() for name in (REQUEST, SETTINGS)):
        return "evaluation"
    if (path / STUDY).is_file():
        return "study"
    checked = any((path / name).is_dir() for name in (CHECKS, CHECKED_IN))
    return "validation" if checked and (path / TRACE).is_file() else None


def is_at_work(path: Path) -> bool:
    """Whether a command on this machine works in a folder that is no campaign's."""
    return any(_is_held(path / name) for name in (EVALUATION_LOCK, STUDY_LOCK))


def _is_held(lock: Path) -> bool:
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False  # a read-only copy of a folder: nobody works in it here
