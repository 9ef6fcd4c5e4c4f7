"""The composition of a built boundary: Li2O, lithium and dopants put in or taken out.

Every change starts from the structure that the same specification gives without it, so that the
two differ by exactly what was asked for: the same Li2O and lithium at both boundaries, and as
much of a dopant as the formula units of either core ask for. All changes are neutral:
oxygen comes and goes as Li2O, lithium moves between the grains and the cores, and lithium
compensates the charge of a dopant in the region that holds it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.errors import ConfigError, GeometryError
from gbopt.geometry.dopants import LITHIUM_SITE, lithium_cost, place_dopants
from gbopt.geometry.mobile import Host, refit_mobile
from gbopt.geometry.overlap import (
    PUSH_FRACTION,
    Framework,
    gate_A,
    push_apart,
    shortest_by_pair,
)
from gbopt.geometry.regions import Regions
from gbopt.model.bicrystal import O
from gbopt.model.crystal import Crystal
from gbopt.model.spec import Composition

# Points tried for an oxygen: the best of so many is as good a void in a core of any area. How far
# its neighbours are looked for, in push distances.
_POINTS = 2000
_SIGHT = 1.5
# An oxygen that is taken out is the most crowded of so many drawn at random.
_DRAWN = 4


class Contents(NamedTuple):
    """What a cell holds."""

    crystal: Crystal
    framework: Framework
    mobile: NDArray[np.float64]
    """(m, 3) A, wrapped."""
    ledger: dict[str, int]
    """Neutral units taken away."""


def change_composition(
    composition: Composition,
    contents: Contents,
    sites: tuple[NDArray[np.float64], ...],
    regions: Regions,
    rng: np.random.Generator,
    *,
    neutral_cores: bool = False,
) -> tuple[Contents, dict[str, Any]]:
    """Change what a boundary holds.

    Args:
        composition: what is asked for.
        contents: the ions of the cell, as they are without it.
        sites: (s, 3) A for each of the crystal's kinds of mobile site.
        regions: cores and grains.
        rng: source of all choices.
        neutral_cores: whether each core gets the lithium that makes it neutral by itself, before
            any is shifted; without it a core keeps what lithium it was built with.

    Returns:
        The new contents, their crystal with the dopants among its elements, and a record of the
        change in whole ions.

    Raises:
        ConfigError: the crystal, or a boundary without a core, cannot be changed that way.
        GeometryError: there is no room for it, or too little to take away.
    """
    crystal, framework, lithium, ledger = contents
    _require_changeable(composition, crystal, regions)
    units = round(composition.li2o_per_nm2 * regions.area_nm2)
    shift = round(composition.li_shift_per_nm2 * regions.area_nm2)
    cores = len(regions.zones.boundaries_A)
    wanted = regions.counts(lithium) + np.array([2 * units] * cores + [0])
    if units > 0:
        framework = _with_oxygen(framework, crystal, regions, units, rng)
    if units < 0:
        framework = _without_oxygen(framework, crystal, regions, -units, rng)
    tetrahedral = _tetrahedral(crystal, sites, regions.cell)
    doped = place_dopants(composition, crystal, framework, tetrahedral, regions, rng)
    for name, counts in doped.counts.items():
        wanted -= lithium_cost(name) * np.array(counts)
    if neutral_cores:
        wanted = _neutral(doped.framework, doped.crystal, regions, int(wanted.sum()))
    wanted += np.array([shift] * cores + [-cores * shift])
    _require_enough(wanted, regions)
    positions = wrap(doped.framework.positions, regions.cell)
    host = Host(positions, doped.framework.species, regions.cell, regions.zones, 0.0)
    places = wrap(np.concatenate([np.zeros((0, 3)), *sites]), regions.cell)
    lithium = refit_mobile(doped.crystal, host, regions, lithium, places, wanted.tolist(), rng)
    taken = {"Li2O": ledger.get("Li2O", 0) - cores * units}
    ledger = {unit: n for unit, n in (ledger | taken).items() if n}
    changed = Contents(doped.crystal, doped.framework, lithium, ledger)
    return changed, _record(units, shift, doped.counts)


def _neutral(
    framework: Framework, crystal: Crystal, regions: Regions, total: int
) -> NDArray[np.intp]:
    """Lithium of each region, ``total`` in all, with which the cores are neutral."""
    charges = np.array(crystal.formal_charges_e, dtype=float)[framework.species]
    region = regions.of(framework.sites)
    held = np.bincount(region, weights=charges, minlength=len(regions.names))
    cores = -held[:-1].round().astype(np.intp)
    return np.append(cores, total - cores.sum())


def _record(units: int, shift: int, counts: dict[str, list[int]]) -> dict[str, Any]:
    """What was changed, in whole ions; numbers by region name each core and then the grains."""
    return {
        "li2o_per_boundary": units,
        "li_shift_per_boundary": shift,
        "dopants": {
            name: {"ions": by_region, "li_replaced": [lithium_cost(name) * n for n in by_region]}
            for name, by_region in counts.items()
        },
    }


def _tetrahedral(
    crystal: Crystal, sites: tuple[NDArray[np.float64], ...], cell: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Lithium sites that take Al and Ga, (s, 3) A, wrapped."""
    name = LITHIUM_SITE.get(crystal.name)
    own = [n for n, kind in enumerate(crystal.mobile_sites) if kind.name == name]
    return wrap(np.concatenate([np.zeros((0, 3)), *(sites[n] for n in own)]), cell)


def _require_changeable(composition: Composition, crystal: Crystal, regions: Regions) -> None:
    li2o, shift = composition.li2o_per_nm2 != 0, composition.li_shift_per_nm2 != 0
    if (li2o or composition.dopants) and crystal.name not in LITHIUM_SITE:
        raise ConfigError(
            f"composition: {crystal.name} takes no Li2O and no dopants",
            hint=f"only {' and '.join(LITHIUM_SITE)} do: leave li2o_per_nm2 and dopants out",
        )
    if shift and (crystal.mobile is None or crystal.elements[crystal.mobile] != "Li"):
        raise ConfigError(
            f"composition.li_shift_per_nm2 = {composition.li_shift_per_nm2:g}: {crystal.name} has "
            "no mobile lithium",
            hint="leave li_shift_per_nm2 out",
        )
    only_core = any(dopant.where == "core" for dopant in composition.dopants)
    if regions.core_width_A == 0 and (li2o or shift or only_core):
        raise ConfigError(
            "composition asks for a change of the cores, of which width_layers = 0 makes none",
            hint="make width_layers 1 or more",
        )


def _require_enough(wanted: NDArray[np.intp], regions: Regions) -> None:
    for count, name in zip(wanted.tolist(), regions.names, strict=True):
        if count < 0:
            raise GeometryError(
                f"composition takes {-count} Li more out of {name} than there are",
                hint="ask for less of li2o_per_nm2, li_shift_per_nm2 or dopants",
            )


def _with_oxygen(
    framework: Framework,
    crystal: Crystal,
    regions: Regions,
    count: int,
    rng: np.random.Generator,
) -> Framework:
    """Put oxygen into each core, one by one into the widest void, and make room for it."""
    cell, zones = regions.cell, regions.zones
    for _ in range(count):
        for region, _ in enumerate(zones.boundaries_A):
            at = _widest_void(framework, crystal, regions, region, rng)
            framework = Framework(
                np.concatenate([framework.positions, at]),
                np.concatenate([framework.sites, at]),
                np.append(framework.species, np.int8(O)),
                np.append(framework.grain, regions.grain(at)),
            )
        # Only the core gives way: the crystal beside it stays as it was built.
        framework = push_apart(framework, crystal, cell, zones, regions.core_width_A / 2, rng)
    found = shortest_by_pair(framework.positions, framework.species, cell, crystal)
    gate = gate_A(crystal)
    for (first, second), distance in found.items():
        if distance < gate[first, second]:
            pair = f"{crystal.elements[first]}-{crystal.elements[second]}"
            raise GeometryError(
                f"composition.li2o_per_nm2: {count} Li2O do not fit into the core of a boundary, "
                f"{pair} would be {distance:.2f} A apart",
                hint="ask for less, or use a larger width_layers or gap_A, or another seed",
            )
    return framework


def _widest_void(
    framework: Framework,
    crystal: Crystal,
    regions: Regions,
    region: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Point of a region, (1, 3) A, farthest from all ions in units of their push distances."""
    push = PUSH_FRACTION * crystal.shortest_A[O]
    points = regions.points(region, _POINTS / regions.volumes_A3[region], rng)
    others = wrap(framework.positions, regions.cell)
    pairs = pairs_within(points, regions.cell, _SIGHT * float(push.max()), others=others)
    room = np.full(len(points), _SIGHT)
    np.minimum.at(room, pairs.i, pairs.distance / push[framework.species[pairs.j]])
    best: NDArray[np.float64] = points[[room.argmax()]]
    return best


def _without_oxygen(
    framework: Framework,
    crystal: Crystal,
    regions: Regions,
    count: int,
    rng: np.random.Generator,
) -> Framework:
    """Take oxygen out of each core.

    Of a few drawn at random the one with the closest neighbour goes, in units of the shortest
    distance of the pair: a relaxation would have had to push it hardest. Drawing keeps the
    vacancies spread over the core, instead of gathered where the seed happened to crowd ions.
    """
    positions = wrap(framework.positions, regions.cell)
    region = regions.of(framework.sites)
    keep = np.ones(len(region), dtype=bool)
    pairs = pairs_within(positions, regions.cell, float(crystal.shortest_A[O].max()))
    ratio = pairs.distance
    ratio = ratio / crystal.shortest_A[framework.species[pairs.i], framework.species[pairs.j]]
    for number, _ in enumerate(regions.zones.boundaries_A):
        for _ in range(count):
            own = np.flatnonzero(keep & (framework.species == O) & (region == number))
            if len(own) == 0:
                raise GeometryError(
                    f"composition.li2o_per_nm2: {regions.names[number]} has fewer than {count} O",
                    hint="ask for less, or use a larger width_layers",
                )
            both = keep[pairs.i] & keep[pairs.j]
            closest = np.full(len(keep), np.inf)
            for end in (pairs.i, pairs.j):
                np.minimum.at(closest, end[both], ratio[both])
            drawn = rng.choice(own, size=min(_DRAWN, len(own)), replace=False)
            keep[drawn[closest[drawn].argmin()]] = False
    return framework.take(keep)
