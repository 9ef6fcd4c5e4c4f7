"""A crystal from a CIF: its lattice, ordered and partly occupied sites, formal charges."""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.charges import FORMAL_CHARGES_E
from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.errors import ConfigError
from gbopt.integers import span
from gbopt.model.crystal import Crystal, MixedSites, Sites
from gbopt.model.orientation import Miller

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

# Shortest distances in relaxed boundaries over those of the bulk, as found for LLZO (see
# llzo.RELAXED_MINIMUM_A): bonds and anion pairs keep some 90 %; cations come as close as two bonds
# allow.
_BOND_SHARE, _CATION_SHARE, _BONDS_BETWEEN_CATIONS = 0.9, 0.85, 1.6
_MOBILE_PAIR_A = 2.0
_REACH_A = 8.0
_SAME = 1e-3


class _Site(NamedTuple):
    fraction: NDArray[np.float64]
    occupancy: tuple[tuple[str, float], ...]
    """Element and share, sorted by element."""


def read_crystal(path: Path, given: Mapping[str, int] | None = None, mobile: str = "Li") -> Crystal:
    """Read a crystal that boundaries can be built of.

    Sites that hold ``mobile`` only in part are filled after the grains have been joined, with as
    many ions as make the cell neutral. Other mixed sites keep their shares, drawn at random.

    Args:
        path: the CIF.
        given: formal charges in e by element, before those of FORMAL_CHARGES_E.
        mobile: the element that makes up the charge where it is partly occupied.

    Raises:
        ConfigError: it cannot be read, an element has no charge, or the crystal is charged.
    """
    charges = {**FORMAL_CHARGES_E, **(given or {})}
    structure = _read(path)
    sites = [_site(site) for site in structure]
    elements = _elements(sites, charges, path)
    primitive, denominator = _primitive(sites)
    own = _of_primitive_cell(sites, primitive, denominator)
    shape = _shape(structure)
    framework, alone, mixed = _sorted(own, mobile, path)
    moves = bool(alone) or any(mobile in shares for shares, _ in mixed)
    fixed = [name for name in elements if not (moves and name == mobile)]
    crystal = Crystal(
        name=path.stem,
        elements=elements,
        formal_charges_e=tuple(charges[name] for name in elements),
        lattice_A=structure.lattice.a,
        shape_a=shape,
        primitive=primitive,
        denominator=denominator,
        framework=np.array([site.fraction for site in framework]),
        species=np.array([elements.index(s.occupancy[0][0]) for s in framework], dtype=np.int8),
        shortest_A=_shortest(sites, elements, charges, shape * structure.lattice.a, mobile),
        mixed=tuple(
            MixedSites(
                np.array(where),
                tuple(elements.index(name) for name in shares if name in fixed),
                tuple(share for name, share in shares.items() if name in fixed),
                0.0 if mobile in fixed else shares.get(mobile, 0.0),
            )
            for shares, where in mixed
        ),
        mobile=elements.index(mobile) if moves else None,
        mobile_sites=tuple(
            Sites(f"{mobile}{n + 1}", np.array(where), share)
            for n, (share, where) in enumerate(alone)
        ),
        least_mobile_A=_MOBILE_PAIR_A,
    )
    _check_charge(crystal, path)
    return crystal


_Group = list[NDArray[np.float64]]


def _sorted(
    sites: list[_Site], mobile: str, path: Path
) -> tuple[list[_Site], list[tuple[float, _Group]], list[tuple[dict[str, float], _Group]]]:
    """Sites with one ion each; kinds of site of the mobile ion alone; kinds with several.

    Raises:
        ConfigError: no site is ordered.
    """
    framework: list[_Site] = []
    alone: dict[float, _Group] = defaultdict(list)
    mixed: dict[tuple[tuple[str, float], ...], _Group] = defaultdict(list)
    for site in sites:
        (name, share), *others = site.occupancy
        if not others and share > 1 - _SAME:
            framework.append(site)
        elif not others and name == mobile:
            alone[share].append(site.fraction)
        else:
            mixed[site.occupancy].append(site.fraction)
    if not framework:
        raise ConfigError(
            f"{path.name}: no site is fully occupied by one element",
            hint="gbopt needs an ordered framework; order the mixed sites first",
        )
    # Few sites are filled first: they are the ones that others crowd out.
    few_first = sorted(alone.items(), key=lambda kind: len(kind[1]))
    return framework, few_first, [(dict(shares), where) for shares, where in mixed.items()]


def _read(path: Path) -> Structure:
    from pymatgen.io.cif import CifParser

    try:
        with warnings.catch_warnings():
            # Of rounded coordinates and lacking symmetry operations: what is read is checked.
            warnings.simplefilter("ignore")
            return CifParser(str(path)).parse_structures(primitive=False)[0]
    except (ValueError, OSError, KeyError, IndexError) as error:
        raise ConfigError(
            f"{path} cannot be read as a CIF: {error}", hint="give a CIF with one crystal"
        ) from error


def _site(site: object) -> _Site:
    fraction: NDArray[np.float64] = np.array(site.frac_coords) % 1.0  # type: ignore[attr-defined]
    shares: dict[str, float] = defaultdict(float)
    for kind, share in site.species.items():  # type: ignore[attr-defined]
        shares[kind.symbol] += round(float(share), 4)
    return _Site(fraction, tuple(sorted(shares.items())))


def _elements(sites: list[_Site], charges: dict[str, int], path: Path) -> tuple[str, ...]:
    """Elements present, the cations first by charge, each with a charge."""
    present = sorted({name for site in sites for name, _ in site.occupancy})
    if missing := [name for name in present if not charges.get(name)]:
        raise ConfigError(
            f"{path.name}: no formal charge is given for {', '.join(missing)}",
            hint="give charges such as " + ",".join(f"{name}=..." for name in present),
        )
    if all(charges[name] > 0 for name in present) or all(charges[name] < 0 for name in present):
        raise ConfigError(
            f"{path.name}: {', '.join(present)} all have charges of one sign",
            hint="anions have negative charges: O=-2",
        )
    return tuple(sorted(present, key=lambda name: (charges[name] < 0, charges[name], name)))


def _shape(structure: Structure) -> NDArray[np.float64]:
    from ase.geometry import cellpar_to_cell

    rows: NDArray[np.float64] = np.asarray(cellpar_to_cell(structure.lattice.parameters))
    shape = rows / structure.lattice.a
    shape[np.abs(shape) < 1e-9] = 0.0
    return shape


def _primitive(sites: list[_Site]) -> tuple[tuple[Miller, Miller, Miller], int]:
    """Primitive lattice vectors in the basis of the CIF's cell, times their denominator."""
    shifts = [[Fraction(float(x)).limit_denominator(48) for x in s] for s in _translations(sites)]
    denominator = math.lcm(*(x.denominator for shift in shifts for x in shift))
    rows = [tuple(denominator * int(i == j) for j in range(3)) for i in range(3)]
    rows += [tuple(int(x * denominator) for x in shift) for shift in shifts]
    a, b, c = span(rows)
    return ((a[0], a[1], a[2]), (b[0], b[1], b[2]), (c[0], c[1], c[2])), denominator


def _translations(sites: list[_Site]) -> NDArray[np.float64]:
    """Shifts, in fractions of the cell, that bring every site onto one of its kind."""
    kinds: dict[tuple[tuple[str, float], ...], list[NDArray[np.float64]]] = defaultdict(list)
    for site in sites:
        kinds[site.occupancy].append(site.fraction)
    groups = [np.array(group) for group in kinds.values()]
    rarest = min(groups, key=len)
    found = []
    for shift in (rarest - rarest[0]) % 1.0:
        gaps = ((group + shift)[:, None] - group[None] for group in groups)
        if all(np.abs(g - np.round(g)).max(axis=2).min(axis=1).max() < 5 * _SAME for g in gaps):
            found.append(shift)
    return np.array(found)


def _of_primitive_cell(
    sites: list[_Site], primitive: tuple[Miller, Miller, Miller], denominator: int
) -> list[_Site]:
    """One of each set of sites that the lattice relates."""
    inverse = np.linalg.inv(np.array(primitive) / denominator)
    chosen: list[_Site] = []
    for site in sites:
        gaps = [(site.fraction - other.fraction) @ inverse for other in chosen]
        known = any(
            np.abs(gap - np.round(gap)).max() < 20 * _SAME and site.occupancy == other.occupancy
            for gap, other in zip(gaps, chosen, strict=True)
        )
        if not known:
            chosen.append(site)
    return chosen


def _shortest(
    sites: list[_Site],
    elements: tuple[str, ...],
    charges: dict[str, int],
    cell: NDArray[np.float64],
    mobile: str,
) -> NDArray[np.float64]:
    """Estimate of the shortest distance of each pair of elements in relaxed boundaries, A."""
    bulk = np.full((len(elements), len(elements)), np.inf)
    where = wrap(np.array([site.fraction for site in sites]) @ cell, cell)
    pairs = pairs_within(where, cell, _REACH_A)
    for i, j, distance in zip(pairs.i, pairs.j, pairs.distance, strict=True):
        for one, _ in sites[i].occupancy:
            for two, _ in sites[j].occupancy:
                a, b = elements.index(one), elements.index(two)
                if distance > _BOND_SHARE:  # alternatives of one site are no pair
                    bulk[a, b] = bulk[b, a] = min(bulk[a, b], distance)
    sign = np.array([charges[name] for name in elements])
    bond = np.array([bulk[k][sign * sign[k] < 0].min() for k in range(len(elements))])
    shortest = _BOND_SHARE * bulk
    for a in range(len(elements)):
        for b in range(len(elements)):
            if sign[a] > 0 and sign[b] > 0:
                through_anion = _BONDS_BETWEEN_CATIONS * (bond[a] + bond[b]) / 2
                shortest[a, b] = min(_CATION_SHARE * bulk[a, b], through_anion)
    if mobile in elements:
        own = elements.index(mobile)
        shortest[own, own] = _MOBILE_PAIR_A
    # Pairs that never meet within reach must not block anything.
    return np.where(np.isfinite(shortest), shortest, 0.0)


def _check_charge(crystal: Crystal, path: Path) -> None:
    charges = np.array(crystal.formal_charges_e, dtype=float)
    listed = charges[crystal.species].sum()
    listed += sum(
        len(m.positions) * float(np.dot(m.occupancy, charges[list(m.species)]))
        for m in crystal.mixed
    )
    if crystal.mobile is None and abs(listed) > 0.02:
        raise ConfigError(
            f"{path.name}: the formal charges sum to {listed:+.2f} e in a primitive cell",
            hint="check charges and occupancies",
        )
    if crystal.mobile is not None and crystal.mobile_per_primitive < 0:
        raise ConfigError(
            f"{path.name}: the other ions leave no room for {crystal.elements[crystal.mobile]}",
            hint="check charges and occupancies",
        )
