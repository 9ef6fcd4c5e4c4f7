"""The study of a campaign: an index of its trials, made anew from them where need be."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gbopt.campaign.record import attributes_of, result_of
from gbopt.config import CampaignConfig
from gbopt.errors import RunFolderError
from gbopt.model.evaluation import Evaluation
from gbopt.search.space import SearchSpace
from gbopt.store.rundir import RunFolder
from gbopt.store.storage import require_free
from gbopt.store.study import Distribution, Study, TrialRecord, categorical, integer, real


def distributions(space: SearchSpace) -> dict[str, Distribution]:
    """The variables of a search as the study knows them."""
    found: dict[str, Distribution] = {}
    for d in space.dimensions:
        if d.kind == "categorical":
            found[d.name] = categorical(tuple(str(choice) for choice in d.choices))
        elif d.kind == "integer":
            found[d.name] = integer(int(d.low), int(d.high))
        else:
            found[d.name] = real(d.low, d.high)
    return found


def new_study(folder: RunFolder, config: CampaignConfig) -> Study:
    """Make the empty study of a new run folder."""
    return _described(Study.create(folder.storage), config)


def _described(study: Study, config: CampaignConfig) -> Study:
    study.describe(f"log10 {config.search.objective}", config.question)
    return study


def holds_others(folder: RunFolder, records: list[TrialRecord]) -> bool:
    """Whether a study that can be read holds other trials than the run folder.

    So does one that lost lines of its journal, one from a backup, one whose process was killed
    before it had added what the trace says, and one with an outcome that was set aside since:
    Optuna takes no second outcome of a trial. It is left as it is where the folder does not know
    all of its trials.

    Args:
        folder: the run folder.
        records: the trials of its study.
    """
    proposed, finished = _proposals(folder), _finished(folder)
    if not set(proposed) >= set(range(len(records))):
        return False

    def other(record: TrialRecord) -> bool:
        proposal, evaluation = proposed[record.number], finished.get(record.number)
        if record.params != proposal["params"] or "spec" not in record.attributes:
            return True
        if record.state == "running":
            return False
        # Whatever the limits are: they do not change the value.
        return evaluation is None or record.value != result_of(evaluation, {}).value

    return len(proposed) > len(records) or any(map(other, records))


def renew_study(
    folder: RunFolder, config: CampaignConfig, variables: dict[str, Distribution], why: str
) -> None:
    """Make the study from the trace (what was proposed) and the trials (what came of it).

    Call under the lock of the study. The old one, if any, is kept beside it; a kill leaves either.

    Args:
        folder: the run folder.
        config: its campaign.
        variables: see ``distributions``.
        why: part of the name under which the old one is kept.

    Raises:
        RunFolderError: it is locked, or a record is damaged or missing.
    """
    require_free(folder.storage)
    making = folder.storage.successor()
    study = _described(Study.create(making), config)
    _fill(study, folder, config, variables)
    count = len(study.records())
    study.close()
    folder.put_study(making, why)
    folder.note("rebuilt", trials=count)


def _fill(
    study: Study, folder: RunFolder, config: CampaignConfig, variables: dict[str, Distribution]
) -> None:
    finished, proposed = _finished(folder), _proposals(folder)
    for number in range(max(proposed, default=-1) + 1):
        if (proposal := proposed.get(number)) is None:
            raise RunFolderError(
                f"neither {folder.trace_file} nor an evaluation says what trial {number} was",
                hint="put both back from a copy of the run folder, if there is one; otherwise "
                f"move the folders of trial {number} and of all after it away",
            )
        params, attributes = proposal["params"], proposal["attributes"]
        evaluation = finished.get(number)
        if evaluation is None:
            study.add_running(params, variables, attributes)
            continue
        ended = datetime.fromisoformat(evaluation.provenance.finished_utc)
        study.restore(
            params,
            variables,
            attributes | attributes_of(evaluation),
            result_of(evaluation, config.search.limits),
            ended.astimezone().replace(tzinfo=None),  # as Optuna has it: local and naive
        )


def _finished(folder: RunFolder) -> dict[int, Evaluation]:
    return {e.trial: e for e in folder.evaluations()}


def _proposals(folder: RunFolder) -> dict[int, dict[str, Any]]:
    """What was proposed, by number; an evaluation stands for a line that the trace has lost."""
    evaluated = {
        number: {
            "params": e.params,
            "attributes": {
                "spec": e.spec.model_dump(mode="json"),
                "label": e.spec.label,
                "requested": e.requested,
                "replicate": e.replicate,
            },
        }
        for number, e in _finished(folder).items()
    }
    noted = {e["trial"]: e for e in folder.events() if e["event"] == "proposed"}
    return evaluated | noted
