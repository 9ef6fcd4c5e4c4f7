"""Worker processes: joblib's loky, hardened against kills of either side."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from gbopt.errors import EnvironmentProblem

_RESTARTS = 3
_PARENT_POLL_S = 0.5


def in_workers(
    make_tasks: Callable[[], list[Any]], workers: int, on_death: Callable[[int], None]
) -> list[Any]:
    """Run joblib tasks in ``workers`` processes; start over when a worker is killed from outside.

    loky ends all workers when one dies, so the tasks must be able to pick up where they were.

    Args:
        make_tasks: makes the list of delayed calls, anew for each start.
        workers: processes; with one, the tasks run in this process.
        on_death: told the number of the attempt in which a worker died.

    Raises:
        EnvironmentProblem: workers died again and again.
    """
    from joblib import Parallel
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    for attempt in range(_RESTARTS + 1):
        try:
            results: list[Any] = Parallel(n_jobs=workers, backend="loky")(make_tasks())
        except TerminatedWorkerError:
            on_death(attempt)
        else:
            return results
    raise EnvironmentProblem(
        f"the worker processes died {_RESTARTS + 1} times",
        hint="too little memory is the usual cause: lower run.workers, then resume",
    )


def become_worker(main_pid: int) -> None:
    """Leave Ctrl-C to the main process, and end when it is gone. Call first in every task."""
    if os.getpid() == main_pid:
        return
    # Ctrl-C reaches the whole process group: only the main process answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(main_pid,), daemon=True).start()


@contextmanager
def place(folder: Path, workers: int) -> Iterator[int]:
    """Hold one of as many places as there are workers: its number decides the GPU.

    Args:
        folder: where the locks lie.
        workers: places.
    """
    for slot in range(workers):
        lock = FileLock(folder / f".place-{slot}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            yield slot
        finally:
            lock.release()
        return
    yield 0  # more tasks than places: a worker of an earlier run is still ending


def _leave_with(main_pid: int) -> None:
    """End this process when the main one is gone: it must not go on alone."""
    while os.getppid() == main_pid:
        time.sleep(_PARENT_POLL_S)
    os._exit(1)
