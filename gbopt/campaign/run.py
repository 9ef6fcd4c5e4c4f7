"""Running a campaign: workers, each a loop of propose, evaluate, record."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gbopt.campaign.campaign import Campaign
from gbopt.campaign.deadline import Deadline, after_hours
from gbopt.errors import RunFolderError
from gbopt.evaluate.engines import on_its_gpu
from gbopt.evaluate.workers import become_worker, in_workers
from gbopt.md import stopping
from gbopt.md.placement import shared_gpus
from gbopt.model.evaluation import Evaluation
from gbopt.search.stopping import Stop

_LEFTOVER_WAIT_S = 30.0
_LOOK_S = 5.0


def run(campaign: Campaign, deadline: Deadline | None = None) -> str:
    """Run until the campaign stops; return why it stopped.

    The run folder is held exclusively. Interrupting or killing this process at any moment loses
    no finished evaluation: call it again to go on.

    Args:
        campaign: what is run.
        deadline: after which no evaluation starts; by default that of search.max_hours.

    Raises:
        RunFolderError: another process runs this campaign.
        Stopped: it was asked to end what runs.
        GboptError: the bulk reference or this machine does not work.
    """
    with campaign.folder.exclusive():
        stopping.begin(campaign.folder.path)
        _wait_for_leftovers(campaign.folder.path)
        campaign.reopen()
        hours = campaign.config.search.max_hours
        if deadline is None and hours is not None:
            deadline = after_hours(hours)
        earlier = campaign.finished_count()
        try:
            with gpus_shared(campaign):
                campaign.bulk()
                campaign.heal()
                earlier = campaign.finished_count()
                _work(campaign, deadline, earlier)
        except stopping.Stopped as stopped:
            if stopped.request.now:
                campaign.folder.note("interrupted", by=stopped.request.by)
                raise
        step = campaign.decide(deadline, earlier)
        reason = step.reason if isinstance(step, Stop) else "all workers ended"
        campaign.conclude(reason)
        return reason


@contextmanager
def gpus_shared(campaign: Campaign) -> Iterator[None]:
    """Note which engine runs, and let workers share GPUs while the context lasts."""
    engine = campaign.engine()
    with shared_gpus(campaign.config.run, engine.settings) as sharing:
        note = f"{engine.why}; {sharing}" if sharing else engine.why
        campaign.folder.note("engine", message=note)
        yield


def _work(campaign: Campaign, deadline: Deadline | None, earlier: int) -> None:
    """Run the workers until all have ended."""
    from joblib import delayed

    path, workers = campaign.folder.path, campaign.config.run.workers

    def tasks() -> list[object]:
        orphans = campaign.heal()
        return [
            delayed(worker)(str(path), slot, orphans[slot::workers], deadline, earlier, os.getpid())
            for slot in range(workers)
        ]

    in_workers(tasks, workers, lambda attempt: campaign.folder.note("worker_died", attempt=attempt))


def worker(
    path: str,
    slot: int,
    orphans: list[int],
    deadline: Deadline | None,
    earlier: int,
    main_pid: int,
) -> None:
    """Evaluate the orphans, then propose and evaluate until the campaign should stop.

    Args:
        path: the run folder.
        slot: number of this worker.
        orphans: trials that an earlier run left unfinished.
        deadline: after which no evaluation starts.
        earlier: evaluations that were finished before this run.
        main_pid: process that started the workers.
    """
    become_worker(main_pid)
    with FileLock(_worker_lock(Path(path), slot)):
        campaign = Campaign.open_(Path(path))
        bulk = campaign.bulk()
        settings = on_its_gpu(campaign.engine().settings, slot)
        for number in orphans:
            if stopping.request() is not None or (deadline is not None and deadline.passed):
                return
            campaign.folder.note("restarted", trial=number)
            _finish(campaign, campaign.evaluate(campaign.job(number), bulk, settings))
        while True:
            stopping.heed()
            with campaign.folder.study_lock():
                step = campaign.decide(deadline, earlier)
                if isinstance(step, Stop) and not step.awaited:
                    return
                job = None if isinstance(step, Stop) else campaign.add(step)
                finished = campaign.finished_count()
            if job is None:
                _await_another(campaign, finished, deadline)
                continue
            _finish(campaign, campaign.evaluate(job, bulk, settings))


def _await_another(campaign: Campaign, finished: int, deadline: Deadline | None) -> None:
    """Wait until another worker has finished an evaluation: there may be more to do then."""
    while campaign.finished_count() == finished and not (deadline and deadline.passed):
        if stopping.request() is not None:
            return
        time.sleep(_LOOK_S)


def _finish(campaign: Campaign, evaluation: Evaluation) -> None:
    with campaign.folder.study_lock():
        campaign.record(evaluation)


def _worker_lock(path: Path, slot: int) -> Path:
    return path / f".worker-{slot}.lock"


def _wait_for_leftovers(path: Path) -> None:
    """Wait until the workers of a campaign that was killed a moment ago have ended."""
    for lock_file in sorted(path.glob(".worker-*.lock")):
        try:
            with FileLock(lock_file, timeout=_LEFTOVER_WAIT_S):
                pass
        except Timeout:
            raise RunFolderError(
                f"a worker of an earlier run still holds {path}",
                hint="end the leftover gbopt processes of that run, then resume",
            ) from None
