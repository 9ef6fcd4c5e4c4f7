"""Running a campaign: joblib's loky workers, each a loop of propose, evaluate, record."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from filelock import FileLock, Timeout

from gbopt.campaign.campaign import Campaign
from gbopt.errors import EnvironmentProblem, RunFolderError
from gbopt.model.evaluation import Evaluation

_RESTARTS = 3
_PARENT_POLL_S = 0.5
_LEFTOVER_WAIT_S = 30.0


def run(campaign: Campaign) -> str:
    """Run until the campaign stops; return why it stopped.

    The run folder is held exclusively. Interrupting or killing this process at any moment loses
    no finished evaluation: call it again to go on.

    Raises:
        RunFolderError: another process runs this campaign.
        GboptError: the bulk reference or this machine does not work.
    """
    with campaign.folder.exclusive():
        _wait_for_leftovers(campaign.folder.path)
        limit = campaign.config.search.max_hours
        deadline = None if limit is None else time.time() + 3600 * limit
        campaign.bulk()
        for attempt in range(_RESTARTS + 1):
            if _round_of_workers(campaign, deadline):
                break
            campaign.folder.note("worker_died", attempt=attempt)
        else:
            raise EnvironmentProblem(
                f"the worker processes died {_RESTARTS + 1} times",
                hint="too little memory is the usual cause: lower run.workers, then resume",
            )
        reason = campaign.stop_reason(deadline) or "all workers ended"
        campaign.conclude(reason)
        return reason


def _round_of_workers(campaign: Campaign, deadline: float | None) -> bool:
    """Run the workers to their end; False if one of them was killed from outside.

    loky then ends them all. Their trials are still running in the study, so the next round takes
    them up again.
    """
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    workers, path = campaign.config.run.workers, str(campaign.folder.path)
    orphans = campaign.heal()
    tasks = [
        delayed(worker)(path, slot, orphans[slot::workers], deadline, os.getpid())
        for slot in range(workers)
    ]
    try:
        Parallel(n_jobs=workers, backend="loky")(tasks)
    except TerminatedWorkerError:
        return False
    return True


def worker(path: str, slot: int, orphans: list[int], deadline: float | None, main_pid: int) -> None:
    """Evaluate the orphans, then propose and evaluate until the campaign should stop."""
    if os.getpid() != main_pid:
        # Ctrl-C reaches the whole process group: only the main process answers it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=_leave_with, args=(main_pid,), daemon=True).start()
    with FileLock(_worker_lock(Path(path), slot)):
        campaign = Campaign.open_(Path(path))
        bulk = campaign.bulk()
        for number in orphans:
            campaign.folder.note("restarted", trial=number)
            _finish(campaign, campaign.evaluate(campaign.job(number), bulk))
        while True:
            with campaign.folder.study_lock():
                if campaign.stop_reason(deadline) is not None:
                    return
                job = campaign.propose()
            _finish(campaign, campaign.evaluate(job, bulk))


def _finish(campaign: Campaign, evaluation: Evaluation) -> None:
    with campaign.folder.study_lock():
        campaign.record(evaluation)


def _leave_with(main_pid: int) -> None:
    """End this worker when the main process is gone: it must not go on proposing alone."""
    while os.getppid() == main_pid:
        time.sleep(_PARENT_POLL_S)
    os._exit(1)


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
