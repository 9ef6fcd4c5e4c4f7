"""Of several orderings of the mobile ions in one boundary, the lowest in electrostatic energy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.geometry.electrostatics import array_namespace, site_energies
from gbopt.geometry.mobile import Host, clear_of_host
from gbopt.geometry.ordering import anneal_orderings, exclusion_table
from gbopt.model.crystal import Crystal

# Where LLZO is disordered and lithium would find its places within picoseconds.
_TEMPERATURE_K = 1000.0
_ON_SITE_A = 1e-6


def lowest_ordering(
    crystal: Crystal,
    host: Host,
    sites: tuple[NDArray[np.float64], ...],
    placed: NDArray[np.float64],
    orderings: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Let several copies of an ordering diverge by Monte Carlo, and take the lowest in energy.

    The ions on sites move; those that were put into voids stay. Nothing relaxes: an ordering of
    low energy is a start without clashes, not a promise of low energy after relaxation.

    Args:
        crystal: charges and exclusion rules.
        host: the other ions.
        sites: (s, 3) A for each kind of mobile site.
        placed: (m, 3) A, wrapped, the ordering to start from.
        orderings: number of copies.
        rng: source of the moves.

    Returns:
        Positions of the mobile ions, (m, 3) A, and a record of the energies.
    """
    where = wrap(np.concatenate(sites), host.cell)
    gap, _ = cKDTree(where).query(placed)
    fixed, moving = placed[gap > _ON_SITE_A], placed[gap <= _ON_SITE_A]
    if len(moving) == 0:
        return placed, {"orderings": 1, "unrelaxed_energies_eV": [0.0]}
    free = _free_sites(crystal, where, host, fixed)
    energies = site_energies(
        sites=free,
        cell=host.cell,
        host=np.concatenate([host.positions, fixed]),
        host_charges_e=_charges(crystal, host, len(fixed)),
        charge_e=float(crystal.formal_charges_e[crystal.mobile or 0]),
    )
    start = np.zeros(len(free), dtype=bool)
    start[cKDTree(free).query(moving)[1]] = True
    ranked = anneal_orderings(
        energies=energies,
        occupied=np.tile(start, (orderings, 1)),
        blocked=exclusion_table(free, host.cell, crystal.least_mobile_A),
        temperature_K=_TEMPERATURE_K,
        rng=rng,
        xp=array_namespace("auto"),
    )
    above = ranked.energy_eV - ranked.energy_eV[0]
    record = {"orderings": orderings, "unrelaxed_energies_eV": [round(float(e), 4) for e in above]}
    return np.concatenate([free[ranked.occupied[0]], fixed]), record


def _free_sites(
    crystal: Crystal,
    where: NDArray[np.float64],
    host: Host,
    fixed: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Sites that neither the host nor an ion in a void is too close to."""
    free = clear_of_host(crystal, where, host)
    near = pairs_within(where, host.cell, crystal.least_mobile_A, others=fixed)
    free[near.i] = False
    return where[free]


def _charges(crystal: Crystal, host: Host, n_fixed: int) -> NDArray[np.float64]:
    formal = np.array(crystal.formal_charges_e, dtype=float)
    return np.concatenate([formal[host.species], np.full(n_fixed, formal[crystal.mobile or 0])])
