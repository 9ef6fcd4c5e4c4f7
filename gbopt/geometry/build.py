"""GBSpec -> Bicrystal."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.known import get_crystal
from gbopt.crystal.neighbours import wrap
from gbopt.errors import ConfigError
from gbopt.geometry.assemble import MARGIN_A, assemble, finished, place_all
from gbopt.geometry.composition import Contents, change_composition
from gbopt.geometry.film import with_film
from gbopt.geometry.gate import check
from gbopt.geometry.mobile import Host
from gbopt.geometry.overlap import Framework, disorder, push_apart, remove_units
from gbopt.geometry.plan import Draw, Plan, cell_of, draw_choices, fill_slabs, plan
from gbopt.geometry.prerelax import trial_energy_eV, with_mean_occupancy
from gbopt.geometry.rank import lowest_ordering
from gbopt.geometry.regions import Regions
from gbopt.geometry.zones import Zones
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.crystal import Crystal
from gbopt.model.spec import Composition, GBSpec
from gbopt.units import EV_A2_TO_J_M2


def build_bicrystal(spec: GBSpec, lattice_A: float, crystal: Crystal | None = None) -> Bicrystal:
    """Build the boundary that a specification describes.

    The cell holds two grains and two boundaries, at z = 0 and above the first grain. The same
    specification, crystal and lattice parameter give the same structure, bit for bit.

    Args:
        spec: the boundary.
        lattice_A: lattice parameter of the grains.
        crystal: what ``spec.crystal`` names, where gbopt does not bring it along.

    Raises:
        ConfigError: the crystal is unknown, is not the one that the specification names, or does
            not take its composition.
        GeometryError: it cannot be built without touching ions or leaving charge.
    """
    crystal = _named(spec, crystal)
    rng = np.random.default_rng(spec.seed)
    box = _box(spec, crystal, lattice_A)
    draw = draw_choices(spec, crystal, box.sizes.interface, rng)
    record: dict[str, Any] = {}
    if spec.relax_translations:
        draw, record["relaxed"] = _lowest(spec, draw, box, rng)
    slabs = fill_slabs(crystal, box.sizes, draw, lattice_A)
    framework, sites = assemble(crystal, slabs, box.offsets_A, rng)
    contents = _with_cores(framework, sites, box, rng)
    area_A2 = box.regions.area_nm2 * 100
    composition, film = with_film(spec, crystal, area_A2, lattice_A)
    if film:
        record["film"] = film
    if composition != Composition() or film:
        contents, record["composition"] = change_composition(
            composition, contents, sites, box.regions, rng, neutral_cores=bool(film)
        )
    if spec.orderings > 1 and crystal.mobile is not None:
        ions = contents.framework
        host = Host(wrap(ions.positions, box.cell), ions.species, *box.regions)
        lowest, record["orderings"] = lowest_ordering(
            contents.crystal, host, sites, contents.mobile, spec.orderings, rng
        )
        contents = contents._replace(mobile=lowest)
    provenance = _provenance(spec, box.sizes, draw) | record
    bicrystal = _bicrystal(contents, box, provenance)
    check(bicrystal, contents.crystal, box.sizes.interface)
    return bicrystal


class _Box(NamedTuple):
    """The cell of a boundary and what fills it."""

    crystal: Crystal
    sizes: Plan
    lattice_A: float
    regions: Regions
    offsets_A: list[float]
    """z at which either grain begins."""

    @property
    def cell(self) -> NDArray[np.float64]:
        return self.regions.cell

    def energy_eV(self, draw: Draw) -> float:
        """Energy of one candidate, its ions pushed apart but its core not disordered."""
        rng = np.random.default_rng(0)  # every candidate gets the same random help
        slabs = fill_slabs(self.crystal, self.sizes, draw, self.lattice_A)
        framework, sites = assemble(self.crystal, slabs, self.offsets_A, rng)
        zones = self.regions.zones
        framework = push_apart(framework, self.crystal, self.cell, zones, MARGIN_A, rng)
        ions = with_mean_occupancy(self.crystal, framework.positions, framework.species, sites)
        return trial_energy_eV(self.crystal, ions, self.cell)


def _box(spec: GBSpec, crystal: Crystal, lattice_A: float) -> _Box:
    sizes = plan(spec, crystal, lattice_A)
    cell, boundaries = cell_of(sizes, lattice_A, spec.gap_A)
    regions = Regions(cell, Zones(boundaries, float(cell[2, 2])), sizes.core_A)
    return _Box(crystal, sizes, lattice_A, regions, [z + spec.gap_A / 2 for z in boundaries])


def _with_cores(
    framework: Framework,
    sites: tuple[NDArray[np.float64], ...],
    box: _Box,
    rng: np.random.Generator,
) -> Contents:
    """Disorder the cores, make room in them, and place the mobile ions."""
    crystal, cell, zones, core_A = box.crystal, box.cell, box.regions.zones, box.sizes.core_A
    framework = disorder(framework, cell, zones, core_A, rng)
    framework = push_apart(framework, crystal, cell, zones, core_A / 2 + MARGIN_A, rng)
    framework, ledger = remove_units(framework, crystal, cell)
    mobile = place_all(crystal, framework, sites, box.regions, box.lattice_A, rng)
    return Contents(crystal, framework, mobile, ledger)


def _bicrystal(contents: Contents, box: _Box, provenance: dict[str, Any]) -> Bicrystal:
    framework = contents.framework
    return finished(
        contents.crystal,
        framework._replace(positions=wrap(framework.positions, box.cell)),
        contents.mobile,
        mobile_grain=box.regions.grain(contents.mobile),
        cell=box.cell,
        zones=box.regions.zones,
        core_width_A=box.sizes.core_A,
        lattice_A=box.lattice_A,
        ledger=contents.ledger,
        provenance=provenance,
    )


def _named(spec: GBSpec, crystal: Crystal | None) -> Crystal:
    if crystal is None:
        return get_crystal(spec.crystal)
    if crystal.name != spec.crystal:
        raise ConfigError(
            f"the specification names the crystal {spec.crystal!r}, given is {crystal.name!r}",
            hint="make the specification with crystal = the name of the crystal",
        )
    return crystal


def _provenance(spec: GBSpec, sizes: Plan, draw: Draw) -> dict[str, Any]:
    interface = sizes.interface
    return {
        "spec": spec.model_dump(mode="json"),
        "key": spec.key,
        "angle": {
            "target_deg": spec.misorientation_deg,
            "realised_deg": interface.realised_deg,
            "sigma": spec.sigma,
            "strain_per_grain": interface.strain,
            "cell_a": interface.cell_a.tolist(),
            "layers_A": list(sizes.layers_A),
            "planes": [list(interface.first.plane), list(interface.second.plane)],
        },
        "terminations": list(draw.cuts),
        "translation": list(draw.translation),
    }


def _lowest(
    spec: GBSpec, first: Draw, box: _Box, rng: np.random.Generator
) -> tuple[Draw, dict[str, Any]]:
    """Of several translations and terminations, the lowest in energy and a record of all."""
    draws = [first]
    while len(draws) < spec.relax_translations:
        draws.append(draw_choices(spec, box.crystal, box.sizes.interface, rng))
    energies = [box.energy_eV(draw) for draw in draws]
    area_A2 = 2 * abs(float(np.linalg.det(box.cell[:2, :2])))
    taken = int(np.argmin(energies))
    above = [EV_A2_TO_J_M2 * (energy - energies[taken]) / area_A2 for energy in energies]
    record = {
        "candidates": len(draws),
        "taken": taken,
        "trial_energies_J_m2": [round(energy, 6) for energy in above],
    }
    return draws[taken], record
