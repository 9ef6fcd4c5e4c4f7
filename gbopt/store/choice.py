"""Which storage a run folder has: chosen when it is made, and kept in its run.json."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from gbopt.errors import RunFolderError
from gbopt.store.filesystems import shared_kind
from gbopt.store.storage import FILES, Storage, in_file, locked

ADDRESS = "GBOPT_STORAGE"
"""Environment variable: another address of the database, such as one with a password."""


def require_safe(path: Path, asked: str) -> None:
    """Refuse a study that would be damaged, or cannot be made.

    Args:
        path: the run folder to be.
        asked: run.storage.

    Raises:
        EnvironmentProblem: psycopg is missing, or the database does not answer.
        RunFolderError: SQLite on a network file system.
    """
    if asked == "sqlite" and (shared := shared_kind(path)):
        raise not_safe(f'run.storage = "sqlite": {path}', shared)
    if asked.startswith("postgresql"):
        with locked(Storage(os.environ.get(ADDRESS) or asked, "")):
            pass  # it answers


def not_safe(what: str, shared: str) -> RunFolderError:
    """That SQLite is no good there."""
    return RunFolderError(
        f"{what} is on a network file system ({shared}), where SQLite is not safe for several "
        "machines",
        hint='begin a run with run.storage = "journal", or the address of a PostgreSQL database',
    )


def chosen(path: Path, asked: str, campaign: str) -> dict[str, str]:
    """Which study a new run folder gets, as run.json keeps it.

    Args:
        path: the folder.
        asked: run.storage.
        campaign: name of the campaign.
    """
    if asked == "auto":
        asked = "journal" if shared_kind(path) else "sqlite"
    if asked in FILES:
        return {"kind": asked, "name": campaign}
    # A database may hold studies of many run folders, some of one name.
    return {"kind": "postgresql", "name": f"{campaign}-{uuid4().hex[:8]}", "address": asked}


def where_chosen(path: Path, kept: dict[str, str] | None, campaign: str) -> Storage:
    """The storage of a run folder.

    Args:
        path: the folder.
        kept: what ``chosen`` gave; None: it was made before there was a choice.
        campaign: name of the campaign.
    """
    if kept is None:
        return in_file("sqlite", path / FILES["sqlite"], campaign)
    kind, name = kept["kind"], kept["name"]
    if kind in FILES:
        return in_file(kind, path / FILES[kind], name)
    return Storage(os.environ.get(ADDRESS) or kept["address"], name)
