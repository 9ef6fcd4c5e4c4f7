"""The gate: no structure leaves the generator charged, touching or thinner than asked."""

from __future__ import annotations

from typing import NamedTuple

from gbopt.errors import GeometryError
from gbopt.geometry.overlap import gate_A, shortest_by_pair
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.crystal import Crystal


class GateReport(NamedTuple):
    """What the gate measured."""

    charge_e: int
    shortest_A: dict[str, float]
    formula: str
    ions_per_A3: float


def check(structure: Bicrystal, crystal: Crystal) -> GateReport:
    """Measure charge and shortest distances, and refuse what is not fit for MD.

    Raises:
        GeometryError: the cell is charged, or a pair of ions is closer than 85 % of the
            shortest distance found in DFT-relaxed boundaries.
    """
    charge = structure.charge_e
    if charge != 0:
        raise GeometryError(
            f"the structure {structure.formula} has a charge of {charge:+d} e, it must be 0",
            hint="this is a defect of the generator: report the specification",
        )
    limits = gate_A(crystal)
    found = shortest_by_pair(structure.positions, structure.species, structure.cell, crystal)
    shortest: dict[str, float] = {}
    for (first, second), distance in found.items():
        pair = f"{structure.elements[first]}-{structure.elements[second]}"
        shortest[pair] = distance
        if distance < limits[first, second] - 1e-9:
            raise GeometryError(
                f"the closest {pair} pair is {distance:.2f} A apart, the gate asks for "
                f"{limits[first, second]:.2f} A",
                hint="use another seed, or another width_layers",
            )
    return GateReport(charge, shortest, structure.formula, structure.n_ions / structure.volume_A3)
