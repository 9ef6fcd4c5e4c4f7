"""Every boundary of the angle range: neutral, gated, reproducible, of the right density."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gbopt.crystal.llzo import cubic_llzo
from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.errors import ConfigError, GeometryError
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.bulk import build_bulk
from gbopt.geometry.catalog import KINDS, catalog
from gbopt.geometry.gate import check
from gbopt.geometry.interface import interface_of
from gbopt.geometry.overlap import Framework, gate_A, push_apart, remove_units
from gbopt.geometry.slab import draw_terminations, make_slab, polarisation
from gbopt.geometry.zones import Zones
from gbopt.model.bicrystal import LA, LI, ZR, O
from gbopt.model.spec import GBSpec

LLZO = cubic_llzo()
SMALL = [
    entry
    for axis, area_a2 in (((0, 0, 1), 6.5), ((1, 1, 0), 6.0), ((1, 1, 1), 7.5), ((2, 1, 0), 6.0))
    for entry in catalog(
        LLZO, kinds=KINDS, axes=(axis,), range_deg=(5.0, 60.0), max_area_a2=area_a2
    )
]
TILTS = [e.plane for e in SMALL if e.kind == "symmetric tilt" and e.axis == (0, 0, 1)]


def of_entry(entry, **fields):
    return GBSpec(
        axis=entry.axis, plane=entry.plane, misorientation_deg=entry.rotation_deg, **fields
    )


specs = st.builds(
    of_entry,
    st.sampled_from(SMALL),
    width_layers=st.integers(0, 5),
    crystal_A=st.floats(6.0, 16.0),
    gap_A=st.floats(0.3, 1.0),
    seed=st.integers(0, 2**31 - 1),
)
slow = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@slow
@given(spec=specs, lattice_A=st.floats(12.95, 13.25))
def test_every_boundary_is_neutral_gated_and_thick_enough(spec, lattice_A):
    structure = build_bicrystal(spec, lattice_A)
    report = check(structure, LLZO)
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
    crystal = 192 * (structure.volume_A3 - 2 * spec.gap_A * structure.area_A2) / lattice_A**3
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


def cut_of(plane):
    spec = GBSpec(plane=plane, width_layers=2, crystal_A=8.0, seed=0)
    return interface_of(spec, LLZO)


@given(st.sampled_from(SMALL), st.tuples(*[st.floats(0, 1)] * 3))
@settings(max_examples=30, deadline=None)
def test_slab_holds_whole_primitive_cells_wherever_it_is_cut(entry, shift):
    spec = of_entry(entry, width_layers=2, crystal_A=8.0, seed=0)
    cut = interface_of(spec, LLZO).first
    slab, cells = make_slab(LLZO, cut, 5, 13.0, shift), 5 * cut.points_per_plane
    assert np.bincount(slab.species, minlength=4).tolist() == [0, cells * 12, cells * 8, cells * 48]
    assert [len(kind) for kind in slab.mobile] == [cells * 12, cells * 48]
    assert slab.framework[:, 2].min() >= -1e-9
    assert slab.framework[:, 2].max() < 5 * cut.spacing_a * 13.0 + 1e-9


@pytest.mark.parametrize(
    "plane", [(2, 1, 0), (4, 1, 0), (5, 1, 0), (5, 3, 0), (3, 2, 0), (7, 1, 0)]
)
def test_both_boundaries_get_nearly_the_same_composition(plane):
    """A polar cut would make one boundary rich in lithium and the other poor by some e/nm2."""
    rng = np.random.default_rng(0)
    interface = cut_of(plane)
    area_nm2 = interface.area_a2 * 1.3**2
    cuts = (interface.first, interface.second)
    for _ in range(8):
        drawn = draw_terminations(LLZO, cuts, rng)
        faces = [
            polarisation(LLZO, cut, np.array([shift]))[0] / area_nm2
            for cut, shift in zip(cuts, drawn, strict=True)
        ]
        assert np.abs(faces).max() < (0.15 if plane[0] > 2 else 0.6)
        # What the boundaries differ by: P1 - P2 at one, P2 - P1 at the other.
        assert abs(faces[0] - faces[1]) < 0.02
    anywhere = polarisation(LLZO, interface.first, rng.random(200)) / area_nm2
    assert np.abs(anywhere).max() > 1.0


def test_polarisation_is_the_dipole_of_the_slab():
    """By hand: sum of charge times height over the slab's volume, framework and mean lithium."""
    cut, shift = cut_of((4, 1, 0)).first, 0.37
    slab = make_slab(LLZO, cut, 3, 13.0, (0.0, 0.0, shift))
    spacing_A = cut.spacing_a * 13.0
    charge = np.array([1, 3, 4, -2])[slab.species]
    dipole = (charge * slab.framework[:, 2]).sum()
    dipole += slab.mobile[0][:, 2].sum() / 3 + slab.mobile[1][:, 2].sum() / 2
    ours = polarisation(LLZO, cut, np.array([shift]))[0]
    # Up to the height of whole planes, which a neutral slab does not feel.
    assert dipole / (3 * spacing_A) == pytest.approx(ours, abs=1e-6)


@pytest.mark.parametrize(
    ("plane", "crystal_A"), [((0, 0, 1), 25.0), ((1, 1, 0), 26.0), ((2, 1, 0), 28.0)]
)
def test_zero_misorientation_is_the_perfect_crystal(plane, crystal_A):
    spec = GBSpec(
        plane=plane,
        misorientation_deg=0.0,
        width_layers=0,
        crystal_A=crystal_A,
        gap_A=0.0,
        translation=(0.0, 0.0),
        termination=(0, 0),
        seed=1,
    )
    structure, bulk = build_bicrystal(spec, 13.0), build_bulk(1, 13.0, seed=0)
    assert structure.ledger == {}

    def shells(crystal):
        ions = crystal.species != LI
        pairs = pairs_within(crystal.positions[ions], crystal.cell, 6.0)
        return np.unique(pairs.distance.round(5), return_counts=True), ions.sum()

    (distances, counts), n = shells(structure)
    (wanted, expected), m = shells(bulk)
    assert distances == pytest.approx(wanted, abs=2e-5)
    assert (counts * m == expected * n).all()


def test_translation_moves_the_second_grain_alone_and_repeats_with_its_cell():
    fields = {"plane": (4, 1, 0), "width_layers": 0, "crystal_A": 10.0, "termination": (0, 0)}

    def framework(translation):
        spec = GBSpec(**fields, translation=translation, seed=0, gap_A=2.0)
        built = build_bicrystal(spec, 13.0)
        return built.sites[built.species != LI], built.grain[built.species != LI], built.cell

    (still, grain, cell), (moved, _, _) = framework((0.0, 0.0)), framework((0.25, 0.0))
    fractions = (moved - still) @ np.linalg.inv(cell)
    shift = fractions - np.round(fractions)
    assert np.abs(shift[grain == 0]).max() < 1e-9
    assert shift[grain == 1] % 1.0 == pytest.approx(
        np.tile([0.25, 0.0, 0.0], (int((grain == 1).sum()), 1)), abs=1e-6
    )
    around, _, _ = framework((1.0, 1.0))
    onto = pairs_within(wrap(around, cell), cell, 1e-3, others=wrap(still, cell))
    assert len(np.unique(onto.i)) == len(still)


def test_termination_outside_the_least_polar_cuts_is_refused():
    spec = GBSpec(plane=(4, 1, 0), width_layers=2, crystal_A=8.0, termination=(0, 99), seed=0)
    with pytest.raises(ConfigError, match="least polar cuts 0 to"):
        build_bicrystal(spec, 13.0)


def test_bulk_has_seven_lithium_and_no_excluded_pair():
    bulk = build_bulk(2, 13.0, seed=3)
    assert bulk.formula == "Li448La192Zr128O768"
    shortest = check(bulk, LLZO).shortest_A
    assert shortest["Li-Li"] > 2.3
    assert shortest["Zr-O"] == pytest.approx(2.11, abs=0.01)


def test_gate_refuses_a_touching_pair_in_one_sentence():
    bulk = build_bulk(1, 13.0, seed=0)
    bulk.positions[0] = bulk.positions[1] + 0.3
    with pytest.raises(GeometryError, match=r"closest .* pair is 0\.5\d A apart"):
        check(bulk, LLZO)


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
    pushed = push_apart(framework, LLZO, cell, Zones((0.0, 10.0), 20.0), 5.0, rng)
    moved = np.linalg.norm(pushed.positions - framework.positions, axis=1)
    assert np.linalg.norm(pushed.positions[0] - pushed.positions[1]) > gate_A(LLZO)[ZR, O]
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
    left, ledger = remove_units(framework, LLZO, crystal.cell)
    assert ledger[unit] >= 1
    charges = np.array([1, 3, 4, -2])
    lithium = lambda s: -int(charges[s].sum())  # noqa: E731 - what neutrality asks for
    freed = lithium(species) - lithium(left.species)
    assert freed == 2 * ledger.get("Li2O", 0)
    for kind, count in cost.items():
        assert (species == kind).sum() - (left.species == kind).sum() >= count
