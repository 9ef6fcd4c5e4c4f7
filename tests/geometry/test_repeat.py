"""Copies side by side: the same matter, more of it."""

import numpy as np
import pytest

from gbopt.errors import GeometryError
from gbopt.evaluate.engines import fitted
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.bulk import build_bulk
from gbopt.geometry.repeat import repeated
from gbopt.md.engine import EngineSettings, make_engine
from gbopt.md.run import system_of
from gbopt.model.spec import GBSpec
from gbopt.potentials.library import get_potential

OPENMM = EngineSettings(engine="openmm", accelerator="CPU")
OMP = EngineSettings(engine="lammps", accelerator="omp", accuracy=1e-6)


@pytest.fixture(scope="module")
def boundary():
    spec = GBSpec(plane=(5, 1, 0), width_layers=2, crystal_A=5, seed=0)
    return build_bicrystal(spec, 13.185)


def test_copies_have_the_energy_of_as_many_cells(boundary):
    double = repeated(boundary, (2, 1, 1))
    energies = []
    for structure in (boundary, double):
        engine = make_engine(system_of(structure), get_potential("llzo-buckingham-c"), OMP)
        energies.append(engine.thermo().energy_eV)
        engine.close()
    assert energies[1] == pytest.approx(2 * energies[0], rel=1e-7)


def test_what_is_per_area_and_per_length_stays(boundary):
    double = repeated(boundary, (3, 1, 1))
    assert double.n_ions == 3 * boundary.n_ions
    assert double.area_A2 == pytest.approx(3 * boundary.area_A2)
    assert double.length_A == boundary.length_A
    assert double.boundaries_A == boundary.boundaries_A
    assert double.charge_e == 0
    assert double.core.mean() == boundary.core.mean()
    assert np.all(np.isfinite(double.sites))
    assert double.provenance["repeated"] == [3, 1, 1]


def test_a_narrow_cell_is_repeated_for_openmm_and_for_no_other_engine(boundary):
    assert fitted(boundary, OMP) is boundary
    wide = fitted(boundary, OPENMM)
    assert wide.n_ions == 2 * boundary.n_ions  # 13.2 A along the axis, twice 8.5 A are needed
    assert np.diag(wide.cell)[:2].min() >= OPENMM.least_edge_A
    assert fitted(wide, OPENMM) is wide


def test_a_crystal_is_repeated_along_every_edge():
    assert fitted(build_bulk(1, 13.185, 0), OPENMM).n_ions == 8 * 192


def test_a_bicrystal_is_not_repeated_along_its_normal(boundary):
    with pytest.raises(ValueError, match="along its boundaries only"):
        repeated(boundary, (1, 1, 2))
    far = EngineSettings(engine="openmm", accelerator="CPU", coulomb_cutoff_A=14.0)
    with pytest.raises(GeometryError, match="openmm needs 28 A"):
        fitted(boundary, far)
