"""Grain-boundary energy from static energies: the excess over bulk crystal and bulk oxides.

A cell need not be a whole number of formula units of LLZO: oxide units are removed where grains
overlap. Its ions are written as

    n Li7La3Zr2O12 + x Li2O + y La2O3,   n = N_Zr/2,  y = (N_La - 3 n)/2,  x = (N_Li - 7 n)/2,

which is possible for every neutral cell; n, x and y need not be whole, x and y may be negative.
With A the area of each of the two boundaries

    gamma = (E_cell - n E_LLZO - x E_Li2O - y E_La2O3) / (2 A).

Off stoichiometry this is the boundary energy in equilibrium with bulk Li2O and bulk La2O3, one
end of the range of chemical potentials in which LLZO does not decompose into binary oxides; ZrO2
then has what is left of LLZO's energy. (With bulk ZrO2 instead, each removed ZrO2 would change
2 A gamma by half the energy of formation of LLZO from its oxides.) Without x and y there is no
such choice.

The energies are those of inherent structures (quenched to a minimum, 0 K, no vibrations), and gamma
is that of the structure that was quenched: no free energy at temperature. All of them must come
from one potential with one cut-off, and LLZO's from crystal quenched from the temperature of the
cell: ordered tetragonal LLZO lies 0.25 eV per formula unit lower (llzo-buckingham-c, 1100 K), 0.3
J/m2 with grains of 20 A. A cell quenched at the in-plane lattice of some temperature is to be
compared with crystal at that lattice, or gamma holds the elastic energy of its grains.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from gbopt.analysis.statistics import propagate
from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import SPECIES
from gbopt.model.observables import Estimate
from gbopt.units import EV_A2_TO_J_M2

BOUNDARIES = 2


class Units(NamedTuple):
    """A composition as LLZO and oxides; negative where oxide is missing from LLZO."""

    llzo: float
    """Formula units of Li7La3Zr2O12."""
    li2o: float
    la2o3: float


class BulkEnergies(NamedTuple):
    """Energies per formula unit of the bulk phases, eV."""

    llzo: Estimate
    li2o: Estimate
    la2o3: Estimate


def decompose(counts: Mapping[str, int]) -> Units:
    """Write a composition as LLZO, Li2O and La2O3.

    Args:
        counts: ions of Li, La, Zr and O.

    Raises:
        AnalysisError: the oxygen does not fit: the ions are not neutral; or there are others.
    """
    if others := [name for name in counts if counts[name] and name not in SPECIES]:
        raise AnalysisError(
            f"the oxides of {', '.join(others)} are no reference that gbopt knows the energy of",
            hint="boundary energies are of undoped LLZO",
        )
    llzo = counts["Zr"] / 2
    units = Units(llzo, (counts["Li"] - 7 * llzo) / 2, (counts["La"] - 3 * llzo) / 2)
    oxygen = 12 * units.llzo + units.li2o + 3 * units.la2o3
    if oxygen != counts["O"]:
        formula = "".join(f"{name}{count}" for name, count in counts.items())
        raise AnalysisError(
            f"{formula} is not made of oxides: its cations go with {oxygen:g} O",
            hint="boundary energies are defined for neutral cells only",
        )
    return units


def boundary_energy(
    cell_eV: Estimate, counts: Mapping[str, int], bulk: BulkEnergies, *, area_A2: float
) -> Estimate:
    """Energy of the boundaries of a cell, mean of the two, J/m2.

    Args:
        cell_eV: potential energy of the quenched cell, eV.
        counts: its ions of Li, La, Zr and O.
        bulk: potential energies of the bulk phases, eV per formula unit.
        area_A2: area of one boundary.

    Returns:
        The boundary energy; its error is that of the energies.

    Raises:
        AnalysisError: the ions are not neutral.
    """
    units = decompose(counts)
    per_eV = EV_A2_TO_J_M2 / (BOUNDARIES * area_A2)
    reference = list(zip(units, bulk, strict=True))
    excess_eV = cell_eV.value - sum(count * energy.value for count, energy in reference)
    oxides = f"{units.li2o:+g} Li2O {units.la2o3:+g} La2O3"
    return propagate(
        per_eV * excess_eV,
        [(per_eV, cell_eV), *((-per_eV * count, energy) for count, energy in reference)],
        unit="J/m2",
        method=f"static energy less {units.llzo:g} LLZO {oxides} at their bulk energies",
    )
