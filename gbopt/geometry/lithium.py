"""Lithium placement after assembly: 24d and 96h under the exclusion rule, exactly neutral.

A lithium ion on a tetrahedral 24d site excludes the octahedral positions 1.60 A away, and an
octahedron holds one ion at most. A random independent set of a third of the tetrahedra leaves
room for one ion in every octahedron: 8 + 48 = 56 in a cubic cell, the composition Li7.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.errors import GeometryError
from gbopt.geometry.overlap import GATE_A
from gbopt.model.bicrystal import LI

MIN_LI_LI_A = 2.0
_TETRAHEDRAL_SHARE = 1 / 3
_VOID_TRIES = 40
_VOID_POINTS_PER_A3 = 0.4


def place_lithium(
    *,
    host: NDArray[np.float64],
    host_species: NDArray[np.int8],
    tetrahedral: NDArray[np.float64],
    octahedral: NDArray[np.float64],
    void_slabs_A: list[tuple[float, float]],
    cell: NDArray[np.float64],
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Choose ``count`` lithium positions.

    Args:
        host: (n, 3) A, wrapped framework positions.
        host_species: (n,) their species.
        tetrahedral: (t, 3) A, candidate 24d sites.
        octahedral: (o, 2, 3) A, candidate split positions of each octahedron.
        void_slabs_A: ranges of z in which other voids may be filled when sites run out.
        cell: (3, 3) A.
        count: lithium ions wanted.
        rng: source of the ordering.

    Returns:
        (count, 3) A, wrapped.

    Raises:
        GeometryError: there is not enough room.
    """
    sites = wrap(np.concatenate([tetrahedral, octahedral.reshape(-1, 3)]), cell)
    free = _clear_of_host(sites, host, host_species, cell)
    chosen = _fill_sites(sites, free, len(tetrahedral), cell, rng)
    if len(chosen) > count:
        chosen = rng.permutation(chosen)[:count]
    lithium = sites[np.sort(chosen)]
    if len(lithium) < count:
        lithium = _fill_voids(lithium, host, host_species, void_slabs_A, cell, count, rng)
    if len(lithium) < count:
        raise GeometryError(
            f"only {len(lithium)} of {count} lithium ions fit into the structure",
            hint="use another seed, or a larger geometry.crystal_A",
        )
    return lithium


def _clear_of_host(
    sites: NDArray[np.float64],
    host: NDArray[np.float64],
    species: NDArray[np.int8],
    cell: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Mark the sites that no framework ion is too close to."""
    pairs = pairs_within(sites, cell, float(GATE_A[LI, 1:].max()), others=host)
    blocked = pairs.distance < GATE_A[LI, species[pairs.j]]
    free = np.ones(len(sites), dtype=bool)
    free[pairs.i[blocked]] = False
    return free


def _fill_sites(
    sites: NDArray[np.float64],
    free: NDArray[np.bool_],
    n_tetrahedral: int,
    cell: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Occupy a third of the tetrahedra, no two sharing an octahedron, then the octahedra."""
    exclusion = _exclusion_lists(sites, cell)
    open_ = free.copy()
    is_tetrahedral = np.arange(len(sites)) < n_tetrahedral
    chosen: list[int] = []
    quota = int(_TETRAHEDRAL_SHARE * n_tetrahedral)
    # 24d sites are linked through an octahedron when both lie next to it (1.6 or 2.4 A).
    linked = _tetrahedral_links(sites, n_tetrahedral, cell)
    lonely = free[:n_tetrahedral].copy()
    for site in rng.permutation(n_tetrahedral).tolist():
        if len(chosen) >= quota:
            break
        if lonely[site]:
            chosen.append(site)
            lonely[linked.of(site)] = False
            open_[exclusion.of(site)] = False
    open_[is_tetrahedral] = False
    for site in (n_tetrahedral + rng.permutation(len(sites) - n_tetrahedral)).tolist():
        if open_[site]:
            chosen.append(site)
            open_[exclusion.of(site)] = False
    return np.array(chosen, dtype=np.intp)


def _exclusion_lists(sites: NDArray[np.float64], cell: NDArray[np.float64]) -> _Lists:
    """For each site the sites closer than MIN_LI_LI_A, itself included."""
    pairs = pairs_within(sites, cell, MIN_LI_LI_A)
    return _lists(pairs.i, pairs.j, len(sites))


def _tetrahedral_links(
    sites: NDArray[np.float64], n_tetrahedral: int, cell: NDArray[np.float64]
) -> _Lists:
    """For each 24d site the other 24d sites that share an octahedron with it (3.98 A)."""
    pairs = pairs_within(sites[:n_tetrahedral], cell, 4.1)
    return _lists(pairs.i, pairs.j, n_tetrahedral)


class _Lists(NamedTuple):
    """For each site a list of other sites, end to end in one array."""

    members: NDArray[np.intp]
    ends: list[int]

    def of(self, site: int) -> NDArray[np.intp]:
        """Return the list of one site."""
        return self.members[self.ends[site] : self.ends[site + 1]]


def _lists(i: NDArray[np.intp], j: NDArray[np.intp], n: int) -> _Lists:
    """Lists of the partners of each of n sites, itself included."""
    own = np.arange(n)
    source, target = np.concatenate([i, j, own]), np.concatenate([j, i, own])
    order = np.argsort(source, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=n))])
    return _Lists(target[order], ends.tolist())


def _fill_voids(
    lithium: NDArray[np.float64],
    host: NDArray[np.float64],
    species: NDArray[np.int8],
    slabs_A: list[tuple[float, float]],
    cell: NDArray[np.float64],
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Add ions at random points of the slabs that are clear of all others."""
    volume = sum(high - low for low, high in slabs_A) * cell[0, 0] * cell[1, 1]
    points = int(_VOID_POINTS_PER_A3 * volume)
    near = _near_slabs(host, slabs_A, cell[2, 2])
    host, species = host[near], species[near]
    for _ in range(_VOID_TRIES):
        trial = wrap(_points_in(slabs_A, points, cell, rng), cell)
        trial = trial[_clear_of_host(trial, host, species, cell)]
        taken = pairs_within(trial, cell, MIN_LI_LI_A, others=lithium)
        free = np.ones(len(trial), dtype=bool)
        free[taken.i] = False
        trial = trial[free]
        exclusion = _exclusion_lists(trial, cell)
        open_ = np.ones(len(trial), dtype=bool)
        added: list[int] = []
        for site in range(len(trial)):
            if open_[site] and len(lithium) + len(added) < count:
                added.append(site)
                open_[exclusion.of(site)] = False
        lithium = np.concatenate([lithium, trial[added]])
        if len(lithium) >= count:
            break
    return lithium


def _near_slabs(
    host: NDArray[np.float64], slabs_A: list[tuple[float, float]], length_A: float
) -> NDArray[np.bool_]:
    """Mark the framework ions that can block a point of the slabs."""
    reach = float(GATE_A[LI].max())
    near = np.zeros(len(host), dtype=bool)
    for low, high in slabs_A:
        near |= (host[:, 2] - (low - reach)) % length_A < (high - low) + 2 * reach
    return near


def _points_in(
    slabs_A: list[tuple[float, float]],
    count: int,
    cell: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw points uniformly in slabs of equal thickness."""
    fractional = rng.random((count, 3))
    points: NDArray[np.float64] = fractional @ cell
    slab = rng.integers(len(slabs_A), size=count)
    low, high = np.array(slabs_A).T
    points[:, 2] = low[slab] + fractional[:, 2] * (high - low)[slab]
    return points
