"""A figure of the page with its caption, its words and its numbers; those of what was learnt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import plotly.io

from gbopt.report import insight_figures, series
from gbopt.report.search import (
    Insights,
    calibration_rows,
    interaction_rows,
    plane_rows,
    slice_rows,
)
from gbopt.report.sections import label

# Named one by one: the default buttons include some that lead to a web service.
_PLOT_CONFIG = {
    "displaylogo": False,
    "plotlyServerURL": "",
    "modeBarButtons": [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
    "responsive": True,
}


@dataclass(frozen=True)
class Chart:
    """A figure with everything that stands around it."""

    key: str
    caption: str
    alt: str
    """What a reader who cannot see the figure is told."""
    figure: Any
    rows: series.Rows

    @property
    def html(self) -> str:
        """The figure as an HTML fragment that relies on plotly.js being loaded."""
        fragment: str = plotly.io.to_html(
            self.figure,
            config=_PLOT_CONFIG,
            include_plotlyjs=False,
            full_html=False,
            div_id=f"plot-{self.key}",
        )
        return fragment

    @property
    def csv(self) -> str:
        """The numbers of the figure."""
        return series.csv_text(self.rows)

    @property
    def download(self) -> str:
        """The same as a link that holds its own content."""
        return f"data:text/csv;charset=utf-8,{quote(self.csv)}"


def insight_charts(found: Insights, axis: str) -> Iterator[Chart]:
    """Draw what the search has learnt, as far as it has.

    Args:
        found: what it has learnt.
        axis: name of the objective with its unit.
    """
    yield from _believed(found, axis)
    yield from _judged(found, axis)


def _believed(found: Insights, axis: str) -> Iterator[Chart]:
    """What the model says of each variable, and of pairs of them."""
    rows = slice_rows(found)
    if rows:
        yield Chart(
            "slices",
            "What the search's model expects along each variable through the recommended boundary, "
            "all others held. Bands and bars are one standard deviation of the model. Not every "
            "point of a slice can be built.",
            f"Slices of the model along {', '.join(label(s.name) for s in found.slices)}.",
            insight_figures.dependence(rows, axis),
            rows,
        )
    rows = plane_rows(found)
    if rows:
        pairs = dict.fromkeys(f"{label(r['one'])} and {label(r['other'])}" for r in rows)
        yield Chart(
            "pairs",
            "What the search's model expects of pairs of variables, all others held as in the "
            "recommended boundary: the mean of the log10 objective on the left, its standard "
            "deviation on the right. "
            "Points are the evaluations, whatever their other variables. Not every point of a "
            "plane can be built.",
            f"Mean and standard deviation of the model for {', '.join(pairs)}; mean "
            f"{min(r['log10_objective'] for r in rows):.3g} to "
            f"{max(r['log10_objective'] for r in rows):.3g}.",
            insight_figures.planes(rows, found.points),
            rows,
        )


def _judged(found: Insights, axis: str) -> Iterator[Chart]:
    """How honest the model is, and which effects are joint ones."""
    rows = calibration_rows(found)
    if rows:
        c = found.calibration
        yield Chart(
            "calibration",
            "Every value against what a model fitted without its boundary says of it. Bars are one "
            "standard deviation across and one standard error up; of honest bars about two thirds "
            "reach the dashed line.",
            f"{len(rows)} values against predictions without their boundaries"
            + (
                f"; skill {c.skill:.2f}, rms deviation {c.rms_z:.2f} standard deviations."
                if c
                else "."
            ),
            insight_figures.calibration(rows, axis),
            rows,
        )
    rows = interaction_rows(found)
    if rows:
        yield Chart(
            "interactions",
            "How far the effects of two variables depend on each other in the search's model: the "
            "share of their joint effect that is not the sum of the single ones.",
            "Interaction shares: "
            + "; ".join(
                f"{label(r['one'])} and {label(r['other'])} {r['share']:.0%}" for r in rows
            ),
            insight_figures.interactions(rows),
            rows,
        )
