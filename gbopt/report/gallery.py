"""What a library looks like: pictures of a dozen structures, distributions, and a table of all.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.geometry.archive import Archive
from gbopt.geometry.compact import decode
from gbopt.geometry.library import Record
from gbopt.geometry.query import Condition
from gbopt.model.bicrystal import Bicrystal
from gbopt.report.canvas import blank

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURES = 12
_COLUMNS = 3
# The side view is so many times as wide as it is high.
_WIDE = 2.4
# What the view of the plane shows: this much across, and this far from the plane.
_WINDOW_A, _PLANE_A = 26.0, 2.5
_LOOKS = {
    "La": ("#009E73", 1.0),
    "Zr": ("#0072B2", 0.8),
    "O": ("#D55E00", 0.4),
    "Li": ("#E69F00", 0.5),
    "Al": ("#CC79A7", 0.7),
}
"""Colour, and radius of the disc in A."""
_OTHER = ("#000000", 0.8)
# Where ions lie above each other along the whole cell, smaller discs leave the columns visible.
_SIDE_SCALE = 0.5
_GRAINS, _CORE = ("#D6E7F5", "#FBE9C8"), "#8a8f98"
_KIND_COLOURS = {
    "symmetric tilt": "#0072B2",
    "asymmetric tilt": "#56B4E9",
    "twist": "#E69F00",
    "mixed": "#009E73",
}
_DISTRIBUTIONS = {
    "misorientation_deg": ("misorientation / deg", ".2f"),
    "width_layers": ("width / atomic layers", ".0f"),
    "ions": ("ions", ",.0f"),
    "li_per_cation": ("Li per other cation", ".3f"),
    "ions_per_A3": ("density / ions per A$^3$", ".4f"),
    "closest_over_gate": ("shortest distance / gate", ".3f"),
}
"""Label, and how its numbers are written."""


class Shown(NamedTuple):
    """The columns of all good structures that distributions are drawn from."""

    numbers: NDArray[np.intp]
    kinds: NDArray[np.str_]
    values: dict[str, NDArray[np.float64]]


def write_gallery(archive: Archive) -> list[Path]:
    """Write properties.csv, and where there are structures gallery.png and distributions.png.

    Returns:
        The files, in the folder of the library.
    """
    folder, written = archive.folder, [archive.folder / "properties.csv"]
    shown = _shown(_tabulated(archive, written[0]))
    if len(shown.numbers):
        for name, figure in (
            ("gallery.png", gallery(archive, sample(shown))),
            ("distributions.png", distributions(shown, archive.counts())),
        ):
            figure.savefig(folder / name)
            written.append(folder / name)
    return written


def _tabulated(archive: Archive, path: Path) -> Iterator[Record]:
    """Write every row to a CSV file, and pass on those of good structures."""
    names = [name for name in Record._fields if name != "spec"]
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(names)
        for record in archive.records():
            writer.writerow([getattr(record, name) for name in names])
            if record.status == "ok":
                yield record


def _shown(records: Iterator[Record]) -> Shown:
    rows = [(r.number, r.kind, *(getattr(r, name) for name in _DISTRIBUTIONS)) for r in records]
    columns = list(zip(*rows, strict=True)) or [()] * (2 + len(_DISTRIBUTIONS))
    return Shown(
        np.array(columns[0], dtype=np.intp),
        np.array(columns[1], dtype=np.str_),
        {n: np.array(c, dtype=float) for n, c in zip(_DISTRIBUTIONS, columns[2:], strict=True)},
    )


def sample(shown: Shown, count: int = PICTURES) -> list[int]:
    """Numbers of up to ``count`` structures, spread over kinds, then misorientations."""
    order = np.lexsort((shown.numbers, shown.values["misorientation_deg"], shown.kinds))
    picked = np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int))
    return [int(number) for number in shown.numbers[order[picked]]]


def gallery(archive: Archive, numbers: Sequence[int]) -> Figure:
    """Draw a side view and the boundary plane of each of some structures."""
    rows = -(-len(numbers) // _COLUMNS)
    height_in = 2.55 * rows + 0.8
    figure = blank(6.4 * _COLUMNS, height_in)
    grid = figure.add_gridspec(
        rows, _COLUMNS, wspace=0.1, hspace=0.4, left=0.03, right=0.995,
        top=1 - 0.75 / height_in, bottom=0.45 / height_in,
    )  # fmt: skip
    elements: dict[str, None] = {}
    for place, number in enumerate(numbers):
        blob = archive.blob(number)
        if blob is None:
            continue
        record = next(archive.records([Condition("number", "=", number)]))
        structure = decode(blob)
        elements |= dict.fromkeys(structure.elements)
        block = grid[place // _COLUMNS, place % _COLUMNS]
        pair = block.subgridspec(1, 2, width_ratios=(_WIDE, 1), wspace=0.1)
        side = figure.add_subplot(pair[0])
        _side(side, structure)
        _top(figure.add_subplot(pair[1]), structure)
        title = f"{number}: {record.label}, {structure.n_ions:,} ions"
        side.set_title(title, loc="left", fontsize=10)
    _explain(figure, list(elements))
    return figure


def _side(axes: Axes, structure: Bicrystal) -> None:
    """Look along x through the whole cell: z to the right, y upwards."""
    length, half = structure.length_A, structure.core_width_A / 2
    planes = (*structure.boundaries_A, structure.boundaries_A[0] + length)
    for index, (start, end) in enumerate(pairwise(planes)):
        axes.axvspan(start, end, color=_GRAINS[index % 2], lw=0, zorder=0)
    for plane in planes:
        axes.axvspan(plane - half, plane + half, color=_CORE, alpha=0.45, lw=0, zorder=1)
        axes.axvline(plane, color="black", lw=1.2, ls="--", zorder=6)
    images = _tiled(structure.positions, structure.species, structure.cell, (0, length / _WIDE))
    axes.set(xlim=(0, length), ylim=(0, length / _WIDE), xlabel="z / A", ylabel="y / A")
    _discs(axes, images, structure, (2, 1), _SIDE_SCALE)


def _top(axes: Axes, structure: Bicrystal) -> None:
    """Look along z at the ions next to the second boundary, with the in-plane cell."""
    plane = structure.boundaries_A[-1]
    near = np.abs(structure.positions[:, 2] - plane) < _PLANE_A
    window = (_WINDOW_A, _WINDOW_A)
    images = _tiled(structure.positions[near], structure.species[near], structure.cell, window)
    axes.set_facecolor("#F3F3F3")
    a, b = structure.cell[0, :2], structure.cell[1, :2]
    corners = np.array([(0, 0), a, a + b, b, (0, 0)])
    axes.plot(*corners.T, color="black", lw=1.0, zorder=6)
    axes.set(xlim=(0, _WINDOW_A), ylim=(0, _WINDOW_A), xlabel="x / A")
    _discs(axes, images, structure, (0, 1), 1.0)


def _tiled(
    positions: NDArray[np.float64],
    species: NDArray[np.int8],
    cell: NDArray[np.float64],
    window_A: tuple[float, float],
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """Repeat ions in the plane until they fill a window in x and y; a window of 0 takes all x."""
    rows = range(int(window_A[1] / cell[1, 1]) + 2)
    if window_A[0]:
        far = int(np.ceil((window_A[0] + len(rows) * abs(cell[1, 0])) / cell[0, 0])) + 1
        shifts = np.array(list(product(range(-far, far + 1), rows)))
    else:
        shifts = np.array([(0, row) for row in rows])
    images = (positions[:, None] + (shifts @ cell[:2])[None]).reshape(-1, 3)
    inside = images[:, 1] < window_A[1] + 1
    if window_A[0]:
        inside &= (images[:, 0] > -1) & (images[:, 0] < window_A[0] + 1)
    return images[inside], np.repeat(species, len(shifts))[inside]


def _discs(
    axes: Axes,
    images: tuple[NDArray[np.float64], NDArray[np.int8]],
    structure: Bicrystal,
    across: tuple[int, int],
    scale: float,
) -> None:
    positions, species = images
    extent, range_A = axes.get_window_extent(), float(np.diff(axes.get_xlim())[0])
    points_per_A = 72 / axes.figure.dpi * extent.width / range_A
    # The framework's cations, the largest, lie on top.
    order = sorted(range(len(structure.elements)), key=lambda k: _look(structure.elements[k])[1])
    for layer, kind in enumerate(order):
        colour, radius = _look(structure.elements[kind])
        axes.plot(
            *positions[species == kind][:, across].T, ls="", marker="o", color=colour,
            ms=2 * radius * scale * points_per_A, mec="white", mew=0.3 * scale,
            zorder=2 + layer / 10,
        )  # fmt: skip
    axes.set_aspect("equal", anchor="W")
    axes.tick_params(labelsize=8, length=2)
    axes.locator_params(axis="y", nbins=6, integer=True)
    axes.xaxis.label.set_fontsize(9)
    axes.yaxis.label.set_fontsize(9)


def _look(element: str) -> tuple[str, float]:
    return _LOOKS.get(element, _OTHER)


def _explain(figure: Figure, elements: Sequence[str]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    marks: list[Any] = [
        Line2D([], [], marker="o", ls="", color=_look(e)[0], ms=12 * _look(e)[1], label=e)
        for e in elements
    ]
    marks += [Patch(color=_GRAINS[g], label=f"grain {g + 1}") for g in (0, 1)]
    marks += [Patch(color=_CORE, alpha=0.45, label="core (nominal width)")]
    marks += [Line2D([], [], color="black", ls="--", label="boundary")]
    marks += [Line2D([], [], color="black", label="cell in the plane")]
    figure.legend(handles=marks, loc="upper left", ncols=len(marks), frameon=False, fontsize=10)
    figure.text(
        0.995, 0.995,
        f"left: along x through the whole cell; right: ions within {_PLANE_A:g} A of a boundary",
        ha="right", va="top", fontsize=10,
    )  # fmt: skip


def distributions(shown: Shown, counts: dict[str, int]) -> Figure:
    """Draw a histogram of each property by kind of boundary, and a table of its quantiles."""
    figure = blank(13.0, 9.5)
    grid = figure.add_gridspec(3, 3, height_ratios=(1, 1, 0.75), hspace=0.42, wspace=0.25,
                               left=0.06, right=0.98, top=0.9, bottom=0.03)  # fmt: skip
    kinds = [kind for kind in _KIND_COLOURS if (shown.kinds == kind).any()]
    for place, (name, (label, _)) in enumerate(_DISTRIBUTIONS.items()):
        axes = figure.add_subplot(grid[place // 3, place % 3])
        axes.hist(
            [shown.values[name][shown.kinds == kind] for kind in kinds],
            bins=_bins(name, shown.values[name]).tolist(),
            stacked=True,
            color=[_KIND_COLOURS[kind] for kind in kinds],
            label=kinds,
        )
        axes.set(xlabel=label, ylabel="structures")
        axes.spines[["top", "right"]].set_visible(False)
        axes.locator_params(axis="x", nbins=6)
    legend = axes.get_legend_handles_labels()
    figure.legend(*legend, loc="upper right", ncols=len(kinds), frameon=False)
    said = ", ".join(f"{n:,} {status}" for status, n in sorted(counts.items()))
    figure.text(0.06, 0.985, f"{sum(counts.values()):,} structures: {said}", va="top", fontsize=12)
    _table(figure.add_subplot(grid[2, :]), shown)
    return figure


def _bins(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    if name == "width_layers":
        return np.arange(values.min() - 0.5, values.max() + 1.0)
    return np.histogram_bin_edges(values, bins=min(40, max(8, len(values) // 10)))


def _table(axes: Axes, shown: Shown) -> None:
    from matplotlib.transforms import Bbox

    quantiles = {"least": 0, "5 %": 5, "median": 50, "95 %": 95, "largest": 100}
    cells = [
        [f"{x:{form}}" for x in np.percentile(shown.values[name], list(quantiles.values()))]
        for name, (_, form) in _DISTRIBUTIONS.items()
    ]
    labels = [label for label, _ in _DISTRIBUTIONS.values()]
    axes.axis("off")
    table = axes.table(
        cells, rowLabels=labels, colLabels=list(quantiles), cellLoc="right", edges="horizontal",
        bbox=Bbox.from_bounds(0.25, 0, 0.6, 1),
    )  # fmt: skip
    table.auto_set_font_size(False)
    table.set_fontsize(10)
