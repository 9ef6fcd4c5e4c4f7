"""What the search of a campaign has learnt, for the command line and the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from gbopt.campaign.view import CampaignView
from gbopt.errors import AnalysisError
from gbopt.report.tables import Rows
from gbopt.search.belief import LeadTrial
from gbopt.search.calibration import Calibration, LeftOut, judged, left_out
from gbopt.search.history import complete, own
from gbopt.search.insight import (
    Compromise,
    Interaction,
    Next,
    Plane,
    Slice,
    Step,
    compromises,
    course,
    interactions,
    planes,
    slices,
    what_next,
)
from gbopt.search.posterior import Posterior
from gbopt.search.space import Params, SearchSpace

_GOALS = {"li_enrichment_ratio": 1, "o_vacancy_fraction": -1}
"""Shown beside the objective: more Li in the boundary, and fewer broken Zr-O bonds."""
_SHOWN = 3
# Pairs of variables whose planes are shown.
_PAIRS = 4


@dataclass(frozen=True)
class Insights:
    """What the search of a campaign has learnt.

    Args:
        course: the evaluations in order of completion.
        upcoming: boundaries worth an evaluation.
        calibration: honesty of the model; None with too few evaluations.
        interactions: pairs of variables, the strongest first; empty with too few evaluations.
        leads: which observables were tried as inputs of the model.
        compromises: boundaries that none beats in the objective, Li enrichment and oxygen.
        since_improvement: evaluations since the last significant improvement.
        patience: with how many the search stops.
    """

    course: tuple[Step, ...]
    upcoming: tuple[Next, ...]
    calibration: Calibration | None
    interactions: tuple[Interaction, ...]
    leads: tuple[LeadTrial, ...]
    compromises: tuple[Compromise, ...]
    since_improvement: int
    patience: int
    unmeasured: tuple[str, ...]
    """Limits on observables that too few evaluations have: they cannot be kept yet."""

    left_out: tuple[LeftOut, ...] = ()
    """What ``calibration`` sums up."""
    slices: tuple[Slice, ...] = ()
    """What is believed along each variable, through the recommended boundary."""
    planes: tuple[Plane, ...] = ()
    """The same of pairs of variables, those that depend on each other most."""
    points: tuple[Params, ...] = ()
    """Where the complete evaluations were."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "course": [s._asdict() for s in self.course],
            "next": [n._asdict() for n in self.upcoming],
            "calibration": self.calibration._asdict() if self.calibration else None,
            "left_out": [x._asdict() for x in self.left_out],
            "slices": [x._asdict() for x in self.slices],
            "planes": [x._asdict() for x in self.planes],
            "interactions": [i._asdict() for i in self.interactions],
            "leads": [t._asdict() for t in self.leads],
            "compromises": [c._asdict() for c in self.compromises],
            "since_improvement": self.since_improvement,
            "patience": self.patience,
        }


def insights(view: CampaignView, count: int) -> Insights:
    """Ask the search what it has learnt.

    Args:
        view: the campaign.
        count: how many boundaries to propose next.
    """
    space, history, settings, belief = view.space, view.history, view.search, view.belief
    best = view.recommendation
    predicted: list[LeftOut] = []
    pairs: list[Interaction] = []
    try:
        predicted = left_out(space, history, settings, belief)
        pairs = interactions(space, history, settings, own_posterior(view))
    except AnalysisError:
        pass  # said by `model_notes`: a young campaign is no error
    return Insights(
        tuple(course(history, settings, belief)),
        upcoming(view, count),
        judged(predicted) if predicted else None,
        tuple(pairs),
        belief.trials if belief else (),
        tuple(compromises(space, history, _GOALS, belief)),
        view.since_improvement,
        settings.patience,
        tuple(sorted(set(settings.limits) - {limit.name for limit in belief.limits}))
        if belief
        else (),
        tuple(predicted),
        tuple(slices(space, belief, best.params)) if belief and best else (),
        tuple(planes(space, belief, best.params, _pairs(space, pairs))) if belief and best else (),
        tuple(o.params for o in own(complete(history))),
    )


def own_posterior(view: CampaignView) -> Posterior | None:
    """The surrogate of the campaign's own evaluations and of geometry alone, if it is at hand."""
    settings = view.search
    if view.belief is None or view.told or settings.leads or settings.surrogate != "gp":
        return None
    return view.belief.posterior


def _pairs(space: SearchSpace, strongest: Sequence[Interaction]) -> list[tuple[str, str]]:
    """The pairs of variables that depend on each other most, as far as that is known."""
    known = [(i.one, i.other) for i in strongest]
    return (known or list(combinations([d.name for d in space.free], 2)))[:_PAIRS]


def upcoming(view: CampaignView, count: int) -> tuple[Next, ...]:
    """Return the boundaries worth an evaluation, the most first; none before there is a model."""
    if view.belief is None:
        return ()
    seed = view.config.seed
    found = what_next(
        view.space, view.history, view.search, seed=seed, count=count, belief=view.belief
    )
    return tuple(found)


def next_rows(boundaries: Sequence[Next]) -> Rows:
    """One row for each boundary worth an evaluation."""
    return [
        {
            **n.params,
            "replicate": n.replicate,
            "predicted": round(n.predicted, 3),
            "+-": round(n.predicted_sd, 3),
            "expected gain": float(f"{n.expected_gain:.2g}"),
            "chance": round(n.chance, 2),
            "ions": None if n.cost is None else round(n.cost),
        }
        for n in boundaries
    ]


def calibration_rows(found: Insights) -> Rows:
    """One row for each value that was predicted without its boundary."""
    return [
        {
            "trial": x.number,
            "log10_objective": x.value,
            "std_err": x.std_err,
            "predicted": x.predicted,
            "std_dev": x.std_dev,
        }
        for x in found.left_out
    ]


def slice_rows(found: Insights) -> Rows:
    """One row for each point of each slice."""
    return [
        {"variable": x.name, "value": value, "log10_objective": mean, "std_dev": sd}
        for x in found.slices
        for value, mean, sd in zip(x.values, x.mean, x.std_dev, strict=True)
    ]


def plane_rows(found: Insights) -> Rows:
    """One row for each point of each plane."""
    return [
        {
            "one": p.one,
            "other": p.other,
            "value_of_one": _short(x),
            "value_of_other": _short(y),
            "log10_objective": round(p.mean[j][i], 4),
            "std_dev": round(p.std_dev[j][i], 4),
        }
        for p in found.planes
        for j, y in enumerate(p.others)
        for i, x in enumerate(p.ones)
    ]


def _short(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value


def interaction_rows(found: Insights) -> Rows:
    """One row for each pair of variables."""
    return [{"one": i.one, "other": i.other, "share": i.share} for i in found.interactions]


def model_notes(found: Insights) -> list[str]:
    """Sentences on how far the model is to be trusted, and on what it takes into account."""
    notes = [
        f"Evaluations since the last significant improvement: {found.since_improvement}; the "
        f"search stops at {found.patience}."
    ]
    c = found.calibration
    if c is None:
        notes.append("Too few different boundaries to say how well the model predicts.")
    else:
        notes.append(
            f"Model: {c.values} values predicted without their boundaries; skill {c.skill:.2f} "
            f"(1 perfect, 0 none), rms deviation {c.rms_z:.2f} standard deviations (1 honest), "
            f"{c.within_68:.0%} within the 68 % and {c.within_95:.0%} within the 95 % interval."
        )
        if c.skill <= 0:
            notes.append("It predicts no better than the mean: take no effect from it.")
        notes += [
            f"Interaction of {i.one} and {i.other}: {i.share:.0%} of their joint effect."
            for i in found.interactions[:_SHOWN]
        ]
    notes += [
        f"{t.name} {'is' if t.kept else 'is not'} an input of the model: log density of values "
        f"left out {t.gain:+.3f} +- {t.std_err:.3f}."
        for t in found.leads
    ]
    notes += [
        f"{name} has limits, but too few evaluations measured it: they are not kept yet."
        for name in found.unmeasured
    ]
    if len(found.compromises) > 1:
        notes.append(
            f"{len(found.compromises)} boundaries are beaten by none in resistance, Li enrichment "
            "and oxygen all together (`gbopt insight --format json` lists them)."
        )
    return notes
