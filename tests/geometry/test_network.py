"""Networks of columnar grains: neutral by whole units, of bulk density, turned as asked."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gbopt.crystal.known import get_crystal
from gbopt.crystal.llzo import cubic_sites
from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.errors import ConfigError, GeometryError
from gbopt.geometry.gate import check
from gbopt.geometry.network import build_network, plan_network
from gbopt.model.bicrystal import LI, ZR, O
from gbopt.model.crystal import Crystal
from gbopt.model.network import NetworkSpec, rotational_order

A = 13.1
LLZO = get_crystal("c-LLZO")
AXES = ((0, 0, 1), (1, 1, 0), (1, 1, 1))
FORMULA = {"Li": 7, "La": 3, "Zr": 2, "O": 12}
OXIDES = {"Li2O": {"Li": 2, "O": 1}, "La2O3": {"La": 2, "O": 3}, "ZrO2": {"Zr": 1, "O": 2}}

_low, _high = st.floats(0.0, 20.0), st.floats(25.0, 45.0)
specs = st.builds(
    NetworkSpec,
    axis=st.sampled_from(AXES),
    angles_deg=st.tuples(_low, _high, _high, _low),
    grain_A=st.tuples(st.floats(20.0, 25.0), st.floats(20.0, 25.0)),
    width_layers=st.integers(2, 4),
    gap_A=st.floats(0.0, 1.0),
    seed=st.integers(0, 2**31 - 1),
)


def slow(examples):
    return settings(
        max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )


def rock_salt():
    """MgO, a = 4.212 A, with the shortest distances of its bulk less 10 %."""
    return Crystal(
        name="MgO",
        elements=("Mg", "O"),
        formal_charges_e=(2, -2),
        lattice_A=4.212,
        shape_a=np.eye(3),
        primitive=((0, 1, 1), (1, 0, 1), (1, 1, 0)),
        denominator=2,
        framework=np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]),
        species=np.array([0, 1], dtype=np.int8),
        shortest_A=0.9 * np.array([[2.98, 2.106], [2.106, 2.98]]),
    )


@pytest.fixture(scope="module", params=AXES, ids=str)
def network(request):
    spec = NetworkSpec(
        axis=request.param,
        angles_deg=(3.0, 37.5, -21.0, 14.25),
        grain_A=(27.0, 31.0),
        width_layers=2,
        seed=5,
    )
    return build_network(spec, A)


@slow(8)
@given(spec=specs, lattice_A=st.floats(12.95, 13.25))
def test_every_network_is_neutral_gated_and_of_bulk_density(spec, lattice_A):
    network = build_network(spec, lattice_A)
    report = check(network, LLZO)
    assert report.charge_e == 0
    units = network.provenance["formula_units"]
    taken = {
        element: sum(OXIDES[oxide].get(element, 0) * n for oxide, n in network.ledger.items())
        for element in FORMULA
    }
    assert network.counts == {e: units * n - taken[e] for e, n in FORMULA.items()}
    along, y, z = np.diag(network.cell)
    full = along * (y - 2 * spec.gap_A) * (z - 2 * spec.gap_A) * 192 / lattice_A**3
    assert 0.98 * full <= network.n_ions <= 1.015 * full
    assert plan_network(spec, LLZO, lattice_A).ions == pytest.approx(full, abs=0.51)


@slow(2)
@given(spec=specs)
def test_same_specification_gives_the_same_bytes(spec):
    again = NetworkSpec.model_validate_json(spec.model_dump_json())
    assert again == spec
    assert again.key == spec.key
    one, two = build_network(spec, A), build_network(again, A)
    for name in ("positions", "sites", "species", "grain", "core"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes()


def test_seed_changes_the_structure_but_not_the_geometry_key():
    one, two = (
        NetworkSpec.checkerboard(20.0, grain_A=(20.0, 20.0), width_layers=2, seed=s) for s in (1, 2)
    )
    assert one.geometry_key == two.geometry_key
    assert one.key != two.key
    cuts = [build_network(spec, A).provenance["cuts_A"] for spec in (one, two)]
    assert cuts[0] != cuts[1]


def test_the_cell_holds_two_boundaries_of_either_family(network):
    spec = network.provenance["spec"]
    along, y, z = np.diag(network.cell)
    assert np.array_equal(network.cell, np.diag([along, y, z]))
    assert (y, z) == pytest.approx([2 * (edge + spec["gap_A"]) for edge in spec["grain_A"]])
    assert network.boundaries_A == (0.0, z / 2)
    assert network.cross_boundaries_A == (0.0, y / 2)
    assert set(network.junctions_A) == {(0, 0), (0, z / 2), (y / 2, 0), (y / 2, z / 2)}
    # One period of [001] and [110]; [111] of a body-centred lattice repeats after a sqrt(3) / 2.
    assert along == pytest.approx(A * np.sqrt(np.square(spec["axis"]).sum()))
    assert spec["seed"] == 5
    assert spec["angles_deg"] == [3.0, 37.5, -21.0, 14.25]
    assert len(network.provenance["cuts_A"]) == 4
    assert network.provenance["ledger"] == network.ledger


def moved_A(network):
    gap = (network.positions - network.sites) @ np.linalg.inv(network.cell)
    return np.linalg.norm((gap - np.round(gap)) @ network.cell, axis=1)


def depths(network, axis, planes):
    gap = np.abs(network.sites[:, axis, None] - np.array(planes))
    return np.minimum(gap, network.cell[axis, axis] - gap).min(axis=1)


def deep(network):
    """Framework ions more than 4 A below the cores."""
    across_y = depths(network, 1, network.cross_boundaries_A)
    across_z = depths(network, 2, network.boundaries_A)
    far = np.minimum(across_y, across_z) > network.core_width_A / 2 + 4
    return far & (network.species != LI)


def test_both_families_are_disordered_and_the_grains_are_not(network):
    framework = network.species != LI
    moved = moved_A(network)
    half = network.core_width_A / 2
    across_z = depths(network, 2, network.boundaries_A)
    across_y = depths(network, 1, network.cross_boundaries_A)
    only_z = framework & (across_z < half) & (across_y > half + 4)
    only_y = framework & (across_y < half) & (across_z > half + 4)
    assert min(only_z.sum(), only_y.sum(), deep(network).sum()) > 50
    assert np.median(moved[only_z]) > 1.0
    assert np.median(moved[only_y]) > 1.0
    assert moved[deep(network)].max() < 1e-9
    assert np.array_equal(network.core, np.minimum(across_z, across_y) <= half)


def test_grains_are_numbered_along_y_and_then_along_z(network):
    _, y, z = np.diag(network.cell)
    inner = ~network.core
    where = (network.sites[:, 1] >= y / 2) + 2 * (network.sites[:, 2] >= z / 2)
    assert np.array_equal(network.grain[inner], where[inner])


def test_each_grain_is_turned_by_its_angle(network):
    """Zr neighbours lie along <111>, a sqrt(3) / 4 apart: by hand, where these point at 0 deg.

    Across the axis they lie at 45 deg from y = [100] about [001], along y = [001] about [110]
    (those that are not perpendicular to it), and along y = [2 -1 -1] about [111].
    """
    spec = network.provenance["spec"]
    zero, period = {1: (45.0, 90.0), 2: (0.0, 180.0), 3: (0.0, 60.0)}[sum(spec["axis"])]
    for grain, angle in enumerate(spec["angles_deg"]):
        zr = deep(network) & (network.species == ZR) & (network.grain == grain)
        bonds = pairs_within(network.positions[zr], network.cell, A * 3**0.5 / 4 + 0.01).vector
        bonds = bonds[(np.abs(bonds[:, 0]) > 1.0) & (np.hypot(bonds[:, 1], bonds[:, 2]) > 1.0)]
        assert len(bonds) >= 5
        phase = np.exp(2j * np.pi / period * np.degrees(np.arctan2(bonds[:, 2], bonds[:, 1])))
        assert np.abs(phase.mean()) > 0.999
        found = np.degrees(np.angle(phase.mean())) / 360 * period
        off = (found - zero - angle) % period
        assert min(off, period - off) < 0.1


def test_deep_in_a_grain_every_ion_is_on_its_turned_lattice():
    """Turned back by hand, and laid on the sites of the space group by one of its Zr."""
    spec = NetworkSpec(
        angles_deg=(3.0, 37.5, -21.0, 14.25), grain_A=(27.0, 31.0), width_layers=2, seed=5
    )
    network = build_network(spec, A)
    sites = cubic_sites()
    for grain, angle in enumerate(spec.angles_deg):
        chosen = deep(network) & (network.grain == grain)
        x, y, z = network.positions[chosen].T
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        fraction = np.column_stack([c * y + s * z, -s * y + c * z, x]) / A
        species = network.species[chosen]
        first = fraction[species == ZR][0]
        worst = []
        for origin in sites.framework[sites.species == ZR]:
            away = (fraction - first + origin)[:, None] - sites.framework
            away = np.linalg.norm(away - np.round(away), axis=2) * A
            away[species[:, None] != sites.species] = np.inf
            worst.append(away.min(axis=1).max())
        assert len(fraction) > 100
        assert min(worst) < 1e-9


def test_a_grain_holds_whole_octahedra():
    """Without cores nothing is moved far: each Zr still has the six O of its own grain."""
    spec = NetworkSpec.checkerboard(20.0, grain_A=(24.0, 24.0), width_layers=0, seed=2)
    network = build_network(spec, A)
    assert network.ledger == {}
    for grain in range(4):
        zr, o = (
            wrap(network.sites[(network.species == kind) & (network.grain == grain)], network.cell)
            for kind in (ZR, O)
        )
        pairs = pairs_within(zr, network.cell, 2.2, others=o)
        assert np.bincount(pairs.i, minlength=len(zr)).tolist() == [6] * len(zr)
        assert len(o) == 6 * len(zr)


def test_every_grain_is_stoichiometric_by_itself():
    spec = NetworkSpec.checkerboard(31.0, grain_A=(21.0, 26.0), width_layers=0, seed=3)
    network = build_network(spec, A)
    assert network.ledger == {}
    for grain in range(4):
        _, la, zr, o = np.bincount(network.species[network.grain == grain], minlength=4)
        assert (2 * la, o) == (3 * zr, 6 * zr)


def face_charge_e(network):
    """Mean charge on a face of a grain, by the dipole moments of the grains."""
    charge = np.array(network.formal_charges_e)[network.species]
    _, y, z = np.diag(network.cell)
    found = []
    for grain in range(4):
        own = network.grain == grain
        away = network.sites[own, 1:] / (y, z) - (0.25 + grain % 2 / 2, 0.25 + grain // 2 / 2)
        found += np.abs(charge[own] @ (away - np.round(away)) * 2).tolist()
    return np.mean(found)


def test_grains_are_cut_where_their_faces_carry_little_charge(monkeypatch):
    specs = [
        NetworkSpec.checkerboard(25.0, grain_A=(21.0, 23.0), width_layers=0, seed=s)
        for s in range(3)
    ]
    chosen = np.mean([face_charge_e(build_network(spec, A)) for spec in specs])
    monkeypatch.setattr("gbopt.geometry.network._CUTS_TRIED", 1)
    anywhere = np.mean([face_charge_e(build_network(spec, A)) for spec in specs])
    assert chosen < 0.6 * anywhere


@pytest.mark.parametrize("seed", range(3))
def test_a_crystal_without_a_mobile_ion_is_neutral_by_formula_units(seed):
    spec = NetworkSpec(
        crystal="MgO",
        axis=AXES[seed],
        angles_deg=(5.0, 30.0, 17.0, 44.0),
        grain_A=(16.0, 18.0),
        width_layers=2,
        seed=seed,
    )
    network = build_network(spec, 4.212, rock_salt())
    assert set(network.ledger) <= {"MgO"}
    units = network.provenance["formula_units"] - network.ledger.get("MgO", 0)
    assert network.counts == {"Mg": units, "O": units}
    along, y, z = np.diag(network.cell)
    assert along >= 12.0
    full = along * (y - 1.2) * (z - 1.2) * 8 / 4.212**3
    assert 0.97 * full <= network.n_ions <= 1.015 * full


def test_tetragonal_llzo_turns_about_its_fourfold_axis():
    spec = NetworkSpec.checkerboard(
        20.0, crystal="t-LLZO", grain_A=(22.0, 22.0), width_layers=2, seed=1
    )
    crystal = get_crystal("t-LLZO")
    network = build_network(spec, crystal.lattice_A)
    check(network, crystal)
    assert network.cell[0, 0] == pytest.approx(12.701706, abs=1e-4)


def test_grains_of_one_orientation_are_no_network():
    def sizes(angles, axis=(0, 0, 1)):
        return plan_network(
            NetworkSpec(axis=axis, angles_deg=angles, grain_A=(A, A), width_layers=0, seed=0),
            LLZO,
            A,
        )

    with pytest.raises(ConfigError, match="grains 0 and 1 are one crystal"):
        sizes((0, 0, 0, 0))
    # The 4_1 screw axis of Ia-3d makes 90 deg about [001] a symmetry of the garnet.
    with pytest.raises(ConfigError, match="grains 2 and 3 are one crystal"):
        sizes((10, 30, 50, -40))
    with pytest.raises(ConfigError, match="grains 1 and 3"):
        sizes((0, 60, 30, 180), (1, 1, 1))
    assert sizes((0, 60, 60, 0), (1, 1, 1)).ions > 0  # Sigma3
    assert sizes((0, 90, 90, 0), (1, 1, 0)).ions > 0


@pytest.mark.parametrize(
    ("axis", "order"), [((0, 0, 1), 4), ((1, 1, 0), 2), ((1, 1, 1), 3), ((2, 1, 0), 1)]
)
def test_order_of_the_axes_of_the_garnet(axis, order):
    assert rotational_order(LLZO, axis) == order


def test_tetragonal_llzo_has_no_threefold_axis():
    assert rotational_order(get_crystal("t-LLZO"), (1, 1, 1)) == 1
    assert rotational_order(get_crystal("t-LLZO"), (1, 0, 0)) == 2
    assert rotational_order(rock_salt(), (1, 1, 1)) == 3


def test_a_checkerboard_is_the_four_angles_it_stands_for():
    others = {"grain_A": (20.0, 20.0), "width_layers": 2, "seed": 0}
    board = NetworkSpec.checkerboard(20.0, **others)
    assert board == NetworkSpec(angles_deg=(10.0, -10.0, -10.0, 10.0), **others)
    assert board.label == "network [001] 10/-10/-10/10 deg w2"
    turned = [NetworkSpec(angles_deg=(0.0, 30.0, a, 60.0), **others) for a in (-180.0, 180.0)]
    assert turned[0].key == turned[1].key


def test_what_cannot_be_built_is_said_in_one_sentence():
    def board(**others):
        return NetworkSpec.checkerboard(
            20.0, **{"grain_A": (20.0, 20.0), "width_layers": 2, "seed": 0, **others}
        )

    with pytest.raises(ValidationError, match="without a common factor"):
        board(axis=(0, 0, 2))
    with pytest.raises(GeometryError, match=r"grain_A = .* no crystal is left"):
        build_network(board(grain_A=(20.0, 9.0), width_layers=3), A)
    with pytest.raises(GeometryError, match="smaller than a formula unit"):
        build_network(board(grain_A=(3.0, 3.0), width_layers=0), A)
    with pytest.raises(ConfigError, match="names the crystal 'c-LLZO', given is 'MgO'"):
        build_network(board(), 4.212, rock_salt())
