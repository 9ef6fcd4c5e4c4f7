"""The cheap energy against Madelung's and against what an overlap must cost."""

import numpy as np
import pytest

from gbopt.crystal.llzo import cubic_llzo
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.bulk import build_bulk
from gbopt.geometry.prerelax import Charges, trial_energy_eV
from gbopt.model.crystal import Crystal
from gbopt.model.spec import GBSpec

MGO = Crystal(
    name="MgO",
    elements=("Mg", "O"),
    formal_charges_e=(2, -2),
    lattice_A=4.21,
    shape_a=np.eye(3),
    primitive=((1, 1, 0), (0, 1, 1), (1, 0, 1)),
    denominator=2,
    framework=np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]),
    species=np.array([0, 1], dtype=np.int8),
    shortest_A=0.9 * np.array([[2.977, 2.105], [2.105, 2.977]]),
)


def energy(structure):
    ions = Charges(structure.positions, structure.species, np.ones(structure.n_ions))
    return trial_energy_eV(MGO, ions, structure.cell)


def test_bulk_is_at_its_least_energy():
    """The repulsion is scaled so: the energy rises where the crystal is squeezed or stretched."""
    at = {
        a: energy(build_bulk(3, a, seed=0, crystal=MGO)) for a in (4.21 * 0.97, 4.21, 4.21 * 1.03)
    }
    squeezed, bulk, stretched = at.values()
    assert bulk < squeezed
    assert bulk < stretched


def test_boundary_costs_energy_and_the_translation_decides_how_much():
    fields = {"crystal": "MgO", "width_layers": 0, "crystal_A": 14.0, "seed": 0}
    energies = []
    for shift in (0.0, 0.25, 0.5, 0.75):
        spec = GBSpec.named("Sigma5(210)[001]", translation=(shift, 0.0), **fields)
        structure = build_bicrystal(spec, 4.21, MGO)
        per_ion = energy(build_bulk(4, 4.21, seed=0, crystal=MGO)) / 512
        excess = energy(structure) - structure.n_ions * per_ion
        energies.append(excess / (2 * structure.area_A2) * 16.0218)
    assert min(energies) > 0.5  # J/m2: a boundary is never for nothing
    assert max(energies) - min(energies) > 0.1


def test_relaxed_translations_are_never_worse_than_the_first():
    fields = {"crystal": "MgO", "width_layers": 0, "crystal_A": 14.0, "seed": 5}
    first, best = (
        build_bicrystal(GBSpec.named("Sigma5(310)[001]", relax_translations=n, **fields), 4.21, MGO)
        for n in (0, 12)
    )
    assert energy(best) / best.n_ions < energy(first) / first.n_ions
    assert best.provenance["relaxed"]["candidates"] == 12


def test_llzo_takes_the_lowest_of_its_candidates():
    fields = {"width_layers": 0, "crystal_A": 8.0, "seed": 2}
    spec = GBSpec.named("Sigma5(310)[001]", relax_translations=4, **fields)
    structure = build_bicrystal(spec, 13.0, cubic_llzo())
    record = structure.provenance["relaxed"]
    assert len(record["trial_energies_J_m2"]) == 4
    assert record["trial_energies_J_m2"][record["taken"]] == min(record["trial_energies_J_m2"])
    again = build_bicrystal(spec, 13.0, cubic_llzo())
    assert again.positions.tobytes() == structure.positions.tobytes()


def test_the_alternatives_of_one_ion_do_not_repel_without_bound():
    near = Charges(
        np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0]]), np.array([0, 0]), np.array([0.5, 0.5])
    )
    assert abs(trial_energy_eV(cubic_llzo(), near, np.eye(3) * 20)) == pytest.approx(1.0, abs=2.0)
