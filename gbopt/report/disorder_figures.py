"""The figures of a study: D and Ea against density, Arrhenius lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gbopt.report.disorder_tables import SystemResult
from gbopt.report.figures import BLUE, GREEN, ORANGE, PURPLE, RED, SKY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY)
_MARKERS = {"crystal": "o", "glass": "s"}
_SIZE = (6.4, 4.4)


def diffusivity_against_density(results: Sequence[SystemResult], temperature_K: float) -> Figure:
    """D at a temperature against density: crystals round, glasses square, one colour a series."""
    figure, axes = _empty()
    for (name, kind), colour, members in _series(results):
        points = [(r, r.D_cm2_s[temperature_K]) for r in members if temperature_K in r.D_cm2_s]
        if not points:
            continue
        x = [r.cell.density_g_cm3 for r, _ in points]
        y = [D.value for _, D in points]
        # An error bar that reaches zero has no end on a logarithmic scale.
        down = [min(D.std_err, 0.9 * D.value) for _, D in points]
        bounds = [D.bound == "upper" for _, D in points]
        axes.errorbar(
            x,
            y,
            yerr=[down, [D.std_err for _, D in points]],
            uplims=bounds,
            **_style(kind, colour, name),
        )
    axes.set_yscale("log")
    axes.set_ylabel(f"Li tracer D at {temperature_K:g} K (cm²/s)")
    return _finished(figure, axes, results)


def activation_against_density(results: Sequence[SystemResult]) -> Figure:
    """Activation energy against density, as the one above."""
    figure, axes = _empty()
    for (name, kind), colour, members in _series(results):
        fitted = [(r.cell.density_g_cm3, r.fit.Ea_eV) for r in members if r.fit]
        if fitted:
            x, energies = zip(*fitted, strict=True)
            y, errors = [e.value for e in energies], [e.std_err for e in energies]
            axes.errorbar(x, y, yerr=errors, **_style(kind, colour, name))
    axes.set_ylabel("activation energy of D (eV)")
    return _finished(figure, axes, results)


def arrhenius_lines(results: Sequence[SystemResult]) -> Figure:
    """D against 1000/T with the fitted lines; what was left out of a fit has no line near it."""
    import numpy as np

    figure, axes = _empty()
    for index, result in enumerate(results):
        colour = _COLOURS[index % len(_COLOURS)]
        points = sorted(result.D_cm2_s.items())
        axes.errorbar(
            [1000 / T for T, _ in points],
            [D.value for _, D in points],
            yerr=[
                [min(D.std_err, 0.9 * D.value) for _, D in points],
                [D.std_err for _, D in points],
            ],
            uplims=[D.bound == "upper" for _, D in points],
            fmt=_MARKERS[result.first.kind],
            color=colour,
            mfc="none" if result.first.kind == "glass" else colour,
            label=result.label,
            capsize=2,
        )
        if result.fit is not None:
            temperatures = np.linspace(
                min(result.fit.temperatures_K), max(result.fit.temperatures_K), 40
            )
            line = [10 ** result.fit.at(float(T)).value for T in temperatures]
            axes.plot(1000 / temperatures, line, color=colour, lw=1)
    axes.set_yscale("log")
    axes.set_xlabel("1000 / T (1/K)")
    axes.set_ylabel("Li tracer D (cm²/s)")
    return _finished(figure, axes, results, density=False)


def _series(
    results: Sequence[SystemResult],
) -> Iterator[tuple[tuple[str, str], str, list[SystemResult]]]:
    """Systems that differ in volume alone, by rising density, each with its colour."""
    grouped: dict[tuple[str, str], list[SystemResult]] = {}
    for result in results:
        first = result.first
        what = first.phase if first.kind == "crystal" else f"glass of {first.made_with}"
        neutral = " neutral" if first.compensation == "oxygen" else ""
        name = f"{what}, Li{first.li:g}{neutral}, run by {first.run_with}"
        grouped.setdefault((name, first.kind), []).append(result)
    for index, (key, members) in enumerate(grouped.items()):
        ordered = sorted(members, key=lambda r: r.cell.density_g_cm3)
        yield key, _COLOURS[index % len(_COLOURS)], ordered


def _style(kind: str, colour: str, name: str) -> dict[str, Any]:
    return {
        "fmt": _MARKERS[kind] + "-",
        "color": colour,
        "mfc": "none" if kind == "glass" else colour,
        "lw": 1,
        "capsize": 2,
        "label": name,
    }


def _empty() -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    return figure, figure.add_subplot()


def _finished(
    figure: Figure, axes: Axes, results: Sequence[SystemResult], *, density: bool = True
) -> Figure:
    if density:
        axes.set_xlabel("density (g/cm³)")
    axes.grid(visible=True, alpha=0.3)
    if axes.get_legend_handles_labels()[0]:  # of ten systems it has no room among the points
        figure.legend(loc="outside upper center", ncols=2, fontsize=7, frameon=False)
    figure.supxlabel(_conditions(results), fontsize=6, color="#666666")
    return figure


def _conditions(results: Sequence[SystemResult]) -> str:
    """What labels mean, and how large and long the runs were."""
    firsts = [result.first for result in results]
    potentials = dict.fromkeys(f"{r.run_with}: {r.potential}" for r in firsts)
    ions = sorted({result.cell.n_ions for result in results})
    lengths = sorted({r.production_ps for r in firsts})
    return (
        f"{'; '.join(potentials)}\n{' to '.join(map(str, sorted({ions[0], ions[-1]})))} ions, "
        f"{' to '.join(f'{x:g}' for x in sorted({lengths[0], lengths[-1]}))} ps of production, "
        f"bars: one standard error; gbopt {firsts[0].provenance.gbopt_version}"
    )
