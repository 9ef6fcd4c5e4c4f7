"""The search space of a campaign: which boundaries its file allows, and their specifications."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from typing import Any, cast

from gbopt.campaign.boundaries import CRYSTAL, Boundary, Cell, boundaries
from gbopt.config import CampaignConfig
from gbopt.config.sections import GeometryConfig
from gbopt.crystal.known import get_crystal
from gbopt.errors import ConfigError
from gbopt.geometry.dopants import doped
from gbopt.geometry.room import has_room, li2o_units
from gbopt.model.orientation import coprime, digits
from gbopt.model.spec import Composition, Dopant, GBSpec, dopants_label
from gbopt.potentials.library import get_potential
from gbopt.search.space import Dimension, Params, SearchSpace

# One unit of Li2O in either core.
_IONS_OF_LI2O = 2 * 3
# Variables that are left out where all candidates have one value.
_OPTIONAL = ("kind", "axis", "li2o_per_nm2", "dopants")


@dataclass(frozen=True)
class GBSpace:
    """The boundaries of a campaign file.

    Args:
        config: the campaign.

    Raises:
        ConfigError: no boundary fits the campaign's limits, or the potential does not describe
            what they are made of.
    """

    config: CampaignConfig

    @cached_property
    def lattice_A(self) -> float:
        """Lattice parameter that ion counts are estimated with."""
        potential = get_potential(self.config.md.potential)
        dopants = {d.element for listed in self.config.geometry.dopants for d in listed}
        potential.require(doped(get_crystal(CRYSTAL), tuple(dopants)).elements)
        return potential.lattice_A

    @property
    def geometries(self) -> dict[Boundary, Cell]:
        """The boundaries that can be given at least one of the compositions, in order."""
        return self._catalogue.cells

    @property
    def search_space(self) -> SearchSpace:
        """The same as a search space.

        Its dimensions are misorientation, width and mean plane, and of the others those that
        have more than one value. The boundaries with their compositions are its candidates; gap
        and translation are free.
        """
        return self._catalogue.search_space

    @property
    def longest_cell_A(self) -> float:
        """Length of the thickest cells along the normal, about."""
        core_A = max(cell.core_A for cell in self.geometries.values())
        return 2 * (self.config.geometry.crystal_A + core_A)

    def spec(self, params: Params, seed: int) -> GBSpec:
        """Return the specification of a realisable point.

        Raises:
            KeyError: it is none.
        """
        return self._catalogue.spec(params, seed)

    @property
    def _catalogue(self) -> _Catalogue:
        return _catalogue(self.config.geometry, self.lattice_A)


@lru_cache(maxsize=8)
def _catalogue(geometry: GeometryConfig, lattice_A: float) -> _Catalogue:
    """Every proposal asks for it: it is made once in a process."""
    return _Catalogue(geometry, lattice_A)


@dataclass(frozen=True)
class _Catalogue:
    """What the section [geometry] allows.

    Args:
        geometry: the section.
        lattice_A: lattice parameter that ions are counted with.
    """

    geometry: GeometryConfig
    lattice_A: float

    @cached_property
    def cells(self) -> dict[Boundary, Cell]:
        """The boundaries that occur among the points."""
        having = {_boundary(point) for point in self._points}
        listed = boundaries(self.geometry, self.lattice_A)
        return {boundary: cell for boundary, cell in listed.items() if boundary in having}

    @cached_property
    def _points(self) -> tuple[Params, ...]:
        """Every boundary with every composition that it can be given, all variables named."""
        listed = boundaries(self.geometry, self.lattice_A)
        low, high = self.geometry.misorientation_deg
        found = tuple(
            {
                # Rounded to four decimals it may lie just outside the range.
                "misorientation_deg": min(max(boundary.misorientation_deg, low), high),
                "width_layers": boundary.width_layers,
                "mean_plane": boundary.mean_plane,
                "kind": boundary.kind,
                "axis": boundary.axis,
                "li2o_per_nm2": composition.li2o_per_nm2,
                "dopants": dopants_label(composition.dopants),
            }
            for boundary, cell in listed.items()
            for composition in self._compositions(cell)
        )
        if not found:
            raise ConfigError(
                f"none of the {len(listed)} boundaries that fit geometry.max_ions = "
                f"{self.geometry.max_ions} has room for geometry.li2o_per_nm2 = "
                f"{list(self.geometry.li2o_per_nm2)} with geometry.dopants = "
                f"{[dopants_label(dopants) for dopants in self.geometry.dopants]}",
                hint="ask for less, or for larger width_layers; what rounds to no whole unit in a "
                "core counts as well",
            )
        return found

    def _compositions(self, cell: Cell) -> Iterator[Composition]:
        """The compositions that a cell can be given."""
        by_units: dict[int, float] = {}
        for value in self.geometry.li2o_per_nm2:
            exact, units = value * cell.area_A2 / 100, li2o_units(value, cell.area_A2)
            # Two values of as many whole units are one structure: the nearer one stands for it.
            known = by_units.get(units, value) * cell.area_A2 / 100
            if units not in by_units or abs(exact - units) < abs(known - units):
                by_units[units] = value
        for (units, value), dopants in product(by_units.items(), self.geometry.dopants):
            composition = Composition(li2o_per_nm2=value, dopants=dopants)
            fits = cell.ions + _IONS_OF_LI2O * max(0, units) <= self.geometry.max_ions
            if fits and has_room(composition, cell.area_A2, cell.core_A, self.lattice_A):
                yield composition

    @cached_property
    def _fixed(self) -> Params:
        """The optional variables that all points have one value of."""
        first = self._points[0]
        same = (n for n in _OPTIONAL if all(p[n] == first[n] for p in self._points))
        return {name: first[name] for name in same}

    @cached_property
    def search_space(self) -> SearchSpace:
        """See ``GBSpace.search_space``."""
        points = [{n: v for n, v in p.items() if n not in self._fixed} for p in self._points]
        return SearchSpace(self._dimensions(), candidates=tuple(points), cost=self.ions)

    def _dimensions(self) -> tuple[Dimension, ...]:
        geometry = self.geometry
        # Those of symmetric tilts stay choices where none of them fits.
        planes = geometry.mean_plane if "symmetric tilt" in geometry.kinds else ()
        planes += tuple(sorted(self._occurring("mean_plane") - set(planes)))
        listed = {
            "kind": geometry.kinds,
            "axis": tuple(digits(coprime(axis)) for axis in geometry.axes),
            "dopants": tuple(self._dopants),
        }
        found = [
            Dimension("misorientation_deg", "real", *geometry.misorientation_deg),
            Dimension("width_layers", "integer", *geometry.width_layers),
            Dimension("mean_plane", "categorical", choices=planes),
        ]
        for name, values in listed.items():
            if name not in self._fixed:
                choices = tuple(v for v in values if v in self._occurring(name))
                found.append(Dimension(name, "categorical", choices=choices))
        if "li2o_per_nm2" not in self._fixed:
            surplus = {float(value) for value in self._occurring("li2o_per_nm2")}
            found.append(Dimension("li2o_per_nm2", "real", min(surplus), max(surplus)))
        if geometry.gap_A[0] < geometry.gap_A[1]:
            found.append(Dimension("gap_A", "real", *geometry.gap_A))
        if geometry.translation == "searched":
            found += [
                Dimension(f"translation_{n}", "real", 0.0, 1.0, periodic=True) for n in (1, 2)
            ]
        return tuple(found)

    def _occurring(self, name: str) -> set[Any]:
        """The values of a variable that at least one point has."""
        return {point[name] for point in self._points}

    def ions(self, params: Params) -> float:
        """Ions of the cell of a point, which an evaluation costs in proportion to."""
        cell = self.cells[_boundary(self._fixed | params)]
        units = li2o_units(float((self._fixed | params)["li2o_per_nm2"]), cell.area_A2)
        return cell.ions + _IONS_OF_LI2O * units

    def spec(self, params: Params, seed: int) -> GBSpec:
        """See ``GBSpace.spec``."""
        full = self._fixed | params
        changes: dict[str, Any] = {
            "seed": seed,
            "gap_A": full.get("gap_A", self.geometry.gap_A[0]),
            "composition": Composition(
                li2o_per_nm2=float(full["li2o_per_nm2"]),
                dopants=self._dopants[str(full["dopants"])],
            ),
        }
        if self.geometry.translation == "searched":
            changes["translation"] = (full["translation_1"], full["translation_2"])
        return GBSpec.model_validate(self.cells[_boundary(full)].spec.model_dump() | changes)

    @cached_property
    def _dopants(self) -> dict[str, tuple[Dopant, ...]]:
        return {dopants_label(dopants): dopants for dopants in self.geometry.dopants}


def _boundary(point: Params) -> Boundary:
    return Boundary(
        mean_plane=str(point["mean_plane"]),
        misorientation_deg=round(float(point["misorientation_deg"]), 4),
        width_layers=int(point["width_layers"]),
        kind=cast(Any, point["kind"]),
        axis=str(point["axis"]),
    )
