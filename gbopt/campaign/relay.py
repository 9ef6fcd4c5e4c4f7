"""A process is signalled alone; what is asked of a campaign reaches every process that works on it.

Each process and its workers look for requests into a folder of their own, its desk: a signal that
one machine gets, or the end of one job, is nothing to the others. What `gbopt stop` leaves in the
run folder is copied to the desk.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from gbopt.campaign.deadline import NO_LIMIT, Deadline
from gbopt.evaluate.signals import Signals, stoppable
from gbopt.md import stopping

_LOOK_S = 0.5


@contextmanager
def attended() -> Iterator[Signals]:
    """Answer signals at a desk of this process's own while the context lasts."""
    with TemporaryDirectory(prefix="gbopt-") as desk, stoppable(Path(desk)) as signals:
        yield signals


@contextmanager
def relayed(folder: Path, deadline: Deadline = NO_LIMIT, *, anew: bool = False) -> Iterator[None]:
    """Bring what is asked of a campaign to the desk of this process while the context lasts.

    Args:
        folder: the run folder.
        deadline: when those that run are ended.
        anew: forget what was asked before: it was asked of others.
    """
    if anew:
        stopping.begin(folder)
    desk, over = stopping.watched(), threading.Event()
    if desk is None:
        yield
        return
    thread = threading.Thread(target=_relay, args=(folder, desk, deadline, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _relay(folder: Path, desk: Path, deadline: Deadline, over: threading.Event) -> None:
    said: stopping.Request | None = None
    while not over.wait(_LOOK_S):
        found = stopping.read(folder)
        if found is not None and found != said:
            stopping.ask(desk, now=found.now, by=found.by)
            said = found
        if deadline.end is not None and deadline.end.comes_within(0.0):
            stopping.ask(desk, now=True, by=deadline.end.reason)
            return
