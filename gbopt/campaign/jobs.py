"""Workers as jobs of SLURM, through submitit, which queues them again when their time is over."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gbopt.campaign.campaign import Campaign
from gbopt.campaign.deadline import NO_LIMIT, Deadline, at_walltime
from gbopt.campaign.relay import attended
from gbopt.campaign.run import join
from gbopt.errors import ConfigError, EnvironmentProblem
from gbopt.md import stopping

FOLDER = "jobs"
"""Scripts and logs of the jobs, in the run folder."""
# As often as it takes: a campaign ends by its own rules.
_TIMEOUTS = 10_000
# Stopping takes less; the job is then queued again.
_WARNED_S = 120
_LOOK_S = 0.5


@dataclass(frozen=True)
class Worker:
    """What a job runs, and runs again when it was queued again."""

    run_dir: str
    """The run folder, on a file system that the nodes share."""
    workers: int
    """Evaluations at once in the job."""
    until_walltime: bool
    """Whether it ends with its time limit, rather than to be queued again."""

    def __call__(self) -> str:
        """Work until the campaign stops, or the job ends; return why."""
        campaign = Campaign.open_(Path(self.run_dir))
        run = campaign.config.run.model_copy(update={"workers": self.workers})
        campaign.config = campaign.config.model_copy(update={"run": run})
        deadline = Deadline(end=at_walltime(os.environ)) if self.until_walltime else NO_LIMIT
        with attended(), _Warned() as warned:
            try:
                return join(campaign, deadline)
            except stopping.Stopped as stopped:
                reason = stopped.request.reason
        if warned.came and not self.until_walltime:
            warned.queue_again()
        return reason

    def checkpoint(self) -> Any:
        """What submitit queues again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


class _Warned:
    """Stops at a checkpoint where submitit, warned by the scheduler, would end the job at once.

    SLURM warns every process of a job. It is blocked here, which what this process starts inherits:
    MD must go on to its checkpoint.
    """

    def __init__(self) -> None:
        from submitit import JobEnvironment

        self._number = signal.Signals[f"SIG{JobEnvironment.USR_SIG}"]
        self._submitit: Any = signal.getsignal(self._number)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self.came = False

    def __enter__(self) -> _Warned:
        # A thread of a library that was there before may get it all the same.
        signal.signal(self._number, lambda *_: self._stop())
        signal.pthread_sigmask(signal.SIG_BLOCK, {self._number})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        signal.signal(self._number, self._submitit)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {self._number})

    def _wait(self) -> None:
        while not self._over.is_set():
            if signal.sigtimedwait({self._number}, _LOOK_S) is not None:
                self._stop()

    def _stop(self) -> None:
        self.came = True
        if (desk := stopping.watched()) is not None:
            stopping.ask(desk, now=True, by="the scheduler, which queues the job again")

    def queue_again(self) -> None:
        """Do what submitit does when it is warned."""
        self._submitit(self._number, None)


def submit(
    campaign: Campaign,
    cluster: str,
    jobs: int,
    worker: Worker,
    hours: float,
    options: Mapping[str, Any],
) -> list[Any]:
    """Queue jobs that work on a campaign; return them as submitit has them.

    Args:
        campaign: its run folder must be on a file system that the nodes share.
        cluster: slurm, or local for processes of this machine.
        jobs: how many.
        worker: what each runs.
        hours: time limit of each.
        options: of submitit, such as slurm_partition.

    Raises:
        ConfigError: SLURM or submitit does not take an option.
        EnvironmentProblem: submitit is not installed, or there is no SLURM here.
    """
    try:
        from submitit import AutoExecutor
    except ImportError:
        raise EnvironmentProblem(
            "jobs are submitted through submitit, which is not installed",
            hint='install it with: pip install "gbopt-llzo[cluster]"',
        ) from None
    folder = campaign.folder.path / FOLDER
    run = campaign.config.run
    try:
        executor = AutoExecutor(
            folder=folder / "%j", cluster=cluster, slurm_max_num_timeout=_TIMEOUTS
        )
        executor.update_parameters(
            name=f"gbopt-{campaign.config.name}",
            timeout_min=max(1, round(60 * hours)),
            cpus_per_task=worker.workers * run.threads * run.ranks,
            slurm_signal_delay_s=_WARNED_S,
            **options,
        )
        with executor.batch():
            return [executor.submit(worker) for _ in range(jobs)]
    except (NameError, ValueError) as error:
        raise ConfigError(
            f"submitit does not take the options of the jobs: {error}", hint="`sbatch --help`"
        ) from None
    except RuntimeError as error:
        raise EnvironmentProblem(
            f"no job can be submitted here: {error}",
            hint="submit from a login node of the cluster",
        ) from None
