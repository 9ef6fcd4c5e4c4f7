"""The figures of the report: pure functions from rows of ``series`` to plotly figures.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; the ones kept are
readable on light and on dark ground. The page's style sheet colours text and grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gbopt.model.evaluation import Evaluation
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
# Every one of so few evaluations has its number on the axis.
_FEW = 15
# More points than this are drawn smaller: they would hide each other.
_MANY = 80
# Of the other planes.
_OTHER_SYMBOLS = ("square", "triangle-up", "cross", "star", "hexagon", "triangle-down")
BOUND_MARK = {"lower": "≥", "upper": "≤"}


def convergence(rows: Rows, axis: str) -> Any:
    """Objective of every evaluation in order of completion.

    Args:
        rows: from ``series.convergence``.
        axis: name of the objective with its unit.
    """
    figure = make_subplots(rows=1, cols=1)
    done = [r for r in rows if r["log10_objective"] is not None]
    _shade_initial(figure, rows)
    for status, colour, symbol in (
        ("ok", BLUE, "circle"),
        ("suspect", RED, "circle-open"),
        ("pruned", PURPLE, "triangle-up-open"),
    ):
        chosen = [r for r in done if r["status"] == status]
        if chosen:
            x = [r["completion"] for r in chosen]
            figure.add_trace(_points(chosen, x, status, colour, symbol, among=len(rows)))
    _draw_best(figure, done)  # above the points, which are many
    _mark_failures(figure, rows, done)
    figure.update_xaxes(
        title="evaluation by completion",
        range=[0.4, len(rows) + 0.6],
        dtick=1 if len(rows) <= _FEW else None,
    )
    figure.update_yaxes(title=axis)
    return styled(figure, height=480)  # on a phone the legend takes a third of it


def _draw_best(figure: Any, done: Rows) -> None:
    known = [r for r in done if r["expected_best"] is not None]
    figure.add_scatter(
        x=[r["completion"] for r in done],
        y=[r["lowest_so_far"] for r in done],
        mode="lines",
        line={"shape": "hv", "color": GREY, "width": 1.5, "dash": "dot"},
        name="lowest value so far",
        hoverinfo="skip",
    )
    if known:
        x = [r["completion"] for r in known]
        curves = with_errors(known, "expected_best", "expected_best_sd")
        band(figure, (1, 1), x, curves, "best so far, as believed now", GREEN)


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
    symbols = _symbols(rows)
    for index, width in enumerate(sorted({r["width_layers"] for r in rows})):
        own = [r for r in rows if r["width_layers"] == width]
        colour = _COLOURS[index % len(_COLOURS)]
        x = [r["misorientation_deg"] for r in own]
        trace = _points(own, x, f"{width} layers", colour, "circle", among=len(rows))
        trace.marker.symbol = [symbols[r["mean_plane"]] for r in own]
        trace.update(legendgroup=trace.name, showlegend=False)
        figure.add_trace(trace)
        _explain(figure, trace.name, {"symbol": "line-ew", "line": {"width": 8, "color": colour}})
    _explain_planes(figure, rows, symbols)
    figure.update_xaxes(title="misorientation / deg")
    figure.update_yaxes(title=axis)
    return styled(figure)


def spread_out(rows: Rows, key: str, axis: str) -> Any:
    """Objective against a variable of few values, points of one value beside each other.

    Args:
        rows: from ``series.landscape``.
        key: ``width_layers`` or ``mean_plane``.
        axis: name of the objective with its unit.
    """
    figure = go.Figure()
    values = sorted({r[key] for r in rows})
    for index, value in enumerate(values):
        own = sorted((r for r in rows if r[key] == value), key=lambda r: r["misorientation_deg"])
        # From small angles on the left to large ones on the right.
        x = [index + 0.7 * ((i + 0.5) / len(own) - 0.5) for i in range(len(own))]
        figure.add_trace(_points(own, x, str(value), BLUE, "circle", among=len(rows)))
    texts = [f"({v})" if key == "mean_plane" else str(v) for v in values]
    figure.update_xaxes(
        tickvals=list(range(len(values))),
        ticktext=texts,
        title={"mean_plane": "mean plane", "width_layers": "width / layers"}[key],
        range=[-0.5, len(values) - 0.5],
    )
    figure.update_yaxes(title=axis)
    return styled(figure).update_layout(showlegend=False)


def composition(rows: Rows, key: str, title: str, axis: str, line: Rows) -> Any:
    """Objective against ``LER`` or ``OVC``, with both error bars and a regression on it alone.

    Args:
        rows: from ``series.landscape``.
        key: the column.
        title: its name.
        axis: name of the objective with its unit.
        line: from ``trends.trend``: points of the regression line, or none.
    """
    figure = make_subplots(rows=1, cols=1)
    symbols = _symbols(rows)
    own = [r for r in rows if r[key] is not None]
    trace = _points(own, [r[key] for r in own], "evaluation", BLUE, "circle", among=len(own))
    trace.error_x = bar([r[f"{key}_err"] for r in own])
    trace.showlegend = False  # it would show the symbol of the first
    trace.marker.symbol = [symbols[r["mean_plane"]] for r in own]
    figure.add_trace(trace)
    if line:
        curves = [[r[k] for r in line] for k in ("log10_objective", "low", "high")]
        band(figure, (1, 1), [r[key] for r in line], curves, "regression on it alone", RED)
    _explain_planes(figure, rows, symbols)
    figure.update_xaxes(title=title)
    figure.update_yaxes(title=axis)
    return styled(figure)


def _symbols(rows: Rows) -> dict[str, str]:
    """Symbol of each mean plane."""
    others = sorted({r["mean_plane"] for r in rows} - set(_SYMBOL))
    if len(others) > len(_OTHER_SYMBOLS):  # more than can be told apart: none is
        return dict.fromkeys((*_SYMBOL, *others), "circle")
    return _SYMBOL | dict(zip(others, _OTHER_SYMBOLS, strict=False))


def _explain_planes(figure: Any, rows: Rows, symbols: dict[str, str]) -> None:
    """Name the symbols of the planes in the legend, if they differ."""
    planes = sorted({r["mean_plane"] for r in rows})
    if len({symbols[plane] for plane in planes}) > 1:
        for plane in planes:
            _explain(figure, f"({plane})", {"symbol": symbols[plane], "color": GREY})


def _explain(figure: Any, name: str, marker: dict[str, Any]) -> None:
    """Have the legend name a colour or a symbol of points that stand in no legend themselves."""
    figure.add_scatter(
        x=[None],
        y=[None],
        mode="markers",
        marker={"size": 10, **marker},
        name=name,
        legendgroup=name,
    )


def _points(rows: Rows, x: Sequence[float], name: str, colour: str, symbol: str, among: int) -> Any:
    """Objectives with error bars; a bound carries its sign.

    Args:
        rows: one for each point.
        x: where.
        name: for the legend.
        colour: of all.
        symbol: of all.
        among: how many points the whole figure has.
    """
    few = among <= _MANY
    return go.Scatter(
        x=list(x),
        y=[r["log10_objective"] for r in rows],
        error_y=bar([r["std_err"] for r in rows]),
        mode="markers+text",
        text=[BOUND_MARK.get(r["bound"], "") for r in rows],
        textposition="top right",
        textfont={"size": 16 if few else 11, "color": colour},
        marker={
            "symbol": symbol,
            "size": 10 if few else 6,
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
        band(figure, (1, 1), x, with_errors(rows, f"{key}_per_A3", f"{key}_err"), name, colour)
    band(figure, (2, 1), x, with_errors(rows, "D_z_cm2_s", "D_z_err"), "Li D_z", PURPLE)
    _mark_boundaries(figure, evaluation)
    figure.update_yaxes(title="ions per Å<sup>3</sup>", rangemode="tozero", row=1)
    figure.update_yaxes(title="D<sub>z</sub> / cm<sup>2</sup> s<sup>-1</sup>", row=2)
    figure.update_yaxes(exponentformat="power", rangemode="tozero", row=2)
    figure.update_xaxes(title="distance from boundary 1 / Å", row=2)
    return styled(figure, height=560)


def band(
    figure: Any,
    at: tuple[int, int],
    x: Sequence[Any],
    curves: Sequence[Sequence[float]],
    name: str,
    colour: str,
) -> None:
    """A line with the area between two others.

    Args:
        figure: with subplots.
        at: row and column of the subplot, from 1.
        x: where.
        curves: the line, and what bounds the area from below and from above.
        name: for the legend; empty: the line has no place there.
        colour: of both.
    """
    middle, lower, upper = (list(curve) for curve in curves)
    row, col = at
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    figure.add_scatter(
        x=[*x, *reversed(x)],
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
        x=list(x),
        y=middle,
        mode="lines",
        line={"color": colour, "width": 2},
        name=name,
        showlegend=bool(name),
        row=row,
        col=col,
    )


def with_errors(rows: Rows, value: str, error: str) -> tuple[list[float], ...]:
    """A column, and the same less and plus its error."""
    y, e = ([r[key] for r in rows] for key in (value, error))
    return y, *([a + sign * b for a, b in zip(y, e, strict=True)] for sign in (-1, 1))


def electric(rows: Rows, evaluation: Evaluation) -> Any:
    """Charge density, and the potential under a field, along the normal.

    Args:
        rows: from ``series.electric``.
        evaluation: what they are of.
    """
    titles = {
        "charge_density_e_per_A3": "charge / e Å<sup>-3</sup>",
        "potential_per_field_A": "potential / field (Å)",
    }
    shown = list(dict.fromkeys(r["what"] for r in rows))
    figure = make_subplots(rows=len(shown), cols=1, shared_xaxes=True, vertical_spacing=0.06)
    for line, what in enumerate(shown, start=1):
        own = [r for r in rows if r["what"] == what]
        x = [r["distance_A"] for r in own]
        colour = (BLUE, RED)[line - 1]
        band(figure, (line, 1), x, with_errors(own, "value", "std_err"), "", colour)
        figure.update_yaxes(title=titles[what], row=line)
    _mark_boundaries(figure, evaluation)
    figure.update_xaxes(title="distance from boundary 1 / Å", row=len(shown))
    return styled(figure, height=100 + 230 * len(shown)).update_layout(showlegend=False)


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


_CLEAR = "rgba(0,0,0,0)"
_AXIS = {"zeroline": False, "gridcolor": _SHADE, "automargin": True, "title": {"standoff": 8}}
# A template is checked by plotly once, and not once a figure and axis.
_LOOKS = go.layout.Template(
    layout={
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "font": {"size": 14, "family": "system-ui, sans-serif"},
        "margin": {"l": 64, "r": 40, "t": 24, "b": 48},
        "legend": {"orientation": "h", "y": 1.03, "yanchor": "bottom", "x": 0, "bgcolor": _CLEAR},
        "showlegend": True,
        "modebar": {"bgcolor": _CLEAR, "color": GREY, "activecolor": BLUE, "orientation": "v"},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    }
)


def styled(figure: Any, height: int = 400) -> Any:
    """The same looks for all figures of the page."""
    return figure.update_layout(template=_LOOKS, height=height)
