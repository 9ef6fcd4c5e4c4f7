"""Boundary energies against figures worked out by hand."""

import math

import pytest

from gbopt.analysis.energy import BulkEnergies, Units, boundary_energy, decompose
from gbopt.errors import AnalysisError
from gbopt.model.observables import Estimate


def energy(value, std_err=0.0):
    return Estimate(value=value, std_err=std_err, unit="eV", n_eff=4, method="")


BULK = BulkEnergies(llzo=energy(-520.0, 0.02), li2o=energy(-31.0), la2o3=energy(-127.0, 0.1))


def counts(formula_units, **more):
    ions = {"Li": 7, "La": 3, "Zr": 2, "O": 12}
    return {name: formula_units * n + more.get(name, 0) for name, n in ions.items()}


def test_stoichiometric_cell():
    cell = energy(-520.0 * 40 + 100.0, 0.5)
    gamma = boundary_energy(cell, counts(40), BULK, area_A2=500.0)
    # 100 eV over two boundaries of 500 A^2; 1 eV/A^2 is 16.02176634 J/m2.
    assert gamma.value == pytest.approx(1.602176634)
    # 0.5 eV of the cell and 40 times 0.02 eV of the crystal; the oxides take no part.
    assert gamma.std_err == pytest.approx(math.hypot(0.5, 0.8) * 0.01602176634)
    assert gamma.unit == "J/m2"
    assert "40 LLZO +0 Li2O +0 La2O3" in gamma.method


def test_a_removed_li2o_returns_at_its_bulk_energy():
    ions = counts(40, Li=-4, O=-2)
    assert decompose(ions) == Units(40.0, -2.0, 0.0)
    cell = energy(-520.0 * 40 + 2 * 31.0 + 100.0)
    gamma = boundary_energy(cell, ions, BULK, area_A2=500.0)
    assert gamma.value == pytest.approx(1.602176634)


def test_a_removed_zro2_is_llzo_without_its_other_oxides():
    # 40 LLZO - ZrO2 = 39.5 LLZO + 7/4 Li2O + 3/4 La2O3.
    ions = counts(40, Zr=-1, O=-2)
    assert decompose(ions) == Units(39.5, 1.75, 0.75)
    cell = energy(-520.0 * 39.5 - 1.75 * 31.0 - 0.75 * 127.0 + 50.0, 0.3)
    gamma = boundary_energy(cell, ions, BULK, area_A2=400.0)
    assert gamma.value == pytest.approx(50.0 / 800.0 * 16.02176634)
    expected = math.hypot(0.3, 39.5 * 0.02, 0.75 * 0.1) / 800.0 * 16.02176634
    assert gamma.std_err == pytest.approx(expected)


def test_doped_cells_have_no_reference():
    with pytest.raises(AnalysisError, match="oxides of Al, Ta are no reference"):
        decompose(counts(40, Li=-7) | {"Al": 2, "Ga": 0, "Ta": 1})
    assert decompose(counts(40) | {"Al": 0}) == Units(40.0, 0.0, 0.0)


def test_a_removed_la2o3_and_its_bulk_energy():
    ions = counts(10, La=-2, O=-3)
    assert decompose(ions) == Units(10.0, 0.0, -1.0)
    gamma = boundary_energy(energy(-5200.0 + 127.0), ions, BULK, area_A2=400.0)
    assert gamma.value == pytest.approx(0.0, abs=1e-9)


def test_the_oxides_and_llzo_give_the_cell_back():
    ions = counts(12, Li=5, La=-1, Zr=3)
    ions["O"] = (ions["Li"] + 3 * ions["La"] + 4 * ions["Zr"]) // 2
    llzo, li2o, la2o3 = decompose(ions)
    assert 7 * llzo + 2 * li2o == ions["Li"]
    assert 3 * llzo + 2 * la2o3 == ions["La"]
    assert 2 * llzo == ions["Zr"]
    assert 12 * llzo + li2o + 3 * la2o3 == ions["O"]


@pytest.mark.parametrize("more", [{"O": -1}, {"Li": 1}, {"Zr": -1}])
def test_a_charged_cell_has_no_boundary_energy(more):
    with pytest.raises(AnalysisError, match="not made of oxides"):
        boundary_energy(energy(0.0), counts(40, **more), BULK, area_A2=500.0)
