"""Where a study lives: an SQLite file, a journal, or a PostgreSQL database.

Each has a lock that all its writers hold, on whatever machine they run: for SQLite a lock of the
system, for it is of one machine; for a journal a file of its folder, which the holder renews and
others take over where it is not renewed, for locks of the system are not to be relied upon on
network file systems; for PostgreSQL an advisory lock, which ends with the connection.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from filelock import FileLock, SoftFileLease, Timeout
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from sqlalchemy.exc import DBAPIError

from gbopt.cache import naming
from gbopt.errors import EnvironmentProblem, RunFolderError

Kind = Literal["sqlite", "journal", "postgresql"]
FILES: dict[str, str] = {"sqlite": "study.db", "journal": "study.journal"}
"""Name of the file of a study in the run folder."""
# Seconds that a writer waits for another one (dashboard, worker) to let go of the file.
_BUSY_TIMEOUT_S = 60
_FREE_WITHIN_S = 3.0
# A proposal takes seconds: whoever waits longer waits for something that hangs.
_LOCK_PATIENCE_S = 600
_LEASE_S, _POLL_S = 30.0, 0.1
_CONNECT_S = 10
_SCHEME = re.compile(r"^postgres(ql)?(\+\w+)?://")
# A machine that was cut off keeps its lock until the server notices: hours, by default.
_NOTICED_SOON = (
    "SET tcp_keepalives_idle = 20; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3;"
    f"SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '{_LOCK_PATIENCE_S}s'"
)


class StudyLockedError(RunFolderError):
    """The study is whole, but another process keeps it from being read or written."""


class StudyAwayError(EnvironmentProblem):
    """The database of the study does not answer."""


@dataclass(frozen=True, slots=True)
class Storage:
    """The place of one study."""

    url: str
    """sqlite:///FILE, journal:///FILE or postgresql://USER@HOST/DATABASE."""
    name: str
    """Name of the study in it."""

    @property
    def kind(self) -> Kind:
        """What it is."""
        scheme = self.url.partition(":")[0]
        if scheme == "sqlite":
            return "sqlite"
        return "journal" if scheme == "journal" else "postgresql"

    @property
    def file(self) -> Path | None:
        """The file of the study; None in a database."""
        return None if self.kind == "postgresql" else Path(self.url.partition("://")[2])

    def __str__(self) -> str:
        """For messages: a file, or an address without its password."""
        return without_password(self.url) if self.file is None else str(self.file)

    def successor(self) -> Storage:
        """Where the study is made anew: beside it, so that a kill leaves either."""
        if self.file is None:
            return replace(self, name=f"{self.name.partition('~')[0]}~{uuid4().hex[:8]}")
        making = self.file.with_name(f".{self.file.name}.new")
        return replace(self, url=f"{self.kind}://{making}")

    def locked_error(self) -> StudyLockedError:
        """That another process holds it."""
        return StudyLockedError(
            f"the study {self} is locked by another process",
            hint="end what writes to it (a dashboard, sqlite3; `fuser` names it), then try again",
        )

    def away_error(self, error: BaseException) -> StudyAwayError:
        """That the database does not answer."""
        return StudyAwayError(
            f"the database {self} does not answer: {said(error)}",
            hint="start it, or check address and password (~/.pgpass); what was evaluated is kept, "
            "and the same command goes on",
        )


def in_file(kind: str, file: Path, name: str) -> Storage:
    """The study in a file."""
    return Storage(f"{kind}://{file.resolve()}", name)


def without_password(url: str) -> str:
    """The address of a database without its password, if it has one."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    query = "&".join(p for p in parts.query.split("&") if not p.startswith("password="))
    netloc = f"{user.partition(':')[0]}{at}{host}"
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))


def connect(storage: Storage) -> BaseStorage:
    """Open a storage that exists.

    Raises:
        EnvironmentProblem: psycopg is not installed.
    """
    if storage.kind == "sqlite":
        return _sqlite(storage.url)
    if storage.file is not None:
        return JournalStorage(JournalFileBackend(str(storage.file)))
    return _postgresql(storage, new=False)


def prepare(storage: Storage) -> BaseStorage:
    """Open a storage, making it first where it does not exist yet."""
    if storage.kind != "postgresql":
        return connect(storage)
    with _advisory_lock(storage, "gbopt: tables"):  # two campaigns begun at the same moment
        return _postgresql(storage, new=True)


def disconnect(storage: BaseStorage | None) -> None:
    """Let go of the file or the database."""
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()


def _sqlite(url: str) -> RDBStorage:
    file = url.partition("://")[2]
    arguments = {"connect_args": {"timeout": _BUSY_TIMEOUT_S}}
    return RDBStorage(f"sqlite:///{file}", engine_kwargs=arguments)


def _postgresql(storage: Storage, *, new: bool) -> RDBStorage:
    _require_psycopg()
    # A connection that the server closed in the hours of an evaluation is replaced by another.
    options: dict[str, Any] = {
        "pool_pre_ping": True,
        "connect_args": {"connect_timeout": _CONNECT_S, "application_name": "gbopt"},
    }
    url = _SCHEME.sub("postgresql+psycopg://", storage.url)
    return RDBStorage(url, engine_kwargs=options, skip_table_creation=not new)


def _require_psycopg() -> None:
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise EnvironmentProblem(
            "a study in PostgreSQL needs psycopg, which is not installed",
            hint='install it with: pip install "gbopt-llzo[cluster]"',
        ) from None


@contextmanager
def locked(storage: Storage) -> Iterator[None]:
    """Hold the lock of a study: nobody else proposes or tells meanwhile.

    Raises:
        StudyAwayError: the database does not answer.
        StudyLockedError: somebody holds it for longer than anything should take.
    """
    if storage.file is None:
        with _advisory_lock(storage, f"gbopt: {storage.name.partition('~')[0]}"):
            yield
        return
    lock = (
        FileLock(storage.file.with_name(".study.lock"))
        if storage.kind == "sqlite"
        else SoftFileLease(
            storage.file.with_name(".study.lease"), lease_duration=_LEASE_S, poll_interval=_POLL_S
        )
    )
    try:
        lock.acquire(timeout=_LOCK_PATIENCE_S)
    except Timeout:
        raise storage.locked_error() from None
    except OSError as error:
        raise naming(storage.file, error) from None
    try:
        if storage.kind == "journal":
            repair(storage.file)
        yield
    finally:
        lock.release()


@contextmanager
def _advisory_lock(storage: Storage, name: str) -> Iterator[None]:
    """Hold a lock of the server's; it ends with the connection, whatever ends that."""
    _require_psycopg()
    import psycopg

    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    url = _SCHEME.sub("postgresql://", storage.url)
    try:
        connection = psycopg.connect(url, connect_timeout=_CONNECT_S, application_name="gbopt lock")
    except psycopg.Error as error:
        raise storage.away_error(error) from None
    try:
        try:
            connection.execute(_NOTICED_SOON)
            # Of the transaction, not of the session: so it works through a pooler as well.
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (key,))
        except psycopg.errors.LockNotAvailable:
            raise storage.locked_error() from None
        except psycopg.Error as error:
            raise storage.away_error(error) from None
        yield
    finally:
        with suppress(psycopg.Error):
            connection.close()


def repair(file: Path) -> None:
    """Cut off the last line of a journal where a kill or a full disk has torn it.

    Optuna would append to it, and could never read the journal again.
    """
    if not file.exists() or _whole(file):
        return
    lock = JournalFileSymlinkLock(str(file))
    lock.acquire()  # a dashboard may be writing that very line
    try:
        if not _whole(file):
            content = file.read_bytes()
            os.truncate(file, content.rfind(b"\n") + 1)
    finally:
        lock.release()


def _whole(file: Path) -> bool:
    with file.open("rb") as handle:
        if handle.seek(0, os.SEEK_END) == 0:
            return True
        handle.seek(-1, os.SEEK_END)
        return handle.read(1) == b"\n"


def require_free(storage: Storage) -> None:
    """Refuse to put another study in the place of one that a process is writing to.

    Raises:
        StudyLockedError: such a process holds it.
    """
    file = storage.file
    if storage.kind != "sqlite" or file is None or not file.exists():
        return
    with closing(sqlite3.connect(file, timeout=_FREE_WITHIN_S, isolation_level=None)) as database:
        try:
            database.execute("BEGIN EXCLUSIVE")
            database.execute("ROLLBACK")
        except sqlite3.DatabaseError as error:
            if is_locked(error):
                raise storage.locked_error() from None
            # Damaged: whoever made it so, nobody works with it.


def is_locked(error: BaseException | None) -> bool:
    """Whether SQLite said so, anywhere in a chain of errors."""
    while error is not None:
        if "database is locked" in str(error) or "database table is locked" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def is_lost(error: BaseException | None) -> bool:
    """Whether the connection to the server failed, anywhere in a chain of errors."""
    while error is not None:
        if isinstance(error, DBAPIError):
            state = getattr(error.orig, "sqlstate", "none")
            # None: it never got an answer. Class 08: the connection; 57P: the server goes down.
            if state is None or state.startswith(("08", "57P")):
                return True
        error = error.__cause__ or error.__context__
    return False


def said(error: BaseException) -> str:
    """What the database itself said, in a line."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
