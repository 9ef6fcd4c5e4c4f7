"""Crystals from CIF: lattices, ordered and mixed sites, charges; LLZO as the known answer."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from gbopt.crystal.charges import parse_charges
from gbopt.crystal.cif import read_crystal
from gbopt.crystal.llzo import RELAXED_MINIMUM_A, cubic_llzo
from gbopt.errors import ConfigError
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.bulk import build_bulk
from gbopt.model.spec import GBSpec

LI, LA, O = {"Li": 1}, {"La": 3}, {"O": -2}  # noqa: E741


def write(tmp_path, name, group, a, species, sites):
    path = tmp_path / f"{name}.cif"
    Structure.from_spacegroup(group, Lattice.cubic(a), species, sites).to(filename=str(path))
    return path


@pytest.fixture
def mgo(tmp_path):
    path = write(tmp_path, "MgO", "Fm-3m", 4.21, ["Mg", "O"], [[0, 0, 0], [0.5] * 3])
    return read_crystal(path, {"Mg": 2, "O": -2})


@pytest.fixture
def partial_llzo(tmp_path):
    sites = [[0.375, 0, 0.25], [0.0959, 0.6922, 0.5731], [0.125, 0, 0.25], [0, 0, 0]]
    sites.append([0.0999, 0.1962, 0.28163])
    species = [{"Li": 0.54}, {"Li": 0.448}, "La", "Zr", "O"]
    path = write(tmp_path, "partial", "Ia-3d", 12.9827, species, sites)
    return read_crystal(path, parse_charges("Li=1, La=3, Zr=4, O=-2"))


@pytest.fixture
def llto(tmp_path):
    species = [{"Li": 0.33, "La": 0.5567}, "Ti", "O"]
    path = write(tmp_path, "LLTO", "Pm-3m", 3.88, species, [[0, 0, 0], [0.5] * 3, [0.5, 0.5, 0]])
    return read_crystal(path, {"Li": 1, "La": 3, "Ti": 4, "O": -2})


def spec(crystal, name="Sigma5(210)[001]", **others):
    fields = {"width_layers": 2, "crystal_A": 16.0, "seed": 3, "crystal": crystal.name}
    return GBSpec.named(name, **(fields | others))


def test_rocksalt_is_face_centred_with_one_formula_unit(mgo):
    assert mgo.cells_a3 == pytest.approx(0.25)
    assert mgo.ions_per_primitive == 2
    assert mgo.mobile is None
    assert mgo.layer_spacing_a((1, 0, 0)) == pytest.approx(0.5)
    assert build_bulk(2, 4.21, 0, mgo).formula == "Mg32O32"


def test_partly_occupied_llzo_is_read_as_the_crystal_it_is(partial_llzo):
    assert partial_llzo.cells_a3 == pytest.approx(0.5)
    assert partial_llzo.mobile_per_primitive == pytest.approx(28)
    assert len(partial_llzo.framework) == 68
    assert [len(kind.positions) for kind in partial_llzo.mobile_sites] == [12, 48]
    structure = build_bicrystal(spec(partial_llzo), 12.98, partial_llzo)
    assert structure.charge_e == 0


def test_estimated_distances_are_those_of_relaxed_boundaries(partial_llzo):
    """The rule for unknown crystals, on the one of which 41 relaxed boundaries are known."""
    ratio = partial_llzo.shortest_A / RELAXED_MINIMUM_A
    assert ratio.min() > 0.93
    assert ratio.max() < 1.06


@pytest.mark.parametrize("name", ["Sigma5(310)[001]", "Sigma3(112)", "Sigma5(001) twist"])
@pytest.mark.parametrize("width", [0, 3])
def test_boundaries_of_rocksalt_are_neutral(mgo, name, width):
    structure = build_bicrystal(spec(mgo, name, width_layers=width), 4.21, mgo)
    assert structure.charge_e == 0
    assert structure.counts["Mg"] == structure.counts["O"]


def test_mixed_sites_keep_their_shares(llto):
    structure = build_bicrystal(spec(llto), 3.88, llto)
    titanium = structure.counts["Ti"]
    assert structure.charge_e == 0
    assert structure.counts["La"] / titanium == pytest.approx(0.5567, abs=0.5 / titanium + 1e-9)
    assert structure.counts["Li"] == 2 * structure.counts["O"] - 4 * titanium - (
        3 * structure.counts["La"]
    )


def test_ordered_antiperovskite(tmp_path):
    sites = [[0.5, 0, 0], [0, 0, 0], [0.5] * 3]
    path = write(tmp_path, "Li3OCl", "Pm-3m", 3.91, ["Li", "O", "Cl"], sites)
    crystal = read_crystal(path, {"Li": 1, "O": -2, "Cl": -1})
    structure = build_bicrystal(spec(crystal), 3.91, crystal)
    assert structure.charge_e == 0
    counts = structure.counts
    assert counts["Li"] == 2 * counts["O"] + counts["Cl"]


def test_content_decides_the_key(mgo, tmp_path):
    path = write(tmp_path, "MgO", "Fm-3m", 4.21, ["Mg", "O"], [[0, 0, 0], [0.5] * 3])
    assert read_crystal(path, {"Mg": 2, "O": -2}).key == mgo.key
    path = write(tmp_path, "MgO", "Fm-3m", 4.21, ["Mg", "S"], [[0, 0, 0], [0.5] * 3])
    assert read_crystal(path, {"Mg": 2, "S": -2}).key != mgo.key


def test_wrong_input_is_one_sentence(tmp_path, mgo):
    path = write(tmp_path, "salt", "Fm-3m", 5.64, ["Na", "Cl"], [[0, 0, 0], [0.5] * 3])
    noble = write(tmp_path, "noble", "Fm-3m", 5.64, ["Xe", "Cl"], [[0, 0, 0], [0.5] * 3])
    with pytest.raises(ConfigError, match="no formal charge is given for Xe"):
        read_crystal(noble)
    with pytest.raises(ConfigError, match="sum to"):
        read_crystal(path, {"Na": 2, "Cl": -1})
    with pytest.raises(ConfigError, match="'Na' is not"):
        parse_charges("Na")
    broken = tmp_path / "broken.cif"
    broken.write_text("nothing")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_crystal(broken, {})
    with pytest.raises(ConfigError, match="names the crystal"):
        build_bicrystal(spec(cubic_llzo()), 4.21, mgo)


def test_supercells_are_reduced_to_their_lattice(tmp_path):
    path = write(tmp_path, "MgO", "Fm-3m", 4.21, ["Mg", "O"], [[0, 0, 0], [0.5] * 3])
    doubled = Structure.from_file(str(path)) * (2, 2, 2)
    doubled.to(filename=str(tmp_path / "big.cif"))
    crystal = read_crystal(tmp_path / "big.cif", {"Mg": 2, "O": -2})
    assert len(crystal.framework) == 2
    assert crystal.cells_a3 == pytest.approx(1 / 32)
    assert np.bincount(crystal.species).tolist() == [1, 1]
