"""The space of a campaign file: what is in it, what each point stands for, what is refused."""

import json
import re
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gbopt.campaign.boundaries import boundary_of
from gbopt.campaign.space import GBSpace
from gbopt.config import CampaignConfig, load_campaign, parse_campaign, to_toml
from gbopt.crystal.known import get_crystal
from gbopt.errors import ConfigError
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.catalog import catalog
from gbopt.model.orientation import digits
from gbopt.model.spec import Composition, GBSpec, dopants_label
from gbopt.store.rundir import RunFolder

CAMPAIGNS = Path(__file__).parents[2] / "campaigns"
CRYSTAL = get_crystal("c-LLZO")
HEAD = 'name = "test"\nquestion = "Which boundary resists lithium least?"\nseed = 1\n'
CLASSIC = ["misorientation_deg", "width_layers", "mean_plane"]
# Small enough for a twist and mixed boundaries to be built in a second.
WIDE = """
kinds = ["symmetric tilt", "asymmetric tilt", "twist", "mixed"]
axes = [[0, 0, 1], [1, 1, 0], [1, 1, 1]]
crystal_A = 5
max_ions = 5000
max_strain = 0.01
translation = "searched"
gap_A = [0.4, 1.0]
li2o_per_nm2 = [-9.0, -1.0, 0.0, 2.0]
dopants = [[], [{ element = "Al", per_formula_unit = 0.2, where = "core" }]]
"""
ALUMINIUM = CAMPAIGNS / "potentials" / "llzo-al.toml"


@cache
def space_of(geometry="", potential="llzo-buckingham-c"):
    text = f'{HEAD}[geometry]\n{geometry}\n[md]\npotential = "{potential}"\n'
    return GBSpace(parse_campaign(text, "test.toml"))


def wide():
    return space_of(WIDE, str(ALUMINIUM))


def points(space):
    return space.search_space.candidates


def drawn(space, u):
    """A realisable point from numbers in [0, 1), one for each free dimension."""
    return space.search_space.realise(space.search_space.from_unit(u))


UNIT = st.lists(st.floats(0, 1, exclude_max=True), min_size=10, max_size=10)


# Files that say nothing new


def test_the_quickstart_has_the_candidates_that_it_always_had():
    space = GBSpace(load_campaign(CAMPAIGNS / "quickstart.toml"))
    widths = {
        ("100", 12.6804): [2],
        ("100", 16.2602): [2, 3],
        ("100", 22.6199): [2, 3],
        ("100", 28.0725): [2, 3],
        ("110", 18.9246): [2],
        ("110", 22.6199): [2, 3],
        ("110", 28.0725): [2, 3],
    }
    assert list(points(space)) == [
        dict(zip(CLASSIC, (angle, width, plane), strict=True))
        for (plane, angle), listed in widths.items()
        for width in listed
    ]


def test_the_defaults_are_all_symmetric_tilts_about_001_that_fit():
    space = space_of()
    geometry = space.config.geometry
    found = set()
    for tilt in catalog(
        CRYSTAL,
        kinds=("symmetric tilt",),
        axes=((0, 0, 1),),
        range_deg=(5.0, 30.0),
        max_area_a2=25.0,
    ):
        for width in range(2, 6):
            if tilt.ions(CRYSTAL, width, geometry.crystal_A, space.lattice_A) <= geometry.max_ions:
                found.add((round(tilt.misorientation_deg, 4), width, tilt.mean_plane))
    assert [d.name for d in space.search_space.dimensions] == CLASSIC
    assert {tuple(point.values()) for point in points(space)} == found
    assert len(points(space)) == len(found) == 393


def test_a_point_of_the_defaults_is_the_specification_that_it_always_was():
    point = {"misorientation_deg": 28.0725, "width_layers": 3, "mean_plane": "110"}
    spec = space_of().spec(point, 5)
    assert spec == GBSpec(plane=(5, 3, 0), width_layers=3, crystal_A=24.0, seed=5)
    assert spec.key == "86af16b93f57"


def test_a_run_folder_from_before_the_new_settings_is_opened(tmp_path):
    text = HEAD + "[geometry]\nwidth_layers = [2, 3]\n"
    config = parse_campaign(text, "old.toml")
    folder = RunFolder.create(tmp_path / "run", config, text)
    new = set(type(config.geometry).model_fields) - {
        *("misorientation_deg", "width_layers", "mean_plane", "crystal_A", "max_ions")
    }
    resolved = folder.path / "resolved.toml"
    kept = [line for line in resolved.read_text().splitlines() if line.split(" ")[0] not in new]
    resolved.write_text("\n".join(kept))
    identity = json.loads((folder.path / "run.json").read_text())
    for name in new:
        del identity["settings"][f"geometry.{name}"]
    (folder.path / "run.json").write_text(json.dumps(identity))
    assert RunFolder.open_(folder.path).config == config


# A wide space


def test_only_what_varies_is_a_dimension():
    names = [d.name for d in wide().search_space.dimensions]
    others = ["kind", "axis", "dopants", "li2o_per_nm2", "gap_A", "translation_1", "translation_2"]
    assert names == CLASSIC + others
    twists = space_of('kinds = ["twist"]\naxes = [[1, 1, 1]]\ncrystal_A = 5\nmax_ions = 9000')
    assert [d.name for d in twists.search_space.dimensions] == CLASSIC
    assert {b.kind for b in twists.geometries} == {"twist"}
    one_value = space_of("li2o_per_nm2 = [-1.0]\ngap_A = 0.8\nmax_ions = 4000")
    assert [d.name for d in one_value.search_space.dimensions] == CLASSIC
    spec = one_value.spec(points(one_value)[0], 0)
    assert (spec.gap_A, spec.composition) == (0.8, Composition(li2o_per_nm2=-1.0))


def test_every_kind_axis_and_composition_is_there():
    space = wide()
    assert {p["kind"] for p in points(space)} == set(space.config.geometry.kinds)
    assert {p["axis"] for p in points(space)} == {"001", "110", "111"}
    assert {p["li2o_per_nm2"] for p in points(space)} == {-9.0, -1.0, 0.0, 2.0}
    assert {p["dopants"] for p in points(space)} == {"none", "Al 0.2 core"}
    assert any(cell.strain > 0 for cell in space.geometries.values())


def test_no_two_candidates_are_one_point_and_all_fit():
    space = wide()
    assert len({tuple(p.values()) for p in points(space)}) == len(points(space))
    costs = [space.search_space.cost(p) for p in points(space)]
    assert max(costs) <= 5000
    assert all(cell.ions <= 5000 for cell in space.geometries.values())


@given(UNIT)
@settings(max_examples=100, deadline=None)
def test_a_point_says_what_its_specification_is(u):
    space = wide()
    point = drawn(space, u)
    spec = space.spec(point, 7)
    assert spec.kind == point["kind"]
    assert digits(spec.axis) == point["axis"]
    assert spec.mean_plane == point["mean_plane"]
    assert round(abs(spec.misorientation_deg), 4) == point["misorientation_deg"]
    assert spec.width_layers == point["width_layers"]
    assert spec.composition.li2o_per_nm2 == point["li2o_per_nm2"]
    assert dopants_label(spec.composition.dopants) == point["dopants"]
    assert spec.gap_A == point["gap_A"]
    assert spec.translation == (point["translation_1"] % 1, point["translation_2"] % 1)
    assert spec.seed == 7
    assert boundary_of(spec) in space.geometries
    assert GBSpec.model_validate_json(spec.model_dump_json()) == spec
    assert space.search_space.realise(point) == point


@given(st.integers(0, 2**31), UNIT)
@settings(max_examples=12, deadline=None)
def test_a_point_can_be_built_with_the_ions_that_were_told(seed, u):
    space = wide()
    point = drawn(space, u)
    structure = build_bicrystal(space.spec(point, seed), space.lattice_A)
    asked = structure.provenance.get("composition", {"li2o_per_boundary": 0})["li2o_per_boundary"]
    # What was in the way was taken out as oxides; what was asked for stands there too.
    out_of_the_way = {"Li2O": 0, **structure.ledger}
    out_of_the_way["Li2O"] += 2 * asked
    ions_of = {"Li2O": 3, "La2O3": 5, "ZrO2": 3}
    removed = sum(ions_of[unit] * n for unit, n in out_of_the_way.items())
    # Three Li make way for each Al.
    aluminium = structure.counts.get("Al", 0)
    assert structure.n_ions == space.search_space.cost(point) - removed - 2 * aluminium
    assert (aluminium > 0) == (point["dopants"] != "none")
    assert structure.charge_e == 0


def test_of_boundaries_with_one_key_the_smallest_is_taken():
    """A mixed boundary has one plane and several ways to turn it against the axis."""
    space = space_of('kinds = ["mixed"]\ncrystal_A = 5\nmax_ions = 14000')
    sizes = {}
    for entry in catalog(
        CRYSTAL, kinds=("mixed",), axes=((0, 0, 1),), range_deg=(5.0, 30.0), max_area_a2=60.0
    ):
        for width in range(2, 6):
            key = boundary_of(entry.spec(CRYSTAL, width, 5.0))
            sizes.setdefault(key, []).append(entry.ions(CRYSTAL, width, 5.0, space.lattice_A))
    assert any(len(listed) > 1 for listed in sizes.values())
    least = {key: min(listed) for key, listed in sizes.items() if min(listed) <= 14000}
    assert {key: cell.ions for key, cell in space.geometries.items()} == least


# Strain


def test_strain_fills_in_the_whole_degrees_without_a_boundary():
    exact, strained = (
        space_of(f"max_ions = 3000\nmax_strain = {strain}").geometries for strain in (0.0, 0.01)
    )
    assert exact.items() <= strained.items()
    added = {key: cell for key, cell in strained.items() if key not in exact}
    assert added
    for key, cell in added.items():
        assert key.misorientation_deg == round(key.misorientation_deg)
        assert 0 < cell.strain <= 0.01
        assert cell.spec.kind == "symmetric tilt"
        assert cell.spec.sigma is None
        alike = [b for b in exact if b.mean_plane == key.mean_plane]
        assert all(abs(b.misorientation_deg - key.misorientation_deg) > 0.5 for b in alike)


def test_a_strained_boundary_is_built_at_its_angle():
    space = space_of("crystal_A = 14\nmax_ions = 2000\nmax_strain = 0.01")
    boundary, cell = next((b, c) for b, c in space.geometries.items() if c.strain > 0)
    built = build_bicrystal(cell.spec, space.lattice_A)
    angle = built.provenance["angle"]
    assert angle["realised_deg"] == pytest.approx(
        boundary.misorientation_deg * (1 if cell.spec.misorientation_deg > 0 else -1)
    )
    assert angle["strain_per_grain"] == pytest.approx(cell.strain)


# What has no room


def test_compositions_without_room_are_left_out():
    space = space_of("li2o_per_nm2 = [-9.0, 0.0]\nmax_ions = 3000")
    narrow = [p["li2o_per_nm2"] for p in points(space) if p["width_layers"] == 2]
    assert 0.0 in narrow
    # Two layers of {100} hold lithium for 8 Li2O per nm2, two of {110} for 11.
    taken = {p["mean_plane"] for p in points(space) if p["li2o_per_nm2"] == -9.0}
    assert ("100", 2) not in {
        (p["mean_plane"], p["width_layers"]) for p in points(space) if p["li2o_per_nm2"] == -9.0
    }
    assert taken == {"100", "110"}


def test_values_that_are_one_structure_are_one_candidate():
    space = space_of("li2o_per_nm2 = [0.0, 0.1, 1.0, 1.05]\nmax_ions = 3000")
    for boundary, cell in space.geometries.items():
        own = [
            p["li2o_per_nm2"] for p in points(space) if boundary_of(space.spec(p, 0)) == boundary
        ]
        units = [round(value * cell.area_A2 / 100) for value in own]
        assert len(set(units)) == len(units)


# What is refused


REFUSED = {
    "kind": ('kinds = ["tilt"]', r"geometry\.kinds\.0' = \"tilt\".*'twist'"),
    "kind twice": (
        'kinds = ["twist", "twist"]',
        r"kinds = \['twist', 'twist'\]: each of them once",
    ),
    "no kind": ("kinds = []", r"'geometry\.kinds' = \[\]"),
    "axis": ("axes = [[0, 0, 0]]", r"axes: \[0, 0, 0\] is not three integers up to 9"),
    "axes alike": ("axes = [[0, 0, 1], [0, 2, 0]]", r"axes: \[0, 0, 1\].* equivalent axis"),
    "plane": ('mean_plane = ["111"]', r"mean_plane\.0' = \"111\": .*'100' or '110'"),
    "index": ("max_index = 9", r"max_index' = 9: .*5"),
    "strain": ("max_strain = 0.1", r"max_strain' = 0\.1: .*0\.01"),
    "gap": ("gap_A = 7", r"gap_A\.0' = 7: .*5"),
    "gap reversed": ("gap_A = [1.0, 0.5]", r"gap_A = \[1, 0\.5\]: the first number must not"),
    "shift": ('translation = "free"', r"translation' = \"free\": .*'drawn' or 'searched'"),
    "shift twice": (
        'translation = "searched"\nrelax_translations = 4',
        r"relax_translations = 4 chooses the translation itself: make it 0",
    ),
    "surplus": ("li2o_per_nm2 = [30]", r"li2o_per_nm2\.0' = 30: .*20"),
    "surplus twice": ("li2o_per_nm2 = [1, 1.0]", r"li2o_per_nm2 = \[1\.0, 1\.0\]: each of them"),
    "no set": ("dopants = []", r"'geometry\.dopants' = \[\]"),
    "set twice": ("dopants = [[], []]", r"dopants: the set 'none' is given twice"),
    "element twice": (
        'dopants = [[{element = "Ta", per_formula_unit = 0.2}, '
        '{element = "Ta", per_formula_unit = 0.3}]]',
        r"'Ta 0\.2, Ta 0\.3' has an element twice",
    ),
    "element": (
        'dopants = [[{element = "W", per_formula_unit = 0.2}]]',
        r"dopants\.0\.0\.element' = \"W\".*'Al', 'Ga', 'Ta' or 'Nb'",
    ),
    "orderings": ("orderings = 0", r"orderings' = 0: .*1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_field_is_one_sentence_that_says_what_is_allowed(name):
    text, message = REFUSED[name]
    with pytest.raises(ConfigError, match=message) as caught:
        parse_campaign(f"{HEAD}[geometry]\n{text}\n", "bad.toml")
    assert "\n" not in caught.value.message


EMPTY = {
    "ions": ("max_ions = 600", r"fits geometry\.max_ions = 600.*symmetric tilt about \[001\]"),
    "kind": ('kinds = ["twist"]\nmax_ions = 2000', r"fits geometry\.max_ions = 2000.*twist"),
    "plane": (
        'axes = [[1, 1, 1]]\nmean_plane = ["100"]',
        r"no symmetric tilt about \[111\] has a mean plane of geometry\.mean_plane = \['100'\]",
    ),
    "composition": (
        "li2o_per_nm2 = [-20]\nmax_ions = 3000",
        r"none of the 4 boundaries .* room for geometry\.li2o_per_nm2 = \[-20\.0\]",
    ),
    "element": (
        'dopants = [[], [{element = "Ta", per_formula_unit = 0.2}]]',
        r"llzo-buckingham-c has no parameters for Ta",
    ),
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_space_without_boundaries_says_which_limit_is_to_blame(name):
    text, message = EMPTY[name]
    with pytest.raises(ConfigError, match=message) as caught:
        _ = space_of(text).geometries
    assert caught.value.hint


@given(
    kinds=st.sets(
        st.sampled_from(["symmetric tilt", "asymmetric tilt", "twist", "mixed"]), min_size=1
    ),
    axes=st.sets(st.sampled_from([(0, 0, 1), (1, 1, 0), (1, 1, 1)]), min_size=1),
    max_ions=st.integers(600, 4000),
    li2o=st.sets(st.floats(-20, 20).map(lambda x: round(x, 1)), min_size=1, max_size=3),
)
@settings(max_examples=25, deadline=None)
def test_any_section_gives_a_space_or_a_sentence(kinds, axes, max_ions, li2o):
    config = CampaignConfig.model_validate(
        {
            "name": "any",
            "question": "Is there anything in this space?",
            "seed": 0,
            "geometry": {
                "kinds": sorted(kinds),
                "axes": sorted(axes),
                "max_ions": max_ions,
                "crystal_A": 8.0,
                "li2o_per_nm2": sorted(li2o),
            },
        }
    )
    assert parse_campaign(to_toml(config), "again") == config
    try:
        space = GBSpace(config)
        listed = points(space)
    except ConfigError as error:
        assert re.search(r"geometry\.\w+", error.message)  # noqa: PT017 - either outcome is right
        return
    assert all(space.search_space.cost(p) <= max_ions for p in listed)
    assert {space.spec(p, 0).kind for p in listed} <= kinds
    assert all(len(d.choices) != 1 for d in space.search_space.dimensions[3:])


# What the study is told


def test_the_study_knows_every_dimension():
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    from gbopt.campaign.campaign import Campaign

    config = wide().config
    told = Campaign(folder=None, config=config, study=None)._distributions()
    assert list(told) == [d.name for d in wide().search_space.dimensions]
    assert told["axis"] == CategoricalDistribution(("001", "110", "111"))
    assert told["li2o_per_nm2"] == FloatDistribution(-9.0, 2.0)
    assert told["width_layers"] == IntDistribution(2, 5)
    for point in points(wide()):
        assert all(told[n]._contains(told[n].to_internal_repr(v)) for n, v in point.items())
