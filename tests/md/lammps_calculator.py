"""LAMMPS as a calculator of ASE: the physics of one engine under the dynamics of another."""

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from gbopt.config import LammpsPotential
from gbopt.md.engine import EngineSettings, System
from gbopt.md.lammps_engine import LammpsEngine
from gbopt.potentials.library import get_potential
from gbopt.units import ELEMENTARY_CHARGE_C

_EV_A3_BAR = ELEMENTARY_CHARGE_C * 1e30 / 1e5
ACCURACY = 1e-6

ARGON = LammpsPotential(
    name="argon",
    citation="A. Rahman, Phys. Rev. 136, A405 (1964)",
    validity="solid and liquid argon at low pressure",
    elements=("Ar",),
    commands=("pair_style lj/cut 8.0", "pair_modify shift yes", "pair_coeff 1 1 0.0104 3.4"),
)


class LammpsCalculator(Calculator):
    """Energy, forces and stress of a potential, by our own LAMMPS engine."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, potential, **settings):
        """``settings``: changes against the defaults of EngineSettings."""
        super().__init__()
        self._potential, self._settings, self._engine = potential, settings, None

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if self._engine is None:
            self._engine = _engine(self._potential, atoms, self._settings)
        engine = self._engine
        engine.set_cell(atoms.cell.array)
        flat = np.ascontiguousarray(atoms.positions, dtype=np.float64).ravel()
        engine._lmp.scatter_atoms("x", 1, 3, np.ctypeslib.as_ctypes(flat))
        self.results["forces"] = engine.forces()
        self.results["energy"] = engine.thermo().energy_eV
        names = ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")
        pressure = np.array([engine._lmp.get_thermo(name) for name in names])
        self.results["stress"] = -pressure / _EV_A3_BAR


def _engine(potential, atoms, changes):
    symbols = atoms.get_chemical_symbols()
    elements = tuple(dict.fromkeys(symbols))
    system = System(
        positions=atoms.positions.copy(),
        cell=atoms.cell.array.copy(),
        species=np.array([elements.index(name) for name in symbols], dtype=np.int8),
        elements=elements,
        core=np.zeros(len(symbols), dtype=bool),
    )
    settings = EngineSettings(engine="lammps", **{"accuracy": ACCURACY, **changes})
    return LammpsEngine(system, potential, settings)


def argon():
    return LammpsCalculator(ARGON)


def set_c():
    return LammpsCalculator(get_potential("llzo-buckingham-c"))


def working_set_c():
    """Set C at working accuracy."""
    return LammpsCalculator(get_potential("llzo-buckingham-c"), accuracy=1e-4)
