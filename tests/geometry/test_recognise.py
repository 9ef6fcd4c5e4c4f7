"""Structures whose boundaries, grains and composition are known, handed in without saying so."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from typer import Typer
from typer.testing import CliRunner

from gbopt.cli.inspect import inspect
from gbopt.crystal.charges import FORMAL_CHARGES_E
from gbopt.crystal.llzo import tetragonal_cell
from gbopt.crystal.neighbours import wrap
from gbopt.errors import GeometryError
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.bulk import build_bulk
from gbopt.geometry.disorientation import misorientation, near_miller
from gbopt.geometry.files import write_structure
from gbopt.geometry.read import Ions, read_ions
from gbopt.geometry.recognise import recognise
from gbopt.geometry.reference import Reference, garnet
from gbopt.geometry.surplus import share_of_boundary
from gbopt.model.bicrystal import SPECIES
from gbopt.model.spec import GBSpec
from gbopt.validate.dft import DATA

TWIN = DATA / "011_0.20.cif"
FAULT = DATA / "010_Li-coverage_01012_over_16ordering_1_opt.cif"
LATTICE_A = 13.1


def ions(positions, cell, elements):
    elements = np.array(elements)
    charges = np.array([FORMAL_CHARGES_E[name] for name in elements.tolist()])
    return Ions(wrap(positions, cell), cell, elements, charges)


def ions_of(structure):
    elements = [structure.elements[kind] for kind in structure.species]
    return ions(structure.positions, structure.cell, elements)


def apart(z, other, period):
    gap = abs(z - other) % period
    return min(gap, period - gap)


@pytest.fixture(scope="module")
def bulk():
    return build_bulk(2, LATTICE_A, seed=3)


# Planes (h k 0) about [001]: the angle between the two grains is 2 atan(k / h), less 90 deg
# where that is more than 45.
@pytest.mark.parametrize(
    ("plane", "angle_deg", "axis"),
    [((4, 1, 0), 28.07, 0), ((5, 1, 0), 22.62, 1), ((3, 1, 0), 36.87, 2), ((7, 1, 0), 16.26, 1)],
)
def test_a_built_boundary_shaken_shifted_and_lying_on_its_side_is_found(plane, angle_deg, axis):
    spec = GBSpec(plane=plane, width_layers=2, crystal_A=16, seed=axis + 5)
    built = build_bicrystal(spec, LATTICE_A)
    rng = np.random.default_rng(axis)
    shift = rng.random(3) @ built.cell
    moved = built.positions + shift + rng.normal(scale=0.15, size=built.positions.shape)
    # The normal, z of the built structure, becomes the given axis of the file.
    order = np.roll(np.arange(3), axis - 2)
    lying = ions(
        moved[:, order],
        built.cell[order][:, order],
        [built.elements[kind] for kind in built.species],
    )
    structure, found = recognise(lying, source="test")
    assert found.file_axis == "abc"[axis]
    assert len(found.boundaries) == 2
    for z in built.boundaries_A:
        gaps = [apart(b.z_A, z + shift[2], built.length_A) for b in found.boundaries]
        assert min(gaps) < 1.5
    for boundary in found.boundaries:
        assert boundary.misorientation_deg == pytest.approx(angle_deg, abs=0.2)
        assert near_miller(boundary.axis) == (0, 0, 1)
        assert boundary.width_A == pytest.approx(built.core_width_A, abs=2.0)
    same = (structure.grain == built.grain)[~built.core].mean()
    assert max(same, 1 - same) > 0.99
    assert found.bulk.crystal == "c-LLZO"
    assert found.bulk.a_A == pytest.approx(LATTICE_A, abs=0.02)
    assert structure.formula == built.formula
    assert structure.core.mean() == pytest.approx(built.core.mean(), abs=0.1)


def test_a_single_crystal_has_no_boundary(bulk):
    structure, found = recognise(ions_of(bulk), source="bulk.cif")
    assert found.boundaries == ()
    assert structure.boundaries_A == ()
    assert not structure.core.any()
    assert found.on_site == 1.0
    assert found.bulk.formula_units == 64
    assert found.bulk.excess == pytest.approx({"Li2O": 0, "La2O3": 0, "ZrO2": 0})
    assert found.bulk.a_A == pytest.approx(LATTICE_A, abs=1e-6)
    assert structure.provenance["read"] == "bulk.cif"


def test_a_tetragonal_crystal_is_told_by_its_lattice():
    positions, cell, species = tetragonal_cell()
    _, found = recognise(ions(positions, cell, [SPECIES[k] for k in species]), source="t")
    assert found.boundaries == ()
    assert found.bulk.crystal == "t-LLZO"
    assert (found.bulk.a_A, found.bulk.c_A) == pytest.approx((13.236, 12.702), abs=0.002)


def test_the_twin_of_dft_is_a_twin():
    """(011) twin of t-LLZO: the c axes are 2 atan(a / c) or 180 deg less that apart."""
    structure, found = recognise(read_ions(TWIN), source=TWIN.name)
    assert found.file_axis == "c"
    assert structure.length_A == pytest.approx(48.386, abs=0.01)
    # By eye: the layers of La are mirrored at both ends and the middle of the cell.
    assert [apart(b.z_A, 0.0, 24.193) for b in found.boundaries] == pytest.approx([0, 0], abs=0.3)
    twin_deg = 2 * np.degrees(np.arctan(found.bulk.a_A / found.bulk.c_A))
    for boundary in found.boundaries:
        assert boundary.c_axes_deg == pytest.approx(180 - twin_deg, abs=0.2)
        assert boundary.misorientation_deg == pytest.approx(twin_deg - 90, abs=0.2)
        assert boundary.width_A < 1.0
        assert boundary.excess_per_nm2["Li2O"] == pytest.approx(1.66, abs=0.02)
    # As the authors write it: (Li7La3Zr2O12)20 (Li2O)4.
    assert found.bulk.formula_units == 20
    assert found.bulk.excess == pytest.approx({"Li2O": 4, "La2O3": 0, "ZrO2": 0})
    assert found.bulk.crystal == "t-LLZO"
    assert found.on_site == 1.0


def test_a_fault_between_equal_grains_of_dft_is_found():
    _, found = recognise(read_ions(FAULT), source=FAULT.name)
    assert len(found.boundaries) == 2
    first, second = found.boundaries
    assert second.z_A - first.z_A == pytest.approx(36.475 / 2, abs=0.1)
    # By eye: two La layers follow each other without Zr between them at 17 and 35.5 A.
    assert first.z_A == pytest.approx(17.3, abs=0.5)
    assert first.misorientation_deg < 0.3
    # As the authors write it: (Li7La3Zr2O12)20 (La2O3)2 (Li2O)2.
    assert found.bulk.formula_units == 20
    assert found.bulk.excess == pytest.approx({"Li2O": 2, "La2O3": 2, "ZrO2": 0})
    area_nm2 = 12.704539 * 13.204542 / 100
    for oxide in ("Li2O", "La2O3"):
        both = [b.excess_per_nm2[oxide] for b in found.boundaries]
        assert sum(both) * area_nm2 == pytest.approx(2.0, abs=1e-6)
        assert both[0] == pytest.approx(both[1], rel=0.05)


def test_an_antiphase_fault_that_zirconium_does_not_see_is_found(bulk):
    """Half a lattice parameter along x takes Zr onto Zr, but La onto empty sites."""
    positions = bulk.positions.copy()
    upper = positions[:, 2] > LATTICE_A - 0.1
    positions[upper, 0] += LATTICE_A / 2
    _, found = recognise(ions_of(replace(bulk, positions=positions)), source="test")
    assert len(found.boundaries) == 2
    assert [b.misorientation_deg for b in found.boundaries] == pytest.approx([0, 0], abs=1e-3)
    for z in (0.0, LATTICE_A):
        assert min(apart(b.z_A, z, bulk.length_A) for b in found.boundaries) < 1.5


def test_one_boundary_of_a_crystal_with_itself_is_found(bulk):
    cell = bulk.cell + np.diag([0.0, 0.0, 2.5])
    structure, found = recognise(ions_of(replace(bulk, cell=cell)), source="test")
    assert len(found.boundaries) == 1
    # The last layer is that at 15/8 a, the next one at the end of the cell.
    assert found.boundaries[0].z_A == pytest.approx((15 / 8 * LATTICE_A + cell[2, 2]) / 2, abs=1.0)
    assert (found.boundaries[0].below, found.boundaries[0].above) == (0, 0)
    assert set(structure.grain.tolist()) == {0}


def test_a_slab_with_vacuum_has_one_boundary_and_two_surfaces():
    spec = GBSpec(plane=(5, 1, 0), width_layers=2, crystal_A=16, seed=1)
    built = build_bicrystal(spec, LATTICE_A)
    # The boundary in the middle of the cell stays, the other is drawn open.
    cell = built.cell + np.diag([0.0, 0.0, 20.0])
    structure, found = recognise(ions_of(replace(built, cell=cell)), source="test")
    assert len(found.boundaries) == 1
    assert found.boundaries[0].z_A == pytest.approx(built.boundaries_A[1], abs=1.5)
    assert len(found.surfaces_A) == 1
    low, high = found.surfaces_A[0]
    assert 15 < high - low < 25
    crystal = ~built.core
    assert len(set(structure.grain[crystal & (built.grain == 0)].tolist())) == 1
    assert len(set(structure.grain[crystal].tolist())) == 2


def test_substitutes_count_against_what_they_replace(bulk):
    names = np.array([bulk.elements[kind] for kind in bulk.species])
    zirconium, lithium = np.flatnonzero(names == "Zr"), np.flatnonzero(names == "Li")
    names[zirconium[:8]] = "Ta"
    kept = np.delete(np.arange(len(names)), lithium[:8])
    doped = ions(bulk.positions[kept], bulk.cell, names[kept])
    structure, found = recognise(doped, source="test")
    assert found.bulk.formula_units == 64
    expected = {"Li2O": -4, "La2O3": 0, "ZrO2": -8, "Ta2O5": 4}
    assert found.bulk.excess == pytest.approx(expected)
    assert structure.elements == ("Li", "La", "Zr", "O", "Ta")
    assert structure.charge_e == 0


def test_rocksalt_is_recognised_by_its_own_reference():
    """Sigma5 (310)[001] of MgO cut by hand, without any relaxation."""
    a = 4.21
    fcc = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    magnesia = Reference(
        name="MgO",
        unit={"Mg": 1, "O": 1},
        lattice_A=a,
        elements=(frozenset({"Mg"}),),
        sites=(fcc,),
    )
    period, thick = a * np.sqrt(10), 4 * a * np.sqrt(10) / 2
    positions, elements = [], []
    corners = np.stack(np.meshgrid(*[np.arange(-12, 13)] * 2, [0], indexing="ij"), -1)
    for sign, start in ((1, 0.0), (-1, thick)):
        turn = Rotation.from_euler("z", sign * np.degrees(np.arctan2(1, 3)), degrees=True)
        for element, offset in (("Mg", 0.0), ("O", 0.5)):
            sites = (corners.reshape(-1, 1, 3) + fcc + [0, 0, offset]).reshape(-1, 3)
            sites[:, 2] %= 1.0
            x, y, z = turn.apply(sites * a).T
            where = np.column_stack([z, x, y])  # [001] along x, the plane (310) across z
            inside = (where[:, 2] > -1e-6) & (where[:, 2] < thick - 1e-6)
            inside &= (where[:, 1] > -1e-6) & (where[:, 1] < period - 1e-6)
            positions.append(where[inside] + [0, 0, start])
            elements += [element] * int(inside.sum())
    cell = np.diag([a, period, 2 * thick])
    structure, found = recognise(
        ions(np.concatenate(positions), cell, elements), source="test", reference=magnesia
    )
    assert len(found.boundaries) == 2
    for boundary in found.boundaries:
        assert boundary.misorientation_deg == pytest.approx(36.87, abs=0.01)
        assert apart(boundary.z_A, 0.0, thick) < 1.0
    assert found.bulk.crystal == "c-MgO"
    assert structure.elements == ("Mg", "O")


def test_what_is_no_crystal_is_refused(bulk):
    rng = np.random.default_rng(0)
    glass = replace(bulk, positions=rng.random((bulk.n_ions, 3)) @ bulk.cell)
    with pytest.raises(GeometryError, match="no grains are found"):
        recognise(ions_of(glass), source="test")
    salt = ions(np.array([[0.0] * 3, [2.0] * 3]), np.eye(3) * 4, ["Na", "Cl"])
    with pytest.raises(GeometryError, match="by which LLZO is recognised"):
        recognise(salt, source="test")


def test_another_lattice_parameter_can_be_given(bulk):
    swollen = replace(bulk, positions=bulk.positions * 1.15, cell=bulk.cell * 1.15)
    with pytest.raises(GeometryError, match="no grains are found"):
        recognise(ions_of(swollen), source="test")
    _, found = recognise(ions_of(swollen), source="test", lattice_A=15.0)
    assert found.bulk.a_A == pytest.approx(1.15 * LATTICE_A, abs=1e-6)


def test_the_shell_of_zirconium_is_that_of_bcc():
    shell = np.linalg.norm(garnet().shell_A, axis=1) / garnet().lattice_A
    assert np.sort(shell) == pytest.approx([np.sqrt(3) / 4] * 8 + [0.5] * 6)


@given(
    st.integers(0, 23),
    st.integers(0, 23),
    st.floats(0, 44.9),
    st.integers(0, 2**31 - 1),
)
def test_misorientation_is_that_of_the_lattices(one, other, angle, seed):
    """The choice of equivalent axes and the frame do not matter; about [001] it is the angle."""
    cubic = Rotation.create_group("O")
    frame = Rotation.random(random_state=seed)
    turned = Rotation.from_euler("z", angle, degrees=True)
    found, axis = misorientation(
        (frame * cubic[one]).as_matrix(), (frame * turned * cubic[other]).as_matrix()
    )
    assert found == pytest.approx(angle, abs=1e-5)
    if angle > 0.1:
        assert axis == pytest.approx([0, 0, 1], abs=1e-4)


@given(st.floats(-1, 1), st.floats(1, 12), st.floats(0, 6), st.floats(1, 12), st.floats(0, 6))
def test_every_ion_is_shared_out_once(start, first, gap, second, other_gap):
    length = first + gap + second + other_gap
    low = start * length
    below, above = (low, low + first), (low + first + gap, low + first + gap + second)
    again = (low + length, low + length + first)
    z = np.linspace(0, length, 50, endpoint=False)
    shares = [share_of_boundary(z, *pair, length) for pair in ((below, above), (above, again))]
    assert shares[0] + shares[1] == pytest.approx(np.ones(50))
    assert share_of_boundary(np.array([above[0]]), below, above, length) == pytest.approx([1.0])


def test_inspect_tells_and_writes(tmp_path):
    app = Typer()
    app.command()(inspect)
    out = tmp_path / "gb.extxyz"
    done = CliRunner().invoke(app, [str(TWIN), "--charges", "La=3", "--out", str(out)])
    assert done.exit_code == 0, done.output
    for words in (
        "492 ions Li148La60Zr40O244, charge 0 e",
        "stacked along c of the file",
        "bulk t-LLZO, a = 13.",
        "20 formula units, excess +4 Li2O",
        "turned by 2.4",
        "deg apart; excess per nm2 +1.66 Li2O",
        "plane (1 0 1)",
        "Zr-O 2.01 (1.94)",
        "wrote",
    ):
        assert words in done.output
    _, again = recognise(read_ions(out), source=out.name)
    assert [b.z_A for b in again.boundaries] == pytest.approx([24.18, 48.38], abs=0.02)


def test_inspect_of_a_crystal_says_that_it_has_no_boundary(bulk, tmp_path):
    app = Typer()
    app.command()(inspect)
    path = tmp_path / "bulk.cif"
    write_structure(bulk, path)
    done = CliRunner().invoke(app, [str(path)])
    assert "a single crystal: no boundary" in done.output
    assert "64 formula units, excess none" in done.output


def test_layers_carry_the_names_of_their_elements():
    kinds = garnet().kinds(np.array(["Zr", "Ta", "La", "Sr", "O", "Li"]))
    assert kinds.tolist() == [0, 0, 1, 1, 2, -1]
