"""Campaigns side by side: what differs in their settings, and in what they found."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from scipy.stats import norm

from gbopt.campaign.view import CampaignView
from gbopt.config import CampaignConfig
from gbopt.model.observables import QUANTITIES, format_with_error
from gbopt.report.boundaries import recommended
from gbopt.report.tables import Rows
from gbopt.search.best import Recommendation

_LEVEL = 0.95
_TEXTS = ("name", "question", "schema_version")


def names(views: Sequence[CampaignView]) -> list[str]:
    """Name each campaign by its folder, by the whole path where two are called alike."""
    short = [view.path.resolve().name for view in views]
    return [
        str(view.path) if short.count(name) > 1 else name
        for view, name in zip(views, short, strict=True)
    ]


def campaign_rows(views: Sequence[CampaignView]) -> Rows:
    """One row for each campaign; ratios are to the first one's best, with 95 % intervals."""
    first = views[0]
    rows: Rows = []
    for name, view in zip(names(views), views, strict=True):
        best, group = view.recommendation, recommended(view)
        ratio = None if view is first else _ratio(first, view)
        failed = sum(not e.status.finished for e in view.evaluations)
        rows.append(
            {
                "campaign": name,
                "best boundary": group.label if group else None,
                "log10_objective": format_with_error(best.mean, best.std_dev) if best else None,
                "unit": QUANTITIES[view.config.search.objective].unit,
                "over the first": f"{ratio[0]:.3g}" if ratio else None,
                "95 % interval": f"{ratio[1]:.3g} to {ratio[2]:.3g}" if ratio else None,
                "evaluations": len(view.evaluations),
                "of": view.config.search.evaluations,
                "failed": failed,
                "state": _state(view),
            }
        )
    return rows


def _state(view: CampaignView) -> str:
    return "running" if view.is_running else "stopped" if view.stop_reason else "interrupted"


def _ratio(first: CampaignView, other: CampaignView) -> tuple[float, float, float] | None:
    """The objective of the best of one over that of another, and its interval."""
    one, two = first.recommendation, other.recommendation
    same = first.config.search.objective == other.config.search.objective
    return ratio(one, two) if one and two and same else None


def ratio(one: Recommendation, other: Recommendation) -> tuple[float, float, float]:
    """Return the expected objective of another point over that of one, and its 95 % interval.

    By the standard deviations of the two models; both points were chosen as the lowest.
    """
    log = other.mean - one.mean
    half = float(norm.ppf((1 + _LEVEL) / 2)) * math.hypot(one.std_dev, other.std_dev)
    return 10**log, 10 ** (log - half), 10 ** (log + half)


def setting_rows(views: Sequence[CampaignView]) -> Rows:
    """One row for each setting that is not the same in all."""
    flat = [_flat(view.config) for view in views]
    titles = names(views)
    return [
        {"setting": key, **dict(zip(titles, (_text(f.get(key)) for f in flat), strict=True))}
        for key in dict.fromkeys(key for f in flat for key in f)
        if len({_text(f.get(key)) for f in flat}) > 1
    ]


def _flat(config: CampaignConfig) -> dict[str, Any]:
    """Every setting by its place; a potential from a file by its content."""
    found: dict[str, Any] = {}
    for section, value in config.model_dump(mode="json").items():
        if isinstance(value, dict):
            found |= {f"{section}.{name}": v for name, v in value.items()}
        elif section not in _TEXTS:
            found[section] = value
    return found | {"md.potential": config.settings["md.potential"]}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def remarks(views: Sequence[CampaignView]) -> list[str]:
    """What to distrust about the comparison, a sentence each."""
    found = []
    if len({view.config.search.objective for view in views}) > 1:
        found.append("The objectives are different quantities: there is no ratio between those.")
    flat = [_flat(view.config) for view in views]
    found += [
        f"md.{name} differs: a ratio is of that and of the boundaries together."
        for name in ("temperature_K", "potential", "production_ps")
        if len({_text(f[f"md.{name}"]) for f in flat}) > 1
    ]
    if any(view.recommendation is None for view in views):
        found.append("A campaign without a best boundary has no ratio.")
    found.append(
        "Both sides of a ratio are the lowest of many; `gbopt confirm` runs a winner with fresh "
        "seeds."
    )
    return found
