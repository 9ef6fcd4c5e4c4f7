"""Placement of the mobile ions after assembly, under exclusion rules and exactly neutral."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.errors import GeometryError
from gbopt.geometry.overlap import gate_A
from gbopt.geometry.regions import Regions
from gbopt.geometry.zones import Zones
from gbopt.model.crystal import Crystal

_SITE_TRIES = 40
_VOID_TRIES = 40
_VOID_POINTS_PER_A3 = 0.4
# An ordering has to fit: a kind of site is filled to its share of the bulk, no further.
_FULL = 1 - 1e-9
# When a region is to hold another number of ions: places tried beside its sites, how often they
# are drawn anew, and moves for each place. The core of a boundary has taken all it will by then.
_PLACES_PER_A3 = 5.0
_PLACE_DRAWS = 3
_MOVES_PER_PLACE = 40


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
    free = clear_of_host(crystal, where, host)
    kinds = np.repeat(np.arange(len(sites)), [len(kind) for kind in sites])
    for _ in range(_SITE_TRIES):
        chosen = _fill_sites(crystal, where, kinds, free, host.cell, lattice_A, rng)
        # At random some tetrahedron may be left over; a core has voids that make up for it.
        if len(chosen) >= count or host.zones.boundaries_A:
            break
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


def refit_mobile(
    crystal: Crystal,
    host: Host,
    regions: Regions,
    placed: NDArray[np.float64],
    sites: NDArray[np.float64],
    wanted: list[int],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Bring every region to its number of mobile ions, moving as few as need be.

    Ions that the host leaves room for stay, but for a surplus, drawn at random. Missing ones are
    added on free sites and, when these run out, in voids.

    Args:
        crystal: its exclusion rules.
        host: the other ions.
        regions: the regions.
        placed: (m, 3) A, wrapped, mobile ions so far.
        sites: (s, 3) A, wrapped, all mobile sites.
        wanted: ions in each region.
        rng: source of the choice.

    Returns:
        (sum of ``wanted``, 3) A, wrapped.

    Raises:
        GeometryError: there is not enough room.
    """
    placed = placed[clear_of_host(crystal, placed, host)]
    own = [rng.permutation(np.flatnonzero(regions.of(placed) == n)) for n in range(len(wanted))]
    surplus = [ions[count:] for ions, count in zip(own, wanted, strict=True)]
    placed = np.delete(placed, np.concatenate(surplus), axis=0)
    sites = sites[clear_of_host(crystal, sites, host)]
    for n, count in enumerate(wanted):
        places = sites[regions.of(sites) == n]
        for _ in range(_PLACE_DRAWS + 1):
            placed = _crowded(crystal, regions, placed, places, n, count, rng)
            found = int(regions.counts(placed)[n])
            if found == count:
                break
            drawn = regions.points(n, _PLACES_PER_A3, rng)
            places = np.concatenate([places, drawn[clear_of_host(crystal, drawn, host)]])
        else:
            raise GeometryError(
                f"only {found} of {count} {crystal.elements[crystal.mobile or 0]} ions fit into "
                f"{regions.names[n]}",
                hint="ask for less by composition, or use another seed or a larger gap_A",
            )
    return placed


def _crowded(
    crystal: Crystal,
    regions: Regions,
    placed: NDArray[np.float64],
    places: NDArray[np.float64],
    region: int,
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Add ions on places of one region until it holds ``count``, or as many as can be had.

    A hard-core lattice gas: a free place drawn at random is taken if no ion is too near to it;
    an ion that alone is too near moves there, which sooner or later makes room for another.
    """
    inside = regions.of(placed) == region
    own, others = placed[inside], placed[~inside]
    least_A = crystal.least_mobile_A
    taken = pairs_within(places, regions.cell, least_A, others=others)
    free = np.ones(len(places), dtype=bool)
    free[taken.i] = False
    where = np.concatenate([own, places[free]])
    missing = count - len(own)
    if missing == 0 or len(where) == 0:
        return placed
    exclusion = exclusion_lists(where, regions.cell, least_A)
    occupied = np.arange(len(where)) < len(own)
    near = np.add.reduceat(occupied[exclusion.members].astype(np.intp), exclusion.ends[:-1])
    for site in rng.integers(len(where), size=_MOVES_PER_PLACE * len(where)).tolist():
        if missing == 0:
            break
        if occupied[site] or near[site] > 1:
            continue
        around = exclusion.of(site)
        if near[site] == 1:
            leaving = around[occupied[around]]
            occupied[leaving] = False
            near[exclusion.of(int(leaving[0]))] -= 1
            missing += 1
        occupied[site] = True
        near[around] += 1
        missing -= 1
    return np.concatenate([others, where[occupied]])


def clear_of_host(crystal: Crystal, where: NDArray[np.float64], host: Host) -> NDArray[np.bool_]:
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
    for kind, (share, apart_a) in enumerate(crystal.mobile_shares):
        own = np.flatnonzero(kinds == kind)
        quota = int(share * len(own) + 1e-9) if share < _FULL else len(own)
        apart = exclusion_lists(where[own], cell, apart_a * lattice_A)
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
        # In random order, or the first boundary would be filled before the second.
        trial = rng.permutation(_points_in(zones, host.core_width_A, cell, rng))
        trial = trial[clear_of_host(crystal, trial, close)]
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
