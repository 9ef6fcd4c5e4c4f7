"""Excess energies of the DFT-relaxed boundaries that come with gbopt."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from gbopt.analysis.energy import decompose
from gbopt.md.engine import EngineSettings, make_engine
from gbopt.md.run import system_of
from gbopt.potentials.library import get_potential
from gbopt.units import EV_A2_TO_J_M2
from gbopt.validate.dft import DATA, excess_J_m2, read_boundaries


@pytest.fixture(scope="module")
def boundaries():
    return read_boundaries(20)


def test_the_shipped_boundaries_are_whole_and_licensed(boundaries):
    assert len(boundaries.structures) == len(list(DATA.glob("*.cif"))) == 20
    assert "Permission is hereby granted" in (DATA / "LICENCE").read_text()
    for structure in boundaries.structures:
        assert decompose(structure.counts).llzo in {16, 20, 24, 28, 36}
        # The normal is along c, the longest edge.
        assert structure.cell[2, 2] > 2.5 * structure.cell[0, 0] * 0.9
    # 0.0647 eV/A2 stands in the authors' table for a cell of 167.76 A2.
    one = boundaries.names.index("010_Li-coverage_01012_over_16ordering_1_opt.cif")
    assert boundaries.structures[one].area_A2 == pytest.approx(167.76, abs=0.02)
    assert boundaries.dft_eV[one] == -3533.9933446


def test_bulk_energies_and_one_common_energy_come_back(boundaries):
    design = boundaries.design
    gamma_eV_A2 = 0.06
    energies = design @ np.array([-150.0, -14.0, -40.0, gamma_eV_A2])
    assert excess_J_m2(design, energies) == pytest.approx(gamma_eV_A2 * EV_A2_TO_J_M2, rel=1e-6)


def test_excess_energies_do_not_hold_those_of_bulk(boundaries):
    """Another zero of energy for every element changes nothing."""
    design = boundaries.design
    shifted = boundaries.dft_eV + design[:, :3] @ np.array([12.0, -3.0, 7.0])
    assert excess_J_m2(design, shifted) == pytest.approx(
        excess_J_m2(design, boundaries.dft_eV), abs=1e-8
    )


def test_set_c_ranks_them_as_dft_does(boundaries):
    """0.94 on all 42 that are published, static; 0.92 on the twenty."""
    potential = get_potential("llzo-buckingham-c")
    settings = EngineSettings(
        engine="lammps", buckingham_cutoff_A=9.0, coulomb_cutoff_A=9.0, accuracy=5e-5
    )
    energies = []
    for structure in boundaries.structures:
        engine = make_engine(system_of(structure), potential, settings)
        energies.append(engine.thermo().energy_eV)
        engine.close()
    ours = excess_J_m2(boundaries.design, np.array(energies))
    dft = excess_J_m2(boundaries.design, boundaries.dft_eV)
    assert spearmanr(ours, dft).statistic == pytest.approx(0.92, abs=0.03)
    assert 0.3 < dft.min() < dft.max() < 2.0
