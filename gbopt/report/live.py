"""A campaign while it runs: how far each evaluation is, how fast, and when all will be done."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gbopt.campaign.view import CampaignView
from gbopt.config import CampaignConfig
from gbopt.md.protocol import Stage, boundary_stages
from gbopt.model.evaluation import Evaluation
from gbopt.model.observables import Estimate


@dataclass(frozen=True, slots=True)
class Running:
    """An evaluation in progress.

    Args:
        trial: its number.
        label: short name of its boundary.
        stage: what runs now.
        stage_share: part of the stage that is done, 0-1.
        share: part of all MD steps that is done, 0-1; minimisation is not counted.
        steps_per_s: speed in this stage; None before it is known.
        left_s: time to the full length at that speed, s; less where production ends early.
        estimate: log10 of the objective so far; None before it has an error bar.
    """

    trial: int
    label: str
    stage: str
    stage_share: float
    share: float
    steps_per_s: float | None
    left_s: float | None
    estimate: Estimate | None

    @property
    def text(self) -> str:
        """The same in words, what is not known left out."""
        parts = [f"{self.label}: {self.stage} {100 * self.stage_share:.0f} %"]
        if self.steps_per_s is not None:
            parts.append(f"{self.steps_per_s:.3g} steps/s")
        if self.left_s is not None:
            parts.append(f"{duration(self.left_s)} left at most")
        if self.estimate is not None:
            parts.append(f"log10 so far {self.estimate.model_copy(update={'unit': ''})}")
        return ", ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "trial": self.trial,
            "boundary": self.label,
            "stage": self.stage,
            "stage_share": round(self.stage_share, 4),
            "share": round(self.share, 4),
            "steps_per_s": self.steps_per_s,
            "left_s": None if self.left_s is None else round(self.left_s),
            "log10_objective": self.estimate.value if self.estimate else None,
            "std_err": self.estimate.std_err if self.estimate else None,
        }


def running(config: CampaignConfig, reports: Sequence[dict[str, Any]]) -> list[Running]:
    """Say how far each evaluation is.

    Args:
        config: the campaign.
        reports: as of ``CampaignView.running``.
    """
    searched = config.in_search()
    stages = boundary_stages(searched.md, 0, searched.field)
    return [_running(report, stages) for report in reports]


def _running(report: dict[str, Any], stages: Sequence[Stage]) -> Running:
    stage, step, steps = report["stage"], report["step"], max(1, report["steps"])
    speed = report.get("steps_per_s")
    names = [s.name for s in stages]
    dynamics = [s.steps if s.kind != "minimise" else 0 for s in stages]
    here = names.index(stage) if stage in names else None
    share, left_s = 0.0, None
    if here is not None and dynamics[here]:
        done = sum(dynamics[:here]) + dynamics[here] * step / steps
        share = done / sum(dynamics)
        left_s = (sum(dynamics) - done) / speed if speed else None
    return Running(
        trial=report["trial"],
        label=report["label"],
        stage=stage,
        stage_share=step / steps,
        share=share,
        steps_per_s=speed,
        left_s=left_s,
        estimate=_estimate(report.get("estimate")),
    )


def _estimate(lines: Any) -> Estimate | None:
    try:
        return Estimate.model_validate(lines[-1]) if lines else None
    except ValueError:  # written by another version: the rest of the report is as good
        return None


def left_of_all_s(view: CampaignView, now: Sequence[Running]) -> float | None:
    """Time to the whole budget of evaluations, s, at the pace of those that finished.

    None before one has finished. Patience may stop the campaign earlier.
    """
    took = [seconds(e) for e in view.evaluations if e.status.finished]
    if not took:
        return None
    each_s = statistics.fmean(took)
    to_start = max(0, view.config.search.evaluations - len(view.evaluations) - len(now))
    in_progress = sum(each_s * (1 - r.share) if r.left_s is None else r.left_s for r in now)
    return (in_progress + to_start * each_s) / max(1, min(view.config.run.workers, to_start or 1))


def seconds(evaluation: Evaluation) -> float:
    """How long an evaluation took, s."""
    start, end = evaluation.provenance.started_utc, evaluation.provenance.finished_utc
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def duration(time_s: float) -> str:
    """Write a time for reading: ``40 s``, ``14 min``, ``3.2 h``, ``2.1 d``."""
    if time_s < 100:
        return f"{time_s:.0f} s"
    for unit, length_s, limit in (("min", 60, 100), ("h", 3600, 48)):
        if time_s / length_s < limit:
            return f"{time_s / length_s:.2g} {unit}"
    return f"{time_s / 86400:.2g} d"
