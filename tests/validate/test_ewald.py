"""The direct sum against Madelung's constants, differences of its energy, and LAMMPS."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.constants import e, epsilon_0, pi

from gbopt.config import BuckinghamPotential, BuckinghamTerm
from gbopt.md.engine import EngineSettings, make_engine
from gbopt.md.sample import sample_system
from gbopt.potentials.library import get_potential
from gbopt.validate.ewald import calculator, direct_sum

# spglib, through pymatgen.
pytestmark = pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")

COULOMB_EV_A = e / (4 * pi * epsilon_0) * 1e10
CUTOFF_A = 6.3
SET_C = get_potential("llzo-buckingham-c")


def ions(A_eV=0.0):
    return BuckinghamPotential(
        name="salt",
        citation="a salt of unit charges",
        validity="Madelung's constant",
        charges_e={"Li": 1.0, "O": -1.0},
        pairs={"Li-O": BuckinghamTerm(A_eV=A_eV, rho_A=0.3)},
    )


SALT = {
    "CsCl": ([(0, 0, 0), (1, 1, 1)], ["Li", "O"], np.sqrt(3) / 2, 1, 1.76267477),
    "NaCl": (
        [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)],
        ["Li"] * 4 + ["O"] * 4,
        0.5,
        4,
        1.74756459,
    ),
}


@pytest.mark.parametrize("name", SALT)
def test_salts_have_madelungs_energy(name):
    halves, symbols, nearest, pairs, madelung = SALT[name]
    edge_A = 4.0
    energy, forces = direct_sum(
        symbols, edge_A / 2 * np.array(halves, float), edge_A * np.eye(3), ions(), CUTOFF_A
    )
    assert energy == pytest.approx(-pairs * madelung * COULOMB_EV_A / (nearest * edge_A), rel=1e-7)
    assert np.abs(forces).max() < 1e-8


def test_buckingham_terms_by_hand():
    """Two ions 2 A apart in a wide cell: exp(-2/0.3) A, and what pulls them apart."""
    positions, cell = np.array([[1.0, 1.0, 1.0], [3.0, 1.0, 1.0]]), 40.0 * np.eye(3)
    with_term, without = (
        direct_sum(["Li", "O"], positions, cell, ions(A), CUTOFF_A) for A in (500.0, 0.0)
    )
    repulsion = 500.0 * np.exp(-2 / 0.3)
    assert with_term[0] - without[0] == pytest.approx(repulsion)
    assert (with_term[1] - without[1])[:, 0] == pytest.approx([-repulsion / 0.3, repulsion / 0.3])


def test_it_is_what_lammps_computes_and_its_forces_are_its_slopes():
    system = sample_system(SET_C, cells=1)
    symbols = [str(name) for name in system.symbols]
    energy, forces = direct_sum(symbols, system.positions, system.cell, SET_C, CUTOFF_A)
    settings = EngineSettings(
        engine="lammps", buckingham_cutoff_A=CUTOFF_A, coulomb_cutoff_A=8.5, accuracy=1e-7
    )
    engine = make_engine(system, SET_C, settings)
    # The constants of the two differ in the seventh digit.
    assert engine.thermo().energy_eV == pytest.approx(energy, rel=3e-7)
    size = np.sqrt((forces**2).mean())
    assert np.sqrt(((engine.forces() - forces) ** 2).mean()) < 1e-5 * size
    engine.close()
    ends = []
    for sign in (1, -1):
        moved = system.positions.copy()
        moved[40, 1] += sign * 1e-4
        ends.append(direct_sum(symbols, moved, system.cell, SET_C, CUTOFF_A)[0])
    assert -(ends[0] - ends[1]) / 2e-4 == pytest.approx(forces[40, 1], abs=1e-4)


def test_the_calculator_of_ase_is_the_same_sum():
    from ase import Atoms

    system = sample_system(SET_C, cells=1)
    system = replace(system, positions=system.positions + np.array([0.0, 0.0, 20.0]))
    atoms = Atoms(list(system.symbols), system.positions, cell=system.cell, pbc=True)
    atoms.calc = calculator("llzo-buckingham-c", CUTOFF_A)
    symbols = [str(name) for name in system.symbols]
    energy, forces = direct_sum(symbols, system.positions, system.cell, SET_C, CUTOFF_A)
    assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-8)
    assert atoms.get_forces() == pytest.approx(forces, abs=1e-8)
