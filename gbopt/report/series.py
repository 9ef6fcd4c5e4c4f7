"""The numbers behind each figure, as rows of equal keys; the page offers them as CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbopt.campaign.view import CampaignView
from gbopt.model.evaluation import Evaluation
from gbopt.report.boundaries import finished, recommended
from gbopt.search.insight import course
from gbopt.store.rundir import RunFolder

Rows = list[dict[str, Any]]

OBSERVABLES = {"LER": "li_enrichment_ratio", "OVC": "o_vacancy_fraction"}
"""What is shown beside the objective, by its short name."""


def convergence(view: CampaignView) -> Rows:
    """Every evaluation in order of completion, with the lowest value so far.

    As in the search, a lower bound does not show that a boundary is low. ``expected_best`` is
    what the model believes now of the best boundary that had been evaluated by then.
    """
    rows: Rows = []
    lowest: float | None = None
    believed = {s.number: s for s in course(view.history, view.search, view.belief)}
    for o in view.history:
        if o.claims_low:
            lowest = o.y if lowest is None else min(lowest, o.y)
        evaluation, step = view.trial(o.number), believed.get(o.number)
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
                "expected_best": step.best if step and view.belief else None,
                "expected_best_sd": step.best_sd if step and view.belief else None,
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
    for short, name in OBSERVABLES.items():
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
    column = _columns(view, evaluation, "profiles")
    if not column:
        return []
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


def electric(view: CampaignView, evaluation: Evaluation) -> Rows:
    """Charge density along the normal, and the potential under a field where one was applied.

    From a quarter cell below boundary 1. The two have grids of their own: a row has one of them.
    """
    found: Rows = []
    for name, value, error in (
        ("charge", "charge_density_e_per_A3", "charge_density_err"),
        ("potential", "potential_per_field_A", "err_A"),
    ):
        column = _columns(view, evaluation, name)
        if column:
            z = np.array([shifted_A(z, evaluation) for z in column["z_A"]])
            y = column[value]
            if name == "potential":  # it falls by the cell length from one image to the next
                y = y + column["z_A"] - z - evaluation.boundaries[0].z_A
            rows = zip(z.tolist(), y.tolist(), column[error].tolist(), strict=True)
            found += [
                {
                    "what": value,
                    "distance_A": round(at, 3),
                    "value": float(f"{y:.5g}"),
                    "std_err": float(f"{e:.3g}"),
                }
                for at, y, e in sorted(rows)
            ]
    return found


def _columns(
    view: CampaignView, evaluation: Evaluation, name: str
) -> dict[str, NDArray[np.float64]]:
    """A table of a trial, by column; nothing where it is not there."""
    folder = RunFolder(view.path).trial_folder(evaluation.trial, evaluation.spec.key)
    # The name alone: a record that came by mail must not point elsewhere.
    file = folder / Path(evaluation.artifacts.get(name, f"{name}.csv")).name
    if evaluation.conditions is None or not file.exists():
        return {}
    with file.open(encoding="utf-8", newline="") as handle:
        records = list(csv.DictReader(handle))
    return {name: np.array([float(r[name]) for r in records]) for name in records[0]}


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
