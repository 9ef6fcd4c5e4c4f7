"""What the page shows in space: the best boundary and where its Li was, beside another one.

Other one: the reference of `gbopt confirm`, or, before that has run, the worst boundary evaluated.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.li_density import Density, smoothed
from gbopt.campaign.confirm import FOLDER
from gbopt.campaign.view import CampaignView
from gbopt.errors import RunFolderError
from gbopt.model.evaluation import Evaluation
from gbopt.report.boundaries import Boundary, boundaries, recommended
from gbopt.store.rundir import EVALUATION, RunFolder, read_evaluation

Array = NDArray[np.float64]

ENCLOSED = 0.8
"""Li is shown where it is found most: in the places that hold this share of it."""
# More would make turning it slow.
_MOST_PLACES = 25_000
_SMOOTHING_A = 0.6


class Side(NamedTuple):
    """One of the two boundaries that are shown beside each other."""

    role: Literal["best", "reference", "worst"]
    evaluation: Evaluation
    folder: Path

    @property
    def title(self) -> str:
        """What it is."""
        return f"{self.role.capitalize()}: {self.evaluation.spec.label}"


class Frame(NamedTuple):
    """What the viewer must know of a side beside its points."""

    title: str
    said: str
    """What a reader who cannot see it is told."""
    data: str
    """JSON: role, cell (3, 3) A, planes A, half the nominal width A, edge of a voxel A."""


@dataclass(frozen=True)
class Scene:
    """A picture in space with everything that stands around it."""

    key: str
    kind: Literal["ions", "places"]
    caption: str
    frames: tuple[Frame, ...]
    elements: tuple[str, ...]
    csv: str
    """The points of all sides; the viewer draws these."""

    @property
    def packed(self) -> str:
        """The same, gzipped and in base64."""
        return base64.b64encode(gzip.compress(self.csv.encode(), mtime=0)).decode()


def sides(view: CampaignView) -> tuple[Side, ...]:
    """The best boundary, and what it is shown beside; those that have a structure."""
    if view.confirmation:
        found = list(_confirmed(view, view.confirmation.get("shown", {})))
        if len(found) == 2:
            return tuple(found)
    best = recommended(view)
    others = [b for b in boundaries(view) if best is None or b.label != best.label]
    shown = [_having(view, "best", best)] if best else []
    shown += [_having(view, "worst", others[-1])] if best and others else []
    return tuple(side for side in shown if side)


def _confirmed(view: CampaignView, names: dict[str, str]) -> Iterator[Side]:
    for role in ("best", "reference"):
        # The name alone: a record that came by mail must not point elsewhere.
        folder = view.path / FOLDER / Path(names.get(role, "none")).name
        try:
            evaluation = read_evaluation(folder / EVALUATION)
        except (OSError, RunFolderError):  # a copy may have come without its runs
            continue
        if (folder / "final.extxyz").is_file():
            yield Side(role, evaluation, folder)


def _having(view: CampaignView, role: Literal["best", "worst"], group: Boundary) -> Side | None:
    """The trial of a boundary that is best known and whose structure is there."""
    run = RunFolder(view.path)
    for e in sorted(group.evaluations, key=lambda e: e.objective.std_err if e.objective else 0):
        folder = run.trial_folder(e.trial, e.spec.key)
        if (folder / "final.extxyz").is_file():
            return Side(role, e, folder)
    return None


def structure_scene(shown: Sequence[Side]) -> Scene | None:
    """The structures after production; None where there is none."""
    lines, frames, elements = ["of,element,grain,core,x_A,y_A,z_A"], [], dict[str, None]()
    for side in shown:
        from ase.io import read

        atoms = read(side.folder / "final.extxyz")
        names = atoms.get_chemical_symbols()
        elements |= dict.fromkeys(names)
        rows = zip(names, *(atoms.arrays[n].tolist() for n in ("grain", "core")), strict=True)
        lines += [
            f"{side.role},{name},{grain + 1},{int(core)},{x:.2f},{y:.2f},{z:.2f}"
            for (name, grain, core), (x, y, z) in zip(rows, atoms.positions.tolist(), strict=True)
        ]
        said = f"{len(names):,} ions ({atoms.get_chemical_formula()})"
        frames.append(_frame(side, np.asarray(atoms.cell), said))
    if not frames:
        return None
    return Scene(
        "structure",
        "ions",
        "The ions after production. Blue and yellow bands are the two grains, pink the nominal "
        "cores; dashed lines the boundary planes. Drag, or use the buttons or the arrow keys, to "
        "turn both; + and - come closer.",
        tuple(frames),
        tuple(sorted(elements, key=_size)),
        "\n".join(lines) + "\n",
    )


def _size(element: str) -> int:
    order = ("La", "Zr", "O", "Li")
    return order.index(element) if element in order else len(order)


def density_scene(shown: Sequence[Side]) -> Scene | None:
    """Where Li was during production; None where that was not recorded."""
    text, frames = io.StringIO(), []
    text.write("of,x_A,y_A,z_A,li_per_A3\n")
    for side in shown:
        density = _read_density(side)
        if density is None:
            continue
        positions, values, depth_A = densest(density)
        text.writelines(
            f"{side.role},{x:.1f},{y:.1f},{z:.1f},{value:.3g}\n"
            for (x, y, z), value in zip(positions.tolist(), values.tolist(), strict=True)
        )
        whole = depth_A > density.cell[0, 0] - 1e-6
        said = f"{ENCLOSED:.0%} of the Li" + (
            f" in {len(values) / density.smooth_A3.size:.0%} of the volume"
            if whole
            else f", a slice of {depth_A:.1f} of {density.cell[0, 0]:.1f} A along x"
        )
        voxel_A = float(np.linalg.norm(density.cell[2]) / density.shape[2])
        frames.append(_frame(side, density.cell, said, voxel_A))
    if not frames:
        return None
    return Scene(
        "li-density",
        "places",
        "The ways of lithium: the places where it was most during production, which hold "
        f"{ENCLOSED:.0%} of it. Blue is where it was seldom among these, red where it was "
        "often; move the slider to the left to see only the densest.",
        tuple(frames),
        (),
        text.getvalue(),
    )


def _read_density(side: Side) -> Density | None:
    name = side.evaluation.artifacts.get("li_density")
    file = side.folder / Path(name).name if name else None
    if file is None or not file.is_file():
        return None
    with np.load(file, allow_pickle=False) as found:
        return smoothed(found["counts"], found["cell_A"], int(found["frames"]), _SMOOTHING_A)


def densest(density: Density) -> tuple[Array, Array, float]:
    """The places that hold ``ENCLOSED`` of the Li, the densest first.

    Where there are too many to draw, those of a slice from the first face of the cell along x.

    Returns:
        Centres (p, 3) A, Li per A^3 (p,), and how far the slice reaches, A.
    """
    flat = density.smooth_A3.ravel()
    order = np.argsort(-flat, kind="stable")
    held = np.cumsum(flat[order], dtype=np.float64)
    chosen = order[: int(np.searchsorted(held, ENCLOSED * held[-1])) + 1]
    index = np.column_stack(np.unravel_index(chosen, density.smooth_A3.shape))
    layers = np.cumsum(np.bincount(index[:, 0], minlength=int(density.shape[0])))
    deep = max(1, int(np.searchsorted(layers, _MOST_PLACES, side="right")))
    inside = index[:, 0] < deep
    positions: Array = (index[inside] + 0.5) / density.shape @ density.cell
    depth_A = float(density.cell[0, 0]) * deep / int(density.shape[0])
    return positions, flat[chosen[inside]].astype(np.float64), depth_A


def _frame(side: Side, cell: Array, said: str, voxel_A: float = 0.0) -> Frame:
    conditions = side.evaluation.conditions
    half_A = conditions.nominal_width_A / 2 if conditions else 0.0
    planes = [b.z_A for b in side.evaluation.boundaries]
    data = {
        "role": side.role,
        "cell": np.round(cell, 3).tolist(),
        "planes": [round(z, 3) for z in planes],
        "half_A": round(half_A, 3),
        "voxel_A": round(voxel_A, 3),
    }
    alt = (
        f"{side.title}: {said}; boundary planes at "
        f"{' and '.join(f'{z:.1f}' for z in planes)} A along the normal of a cell of "
        f"{cell[2, 2]:.1f} A, cores of {2 * half_A:.1f} A."
    )
    return Frame(f"{side.title}. {said[0].upper()}{said[1:]}.", alt, json.dumps(data))
