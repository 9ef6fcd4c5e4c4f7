"""Running a campaign: workers, each a loop of take, evaluate, tell.

``run`` is the one process that holds the run folder; ``join`` adds workers to it from any machine
that has the folder, whether ``run`` runs or not.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gbopt.campaign.campaign import Campaign, read_bulk
from gbopt.campaign.deadline import NO_LIMIT, Deadline, after_hours
from gbopt.campaign.relay import relayed
from gbopt.campaign.sharing import Shift, conclude, exclusively
from gbopt.errors import RunFolderError
from gbopt.evaluate.engines import on_its_gpu
from gbopt.evaluate.workers import become_worker, in_workers, place
from gbopt.md import stopping
from gbopt.md.placement import require_room, shared_gpus
from gbopt.md.select import Choice
from gbopt.search.stopping import Stop
from gbopt.store.leases import Lease
from gbopt.store.rundir import REFERENCE_LEASE

_LEFTOVER_WAIT_S = 30.0
_LOOK_S = 2.0
# More workers than any machine has GPUs for.
_PLACES = 256


def run(campaign: Campaign, deadline: Deadline = NO_LIMIT) -> str:
    """Run until the campaign stops; return why it stopped.

    The run folder is held exclusively; workers of other processes may join. Interrupting or
    killing this process at any moment loses no finished evaluation: call it again to go on.

    Args:
        campaign: what is run.
        deadline: after which no evaluation starts; by default that of search.max_hours.

    Raises:
        RunFolderError: another process runs this campaign.
        Stopped: it was asked to end what runs.
        GboptError: the bulk reference or this machine does not work.
    """
    folder = campaign.folder
    with folder.exclusive():
        _wait_for_leftovers(folder.path)
        hours = campaign.config.search.max_hours
        if deadline == NO_LIMIT and hours is not None:
            deadline = Deadline(start=after_hours(hours))
        return _run(campaign, deadline, joined=False)


def join(campaign: Campaign, deadline: Deadline = NO_LIMIT) -> str:
    """Work on a campaign together with whatever else does; return why this ended.

    Args:
        campaign: what is worked on; its run.workers at once.
        deadline: after which no evaluation starts.

    Raises:
        RunFolderError: its study is one for a single machine, its folder is shared by several.
        Stopped: it was asked to end what runs.
        GboptError: the bulk reference or this machine does not work.
    """
    folder = campaign.folder
    folder.require_joinable()
    folder.note("joined", host=socket.gethostname(), workers=campaign.config.run.workers)
    return _run(campaign, deadline, joined=True)


def _run(campaign: Campaign, deadline: Deadline, *, joined: bool) -> str:
    """Run workers until all have ended."""
    # Jobs may wait in a queue when all are asked to stop: who joins does not forget that.
    with relayed(campaign.folder.path, deadline, anew=not joined):
        earlier = campaign.finished_count()
        try:
            with prepared(campaign):
                require_room(campaign.config.run, campaign.engine().settings)
                earlier = _told(campaign)
                _work(campaign, deadline, earlier, joined=joined)
        except stopping.Stopped as stopped:
            if stopped.request.now:
                campaign.folder.note("interrupted", by=stopped.request.by)
                if deadline.end is not None and deadline.end.reason == stopped.request.by:
                    return deadline.end.reason
                raise

        def end() -> str:
            step = campaign.decide(deadline, earlier)
            reason = step.reason if isinstance(step, Stop) else "all workers ended"
            conclude(campaign, reason)
            return reason

        return exclusively(campaign, end)


def _told(campaign: Campaign) -> int:
    """Bring the study up to what was finished before a kill; how many evaluations it then holds."""
    shift = Shift(campaign, NO_LIMIT, 0)

    def tell() -> int:
        campaign.check_study()
        shift.tell_finished()
        return campaign.finished_count()

    try:
        return exclusively(campaign, tell)
    finally:
        shift.end()


@contextmanager
def prepared(campaign: Campaign) -> Iterator[None]:
    """Choose the engine, share GPUs, and have the bulk reference made, by one process of all."""
    lease = Lease(campaign.folder.path / REFERENCE_LEASE)
    try:
        while read_bulk(campaign.folder) is None and not lease.claim():
            stopping.heed()
            time.sleep(_LOOK_S)
        with gpus_shared(campaign, campaign.engine()):
            campaign.bulk()
            lease.release()
            yield
    finally:
        lease.release()


@contextmanager
def gpus_shared(campaign: Campaign, engine: Choice) -> Iterator[None]:
    """Note which engine runs, and let workers share GPUs while the context lasts."""
    with shared_gpus(campaign.config.run, engine.settings) as sharing:
        note = f"{engine.why}; {sharing}" if sharing else engine.why
        campaign.folder.note("engine", message=note)
        yield


def _work(campaign: Campaign, deadline: Deadline, earlier: int, *, joined: bool) -> None:
    """Run the workers until all have ended."""
    from joblib import delayed

    path, workers = campaign.folder.path, campaign.config.run.workers
    in_workers(
        lambda: [
            delayed(_worker)(str(path), None if joined else slot, deadline, earlier, os.getpid())
            for slot in range(workers)
        ],
        workers,
        # Those of other machines say nothing of what becomes of the workers of this one.
        finished=lambda: sum(
            e.provenance.host == socket.gethostname() for e in campaign.folder.evaluations()
        ),
        on_death=lambda: campaign.folder.note("worker_died"),
    )


def _worker(path: str, slot: int | None, deadline: Deadline, earlier: int, main_pid: int) -> None:
    """Work on a campaign in a process of its own.

    Args:
        path: the run folder.
        slot: number among the workers of the process that holds the folder; None: it joined.
        deadline: after which no evaluation starts.
        earlier: evaluations that were finished before this run.
        main_pid: process that started the workers.
    """
    become_worker(main_pid)
    if slot is None:
        work(Campaign.open_(Path(path)), deadline, earlier)
        return
    with FileLock(_worker_lock(Path(path), slot)):
        work(Campaign.open_(Path(path)), deadline, earlier)


def work(campaign: Campaign, deadline: Deadline, earlier: int) -> None:
    """Take trials and evaluate them until there is nothing to take any more.

    Args:
        campaign: opened by this process, for this; its reference is there.
        deadline: after which no evaluation starts.
        earlier: evaluations that were finished before; their failures are forgiven.

    Raises:
        Stopped: this process was asked to end what runs.
    """
    bulk, shift = campaign.bulk(), Shift(campaign, deadline, earlier)
    places = campaign.folder.path / ".places" / socket.gethostname()
    places.mkdir(parents=True, exist_ok=True)
    try:
        with place(places, _PLACES) as slot:
            settings = on_its_gpu(campaign.engine().settings, slot)
            while True:
                stopping.heed()
                taken = shift.take()
                if not isinstance(taken, Stop):
                    shift.evaluate(taken, bulk, settings)
                elif taken.awaited:
                    shift.wait()
                else:
                    return
    finally:
        shift.end()
        campaign.study.close()


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
