"""Trials that failed, to be evaluated again under their own number when the campaign goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gbopt.campaign.campaign import Campaign
from gbopt.errors import RunFolderError
from gbopt.evaluate.attempts import EARLIER
from gbopt.model.evaluation import Evaluation
from gbopt.store.rundir import EVALUATION


def evaluate_again(
    path: Path, trials: Sequence[int] = (), match: str | None = None
) -> list[Evaluation]:
    """Set what failed trials came to aside in their folders, so that a resume evaluates them.

    Args:
        path: the run folder; nothing may run in it.
        trials: numbers; none: all that failed.
        match: text that the cause of failure must contain, capitals or not; None: any cause.

    Returns:
        What was set aside.

    Raises:
        RunFolderError: a process runs the campaign, or there is no such failed trial.
        StudyAwayError: the database of the study does not answer.
    """
    campaign = Campaign.recover(path)
    folder = campaign.folder
    with folder.exclusive(), folder.study_lock():
        folder.require_no_workers()
        campaign.refresh()
        failed = {e.trial: e for e in folder.evaluations() if e.failure is not None}
        for number in trials:
            if number not in failed:
                raise RunFolderError(
                    f"trial {number} of {path} has not failed, so it is not evaluated again",
                    hint=f"`gbopt trace --failed {path}` lists those that have",
                )
        chosen = [
            evaluation
            for number, evaluation in sorted(failed.items())
            if (not trials or number in trials) and _matches(evaluation, match)
        ]
        if not chosen:
            of_cause = "" if match is None else f" of a cause that contains '{match}'"
            raise RunFolderError(
                f"{path} has no failed trial{of_cause}",
                hint=f"`gbopt trace --failed {path}` lists the failed ones and their causes",
            )
        for evaluation in chosen:
            set_aside(folder.trial_folder(evaluation.trial, evaluation.spec.key))
            cause = evaluation.failure.cause if evaluation.failure else ""
            folder.note("retry", trial=evaluation.trial, cause=cause)
        campaign.check_study()  # a worker that joins at once must see them as unfinished
    campaign.study.close()
    return chosen


def _matches(evaluation: Evaluation, match: str | None) -> bool:
    cause = evaluation.failure.cause if evaluation.failure else ""
    return match is None or match.casefold() in cause.casefold()


def set_aside(trial: Path) -> None:
    """Move everything of a trial into a folder in it; its evaluation last, for that is what counts.

    Cut short, the trial still counts as failed, and the rest is moved by the next call.
    """
    number = 1 + len(list(trial.glob(f"{EARLIER}*")))
    aside = trial / f"{EARLIER}{number}"
    aside.mkdir()
    files = [file for file in trial.iterdir() if not file.name.startswith(EARLIER)]
    for file in sorted(files, key=lambda file: file.name == EVALUATION):
        file.rename(aside / file.name)
