"""What goes with the objective over a campaign: regression, ranks, and what the surrogate learnt.

Geometry was set, so what goes with it is an effect of it, or of what it shares with other columns.
Li enrichment, O vacancies and width came out of the same run as the objective: association only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.regression import (
    Coefficient,
    RankCorrelation,
    Regression,
    design,
    holm,
    linear_regression,
    rank_correlation,
)
from gbopt.analysis.replicates import SeedScatter, seed_scatter
from gbopt.campaign.space import GBSpace
from gbopt.campaign.view import CampaignView
from gbopt.errors import AnalysisError
from gbopt.model.evaluation import Evaluation
from gbopt.model.observables import Estimate
from gbopt.report.boundaries import finished
from gbopt.report.search import own_posterior
from gbopt.search.history import complete, own
from gbopt.search.influence import (
    LEAST_POINTS,
    Importance,
    Influence,
    PartialDependence,
    influence,
)
from gbopt.search.space import Dimension, SearchSpace

Array = NDArray[np.float64]
Rows = list[dict[str, Any]]

STRUCTURE = ("li_enrichment_ratio", "o_vacancy_fraction", "boundary_width")
"""Observables that came out with the objective."""


class Effect(NamedTuple):
    """All that is known of one column."""

    column: str
    coefficient: Coefficient | None
    rank: RankCorrelation
    rank_p_holm: float
    partial: RankCorrelation | None
    """Rank correlation with all other columns held."""

    @property
    def kind(self) -> str:
        """Whether the column was set or came out."""
        return "structure" if self.column in STRUCTURE else "geometry"


@dataclass(frozen=True)
class Findings:
    """What goes with the objective of a campaign.

    Args:
        evaluations: those with a resolved value, which regression and ranks are of.
        effects: one for each column that varies; none with too few boundaries.
        regression: None where there are too few boundaries for the columns.
        geometry: what the search's own surrogate says.
        structure: what a surrogate of geometry and structure together says.
        seeds: what replicates differ by; None without replicates.
        refused: why there is no regression, or nothing at all; otherwise empty.
    """

    evaluations: tuple[Evaluation, ...]
    effects: tuple[Effect, ...] = ()
    regression: Regression | None = None
    geometry: Influence | None = None
    structure: Influence | None = None
    seeds: SeedScatter | None = None
    refused: str = ""

    @property
    def boundaries(self) -> int:
        """How many different boundaries the evaluations are of."""
        return len(_groups(self.evaluations))

    @property
    def rows(self) -> Rows:
        """One row of plain numbers for each column; importances are of its whole variable."""
        return [self._row(effect) for effect in self.effects]

    def _row(self, effect: Effect) -> dict[str, Any]:
        c = effect.coefficient
        importances = [_importance(model, effect) for model in (self.geometry, self.structure)]
        return {
            "column": effect.column,
            "kind": effect.kind,
            **_fields("coefficient", c and c.raw, "value", "std_err", "low", "high"),
            **_fields("per_sd", c and c.standardised, "value", "std_err", "low", "high"),
            **{key: getattr(c, key, None) for key in ("t", "p", "p_holm", "vif")},
            **_fields("rho", effect.rank, "rho", "low", "high", "p"),
            "rho_p_holm": effect.rank_p_holm,
            **_fields("partial_rho", effect.partial, "rho", "low", "high", "p"),
            **_fields("importance", importances[0], "share", "std_err"),
            **_fields("joint_importance", importances[1], "share", "std_err"),
        }

    @property
    def partial(self) -> tuple[PartialDependence, ...]:
        """Partial dependence on geometry by the search's surrogate, on the rest by the other."""
        own = self.geometry.partial if self.geometry else ()
        others = self.structure.partial if self.structure else ()
        return (*own, *(p for p in others if p.name in STRUCTURE))

    @property
    def dependence_rows(self) -> Rows:
        """The partial dependences, one row for each point of each."""
        return [
            {"variable": p.name, "value": v, "log10_objective": float(m), "std_dev": float(sd)}
            for p in self.partial
            for v, m, sd in zip(p.values, p.mean, p.std_dev, strict=True)
        ]

    def as_dict(self) -> dict[str, Any]:
        """Everything, as plain JSON."""
        fit = self.regression
        keys = ("points", "dof", "intercept", "scatter", "r2_adjusted")
        return {
            "regression": {key: getattr(fit, key) for key in keys} if fit else None,
            "columns": self.rows,
            "skill": self.geometry.skill if self.geometry else None,
            "joint_skill": self.structure.skill if self.structure else None,
            "partial_dependence": self.dependence_rows,
            "seed_scatter_decades": self.seeds.std_dev if self.seeds else None,
        }


def _fields(stem: str, record: Any, *keys: str) -> dict[str, float | None]:
    """Fields of a record, the first named by the stem alone; None where there is no record."""
    names = (stem, *(f"{stem}_{key}" for key in keys[1:]))
    return {name: getattr(record, key, None) for name, key in zip(names, keys, strict=True)}


def _importance(model: Influence | None, effect: Effect) -> Importance | None:
    variable = effect.column.partition("=")[0]
    return next((i for i in model.importance if i.name == variable), None) if model else None


class _Table(NamedTuple):
    """The evaluations as numbers; replicates share a group."""

    X: Array
    names: tuple[str, ...]
    y: Array
    y_err: Array
    groups: tuple[str, ...]


def findings(view: CampaignView) -> Findings:
    """Ask what goes with the objective: geometry, Li enrichment, O vacancies, width.

    The regression counts boundaries, not evaluations, as independent; rank correlations are of
    the means of the replicates. Values that are only bounds enter neither. The surrogates are
    refitted a dozen times, which takes seconds.
    """
    resolved = [(e, o) for e in finished(view) if (o := e.objective) and not o.bound and o.std_err]
    evaluations = tuple(e for e, _ in resolved)
    known = len(_groups(evaluations))
    if known < LEAST_POINTS:
        refused = (
            f"What makes a boundary resist can be asked from {LEAST_POINTS} boundaries with "
            f"resolved values on; this campaign has {known}."
        )
        return Findings(evaluations, refused=refused)
    space = GBSpace(view.config).search_space
    table = _table(space, evaluations, [o for _, o in resolved])
    fit, refused = None, ""
    try:
        fit = linear_regression(table.X, table.y, table.y_err, table.names, table.groups)
    except AnalysisError as error:
        refused = f"No regression yet: {error.message}."
    return Findings(
        evaluations,
        _effects(table, fit),
        fit,
        geometry=influence(space, view.history, posterior=own_posterior(view)),
        structure=_joint(view, space, [name for name in STRUCTURE if name in table.names]),
        seeds=_seeds(table.groups, [o for _, o in resolved]),
        refused=refused,
    )


def _groups(evaluations: Iterable[Evaluation]) -> tuple[str, ...]:
    """The different geometries."""
    return tuple(dict.fromkeys(e.spec.geometry_key for e in evaluations))


def _table(
    space: SearchSpace, evaluations: Sequence[Evaluation], values: Sequence[Estimate]
) -> _Table:
    columns: dict[str, list[Any]] = {
        d.name: [d.plain(e.params[d.name]) for e in evaluations] for d in space.dimensions
    }
    for name in STRUCTURE:
        if all(name in e.observables for e in evaluations):
            columns[name] = [e.observables[name].value for e in evaluations]
    return _Table(
        *design(columns),
        y=np.array([v.value for v in values]),
        y_err=np.array([v.std_err for v in values]),
        groups=tuple(e.spec.geometry_key for e in evaluations),
    )


def _effects(table: _Table, fit: Regression | None) -> tuple[Effect, ...]:
    groups = np.array(table.groups)
    members = [groups == group for group in dict.fromkeys(table.groups)]
    X, y = (np.array([a[rows].mean(axis=0) for rows in members]) for a in (table.X, table.y))
    varying = [i for i in range(X.shape[1]) if np.ptp(X[:, i]) > 0]
    ranks = [rank_correlation(X[:, i], y) for i in varying]
    coefficients = {c.name: c for c in fit.coefficients} if fit else {}
    return tuple(
        Effect(
            table.names[i],
            coefficients.get(table.names[i]),
            rank,
            float(p),
            _partial(X, y, i, [j for j in varying if j != i]),
        )
        for i, rank, p in zip(varying, ranks, holm([r.p for r in ranks]), strict=True)
    )


def _partial(X: Array, y: Array, column: int, held: list[int]) -> RankCorrelation | None:
    try:
        return rank_correlation(X[:, column], y, X[:, held])
    except AnalysisError:  # too few boundaries, or the column follows from the others
        return None


def _joint(view: CampaignView, space: SearchSpace, names: Sequence[str]) -> Influence | None:
    """The same surrogate on geometry and observables together; None without observables."""
    found = {e.trial: e.observables for e in finished(view)}
    history = [
        replace(o, params=o.params | {name: found[o.number][name].value for name in names})
        for o in own(complete(view.history))
        if all(name in found[o.number] for name in names)
    ]
    ranges = {name: [float(o.params[name]) for o in history] for name in names}
    added = [Dimension(name, "real", min(v), max(v)) for name, v in ranges.items()]
    return (
        influence(SearchSpace((*space.dimensions, *added)), history, points=space)
        if added
        else None
    )


def _seeds(groups: Sequence[str], values: Sequence[Estimate]) -> SeedScatter | None:
    replicates: dict[str, list[Estimate]] = {}
    for group, value in zip(groups, values, strict=True):
        replicates.setdefault(group, []).append(value)
    try:
        return seed_scatter(list(replicates.values()))
    except AnalysisError:  # no geometry has replicates
        return None
