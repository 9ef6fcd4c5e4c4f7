"""Runs beside a search: boundaries evaluated as its trials are, each in a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from gbopt.campaign.again import set_aside
from gbopt.campaign.campaign import Campaign
from gbopt.campaign.record import keep
from gbopt.config import CampaignConfig
from gbopt.evaluate.bulk import BulkReference
from gbopt.evaluate.candidate import Job, evaluate
from gbopt.evaluate.engines import on_its_gpu
from gbopt.evaluate.workers import become_worker, in_workers, place
from gbopt.md.engine import EngineSettings
from gbopt.md.run import Progress
from gbopt.store.rundir import EVALUATION, RunFolder, read_evaluation

EVENT = "beside"
"""What a run folder's trace calls what happens there."""


class Run(NamedTuple):
    """One run: which boundary, with which settings, and where it lies."""

    folder: Path
    label: str
    """In words, for the trace."""
    job: Job
    config: CampaignConfig
    bulk: BulkReference

    @property
    def done(self) -> bool:
        """Whether its record is there."""
        return (self.folder / EVALUATION).exists()


def set_failed_aside(campaign: Campaign, folders: Iterable[Path]) -> None:
    """Let runs that failed be made again: what they came to goes into a folder within theirs.

    Args:
        campaign: in whose folder they lie; call while holding it.
        folders: of runs, made or not.

    Raises:
        RunFolderError: a record is damaged.
    """
    for folder in folders:
        if not (folder / EVALUATION).exists():
            continue
        failure = read_evaluation(folder / EVALUATION).failure
        if failure is not None:
            set_aside(folder)
            campaign.folder.note("retry", run=folder.name, cause=failure.cause)


def run_beside(campaign: Campaign, engine: EngineSettings, runs: Sequence[Run]) -> None:
    """Make all runs that have not been made, side by side; what happens goes to the trace.

    Interrupt it and call it again freely. Call while holding the campaign's folder.

    Args:
        campaign: in whose folder they lie.
        engine: that runs them.
        runs: what is to be made.

    Raises:
        EnvironmentProblem: this machine does not work.
    """
    from joblib import delayed

    path, workers = campaign.folder.path, campaign.config.run.workers
    in_workers(
        lambda: [
            delayed(_make)(path, engine, run, workers, os.getpid()) for run in runs if not run.done
        ],
        workers,
        finished=lambda: sum(run.done for run in runs),
        on_death=lambda: campaign.folder.note(
            EVENT, message="a worker process was killed: its run is begun again"
        ),
    )


def _make(path: Path, engine: EngineSettings, run: Run, workers: int, main_pid: int) -> None:
    become_worker(main_pid)
    run.folder.mkdir(parents=True, exist_ok=True)
    # A worker that was killed a moment ago may still be ending.
    with FileLock(run.folder / ".lock"):
        if run.done:
            return
        with place(run.folder.parent, workers) as slot:
            found = evaluate(
                run.job,
                run.config,
                run.bulk,
                settings=on_its_gpu(engine, slot),
                folder=run.folder,
                on_progress=_silent,
            )
        keep(found, run.folder)
    cause = found.failure.cause if found.failure else ""
    said = f"{run.label}: {found.status.value}, {found.objective or cause}"
    RunFolder.open_(path).note(EVENT, message=said)


def _silent(progress: Progress) -> None:
    """A run is reported when it has finished."""
