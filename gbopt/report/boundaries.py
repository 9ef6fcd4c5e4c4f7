"""The evaluated boundaries: the trials of one geometry taken together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from gbopt.campaign.view import CampaignView
from gbopt.model.evaluation import Evaluation
from gbopt.model.observables import Estimate
from gbopt.report.replicas import mean_of

SIGNIFICANT_SIGMA = 2.0
"""Joint standard errors by which two values must differ to be called different."""


@dataclass(frozen=True)
class Boundary:
    """One geometry with its finished evaluations, at least one."""

    evaluations: tuple[Evaluation, ...]
    objective_name: str
    """Of the observable that the search lowers."""

    @property
    def label(self) -> str:
        """Short name of the geometry."""
        return self.evaluations[0].spec.label

    @property
    def trials(self) -> str:
        """The trial numbers, as text."""
        return ", ".join(str(e.trial) for e in self.evaluations)

    @cached_property
    def objective(self) -> Estimate:
        """Mean log10 objective of the trials."""
        return mean_of(self.evaluations, self.objective_name, log=True)

    def mean(self, name: str) -> Estimate | None:
        """Mean of an observable over the trials that have it."""
        found = [e for e in self.evaluations if name in e.observables]
        return mean_of(found, name) if found else None

    def flagged(self, level: Literal["warn", "fail"]) -> list[str]:
        """Names of the checks that have this level in any of the trials."""
        names = (f.name for e in self.evaluations for f in e.flags if f.level == level)
        return list(dict.fromkeys(names))


def finished(view: CampaignView) -> list[Evaluation]:
    """Return the evaluations that have numbers, by trial."""
    return [e for e in view.evaluations if e.status.finished and e.objective]


def boundaries(view: CampaignView) -> list[Boundary]:
    """Return the evaluated boundaries, lowest objective first, mere lower bounds last."""
    groups: dict[str, list[Evaluation]] = {}
    for evaluation in finished(view):
        groups.setdefault(evaluation.spec.geometry_key, []).append(evaluation)
    objective = view.config.search.objective
    found = [Boundary(tuple(group), objective) for group in groups.values()]
    return sorted(found, key=lambda b: (b.objective.bound == "lower", b.objective.value))


def recommended(view: CampaignView) -> Boundary | None:
    """Return the boundary that the search believes in most."""
    best = view.recommendation
    if best is None:
        return None
    return next(b for b in boundaries(view) if any(e.trial in best.numbers for e in b.evaluations))


def scatter(groups: Sequence[Boundary]) -> tuple[float, int] | None:
    """Return chi^2 per degree of freedom of the replicates, and those degrees.

    About 1 where the quoted errors explain what replicates (other seeds) differ by; None
    without replicates.
    """
    total, degrees = 0.0, 0
    for group in groups:
        known = [
            e.objective
            for e in group.evaluations
            if e.objective and e.objective.bound is None and e.objective.std_err > 0
        ]
        weights = [o.std_err**-2 for o in known]
        if len(known) > 1:
            mean = sum(w * o.value for w, o in zip(weights, known, strict=True)) / sum(weights)
            total += sum(w * (o.value - mean) ** 2 for w, o in zip(weights, known, strict=True))
            degrees += len(known) - 1
    return (total / degrees, degrees) if degrees else None
