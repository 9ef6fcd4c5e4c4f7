"""Crystals by which the grains of a structure are recognised: LLZO, or any of nearly cubic cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gbopt.crystal.llzo import CUBIC_A, cubic_sites
from gbopt.crystal.neighbours import pairs_within
from gbopt.model.bicrystal import LA, ZR, O

TOLERANCE = 0.16
"""An ion farther than this from a site, of the distance of second neighbours, is off it: 1.04 A in
LLZO, five times the amplitude of a cation at 1100 K and a third of the distance to the nearest
wrong site."""
# The shell that is matched reaches to 1.25 of the shortest distance: 14 in bcc, 12 in fcc, 6 in sc.
_SHELL = 1.25


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """The sublattices by which a crystal is known; the first one forms the layers."""

    name: str
    unit: dict[str, int]
    """Ions of each element in a formula unit."""
    lattice_A: float
    """Lattice parameter of the (nearly) cubic conventional cell, right within some 5 %."""
    elements: tuple[frozenset[str], ...]
    """Elements that sit on each sublattice."""
    sites: tuple[NDArray[np.float64], ...]
    """(n, 3) sites of each sublattice, in fractions of the conventional cell."""

    measured: int = 1
    """So many of the first sublattices measure the lattice: others have coordinates to relax."""

    def kinds(self, elements: NDArray[np.str_]) -> NDArray[np.int8]:
        """(n,) sublattice of each ion, -1 where it sits on none."""
        kinds = np.full(len(elements), -1, dtype=np.int8)
        for kind, names in enumerate(self.elements):
            kinds[np.isin(elements, sorted(names))] = kind
        return kinds

    @property
    def tolerance_A(self) -> float:
        """Greatest distance of an ion from its site, A."""
        return TOLERANCE * self.reach_A

    @cached_property
    def reach_A(self) -> float:
        """Distance of the farthest neighbours in ``shell_A``, A: half of a in LLZO."""
        return float(np.linalg.norm(self.shell_A, axis=1).max())

    @cached_property
    def shell_A(self) -> NDArray[np.float64]:
        """(k, 3) A: vectors from a site of the first sublattice to its neighbours on it."""
        sites = unit_fractions(self.sites[0])
        pairs = pairs_within(sites[:1], np.eye(3), 1.0, sites)
        others = pairs.distance > 1e-6
        near = others & (pairs.distance < _SHELL * pairs.distance[others].min())
        shell: NDArray[np.float64] = pairs.vector[near] * self.lattice_A
        return shell

    @cached_property
    def trees(self) -> tuple[cKDTree, ...]:
        """Search tree over the sites of each sublattice, periodic in the unit cell."""
        return tuple(cKDTree(unit_fractions(sites), boxsize=1.0) for sites in self.sites)


@lru_cache(maxsize=1)
def garnet() -> Reference:
    """LLZO, cubic or tetragonal: Zr (16a, bcc), La (24c) and O, with their usual substitutes."""
    sites = cubic_sites()
    return Reference(
        name="LLZO",
        unit={"Li": 7, "La": 3, "Zr": 2, "O": 12},
        lattice_A=CUBIC_A,
        elements=(
            frozenset({"Zr", "Ta", "Nb", "W", "Hf", "Sn", "Sb", "Te", "Ti", "Mo"}),
            frozenset({"La", "Ca", "Sr", "Ba", "Ce", "Nd", "Sm", "Gd", "Y"}),
            frozenset({"O", "F"}),
        ),
        measured=2,
        sites=tuple(sites.framework[sites.species == kind] for kind in (ZR, LA, O)),
    )


def unit_fractions(fractional: NDArray[np.float64]) -> NDArray[np.float64]:
    """Wrap fractions of a cell into [0, 1)."""
    inside: NDArray[np.float64] = fractional - np.floor(fractional)
    inside[inside >= 1.0] = 0.0  # -1e-17 - floor(-1e-17) rounds to 1.0
    return inside
