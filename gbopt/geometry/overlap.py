"""The core of a boundary: disordered, its overlaps pushed apart and, at need, removed.

Ions are only ever removed as whole oxide units (Li2O, ZrO2, La2O3): the lithium that belongs to
a unit is placed later, so removing its framework part keeps the cell neutral.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.neighbours import Pairs, pairs_within, wrap
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
# where minimisation with formal charges is safe; framework ions are pushed apart to 90 %.
GATE_FRACTION = 0.85
PUSH_FRACTION = 0.90
GATE_A = GATE_FRACTION * RELAXED_MINIMUM_A
PUSH_A = PUSH_FRACTION * RELAXED_MINIMUM_A

# Share of the separation that each species takes: cations hardly leave their sites.
_MOBILITY = np.array([1.0, 0.3, 0.2, 1.0])
_PUSH_ROUNDS = 16
_PUSH_STEPS = 8
_DAMPING = 0.8
_JOLT_A = 0.3
# Around the mobile slab, the crystal that displaced ions can run into.
_REACH_A = 5.0
# Pushing ends when every pair has this share of its PUSH_A: some way above the gate.
_ENOUGH = 0.95
_SKIN_A = 0.4
DISORDER_A = 1.3
"""Random displacement of core ions along each axis, A: with it, LAMMPS runs measure some 70 % of
the nominal width; with 1.0 A they measure half of it."""


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


def disorder(
    framework: Framework,
    cell: NDArray[np.float64],
    boundaries_A: tuple[float, ...],
    core_width_A: float,
    rng: np.random.Generator,
) -> Framework:
    """Displace every ion of the core slabs at random (Gaussian, DISORDER_A along each axis).

    An anneal alone leaves a core of a few picoseconds crystalline: held between two grains it
    superheats instead of melting. Started from displaced ions, minimisation and anneal end in
    a glass of the slab's thickness.
    """
    core = depth(framework.positions[:, 2], boundaries_A, cell[2, 2]) <= core_width_A / 2
    kicks = rng.normal(scale=DISORDER_A, size=framework.positions.shape)
    return framework._replace(positions=framework.positions + kicks * core[:, None])


def push_apart(
    framework: Framework,
    cell: NDArray[np.float64],
    boundaries_A: tuple[float, ...],
    mobile_depth_A: float,
    rng: np.random.Generator,
) -> Framework:
    """Move ions near the boundaries until pairs reach PUSH_A, as far as they can.

    A steepest descent of harmonic overlaps; ions deeper than ``mobile_depth_A`` stay. An ion
    jammed between others is jolted at random and tried again.
    """
    positions = wrap(framework.positions, cell)
    # An ion displaced out of the core stays mobile: both its place and its site count.
    place, site = (
        depth(where[:, 2], boundaries_A, cell[2, 2]) for where in (positions, framework.sites)
    )
    zone = np.flatnonzero(place < mobile_depth_A + _REACH_A)
    species = framework.species[zone]
    mobile = np.minimum(place, site)[zone] < mobile_depth_A
    weight = np.where(mobile, _MOBILITY[species], 0.0)
    for _ in range(_PUSH_ROUNDS):
        step, jammed = _separation(wrap(positions[zone], cell), species, weight, cell)
        if not step.any():
            break
        positions[zone] += step
        jolt = rng.normal(scale=_JOLT_A, size=(len(jammed), 3))
        positions[zone[jammed]] += jolt * weight[jammed][:, None]
    return framework._replace(positions=positions)


def _separation(
    positions: NDArray[np.float64],
    species: NDArray[np.int8],
    weight: NDArray[np.float64],
    cell: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Displacements that separate overlaps with one list of pairs, and the ions still jammed.

    All displacements are zero where no pair is too close to begin with.
    """
    pairs = _touching(positions, species, weight, cell)
    target = PUSH_A[species[pairs.i], species[pairs.j]]
    enough = _ENOUGH * target
    moved = np.zeros_like(positions)
    distance = pairs.distance
    for _ in range(_PUSH_STEPS):
        if not (distance < enough).any():
            break
        bad = distance < target
        i, j = pairs.i[bad], pairs.j[bad]
        # Each of the pair goes its share of the way; damped for ions with several overlaps.
        share = _DAMPING * (target - distance)[bad] / (weight[i] + weight[j])
        step = (share / distance[bad])[:, None] * (pairs.vector + moved[pairs.j] - moved[pairs.i])[
            bad
        ]
        np.add.at(moved, i, -step * weight[i][:, None])
        np.add.at(moved, j, step * weight[j][:, None])
        vector = pairs.vector + moved[pairs.j] - moved[pairs.i]
        distance = np.maximum(np.sqrt(np.einsum("ij,ij->i", vector, vector)), 1e-6)
    jammed = distance < enough
    return moved, np.unique(np.concatenate([pairs.i[jammed], pairs.j[jammed]]))


def _touching(
    positions: NDArray[np.float64],
    species: NDArray[np.int8],
    weight: NDArray[np.float64],
    cell: NDArray[np.float64],
) -> Pairs:
    """Pairs that may come too close while ions move by half the skin; one of them is mobile."""
    # Cations keep far from each other and are few: all pairs at their reach would be slow.
    cation = np.flatnonzero(species != O)
    reach = PUSH_A[:, O].max() + _SKIN_A
    among = pairs_within(positions[cation], cell, PUSH_A.max() + _SKIN_A)
    others = pairs_within(positions, cell, reach)
    with_oxygen = (species[others.i] == O) | (species[others.j] == O)
    i = np.concatenate([cation[among.i], others.i[with_oxygen]])
    j = np.concatenate([cation[among.j], others.j[with_oxygen]])
    vector = np.concatenate([among.vector, others.vector[with_oxygen]])
    distance = np.concatenate([among.distance, others.distance[with_oxygen]])
    near = distance < PUSH_A[species[i], species[j]] + _SKIN_A
    chosen = near & (weight[i] + weight[j] > 0) & (distance > 1e-6)
    return Pairs(i[chosen], j[chosen], vector[chosen], distance[chosen])


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
    """Shortest distance of each pair of species, keyed such as ``Li-O``, if the gate could ask."""
    pairs = pairs_within(wrap(positions, cell), cell, GATE_A.max())
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
