"""The common cell of two lattices: published areas, exact coincidence, measured strain."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gbopt.crystal.llzo import cubic_llzo, tetragonal_llzo
from gbopt.errors import GeometryError
from gbopt.geometry.interface import interface_of
from gbopt.geometry.slab import basis_a, displacement_cell
from gbopt.model.orientation import Rotation, coprime
from gbopt.model.spec import GBSpec

LLZO = cubic_llzo()
ANY = {"width_layers": 2, "crystal_A": 8.0, "seed": 0}
axes = st.sampled_from([(0, 0, 1), (1, 1, 0), (1, 1, 1), (2, 1, 0), (2, 1, 1), (1, -2, 3)])
planes = st.tuples(*[st.integers(-3, 3)] * 3).filter(any).map(coprime)


@st.composite
def exact_specs(draw):
    axis, m, n = draw(axes), draw(st.integers(1, 9)), draw(st.integers(-6, 6))
    rotation = Rotation(axis, m, n)
    assume(np.gcd(m, n) == 1 and rotation.sigma <= 200)
    return GBSpec(
        axis=axis, plane=draw(planes), misorientation_deg=rotation.degrees, **ANY
    ), rotation


def crystal_vectors(cut, crystal):
    return np.array([*cut.across, cut.stack]) / crystal.denominator @ crystal.shape_a


@given(exact_specs())
@settings(max_examples=100, deadline=None)
def test_both_lattices_meet_in_the_cell(case):
    spec, rotation = case
    interface = interface_of(spec, LLZO)
    rows, over = rotation.matrix
    turn = np.array(rows) / over
    first, second = (crystal_vectors(cut, LLZO) for cut in (interface.first, interface.second))
    # In the crystal frame of the first grain, both in-plane vectors coincide and lie in the plane.
    assert second[:2] @ turn.T == pytest.approx(first[:2], abs=1e-9)
    assert first[:2] @ np.array(spec.plane) == pytest.approx(np.zeros(2), abs=1e-9)
    assert interface.strain == 0.0
    for cut in (interface.first, interface.second):
        assert np.linalg.det(cut.deformation) == pytest.approx(1.0)
        frame = basis_a(LLZO, cut)
        assert frame[:2, :2] == pytest.approx(interface.cell_a, abs=1e-9)
        assert frame[2, 2] == pytest.approx(cut.spacing_a)
        # Volume of one layer over the cell: so many primitive cells.
        volume = interface.area_a2 * cut.spacing_a
        assert volume == pytest.approx(cut.points_per_plane * LLZO.cells_a3)


@given(exact_specs())
@settings(max_examples=60, deadline=None)
def test_cell_is_the_smallest_one(case):
    """No common vector of both plane lattices lies off the lattice of the cell."""
    spec, rotation = case
    interface = interface_of(spec, LLZO)
    rows, over = rotation.matrix
    back = (np.array(rows) / over).T  # from the first to the second crystal frame, rows: v @ R
    a, b = (np.array(v) for v in interface.first.primitive)
    count = interface.first.points_per_plane
    assume(count <= 60)
    basis = np.array(interface.first.across, dtype=float)
    reach = np.arange(-4, 5)
    i, j = (x.ravel() for x in np.meshgrid(reach, reach))
    vectors = i[:, None] * a + j[:, None] * b
    doubled = vectors @ back.T
    whole = np.abs(doubled - np.rint(doubled)).max(axis=1) < 1e-9
    odd = np.rint(doubled).astype(int) % 2
    common = whole & ((odd.sum(axis=1) % 3) == 0)  # body-centred: all even or all odd
    factors, *_ = np.linalg.lstsq(basis.T, vectors[common].T.astype(float), rcond=None)
    assert np.allclose(factors, np.rint(factors), atol=1e-6)


@pytest.mark.parametrize(
    ("spec", "area_a2", "points"),
    [
        (GBSpec(plane=(2, 1, 0), **ANY), 5**0.5, 1),
        (GBSpec(plane=(3, 1, 0), **ANY), 10**0.5 / 2, 1),
        (GBSpec.named("Sigma5(001) twist", **ANY), 5.0, 5),
        (GBSpec.named("Sigma3(112)", **ANY), 1.5**0.5, 1),
        (GBSpec.named("Sigma7(111)[111]", **ANY), 7 * 3**0.5, 7),
        (GBSpec(axis=(0, 0, 1), plane=(1, 0, 0), misorientation_deg=36.87, **ANY), 5.0, 5),
    ],
)
def test_areas_by_hand(spec, area_a2, points):
    interface = interface_of(spec, LLZO)
    assert interface.area_a2 == pytest.approx(area_a2)
    assert interface.first.points_per_plane == points


def turned_between(interface):
    """Misorientation in degrees from the polar parts of both deformations."""
    polar = []
    for cut in (interface.first, interface.second):
        left, _, right = np.linalg.svd(cut.deformation)
        polar.append(left @ right)
    cosine = (np.trace(polar[0].T @ polar[1]) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


@pytest.mark.parametrize(
    ("plane", "target_deg"), [((15, 2, 0), 15.0), ((21, 1, 0), 5.0), ((4, 1, 0), 28.3)]
)
def test_shear_reaches_the_target_at_the_strain_it_reports(plane, target_deg):
    spec = GBSpec(plane=plane, misorientation_deg=target_deg, max_strain=0.005, **ANY)
    interface = interface_of(spec, LLZO)
    assert turned_between(interface) == pytest.approx(target_deg, abs=1e-3)
    for cut in (interface.first, interface.second):
        stretches = np.linalg.svd(cut.deformation, compute_uv=False)
        assert np.abs(stretches - 1).max() == pytest.approx(interface.strain, rel=0.01)
        assert np.linalg.det(cut.deformation) == pytest.approx(1.0)
    assert 0 < interface.strain <= 0.005


def test_stretched_twist_stays_within_its_strain_and_near_the_angle():
    spec = GBSpec(plane=(0, 0, 1), misorientation_deg=15.0, max_strain=0.005, **ANY)
    interface = interface_of(spec, LLZO)
    assert turned_between(interface) == pytest.approx(interface.realised_deg, abs=1e-6)
    assert interface.realised_deg == pytest.approx(15.0, abs=0.05)
    for cut in (interface.first, interface.second):
        stretches = np.linalg.svd(cut.deformation, compute_uv=False)
        assert np.abs(stretches - 1).max() <= 0.005


def test_what_cannot_be_reached_is_refused():
    for spec in (
        GBSpec(plane=(4, 1, 0), misorientation_deg=20.0, **ANY),
        GBSpec(plane=(4, 1, 0), misorientation_deg=20.0, max_strain=0.005, **ANY),
        GBSpec(plane=(1, 1, 2), misorientation_deg=20.0, max_strain=0.005, **ANY),
    ):
        with pytest.raises(GeometryError):
            interface_of(spec, LLZO)
    with pytest.raises(GeometryError, match="not cubic"):
        interface_of(GBSpec.named("Sigma3(112)", **ANY), tetragonal_llzo())


def test_tetragonal_grains_turn_about_their_fourfold_axis():
    crystal = tetragonal_llzo()
    interface = interface_of(GBSpec(plane=(4, 1, 0), **ANY), crystal)
    assert interface.area_a2 == pytest.approx(17**0.5 * crystal.shape_a[2, 2])


@given(exact_specs())
@settings(max_examples=50, deadline=None)
def test_cell_of_non_identical_displacement_holds_both_plane_lattices(case):
    spec, _ = case
    interface = interface_of(spec, LLZO)
    cell = displacement_cell(interface)
    across = np.array(interface.first.across, dtype=float)
    for cut in (interface.first, interface.second):
        own = np.array(cut.across, dtype=float)
        fractions = np.linalg.lstsq(own.T, np.array(cut.primitive, dtype=float).T, rcond=None)[0].T
        factors = fractions @ np.linalg.inv(cell)
        assert np.allclose(factors, np.rint(factors), atol=1e-6)
    assert across.shape == (2, 3)
    # Of a symmetric tilt it is the whole cell, of a twist of index Sigma 1/Sigma^2 of it or more.
    share = abs(np.linalg.det(cell))
    points = interface.first.points_per_plane * interface.second.points_per_plane
    assert share >= 1 / points - 1e-9


def test_displacement_cell_of_a_sigma5_twist_is_a_twenty_fifth():
    """DSC lattice of Sigma5 [001]: 1/5 of the lattice in each plane direction (Bollmann 1970)."""
    twist = interface_of(GBSpec.named("Sigma5(001) twist", **ANY), LLZO)
    assert abs(np.linalg.det(displacement_cell(twist))) == pytest.approx(1 / 25)
    tilt = interface_of(GBSpec.named("Sigma5(210)[001]", **ANY), LLZO)
    assert abs(np.linalg.det(displacement_cell(tilt))) == pytest.approx(1.0)
