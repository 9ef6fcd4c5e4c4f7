"""What is found in a structure that was not built here."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class CrystalGrain(NamedTuple):
    """One grain, in the frame of the returned structure."""

    low_A: float
    """z at which its order begins; below the cell where the grain reaches out of it."""
    high_A: float
    """z at which it ends; its middle is within the cell."""
    rotation: NDArray[np.float64]
    """(3, 3) columns are the crystal axes a, b, c; of equivalent ones that nearest to x, y, z."""
    axes_A: tuple[float, float, float]
    """Lattice parameter along each of these axes, away from the ends of the grain."""
    sound: float
    """Share of the framework's ions between its ends that are on its sites."""


class Boundary(NamedTuple):
    """One boundary between two grains."""

    z_A: float
    width_A: float
    """Thickness in which most ions of some sublattice are on sites of neither grain; 0: sharp."""
    below: int
    """The grain below it, index into ``Recognised.grains``."""
    above: int
    misorientation_deg: float
    """Least angle of the rotations that take one grain's cubic lattice to the other's."""
    axis: NDArray[np.float64]
    """(3,) axis of that rotation in crystal axes, 0 <= u <= v <= w; arbitrary below 1 deg."""
    c_axes_deg: float
    """Angle between the c axes of the grains, up to 90 deg; nan where the crystal is cubic."""
    excess_per_nm2: dict[str, float]
    """Oxide units beyond the formula units that the first sublattice's ions make up."""


class BulkReference(NamedTuple):
    """The crystal that the grains are made of."""

    crystal: str
    """Name of the reference after ``c-`` (cubic) or ``t-`` (tetragonal)."""
    a_A: float
    c_A: float
    """Mean lattice parameters of the grains; equal in a cubic crystal."""
    formula_units: float
    """What the ions of the first sublattice make up: half the number of Zr in LLZO."""
    excess: dict[str, float]
    """Oxide units of the whole cell beyond these formula units."""


class Recognised(NamedTuple):
    """What was found in a structure."""

    file_axis: str
    """Cell vector of the file along which the grains are stacked: ``a``, ``b`` or ``c``."""
    boundaries: tuple[Boundary, ...]
    """In order of z; none in a single crystal."""
    grains: tuple[CrystalGrain, ...]
    """Upwards from the first boundary."""
    surfaces_A: tuple[tuple[float, float], ...]
    """Stretches of vacuum, from low to high z."""
    bulk: BulkReference
    on_site: float
    """Share of the framework (all but Li) that lies on a site of its own grain."""
