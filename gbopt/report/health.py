"""The health card: what of a campaign may be trusted, and what is to be looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from gbopt.campaign.space import GBSpace
from gbopt.campaign.view import CampaignView
from gbopt.report.boundaries import boundaries, finished, recommended, scatter
from gbopt.report.search import Insights
from gbopt.report.tables import Rows

Level = Literal["fine", "look", "distrust", "unknown"]

# Share of evaluations that fail, or do not pass a check, from which on it is to be looked at.
_MANY = 0.2
# chi2 per degree of freedom of replicates: their error bars are too small by the root of it.
_SEEDS_LOOK, _SEEDS_DISTRUST = 2.0, 4.0
# Root mean square deviation of values left out, in standard deviations.
_HONEST, _DISHONEST = (0.6, 1.4), 2.0


class Item(NamedTuple):
    """One line of the card."""

    name: str
    level: Level
    found: str


def card(view: CampaignView, learnt: Insights) -> list[Item]:
    """Judge a campaign, most important first."""
    return [
        _best(view),
        _equilibrated(view),
        _seeds(view),
        _edges(view),
        _model(learnt),
        _failures(view),
    ]


def _best(view: CampaignView) -> Item:
    name, group = "Checks of the best boundary", recommended(view)
    if group is None:
        return Item(name, "unknown", "No boundary can be recommended yet.")
    failed, warned = group.flagged("fail"), group.flagged("warn")
    parts = [f"{', '.join(failed)} failed"] if failed else []
    parts += [f"{', '.join(warned)} gave warnings"] if warned else []
    level: Level = "distrust" if failed else "look" if warned else "fine"
    return Item(name, level, f"{'; '.join(parts) or 'All passed'}.")


def _equilibrated(view: CampaignView) -> Item:
    name = "Equilibrated"
    levels = [f.level for e in finished(view) for f in e.flags if f.name == "equilibrated"]
    if not levels:
        return Item(name, "unknown", "No finished evaluation was checked for a trend.")
    bad = len(levels) - levels.count("ok")
    found = f"The resistance shows a trend over the run in {bad} of {len(levels)} evaluations."
    return Item(name, "look" if bad > _MANY * len(levels) else "fine", found)


def _seeds(view: CampaignView) -> Item:
    name, spread = "Seeds agree", scatter(boundaries(view))
    if spread is None:
        return Item(name, "unknown", "No boundary has replicates with other seeds.")
    chi2, degrees = spread
    level: Level = "fine"
    if chi2 > _SEEDS_LOOK and degrees > 1:
        level = "distrust" if chi2 > _SEEDS_DISTRUST else "look"
    return Item(
        name,
        level,
        f"Replicates (same geometry, other seed) scatter with chi² per degree of freedom "
        f"{chi2:.2g} ({degrees} in all); well above 1 means that the quoted errors miss what "
        "differs between seeds.",
    )


def _edges(view: CampaignView) -> Item:
    name = "Best inside the space"
    if recommended(view) is None:
        return Item(name, "unknown", "No boundary can be recommended yet.")
    edges = list(on_edges(view))
    if not edges:
        return Item(name, "fine", "It is on no end of misorientation or width.")
    return Item(
        name,
        "look",
        f"The recommended boundary has the {' and the '.join(edges)} of the space: a better "
        "one may lie beyond it.",
    )


def on_edges(view: CampaignView) -> Iterator[str]:
    """On which ends of the space the recommended boundary lies."""
    best = recommended(view)
    if best is None:
        return
    spec, points = best.evaluations[0].spec, list(GBSpace(view.config).geometries)
    coordinates: dict[str, tuple[float, list[float]]] = {
        "misorientation": (
            round(abs(spec.misorientation_deg), 4),
            [boundary.misorientation_deg for boundary in points],
        ),
        "width": (spec.width_layers, [boundary.width_layers for boundary in points]),
    }
    for name, (value, values) in coordinates.items():
        for word, edge in (("least", min(values)), ("largest", max(values))):
            if value == edge and min(values) < max(values):
                yield f"{word} {name}"


def _model(learnt: Insights) -> Item:
    name, c = "Model honest", learnt.calibration
    if c is None:
        return Item(name, "unknown", "Too few different boundaries to say how well it predicts.")
    level: Level = "fine" if _HONEST[0] < c.rms_z < _HONEST[1] and c.skill > 0 else "look"
    if c.rms_z > _DISHONEST:
        level = "distrust"
    no_skill = "" if c.skill > 0 else " It predicts no better than the mean."
    return Item(
        name,
        level,
        f"Values left out lie {c.rms_z:.2f} of its standard deviations away (1 is honest), "
        f"{c.within_95:.0%} in its 95 % interval; skill {c.skill:.2f} (1 perfect, 0 none)."
        f"{no_skill}",
    )


def _failures(view: CampaignView) -> Item:
    name, total = "Evaluations succeed", len(view.evaluations)
    if not total:
        return Item(name, "unknown", "None has ended yet.")
    failed = sum(not e.status.finished for e in view.evaluations)
    level: Level = "look" if failed > _MANY * total else "fine"
    return Item(name, level, f"{failed} of {total} failed.")


def flag_rows(view: CampaignView) -> Rows:
    """How often each check came out how, with the message of the latest that did not pass."""
    flags = [f for e in view.evaluations for f in e.flags]
    rows: Rows = []
    for name in dict.fromkeys(f.name for f in flags):
        own = [f for f in flags if f.name == name]
        counts = {level: sum(f.level == level for f in own) for level in ("ok", "warn", "fail")}
        bad = [f.message for f in own if f.level != "ok"]
        rows.append({"check": name, **counts, "message": bad[-1] if bad else ""})
    return rows
