"""The figures of the report for print: SVG or PDF by matplotlib, each with its numbers as CSV.

Same rows, colours and marks as those of the page (``gbopt.report.figures``), drawn anew: plotly
needs a browser to write a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gbopt.campaign.view import CampaignView
from gbopt.errors import RunFolderError
from gbopt.model.observables import QUANTITIES
from gbopt.report import series
from gbopt.report.canvas import blank
from gbopt.report.series import Rows
from gbopt.store.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_GREY = "#8a8f98"
_MARKERS = "oDs^Pv*h"
_STATUS = {"ok": ("#0072B2", "o", True), "suspect": ("#D55E00", "o", False)}
_PRUNED = ("#CC79A7", "^", False)
_BOUND_MARK = {"lower": "≥", "upper": "≤"}
_CATIONS = {"Li": ("Li_per_A3", "Li_err"), "La+Zr": ("LaZr_per_A3", "LaZr_err")}
_WIDE, _HIGH = 5.2, 3.6


def write_figures(view: CampaignView, folder: Path, suffix: str) -> list[Path]:
    """Draw convergence, geometry, composition and profiles of a campaign, where there are numbers.

    Args:
        view: the campaign.
        folder: where; it is made.
        suffix: ``svg`` or ``pdf``.

    Raises:
        RunFolderError: no evaluation has numbers yet.
    """
    rows = series.landscape(view)
    if not rows:
        raise RunFolderError(
            "no evaluation has numbers yet: there is nothing to draw",
            hint=f"`gbopt status {view.path}` shows how far the campaign is",
        )
    quantity = QUANTITIES[view.config.search.objective]
    axis = f"log$_{{10}}$({quantity.label} / {quantity.unit})"
    drawn: dict[str, tuple[Callable[[Figure], None], Rows]] = {}
    course = series.convergence(view)
    drawn["convergence"] = (lambda f: _convergence(f.subplots(), course, axis), course)
    drawn["geometry"] = (lambda f: _geometry(f.subplots(), rows, axis), rows)
    for key, title in (("LER", "Li enrichment ratio"), ("OVC", "O-vacancy descriptor")):
        known = [r for r in rows if r[key] is not None]
        if known:
            drawn[key] = (_composition(key, title, axis, known), known)
    evaluation = series.profiled(view)
    profile = series.profiles(view, evaluation) if evaluation else []
    planes = (
        [series.shifted_A(b.z_A, evaluation) for b in evaluation.boundaries] if evaluation else []
    )
    if profile:
        drawn["profiles"] = (lambda f: _profiles(f, profile, planes), profile)
    folder.mkdir(parents=True, exist_ok=True)
    return [
        file
        for key, (draw, numbers) in drawn.items()
        for file in _written(folder / f"{view.config.name}-{key}.{suffix}", draw, numbers)
    ]


def _written(target: Path, draw: Callable[[Figure], None], rows: Rows) -> list[Path]:
    from matplotlib import rc_context

    figure = blank(_WIDE, _HIGH)
    # Letters stay letters, which the reader may search and the journal may restyle.
    with rc_context({"svg.fonttype": "none", "pdf.fonttype": 42}):
        draw(figure)
        figure.savefig(target, bbox_inches="tight")
    table = target.with_suffix(".csv")
    write_atomic(table, series.csv_text(rows))
    return [target, table]


def _errors(axes: Axes, rows: Rows, x: str, looks: tuple[str, str, bool], label: str) -> None:
    """Objectives with error bars; a bound carries its sign."""
    colour, marker, filled = looks
    x_err = [r[f"{x}_err"] for r in rows] if f"{x}_err" in rows[0] else None
    axes.errorbar(
        [r[x] for r in rows],
        [r["log10_objective"] for r in rows],
        yerr=[r["std_err"] for r in rows],
        xerr=x_err,
        fmt=marker,
        ms=5,
        lw=1,
        capsize=2,
        color=colour,
        mfc=colour if filled else "white",
        label=label,
    )
    for r in rows:
        if r["bound"]:
            at = (r[x], r["log10_objective"])
            axes.annotate(_BOUND_MARK[r["bound"]], at, (4, 4), textcoords="offset points")


def _convergence(axes: Axes, rows: Rows, axis: str) -> None:
    from matplotlib.ticker import MaxNLocator

    done = [r for r in rows if r["log10_objective"] is not None]
    initial = [r["completion"] for r in rows if r["phase"] == "initial"]
    if initial:
        axes.axvspan(0.4, max(initial) + 0.5, color=_GREY, alpha=0.15, lw=0, label="initial design")
    lowest = [r["lowest_so_far"] for r in done]
    x = [r["completion"] for r in done]
    axes.step(x, lowest, where="post", color=_GREY, lw=1, label="lowest value so far")
    for status in dict.fromkeys(r["status"] for r in done):
        chosen = [r for r in done if r["status"] == status]
        _errors(
            axes, chosen, "completion", _STATUS.get(status, _PRUNED), status or "from elsewhere"
        )
    failed = [r["completion"] for r in rows if r["log10_objective"] is None]
    if failed:
        top = max(r["log10_objective"] + r["std_err"] for r in done)
        axes.plot(failed, [top] * len(failed), "x", color="#CC79A7", label="failed (no value)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _finish(axes, "evaluation, in order of completion", axis)


def _composition(key: str, title: str, axis: str, rows: Rows) -> Callable[[Figure], None]:
    def draw(figure: Figure) -> None:
        renamed = [r | {"x": r[key], "x_err": r[f"{key}_err"]} for r in rows]
        axes = figure.subplots()
        for index, plane in enumerate(sorted({r["mean_plane"] for r in rows})):
            own = [r for r in renamed if r["mean_plane"] == plane]
            looks = (_COLOURS[index % len(_COLOURS)], _MARKERS[index % len(_MARKERS)], True)
            _errors(axes, own, "x", looks, f"mean plane ({plane})")
        _finish(axes, title, axis)

    return draw


def _geometry(axes: Axes, rows: Rows, axis: str) -> None:
    """Objective against misorientation: colours by width, markers by mean plane."""
    widths, planes = (sorted({r[k] for r in rows}) for k in ("width_layers", "mean_plane"))
    for width in widths:
        for plane in planes:
            own = [r for r in rows if (r["width_layers"], r["mean_plane"]) == (width, plane)]
            if own:
                colour = _COLOURS[widths.index(width) % len(_COLOURS)]
                marker = _MARKERS[planes.index(plane) % len(_MARKERS)]
                looks = (colour, marker, True)
                _errors(axes, own, "misorientation_deg", looks, f"({plane}), {width} layers")
    _finish(axes, "misorientation / deg", axis)


def _profiles(figure: Figure, rows: Rows, planes: Sequence[float]) -> None:
    """Densities and D_z along the normal; bands are one standard error, dashes the boundaries."""
    figure.set_size_inches(_WIDE, 1.5 * _HIGH)
    upper, lower = figure.subplots(2, 1, sharex=True)
    x = [r["distance_A"] for r in rows]
    for axes, colours, names in (
        (upper, _COLOURS[1:], {"O": ("O_per_A3", "O_err"), **_CATIONS}),
        (lower, _COLOURS[3:], {"Li": ("D_z_cm2_s", "D_z_err")}),
    ):
        for (label, keys), colour in zip(names.items(), colours, strict=False):
            y, e = ([r[key] for r in rows] for key in keys)
            axes.plot(x, y, color=colour, lw=1.2, label=label)
            low, high = ([a + s * b for a, b in zip(y, e, strict=True)] for s in (-1, 1))
            axes.fill_between(x, low, high, color=colour, alpha=0.3, lw=0)
        for plane in planes:
            axes.axvline(plane, color=_GREY, lw=0.8, ls="--")
        axes.set_ylim(bottom=0)
    _finish(upper, "", "ions per Å$^3$")
    _finish(lower, "distance from boundary 1 / Å", "D$_z$ / cm$^2$ s$^{-1}$")


def _finish(axes: Axes, x_axis: str, y_axis: str) -> None:
    axes.set_xlabel(x_axis)
    axes.set_ylabel(y_axis)
    axes.spines[["top", "right"]].set_visible(False)
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0}
    axes.legend(fontsize="small", frameon=False, ncols=3, **place)
