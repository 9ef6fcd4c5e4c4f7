"""Workers share a campaign, on whatever machines they run: what each may evaluate next.

Nobody hands out work. Under the lock of the study a worker takes over a trial whose worker died,
else it adds the next proposal; a lease on the trial's folder says that it is taken. So the budget
and the stopping rule hold for all together, and a trial keeps its number and its checkpoints.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from gbopt.campaign.campaign import Campaign
from gbopt.campaign.deadline import Deadline
from gbopt.campaign.deaths import suspect
from gbopt.evaluate.bulk import BulkReference
from gbopt.evaluate.candidate import Job
from gbopt.md import stopping
from gbopt.md.engine import EngineSettings
from gbopt.search.stopping import Stop
from gbopt.store.leases import Lease, LeaseLostError, is_held
from gbopt.store.rundir import EVALUATION, LEASE, read_evaluation
from gbopt.store.storage import StudyAwayError, locked
from gbopt.store.study import TrialRecord

# How long a database that does not answer is waited for, and how often it is tried, s.
_PATIENCE_S, _TRY_S = 900.0, 3.0
_LOOK_S = 5.0
_Answer = TypeVar("_Answer")


class Taken(NamedTuple):
    """A trial that this worker evaluates."""

    job: Job
    lease: Lease


class Shift:
    """What one worker does in a campaign.

    Args:
        campaign: opened by this process.
        deadline: after which no evaluation starts.
        earlier: evaluations that were finished before; their failures are forgiven.
    """

    def __init__(self, campaign: Campaign, deadline: Deadline, earlier: int) -> None:
        self.campaign = campaign
        self._deadline, self._earlier = deadline, earlier
        self._leases: dict[int, Lease] = {}
        self._finished = 0

    def take(self) -> Taken | Stop:
        """Take what is to be evaluated next, or say why there is nothing.

        Raises:
            StudyAwayError: the database of the study was away for too long.
        """
        return exclusively(self.campaign, self._take)

    def _take(self) -> Taken | Stop:
        campaign = self.campaign
        self.tell_finished()
        self._finished = campaign.finished_count()
        if (stop := campaign.halted(self._deadline)) is not None:
            return stop
        # How much of it is left is not known, and it keeps its checkpoints: it may be cut short.
        if (orphan := self._orphan()) is not None:
            campaign.folder.note("restarted", trial=orphan.number)
            return Taken(campaign.job(orphan.number), self._leases.pop(orphan.number))
        step = campaign.decide(self._deadline, self._earlier)
        if isinstance(step, Stop):
            return step
        job = campaign.add(step)
        lease = Lease(campaign.folder.trial_folder(job.number, job.spec.key) / LEASE)
        lease.claim()
        return Taken(job, lease)

    def _orphan(self) -> TrialRecord | None:
        """The first unfinished trial that nobody works on any more; this worker has its lease.

        Of those that may end their processes one is evaluated at a time: that tells which does.
        """
        unfinished = [
            (record, folder)
            for record in self.campaign.study.records()
            if not ((folder := self.campaign.trial_folder(record)) / EVALUATION).exists()
        ]
        suspects = {record.number: folder for record, folder in unfinished if suspect(folder)}
        for record, _ in unfinished:
            others = (f for n, f in suspects.items() if n != record.number)
            if record.number in suspects and any(is_held(f / LEASE) for f in others):
                continue
            if self._lease(record).claim():
                return record
        return None

    def tell_finished(self) -> None:
        """Tell the study what was finished by workers that died before they told it.

        Call under its lock.
        """
        for record in self.campaign.study.records():
            finished = self.campaign.trial_folder(record) / EVALUATION
            if record.state == "running" and finished.exists() and self._lease(record).claim():
                self.campaign.record(read_evaluation(finished))
                self._leases.pop(record.number).release()

    def _lease(self, record: TrialRecord) -> Lease:
        """Kept: a worker of another machine is dead when its lease does not change for long."""
        if record.number not in self._leases:
            file = self.campaign.trial_folder(record) / LEASE
            self._leases[record.number] = Lease(file)
        return self._leases[record.number]

    def evaluate(self, taken: Taken, bulk: BulkReference, settings: EngineSettings) -> None:
        """Evaluate what was taken, and tell the study; cut short, others may take it at once."""
        campaign, (job, lease) = self.campaign, taken
        try:
            evaluation = campaign.evaluate(job, bulk, settings, lease.require)
            exclusively(campaign, lambda: campaign.record(evaluation))
        except LeaseLostError:
            campaign.folder.note("handed_over", trial=job.number)
        finally:
            lease.release()

    def wait(self) -> None:
        """Wait until there may be more to do: a trial was finished, or has lost its worker."""

        def changed() -> bool:
            self.tell_finished()
            done = self.campaign.finished_count()
            return done != self._finished or self._orphan() is not None

        while self._deadline.reached() is None and stopping.request() is None:
            time.sleep(_LOOK_S)
            if exclusively(self.campaign, changed):
                return

    def end(self) -> None:
        """Let go of every trial."""
        for lease in self._leases.values():
            lease.release()


def exclusively(campaign: Campaign, act: Callable[[], _Answer]) -> _Answer:
    """Do something while no other process, on whatever machine, writes to the study.

    A database that does not answer is waited for. What was cut short by that is done again from
    its beginning, so it must look at the study afresh.

    Args:
        campaign: whose study.
        act: what is done.

    Raises:
        Stopped: this process was asked to stop meanwhile.
        StudyAwayError: the database was away for too long.
        StudyLockedError: another process holds the study.
    """
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with locked(campaign.study.storage):
                campaign.refresh()
                return act()
        except StudyAwayError:
            if time.monotonic() > end:
                raise
        stopping.heed()
        time.sleep(_TRY_S)


def conclude(campaign: Campaign, reason: str) -> None:
    """Store why the campaign stopped, unless another worker goes on. Under the lock."""
    for record in campaign.study.records():
        if record.state == "running" and is_held(campaign.trial_folder(record) / LEASE):
            return
    last = [
        e for e in campaign.folder.events() if e["event"] in ("stopped", "proposed", "finished")
    ]
    if last[-1:] and last[-1].get("reason") == reason:
        return  # who left before has said so
    campaign.conclude(reason)
