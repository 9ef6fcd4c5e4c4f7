"""Worker processes: joblib's loky, hardened against kills of either side."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from gbopt.errors import EnvironmentProblem
from gbopt.evaluate.signals import ignore_signals, withheld
from gbopt.md import stopping

_RESTARTS = 3
_PARENT_POLL_S = 0.5


class _Left(NamedTuple):
    """What a task comes to that was not begun, or not finished, as it was asked to stop."""

    request: stopping.Request


def in_workers(
    make_tasks: Callable[[], list[Any]],
    workers: int,
    *,
    finished: Callable[[], int],
    on_death: Callable[[], None],
) -> list[Any]:
    """Run joblib tasks in ``workers`` processes; start over when a worker is killed from outside.

    loky ends all workers when one dies, so the tasks must be able to pick up where they were.
    When this process is asked to stop (see ``stopping``), no task is begun any more.

    Args:
        make_tasks: makes the list of delayed calls, anew for each start.
        workers: processes; with one, the tasks run in this process.
        finished: how many of the tasks' results are there; one more, and deaths count anew.
        on_death: told of each.

    Raises:
        EnvironmentProblem: workers died again and again, and nothing was finished in between.
        Stopped: a task was left undone, as this process was asked to stop.
    """
    from joblib import Parallel, delayed
    from joblib.externals.loky.backend import resource_tracker
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    where = stopping.watched(), os.getpid()
    with withheld():  # a helper of loky that lives as long as this process does
        resource_tracker.ensure_running()
    deaths, before = 0, finished()
    while deaths <= _RESTARTS:
        try:
            tasks = [delayed(_stoppable)(*where, *task) for task in make_tasks()]
            results: list[Any] = Parallel(n_jobs=workers, backend="loky")(tasks)
        except TerminatedWorkerError:
            stopping.heed_late()
            now = finished()
            deaths = 1 if now > before else deaths + 1
            before = now
            on_death()
        else:
            for result in results:
                if isinstance(result, _Left):
                    raise stopping.Stopped(result.request)
            return results
    raise EnvironmentProblem(
        f"the worker processes died {deaths} times, and nothing was finished in between",
        hint="too little memory is the usual cause: lower run.workers, then resume",
    )


def _stoppable(
    folder: Path | None,
    main_pid: int,
    task: Callable[..., Any],
    arguments: tuple[Any, ...],
    named: dict[str, Any],
) -> Any:
    """Run a task unless, or until, this is to stop."""
    if os.getpid() != main_pid:
        stopping.watch(folder)
    found = stopping.request(afresh=True)
    if found is not None:
        return _Left(found)
    try:
        return task(*arguments, **named)
    except stopping.Stopped as stopped:
        return _Left(stopped.request)


def become_worker(main_pid: int) -> None:
    """Leave signals to the main process, and end when it is gone. Call first in every task."""
    if os.getpid() == main_pid:
        return
    ignore_signals()
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
