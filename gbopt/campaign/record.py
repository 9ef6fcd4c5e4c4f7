"""An evaluation as the study keeps it, and as the search sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from gbopt.analysis.statistics import interval
from gbopt.config.sections import OtherObservable
from gbopt.evaluate.candidate import tidy
from gbopt.model.evaluation import Evaluation, Status
from gbopt.search.history import Observation
from gbopt.store.files import write_atomic
from gbopt.store.rundir import EVALUATION
from gbopt.store.study import FINISHED, Result, TrialRecord

OTHERS = get_args(OtherObservable)
"""Observables that the search may learn from, or keep within limits."""


def keep(evaluation: Evaluation, folder: Path) -> None:
    """Write the record into the folder of an evaluation; what it was taken up from is deleted.

    In this order, for until the record is there a kill loses none of it.
    """
    write_atomic(folder / EVALUATION, evaluation.model_dump_json(indent=1))
    tidy(folder)


def of_record(record: TrialRecord) -> Observation:
    """Return a trial of the study as the search sees it."""
    found = record.attributes
    complete = record.state == "complete"
    # A run that was ended as surely worse shows that it is, not by how much.
    pruned = complete and found.get("lower_bound") is not None
    return Observation(
        number=record.number,
        params=record.params,
        state=record.state,
        value=(found["lower_bound"] if pruned else record.value) if complete else None,
        std_err=(0.0 if pruned else found.get("std_err")) if complete else None,
        completion=record.finished_order,
        bound=("lower" if pruned else found.get("bound")) if complete else None,
        others={name: tuple(pair) for name, pair in found.get("others", {}).items()},
        chosen_by=found.get("chosen_by"),
    )


def of_evaluation(evaluation: Evaluation, completion: int, chosen_by: str | None) -> Observation:
    """Return an evaluation on disk as the search sees it."""
    objective = evaluation.objective if evaluation.status.finished else None
    pruned = objective is not None and evaluation.status is Status.PRUNED
    value, std_err, bound = None, None, None
    if objective is not None:
        value, std_err, bound = objective.value, objective.std_err, objective.bound
        if pruned:
            value, std_err, bound = interval(objective, 0.95)[0], 0.0, "lower"
    return Observation(
        number=evaluation.trial,
        params=evaluation.params,
        state="complete" if objective else "failed",
        value=value,
        std_err=std_err,
        completion=completion,
        bound=bound,
        others=others_of(evaluation),
        chosen_by=chosen_by,
    )


def others_of(evaluation: Evaluation) -> dict[str, tuple[float, float]]:
    """Return the observables that the search may learn from, with their errors."""
    found = ((name, evaluation.observables.get(name)) for name in OTHERS)
    return {name: (x.value, x.std_err) for name, x in found if x is not None and x.bound is None}


def result_of(
    evaluation: Evaluation, limits: Mapping[OtherObservable, tuple[float, float]]
) -> Result:
    """What the study is told.

    Args:
        evaluation: what came of the trial.
        limits: ranges that observables must lie in.
    """
    objective = evaluation.objective
    if not evaluation.status.finished or objective is None:
        return Result("failed", None)
    kept = tuple(_beyond(evaluation, limits))
    if evaluation.status is not Status.PRUNED:
        return Result("complete", objective.value, constraints=kept)
    conditions = evaluation.conditions
    after_ps = round(conditions.production_ps) if conditions else 0
    return Result("pruned", objective.value, after_ps, kept)


def _beyond(
    evaluation: Evaluation, limits: Mapping[OtherObservable, tuple[float, float]]
) -> Iterator[float]:
    for name, (low, high) in limits.items():
        if (estimate := evaluation.observables.get(name)) is not None:
            yield max(low - estimate.value, estimate.value - high)


def attributes_of(evaluation: Evaluation) -> dict[str, object]:
    """Scalars of an evaluation that the dashboard shows and the search reads back."""
    found: dict[str, object] = {"status": evaluation.status.value, **evaluation.seconds}
    found[FINISHED] = evaluation.provenance.finished_utc
    if evaluation.objective is not None:
        found |= {"std_err": evaluation.objective.std_err, "bound": evaluation.objective.bound}
        if evaluation.status is Status.PRUNED:
            found["lower_bound"] = interval(evaluation.objective, 0.95)[0]
    if evaluation.conditions is not None:
        found["n_ions"] = evaluation.conditions.n_ions
    if evaluation.failure is not None:
        found["cause"] = evaluation.failure.cause
    found["others"] = {name: list(pair) for name, pair in others_of(evaluation).items()}
    for name in ("area_specific_resistance", "li_enrichment_ratio", "o_vacancy_fraction"):
        if name in evaluation.observables:
            found[name] = str(evaluation.observables[name])
    return found
