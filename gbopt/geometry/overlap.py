"""The core of a boundary: disordered, its overlaps pushed apart and, at need, removed.

Ions are only ever removed as whole neutral units (Li2O, ZrO2, La2O3 in LLZO): the mobile ions that
belong to a unit are placed later, so removing its framework part keeps the cell neutral.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.neighbours import Pairs, pairs_within, wrap
from gbopt.geometry.zones import Zones
from gbopt.model.crystal import Crystal

# A built structure has not been relaxed yet: it passes at 85 % of the relaxed minimum, from
# where minimisation with formal charges is safe; framework ions are pushed apart to 90 %.
GATE_FRACTION = 0.85
PUSH_FRACTION = 0.90

_PUSH_ROUNDS = 16
_PUSH_STEPS = 8
_DAMPING = 0.8
_JOLT_A = 0.3
# Around the mobile slab, the crystal that displaced ions can run into.
_REACH_A = 5.0
# Pushing ends when every pair has this share of its distance: some way above the gate.
_ENOUGH = 0.95
_SKIN_A = 0.4
DISORDER_A = 1.3
"""Random displacement of core ions along each axis, A: with it, LAMMPS runs measure some 70 % of
the nominal width; with 1.0 A they measure half of it."""


class Framework(NamedTuple):
    """The ions of a cell without the mobile ones, while it is being built."""

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


def gate_A(crystal: Crystal) -> NDArray[np.float64]:
    """(k, k) shortest distance of each pair of elements that a built structure may have, A."""
    return GATE_FRACTION * crystal.shortest_A


def disorder(
    framework: Framework,
    cell: NDArray[np.float64],
    zones: Zones,
    core_width_A: float,
    rng: np.random.Generator,
) -> Framework:
    """Displace every ion of the core slabs at random (Gaussian, DISORDER_A along each axis).

    An anneal alone leaves a core of a few picoseconds crystalline: held between two grains it
    superheats instead of melting. Started from displaced ions, minimisation and anneal end in
    a glass of the slab's thickness.
    """
    core = zones.depth(wrap(framework.positions, cell)) <= core_width_A / 2
    kicks = rng.normal(scale=DISORDER_A, size=framework.positions.shape)
    if core_width_A == 0:
        return framework
    return framework._replace(positions=framework.positions + kicks * core[:, None])


def push_apart(
    framework: Framework,
    crystal: Crystal,
    cell: NDArray[np.float64],
    zones: Zones,
    mobile_depth_A: float,
    rng: np.random.Generator,
) -> Framework:
    """Move ions near the boundaries until no pair is too close, as far as they can.

    A steepest descent of harmonic overlaps; ions deeper than ``mobile_depth_A`` stay. An ion
    jammed between others is jolted at random and tried again.
    """
    positions = wrap(framework.positions, cell)
    # An ion displaced out of the core stays mobile: both its place and its site count.
    place, site = zones.depth(positions), zones.depth(framework.sites)
    zone = np.flatnonzero(place < mobile_depth_A + _REACH_A)
    species = framework.species[zone]
    mobile = np.minimum(place, site)[zone] < mobile_depth_A
    weight = np.where(mobile, _mobility(crystal)[species], 0.0)
    for _ in range(_PUSH_ROUNDS):
        step, jammed = _separation(wrap(positions[zone], cell), species, weight, crystal, cell)
        if not step.any():
            break
        positions[zone] += step
        jolt = rng.normal(scale=_JOLT_A, size=(len(jammed), 3))
        positions[zone[jammed]] += jolt * weight[jammed][:, None]
    return framework._replace(positions=positions)


def _mobility(crystal: Crystal) -> NDArray[np.float64]:
    """Share of a separation that each species takes: highly charged cations hardly move."""
    return np.array([1.0 if q < 0 else 1.0 / q for q in crystal.formal_charges_e])


def _separation(
    positions: NDArray[np.float64],
    species: NDArray[np.int8],
    weight: NDArray[np.float64],
    crystal: Crystal,
    cell: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Displacements that separate overlaps with one list of pairs, and the ions still jammed.

    All displacements are zero where no pair is too close to begin with.
    """
    push = PUSH_FRACTION * crystal.shortest_A
    pairs = _touching(positions, species, weight, crystal, cell)
    target = push[species[pairs.i], species[pairs.j]]
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
        vector = pairs.vector[bad] + moved[j] - moved[i]
        step = (share / distance[bad])[:, None] * vector
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
    crystal: Crystal,
    cell: NDArray[np.float64],
) -> Pairs:
    """Pairs that may come too close while ions move by half the skin; one of them is mobile."""
    push = PUSH_FRACTION * crystal.shortest_A
    anion = np.array(crystal.formal_charges_e) < 0
    # Cations keep far from each other and are few: all pairs at their reach would be slow.
    is_anion = anion[species]
    cation = np.flatnonzero(~is_anion)
    among = pairs_within(positions[cation], cell, push.max() + _SKIN_A)
    others = pairs_within(positions, cell, push[anion].max() + _SKIN_A)
    with_anion = is_anion[others.i] | is_anion[others.j]
    i = np.concatenate([cation[among.i], others.i[with_anion]])
    j = np.concatenate([cation[among.j], others.j[with_anion]])
    vector = np.concatenate([among.vector, others.vector[with_anion]])
    distance = np.concatenate([among.distance, others.distance[with_anion]])
    near = distance < push[species[i], species[j]] + _SKIN_A
    # Two ions on one point have no direction to part in; a jolt gives them one.
    chosen = near & (weight[i] + weight[j] > 0) & (distance > 1e-6)
    return Pairs(i[chosen], j[chosen], vector[chosen], distance[chosen])


def remove_units(
    framework: Framework, crystal: Crystal, cell: NDArray[np.float64]
) -> tuple[Framework, dict[str, int]]:
    """Take away neutral units until no pair is below the gate.

    Worst pair first: an overlap of two anions costs a unit of the mobile ion (Li2O), one with a
    cation the smallest unit with that cation (ZrO2, La2O3).

    Returns:
        The remaining framework and the units removed.
    """
    ledger: dict[str, int] = {}
    gate = gate_A(crystal)
    keep = np.ones(len(framework.species), dtype=bool)
    positions = wrap(framework.positions, cell)
    pairs = pairs_within(positions, cell, gate.max())
    kind_i, kind_j = framework.species[pairs.i], framework.species[pairs.j]
    ratio = pairs.distance / gate[kind_i, kind_j]
    for index in np.argsort(ratio, kind="stable"):
        i, j = int(pairs.i[index]), int(pairs.j[index])
        if ratio[index] >= 1.0:
            break
        if keep[i] and keep[j]:
            unit, counts, centre = _unit_of(i, j, framework, crystal)
            found = closest(positions, cell, positions[centre], framework.species, keep, counts)
            keep[found] = False
            ledger[unit] = ledger.get(unit, 0) + 1
    return framework.take(keep), ledger


def neutral_unit(crystal: Crystal, cation: int, anion: int) -> tuple[str, dict[int, int]]:
    """Formula and ions of the smallest neutral unit of a cation and an anion, such as La2O3."""
    charges = crystal.formal_charges_e
    common = math.gcd(charges[cation], -charges[anion])
    counts = {cation: -charges[anion] // common, anion: charges[cation] // common}
    formula = "".join(
        crystal.elements[kind] + (str(n) if n > 1 else "") for kind, n in counts.items()
    )
    return formula, counts


def _unit_of(
    i: int, j: int, framework: Framework, crystal: Crystal
) -> tuple[str, dict[int, int], int]:
    """Formula and framework ions of the unit that resolves a pair, and the ion in its midst."""
    charges = crystal.formal_charges_e
    kinds = [int(framework.species[i]), int(framework.species[j])]
    cations = [kind for kind in kinds if charges[kind] > 0]
    anions = [kind for kind in kinds if charges[kind] < 0]
    present = np.bincount(framework.species, minlength=len(charges))
    anion = (
        anions[-1]
        if anions
        else max((k for k in range(len(charges)) if charges[k] < 0), key=lambda k: present[k])
    )
    if not cations:
        free = [k for k in range(len(charges)) if charges[k] > 0 and present[k]]
        cations = [
            crystal.mobile if crystal.mobile is not None else min(free, key=lambda k: charges[k])
        ]
    units = [neutral_unit(crystal, cation, anion) for cation in cations]
    formula, counts = min(units, key=lambda unit: sum(unit[1].values()))
    placed_now = {kind: n for kind, n in counts.items() if kind != crystal.mobile}
    centre = i if kinds[0] in placed_now and kinds[0] == next(iter(placed_now)) else j
    return formula, placed_now, centre


def closest(
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    centre: NDArray[np.float64],
    species: NDArray[np.int8],
    keep: NDArray[np.bool_],
    counts: dict[int, int],
) -> list[int]:
    """Indices of the ions nearest to a point, so many of each species, of those still kept."""
    fractional = (positions - centre) @ np.linalg.inv(cell)
    distance = np.linalg.norm((fractional - np.round(fractional)) @ cell, axis=1)
    chosen: list[int] = []
    for kind, count in counts.items():
        own = np.flatnonzero(keep & (species == kind))
        chosen += own[np.argsort(distance[own], kind="stable")[:count]].tolist()
    return chosen


def shortest_by_pair(
    positions: NDArray[np.float64],
    species: NDArray[np.int8],
    cell: NDArray[np.float64],
    crystal: Crystal,
) -> dict[tuple[int, int], float]:
    """Shortest distance of each pair of species, low index first, if the gate could ask."""
    pairs = pairs_within(wrap(positions, cell), cell, float(gate_A(crystal).max()))
    low = np.minimum(species[pairs.i], species[pairs.j]).astype(int)
    high = np.maximum(species[pairs.i], species[pairs.j]).astype(int)
    kinds = len(crystal.elements)
    shortest = np.full((kinds, kinds), np.inf)
    np.minimum.at(shortest, (low, high), pairs.distance)
    return {
        (a, b): float(shortest[a, b])
        for a in range(kinds)
        for b in range(a, kinds)
        if np.isfinite(shortest[a, b])
    }
