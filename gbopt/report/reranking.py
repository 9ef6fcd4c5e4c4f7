"""Whether other settings put the best boundaries of a search in the same order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import spearmanr

from gbopt.analysis.replicates import Improvement
from gbopt.campaign.rerank import Contestant, Reranking
from gbopt.config import CampaignConfig
from gbopt.errors import AnalysisError
from gbopt.model.evaluation import Evaluation
from gbopt.model.observables import QUANTITIES, Estimate, format_with_error
from gbopt.potentials.library import get_potential
from gbopt.report.boundaries import SIGNIFICANT_SIGMA
from gbopt.report.numbers import number_table
from gbopt.report.replicas import apart, compared, mean_of

_DRAWS, _SEED = 4000, 0
_LEAST = 3  # boundaries that an order can be spoken of


class Place(NamedTuple):
    """A boundary in both orders."""

    contestant: Contestant
    evaluations: tuple[Evaluation, ...]
    again: Estimate | None
    """Mean log10 of the objective; None where no run shows it."""
    own: float = 0.0
    """The part of its error that is its own."""
    shared: float = 0.0
    """What an error of the bulk reference, which all have in common, adds to it."""

    @property
    def label(self) -> str:
        """Its short name."""
        return self.contestant.spec.label

    @property
    def finished(self) -> list[Evaluation]:
        """Its runs that have figures."""
        return [e for e in self.evaluations if e.status.finished and e.objective]

    @property
    def resolved(self) -> list[Evaluation]:
        """Those whose objective is more than a bound."""
        return [e for e in self.finished if e.objective and e.objective.bound is None]

    @property
    def key(self) -> str:
        """Of its geometry."""
        return self.contestant.spec.geometry_key


class _Pair(NamedTuple):
    """log10 of one boundary in the search and again, with their errors."""

    searched: float
    error: float
    again: float
    own: float
    shared: float


@dataclass(frozen=True)
class Comparison:
    """What a search believes of its best boundaries, and what other settings say of them."""

    searched: CampaignConfig
    again: CampaignConfig
    places: tuple[Place, ...]
    better: Improvement | None
    """By how much the search's best beats the conventional boundary in the runs again."""
    why_not: str
    """Why that cannot be said, where it cannot."""

    def rows(self) -> list[dict[str, Any]]:
        """One row for each boundary, in the order of the search."""
        # A bound has no place in an order: what it bounds may come before or after others.
        known = [(p.again.value, p.key) for p in self.places if p.again and p.again.bound is None]
        ranks = {key: n for n, (_, key) in enumerate(sorted(known), start=1)}
        found = []
        for n, place in enumerate(self.places, start=1):
            believed = place.contestant.believed
            done = [e for e in place.evaluations if e.status.finished]
            found.append(
                {
                    "boundary": place.label,
                    "search": n if believed else "reference",
                    "log10 in search": (
                        format_with_error(believed.mean, believed.std_dev) if believed else None
                    ),
                    "again": ranks.get(place.key),
                    "log10 again": (
                        str(place.again.model_copy(update={"unit": ""})) if place.again else None
                    ),
                    "resolved": f"{len(place.resolved)} of {len(place.evaluations)}",
                    "suspect": sum(e.status.value == "suspect" for e in done),
                    "failed": len(place.evaluations) - len(done),
                }
            )
        return found

    def sentences(self) -> list[str]:
        """What was found, in words."""
        quantity = QUANTITIES[self.searched.search.objective]
        settings = [
            f"{get_potential(c.md.potential).name} at {c.md.temperature_K:g} K"
            for c in (self.searched, self.again)
        ]
        found = [f"{quantity.label}, {quantity.unit}: searched with {settings[0]}, again with "]
        found[0] += f"{settings[1]}, fresh seeds."
        found += [self._order(), self._pairs()]
        best = self.places[0]
        if self.better is not None:
            found.append(
                f"Again, the conventional boundary {self.places[-1].label} has {self.better.times} "
                f"that of the search's best, {best.label} ({self.better.surely})."
            )
        elif self.why_not:
            found.append(f"No comparison with the conventional boundary: {self.why_not}.")
        return found

    def table(self) -> list[dict[str, Any]]:
        """One row of plain numbers for each run; errors and bounds have columns of their own."""
        found = [(n, place, e) for n, place in enumerate(self.places) for e in place.evaluations]
        md = self.again.md
        potential = get_potential(md.potential).name
        first = []
        for n, place, _ in found:
            believed = place.contestant.believed
            first.append(
                {
                    "rank_in_search": n + 1 if believed else None,
                    "log10_in_search": believed.mean if believed else None,
                    "log10_in_search_err": believed.std_dev if believed else None,
                    "potential": potential,
                    "temperature_K": md.temperature_K,
                }
            )
        return number_table([e for *_, e in found], first)

    def as_dict(self) -> dict[str, Any]:
        """Everything, as plain JSON."""
        return {
            "objective": self.searched.search.objective,
            "boundaries": self.rows(),
            "evaluations": self.table(),
            "improvement": self.better.as_dict() if self.better else None,
            "findings": self.sentences(),
        }

    @property
    def _both(self) -> list[_Pair]:
        """Those with a value in the search and one again that is no bound."""
        return [
            _Pair(b.mean, b.std_dev, place.again.value, place.own, place.shared)
            for place in self.places
            if (b := place.contestant.believed) and place.again and place.again.bound is None
        ]

    def _order(self) -> str:
        both = self._both
        if len(both) < _LEAST:
            return f"Of an order nothing can be said: {len(both)} boundaries have both values."
        searched, error, again, own, _ = np.array(both).T
        rho = float(spearmanr(searched, again).statistic)
        rng = np.random.default_rng(_SEED)
        drawn = [
            spearmanr(rng.normal(searched, error), rng.normal(again, own)).statistic
            for _ in range(_DRAWS)
        ]
        low, high = np.quantile(drawn, [0.025, 0.975])
        return (
            f"Spearman's rho of the two orders of {len(both)} boundaries is {rho:.2f}; with values "
            f"drawn anew within their errors 95 % lie between {low:.2f} and {high:.2f}."
        )

    def _pairs(self) -> str:
        """Pairs that both tell apart: how many of them in the same order."""
        told = [
            (one.searched - two.searched) * (one.again - two.again) > 0
            for one, two in combinations(self._both, 2)
            if _told_apart(one, two)
        ]
        if not told:
            return (
                f"No pair of them differs by {SIGNIFICANT_SIGMA:g} joint standard errors in both."
            )
        return (
            f"Of {len(told)} pairs that differ by {SIGNIFICANT_SIGMA:g} joint standard errors in "
            f"both, {sum(told)} have the same order."
        )


def _told_apart(one: _Pair, two: _Pair) -> bool:
    """Whether two boundaries differ beyond their errors in both; the bulk is that of both."""
    joint = math.hypot(one.error, two.error)
    again = math.hypot(one.own, two.own, one.shared - two.shared)
    return (
        abs(one.searched - two.searched) > SIGNIFICANT_SIGMA * joint
        and abs(one.again - two.again) > SIGNIFICANT_SIGMA * again
    )


def compare_orders(searched: CampaignConfig, ranking: Reranking) -> Comparison:
    """Read what was run again, and hold it against the search.

    Args:
        searched: the campaign.
        ranking: what was run again.

    Raises:
        RunFolderError: a record is damaged.
    """
    objective = searched.search.objective
    places = []
    for contestant in ranking.contestants:
        done = tuple(ranking.evaluations(contestant))
        place = Place(contestant, done, None)
        if shown := place.finished:
            mean = mean_of(shown, objective, log=True)
            own, shared = apart(shown, objective, log=True)
            place = Place(contestant, done, mean, own.std_err, shared)
        places.append(place)
    better, why_not = None, ""
    if places[-1].contestant.believed is None:
        try:
            better = compared(places[0].finished, places[-1].finished, objective)
        except AnalysisError as error:
            why_not = error.message
    return Comparison(searched, ranking.config, tuple(places), better, why_not)
