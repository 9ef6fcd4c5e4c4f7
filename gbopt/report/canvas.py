"""Matplotlib figures that are drawn to a file and need no display."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def blank(width_in: float, height_in: float) -> Figure:
    """An empty white figure, of so many inches, on matplotlib's Agg."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=130, facecolor="white")
    FigureCanvasAgg(figure)
    return figure
