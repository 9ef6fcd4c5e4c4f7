"""Framework overlaps where two grains meet: scored, pushed apart, and, at need, removed.

Ions are only ever removed as whole oxide units (Li2O, ZrO2, La2O3): the lithium that belongs to
a unit is placed later, so removing its framework part keeps the cell neutral.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.model.bicrystal import LA, SPECIES, ZR, O

# Shortest distances in A over 41 DFT-relaxed LLZO boundaries (W. Xie et al., Adv. Energy
# Mater. 2023, doi 10.1002/aenm.202304230), in the order Li, La, Zr, O.
RELAXED_MINIMUM_A = np.array(
    [
        [2.02, 2.64, 2.52, 1.77],
        [2.64, 3.35, 3.24, 2.15],
        [2.52, 3.24, 3.33, 1.94],
        [1.77, 2.15, 1.94, 2.56],
    ]
)
# A built structure has not been relaxed yet: it passes at 85 % of the relaxed minimum, from
# where minimisation with formal charges is safe; framework ions are pushed apart to 95 %.
GATE_FRACTION = 0.85
PUSH_FRACTION = 0.95
GATE_A = GATE_FRACTION * RELAXED_MINIMUM_A
PUSH_A = PUSH_FRACTION * RELAXED_MINIMUM_A

# Share of the separation that each species takes: cations hardly leave their sites.
_MOBILITY = np.array([1.0, 0.3, 0.2, 1.0])
_PUSH_STEPS = 40
_TOLERANCE_A = 0.02
_SKIN_A = 0.8
_MOBILE_DEPTH_A = 5.0


class Framework(NamedTuple):
    """La, Zr and O of a bicrystal while it is being built."""

    positions: NDArray[np.float64]
    sites: NDArray[np.float64]
    """Crystal sites the ions came from."""
    species: NDArray[np.int8]
    grain: NDArray[np.int8]

    def take(self, keep: NDArray[np.bool_]) -> Framework:
        """Return the ions marked True."""
        return Framework(
            self.positions[keep], self.sites[keep], self.species[keep], self.grain[keep]
        )


def depth(
    z: NDArray[np.float64], boundaries_A: tuple[float, ...], length_A: float
) -> NDArray[np.float64]:
    """Distance of each z to the nearest boundary plane, periodic along the normal, A."""
    gap = np.abs(z[:, None] - np.array(boundaries_A)[None, :])
    nearest: NDArray[np.float64] = np.minimum(gap, length_A - gap).min(axis=1)
    return nearest


def overlap_score(
    framework: Framework, cell: NDArray[np.float64], boundaries_A: tuple[float, ...]
) -> float:
    """Sum of squared overlaps (A^2) between ions of the two grains, against PUSH_A."""
    reach = PUSH_A.max()
    close = depth(framework.positions[:, 2], boundaries_A, cell[2, 2]) < reach
    near = framework.take(close)
    pairs = pairs_within(wrap(near.positions, cell), cell, reach)
    lack = PUSH_A[near.species[pairs.i], near.species[pairs.j]] - pairs.distance
    across = (near.grain[pairs.i] != near.grain[pairs.j]) & (lack > 0)
    return float((lack[across] ** 2).sum())


def push_apart(
    framework: Framework, cell: NDArray[np.float64], boundaries_A: tuple[float, ...]
) -> Framework:
    """Move ions near the boundaries until pairs reach PUSH_A, as far as they can.

    A steepest-descent of harmonic overlaps; ions deeper than 5 A in a grain stay.
    """
    positions = wrap(framework.positions, cell)
    shallow = depth(positions[:, 2], boundaries_A, cell[2, 2])
    zone = np.flatnonzero(shallow < _MOBILE_DEPTH_A + PUSH_A.max() + _SKIN_A)
    species = framework.species[zone]
    pairs = pairs_within(positions[zone], cell, PUSH_A.max() + _SKIN_A)
    target = PUSH_A[species[pairs.i], species[pairs.j]]
    weight = np.where(shallow[zone] < _MOBILE_DEPTH_A, _MOBILITY[species], 0.0)
    moved = np.zeros((len(zone), 3))
    for _ in range(_PUSH_STEPS):
        vector = pairs.vector + moved[pairs.j] - moved[pairs.i]
        distance = np.maximum(np.linalg.norm(vector, axis=1), 1e-6)
        bad = distance < target - _TOLERANCE_A
        if not bad.any():
            break
        i, j = pairs.i[bad], pairs.j[bad]
        # Each of the pair goes its share of the way; 0.8 damps ions with several overlaps.
        share = 0.8 * (target[bad] - distance[bad]) / np.maximum(weight[i] + weight[j], 1e-9)
        step = (share / distance[bad])[:, None] * vector[bad]
        np.add.at(moved, i, -step * weight[i][:, None])
        np.add.at(moved, j, step * weight[j][:, None])
    positions[zone] += moved
    return framework._replace(positions=positions)


def remove_units(
    framework: Framework, cell: NDArray[np.float64]
) -> tuple[Framework, dict[str, int]]:
    """Take away the framework part of oxide units until no pair is below the gate.

    Worst pair first: an O-O overlap costs one Li2O, a pair with zirconium one ZrO2, a pair with
    lanthanum one La2O3.

    Returns:
        The remaining framework and the oxide units removed.
    """
    ledger = {"Li2O": 0, "ZrO2": 0, "La2O3": 0}
    keep = np.ones(len(framework.species), dtype=bool)
    positions = wrap(framework.positions, cell)
    pairs = pairs_within(positions, cell, GATE_A.max())
    kind_i, kind_j = framework.species[pairs.i], framework.species[pairs.j]
    ratio = pairs.distance / GATE_A[kind_i, kind_j]
    for index in np.argsort(ratio, kind="stable"):
        i, j = int(pairs.i[index]), int(pairs.j[index])
        if ratio[index] >= 1.0:
            break
        if keep[i] and keep[j]:
            ions, unit = _unit_around(i, j, framework, positions, cell, keep)
            keep[ions] = False
            ledger[unit] += 1
    return framework.take(keep), {unit: count for unit, count in ledger.items() if count}


def _unit_around(
    i: int,
    j: int,
    framework: Framework,
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    keep: NDArray[np.bool_],
) -> tuple[list[int], str]:
    """Choose the ions of the oxide unit whose removal resolves the pair (i, j)."""
    kinds = {int(framework.species[i]), int(framework.species[j])}
    if kinds == {O}:
        return [j], "Li2O"
    cation = ZR if ZR in kinds else LA
    centre = i if framework.species[i] == cation else j
    to_centre = positions - positions[centre]
    fractional = to_centre @ np.linalg.inv(cell)
    distance = np.linalg.norm((fractional - np.round(fractional)) @ cell, axis=1)
    nearest = np.argsort(distance, kind="stable")

    def closest(species: int, count: int) -> list[int]:
        found = [int(n) for n in nearest if keep[n] and framework.species[n] == species]
        return found[:count]

    if cation == ZR:
        return [*closest(ZR, 1), *closest(O, 2)], "ZrO2"
    return [*closest(LA, 2), *closest(O, 3)], "La2O3"


def shortest_by_pair(
    positions: NDArray[np.float64], species: NDArray[np.int8], cell: NDArray[np.float64]
) -> dict[str, float]:
    """Shortest distance of each pair of species up to 3 A, keyed such as ``Li-O``."""
    pairs = pairs_within(wrap(positions, cell), cell, 3.0)
    low = np.minimum(species[pairs.i], species[pairs.j]).astype(int)
    high = np.maximum(species[pairs.i], species[pairs.j]).astype(int)
    shortest = np.full((4, 4), np.inf)
    np.minimum.at(shortest, (low, high), pairs.distance)
    return {
        f"{SPECIES[a]}-{SPECIES[b]}": float(shortest[a, b])
        for a in range(4)
        for b in range(a, 4)
        if np.isfinite(shortest[a, b])
    }
