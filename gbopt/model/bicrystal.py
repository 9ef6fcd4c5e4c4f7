"""Bicrystal: ions in a periodic cell that holds two grain boundaries."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPECIES = ("Li", "La", "Zr", "O")
"""Order of the species everywhere: index 0-3 in ``Bicrystal.species``, LAMMPS type minus one."""
LI, LA, ZR, O = range(4)  # noqa: E741 - the element's symbol
MASSES_AMU = (6.94, 138.90547, 91.224, 15.999)
FORMAL_CHARGES = (1, 3, 4, -2)
"""Formal charges in e, by which a structure is neutral whatever the potential."""
DOPANTS = ("Al", "Ga", "Ta", "Nb")
"""Cations that may replace lithium (Al, Ga) or zirconium (Ta, Nb)."""
ELEMENTS = (*SPECIES, *DOPANTS)
"""Order of the elements in whatever is analysed; a structure has those of its own alone."""
AL, GA, TA, NB = range(4, 8)
ELEMENT_MASSES_AMU = (*MASSES_AMU, 26.981538, 69.723, 180.94788, 92.90637)
ELEMENT_CHARGES = (*FORMAL_CHARGES, 3, 3, 5, 5)
"""Their formal charges in e."""
ON_ZR_SITES = (ZR, TA, NB)
"""Elements on the zirconium sites, as indices into ELEMENTS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bicrystal:
    """A periodic cell of ions; with ``boundaries_A`` empty it is a single crystal.

    The cell is in LAMMPS form: ``a`` along x (the axis of rotation where it lies in the plane),
    ``b`` in the xy plane, ``c`` along z, the boundary normal. Rows are cell vectors (ASE's
    convention). A network of columnar grains has boundaries across y as well.
    """

    positions: NDArray[np.float64]
    """(n, 3) A, wrapped into the cell."""
    cell: NDArray[np.float64]
    """(3, 3) A, rows are a, b, c."""
    sites: NDArray[np.float64]
    """(n, 3) A: the ideal crystal site each La, Zr and O was built on (Li: its position)."""
    species: NDArray[np.int8]
    """(n,) index into ``elements``."""
    grain: NDArray[np.int8]
    """(n,) the grain an ion was built in, from 0."""
    core: NDArray[np.bool_]
    """(n,) True in the slabs whose structure is to be disordered."""
    boundaries_A: tuple[float, ...]
    """z of the boundary planes, A."""
    core_width_A: float
    """Nominal width: thickness of the disordered slab on each boundary, A."""
    lattice_A: float
    """Lattice parameter the grains were built with, A."""
    elements: tuple[str, ...] = SPECIES
    """Element of each species; those of LLZO come first where it is the host."""
    formal_charges_e: tuple[int, ...] = FORMAL_CHARGES
    """Formal charge of each species, e."""
    cross_boundaries_A: tuple[float, ...] = ()
    """y of the boundary planes of a network that are perpendicular to ``boundaries_A``, A."""
    ledger: dict[str, int] = field(default_factory=dict)
    """Neutral units taken away to resolve overlaps, such as {"Li2O": 2}; negative: added."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """How it was built: specification, angles, strain, cuts, translation, seed."""

    @property
    def n_ions(self) -> int:
        """Number of ions."""
        return len(self.species)

    @property
    def element_numbers(self) -> NDArray[np.int8]:
        """(n,) index of each ion into ELEMENTS; of another material into its own elements."""
        if not set(self.elements) <= set(ELEMENTS):
            return self.species
        own = np.array([ELEMENTS.index(name) for name in self.elements], dtype=np.int8)
        return own[self.species]

    @property
    def counts(self) -> dict[str, int]:
        """Ions of each species."""
        tally = Counter(self.species.tolist())
        return {name: tally.get(i, 0) for i, name in enumerate(self.elements)}

    @property
    def charge_e(self) -> int:
        """Sum of the formal charges, e."""
        return int(np.array(self.formal_charges_e)[self.species].sum())

    @property
    def has_film(self) -> bool:
        """Whether a film of glass lies on each boundary, as its specification asked for."""
        return self.provenance.get("spec", {}).get("film") is not None

    @property
    def junctions_A(self) -> tuple[tuple[float, float], ...]:
        """(y, z) of the lines along x in which the boundaries of a network meet, A."""
        return tuple((y, z) for y in self.cross_boundaries_A for z in self.boundaries_A)

    @property
    def area_A2(self) -> float:
        """Area of one boundary, A^2."""
        return float(np.linalg.norm(np.cross(self.cell[0], self.cell[1])))

    @property
    def length_A(self) -> float:
        """Cell length along the boundary normal, A."""
        return float(self.cell[2, 2])

    @property
    def volume_A3(self) -> float:
        """Cell volume, A^3."""
        return float(abs(np.linalg.det(self.cell)))

    @property
    def formula(self) -> str:
        """Composition such as ``Li1568La672Zr448O2688``."""
        return "".join(f"{name}{count}" for name, count in self.counts.items())
