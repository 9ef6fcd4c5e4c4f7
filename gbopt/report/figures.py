"""The figures of the report: pure functions from rows of ``series`` to plotly figures.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; the ones kept are
readable on light and on dark ground. The page's style sheet colours text and grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gbopt.model.evaluation import Evaluation
from gbopt.report.sections import label
from gbopt.report.series import Rows, shifted_A

BLUE, ORANGE, GREEN, PURPLE, SKY, RED = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
)
# The first four, the widths a campaign allows, stand out by 3:1 on white and on dark ground.
_COLOURS = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY)
GREY = "#8a8f98"
_SHADE = "rgba(138,143,152,0.18)"
_SYMBOL = {"100": "circle", "110": "diamond"}
# Of the other planes, over again where there are more.
_OTHER_SYMBOLS = ("square", "triangle-up", "cross", "star", "hexagon", "triangle-down")
_BOUND_MARK = {"lower": "≥", "upper": "≤"}


def convergence(rows: Rows, axis: str) -> Any:
    """Objective of every evaluation in order of completion.

    Args:
        rows: from ``series.convergence``.
        axis: name of the objective with its unit.
    """
    figure = go.Figure()
    done = [r for r in rows if r["log10_objective"] is not None]
    _shade_initial(figure, rows)
    figure.add_scatter(
        x=[r["completion"] for r in done],
        y=[r["lowest_so_far"] for r in done],
        mode="lines",
        line={"shape": "hv", "color": GREY, "width": 2},
        name="lowest value so far",
        hoverinfo="skip",
    )
    for status, colour, symbol in (
        ("ok", BLUE, "circle"),
        ("suspect", RED, "circle-open"),
        ("pruned", PURPLE, "triangle-up-open"),
    ):
        chosen = [r for r in done if r["status"] == status]
        if chosen:
            x = [r["completion"] for r in chosen]
            figure.add_trace(_points(chosen, x, status, colour, symbol))
    _mark_failures(figure, rows, done)
    figure.update_xaxes(title="evaluation, in order of completion", range=[0.4, len(rows) + 0.6])
    figure.update_yaxes(title=axis)
    return styled(figure)


def _shade_initial(figure: Any, rows: Rows) -> None:
    initial = [r["completion"] for r in rows if r["phase"] == "initial"]
    if initial:
        figure.add_vrect(
            x0=0.4,
            x1=max(initial) + 0.5,
            fillcolor=_SHADE,
            line_width=0,
            layer="below",
            annotation={"text": "initial design", "font_size": 12, "xshift": 4, "yshift": 2},
            annotation_position="bottom left",
        )


def _mark_failures(figure: Any, rows: Rows, done: Rows) -> None:
    failed = [r for r in rows if r["log10_objective"] is None]
    if not failed:
        return
    tops = [r["log10_objective"] + r["std_err"] for r in done]
    bottoms = [r["log10_objective"] - r["std_err"] for r in done]
    # Above everything that has a value, so that no failure passes for a good result.
    top = max(tops) + 0.1 * (max(tops) - min(bottoms)) if done else 0.0
    figure.add_scatter(
        x=[r["completion"] for r in failed],
        y=[top] * len(failed),
        mode="markers",
        marker={"symbol": "x", "size": 10, "color": PURPLE},
        name="failed (no value)",
        text=[f"trial {r['trial']}: {r['boundary']}<br>{r['status']}" for r in failed],
        hovertemplate="%{text}<extra></extra>",
    )


def misorientation(rows: Rows, axis: str) -> Any:
    """Objective against misorientation; symbols by mean plane, colours by width."""
    figure = go.Figure()
    widths = sorted({r["width_layers"] for r in rows})
    for index, width in enumerate(widths):
        for plane, symbol in _symbols(rows).items():
            chosen = [r for r in rows if (r["width_layers"], r["mean_plane"]) == (width, plane)]
            if chosen:
                colour = _COLOURS[index % len(_COLOURS)]
                x = [r["misorientation_deg"] for r in chosen]
                name = f"({plane}), {width} layers"
                figure.add_trace(_points(chosen, x, name, colour, symbol))
    figure.update_xaxes(title="misorientation / deg")
    figure.update_yaxes(title=axis)
    return styled(figure)


def composition(rows: Rows, key: str, title: str, axis: str) -> Any:
    """Objective against ``LER`` or ``OVC``, with both error bars."""
    figure = go.Figure()
    for index, (plane, symbol) in enumerate(_symbols(rows).items()):
        chosen = [r for r in rows if r["mean_plane"] == plane and r[key] is not None]
        if chosen:
            colour = _COLOURS[index % len(_COLOURS)]
            x = [r[key] for r in chosen]
            trace = _points(chosen, x, f"mean plane ({plane})", colour, symbol)
            trace.error_x = bar([r[f"{key}_err"] for r in chosen])
            figure.add_trace(trace)
    figure.update_xaxes(title=title)
    figure.update_yaxes(title=axis)
    return styled(figure)


def _symbols(rows: Rows) -> dict[str, str]:
    """Symbol of each mean plane."""
    others = sorted({r["mean_plane"] for r in rows} - set(_SYMBOL))
    return _SYMBOL | dict(zip(others, cycle(_OTHER_SYMBOLS), strict=False))


def _points(rows: Rows, x: Sequence[float], name: str, colour: str, symbol: str) -> Any:
    """Objectives with error bars; a bound carries its sign."""
    return go.Scatter(
        x=list(x),
        y=[r["log10_objective"] for r in rows],
        error_y=bar([r["std_err"] for r in rows]),
        mode="markers+text",
        text=[_BOUND_MARK.get(r["bound"], "") for r in rows],
        textposition="top right",
        textfont={"size": 16, "color": colour},
        marker={
            "symbol": symbol,
            "size": 10,
            "color": colour,
            "line": {"width": 1.5, "color": colour},
        },
        name=name,
        customdata=[f"trial {r['trial']}: {r['boundary']}" for r in rows],
        hovertemplate="%{customdata}<br>%{y:.3f} ± %{error_y.array:.3f}<extra></extra>",
    )


def bar(errors: Sequence[float]) -> dict[str, Any]:
    """Error bars of these lengths."""
    return {"type": "data", "array": list(errors), "thickness": 1.5, "width": 4}


def profiles(rows: Rows, evaluation: Evaluation) -> Any:
    """Densities and D_z along the normal; bands are one standard error."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    x = [r["distance_A"] for r in rows]
    for name, key, colour in (
        ("O", "O", RED),
        ("Li", "Li", GREEN),
        ("La+Zr", "LaZr", BLUE),
    ):
        _band(figure, 1, x, rows, (f"{key}_per_A3", f"{key}_err"), name, colour)
    _band(figure, 2, x, rows, ("D_z_cm2_s", "D_z_err"), "Li D_z", PURPLE)
    _mark_boundaries(figure, evaluation)
    figure.update_yaxes(title="ions per Å<sup>3</sup>", rangemode="tozero", row=1)
    figure.update_yaxes(title="D<sub>z</sub> / cm<sup>2</sup> s<sup>-1</sup>", row=2)
    figure.update_yaxes(exponentformat="power", rangemode="tozero", row=2)
    figure.update_xaxes(title="distance from boundary 1 / Å", row=2)
    return styled(figure, height=560)


def _band(
    figure: Any,
    row: int,
    x: list[float],
    rows: Rows,
    keys: tuple[str, str],
    name: str,
    colour: str,
    col: int = 1,
) -> None:
    y, error = ([r[key] for r in rows] for key in keys)
    upper = [a + b for a, b in zip(y, error, strict=True)]
    lower = [a - b for a, b in zip(y, error, strict=True)]
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    figure.add_scatter(
        x=x + x[::-1],
        y=upper + lower[::-1],
        mode="lines",
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},0.3)",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        row=row,
        col=col,
    )
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": colour, "width": 2}, name=name, row=row, col=col
    )


def _mark_boundaries(figure: Any, evaluation: Evaluation) -> None:
    half = evaluation.conditions.nominal_width_A / 2 if evaluation.conditions else 0.0
    for index, boundary in enumerate(evaluation.boundaries):
        plane = shifted_A(boundary.z_A, evaluation)
        figure.add_vrect(
            x0=plane - half, x1=plane + half, fillcolor=_SHADE, line_width=0, layer="below"
        )
        figure.add_vline(x=plane, line={"dash": "dash", "width": 1, "color": GREY})
        figure.add_annotation(
            x=plane, y=1, yref="paper", yanchor="bottom", showarrow=False, text=str(index + 1)
        )


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
    figure.update_xaxes(title="decades per standard deviation")
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
            _band(figure, row, x, own, ("log10_objective", "std_dev"), name, BLUE, col)
        dtick = 1 if isinstance(x[0], int) else None
        title = {"text": label(name), "font": {"size": 12}}  # side by side on a phone
        figure.update_xaxes(title=title, dtick=dtick, row=row, col=col)
        figure.update_yaxes(title=axis if col == 1 else None, row=row, col=col)
    return styled(figure, height=60 + 280 * lines).update_layout(showlegend=False)


def styled(figure: Any, height: int = 400) -> Any:
    """The same looks for all figures of the page."""
    clear = "rgba(0,0,0,0)"
    figure.update_layout(
        template="none",
        height=height,
        paper_bgcolor=clear,
        plot_bgcolor=clear,
        font={"size": 14, "family": "system-ui, sans-serif"},
        margin={"l": 64, "r": 40, "t": 24, "b": 48},
        legend={"orientation": "h", "y": 1.03, "yanchor": "bottom", "x": 0, "bgcolor": clear},
        showlegend=True,
        modebar={"bgcolor": clear, "color": GREY, "activecolor": BLUE, "orientation": "v"},
    )
    axis = {"zeroline": False, "gridcolor": _SHADE, "automargin": True, "title_standoff": 8}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure
