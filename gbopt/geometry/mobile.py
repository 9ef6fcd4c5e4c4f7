"""Placement of the mobile ions after assembly, under exclusion rules and exactly neutral."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.errors import GeometryError
from gbopt.geometry.overlap import gate_A
from gbopt.geometry.zones import Zones
from gbopt.model.crystal import Crystal

_VOID_TRIES = 40
_VOID_POINTS_PER_A3 = 0.4
# An ordering has to fit: a kind of site is filled to its share of the bulk, no further.
_FULL = 1 - 1e-9


class Host(NamedTuple):
    """What the mobile ions are placed into."""

    positions: NDArray[np.float64]
    """(n, 3) A, wrapped, all other ions."""
    species: NDArray[np.int8]
    cell: NDArray[np.float64]
    zones: Zones
    core_width_A: float
    """Other voids may be filled this far around the boundaries when sites run out."""


def place_mobile(
    crystal: Crystal,
    host: Host,
    sites: tuple[NDArray[np.float64], ...],
    lattice_A: float,
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Choose ``count`` positions for the mobile ion.

    Args:
        crystal: its exclusion rules.
        host: the other ions.
        sites: (s, 3) A for each of the crystal's kinds of mobile site.
        lattice_A: lattice parameter, by which exclusion distances between sites scale.
        count: ions wanted.
        rng: source of the ordering.

    Returns:
        (count, 3) A, wrapped.

    Raises:
        GeometryError: there is not enough room.
    """
    where = wrap(np.concatenate([np.zeros((0, 3)), *sites]), host.cell)
    free = _clear_of_host(crystal, where, host)
    kinds = np.repeat(np.arange(len(sites)), [len(kind) for kind in sites])
    chosen = _fill_sites(crystal, where, kinds, free, host.cell, lattice_A, rng)
    if len(chosen) > count:
        chosen = rng.permutation(chosen)[:count]
    placed = where[np.sort(chosen)]
    if len(placed) < count:
        placed = _fill_voids(crystal, placed, host, count, rng)
    if len(placed) < count:
        name = crystal.elements[crystal.mobile or 0]
        raise GeometryError(
            f"only {len(placed)} of {count} {name} ions fit into the structure",
            hint="use another seed, a larger crystal_A or a larger gap_A",
        )
    return placed


def _clear_of_host(crystal: Crystal, where: NDArray[np.float64], host: Host) -> NDArray[np.bool_]:
    """Mark the positions that no other ion is too close to."""
    gate = gate_A(crystal)[crystal.mobile]
    pairs = pairs_within(where, host.cell, float(gate.max()), others=host.positions)
    blocked = pairs.distance < gate[host.species[pairs.j]]
    free = np.ones(len(where), dtype=bool)
    free[pairs.i[blocked]] = False
    return free


def _fill_sites(
    crystal: Crystal,
    where: NDArray[np.float64],
    kinds: NDArray[np.intp],
    free: NDArray[np.bool_],
    cell: NDArray[np.float64],
    lattice_A: float,
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Fill the kinds of site in turn, each to its share of the bulk, at random."""
    exclusion = exclusion_lists(where, cell, crystal.least_mobile_A)
    open_ = free.copy()
    chosen: list[int] = []
    for kind, rule in enumerate(crystal.mobile_sites):
        own = np.flatnonzero(kinds == kind)
        quota = int(rule.occupancy * len(own) + 1e-9) if rule.occupancy < _FULL else len(own)
        apart = exclusion_lists(where[own], cell, rule.apart_a * lattice_A)
        lonely = open_[own].copy()
        taken = 0
        for site in rng.permutation(len(own)).tolist():
            if taken >= quota:
                break
            if lonely[site] and open_[own[site]]:
                chosen.append(int(own[site]))
                taken += 1
                lonely[apart.of(site)] = False
                open_[exclusion.of(int(own[site]))] = False
        open_[own] = False
    return np.array(chosen, dtype=np.intp)


class Lists(NamedTuple):
    """For each site a list of other sites, end to end in one array."""

    members: NDArray[np.intp]
    ends: list[int]

    def of(self, site: int) -> NDArray[np.intp]:
        """Return the list of one site."""
        return self.members[self.ends[site] : self.ends[site + 1]]


def exclusion_lists(where: NDArray[np.float64], cell: NDArray[np.float64], apart_A: float) -> Lists:
    """For each position the positions closer than a distance, itself included."""
    n = len(where)
    own = np.arange(n)
    if apart_A > 0 and n:
        pairs = pairs_within(where, cell, apart_A)
        source = np.concatenate([pairs.i, pairs.j, own])
        target = np.concatenate([pairs.j, pairs.i, own])
    else:
        source = target = own
    order = np.argsort(source, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=n))])
    return Lists(target[order], ends.tolist())


def _fill_voids(
    crystal: Crystal,
    placed: NDArray[np.float64],
    host: Host,
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Add ions at random points of the cores that are clear of all others."""
    zones, cell = host.zones, host.cell
    reach = float(gate_A(crystal)[crystal.mobile].max())
    near = zones.depth(host.positions) < host.core_width_A / 2 + reach
    close = host._replace(positions=host.positions[near], species=host.species[near])
    for _ in range(_VOID_TRIES):
        trial = _points_in(zones, host.core_width_A, cell, rng)
        trial = trial[_clear_of_host(crystal, trial, close)]
        taken = pairs_within(trial, cell, crystal.least_mobile_A, others=placed)
        free = np.ones(len(trial), dtype=bool)
        free[taken.i] = False
        trial = trial[free]
        exclusion = exclusion_lists(trial, cell, crystal.least_mobile_A)
        open_ = np.ones(len(trial), dtype=bool)
        added: list[int] = []
        for site in range(len(trial)):
            if open_[site] and len(placed) + len(added) < count:
                added.append(site)
                open_[exclusion.of(site)] = False
        placed = np.concatenate([placed, trial[added]])
        if len(placed) >= count:
            break
    return placed


def _points_in(
    zones: Zones, width_A: float, cell: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw points uniformly in the slabs around the boundaries, wrapped."""
    parts = []
    for axis, planes in ((2, zones.boundaries_A), (1, zones.cross_boundaries_A)):
        volume = abs(float(np.linalg.det(cell))) * width_A / cell[axis, axis]
        for plane in planes:
            points = rng.random((int(_VOID_POINTS_PER_A3 * volume), 3)) @ cell
            points[:, axis] = plane + (rng.random(len(points)) - 0.5) * width_A
            parts.append(points)
    return wrap(np.concatenate(parts), cell) if parts else np.zeros((0, 3))
