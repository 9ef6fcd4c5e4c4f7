"""The study of a campaign: an index of its trials, made anew from them where need be."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gbopt.campaign.record import attributes_of, result_of
from gbopt.config import CampaignConfig
from gbopt.search.space import SearchSpace
from gbopt.store.rundir import RunFolder
from gbopt.store.storage import require_free
from gbopt.store.study import Distribution, Study, categorical, integer, real


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


def can_renew(folder: RunFolder, trials: int) -> bool:
    """Whether the trace knows every trial that the study holds."""
    return set(_proposals(folder)) >= set(range(trials))


def renew_study(
    folder: RunFolder, config: CampaignConfig, variables: dict[str, Distribution], why: str
) -> None:
    """Make the study from the trace (what was proposed) and the trials (what came of it).

    Call while holding the folder, when no worker has joined. The old one, if any, is kept beside
    it; a kill leaves either.

    Args:
        folder: the run folder.
        config: its campaign.
        variables: see ``distributions``.
        why: part of the name under which the old one is kept.

    Raises:
        RunFolderError: it is locked, or a record is damaged.
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
    finished = {e.trial: e for e in folder.evaluations()}
    for number, proposal in sorted(_proposals(folder).items()):
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


def _proposals(folder: RunFolder) -> dict[int, dict[str, Any]]:
    return {e["trial"]: e for e in folder.events() if e["event"] == "proposed"}
