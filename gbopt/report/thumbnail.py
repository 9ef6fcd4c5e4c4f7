"""A small picture of a boundary cell: its grains and its disordered slabs, seen along the plane."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gbopt.report.canvas import blank

if TYPE_CHECKING:
    from ase import Atoms

GRAINS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
CORE, LITHIUM = "#222222", "#E69F00"
_PER_A_IN, _EDGE_IN = 0.055, 0.35
_LONGEST_IN, _WIDEST_IN = 7.0, 3.5


def draw_thumbnail(structure: Path, target: Path) -> None:
    """Draw cations of a structure that gbopt wrote, by grain and core; Li in the cores alone.

    Args:
        structure: extended XYZ with grain and core labels.
        target: PNG file to write.

    Raises:
        OSError: one of them cannot be read or written.
    """
    from ase.io import read

    atoms: Atoms = read(structure)
    # The normal runs to the right, where a picture has room.
    x, y = atoms.positions[:, 2], atoms.positions[:, 1]
    kinds, core = np.array(atoms.get_chemical_symbols()), atoms.arrays["core"].astype(bool)
    width = min(_LONGEST_IN, _PER_A_IN * float(np.ptp(x)) + _EDGE_IN)
    height = min(_WIDEST_IN, _PER_A_IN * float(np.ptp(y)) + _EDGE_IN)
    figure = blank(width, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_aspect("equal")
    axes.set_axis_off()
    framework = (kinds != "Li") & (kinds != "O")
    for grain in np.unique(atoms.arrays["grain"]):
        own = framework & ~core & (atoms.arrays["grain"] == grain)
        axes.scatter(x[own], y[own], s=9, color=GRAINS[int(grain) % len(GRAINS)], lw=0)
    axes.scatter(x[framework & core], y[framework & core], s=9, color=CORE, lw=0)
    lithium = core & (kinds == "Li")
    axes.scatter(x[lithium], y[lithium], s=3, color=LITHIUM, lw=0)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}")
    figure.savefig(temporary, format="png", dpi=90)
    temporary.replace(target)
