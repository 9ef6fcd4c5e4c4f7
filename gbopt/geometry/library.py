"""What a library holds: which boundary each number stands for, and the figures of its structure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from gbopt import __version__
from gbopt.config.library import LibraryConfig
from gbopt.crystal.known import get_crystal
from gbopt.crystal.neighbours import pairs_within
from gbopt.errors import ConfigError, GeometryError
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.catalog import catalog, largest_area_a2, planes_up_to
from gbopt.geometry.compact import EXACT, RESOLUTIONS_A, encode
from gbopt.geometry.dopants import doped
from gbopt.geometry.overlap import gate_A
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.crystal import Crystal
from gbopt.model.orientation import Miller, digits
from gbopt.model.spec import BoundaryKind, Composition, Dopant, GBSpec
from gbopt.provenance import content_key, derive_seed, source_key

# Two ions that are rounded come nearer by less than this many steps.
_ROUNDING = 3


class Candidate(NamedTuple):
    """A boundary with a width that fits the limits of a library."""

    kind: BoundaryKind
    axis: Miller
    plane: Miller
    rotation_deg: float
    width_layers: int
    ions: int


class Record(NamedTuple):
    """One row of the index; what is only known of a built structure is None where refused."""

    number: int
    status: str
    """ok; refused: it cannot be built; repeated: the structure of a lower number."""
    message: str
    """Why it was refused, or what it repeats."""
    key: str
    """Content key of the specification."""
    fingerprint: str | None
    """Equal for equal structures, see ``measure``."""
    label: str
    kind: str
    axis: str
    plane: str
    misorientation_deg: float
    sigma: int | None
    width_layers: int
    gap_A: float
    li2o_per_nm2: float
    seed: int
    lattice_A: float
    spec: str
    """JSON: with ``lattice_A`` and this ``version`` it gives the exact structure, bit for bit."""
    version: str
    """Version of gbopt, and content key of its source."""
    core_width_A: float | None = None
    ions: int | None = None
    formula: str | None = None
    li_per_cation: float | None = None
    """Mobile ions for each other cation."""
    ledger: str | None = None
    """Neutral units taken away, JSON."""
    area_A2: float | None = None
    length_A: float | None = None
    cell: str | None = None
    """Cell vectors in A, JSON."""
    ions_per_A3: float | None = None
    closest: str | None = None
    """Shortest distance of each pair of elements over what the gate asks for, JSON."""
    closest_over_gate: float | None = None
    """The least of them."""


class Made(NamedTuple):
    """A row and the compact structure; None where there is none to keep."""

    record: Record
    blob: bytes | None


class Near(NamedTuple):
    """What the neighbours in a structure tell."""

    over_gate: dict[str, float]
    """Shortest distance of each pair of elements over the gate's, where below 2.85 A."""
    margin_A: float
    """Least distance above what the gate asks for."""
    fingerprint: str
    """See ``measure``."""


def lattice_A(config: LibraryConfig) -> float:
    """Lattice parameter of the grains of a library, A."""
    return config.space.lattice_A or get_crystal(config.space.crystal).lattice_A


def candidates(config: LibraryConfig) -> list[Candidate]:
    """List every boundary and width of a library, the smallest first.

    Rotations that map the lattice onto itself (Sigma 1) make no boundary and are left out.

    Raises:
        ConfigError: the crystal is unknown, or none fits the limits.
    """
    space = config.space
    crystal, a_A = get_crystal(space.crystal), lattice_A(config)
    boundaries = catalog(
        crystal,
        kinds=space.kinds,
        axes=space.axes,
        range_deg=space.misorientation_deg,
        # Two grains of at least this thickness bound the in-plane cell.
        max_area_a2=largest_area_a2(crystal, space.max_ions, space.crystal_A, a_A),
        planes=planes_up_to(space.max_index),
    )
    low, high = space.width_layers
    found = [
        Candidate(b.kind, b.axis, b.plane, b.rotation_deg, width, ions)
        for b in boundaries
        for width in range(low, high + 1)
        if b.sigma > 1 and (ions := b.ions(crystal, width, space.crystal_A, a_A)) <= space.max_ions
    ]
    if not found:
        raise ConfigError(
            f"no boundary of the library fits space.max_ions = {space.max_ions}",
            hint="raise space.max_ions, lower space.crystal_A, or widen the range of angles",
        )
    return sorted(found, key=lambda c: (c.ions, c))


@dataclass(frozen=True)
class Space:
    """The numbered specifications of a library.

    Args:
        config: what it is drawn from.
        candidates: boundaries and widths, the smallest first.
    """

    config: LibraryConfig
    candidates: tuple[Candidate, ...]

    def spec(self, number: int) -> GBSpec:
        """The specification that a number stands for, whatever else is built, and when."""
        rng = np.random.default_rng(derive_seed(self.config.seed, number))
        space = self.config.space
        if space.sampling == "grid":
            candidate, li2o_per_nm2, dopants = self._grid[number % len(self._grid)]
        else:
            candidate, li2o_per_nm2, dopants = self._drawn(rng)
        return GBSpec(
            crystal=space.crystal,
            axis=candidate.axis,
            plane=candidate.plane,
            misorientation_deg=candidate.rotation_deg,
            width_layers=candidate.width_layers,
            crystal_A=space.crystal_A,
            gap_A=round(float(rng.uniform(*space.gap_A)), 4),
            orderings=space.orderings,
            composition=Composition(li2o_per_nm2=li2o_per_nm2, dopants=dopants),
            seed=int(rng.integers(2**31)),
        )

    def _drawn(self, rng: np.random.Generator) -> tuple[Candidate, float, tuple[Dopant, ...]]:
        """Draw kind, boundary of the kind, width and composition, each evenly."""
        boundaries = self._by_kind[rng.integers(len(self._by_kind))]
        widths = boundaries[rng.integers(len(boundaries))]
        mixture = self.config.composition
        return (
            widths[rng.integers(len(widths))],
            mixture.li2o_per_nm2[rng.integers(len(mixture.li2o_per_nm2))],
            mixture.dopants[rng.integers(len(mixture.dopants))],
        )

    @cached_property
    def _by_kind(self) -> list[list[list[Candidate]]]:
        """Candidates by kind, then boundary."""
        kinds: dict[str, dict[tuple[Any, ...], list[Candidate]]] = {}
        for candidate in self.candidates:
            widths = kinds.setdefault(candidate.kind, {}).setdefault(candidate[1:4], [])
            widths.append(candidate)
        return [list(boundaries.values()) for _, boundaries in sorted(kinds.items())]

    @cached_property
    def _grid(self) -> list[tuple[Candidate, float, tuple[Dopant, ...]]]:
        mixture = self.config.composition
        return list(product(self.candidates, mixture.li2o_per_nm2, mixture.dopants))


def make(number: int, spec: GBSpec, a_A: float) -> Made:
    """Build, measure and pack one structure; one that cannot be built becomes a refusal.

    Args:
        number: its number in the library.
        spec: its specification.
        a_A: lattice parameter of the grains, A.
    """
    record = Record(
        number=number,
        status="ok",
        message="",
        key=spec.key,
        fingerprint=None,
        label=spec.label,
        kind=spec.kind,
        axis=digits(spec.axis),
        plane=digits(spec.plane),
        misorientation_deg=abs(spec.misorientation_deg),
        sigma=spec.sigma,
        width_layers=spec.width_layers,
        gap_A=spec.gap_A,
        li2o_per_nm2=spec.composition.li2o_per_nm2,
        seed=spec.seed,
        lattice_A=a_A,
        spec=spec.model_dump_json(),
        version=f"{__version__} {source_key()}",
    )
    try:
        structure = build_bicrystal(spec, a_A)
    except (GeometryError, ConfigError) as error:
        # A composition that a width has no room for is an error of that specification alone.
        return Made(record._replace(status="refused", message=error.message), None)
    crystal = doped(get_crystal(spec.crystal), structure.elements)
    near = measure(structure, crystal)
    # Rounded coarsely, a pair at the gate could fall below it.
    fine = (r for r in RESOLUTIONS_A if _ROUNDING * r < near.margin_A)
    blob = encode(structure, next(fine, EXACT))
    return Made(_completed(record, structure, crystal, near), blob)


def _completed(record: Record, structure: Bicrystal, crystal: Crystal, near: Near) -> Record:
    positive = np.array(structure.formal_charges_e)[structure.species] > 0
    mobile = structure.species == crystal.mobile
    return record._replace(
        fingerprint=near.fingerprint,
        core_width_A=structure.core_width_A,
        ions=structure.n_ions,
        formula=structure.formula,
        li_per_cation=float(mobile.sum() / (positive & ~mobile).sum()),
        ledger=json.dumps(structure.ledger),
        area_A2=structure.area_A2,
        length_A=structure.length_A,
        cell=json.dumps(structure.cell.tolist()),
        ions_per_A3=structure.n_ions / structure.volume_A3,
        closest=json.dumps({pair: round(ratio, 6) for pair, ratio in near.over_gate.items()}),
        closest_over_gate=min(near.over_gate.values()),
    )


def measure(structure: Bicrystal, crystal: Crystal) -> Near:
    """Measure neighbour distances against the gate, and the structure's fingerprint.

    The fingerprint is a hash of the ions, the cell's volume, boundary area and length, and for
    each pair of elements of the sum over neighbours of (1 - (d/R)^2)^2, R = 2.85 A, to 1e-6.
    These do not change when all ions are shifted, numbered anew, turned or mirrored, and do when
    a single ion moves by 0.005 A: equal fingerprints mean one structure, however it came about.
    """
    gate = gate_A(crystal)
    reach = float(gate.max())
    pairs = pairs_within(structure.positions, structure.cell, reach)
    kinds = len(structure.elements)
    one, other = structure.species[pairs.i].astype(int), structure.species[pairs.j].astype(int)
    which = np.minimum(one, other) * kinds + np.maximum(one, other)
    shortest = np.full(kinds * kinds, np.inf)
    np.minimum.at(shortest, which, pairs.distance)
    weight = (1 - (pairs.distance / reach) ** 2) ** 2
    sums = np.bincount(which, weight, kinds * kinds)
    shape = (structure.volume_A3, structure.area_A2, structure.length_A)
    # Adding 0.0 turns -0.0 into 0.0: they are written differently.
    content = [structure.formula, (np.round([*shape, *sums], 6) + 0.0).tolist()]
    over = shortest / gate.ravel()
    return Near(
        over_gate={
            f"{structure.elements[n // kinds]}-{structure.elements[n % kinds]}": float(over[n])
            for n in np.flatnonzero(np.isfinite(over))
        },
        margin_A=float((shortest - gate.ravel()).min()),
        fingerprint=content_key(content, 16),
    )
