"""The gate: no structure leaves the generator charged, touching, or other than asked."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.neighbours import pairs_within
from gbopt.errors import GeometryError
from gbopt.geometry.interface import Cut, Interface
from gbopt.geometry.overlap import gate_A, shortest_by_pair
from gbopt.geometry.zones import Zones
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.crystal import Crystal

BULK_LIKE_A = 20.0
"""Crystal between two cores of which the middle is thought to be like bulk: of Sigma5(210) a
boundary changes the diffusivity some 10 A into the grain."""
# The orientation of a built grain may differ from the one asked for by this much.
_ANGLE_DEG = 0.1
# Ions up to this far outside a core may have been pushed.
_MOVED_A = 2.5
# Vectors between cations up to this length, in units of a, are compared with the crystal's.
_REACH_a = 0.75
_MATCH_a = 0.05
# Without a core, ions this near to the plane are counted.
_SHARP_A = 4.0
# Principal stretches of a grain may differ from those asked for by this much.
_STRETCH = 0.003
_LEAST_VECTORS = 12


class BoundaryReport(NamedTuple):
    """What the gate found at one boundary."""

    z_A: float
    counts: dict[str, int]
    """Ions of each element, by site, in the core; without one, within 4 A of the plane."""
    charge_e: int
    """Sum of their formal charges."""
    displaced_A: float
    """Root mean square displacement of the core's other ions from their sites."""
    continuous: float
    """Share of the cation vectors across the plane that the lattice of either grain has."""


class GateReport(NamedTuple):
    """What the gate measured."""

    charge_e: int
    shortest_A: dict[str, float]
    formula: str
    ions_per_A3: float
    grains_A: tuple[float, ...] = ()
    """Crystal between the cores, for each grain of a bicrystal."""
    misorientation_deg: float = math.nan
    """Measured from the built ions; nan where a grain has too few ordered cations."""

    @property
    def bulk_like(self) -> bool:
        """Whether every grain is thick enough to hold bulk crystal in its middle."""
        return bool(self.grains_A) and min(self.grains_A) >= BULK_LIKE_A


def check(structure: Bicrystal, crystal: Crystal, interface: Interface | None = None) -> GateReport:
    """Measure a structure, and refuse what is not fit for MD or not what was asked for.

    Args:
        structure: what was built.
        crystal: what its grains are made of, with the elements of the structure.
        interface: the boundary that was asked for; without it the grains are not examined.

    Raises:
        GeometryError: the cell is charged, a pair of ions is closer than 85 % of the shortest
            distance found in DFT-relaxed boundaries, or a grain is not turned or stretched as
            asked.
    """
    charge = structure.charge_e
    if charge != 0:
        raise GeometryError(
            f"the structure {structure.formula} has a charge of {charge:+d} e, it must be 0",
            hint="this is a defect of the generator: report the specification",
        )
    report = GateReport(
        charge,
        _shortest(structure, crystal),
        structure.formula,
        structure.n_ions / structure.volume_A3,
    )
    if interface is None or len(structure.boundaries_A) != 2:
        return report
    first, second = structure.boundaries_A
    thick = (second - first, structure.length_A - (second - first))
    return report._replace(
        grains_A=tuple(round(t - structure.core_width_A, 6) for t in thick),
        misorientation_deg=_misorientation(structure, crystal, interface),
    )


def _shortest(structure: Bicrystal, crystal: Crystal) -> dict[str, float]:
    limits = gate_A(crystal)
    found = shortest_by_pair(structure.positions, structure.species, structure.cell, crystal)
    shortest: dict[str, float] = {}
    for (first, second), distance in found.items():
        pair = f"{structure.elements[first]}-{structure.elements[second]}"
        shortest[pair] = distance
        if distance < limits[first, second] - 1e-9:
            raise GeometryError(
                f"the closest {pair} pair is {distance:.2f} A apart, the gate asks for "
                f"{limits[first, second]:.2f} A",
                hint="use another seed, another width_layers or a larger gap_A",
            )
    return shortest


class _Cations(NamedTuple):
    """The cations of the highest charge, by which lattices are recognised."""

    positions: NDArray[np.float64]
    grain: NDArray[np.int8]
    depth_A: NDArray[np.float64]
    near: NDArray[np.intp]
    """(n,) index of the nearest boundary."""


def _cations(structure: Bicrystal, crystal: Crystal) -> _Cations:
    kind = _layer_former(crystal)
    chosen = structure.species == kind
    positions = structure.positions[chosen]
    depths = np.stack(
        [Zones((z,), structure.length_A).depth(positions) for z in structure.boundaries_A]
    )
    # An ion displaced out of a core is no crystal: its site counts as well.
    site = Zones(structure.boundaries_A, structure.length_A).depth(structure.sites[chosen])
    depth_A = np.minimum(depths.min(axis=0), site)
    return _Cations(positions, structure.grain[chosen], depth_A, depths.argmin(axis=0))


def _layer_former(crystal: Crystal) -> int:
    charges = np.array(crystal.formal_charges_e)[crystal.species]
    return int(crystal.species[charges.argmax()])


@lru_cache(maxsize=16)
def _ideal_vectors(crystal: Crystal, lattice_A: float) -> NDArray[np.float64]:
    """(m, 3) A, vectors between cations of the perfect crystal within reach, crystal frame."""
    cell = crystal.shape_a * lattice_A
    corners = np.indices((crystal.denominator,) * 3).reshape(3, -1).T
    points = (corners @ np.array(crystal.primitive) / crystal.denominator) % 1.0
    own = crystal.framework[crystal.species == _layer_former(crystal)]
    every = np.unique(((points[:, None] + own[None]).reshape(-1, 3) % 1.0).round(6), axis=0)
    images = np.stack(np.meshgrid(*[np.arange(-1, 2)] * 3, indexing="ij"), -1).reshape(-1, 3)
    vectors = (every[None, :, None] + images[:, None, None] - own[None, None]).reshape(-1, 3) @ cell
    length = np.linalg.norm(vectors, axis=1)
    found = vectors[(length > 1e-3) & (length < _REACH_a * lattice_A)]
    unique: NDArray[np.float64] = np.unique(found.round(4), axis=0)
    return unique


def _misorientation(structure: Bicrystal, crystal: Crystal, interface: Interface) -> float:
    """Angle between the grains, from the vectors between their cations outside the cores."""
    cations = _cations(structure, crystal)
    ideal = _ideal_vectors(crystal, structure.lattice_A)
    turns = []
    for grain, cut in enumerate((interface.first, interface.second)):
        deep = (cations.grain == grain) & (cations.depth_A > structure.core_width_A / 2 + _MOVED_A)
        vectors = _vectors(cations.positions[deep], structure)
        # Few vectors, or vectors of one plane, leave the orientation open.
        if len(vectors) < _LEAST_VECTORS or np.linalg.matrix_rank(vectors, tol=1.0) < 3:
            return math.nan
        model = ideal @ cut.deformation.T
        gap, match = _nearest(vectors, model)
        good = gap < _MATCH_a * structure.lattice_A
        if good.mean() < 1 - 1e-9:
            raise GeometryError(
                f"grain {grain + 1} is not the crystal it was built of: "
                f"{1 - good.mean():.0%} of its cation vectors are foreign",
                hint="this is a defect of the generator: report the specification",
            )
        turns.append(_turn(ideal[match], vectors, cut, grain))
    between = turns[0].T @ turns[1]
    angle_deg = math.degrees(math.acos(float(np.clip((np.trace(between) - 1) / 2, -1, 1))))
    if abs(angle_deg - abs(interface.realised_deg)) > _ANGLE_DEG:
        raise GeometryError(
            f"the built grains are turned by {angle_deg:.2f} deg against each other, asked for "
            f"was {abs(interface.realised_deg):.2f} deg",
            hint="this is a defect of the generator: report the specification",
        )
    return angle_deg


def _vectors(positions: NDArray[np.float64], structure: Bicrystal) -> NDArray[np.float64]:
    pairs = pairs_within(positions, structure.cell, _REACH_a * structure.lattice_A * 0.98)
    return pairs.vector


def _nearest(
    vectors: NDArray[np.float64], model: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    from scipy.spatial import cKDTree

    gap, match = cKDTree(model).query(vectors)
    return np.asarray(gap), np.asarray(match, dtype=np.intp)


def _turn(
    model: NDArray[np.float64], seen: NDArray[np.float64], cut: Cut, grain: int
) -> NDArray[np.float64]:
    """Rotation in the linear map of the crystal's vectors onto those that are seen.

    Raises:
        GeometryError: the map stretches the crystal otherwise than was asked for.
    """
    map_, *_ = np.linalg.lstsq(model, seen, rcond=None)
    left, stretches, right = np.linalg.svd(map_.T)
    asked = np.linalg.svd(cut.deformation, compute_uv=False)
    if np.abs(stretches - asked).max() > _STRETCH:
        raise GeometryError(
            f"grain {grain + 1} is stretched by {np.abs(stretches - 1).max():.1%}, asked for was "
            f"{np.abs(asked - 1).max():.1%}",
            hint="give the lattice parameter that the structure was built with",
        )
    turn: NDArray[np.float64] = left @ right
    return turn


def characterise(
    structure: Bicrystal, crystal: Crystal, interface: Interface
) -> tuple[BoundaryReport, ...]:
    """Describe each boundary of a bicrystal: its core, and how far either lattice goes on."""
    return tuple(
        _boundary(structure, crystal, interface, index)
        for index in range(len(structure.boundaries_A))
    )


def _boundary(
    structure: Bicrystal, crystal: Crystal, interface: Interface, index: int
) -> BoundaryReport:
    z_A = structure.boundaries_A[index]
    gap = Zones((z_A,), structure.length_A).depth(structure.sites)
    core = gap <= (structure.core_width_A / 2 or _SHARP_A)
    kinds = structure.species[core]
    fixed = core & (structure.species != (-1 if crystal.mobile is None else crystal.mobile))
    fraction = (structure.positions - structure.sites)[fixed] @ np.linalg.inv(structure.cell)
    moved = (fraction - np.round(fraction)) @ structure.cell
    share = _continuous(structure, crystal, interface, index)
    return BoundaryReport(
        z_A,
        {name: int((kinds == k).sum()) for k, name in enumerate(structure.elements)},
        int(np.array(structure.formal_charges_e)[kinds].sum()),
        float(np.sqrt((moved**2).sum(axis=1).mean())) if fixed.any() else 0.0,
        share,
    )


def _continuous(structure: Bicrystal, crystal: Crystal, interface: Interface, index: int) -> float:
    """Share of cation vectors from one grain into the other that either lattice has."""
    cations = _cations(structure, crystal)
    near = (cations.near == index) & (cations.depth_A < _REACH_a * structure.lattice_A)
    pairs = pairs_within(
        cations.positions[near], structure.cell, _REACH_a * structure.lattice_A * 0.98
    )
    grain = cations.grain[near]
    across = pairs.vector[grain[pairs.i] != grain[pairs.j]]
    if len(across) == 0:
        return 0.0
    ideal = _ideal_vectors(crystal, structure.lattice_A)
    gaps = [
        _nearest(across, ideal @ cut.deformation.T)[0]
        for cut in (interface.first, interface.second)
    ]
    return float((np.minimum(*gaps) < _MATCH_a * structure.lattice_A).mean())
