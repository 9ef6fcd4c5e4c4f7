"""The verdict: what a campaign has found, in a few plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gbopt.campaign.view import CampaignView
from gbopt.model.observables import QUANTITIES, format_with_error
from gbopt.potentials.library import get_potential
from gbopt.report.boundaries import (
    SIGNIFICANT_SIGMA,
    Boundary,
    boundaries,
    finished,
    recommended,
)
from gbopt.search.best import Recommendation


def verdict(view: CampaignView) -> str:
    """Say which boundary resists Li least, by how much, and what there is to distrust."""
    if not finished(view):
        return _nothing(view)
    best, group = view.recommendation, recommended(view)
    if best is None or group is None:
        return (
            f"No boundary can be named: all {len(finished(view))} finished evaluations give "
            "only lower bounds of the objective."
        )
    others = [b for b in boundaries(view) if b != group]
    sentences = [
        _finding(view, best, group),
        *_comparison(best, others),
        *_by_resistance(view, group),
        *_trust(group),
    ]
    return " ".join(sentences)


def headline(view: CampaignView) -> str:
    """The same in one sentence: what was found, how surely, and against what."""
    best, group = view.recommendation, recommended(view)
    if best is None or group is None:
        return verdict(view)
    quantity = QUANTITIES[view.config.search.objective]
    low, middle, high = (10 ** (best.mean + k * best.std_dev) for k in (-1, 0, 1))
    so_far = "" if view.stop_reason else " so far"
    return (
        f"{group.label} resists Li least{so_far}: {quantity.label} {middle:.3g} {quantity.unit} "
        f"({low:.3g} to {high:.3g}, one standard error) at {view.config.md.temperature_K:g} K, "
        f"{_against(view, best, group)}."
    )


def _against(view: CampaignView, best: Recommendation, group: Boundary) -> str:
    """What the best is compared with: the reference of a confirmation, the others, the crystal."""
    found = (view.confirmation or {}).get("improvement")
    # The search may have gone on since, to another boundary than the one that was confirmed.
    if found and found.get("best") == group.evaluations[0].spec.geometry_key:
        if found["bound"]:
            how = f"at least {found['factor']:.3g} times"
            sure = f"above {found['low']:.3g} with a confidence of 97.5 %"
        else:
            how = f"{found['factor']:.3g} times"
            sure = f"{found['low']:.3g} to {found['high']:.3g}, 95 % interval"
        return f"the reference {found['reference']} has {how} its resistance ({sure}, fresh seeds)"
    others = [b for b in boundaries(view) if b != group]
    if others:
        alike = sum(not _worse(best, b) for b in others)
        rest = _count(len(others), "other boundary", "other boundaries")
        median = sorted(others, key=lambda b: b.objective.value)[(len(others) - 1) // 2]
        if _worse(best, median):
            told = f", and not distinguishable from {alike} of them" if alike else ""
            return f"{_factor(best, median)} below the median of the {rest}{told}"
        return f"not distinguishable from {alike} of the {rest}"
    factor = group.mean("blocking_factor")
    return f"{factor} times that of bulk crystal" if factor else "with nothing to compare it with"


def _nothing(view: CampaignView) -> str:
    failed = len(view.evaluations)
    if failed:
        return f"No evaluation has finished with numbers yet: all {failed} so far failed."
    return "No evaluation has finished yet."


def _finding(view: CampaignView, best: Recommendation, group: Boundary) -> str:
    quantity = QUANTITIES[view.config.search.objective]
    low, middle, high = (10 ** (best.mean + k * best.std_dev) for k in (-1, 0, 1))
    so_far = "" if view.stop_reason else " so far"
    return (
        f"Of {_count(len(boundaries(view)), 'boundary', 'boundaries')} in "
        f"{_count(len(finished(view)), 'finished evaluation', 'finished evaluations')}, "
        f"{group.label} resists Li least{so_far}: its expected {quantity.label} is "
        f"{middle:.3g} {quantity.unit} ({low:.3g} to {high:.3g} within one standard error) "
        f"at {view.config.md.temperature_K:g} K with "
        f"{get_potential(view.config.md.potential).name}"
        f"{_over_bulk(view, group)}."
    )


def _over_bulk(view: CampaignView, group: Boundary) -> str:
    factor = group.mean("blocking_factor")
    if factor is None or view.bulk is None:
        return ""
    bulk = view.bulk.transport.resistivity_ohm_cm
    return f"; measured, it has {factor} times the resistivity of the bulk crystal ({bulk})"


def _comparison(best: Recommendation, others: list[Boundary]) -> Iterator[str]:
    """Compare with the median and the worst, then count those not shown to be worse."""
    if not others:
        return
    alike = [b for b in others if not _worse(best, b)]
    by_value = sorted(others, key=lambda b: b.objective.value)
    ranked = {"median": by_value[(len(others) - 1) // 2], "worst": by_value[-1]}
    if len(others) < 3:
        del ranked["median"]
    factors = [
        f"{_factor(best, b)} below the {name} of the others ({b.label})"
        for name, b in ranked.items()
        if b not in alike
    ]
    if factors:
        yield f"That is {' and '.join(factors)}."
    if alike:
        yield (
            f"It is not distinguishable from {len(alike)} of the "
            f"{_count(len(others), 'other boundary', 'other boundaries')} within "
            "two joint standard errors."
        )


def _by_resistance(view: CampaignView, group: Boundary) -> Iterator[str]:
    """Say whether the width that a resistivity is given over made the choice."""
    name = "area_specific_resistance"
    if view.config.search.objective == name:
        return
    known = [(asr.value, b, asr) for b in boundaries(view) if (asr := b.mean(name)) is not None]
    if len(known) > 1:
        _, lowest, asr = min(known, key=lambda entry: entry[0])
        same = lowest == group
        yield (
            f"By area-specific resistance, which depends on no width, "
            f"{'it' if same else lowest.label} is {'also ' if same else ''}lowest ({asr})."
        )


def _worse(best: Recommendation, other: Boundary) -> bool:
    objective = other.objective
    joint = math.hypot(best.std_dev, objective.std_err)
    # Of an upper bound the true value may be anything lower.
    above = objective.value - best.mean > SIGNIFICANT_SIGMA * joint
    return above and objective.bound != "upper"


def _factor(best: Recommendation, other: Boundary) -> str:
    objective = other.objective
    factor = 10 ** (objective.value - best.mean)
    error = factor * math.log(10) * math.hypot(best.std_dev, objective.std_err)
    least = "at least " if objective.bound == "lower" else ""
    return f"{least}a factor of {format_with_error(factor, error)}"


def _trust(group: Boundary) -> Iterator[str]:
    """Name the checks that failed or warned in the trials of the best boundary."""
    failed, warned = group.flagged("fail"), group.flagged("warn")
    if group.objective.bound:
        yield f"The value is only {_BOUND[group.objective.bound]} of the true one."
    if failed:
        yield f"Do not trust this result: its trials failed {', '.join(failed)}."
    if warned:
        yield f"{'Also' if failed else 'Take it with care'}: {', '.join(warned)} gave warnings."


_BOUND = {"lower": "a lower bound", "upper": "an upper bound"}


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
