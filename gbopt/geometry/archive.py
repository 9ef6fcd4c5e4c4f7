"""A library on disk: an index of structures and the structures themselves, in one SQLite file.

library.toml    the library file as given       resolved.toml  every default written out
index.sqlite    tables meta, structure (one row each, see Record) and coordinates (compact blobs)

A structure and its row are one transaction, so a kill leaves both or neither. Shard files would
save 0.1 ms a structure of 3,000 ions (22 kB), of the 50 ms that building it takes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from gbopt import __version__
from gbopt.config.files import to_toml
from gbopt.config.library import LibraryConfig
from gbopt.errors import RunFolderError
from gbopt.geometry.library import Made, Record
from gbopt.geometry.query import TYPES, Condition, where_clause

FORMAT = 1
INDEX = "index.sqlite"
_BEGINNINGS = {"library.toml", "resolved.toml", INDEX, f"{INDEX}-journal"}
_LOCK_PATIENCE_S = 1.0
_BUSY_S = 60.0
_SQL = {int: "INTEGER", float: "REAL", str: "TEXT"}


class Archive:
    """A library on disk. Get one with ``begin`` or ``open_``; only one process may write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Autocommit: transactions begin and end where we say.
        self._db = sqlite3.connect(folder / INDEX, isolation_level=None, timeout=_BUSY_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    @classmethod
    def begin(
        cls, folder: Path, config: LibraryConfig, text: str, candidates: Callable[[], Sequence[Any]]
    ) -> Archive:
        """Make a library, or open the one that is there if it has the same settings.

        Args:
            folder: where.
            config: what it is drawn from.
            text: the library file as given.
            candidates: lists the boundaries; kept, so that a later version draws from the same.

        Raises:
            RunFolderError: the folder holds something else, or a library with other settings.
        """
        if is_library(folder):
            with cls.open_(folder) as archive:
                archive.require_same(config)
            return cls(folder)
        if folder.exists() and not _only_beginnings(folder):
            raise RunFolderError(
                f"{folder} exists already and is not a library", hint="name another with --out"
            )
        listed = candidates()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "library.toml").write_text(text, encoding="utf-8")
            (folder / "resolved.toml").write_text(to_toml(config), encoding="utf-8")
        except OSError as error:
            raise RunFolderError(
                f"cannot write the library {folder}: {error.strerror}",
                hint="choose a folder you may write to with --out",
            ) from None
        archive = cls(folder)
        archive._make_tables({"settings": config.settings, "candidates": listed, "format": FORMAT})
        return archive

    @classmethod
    def open_(cls, folder: Path) -> Archive:
        """Open a library.

        Raises:
            RunFolderError: there is none, or it is of another format.
        """
        if not is_library(folder):
            raise RunFolderError(
                f"{folder} is not a library: it has no {INDEX} of gbopt",
                hint="give the folder that `gbopt generate` printed, such as runs/NAME",
            )
        with cls(folder) as archive:
            found = archive.meta("format")
        if found != FORMAT:
            raise RunFolderError(
                f"the library {folder} has format {found}, gbopt {__version__} reads {FORMAT}",
                hint="use the gbopt version that made it",
            )
        return cls(folder)

    def meta(self, key: str) -> Any:
        """Return what is kept once for all: ``settings``, ``candidates`` or ``format``."""
        with self._said():
            query = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,))
            return json.loads(query.fetchone()[0])

    def _make_tables(self, meta: dict[str, Any]) -> None:
        columns = [f'"{name}" {_SQL[kind]}' for name, kind in TYPES.items()]
        columns[0] += " PRIMARY KEY"
        with self._transaction():
            self._db.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT)")
            self._db.execute(f"CREATE TABLE structure ({', '.join(columns)})")
            self._db.execute("CREATE TABLE coordinates (number INTEGER PRIMARY KEY, blob BLOB)")
            self._db.execute("CREATE INDEX same ON structure (fingerprint)")
            rows = [(key, json.dumps(value)) for key, value in meta.items()]
            self._db.executemany("INSERT INTO meta VALUES (?, ?)", rows)

    def require_same(self, config: LibraryConfig) -> None:
        """Refuse settings that differ from those of the library.

        Raises:
            RunFolderError: a setting that the structures depend on has changed.
        """
        before = self.meta("settings")
        for name, value in config.settings.items():
            if before.get(name) != value:
                raise RunFolderError(
                    f"'{name}' is {json.dumps(value)}, but the library {self.folder} was begun "
                    f"with {json.dumps(before.get(name))}",
                    hint="undo the change, or start another library with --out",
                )

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the library: only one process may add to it.

        Raises:
            RunFolderError: another process holds it.
        """
        lock = FileLock(self.folder / ".library.lock")
        try:
            lock.acquire(timeout=_LOCK_PATIENCE_S)
        except Timeout:
            raise RunFolderError(
                f"another gbopt process is adding to the library {self.folder}",
                hint="wait for it, or stop it first (Ctrl-C)",
            ) from None
        try:
            yield
        finally:
            lock.release()

    def add(self, made: Sequence[Made]) -> None:
        """Add structures in one transaction.

        Of equal structures the lowest number is kept, in whatever order they come.
        """
        with self._transaction():
            for record, blob in made:
                self._add(record, blob)

    def _add(self, record: Record, blob: bytes | None) -> None:
        found = self._db.execute(
            "SELECT number FROM structure WHERE fingerprint = ? AND status = 'ok'",
            (record.fingerprint,),
        ).fetchone()
        if record.status == "ok" and found is not None:
            first = min(found[0], record.number)
            message = f"the same structure as number {first}"
            if first == record.number:
                self._db.execute(
                    "UPDATE structure SET status = 'repeated', message = ? WHERE fingerprint = ?",
                    (message, record.fingerprint),
                )
                self._db.execute("DELETE FROM coordinates WHERE number = ?", found)
            else:
                record, blob = record._replace(status="repeated", message=message), None
        marks = ", ".join("?" * len(record))
        self._db.execute(f"INSERT INTO structure VALUES ({marks})", record)  # noqa: S608 - marks
        if blob is not None:
            self._db.execute("INSERT INTO coordinates VALUES (?, ?)", (record.number, blob))

    def missing(self, count: int) -> NDArray[np.intp]:
        """Numbers below ``count`` that have no row yet, ascending."""
        done = np.zeros(count, dtype=bool)
        with self._said():
            query = self._db.execute("SELECT number FROM structure WHERE number < ?", (count,))
            for (number,) in query:
                done[number] = True
        return np.flatnonzero(~done)

    def counts(self) -> dict[str, int]:
        """Rows of each status."""
        with self._said():
            return dict(self._db.execute("SELECT status, count(*) FROM structure GROUP BY status"))

    def records(self, conditions: Sequence[Condition] = ()) -> Iterator[Record]:
        """Rows by number, one after another, of those that meet every condition."""
        where, values = where_clause(conditions)
        query = f"SELECT * FROM structure {where} ORDER BY number"  # noqa: S608 - names are checked
        with self._said():
            for row in self._db.execute(query, values):
                yield Record(*row)

    def blob(self, number: int) -> bytes | None:
        """The compact structure of a number; None where it has none."""
        query = "SELECT blob FROM coordinates WHERE number = ?"
        with self._said():
            for (blob,) in self._db.execute(query, (number,)):
                return bytes(blob)
        return None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._said():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Say what SQLite could not do in a sentence."""
        try:
            yield
        except sqlite3.Error as error:
            raise RunFolderError(
                f"the library {self.folder / INDEX} cannot be used: {error}",
                hint="check space, permissions and quota there; what was committed is kept",
            ) from None


def is_library(folder: Path) -> bool:
    """Whether a folder holds the index of a library."""
    if not (folder / INDEX).is_file():
        return False
    with Archive(folder) as archive:
        try:
            return archive.meta("format") is not None
        except RunFolderError:
            return False


def _only_beginnings(folder: Path) -> bool:
    """Whether a folder is empty, or holds only what an interrupted ``begin`` leaves."""
    return folder.is_dir() and {entry.name for entry in folder.iterdir()} <= _BEGINNINGS
