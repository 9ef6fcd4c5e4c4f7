"""The ions of a cell put together: grains, mixed sites, mobile ions, the finished structure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.neighbours import wrap
from gbopt.errors import ConfigError
from gbopt.geometry.mobile import Host, place_mobile
from gbopt.geometry.overlap import Framework
from gbopt.geometry.regions import Regions
from gbopt.geometry.slab import Slab
from gbopt.geometry.zones import Zones
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.crystal import Crystal

MARGIN_A = 2.0
"""Ions this far beyond the disordered slab may still be pushed."""
# Mobile ions that no site takes are put into voids this near to a boundary at least.
_VOIDS_A = 6.0


def assemble(
    crystal: Crystal,
    slabs: tuple[Slab, ...],
    offsets_A: list[float],
    rng: np.random.Generator,
) -> tuple[Framework, tuple[NDArray[np.float64], ...]]:
    """Stack the grains and draw what sits on mixed sites.

    Returns:
        The framework, and for each kind of mobile site its positions; mixed sites that are left
        empty are open to the mobile ion too, as a last kind.
    """
    ups = [np.array([0.0, 0.0, z]) for z in offsets_A]
    positions = [slab.framework + up for slab, up in zip(slabs, ups, strict=True)]
    species = [slab.species for slab in slabs]
    grain = [np.full(len(slab.species), g, dtype=np.int8) for g, slab in enumerate(slabs)]
    empty: list[NDArray[np.float64]] = []
    for kind, mixture in enumerate(crystal.mixed):
        where = np.concatenate([slab.mixed[kind] + up for slab, up in zip(slabs, ups, strict=True)])
        side = np.repeat(np.arange(len(slabs)), [len(slab.mixed[kind]) for slab in slabs])
        order, start = rng.permutation(len(where)), 0
        for one, share in zip(mixture.species, mixture.occupancy, strict=True):
            chosen = order[start : start + round(share * len(where))]
            start += len(chosen)
            positions.append(where[chosen])
            species.append(np.full(len(chosen), one, dtype=np.int8))
            grain.append(side[chosen].astype(np.int8))
        empty.append(where[order[start:]])
    mobile = [
        np.concatenate([slab.mobile[kind] + up for slab, up in zip(slabs, ups, strict=True)])
        for kind in range(len(crystal.mobile_sites))
    ]
    joined = np.concatenate(positions)
    framework = Framework(joined, joined.copy(), np.concatenate(species), np.concatenate(grain))
    return framework, (*mobile, *empty)


def mobile_count(crystal: Crystal, species: NDArray[np.int8]) -> int:
    """Mobile ions that make the other ions neutral.

    Raises:
        ConfigError: no whole, positive number of them does.
    """
    charge = int(np.array(crystal.formal_charges_e)[species].sum())
    each = crystal.formal_charges_e[crystal.mobile or 0]
    if charge % each or -charge // each < 0:
        raise ConfigError(
            f"{crystal.name}: {charge:+d} e of the other ions cannot be made up by "
            f"{crystal.elements[crystal.mobile or 0]} of {each:+d} e",
            hint="check the formal charges and occupancies of the crystal",
        )
    return -charge // each


def place_all(
    crystal: Crystal,
    framework: Framework,
    sites: tuple[NDArray[np.float64], ...],
    regions: Regions,
    lattice_A: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Place the mobile ions that neutralise the others, (m, 3) A, wrapped; none without any.

    Raises:
        GeometryError: there is not enough room.
    """
    if crystal.mobile is None:
        return np.zeros((0, 3))
    positions = wrap(framework.positions, regions.cell)
    core_A = max(regions.core_width_A, _VOIDS_A)
    host = Host(positions, framework.species, regions.cell, regions.zones, core_A)
    count = mobile_count(crystal, framework.species)
    return place_mobile(crystal, host, sites, lattice_A, count, rng)


def finished(
    crystal: Crystal,
    framework: Framework,
    mobile: NDArray[np.float64],
    *,
    mobile_grain: NDArray[np.int8],
    cell: NDArray[np.float64],
    zones: Zones,
    core_width_A: float,
    lattice_A: float,
    ledger: dict[str, int],
    provenance: dict[str, Any],
) -> Bicrystal:
    """Put framework and mobile ions together, the mobile ones first."""
    sites = np.concatenate([mobile, framework.sites])
    kind = np.full(len(mobile), crystal.mobile or 0, dtype=np.int8)
    return Bicrystal(
        positions=np.concatenate([mobile, framework.positions]),
        cell=cell,
        sites=sites,
        species=np.concatenate([kind, framework.species]),
        grain=np.concatenate([mobile_grain, framework.grain]),
        # By site: an ion displaced out of the slab still belongs to it and is annealed.
        core=zones.depth(sites) <= core_width_A / 2,
        boundaries_A=zones.boundaries_A,
        cross_boundaries_A=zones.cross_boundaries_A,
        core_width_A=core_width_A,
        lattice_A=lattice_A,
        elements=crystal.elements,
        formal_charges_e=crystal.formal_charges_e,
        ledger=ledger,
        provenance=provenance,
    )
