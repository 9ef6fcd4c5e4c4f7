"""Files of others: what is read is what was written, and what cannot be used is refused."""

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from hypothesis import given, settings
from hypothesis import strategies as st

from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.errors import ConfigError, GeometryError
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.files import write_structure
from gbopt.geometry.read import Ions, formula, oriented, read_ions
from gbopt.model.spec import GBSpec

SALT = Atoms("NaCl", positions=[[0, 0, 0], [2, 2, 2]], cell=[4.0, 4.0, 5.0], pbc=True)


@pytest.fixture(scope="module")
def structure():
    return build_bicrystal(GBSpec(plane=(5, 1, 0), width_layers=2, crystal_A=6, seed=0), 13.1)


@pytest.mark.parametrize("suffix", [".extxyz", ".cif", ".data"])
def test_what_gbopt_wrote_reads_back(structure, tmp_path, suffix):
    path = tmp_path / f"gb{suffix}"
    write_structure(structure, path)
    ions = oriented(read_ions(path), 2)
    assert ions.cell == pytest.approx(structure.cell, abs=1e-4)
    assert [structure.elements[k] for k in structure.species] == ions.elements.tolist()
    gap = (ions.positions - structure.positions) @ np.linalg.inv(structure.cell)
    assert np.abs(gap - np.round(gap)).max() < 1e-4
    assert ions.charges_e.sum() == 0
    assert set(zip(ions.elements.tolist(), ions.charges_e.tolist(), strict=True)) == {
        ("Li", 1),
        ("La", 3),
        ("Zr", 4),
        ("O", -2),
    }


@pytest.mark.parametrize(("name", "kind"), [("POSCAR", "vasp"), ("x.vasp", "vasp")])
def test_a_poscar_is_read(tmp_path, name, kind):
    write(tmp_path / name, SALT, format=kind)
    ions = read_ions(tmp_path / name)
    assert formula(ions.elements) == "Cl1Na1"
    assert ions.charges_e.tolist() == [1, -1]


DATA = """written by hand

2 atoms
2 atom types
0.0 4.0 xlo xhi
0.0 4.0 ylo yhi
0.0 5.0 zlo zhi

Masses

1 {first}
2 {second}

Atoms # charge

1 1 0.7 0.0 0.0 0.0
2 2 -0.7 2.0 2.0 2.0
"""


@pytest.mark.parametrize(
    ("first", "second"),
    [("22.99 # Na", "35.45 # Cl"), ("22.99", "35.45"), ("1.0 # Na+ core", "1.0 # Cl1")],
)
def test_types_of_lammps_are_named_by_label_or_mass(tmp_path, first, second):
    path = tmp_path / "salt.data"
    path.write_text(DATA.format(first=first, second=second))
    ions = read_ions(path)
    assert ions.elements.tolist() == ["Na", "Cl"]
    assert ions.charges_e.tolist() == [1, -1]  # not the file's 0.7


def test_a_mass_of_no_element_is_refused(tmp_path):
    path = tmp_path / "salt.data"
    path.write_text(DATA.format(first="22.0", second="35.45"))
    with pytest.raises(ConfigError, match=r"type 1 of salt.data has a mass of 22.0"):
        read_ions(path)
    path.write_text(DATA.replace("Masses\n\n1 {first}\n2 {second}\n\n", ""))
    with pytest.raises(ConfigError, match="no section Masses"):
        read_ions(path)


def test_charges_of_the_user_come_before_the_usual_ones(tmp_path):
    path = tmp_path / "salt.extxyz"
    write(path, SALT)
    assert read_ions(path, {"Na": 2, "Cl": -2}).charges_e.tolist() == [2, -2]
    with pytest.raises(GeometryError, match=r"salt.extxyz, Cl1Na1, has a charge of \+1 e") as error:
        read_ions(path, {"Na": 2})
    assert "--charges" in error.value.hint


def test_an_element_without_a_charge_is_refused(tmp_path):
    path = tmp_path / "x.extxyz"
    write(path, Atoms("XeO", positions=[[0, 0, 0], [2, 2, 2]], cell=[4.0, 4.0, 5.0], pbc=True))
    with pytest.raises(GeometryError, match="holds Xe, of which no formal charge is known"):
        read_ions(path)
    assert read_ions(path, {"Xe": 2}).charges_e.tolist() == [2, -2]


def test_partly_occupied_sites_are_refused(tmp_path):
    path = tmp_path / "x.cif"
    write(path, SALT)
    text = path.read_text()
    assert "1.0000" in text
    path.write_text(text.replace("1.0000", "0.5000", 1))
    with pytest.raises(GeometryError, match=r"partly occupied sites \(Na 0.5\)"):
        read_ions(path)


def test_overlapping_ions_are_refused(tmp_path):
    path = tmp_path / "x.extxyz"
    write(path, Atoms("NaCl", positions=[[0, 0, 0.1], [0, 0, 4.9]], cell=[4.0, 4.0, 5.0], pbc=True))
    with pytest.raises(GeometryError, match=r"Na-Cl pair 0.20 A apart"):
        read_ions(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.pdb", "", "cannot tell the structure format"),
        ("x.cif", "nothing\n", "cannot be read as cif"),
        ("x.xyz", "1\n\nNa 0 0 0\n", "no ions in a periodic cell"),
    ],
)
def test_unreadable_files_are_refused(tmp_path, name, content, words):
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=words):
        read_ions(tmp_path / name)


def test_a_trajectory_is_refused_and_a_missing_file_is_the_systems_error(tmp_path):
    write(tmp_path / "x.extxyz", [SALT, SALT])
    with pytest.raises(ConfigError, match="holds 2 structures"):
        read_ions(tmp_path / "x.extxyz")
    with pytest.raises(FileNotFoundError):
        read_ions(tmp_path / "none.cif")


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**31 - 1),
    axis=st.integers(0, 2),
    steps=st.tuples(*[st.integers(-3, 3)] * 3),
)
def test_turning_keeps_every_distance_and_hand(seed, axis, steps):
    """A cell with c across a and b, written with whole a and b added to c and a to b."""
    rng = np.random.default_rng(seed)
    plain = np.array([[4.0, 0, 0], [1.0, 5.0, 0], [0, 0, 9.0]])
    skew = np.array([plain[0], plain[1] + steps[0] * plain[0], plain[2] + steps[1:] @ plain[:2]])
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    cell = np.roll(skew, axis - 2, axis=0) @ rotation  # as often left-handed as not
    positions = wrap(rng.random(3) @ cell + rng.random((6, 3)), cell)
    turned = oriented(Ions(positions, cell, np.array(["Na"] * 6), np.ones(6, dtype=int)), axis)
    assert np.abs(np.triu(turned.cell, 1)).max() < 1e-9
    assert np.diag(turned.cell).min() > 0
    assert np.abs(turned.cell[2, :2]).max() == 0
    assert abs(turned.cell[1, 0]) <= turned.cell[0, 0] / 2 + 1e-9
    assert np.linalg.det(turned.cell) == pytest.approx(180.0)
    before, after = (
        np.sort(pairs_within(where, box, 5.0).distance)
        for where, box in ((positions, cell), (turned.positions, turned.cell))
    )
    assert after == pytest.approx(before, abs=1e-9)
    hands = []
    for where, box in ((positions, cell), (turned.positions, turned.cell)):
        pairs = pairs_within(where[:1], box, 1.8, where[1:])  # the ions are in a cube of 1 A
        hands.append(np.linalg.det(pairs.vector[np.argsort(pairs.j)][:3]))
    assert hands[1] == pytest.approx(hands[0], abs=1e-9)


def test_a_normal_that_cannot_be_made_perpendicular_is_refused():
    cell = np.array([[4.0, 0, 0], [0, 5.0, 0], [1.0, 0, 20.0]])
    ions = Ions(np.zeros((1, 3)), cell, np.array(["Na"]), np.array([1]))
    with pytest.raises(GeometryError, match=r"vector c crosses the boundaries 2.86 deg off"):
        oriented(ions, 2)
    cell[2, 0] = 0.02  # 0.06 deg: sheared away
    assert oriented(ions, 2).cell == pytest.approx(np.diag([4.0, 5.0, 20.0]))
