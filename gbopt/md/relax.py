"""Minimisation with ASE's optimiser, for engines whose own would let ions leap.

At tiny distances a Buckingham potential falls without end: an optimiser that may move an ion by
half an Angstrom at once throws it there. ASE's limits the longest move.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbopt.md.protocol import Stage

_FORCE_EV_A = 1e-3
_MEMORY = 20

EnergyForces = Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]


class Relaxation:
    """One minimisation in progress."""

    def __init__(
        self, positions: NDArray[np.float64], evaluate: EnergyForces, stage: Stage
    ) -> None:
        from ase import Atoms
        from ase.calculators.calculator import Calculator, all_changes
        from ase.optimize import LBFGS

        class Evaluated(Calculator):  # type: ignore[misc]
            """Energy and forces of a function of the positions."""

            implemented_properties = ("energy", "forces")

            def calculate(
                self,
                atoms: Any = None,
                properties: Any = ("energy",),
                system_changes: Any = all_changes,
            ) -> None:
                super().calculate(atoms, properties, system_changes)
                energy, forces = evaluate(self.atoms.positions)
                self.results = {"energy": energy, "forces": forces}

        self._atoms = Atoms("H" * len(positions), positions=positions, calculator=Evaluated())
        self._optimiser = LBFGS(self._atoms, logfile=None, memory=_MEMORY, maxstep=stage.max_move_A)
        self._tolerance = stage.energy_tolerance

    @property
    def positions(self) -> NDArray[np.float64]:
        """(n, 3) A."""
        found: NDArray[np.float64] = self._atoms.positions.copy()
        return found

    def run(self, iterations: int) -> bool:
        """Go on for at most so many iterations; return whether the minimum is reached."""
        before = self._atoms.get_potential_energy()
        for _ in range(iterations):
            forces = self._atoms.get_forces()
            if np.abs(forces).max() < _FORCE_EV_A:
                return True
            self._optimiser.step()
            energy = self._atoms.get_potential_energy()
            if abs(energy - before) < self._tolerance * abs(energy):
                return True
            before = energy
        return False
