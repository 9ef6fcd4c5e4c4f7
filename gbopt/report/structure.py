"""Pair functions and vibrational spectra of several systems, one over the other.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart. Bands are one
standard error on either side. A figure is written with its ``savefig``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.pairs import PairResult
from gbopt.analysis.vibration import SpectrumResult
from gbopt.errors import AnalysisError
from gbopt.report.canvas import blank
from gbopt.units import THZ_CM1

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

PAIRS = ("Zr-Zr", "O-O", "La-O", "Zr-O", "Li-O", "Li-Li")
"""What is shown of LLZO where nothing is chosen."""
ALL = "all"
"""Panel of the spectrum of the whole system."""
_COLUMNS = 3
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_PANEL_IN = (4.2, 2.9)
_HEAD_IN = 0.45
_LINE = 0.09
"""Height of a line of text over that of a panel."""
# Where all spectra have come down to this part of their highest value, nothing is to be seen.
_EMPTY = 5e-3


def rdf_figure(curves: Mapping[str, PairResult], pairs: Sequence[str] = PAIRS) -> Figure:
    """Draw g(r), a panel for each pair, all systems in it, with their coordination numbers.

    Args:
        curves: label and pair functions of each system.
        pairs: those to show, such as ``Zr-O``; pairs that no system holds are left out.

    Raises:
        AnalysisError: no system holds any of the pairs.
    """
    shown = [pair for pair in pairs if any(_holds(found, pair) for found in curves.values())]
    _require(shown, "pairs", pairs)
    figure, panels = _panels(len(shown))
    for pair, axes in zip(shown, panels, strict=True):
        for number, (label, found) in enumerate(curves.items()):
            if _holds(found, pair):
                _band(axes, found.radius_A, found.g(pair), label, number)
                _say_coordination(axes, found, pair, number)
        axes.axhline(1.0, color="#8a8f98", lw=0.8, ls=":")
        axes.set_xlim(1.0, max(found.edges_A[-1] for found in curves.values()))
        axes.set_ylim(0.0, axes.get_ylim()[1] * (1 + _LINE * len(curves)))  # room for what is said
        axes.set(title=pair, xlabel="r / Å", ylabel="g(r)")
    _legend(figure, panels, curves)
    return figure


def vdos_figure(spectra: Mapping[str, SpectrumResult], elements: Sequence[str] = ()) -> Figure:
    """Draw the vibrational density of states, a panel for each element and one for all.

    Args:
        spectra: label and spectra of each system.
        elements: those to show, ``all`` for the whole system; none: every one there is, and all.

    Raises:
        AnalysisError: no system holds any of the elements, or one of them is at rest.
    """
    there = list(dict.fromkeys(e for found in spectra.values() for e in found.elements))
    shown = [e for e in elements or [*there, ALL] if e in (*there, ALL)]
    _require(shown if spectra else [], "elements", elements)
    figure, panels = _panels(len(shown))
    for element, axes in zip(shown, panels, strict=True):
        for number, (label, found) in enumerate(spectra.items()):
            if element == ALL or element in found.elements:
                density = found.total() if element == ALL else found.density(element)
                _band(axes, found.frequency_THz, density, label, number)
        axes.set_xlim(0.0, max(_highest_THz(found) for found in spectra.values()))
        axes.set_ylim(bottom=0.0)
        axes.set(title=element, xlabel="frequency / THz", ylabel="share of modes / THz$^{-1}$")
        _wavenumbers(axes)
    _legend(figure, panels, spectra)
    return figure


def _holds(found: PairResult, pair: str) -> bool:
    first, _, second = pair.partition("-")
    return pair in found.pairs or f"{second}-{first}" in found.pairs


def _require(shown: Sequence[str], what: str, asked: Sequence[str]) -> None:
    if not shown:
        raise AnalysisError(
            f"there are no {what} to draw" + (f" among {', '.join(asked)}" if asked else ""),
            hint=f"name {what} that a system holds",
        )


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    width, height = _PANEL_IN[0] * columns, _PANEL_IN[1] * rows + _HEAD_IN
    figure = blank(width, height)
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - _HEAD_IN / height))
    panels = [figure.add_subplot(rows, columns, place + 1) for place in range(count)]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels


def _band(axes: Axes, x: Array, curve: tuple[Array, Array], label: str, number: int) -> None:
    value, error = curve
    colour = _COLOURS[number % len(_COLOURS)]
    axes.fill_between(x, value - error, value + error, color=colour, alpha=0.3, lw=0)
    axes.plot(x, value, color=colour, lw=1.4, label=label)


def _say_coordination(axes: Axes, found: PairResult, pair: str, number: int) -> None:
    """Write the number of neighbours in the first shell, where it has an end."""
    try:
        end_A, neighbours = found.first_minimum_A(pair), found.coordination(pair)
    except AnalysisError:
        return
    axes.text(
        0.985,
        1.0 - _LINE * (number + 0.2),
        f"{neighbours.value:.2f} within {end_A:.2f} Å",
        color=_COLOURS[number % len(_COLOURS)],
        transform=axes.transAxes,
        ha="right",
        va="top",
        fontsize=9,
    )


def _highest_THz(found: SpectrumResult) -> float:
    """Where the spectrum of the whole system has come to its end."""
    value, _ = found.total()
    last = int(np.flatnonzero(value > _EMPTY * value.max())[-1])
    return float(found.frequency_THz[min(last + 1, len(value) - 1)])


def _wavenumbers(axes: Axes) -> None:
    top = axes.secondary_xaxis("top", functions=(_wavenumber_cm1, _frequency_THz))
    top.set_xlabel("1/cm", fontsize=8)
    top.tick_params(labelsize=8)


def _wavenumber_cm1(frequency_THz: Any) -> Any:
    return np.asarray(frequency_THz) * THZ_CM1


def _frequency_THz(wavenumber_cm1: Any) -> Any:
    return np.asarray(wavenumber_cm1) / THZ_CM1


def _legend(figure: Figure, panels: Sequence[Axes], systems: Mapping[str, object]) -> None:
    """One legend for all panels: not every system need be in each of them."""
    handles: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    shown = [handles[label] for label in systems if label in handles]
    figure.legend(handles=shown, loc="upper center", ncols=len(shown), frameon=False)
