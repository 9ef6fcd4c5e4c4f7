"""Aliovalent cations in LLZO: their ions, their sites, and how they are spread.

Al3+ and Ga3+ replace three Li+: they sit on one tetrahedral lithium site and leave two others
empty. Ta5+ and Nb5+ sit on the site of Zr4+ and cost one Li+.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.errors import GeometryError
from gbopt.geometry.mobile import exclusion_lists
from gbopt.geometry.overlap import Framework, gate_A
from gbopt.geometry.regions import Regions
from gbopt.model.bicrystal import DOPANTS, ELEMENT_CHARGES, ELEMENTS, ON_ZR_SITES, SPECIES, ZR
from gbopt.model.crystal import Crystal
from gbopt.model.spec import Composition, Dopant

CHARGES_E = dict(zip(DOPANTS, ELEMENT_CHARGES[len(SPECIES) :], strict=True))
ON_ZIRCONIUM = tuple(name for name in DOPANTS if ELEMENTS.index(name) in ON_ZR_SITES)
LITHIUM_SITE = {"c-LLZO": "24d", "t-LLZO": "8a"}
"""Tetrahedral lithium site that takes Al and Ga, of each crystal that takes dopants at all."""
RADII_A = {"Li": 0.59, "Zr": 0.72, "Al": 0.39, "Ga": 0.47, "Ta": 0.64, "Nb": 0.64}
"""Ionic radii in the coordination of the site: four for Li, Al, Ga, six for Zr, Ta, Nb.

R. D. Shannon, Acta Cryst. A32, 751 (1976).
"""
_HOSTS = ("Li", "Zr")
# Spheres placed at random jam at 38 % of the volume, a spacing of 0.9 (V/N)^(1/3).
_RANDOM_SPACING = 0.9
_RELAX = 0.9


def lithium_cost(element: str) -> int:
    """Lithium ions that one ion of a dopant replaces in total."""
    return CHARGES_E[element] - (4 if element in ON_ZIRCONIUM else 0)


def doped(crystal: Crystal, elements: tuple[str, ...]) -> Crystal:
    """Return LLZO with the dopants among ``elements`` as further elements, in a fixed order.

    The shortest distance of a dopant to another ion is that of the host cation there, changed by
    the difference of their radii. Host cations are Li and Zr; the larger figure counts, for
    between cations it is the charge that keeps them apart: 1.61 A for Al-O, 2.67 A for Al-Al
    (in corundum 2.65 A), 1.86 A for Ta-O.
    """
    new = tuple(name for name in CHARGES_E if name in elements and name not in crystal.elements)
    if not new:
        return crystal
    hosts = [crystal.elements.index(name) for name in _HOSTS]
    # (host, dopant): radius of the dopant beyond that of the host.
    wider = np.array([[RADII_A[name] - RADII_A[host] for name in new] for host in _HOSTS])
    to_host = (crystal.shortest_A[hosts][:, :, None] + wider[:, None, :]).max(axis=0)
    own = crystal.shortest_A[hosts, hosts][:, None, None]
    among = (own + wider[:, :, None] + wider[:, None, :]).max(axis=0)
    return replace(
        crystal,
        elements=crystal.elements + new,
        formal_charges_e=crystal.formal_charges_e + tuple(CHARGES_E[name] for name in new),
        shortest_A=np.block([[crystal.shortest_A, to_host], [to_host.T, among]]),
    )


class Doped(NamedTuple):
    """A framework with its dopants."""

    crystal: Crystal
    """The host with the dopants among its elements."""
    framework: Framework
    counts: dict[str, list[int]]
    """Ions of each dopant by region."""


def place_dopants(
    composition: Composition,
    crystal: Crystal,
    framework: Framework,
    sites: NDArray[np.float64],
    regions: Regions,
    rng: np.random.Generator,
) -> Doped:
    """Put the dopants of a composition on their sites, in whole ions.

    Args:
        composition: what is asked for.
        crystal: the host.
        framework: its La, Zr and O.
        sites: (s, 3) A, wrapped, the lithium sites that take Al and Ga.
        regions: the regions that ``Dopant.where`` names.
        rng: source of the choice.

    Raises:
        GeometryError: a region has too few sites that are clear of other ions.
    """
    wanted: set[str] = {dopant.element for dopant in composition.dopants}
    crystal = doped(crystal, tuple(wanted))
    zirconium = regions.counts(framework.sites[framework.species == ZR]).tolist()
    counts = {name: [0] * len(zirconium) for name in CHARGES_E if name in wanted}
    for dopant in composition.dopants:
        name = dopant.element
        kind = crystal.elements.index(name)
        for region, count in enumerate(ions_by_region(dopant, zirconium)):
            before = int(np.count_nonzero(framework.species == kind))
            if name in ON_ZIRCONIUM:
                framework = _on_zirconium(framework, kind, region, count, regions, rng)
            else:
                framework = _on_lithium(
                    framework, crystal, kind, sites, region, count, regions, rng
                )
            placed = int(np.count_nonzero(framework.species == kind)) - before
            counts[name][region] += placed
            if placed < count:
                raise GeometryError(
                    f"composition.dopants: only {placed} of {count} {name} fit into "
                    f"{regions.names[region]}",
                    hint="lower per_formula_unit, or use another seed",
                )
    return Doped(crystal, framework, counts)


def ions_by_region(dopant: Dopant, zirconium: list[int]) -> list[int]:
    """Whole ions of a dopant for the core of each boundary and, last, the grains.

    Args:
        dopant: what is asked for.
        zirconium: Zr of each region before doping: two for each formula unit.
    """
    *cores, grains = [round(dopant.per_formula_unit / 2 * count) for count in zirconium]
    if dopant.where == "core":
        return [*cores, 0]
    if dopant.where == "grains":
        return [0] * len(cores) + [grains]
    everywhere = round(dopant.per_formula_unit / 2 * sum(zirconium))
    return [*cores, max(0, everywhere - sum(cores))]


def _on_zirconium(
    framework: Framework,
    kind: int,
    region: int,
    count: int,
    regions: Regions,
    rng: np.random.Generator,
) -> Framework:
    """Turn Zr whose crystal sites are in a region into a dopant."""
    inside = regions.of(framework.sites) == region
    own = np.flatnonzero(inside & (framework.species == ZR))
    where = wrap(framework.positions[own], regions.cell)
    chosen = own[_spread(where, count, framework, region, regions, 0.0, rng)]
    species = framework.species.copy()
    species[chosen] = kind
    return framework._replace(species=species)


def _on_lithium(
    framework: Framework,
    crystal: Crystal,
    kind: int,
    sites: NDArray[np.float64],
    region: int,
    count: int,
    regions: Regions,
    rng: np.random.Generator,
) -> Framework:
    """Add ions of a dopant on sites of a region where no ion is closer than the gate allows."""
    gate = gate_A(crystal)[kind]
    host = wrap(framework.positions, regions.cell)
    pairs = pairs_within(sites, regions.cell, float(gate.max()), others=host)
    clear = regions.of(sites) == region
    clear[pairs.i[pairs.distance < gate[framework.species[pairs.j]]]] = False
    where = sites[clear]
    chosen = where[_spread(where, count, framework, region, regions, float(gate[kind]), rng)]
    return Framework(
        np.concatenate([framework.positions, chosen]),
        np.concatenate([framework.sites, chosen]),
        np.concatenate([framework.species, np.full(len(chosen), kind, dtype=np.int8)]),
        np.concatenate([framework.grain, regions.grain(chosen)]),
    )


def _spread(
    where: NDArray[np.float64],
    count: int,
    framework: Framework,
    region: int,
    regions: Regions,
    least_A: float,
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    """Draw positions at random, as far from each other and from other dopants as they go.

    They keep the distance at which random spheres would fill the region; where not all fit, that
    distance is reduced until they do.

    Args:
        where: (s, 3) A, wrapped, the choice.
        count: how many to draw.
        framework: ions, dopants among them.
        region: the region in which all of ``where`` lie.
        regions: its volume and the cell.
        least_A: distance that is not given up.
        rng: source of the draw.

    Returns:
        Indices of the positions drawn: all of them, where there are fewer than asked for.
    """
    count = min(count, len(where))
    others = wrap(framework.positions[framework.species >= len(SPECIES)], regions.cell)
    sharing = max(1, count + int(np.count_nonzero(regions.of(others) == region)))
    apart_A = _RANDOM_SPACING * (regions.volumes_A3[region] / sharing) ** (1 / 3)
    order = rng.permutation(len(where)).tolist()
    while True:
        chosen = _apart(where, order, count, others, regions.cell, max(apart_A, least_A))
        if len(chosen) == count or apart_A <= least_A:
            return np.array(chosen, dtype=np.intp)
        apart_A *= _RELAX


def _apart(
    where: NDArray[np.float64],
    order: list[int],
    count: int,
    others: NDArray[np.float64],
    cell: NDArray[np.float64],
    apart_A: float,
) -> list[int]:
    """Take positions in the given order that are as far apart as asked, ``count`` at most."""
    exclusion = exclusion_lists(where, cell, apart_A)
    open_ = np.ones(len(where), dtype=bool)
    if len(others):
        open_[pairs_within(where, cell, apart_A, others=others).i] = False
    chosen: list[int] = []
    for site in order:
        if len(chosen) == count:
            break
        if open_[site]:
            chosen.append(site)
            open_[exclusion.of(site)] = False
    return chosen
