"""Making a library: workers build, this process writes; it goes on where it was cut."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Generator
from contextlib import closing
from functools import cache
from typing import Any

from gbopt.config.library import LibraryConfig
from gbopt.errors import EnvironmentProblem
from gbopt.evaluate.workers import become_worker
from gbopt.geometry.archive import Archive
from gbopt.geometry.library import Candidate, Made, Space, lattice_A, make
from gbopt.model.spec import GBSpec

# Structures that a worker builds between two reports: what its death can lose.
_BATCH = 8
_DEATHS = 4

Numbered = list[tuple[int, GBSpec]]


def fill(
    archive: Archive,
    config: LibraryConfig,
    count: int,
    jobs: int,
    on_batch: Callable[[dict[str, int]], None],
) -> None:
    """Build every structure below ``count`` that the library does not hold yet.

    Interrupting or killing this process at any moment loses no structure that was written: call
    it again to go on. Memory does not grow with the number of structures.

    Args:
        archive: the library.
        config: what it is drawn from.
        count: structures in all, refused and repeated ones included.
        jobs: worker processes; with one, this process builds.
        on_batch: told the number of new structures by status after each batch.

    Raises:
        RunFolderError: another process adds to the library, or it cannot be written.
        EnvironmentProblem: workers died again and again.
    """
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    listed = tuple(Candidate(*_frozen(c)) for c in archive.meta("candidates"))
    space, deaths = Space(config, listed), 0
    with archive.exclusive():
        while missing := archive.missing(count).tolist():
            try:
                # Closed, so that an interruption here ends the workers at once.
                with closing(_built(space, missing, jobs)) as batches:
                    for made in batches:
                        archive.add(made)
                        deaths = 0
                        on_batch(_tally(made))
            except TerminatedWorkerError:
                deaths += 1
                if deaths == _DEATHS:
                    raise _gave_up(missing[0]) from None


def _built(space: Space, numbers: list[int], jobs: int) -> Generator[list[Made], None, None]:
    """Build in batches, in the order in which they are ready."""
    from joblib import Parallel, delayed, parallel_config

    a_A, main_pid = lattice_A(space.config), os.getpid()
    tasks = (
        delayed(_batch)([(n, space.spec(n)) for n in numbers[i : i + _BATCH]], a_A, main_pid)
        for i in range(0, len(numbers), _BATCH)
    )
    # Many threads on arrays this small only get in each other's way.
    with parallel_config(backend="loky", inner_max_num_threads=1):
        parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
        results = parallel(tasks)
    try:
        for made in results:  # noqa: UP028 - `yield from` would close it before the warning is off
            yield made
    finally:
        with warnings.catch_warnings():
            # joblib warns that results are left over: after an interruption they are.
            warnings.simplefilter("ignore")
            results.close()


def _batch(numbered: Numbered, a_A: float, main_pid: int) -> list[Made]:
    _settle(main_pid)
    return [make(number, spec, a_A) for number, spec in numbered]


@cache
def _settle(main_pid: int) -> None:
    """Become a worker, once in a process."""
    become_worker(main_pid)


def _tally(made: list[Made]) -> dict[str, int]:
    statuses = [m.record.status for m in made]
    return {status: statuses.count(status) for status in set(statuses)}


def _frozen(candidate: list[Any]) -> list[Any]:
    """JSON has lists for tuples."""
    return [tuple(x) if isinstance(x, list) else x for x in candidate]


def _gave_up(number: int) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"the worker processes died {_DEATHS} times at structure {number} and those after it",
        hint="too little memory is the usual cause: lower --jobs, then run the same again",
    )
