"""A cheap energy by which translations and terminations of a boundary are compared.

Ions keep formal charges and repel as in the theory of Born and Lande (Z. Phys. 1918): a pair in
contact with an anion has B / r^8, B proportional to the product of the charges and to the seventh
power of the distance at which the pair touches in the bulk, all with one factor that leaves the
bulk crystal without pressure. Partly occupied sites of the mobile ion count with their mean
charge, so that no random ordering hides what the translation does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.geometry.electrostatics import dsf_pair, dsf_self
from gbopt.model.crystal import Crystal

_CUTOFF_A = 9.0
_ALPHA_PER_A = 0.2
_POWER = 8
# Crystal.shortest_A is some nine tenths of the bulk distance of a pair.
_TOUCHING = 0.9


class Charges(NamedTuple):
    """Ions and partly occupied sites of a cell."""

    positions: NDArray[np.float64]
    """(n, 3) A."""
    species: NDArray[np.int8]
    share: NDArray[np.float64]
    """(n,) occupancy, 1 for ions."""


def with_mean_occupancy(
    crystal: Crystal,
    positions: NDArray[np.float64],
    species: NDArray[np.int8],
    sites: tuple[NDArray[np.float64], ...],
) -> Charges:
    """Add the sites of the mobile ion, each with its share, such that the cell is neutral.

    Args:
        crystal: formal charges and occupancies.
        positions: (n, 3) A, the other ions.
        species: (n,) index into the crystal's elements.
        sites: (s, 3) A for each kind of mobile site, then for each kind of mixed site left empty.
    """
    if crystal.mobile is None:
        return Charges(positions, species, np.ones(len(species)))
    formal = np.array(crystal.formal_charges_e, dtype=float)
    shares = [share for share, _ in crystal.mobile_shares]
    share = np.concatenate([np.full(len(s), x) for s, x in zip(sites, shares, strict=True)])
    share *= -formal[species].sum() / formal[crystal.mobile] / share.sum()
    mobile = np.full(len(share), crystal.mobile, dtype=np.int8)
    return Charges(
        np.concatenate([positions, *sites]),
        np.concatenate([species, mobile]),
        np.concatenate([np.ones(len(species)), share]),
    )


def trial_energy_eV(crystal: Crystal, charges: Charges, cell: NDArray[np.float64]) -> float:
    """Energy of a cell, eV; of use only against the same ions in another arrangement."""
    coulomb, repulsion = _parts(crystal, charges, cell)
    return coulomb + _stiffness(crystal) * repulsion


@lru_cache(maxsize=16)
def _stiffness(crystal: Crystal) -> float:
    """Factor of the repulsion at which the bulk has no pressure.

    Stretched by s, the Coulomb energy goes as 1/s and the repulsion as 1/s^8: their slopes
    cancel where the first is minus eight times the second.
    """
    corners = np.indices((crystal.denominator,) * 3).reshape(3, -1).T
    shifts = corners @ np.array(crystal.primitive) / crystal.denominator
    shifts = np.unique((shifts % 1.0).round(9), axis=0)

    def spread(sites: NDArray[np.float64]) -> NDArray[np.float64]:
        every: NDArray[np.float64] = (shifts[:, None] + sites[None]).reshape(-1, 3)
        return every @ cell

    cell = crystal.shape_a * crystal.lattice_A
    sites = tuple(spread(kind.positions) for kind in crystal.mobile_sites)
    sites += tuple(spread(mixture.positions) for mixture in crystal.mixed)
    species = np.tile(crystal.species, len(shifts))
    charges = with_mean_occupancy(crystal, spread(crystal.framework), species, sites)
    coulomb, repulsion = _parts(crystal, charges, cell)
    squares = np.array(crystal.formal_charges_e, dtype=float)[charges.species] * charges.share
    coulomb += float((squares**2).sum()) * dsf_self(_ALPHA_PER_A, _CUTOFF_A)
    return -coulomb / (_POWER * repulsion)


def _parts(crystal: Crystal, charges: Charges, cell: NDArray[np.float64]) -> tuple[float, float]:
    """Coulomb energy, and the repulsion before it is scaled."""
    formal = np.array(crystal.formal_charges_e, dtype=float)
    pairs = pairs_within(wrap(charges.positions, cell), cell, _CUTOFF_A)
    one, two = charges.species[pairs.i], charges.species[pairs.j]
    both = charges.share[pairs.i] * charges.share[pairs.j]
    both[pairs.i == pairs.j] /= 2  # an ion and its own image are listed in both directions
    product = formal[one] * formal[two]
    # Sites that are alternatives of one ion never are both occupied.
    apart = np.where(
        (one == crystal.mobile) & (two == crystal.mobile),
        np.maximum(pairs.distance, crystal.least_mobile_A),
        np.maximum(pairs.distance, 0.5),
    )
    coulomb = float((both * product * dsf_pair(apart, _ALPHA_PER_A, _CUTOFF_A)).sum())
    with_anion = (formal[one] < 0) | (formal[two] < 0)
    touching = crystal.shortest_A[one, two] / _TOUCHING
    repulsion = np.abs(product) * touching ** (_POWER - 1) / apart**_POWER
    return coulomb, float((both * repulsion)[with_anion].sum())
