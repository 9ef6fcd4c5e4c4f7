"""The numbers behind each figure, as rows of equal keys; the page offers them as CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from gbopt.campaign.view import CampaignView
from gbopt.model.evaluation import Evaluation
from gbopt.report.boundaries import finished, recommended
from gbopt.store.rundir import RunFolder

Rows = list[dict[str, Any]]


def convergence(view: CampaignView) -> Rows:
    """Every evaluation in order of completion, with the lowest value so far.

    As in the search, a lower bound does not show that a boundary is low.
    """
    rows: Rows = []
    lowest: float | None = None
    for o in view.history:
        if o.claims_low:
            lowest = o.y if lowest is None else min(lowest, o.y)
        evaluation = view.trial(o.number)
        rows.append(
            {
                "completion": len(rows) + 1,
                "trial": o.number,
                "boundary": evaluation.spec.label if evaluation else "",
                "phase": "initial" if o.number < view.config.search.initial else "search",
                "status": evaluation.status.value if evaluation else "",
                "log10_objective": o.value,
                "std_err": o.std_err,
                "bound": o.bound,
                "lowest_so_far": lowest,
            }
        )
    return rows


def landscape(view: CampaignView) -> Rows:
    """Geometry, objective, Li enrichment and O vacancies of every finished evaluation."""
    return [_landscape_row(evaluation) for evaluation in finished(view)]


def _landscape_row(evaluation: Evaluation) -> dict[str, Any]:
    spec, objective = evaluation.spec, evaluation.objective
    row: dict[str, Any] = {
        "trial": evaluation.trial,
        "boundary": spec.label,
        "status": evaluation.status.value,
        "misorientation_deg": abs(spec.misorientation_deg),
        "mean_plane": spec.mean_plane,
        "width_layers": spec.width_layers,
        "log10_objective": objective.value if objective else None,
        "std_err": objective.std_err if objective else None,
        "bound": objective.bound if objective else None,
    }
    for short, name in (("LER", "li_enrichment_ratio"), ("OVC", "o_vacancy_fraction")):
        estimate = evaluation.observables.get(name)
        row[short] = estimate.value if estimate else None
        row[f"{short}_err"] = estimate.std_err if estimate else None
    return row


def profiled(view: CampaignView) -> Evaluation | None:
    """Return the trial of the best boundary whose profiles are shown: the one best known."""
    best = recommended(view)
    having = [e for e in best.evaluations if "profiles" in e.artifacts] if best else []
    return min(having, key=lambda e: e.objective.std_err if e.objective else 0, default=None)


def profiles(view: CampaignView, evaluation: Evaluation) -> Rows:
    """Densities and D_z along the normal, from a quarter cell below boundary 1.

    Both boundaries then lie inside the figure, and none at its edge.
    """
    folder = RunFolder(view.path).trial_folder(evaluation.trial, evaluation.spec.key)
    # The name alone: a record that came by mail must not point elsewhere.
    file = folder / Path(evaluation.artifacts["profiles"]).name
    conditions = evaluation.conditions
    if conditions is None or not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as handle:
        records = list(csv.DictReader(handle))
    column = {name: np.array([float(r[name]) for r in records]) for name in records[0]}
    shifted = np.array([shifted_A(z, evaluation) for z in column["z_A"]])
    columns = {
        "distance_A": shifted,
        "z_A": column["z_A"],
        "Li_per_A3": column["n_Li_per_A3"],
        "Li_err": column["n_Li_err"],
        "O_per_A3": column["n_O_per_A3"],
        "O_err": column["n_O_err"],
        "LaZr_per_A3": column["n_La_per_A3"] + column["n_Zr_per_A3"],
        "LaZr_err": np.hypot(column["n_La_err"], column["n_Zr_err"]),
        "D_z_cm2_s": column["D_z_cm2_s"],
        "D_z_err": column["D_z_err"],
    }
    return [
        {name: float(f"{values[i]:.6g}") for name, values in columns.items()}
        for i in np.argsort(shifted)
    ]


def shifted_A(z_A: float, evaluation: Evaluation) -> float:
    """Distance from boundary 1 along the periodic normal, from -1/4 to 3/4 of the cell."""
    length = evaluation.conditions.length_A if evaluation.conditions else 0.0
    return (z_A - evaluation.boundaries[0].z_A + length / 4) % length - length / 4


def csv_text(rows: Rows) -> str:
    """Write rows as CSV with a header line."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
