"""Figures of what the search has learnt: its honesty, its slices, its interactions."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from gbopt.report.figures import BLUE, GREY, bar, styled
from gbopt.report.sections import label
from gbopt.report.series import Rows


def calibration(rows: Rows, axis: str) -> Any:
    """Values against what was predicted of them without their boundaries.

    Args:
        rows: from ``search.calibration_rows``.
        axis: name of the objective with its unit.
    """
    figure = go.Figure()
    values = [r[key] for r in rows for key in ("log10_objective", "predicted")]
    ends = [min(values), max(values)]
    figure.add_scatter(
        x=ends, y=ends, mode="lines", line={"dash": "dash", "color": GREY}, name="as predicted"
    )
    figure.add_scatter(
        x=[r["predicted"] for r in rows],
        y=[r["log10_objective"] for r in rows],
        error_x=bar([r["std_dev"] for r in rows]),
        error_y=bar([r["std_err"] for r in rows]),
        mode="markers",
        marker={"size": 9, "color": BLUE},
        name="evaluation",
        customdata=[f"trial {r['trial']}" for r in rows],
        hovertemplate="%{customdata}<br>predicted %{x:.3f}, found %{y:.3f}<extra></extra>",
    )
    figure.update_xaxes(title="predicted without it")
    figure.update_yaxes(title=axis)
    return styled(figure)


def interactions(rows: Rows) -> Any:
    """Share of the joint effect of each pair of variables that is no sum of single effects.

    Args:
        rows: from ``search.interaction_rows``.
    """
    figure = go.Figure()
    figure.add_bar(
        x=[100 * r["share"] for r in rows],
        y=[f"{label(r['one'])}<br>× {label(r['other'])}" for r in rows],
        orientation="h",
        marker={"color": BLUE},
        hovertemplate="%{y}: %{x:.0f} %<extra></extra>",
    )
    figure.update_xaxes(title="% of the joint effect", nticks=5, rangemode="tozero")
    figure.update_yaxes(autorange="reversed")
    return styled(figure, height=140 + 48 * len(rows)).update_layout(showlegend=False)
