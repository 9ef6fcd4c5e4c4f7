"""A site network in files: its tables, histograms of volumes, and the Li density in space.

Colours are residence times on a logarithmic scale (viridis, readable to colour-blind eyes).
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.li_sites import KINDS
from gbopt.analysis.site_figures import SITE_QUANTITIES
from gbopt.analysis.site_network import SiteNetwork
from gbopt.analysis.site_volumes import nearest_site
from gbopt.model.observables import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WINDOW_A = 14.0
"""Of a larger cell the pictures in space show this much along each cell vector, from the origin."""
ENCLOSED = 0.8
"""The density is shown where it is highest: in the places that hold this share of the Li."""
_POINTS = 40_000
_BINS = 24
_EDGE_COLOUR = "#8a8f98"
_COLOURS = "viridis"
_VOLUMES = {
    "hull_A3": "accessible volume (hull) / A$^3$",
    "covariance_A3": "covariance volume / A$^3$",
    "free_A3": "free volume (static) / A$^3$",
}


class DensityPoints(NamedTuple):
    """Places of high Li density."""

    positions: NDArray[np.float64]
    """(p, 3) A, centres of voxels."""
    density_A3: NDArray[np.float64]
    """(p,) Li per A^3."""
    residence_ps: NDArray[np.float64]
    """(p,) of the nearest site; inf where Li never left it."""


def write_site_network(network: SiteNetwork, folder: Path) -> list[Path]:
    """Write tables and pictures into a folder that is there.

    Returns:
        sites.csv, jumps.csv, network.json, li_density.csv, and the pictures site_volumes.png
        (of sites.csv) and li_density.png.
    """
    points = density_points(network)
    _write_rows(folder / "sites.csv", site_rows(network))
    _write_rows(folder / "jumps.csv", jump_rows(network))
    _write_rows(folder / "li_density.csv", _density_rows(points))
    text = json.dumps(network_record(network), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "network.json").write_text(text + "\n", encoding="utf-8")
    volume_histograms(network).savefig(folder / "site_volumes.png")
    density_picture(network, points).savefig(folder / "li_density.png")
    names = ("sites.csv", "jumps.csv", "network.json", "li_density.csv", "site_volumes.png")
    return [folder / name for name in (*names, "li_density.png")]


def _write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(
            handle, fieldnames=list(rows[0]) if rows else [], lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(rows)


def site_rows(network: SiteNetwork) -> list[dict[str, Any]]:
    """One row for each site; what is not known is empty, a site that was never left has inf."""
    basin_size = np.bincount(network.basin)
    columns: dict[str, Sequence[Any]] = {
        "site": range(len(network.positions)),
        "kind": network.kinds,
        "coordination_O": network.coordination.tolist(),
        **{f"{axis}_A": _rounded(network.positions[:, i]) for i, axis in enumerate("xyz")},
        "off_known_A": _rounded(network.off_known_A),
        "occupancy": _rounded(network.occupancy),
        "residence_ps": _rounded(network.residence_ps),
        "residence_low_ps": _rounded(network.residence_low_ps),
        "residence_high_ps": _rounded(network.residence_high_ps),
        "exits": network.exits.tolist(),
        "hull_A3": _rounded(network.visited.hull_A3),
        "covariance_A3": _rounded(network.visited.covariance_A3),
        "volume_samples": network.visited.samples.tolist(),
        "free_A3": _rounded(network.free.site_A3),
        "free_err_A3": _rounded(network.free.std_err_A3),
        "component": network.component.tolist(),
        "super_basin": network.basin.tolist(),
        "sites_in_basin": basin_size[network.basin].tolist(),
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _rounded(values: NDArray[np.float64]) -> list[float | None]:
    return [None if math.isnan(x) else float(f"{x:.6g}") for x in values.tolist()]


def jump_rows(network: SiteNetwork) -> list[dict[str, Any]]:
    """One row for each directed edge, periodic images apart."""
    edges = network.network
    count = edges.jumps.sum(axis=0)
    leaving = np.bincount(edges.origin, count, edges.sites)
    end = network.positions[edges.target] + edges.offset @ network.info.cell
    length = np.linalg.norm(end - network.positions[edges.origin], axis=1)
    return [
        {
            "origin": i,
            "target": j,
            **dict(zip(("image_a", "image_b", "image_c"), shift, strict=True)),
            "jumps": jumps,
            "probability": float(f"{jumps / leaving[i]:.6g}") if leaving[i] else None,
            "length_A": float(f"{far:.6g}"),
        }
        for i, j, shift, jumps, far in zip(
            edges.origin.tolist(),
            edges.target.tolist(),
            edges.offset.tolist(),
            count.tolist(),
            length.tolist(),
            strict=True,
        )
    ]


def network_record(network: SiteNetwork) -> dict[str, Any]:
    """Figures with their errors, and everything that they depend on."""
    return {
        "temperature_K": network.info.temperature_K,
        "frame_interval_ps": network.info.frame_interval_ps,
        "frames": network.frames,
        "cell_A": network.info.cell.tolist(),
        "formula_units": network.formula_units,
        "sites": len(network.positions),
        "settings": asdict(network.settings),
        "figures": {
            name: value.model_dump() if isinstance(value, Estimate) else value
            for name, value in network.figures().items()
        },
        "meanings": {name: SITE_QUANTITIES[name].meaning for name in network.figures()},
    }


def density_points(network: SiteNetwork) -> DensityPoints:
    """The places of highest density that hold ``ENCLOSED`` of the Li, in the window shown."""
    density, cell = network.density, network.info.cell
    flat = density.smooth_A3.ravel()
    order = np.argsort(flat)[::-1]
    held = np.cumsum(flat[order], dtype=np.float64)
    chosen = order[: int(np.searchsorted(held, ENCLOSED * held[-1])) + 1]
    index = np.column_stack(np.unravel_index(chosen, density.smooth_A3.shape))
    positions = (index + 0.5) / density.shape @ cell
    inside = _in_window(positions, cell)
    positions, chosen = positions[inside], chosen[inside]
    site = nearest_site(positions, network.positions, cell)
    return DensityPoints(positions, flat[chosen].astype(np.float64), network.residence_ps[site])


def _in_window(positions: NDArray[np.float64], cell: NDArray[np.float64]) -> NDArray[np.bool_]:
    along = positions @ np.linalg.inv(cell) * np.linalg.norm(cell, axis=1)
    return np.asarray((along < WINDOW_A).all(axis=1), dtype=np.bool_)


def _density_rows(points: DensityPoints) -> Iterable[dict[str, Any]]:
    residence = _rounded(points.residence_ps)
    for place, density, time in zip(points.positions, points.density_A3, residence, strict=True):
        row = dict(zip(("x_A", "y_A", "z_A"), (float(f"{x:.5g}") for x in place), strict=True))
        yield row | {"li_per_A3": float(f"{density:.5g}"), "residence_ps": time}


class _Scale(NamedTuple):
    """Colours of residence times."""

    norm: Any
    map: Any

    def of(self, residence_ps: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 4) RGBA; sites that were never left get the last colour."""
        known = np.nan_to_num(residence_ps, nan=self.norm.vmin, posinf=self.norm.vmax)
        colours: NDArray[np.float64] = self.map(self.norm(known))
        return colours

    def bar(self, figure: Figure, axes: Any, **where: Any) -> None:
        """Draw the scale."""
        from matplotlib.cm import ScalarMappable

        ticks = np.geomspace(self.norm.vmin, self.norm.vmax, 6)
        bar = figure.colorbar(ScalarMappable(self.norm, self.map), ax=axes, ticks=ticks, **where)
        bar.minorticks_off()
        bar.set_ticklabels([f"{tick:.3g}" for tick in ticks])
        bar.set_label("residence time / ps")


def _scale(residence_ps: NDArray[np.float64]) -> _Scale:
    import matplotlib as mpl
    from matplotlib.colors import LogNorm

    known = residence_ps[np.isfinite(residence_ps) & (residence_ps > 0)]
    low, high = np.percentile(known, [2, 98]) if len(known) else (1.0, 10.0)
    low, high = (low, high) if high > 1.05 * low else (low / 1.5, high * 1.5)
    return _Scale(LogNorm(float(low), float(high), clip=True), mpl.colormaps[_COLOURS])


def volume_histograms(network: SiteNetwork) -> Figure:
    """Histograms of the volumes by kind; each bar has the colour of its median residence time."""
    shown = [k for k in range(len(KINDS)) if (network.kind == k).any()]
    figure = _figure(13.0, 1.0 + 2.9 * len(shown))
    grid = figure.subplots(len(shown), len(_VOLUMES), sharex="col", squeeze=False)
    scale = _scale(network.residence_ps)
    volumes = {
        "hull_A3": network.visited.hull_A3,
        "covariance_A3": network.visited.covariance_A3,
        "free_A3": network.free.site_A3,
    }
    for column, (name, label) in enumerate(_VOLUMES.items()):
        values = volumes[name]
        finite = values[np.isfinite(values)]
        edges = np.histogram_bin_edges(finite if len(finite) else np.zeros(1), bins=_BINS)
        for row, kind in enumerate(shown):
            own = (network.kind == kind) & np.isfinite(values)
            axes = grid[row, column]
            _bars(axes, values[own], network.residence_ps[own], edges, scale)
            if column == 0:
                axes.set_ylabel(f"{KINDS[kind]} sites")
        grid[-1, column].set_xlabel(label)
    most = int(network.visited.samples.max(initial=0))
    figure.suptitle(
        f"{len(network.positions)} Li sites at {network.info.temperature_K:g} K; hulls of at most "
        f"{most} positions a site, they grow with their number",
        fontsize=11,
    )
    scale.bar(figure, grid.ravel().tolist(), fraction=0.03, pad=0.02)
    return figure


def _bars(
    axes: Axes,
    values: NDArray[np.float64],
    residence_ps: NDArray[np.float64],
    edges: NDArray[np.float64],
    scale: _Scale,
) -> None:
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    filled = np.unique(place)
    count = np.bincount(place, minlength=len(edges) - 1)[filled]
    median = np.array([np.median(residence_ps[place == bin_]) for bin_ in filled])
    axes.bar(
        edges[filled], count, np.diff(edges)[filled], align="edge",
        color=scale.of(median) if len(median) else None, edgecolor="white", linewidth=0.5,
    )  # fmt: skip
    axes.spines[["top", "right"]].set_visible(False)
    axes.locator_params(axis="y", integer=True)


def density_picture(network: SiteNetwork, points: DensityPoints) -> Figure:
    """Where Li is, and the sites with their jumps, both coloured by residence time."""
    figure = _figure(14.0, 6.8)
    scale = _scale(network.residence_ps)
    cloud, graph = (figure.add_subplot(1, 2, place, projection="3d") for place in (1, 2))
    rng = np.random.default_rng(0)
    few = rng.permutation(len(points.positions))[:_POINTS]
    voxel = network.info.cell / network.density.shape[:, None]
    place = points.positions[few] + (rng.random((len(few), 3)) - 0.5) @ voxel
    colours = scale.of(points.residence_ps[few])
    strength = points.density_A3[few] / max(float(points.density_A3.max(initial=0)), 1e-12)
    colours[:, 3] = 0.12 + 0.7 * strength
    cloud.scatter(*place.T, s=7, c=colours, lw=0, depthshade=False)
    _draw_network(graph, network, scale)
    for axes, title in (
        (cloud, f"Li density: the places that hold {ENCLOSED:.0%} of the Li"),
        (graph, "sites (area: occupancy) and jumps within the cell (width: number)"),
    ):
        _cell_box(axes, network.info.cell)
        axes.set_title(title, fontsize=11)
    scale.bar(figure, [cloud, graph], fraction=0.02, pad=0.02, shrink=0.8)
    return figure


def _draw_network(axes: Any, network: SiteNetwork, scale: _Scale) -> None:
    from mpl_toolkits.mplot3d.art3d import Line3DCollection  # type: ignore[import-untyped]

    edges = network.network
    shown = _in_window(network.positions, network.info.cell)
    count = edges.jumps.sum(axis=0)
    start = network.positions[edges.origin]
    end = network.positions[edges.target]
    within = (edges.offset == 0).all(axis=1) & (count > 0)
    drawn = within & shown[edges.origin] & shown[edges.target]
    if drawn.any():
        width = 0.3 + 2.2 * np.sqrt(count[drawn] / count.max())
        lines = np.stack([start[drawn], end[drawn]], axis=1)
        axes.add_collection3d(Line3DCollection(lines, colors=_EDGE_COLOUR, lw=width, alpha=0.5))
    area = 20 + 130 * network.occupancy[shown] / max(float(network.occupancy.max()), 1e-12)
    axes.scatter(
        *network.positions[shown].T, s=area, c=scale.of(network.residence_ps[shown]),
        edgecolors="black", linewidths=0.3, depthshade=False,
    )  # fmt: skip


def _cell_box(axes: Any, cell: NDArray[np.float64]) -> None:
    """The edges of the cell, or of the window where that is smaller."""
    longest = np.minimum(1.0, WINDOW_A / np.linalg.norm(cell, axis=1))
    vectors = cell * longest[:, None]
    for corner in product((0, 1), repeat=3):
        for axis in range(3):
            if corner[axis] == 0:
                start = np.array(corner) @ vectors
                axes.plot(*np.array([start, start + vectors[axis]]).T, color="black", lw=0.7)
    for axis, name in enumerate("abc"):
        axes.text(*(1.06 * vectors[axis]), name, fontsize=10)
    axes.set_proj_type("ortho")
    axes.view_init(elev=14, azim=-66)
    corners = np.array(list(product((0, 1), repeat=3))) @ vectors
    axes.set_box_aspect(np.ptp(corners, axis=0), zoom=1.25)
    axes.set_axis_off()


def _figure(width_in: float, height_in: float) -> Figure:
    """A figure that is drawn to a file (Agg) and needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=130, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure
