"""Energy and forces of rigid ions by a direct Ewald sum: no mesh, no tables, none of the engines.

The Coulomb part is pymatgen's, which sums in reciprocal space over wave vectors; Buckingham terms
are summed over pairs within their cut-off, where they end without a shift, as in the engines.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from numpy.typing import NDArray

from gbopt.config import BuckinghamPotential
from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.potentials.library import get_potential

_DIGITS = 12.0
"""Terms below 10 to the minus this part are left out."""


def direct_sum(
    symbols: list[str],
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    potential: BuckinghamPotential,
    cutoff_A: float,
) -> tuple[float, NDArray[np.float64]]:
    """Potential energy, eV, and forces, (n, 3) eV/A.

    Args:
        symbols: (n) elements.
        positions: (n, 3) A.
        cell: (3, 3) A, rows are cell vectors.
        potential: charges and Buckingham terms.
        cutoff_A: of the Buckingham terms.
    """
    coulomb_eV, coulomb = _coulomb(symbols, positions, cell, potential)
    short_eV, short = _buckingham(symbols, positions, cell, potential, cutoff_A)
    return coulomb_eV + short_eV, coulomb + short


def _coulomb(
    symbols: list[str],
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    potential: BuckinghamPotential,
) -> tuple[float, NDArray[np.float64]]:
    from pymatgen.analysis.ewald import EwaldSummation
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    crystal = Structure(Lattice(cell), symbols, positions, coords_are_cartesian=True)
    crystal.add_oxidation_state_by_element(potential.charges_e)
    summed: Any = EwaldSummation  # without types
    ewald = summed(crystal, acc_factor=_DIGITS, compute_forces=True)
    return float(ewald.total_energy), np.asarray(ewald.forces, dtype=np.float64)


def _buckingham(
    symbols: list[str],
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    potential: BuckinghamPotential,
    cutoff_A: float,
) -> tuple[float, NDArray[np.float64]]:
    kinds = np.array(symbols)
    pairs = pairs_within(wrap(positions, cell), cell, cutoff_A)
    energy, forces = 0.0, np.zeros_like(positions)
    for name, term in potential.pairs.items():
        first, second = name.split("-")
        here, there = kinds[pairs.i], kinds[pairs.j]
        chosen = ((here == first) & (there == second)) | ((here == second) & (there == first))
        i, j, r = pairs.i[chosen], pairs.j[chosen], pairs.distance[chosen]
        repulsion = term.A_eV * np.exp(-r / term.rho_A)
        attraction = term.C_eV_A6 / r**6
        energy += float((repulsion - attraction).sum())
        along = (repulsion / term.rho_A - 6 * attraction / r)[:, None]
        pull = along * pairs.vector[chosen] / r[:, None]
        np.add.at(forces, i, -pull)
        np.add.at(forces, j, pull)
    return energy, forces


class DirectSum(Calculator):  # type: ignore[misc]
    """The direct sum as a calculator of ASE."""

    implemented_properties = ("energy", "forces")

    def __init__(self, potential: BuckinghamPotential, cutoff_A: float) -> None:
        super().__init__()
        self._potential, self._cutoff_A = potential, cutoff_A

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """See ASE."""
        super().calculate(atoms, properties, system_changes)
        found: Any = self.atoms
        energy, forces = direct_sum(
            found.get_chemical_symbols(),
            found.positions,
            found.cell.array,
            self._potential,
            self._cutoff_A,
        )
        self.results = {"energy": energy, "forces": forces}


def calculator(potential: str, cutoff_A: float) -> DirectSum:
    """Make the calculator of one of gbopt's own potentials."""
    own = get_potential(potential)
    assert isinstance(own, BuckinghamPotential)  # noqa: S101 - those of the library all are
    return DirectSum(own, cutoff_A)
