"""Figures of what the search has learnt: its honesty, its slices, its interactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gbopt.report.figures import BLUE, GREY, RED, band, bar, styled, with_errors
from gbopt.report.sections import label
from gbopt.report.series import Rows
from gbopt.search.space import Params


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


def effects(rows: Rows) -> Any:
    """Standardised coefficients of the regression with their 95 % intervals.

    Args:
        rows: from ``influence.Findings``, those with a coefficient.
    """
    figure = go.Figure()
    for kind, colour, name in (("geometry", BLUE, "was set"), ("structure", RED, "came out")):
        chosen = [r for r in rows if r["kind"] == kind]
        if chosen:
            figure.add_scatter(
                x=[r["per_sd"] for r in chosen],
                y=[label(r["column"]) for r in chosen],
                error_x=bar([r["per_sd_high"] - r["per_sd"] for r in chosen]),
                mode="markers",
                marker={"size": 10, "color": colour},
                name=name,
                hovertemplate="%{y}: %{x:.3f} ± %{error_x.array:.3f}<extra></extra>",
            )
    figure.add_vline(x=0, line={"dash": "dash", "width": 1, "color": GREY})
    figure.update_xaxes(title="decades per std. dev.")
    figure.update_yaxes(autorange="reversed")
    return styled(figure, height=160 + 40 * len(rows))


def dependence(rows: Rows, axis: str) -> Any:
    """Partial dependence on each variable, all on one scale; bands are one standard deviation.

    Args:
        rows: from ``influence.Findings.dependence_rows``.
        axis: name of the objective with its unit.
    """
    names = list(dict.fromkeys(r["variable"] for r in rows))
    lines = (len(names) + 1) // 2
    figure = make_subplots(rows=lines, cols=2, shared_yaxes="all", vertical_spacing=0.3 / lines)
    for index, name in enumerate(names):
        row, col = index // 2 + 1, index % 2 + 1
        own = [r for r in rows if r["variable"] == name]
        x = [r["value"] for r in own]
        if isinstance(x[0], str):
            figure.add_scatter(
                x=[f"({plane})" for plane in x],
                y=[r["log10_objective"] for r in own],
                error_y=bar([r["std_dev"] for r in own]),
                mode="markers",
                marker={"size": 10, "color": BLUE},
                row=row,
                col=col,
            )
        else:
            curves = with_errors(own, "log10_objective", "std_dev")
            band(figure, (row, col), x, curves, "", BLUE)
        figure.update_xaxes(**_titled(name, x), row=row, col=col)
        figure.update_yaxes(title=axis if col == 1 else None, row=row, col=col)
    return styled(figure, height=60 + 280 * lines).update_layout(showlegend=False)


def planes(rows: Rows, evaluated: Sequence[Params]) -> Any:
    """What is believed of pairs of variables: mean on the left, standard deviation on the right.

    Args:
        rows: from ``search.plane_rows``.
        evaluated: where the evaluations were.
    """
    pairs = list(dict.fromkeys((r["one"], r["other"]) for r in rows))
    figure = make_subplots(
        rows=len(pairs), cols=2, horizontal_spacing=0.05, vertical_spacing=0.36 / len(pairs)
    )
    for line, (one, other) in enumerate(pairs, start=1):
        own = [r for r in rows if (r["one"], r["other"]) == (one, other)]
        x, y = ([_named(r[k]) for r in own] for k in ("value_of_one", "value_of_other"))
        for col, key in ((1, "log10_objective"), (2, "std_dev")):
            figure.add_heatmap(
                x=x,
                y=y,
                z=[r[key] for r in own],
                coloraxis="coloraxis" if col == 1 else "coloraxis2",
                hovertemplate="%{x}, %{y}: %{z:.3f}<extra></extra>",
                row=line,
                col=col,
            )
            figure.add_scatter(
                x=[_named(r[one]) for r in evaluated],
                y=[_named(r[other]) for r in evaluated],
                mode="markers",
                marker={"size": 5, "color": "white", "line": {"width": 1, "color": "black"}},
                hoverinfo="skip",
                row=line,
                col=col,
            )
            axis = _titled(one, x)
            figure.update_xaxes(**axis | ({"title": None} if col == 2 else {}), row=line, col=col)
        figure.update_yaxes(**_titled(other, y), row=line, col=1)
        figure.update_yaxes(showticklabels=False, row=line, col=2)
    figure.update_layout(
        # Few words: side by side on a phone.
        coloraxis=_scale("Cividis", "mean", 0.0),
        coloraxis2=_scale("Cividis_r", "std. dev.", 0.53),
    )
    return styled(figure, height=150 + 260 * len(pairs)).update_layout(
        showlegend=False, margin={"t": 90}
    )


def _titled(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """Title and ticks of an axis of a variable."""
    title = {"text": label(name), "font": {"size": 12}}  # side by side on a phone
    return {"title": title, "dtick": 1 if isinstance(values[0], int) else None}


def _scale(colours: str, title: str, left: float) -> dict[str, Any]:
    """A scale of colours above one half of the figure."""
    bar = {
        "orientation": "h",
        "x": left,
        "xanchor": "left",
        "len": 0.47,
        "thickness": 10,
        "y": 1.0,
        "yanchor": "bottom",
        "ypad": 10,
        "title": {"text": title, "side": "top", "font": {"size": 12}},
        "nticks": 4,
    }
    return {"colorscale": colours, "colorbar": bar}


def _named(value: Any) -> Any:
    """Choices as text that is not taken for a number."""
    return f"({value})" if isinstance(value, str) else value
