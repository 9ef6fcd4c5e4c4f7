"""The ladders of a confirmation against 1/T, with what their fits say of other temperatures."""

from __future__ import annotations

import math
from typing import Any

from plotly.subplots import make_subplots

from gbopt.report.figures import BLUE, BOUND_MARK, GREY, ORANGE, RED, band, styled
from gbopt.report.series import Rows

_LOOKS = {
    "best": (BLUE, "circle"),
    "reference": (RED, "diamond"),
    "bulk": (ORANGE, "square"),
}
_NAMES = {"bulk": "bulk crystal"}


def arrhenius(rows: Rows, at_K: float) -> Any:
    """Conductivities, and conductances per area, against 1000/T on a logarithmic scale.

    Args:
        rows: from ``confirmation.Confirmation.arrhenius_rows``.
        at_K: temperature of the extrapolation, K.
    """
    # A value that is not above zero has no place on the scale; its ladder's fit left it out.
    rows = [r for r in rows if r["value"] > 0]
    units = list(dict.fromkeys(r["unit"] for r in rows))
    figure = make_subplots(rows=len(units), cols=1, shared_xaxes=True, vertical_spacing=0.08)
    named: set[str] = set()
    for line, unit in enumerate(units, start=1):
        for of, (colour, symbol) in _LOOKS.items():
            own = [r for r in rows if (r["unit"], r["boundary"]) == (unit, of)]
            fit = [r for r in own if r["what"] == "fit"]
            measured = [r for r in own if r["what"] == "measured"]
            if fit:
                x = [1000 / r["T_K"] for r in fit]
                logs = [
                    [math.log10(max(r[key], 1e-300)) for r in fit]
                    for key in ("value", "low", "high")
                ]
                band(figure, (line, 1), x, logs, "", colour)
            if measured:
                figure.add_trace(_points(measured, of, colour, symbol, of not in named), line, 1)
                named.add(of)
        quantity = "σ" if unit == "S/cm" else "conductance"
        figure.update_yaxes(title=f"log<sub>10</sub>({quantity} / {_typeset(unit)})", row=line)
    figure.add_vline(
        x=1000 / at_K,
        line={"dash": "dot", "width": 1, "color": GREY},
        annotation={"text": f"{at_K:g} K", "font_size": 12},
        annotation_position="top left",
    )
    figure.update_xaxes(title="1000 K / T", row=len(units))
    # The intervals of an extrapolation are wide: none may hide the line of another.
    figure.data = sorted(figure.data, key=lambda trace: trace.fill is None)
    return styled(figure, height=120 + 280 * len(units))


def _points(rows: Rows, of: str, colour: str, symbol: str, legend: bool) -> Any:
    import plotly.graph_objects as go

    logs = [math.log10(r["value"]) for r in rows]
    # A bar that reaches zero goes on for ever: a decade of it is drawn.
    low = [math.log10(max(r["low"], 0.1 * r["value"])) for r in rows]
    return go.Scatter(
        x=[1000 / r["T_K"] for r in rows],
        y=logs,
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [math.log10(r["high"]) - y for y, r in zip(logs, rows, strict=True)],
            "arrayminus": [y - end for y, end in zip(logs, low, strict=True)],
            "thickness": 1.5,
            "width": 4,
        },
        mode="markers+text",
        text=[BOUND_MARK.get(r["bound"], "") for r in rows],
        textposition="top right",
        textfont={"size": 16, "color": colour},
        marker={"symbol": symbol, "size": 10, "color": colour},
        name=_NAMES.get(of, of),
        legendgroup=of,
        showlegend=legend,
        customdata=[f"{r['T_K']:g} K: {r['value']:.3g} {r['unit']}" for r in rows],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _typeset(unit: str) -> str:
    """Powers of a unit as the page sets them."""
    return unit.replace("S/cm2", "S cm<sup>-2</sup>").replace("S/cm", "S cm<sup>-1</sup>")
