"""Asking what runs to stop: a file in its folder, at which all of its processes look.

A signal makes the main process write the file, `gbopt stop` writes it from anywhere that shares the
file system; the main process and its workers read it, at most twice a second.
"""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

FILE = "stop.json"
CHECKPOINT_WAIT_S = 15.0
"""How long a run that is to end now may go on towards its next checkpoint."""
_LOOK_S = 0.5
_LATE_S = 1.0


class Request(NamedTuple):
    """That something should stop."""

    now: bool
    """End what runs; else it is finished, and nothing is begun after it."""
    by: str
    """Who asks, in words."""
    host: str
    pid: int

    @property
    def reason(self) -> str:
        """Why it stops, in words."""
        return f"asked to stop by {self.by}"


class Stopped(KeyboardInterrupt):
    """A run ended because it was asked to."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.reason)
        self.request = request


@dataclass(slots=True)
class _Watch:
    """What this process knows."""

    folder: Path | None = None
    looked: float = 0.0
    found: Request | None = None
    since: float = 0.0
    """When it was first seen that things should end now."""


_watch = _Watch()


def watch(folder: Path | None) -> None:
    """Look into this folder for requests from now on; None: nowhere."""
    _watch.folder, _watch.looked, _watch.found, _watch.since = folder, 0.0, None, 0.0


def watched() -> Path | None:
    """The folder that this process looks into."""
    return _watch.folder


def request(*, afresh: bool = False) -> Request | None:
    """What this process has been asked, if anything.

    Args:
        afresh: look now, however short ago that was done.
    """
    clock = time.monotonic()
    known = _watch.found is not None and _watch.found.now
    if _watch.folder is None or known or not (afresh or clock - _watch.looked > _LOOK_S):
        return _watch.found
    _watch.looked, _watch.found = clock, read(_watch.folder)
    if _watch.found is not None and _watch.found.now:
        _watch.since = clock
    return _watch.found


def asked_to_end() -> Request | None:
    """The request to end what runs, if there is one."""
    found = request()
    return found if found is not None and found.now else None


def patience_left_s() -> float:
    """How much longer a run that is to end now may go on towards a checkpoint, s."""
    return _watch.since + CHECKPOINT_WAIT_S - time.monotonic()


def heed() -> None:
    """Go on, unless what runs should end.

    Raises:
        Stopped: it should.
    """
    if (found := asked_to_end()) is not None:
        raise Stopped(found)


def heed_late() -> None:
    """The same where a process died: who killed it may have signalled this one as well.

    Raises:
        Stopped: what runs should end.
    """
    end = time.monotonic() + _LATE_S
    while _watch.folder is not None and time.monotonic() < end:
        request(afresh=True)
        heed()
        time.sleep(0.1)


def ask(folder: Path, *, now: bool, by: str) -> None:
    """Ask what runs in a folder to stop.

    Args:
        folder: of a campaign or a study.
        now: end what runs, rather than finish it and begin nothing after it.
        by: who asks, in words.
    """
    plain = Request(now, by, socket.gethostname(), os.getpid())._asdict()
    # Systems that tidy /tmp delete a folder that nobody wrote to for days.
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{FILE}.{os.getpid()}"
    try:
        temporary.write_text(json.dumps(plain) + "\n", encoding="utf-8")
        temporary.replace(folder / FILE)
    finally:
        temporary.unlink(missing_ok=True)


def read(folder: Path) -> Request | None:
    """The request that stands in a folder, if any."""
    try:
        plain = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return Request(bool(plain["now"]), str(plain["by"]), plain["host"], plain["pid"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        # Written by hand, with `touch`: that it is there is what counts.
        return Request(False, f"the file {folder / FILE}", "", 0) if folder.exists() else None


def begin(folder: Path) -> None:
    """Take away what was asked of an earlier run in the folder, not what was asked of this one."""
    found = read(folder)
    if found is not None and (found.host, found.pid) != (socket.gethostname(), os.getpid()):
        (folder / FILE).unlink(missing_ok=True)
