"""What gbopt puts into optuna-dashboard: notes on study and trials, pictures, our own figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gbopt.campaign.view import CampaignView
from gbopt.model.evaluation import Evaluation
from gbopt.model.observables import QUANTITIES
from gbopt.report import figures, insight_figures, search, series, tables
from gbopt.report.sections import label
from gbopt.report.thumbnail import draw_thumbnail
from gbopt.report.verdict import verdict
from gbopt.store.board import PICTURES, Board
from gbopt.store.rundir import RunFolder

_SHOWN = (
    "gb_resistivity",
    "area_specific_resistance",
    "blocking_factor",
    "li_enrichment_ratio",
    "o_vacancy_fraction",
    "gb_energy",
)
_NEXT = 5
_HEIGHT = 430
"""What the dashboard leaves a figure, pixels."""


def board_of(view: CampaignView) -> Board:
    """What the dashboard is to show of a campaign; pictures that are missing are drawn.

    Raises:
        OSError: a picture cannot be written.
    """
    return Board(
        note=_study_note(view),
        trials={e.trial: _trial_note(e) for e in view.evaluations},
        pictures=dict(_pictures(view)),
        figures=_figures(view),
    )


def _study_note(view: CampaignView) -> str:
    lines = [
        f"# {view.config.name}",
        view.config.question,
        f"**{verdict(view)}**",
        f"State: {tables.state(view)}.",
        "Values are log10 of the objective; smaller is better. `gbopt report` writes the whole "
        "account.",
    ]
    return "\n\n".join(lines)


def _trial_note(evaluation: Evaluation) -> str:
    """The figures of a trial with their errors, what to distrust in it, or why it failed."""
    lines = [f"**{evaluation.spec.label}**: {evaluation.status.value}", ""]
    known = ((QUANTITIES[name].label, evaluation.observables.get(name)) for name in _SHOWN)
    lines += [f"- {shown}: {estimate}" for shown, estimate in known if estimate is not None]
    lines += [f"- {f.name} ({f.level}): {f.message}" for f in evaluation.flags if f.level != "ok"]
    if (failure := evaluation.failure) is not None:
        lines.append(f"- failed in {failure.stage}: {failure.cause}")
        lines += [f"- hint: {failure.hint}"] if failure.hint else []
    return "\n".join(lines)


def _pictures(view: CampaignView) -> Iterator[tuple[int, Path]]:
    """A picture of every trial that was built; kept, for a structure does not change."""
    folder = RunFolder(view.path)
    for evaluation in view.evaluations:
        name = evaluation.artifacts.get("start")
        if name is None:
            continue
        trial = folder.trial_folder(evaluation.trial, evaluation.spec.key)
        # The name alone: a record that came by mail must not point elsewhere.
        structure = trial / Path(name).name
        target = view.path / PICTURES / trial.name  # the id of an artifact, which has no ending
        if not target.exists() and structure.exists():
            draw_thumbnail(structure, target)
        if target.exists():
            yield evaluation.trial, target


def _figures(view: CampaignView) -> dict[str, Any]:
    """Those of the report that Optuna's own cannot show: with error bars, bounds and the model."""
    rows = series.landscape(view)
    if not rows:
        return {}
    quantity = QUANTITIES[view.config.search.objective]
    axis = f"log<sub>10</sub>({quantity.label} / {quantity.unit})"
    found = {
        "convergence": figures.convergence(series.convergence(view), axis),
        "geometry": figures.misorientation(rows, axis),
        **_learnt(view, axis),
    }
    for name, figure in found.items():
        title = {
            "text": label(name).replace("-", " "),
            "x": 0.01,
            "y": 0.98,
            "yref": "container",
            "yanchor": "top",
        }
        figure.update_layout(title=title, margin={"t": 120}, height=_HEIGHT)
    return found


def _learnt(view: CampaignView, axis: str) -> dict[str, Any]:
    """What the model believes along each variable, how honest it is, which effects are joint."""
    learnt = search.insights(view, _NEXT)
    along: dict[str, series.Rows] = {}
    for row in search.slice_rows(learnt):
        along.setdefault(row["variable"], []).append(row)
    found = {f"along-{k}": insight_figures.dependence(r, axis) for k, r in along.items()}
    if rows := search.calibration_rows(learnt):
        found["calibration"] = insight_figures.calibration(rows, axis)
    if rows := search.interaction_rows(learnt):
        found["interactions"] = insight_figures.interactions(rows)
    return found
