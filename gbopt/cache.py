"""The folder of results that many campaigns share, and how files come into it whole."""

from __future__ import annotations

import os
from pathlib import Path

from gbopt.errors import EnvironmentProblem


def cache_folder() -> Path:
    """Folder of cached references: ``$GBOPT_CACHE_DIR``, else ``~/.cache/gbopt``.

    Raises:
        EnvironmentProblem: neither is to be had.
    """
    named = os.environ.get("GBOPT_CACHE_DIR")
    if named:
        return Path(named)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gbopt"
    except RuntimeError:
        raise EnvironmentProblem(
            "this user has no home folder to keep bulk references in",
            hint="set GBOPT_CACHE_DIR to a folder you may write to",
        ) from None


def write_whole(file: Path, text: str) -> None:
    """Write a file that others see either whole or not at all.

    Raises:
        OSError: with the name of the file: a full disk is reported without one.
    """
    temporary = file.with_suffix(".tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        raise naming(file, error) from None


def naming(file: Path, error: OSError) -> OSError:
    """The error with the name of the file that it is about."""
    return error if error.filename else OSError(error.errno, error.strerror, str(file))
