"""Excess energies of MgO Sigma5 boundaries with a rigid-ion potential, by real LAMMPS.

Lewis and Catlow, J. Phys. C 18, 1149 (1985): Mg-O 821.6 eV, 0.3242 A; O-O 22764 eV, 0.149 A,
27.88 eV A^6, formal charges. The references are separate searches over 32 translations of
mirror boundaries that a script of a few lines built, relaxed at fixed lengths: 1.290 J/m2 for
(210) and 1.484 for (310), from 2.04 and 2.15 before relaxation. Published energies depend on the
potential by half of their value: two other sets of the literature give 1.47 and 1.89 for (210).
"""

import numpy as np
import pytest

from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.bulk import build_bulk
from gbopt.md.libmpi import load_lammps
from gbopt.model.spec import GBSpec
from gbopt.units import EV_A2_TO_J_M2
from tests.geometry.test_prerelax import MGO

A0_A = 4.2107
REFERENCE_J_M2 = {"Sigma5(210)[001]": (1.290, 2.04), "Sigma5(310)[001]": (1.484, 2.15)}


def energy_eV(structure, relax):
    """Potential energy before or after the ions and the length along the normal relax."""
    lmp = load_lammps().lammps(cmdargs=["-log", "none", "-screen", "none"])
    try:
        lmp.commands_list(["units metal", "atom_style charge", "atom_modify map array"])
        (x, _, _), (xy, y, _), (_, _, z) = structure.cell
        lmp.command("box tilt large")
        lmp.command(f"region b prism 0 {x} 0 {y} 0 {z} {xy} 0 0")
        lmp.command("create_box 2 b")
        kinds = (structure.species + 1).astype(int).tolist()
        ids = list(range(1, len(kinds) + 1))
        lmp.create_atoms(len(kinds), ids, kinds, structure.positions.ravel().tolist())
        lmp.commands_list(
            [
                "mass 1 24.305",
                "mass 2 15.999",
                "set type 1 charge 2",
                "set type 2 charge -2",
                "pair_style buck/coul/long 10.0",
                "pair_coeff * * 0.0 1.0 0.0",
                "pair_coeff 1 2 821.6 0.3242 0.0",
                "pair_coeff 2 2 22764.0 0.149 27.88",
                "kspace_style ewald 1e-5",
                "thermo_modify norm no",
                "min_style cg",
                "min_modify line quadratic dmax 0.05",
            ]
        )
        if not relax:
            lmp.command("run 0")
        for _ in range(3 if relax else 0):
            lmp.command("fix relax all box/relax z 0.0 vmax 0.005")
            lmp.command("minimize 0.0 1e-3 150 1500")
            lmp.command("unfix relax")
        return lmp.get_thermo("pe")
    finally:
        lmp.close()


@pytest.fixture(scope="module")
def per_ion_eV():
    bulk = build_bulk(3, A0_A, seed=0, crystal=MGO)
    return energy_eV(bulk, relax=False) / bulk.n_ions


def excess_J_m2(structure, per_ion, relax):
    excess = energy_eV(structure, relax) - structure.n_ions * per_ion
    return excess / (2 * structure.area_A2) * EV_A2_TO_J_M2


def searched(name, per_ion, relax_translations):
    """Energies before and after relaxation, J/m2, of four seeds."""
    rigid, relaxed = [], []
    for seed in range(4):
        spec = GBSpec.named(
            name,
            crystal="MgO",
            width_layers=0,
            crystal_A=16.0,
            gap_A=0.4,
            relax_translations=relax_translations,
            seed=seed,
        )
        structure = build_bicrystal(spec, A0_A, MGO)
        rigid.append(excess_J_m2(structure, per_ion, relax=False))
        relaxed.append(excess_J_m2(structure, per_ion, relax=True))
    # The best of 128 rigid translations and gaps lies at the second reference.
    assert min(rigid) > REFERENCE_J_M2[name][1]
    return rigid, relaxed


@pytest.mark.parametrize("name", REFERENCE_J_M2)
def test_energies_are_those_of_an_independent_search(name, per_ion_eV):
    _, relaxed = searched(name, per_ion_eV, relax_translations=24)
    assert min(relaxed) == pytest.approx(REFERENCE_J_M2[name][0], abs=0.02)


def test_cheap_energy_prefers_what_the_potential_prefers(per_ion_eV):
    name = "Sigma5(310)[001]"
    chance, _ = searched(name, per_ion_eV, relax_translations=0)
    chosen, _ = searched(name, per_ion_eV, relax_translations=24)
    assert np.mean(chosen) < np.mean(chance) - 0.5
