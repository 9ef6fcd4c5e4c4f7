"""NetworkSpec -> Bicrystal: columnar grains between boundaries across y and across z.

A grain of any orientation is a brick cut out of its crystal: it holds no whole number of cells,
and its faces would leave it charged. So ions are cut in groups, each anion with the cation of the
highest charge that it is bonded to (ZrO6 in LLZO), where the brick comes nearest to whole formula
units and to uncharged faces. The few groups beyond whole formula units are left out where the
grains overlap worst. From then on only neutral units are taken away.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.known import get_crystal
from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.errors import ConfigError, GeometryError
from gbopt.geometry.assemble import MARGIN_A, assemble, finished, place_all
from gbopt.geometry.gate import check
from gbopt.geometry.overlap import disorder, push_apart, remove_units
from gbopt.geometry.regions import Regions
from gbopt.geometry.slab import Slab
from gbopt.geometry.zones import Zones
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.crystal import Crystal
from gbopt.model.network import NetworkSpec, columnar_basis_a
from gbopt.model.orientation import Miller

_LEAST_PERIOD_A = 12.0
_CUTS_TRIED = 300
_SAME_A = 1e-3
# An anion is bonded to centres up to this distance, and up to so many times the shortest.
_BOND_A, _BONDED = 4.0, 1.3


class NetworkPlan(NamedTuple):
    """The sizes of a network, known before it is built."""

    cell_A: tuple[float, float, float]
    """Edges of the cell: along the axis 12 A or more, across it two grains and two gaps."""
    repeats: int
    """Lattice periods of the axis along x."""
    core_A: float
    """Thickness of the disordered slab on each boundary."""
    ions: int
    """Ions that bulk of the volume of the grains holds; the network comes within 2 % of it."""


class _Motif(NamedTuple):
    """Sites of one primitive cell, by kind: elements, then mixed sites, then mobile sites."""

    basis_a: NDArray[np.float64]
    """(3, 3) rows: Cartesian lattice vectors in units of a; the first is the period of the axis."""
    where: NDArray[np.float64]
    """(s, 3) in fractions of these vectors."""
    anchor: NDArray[np.float64]
    """(s, 3) likewise, in [0, 1): the point by which a site is counted into a grain."""
    kind: NDArray[np.intp]
    element: NDArray[np.intp]
    """(k,) element of each kind, of mixed sites the first."""
    charge_e: NDArray[np.float64]
    """(k,) mean charge of a site."""
    unit: NDArray[np.intp]
    """Sites of a formula unit, of all kinds but the mobile ones."""


class _Sites(NamedTuple):
    """Sites of grains."""

    where: NDArray[Any]
    """(n, 3) A."""
    anchor: NDArray[Any]
    kind: NDArray[Any]
    grain: NDArray[Any]

    def take(self, chosen: NDArray[np.bool_]) -> _Sites:
        return _Sites(*(values[chosen] for values in self))


def plan_network(spec: NetworkSpec, crystal: Crystal, lattice_A: float) -> NetworkPlan:
    """Work out the cell, the thickness of the cores and the number of ions.

    Raises:
        ConfigError: neighbours have the same orientation.
        GeometryError: the cores leave no crystal.
    """
    spec.check_neighbours(crystal)
    core_A = spec.width_layers * spec.layer_a(crystal) * lattice_A
    if min(spec.grain_A) <= core_A:
        raise GeometryError(
            f"grain_A = {list(spec.grain_A)}: no crystal is left between cores of {core_A:.1f} A",
            hint="raise grain_A or lower width_layers",
        )
    period_A = float(np.linalg.norm(columnar_basis_a(crystal, spec.axis)[0])) * lattice_A
    repeats = math.ceil(_LEAST_PERIOD_A / period_A)
    along_A = repeats * period_A
    y, z = spec.grain_A
    cells = 4 * along_A * y * z / (crystal.cells_a3 * lattice_A**3)
    edges_A = (along_A, 2 * (y + spec.gap_A), 2 * (z + spec.gap_A))
    return NetworkPlan(edges_A, repeats, core_A, round(cells * crystal.ions_per_primitive))


def build_network(spec: NetworkSpec, lattice_A: float, crystal: Crystal | None = None) -> Bicrystal:
    """Build the network that a specification describes; the same one bit for bit each time.

    The boundaries are at y = 0 and half the cell, and at z likewise. The cell holds
    ``provenance["formula_units"]`` of the crystal less the units of the ledger.

    Args:
        spec: the network.
        lattice_A: lattice parameter of the grains.
        crystal: what ``spec.crystal`` names, where gbopt does not bring it along.

    Raises:
        ConfigError: the crystal is unknown or not the one named, or neighbours are turned alike.
        GeometryError: it cannot be built without touching ions or leaving charge.
    """
    crystal = _named(spec, crystal)
    rng = np.random.default_rng(spec.seed)
    sizes = plan_network(spec, crystal, lattice_A)
    cell, (_, y, z) = np.diag(sizes.cell_A), sizes.cell_A
    zones = Zones((0.0, z / 2), z, (0.0, y / 2), y)
    cut, shifts_A = _cut(spec, crystal, sizes, lattice_A, rng)
    whole, units = _whole_units(cut, _motif(crystal, spec.axis), crystal, cell, zones)
    made: dict[str, Any] = {"spec": spec.model_dump(mode="json"), "key": spec.key}
    made |= {"cuts_A": shifts_A, "sites_left_out": len(cut.kind) - len(whole.kind)}
    framework, sites = assemble(crystal, _slabs(whole, crystal, spec.axis), [0.0] * 4, rng)
    framework = disorder(framework, cell, zones, sizes.core_A, rng)
    framework = push_apart(framework, crystal, cell, zones, sizes.core_A / 2 + MARGIN_A, rng)
    framework, ledger = remove_units(framework, crystal, cell)
    regions = Regions(cell, zones, sizes.core_A)
    mobile = place_all(crystal, framework, sites, regions, lattice_A, rng)
    network = finished(
        crystal,
        framework._replace(positions=wrap(framework.positions, cell)),
        mobile,
        mobile_grain=((mobile[:, 1] >= y / 2) + 2 * (mobile[:, 2] >= z / 2)).astype(np.int8),
        cell=cell,
        zones=zones,
        core_width_A=sizes.core_A,
        lattice_A=lattice_A,
        ledger=ledger,
        provenance={**made, "formula_units": units, "ledger": dict(ledger)},
    )
    check(network, crystal)
    return network


def _named(spec: NetworkSpec, crystal: Crystal | None) -> Crystal:
    if crystal is not None and crystal.name != spec.crystal:
        raise ConfigError(
            f"the specification names the crystal {spec.crystal!r}, given is {crystal.name!r}",
            hint="make the specification with crystal = the name of the crystal",
        )
    return crystal or get_crystal(spec.crystal)


@lru_cache(maxsize=64)
def _motif(crystal: Crystal, axis: Miller) -> _Motif:
    basis = columnar_basis_a(crystal, axis)
    formal = np.array(crystal.formal_charges_e, dtype=float)
    mobile, species = crystal.mobile or 0, np.unique(crystal.species).tolist()
    kinds = [(crystal.framework[crystal.species == e], e, formal[e]) for e in species]
    for mixed in crystal.mixed:
        charge = formal[list(mixed.species)] @ mixed.occupancy + mixed.mobile * formal[mobile]
        kinds.append((mixed.positions, mixed.species[0], charge))
    unit = np.array([len(positions) for positions, _, _ in kinds])
    kinds += [(s.positions, mobile, s.occupancy * formal[mobile]) for s in crystal.mobile_sites]
    kind = np.repeat(np.arange(len(kinds)), [len(positions) for positions, _, _ in kinds])
    charges = np.array([charge for _, _, charge in kinds])
    where = np.concatenate([positions for positions, _, _ in kinds]) @ crystal.shape_a
    centre = kind == charges[: len(unit)].argmax()
    cell = np.array(crystal.primitive) / crystal.denominator @ crystal.shape_a * crystal.lattice_A
    anchor = _anchors(where * crystal.lattice_A, centre, charges[kind] < 0, cell)
    where = where @ np.linalg.inv(basis)
    anchor = anchor / crystal.lattice_A @ np.linalg.inv(basis)
    element = np.array([element for _, element, _ in kinds])
    unit //= math.gcd(*unit.tolist())
    whole = np.floor(anchor)
    return _Motif(basis, where - whole, anchor - whole, kind, element, charges, unit)


def _anchors(
    where_A: NDArray[np.float64],
    centre: NDArray[np.bool_],
    anion: NDArray[np.bool_],
    cell: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The centre that an anion is bonded to, the own place of any other site.

    An anion between two centres belongs to neither: given to one it would make polar groups.
    """
    anchors = where_A.copy()
    sites = np.flatnonzero(anion)
    pairs = pairs_within(
        wrap(where_A[sites], cell), cell, _BOND_A, others=wrap(where_A[centre], cell)
    )
    for index, site in enumerate(sites):
        own = np.flatnonzero(pairs.i == index)
        bonded = own[pairs.distance[own] < _BONDED * pairs.distance[own].min(initial=np.inf)]
        if len(bonded) == 1:
            anchors[site] += pairs.vector[bonded[0]]
    return anchors


def _cut(
    spec: NetworkSpec,
    crystal: Crystal,
    sizes: NetworkPlan,
    lattice_A: float,
    rng: np.random.Generator,
) -> tuple[_Sites, list[list[float]]]:
    """Cut the bricks, each at the best of some shifts of its lattice that are drawn at random.

    Returns:
        Their sites, and how far each lattice is shifted from the lower corner of its brick, A.
    """
    motif, edges = _motif(crystal, spec.axis), np.array(spec.grain_A)
    per_cell = np.bincount(motif.kind)[0] / motif.unit[0]
    wanted = sizes.ions / crystal.ions_per_primitive * per_cell / 4
    bases = [motif.basis_a @ turn.T * lattice_A for turn in spec.orientations(crystal)]
    columns = [_columns(motif, basis, edges, grain) for grain, basis in enumerate(bases)]
    tried = [rng.random((_CUTS_TRIED, 3)) @ basis for basis in bases]
    scores = [
        [_score(columns[grain], motif, shift[1:], edges, sizes.repeats, wanted) for shift in shifts]
        for grain, shifts in enumerate(tried)
    ]
    chosen = _together(scores, 4 * wanted, int(motif.unit.sum()))
    shifts_A = [tried[grain][index] for grain, index in enumerate(chosen)]
    bricks = []
    for grain, shift in enumerate(shifts_A):
        brick = columns[grain].take(_inside(columns[grain], shift[1:], edges))
        corner = (np.array([0, grain % 2, grain // 2]) * sizes.cell_A + spec.gap_A) / 2
        for along in shift + corner + np.arange(sizes.repeats)[:, None] * bases[grain][0]:
            where, anchor = (wrap(points + along, np.diag(sizes.cell_A)) for points in brick[:2])
            bricks.append(brick._replace(where=where, anchor=anchor))
    joined = _Sites(*(np.concatenate(values) for values in zip(*bricks, strict=True)))
    return joined, [shift.tolist() for shift in shifts_A]


def _together(scores: list[list[tuple[float, int]]], wanted: float, ions: int) -> tuple[int, ...]:
    """Choose a cut of each grain, so that all hold about the formula units (of ions) wanted.

    Of the cuts that hold the same number of units only the best can be chosen.
    """
    sums: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for own in scores:
        longer: dict[int, tuple[float, tuple[int, ...]]] = {}
        for held in {held for _, held in own}:
            cost, index = min((cost, index) for index, (cost, n) in enumerate(own) if n == held)
            for total, (so_far, chosen) in sums.items():
                found = (so_far + cost, (*chosen, index))
                longer[total + held] = min(found, longer.get(total + held, found))
        sums = longer
    # The density of the cell matters as much as that of its grains.
    weight = len(scores) * ions
    return min((cost + weight * abs(n - wanted), chosen) for n, (cost, chosen) in sums.items())[1]


def _columns(
    motif: _Motif, basis: NDArray[np.float64], edges: NDArray[np.float64], grain: int
) -> _Sites:
    """One period of all columns of cells that reach into a brick, however its lattice is shifted.

    The brick's lower corner is at the origin.
    """
    corners = np.array([[0.0, 0.0], [edges[0], 0.0], [0.0, edges[1]], edges])
    reach = corners @ np.linalg.inv(basis[1:, 1:])
    # An anchor and a shift are up to one cell off the column.
    low, high = np.floor(reach.min(axis=0)).astype(int) - 2, np.ceil(reach.max(axis=0)).astype(int)
    columns = np.indices((1, *(high - low + 1))).reshape(3, 1, -1).T + np.array([0, *low])
    count = len(columns)
    return _Sites(
        ((columns + motif.where) @ basis).reshape(-1, 3),
        ((columns + motif.anchor) @ basis).reshape(-1, 3),
        np.tile(motif.kind, count),
        np.full(count * len(motif.kind), grain),
    )


def _inside(
    columns: _Sites, shift: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.bool_]:
    place = columns.anchor[:, 1:] + shift
    inside: NDArray[np.bool_] = np.all((place >= 0) & (place < edges), axis=1)
    return inside


def _score(
    columns: _Sites,
    motif: _Motif,
    shift: NDArray[np.float64],
    edges: NDArray[np.float64],
    repeats: int,
    wanted: float,
) -> tuple[float, int]:
    """How bad a cut is, and the formula units it holds.

    Three figures are added up: ions beyond whole formula units, ions by which these miss the
    number wanted, and the charge on the faces in e (opposite ones carry +-dipole moment / edge).
    """
    inside = _inside(columns, shift, edges)
    kinds = columns.kind[inside]
    counts = repeats * np.bincount(kinds, minlength=len(motif.element))[: len(motif.unit)]
    held = int((counts // motif.unit).min())
    moment = motif.charge_e[kinds] @ (columns.where[inside, 1:] + shift - edges / 2)
    charge = repeats * np.abs(moment / edges).sum()
    beyond, missed = counts.sum() - held * motif.unit.sum(), abs(held - wanted) * motif.unit.sum()
    return float(beyond + missed + charge), held


def _whole_units(
    cut: _Sites, motif: _Motif, crystal: Crystal, cell: NDArray[np.float64], zones: Zones
) -> tuple[_Sites, int]:
    """Leave out what each grain has beyond whole formula units, the worst overlaps first.

    Returns:
        The sites that stay, and the formula units of the cell.

    Raises:
        GeometryError: a grain holds no formula unit.
    """
    owner, crowding = _owners(cut, motif, cell), _crowding(cut, motif, crystal, cell)
    worst = crowding.copy()
    np.minimum.at(worst, owner, crowding)
    order = np.lexsort((zones.depth(cut.where), worst))
    keep = np.ones(len(cut.kind), dtype=bool)
    for grain in range(4):
        while True:
            left = keep & (cut.grain == grain)
            counts = np.bincount(cut.kind[left], minlength=len(motif.element))[: len(motif.unit)]
            units = int((counts // motif.unit).min())
            surplus = counts - units * motif.unit
            if units == 0:
                raise GeometryError(
                    f"grain {grain} is smaller than a formula unit of {crystal.name}",
                    hint="raise grain_A",
                )
            if not surplus.any():
                break
            kind = max(np.flatnonzero(surplus), key=lambda k: motif.charge_e[k])
            out = order[left[order] & (cut.kind[order] == kind)][: surplus[kind]]
            keep[out] = False
            keep &= ~np.isin(owner, out)
    return cut.take(keep), int((cut.kind[keep] == 0).sum() // motif.unit[0])


def _owners(cut: _Sites, motif: _Motif, cell: NDArray[np.float64]) -> NDArray[np.intp]:
    """(n,) for each site the centre it was cut with, itself where it stands alone."""
    owner = np.arange(len(cut.kind))
    centres = np.flatnonzero(cut.kind == motif.charge_e[: len(motif.unit)].argmax())
    pairs = pairs_within(cut.where[centres], cell, _SAME_A, others=cut.anchor)
    same = cut.grain[centres[pairs.i]] == cut.grain[pairs.j]
    owner[pairs.j[same]] = centres[pairs.i[same]]
    return owner


def _crowding(
    cut: _Sites, motif: _Motif, crystal: Crystal, cell: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n,) least distance to an ion of another grain over the shortest of relaxed boundaries."""
    crowding = np.ones(len(cut.kind))
    element = motif.element[cut.kind]
    ions = np.flatnonzero(cut.kind < len(motif.unit))
    pairs = pairs_within(cut.where[ions], cell, float(crystal.shortest_A.max()))
    apart = cut.grain[ions[pairs.i]] != cut.grain[ions[pairs.j]]
    i, j = ions[pairs.i[apart]], ions[pairs.j[apart]]
    ratio = pairs.distance[apart] / crystal.shortest_A[element[i], element[j]]
    np.minimum.at(crowding, np.concatenate([i, j]), np.tile(ratio, 2))
    return crowding


def _slabs(sites: _Sites, crystal: Crystal, axis: Miller) -> tuple[Slab, ...]:
    """The grains in the form in which those of flat boundaries are put together."""
    motif = _motif(crystal, axis)
    placed = len(motif.unit)
    ordered = placed - len(crystal.mixed)
    slabs = []
    for grain in range(4):
        where, _, kind, _ = sites.take(sites.grain == grain)
        of = [where[kind == k] for k in range(len(motif.element))]
        species = motif.element[kind[kind < ordered]].astype(np.int8)
        mixed, mobile = tuple(of[ordered:placed]), tuple(of[placed:])
        slabs.append(Slab(where[kind < ordered], species, mixed, mobile))
    return tuple(slabs)
