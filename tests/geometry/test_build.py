"""Every boundary of the angle range: neutral, gated, reproducible, of the right density."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gbopt.crystal.neighbours import pairs_within
from gbopt.errors import GeometryError
from gbopt.geometry.build import GAP_A, build_bicrystal, build_bulk
from gbopt.geometry.gate import check
from gbopt.geometry.lattice import tilt_of, tilts
from gbopt.geometry.overlap import GATE_A, Framework, push_apart, remove_units
from gbopt.geometry.slab import make_slab, nonpolar_termination, polarisation
from gbopt.model.bicrystal import LA, LI, ZR, O
from gbopt.model.spec import GBSpec

SMALL = [t.plane for t in tilts(5.0, 30.0, 9.0)]

specs = st.builds(
    GBSpec,
    plane=st.sampled_from(SMALL),
    width_layers=st.integers(2, 5),
    crystal_A=st.floats(6.0, 20.0),
    seed=st.integers(0, 2**31 - 1),
)
slow = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@slow
@given(spec=specs, lattice_A=st.floats(12.95, 13.25))
def test_every_boundary_is_neutral_gated_and_thick_enough(spec, lattice_A):
    structure = build_bicrystal(spec, lattice_A)
    report = check(structure)
    assert report.charge_e == 0
    assert structure.charge_e == 0
    if not structure.ledger:
        counts = structure.counts
        assert [counts[s] * 2 for s in ("Li", "La", "Zr", "O")] == [
            counts["Zr"] * n for n in (7, 3, 2, 12)
        ]
    grain_A = structure.boundaries_A[1]
    assert grain_A >= spec.crystal_A + structure.core_width_A - 1e-6
    # The density is that of bulk but for the gap left at each boundary.
    crystal = 192 * (structure.volume_A3 - 2 * GAP_A * structure.area_A2) / lattice_A**3
    assert report.ions_per_A3 * structure.volume_A3 <= crystal + 1e-6
    assert structure.n_ions >= 0.97 * crystal


@slow
@given(spec=specs)
def test_same_specification_gives_the_same_bytes(spec):
    first, second = build_bicrystal(spec, 13.1), build_bicrystal(spec, 13.1)
    assert first.positions.tobytes() == second.positions.tobytes()
    assert GBSpec.model_validate_json(spec.model_dump_json()) == spec


def test_seed_changes_the_structure_but_not_the_geometry_key():
    one, two = (GBSpec(plane=(5, 1, 0), width_layers=2, crystal_A=8.0, seed=s) for s in (1, 2))
    assert one.geometry_key == two.geometry_key
    assert one.key != two.key
    a, b = build_bicrystal(one, 13.1), build_bicrystal(two, 13.1)
    assert not np.array_equal(a.positions, b.positions)


def test_cores_are_disordered_and_grains_are_crystal():
    structure = build_bicrystal(GBSpec(plane=(4, 1, 0), width_layers=3, crystal_A=16, seed=4), 13.0)
    framework = structure.species != LI
    gap = (structure.positions - structure.sites) @ np.linalg.inv(structure.cell)
    moved = np.linalg.norm((gap - np.round(gap)) @ structure.cell, axis=1)
    z, length = structure.sites[:, 2], structure.length_A
    depth = np.min([np.minimum(abs(z - b), length - abs(z - b)) for b in structure.boundaries_A], 0)
    inside = framework & (depth < structure.core_width_A / 2)
    deep = framework & (depth > structure.core_width_A / 2 + 4.0)
    assert np.median(moved[inside]) > 1.0
    assert moved[deep].max() < 1e-9


def test_the_grains_are_turned_by_the_misorientation():
    """Zr neighbours at a*sqrt(3)/4 lie along <111>: measure each grain's orientation from them."""
    spec = GBSpec(plane=(4, 1, 0), width_layers=2, crystal_A=26, seed=1)
    lattice_A = 13.0
    structure = build_bicrystal(spec, lattice_A)
    bonds = []
    for grain in (0, 1):
        chosen = (structure.species == ZR) & (structure.grain == grain) & ~structure.core
        zr = structure.positions[chosen]
        pairs = pairs_within(zr, structure.cell, lattice_A * 3**0.5 / 4 + 0.1)
        in_plane = pairs.vector[:, 1:]  # tilt axis along x: <111> projects to <110>
        angle = np.degrees(np.arctan2(in_plane[:, 0], in_plane[:, 1])) % 90
        bonds.append(np.median(angle))
    turned = abs(bonds[0] - bonds[1]) % 90
    assert min(turned, 90 - turned) == pytest.approx(spec.misorientation_deg, abs=0.1)


def test_core_marks_the_ions_within_half_the_width_of_a_boundary():
    structure = build_bicrystal(GBSpec(plane=(4, 1, 0), width_layers=3, crystal_A=12, seed=0), 13.0)
    z, length = structure.sites[:, 2], structure.length_A
    for boundary in structure.boundaries_A:
        gap = np.abs(z - boundary)
        near = np.minimum(gap, length - gap) <= structure.core_width_A / 2
        assert structure.core[near].all()
    assert structure.core_width_A == pytest.approx(3 * 13.0 / 4)
    share = structure.core.mean()
    assert share == pytest.approx(2 * structure.core_width_A / length, rel=0.15)


@given(st.sampled_from(SMALL), st.tuples(*[st.floats(0, 1)] * 3))
@settings(max_examples=20, deadline=None)
def test_slab_holds_whole_primitive_cells_wherever_it_is_cut(plane, shift):
    slab = make_slab(plane, 7, 13.0, shift)
    assert np.bincount(slab.species, minlength=4).tolist() == [0, 7 * 12, 7 * 8, 7 * 48]
    assert len(slab.tetrahedral) == 7 * 12
    assert slab.octahedral.shape == (7 * 24, 2, 3)
    spacing = 13.0 * np.linalg.norm(plane) ** -1 * (0.5 if sum(plane) % 2 else 1.0)
    assert slab.framework[:, 2].min() >= -1e-9
    assert slab.framework[:, 2].max() < 7 * spacing + 1e-9


@pytest.mark.parametrize("plane", [(4, 1, 0), (5, 1, 0), (5, 3, 0), (3, 2, 0), (7, 1, 0)])
def test_both_boundaries_get_nearly_the_same_composition(plane):
    """A polar cut would make one boundary rich in lithium and the other poor by some e/nm2."""
    rng = np.random.default_rng(0)
    area_nm2 = tilt_of(plane).area_a2 * 1.3**2
    cuts = [nonpolar_termination(p, rng) for p in (plane, (plane[0], -plane[1], 0)) for _ in "ab"]
    charges = [polarisation(plane, np.array([cut]))[0] / area_nm2 for cut in cuts[:2]]
    assert np.abs(charges).max() < 0.15
    anywhere = polarisation(plane, rng.random(200)) / area_nm2
    assert np.abs(anywhere).max() > 1.0


def test_polarisation_is_the_dipole_of_the_slab():
    """By hand: sum of charge times height over the slab's volume, framework and mean lithium."""
    plane, shift = (4, 1, 0), 0.37
    slab = make_slab(plane, 3, 13.0, (0.0, 0.0, shift))
    spacing_A = tilt_of(plane).spacing_a * 13.0
    charge = np.array([1, 3, 4, -2])[slab.species]
    dipole = (charge * slab.framework[:, 2]).sum() + slab.tetrahedral[:, 2].sum() / 3
    dipole += slab.octahedral[..., 2].sum() / 2
    ours = polarisation(plane, np.array([shift]))[0]
    # Up to the height of whole planes, which a neutral slab does not feel.
    assert dipole / (3 * spacing_A) == pytest.approx(ours, abs=1e-6)


def test_bulk_has_seven_lithium_and_no_excluded_pair():
    bulk = build_bulk(2, 13.0, seed=3)
    assert bulk.formula == "Li448La192Zr128O768"
    shortest = check(bulk).shortest_A
    assert shortest["Li-Li"] > 2.3
    assert shortest["Zr-O"] == pytest.approx(2.11, abs=0.01)


def test_gate_refuses_a_touching_pair_in_one_sentence():
    bulk = build_bulk(1, 13.0, seed=0)
    bulk.positions[0] = bulk.positions[1] + 0.3
    with pytest.raises(GeometryError, match=r"closest .* pair is 0\.5\d A apart"):
        check(bulk)


def framework_of(positions, species):
    positions = np.array(positions, dtype=float)
    return Framework(
        positions,
        positions.copy(),
        np.array(species, dtype=np.int8),
        np.zeros(len(species), np.int8),
    )


def test_push_apart_separates_an_overlap_and_moves_oxygen_more_than_zirconium():
    cell = np.eye(3) * 20.0
    framework = framework_of([[10, 10, 0.3], [10, 10, 1.4]], [ZR, O])
    rng = np.random.default_rng(0)
    pushed = push_apart(framework, cell, (0.0, 10.0), 5.0, rng)
    moved = np.linalg.norm(pushed.positions - framework.positions, axis=1)
    assert np.linalg.norm(pushed.positions[0] - pushed.positions[1]) > GATE_A[ZR, O]
    assert moved[1] > 3 * moved[0]


@pytest.mark.parametrize(
    ("close", "unit", "cost"),
    [
        ((O, O), "Li2O", {O: 1}),
        ((ZR, O), "ZrO2", {ZR: 1, O: 2}),
        ((LA, O), "La2O3", {LA: 2, O: 3}),
        ((LA, ZR), "ZrO2", {ZR: 1, O: 2}),
    ],
)
def test_removal_takes_whole_oxide_units(close, unit, cost):
    crystal = build_bulk(1, 13.0, seed=0)
    keep = crystal.species != 0
    positions, species = crystal.positions[keep], crystal.species[keep]
    first = np.flatnonzero(species == close[0])[0]
    second = np.flatnonzero(species == close[1])[-1]
    positions[second] = positions[first] + [0.7, 0.0, 0.0]
    framework = framework_of(positions, species)
    left, ledger = remove_units(framework, crystal.cell)
    assert ledger[unit] >= 1
    charges = np.array([1, 3, 4, -2])
    lithium = lambda s: -int(charges[s].sum())  # noqa: E731 - what neutrality asks for
    freed = lithium(species) - lithium(left.species)
    assert freed == 2 * ledger.get("Li2O", 0)
    for kind, count in cost.items():
        assert (species == kind).sum() - (left.species == kind).sum() >= count
