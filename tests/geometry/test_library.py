"""A library: the same whatever the order, the jobs and the cuts; nothing twice; small and whole."""

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gbopt.campaign.library import fill
from gbopt.config.files import to_toml
from gbopt.config.library import parse_library
from gbopt.crystal.known import get_crystal
from gbopt.errors import ConfigError, GeometryError, RunFolderError
from gbopt.geometry import library
from gbopt.geometry.archive import Archive
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.compact import EXACT, RESOLUTIONS_A, decode, encode
from gbopt.geometry.dopants import doped
from gbopt.geometry.gate import check
from gbopt.geometry.interface import interface_of
from gbopt.geometry.library import Space, candidates, make, measure
from gbopt.geometry.query import Condition, parse_where
from gbopt.model.bicrystal import ZR, Bicrystal, O
from gbopt.model.crystal import Crystal
from gbopt.model.spec import GBSpec

CRYSTAL = get_crystal("c-LLZO")
A_A = CRYSTAL.lattice_A
TEXT = """
schema_version = 1
name = "small"
question = "Is the library the same?"
seed = 7
[space]
kinds = ["symmetric tilt", "twist"]
axes = [[0, 0, 1]]
width_layers = [0, 2]
crystal_A = 5
gap_A = [0.5, 1.0]
max_ions = 1000
"""


def config_of(**changes):
    text = TEXT
    for name, value in changes.items():
        lines = [line for line in text.splitlines() if not line.startswith(f"{name} =")]
        where = 1 if name in {"seed", "name", "question"} else len(lines)
        text = "\n".join([*lines[:where], f"{name} = {value}", *lines[where:]])
    return parse_library(text, "small.toml")


CONFIG = config_of()
LISTED = tuple(candidates(CONFIG))
SPACE = Space(CONFIG, LISTED)


def begin(folder, config=CONFIG):
    return Archive.begin(folder, config, TEXT, lambda: LISTED)


def content(archive):
    """Every row and blob; the version is that of the day."""
    return [
        (record._replace(version=""), archive.blob(record.number)) for record in archive.records()
    ]


def ignore(_):
    pass


@pytest.fixture(scope="module")
def made():
    return [make(number, SPACE.spec(number), A_A) for number in range(24)]


# Which boundary a number stands for


@given(st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_a_number_stands_for_one_specification_within_the_limits(number):
    spec = SPACE.spec(number)
    assert spec == Space(CONFIG, LISTED).spec(number)
    assert spec.kind in CONFIG.space.kinds
    assert spec.axis == (0, 0, 1)
    assert 5 <= abs(spec.misorientation_deg) <= 62.8
    assert 0 <= spec.width_layers <= 2
    assert 0.5 <= spec.gap_A <= 1.0


def test_kinds_are_drawn_equally_often_and_no_draw_repeats():
    specs = [SPACE.spec(number) for number in range(400)]
    twists = sum(spec.kind == "twist" for spec in specs)
    assert twists == pytest.approx(200, abs=40)  # four standard deviations
    assert len({spec.key for spec in specs}) == 400
    assert len({spec.gap_A for spec in specs}) > 300


def test_another_seed_draws_another_library():
    other = Space(config_of(seed=8), LISTED)
    assert all(other.spec(number) != SPACE.spec(number) for number in range(10))


def test_a_grid_takes_every_candidate_from_small_to_large_and_all_over_again():
    grid = Space(config_of(sampling='"grid"'), LISTED)
    n = len(LISTED)
    specs = [grid.spec(number) for number in range(2 * n)]
    taken = [(s.axis, s.plane, s.misorientation_deg, s.width_layers) for s in specs]
    assert taken[:n] == [c[1:5] for c in LISTED]
    assert taken[:n] == taken[n:]
    assert len(set(taken)) == n
    assert [c.ions for c in LISTED] == sorted(c.ions for c in LISTED)
    assert len({spec.key for spec in specs}) == 2 * n


def test_composition_is_drawn_from_the_lists():
    mixture = """
[composition]
li2o_per_nm2 = [0.0, -1.0]
dopants = [[], [{element = "Al", per_formula_unit = 0.2}]]
"""
    text = TEXT + mixture
    config = parse_library(text, "x")
    specs = [Space(config, LISTED).spec(number) for number in range(60)]
    seen = {(s.composition.li2o_per_nm2, len(s.composition.dopants)) for s in specs}
    assert seen == {(0.0, 0), (0.0, 1), (-1.0, 0), (-1.0, 1)}
    assert parse_library(to_toml(config), "x") == config


def test_every_candidate_fits_and_none_is_the_crystal_itself():
    whole_turns = config_of(misorientation_deg=[0, 180], max_ions=400)
    found = candidates(whole_turns)
    assert found
    assert all(c.ions <= 400 for c in found)
    assert not any(abs(c.rotation_deg) % 90 < 1e-6 for c in found)


def test_limits_that_nothing_fits_are_one_sentence():
    with pytest.raises(ConfigError, match=r"space\.max_ions = 100"):
        candidates(config_of(max_ions=100))
    with pytest.raises(ConfigError, match="unknown crystal 'LLTO'"):
        candidates(config_of(crystal='"LLTO"'))


# Figures and fingerprint


def two_ions(distance_A):
    """One Zr and one O in a wide cell."""
    positions = np.array([[5.0, 5.0, 5.0], [5.0, 5.0, 5.0 + distance_A]])
    return Bicrystal(
        positions=positions,
        cell=np.eye(3) * 20.0,
        sites=positions,
        species=np.array([ZR, O], dtype=np.int8),
        grain=np.zeros(2, np.int8),
        core=np.zeros(2, bool),
        boundaries_A=(0.0, 10.0),
        core_width_A=0.0,
        lattice_A=13.0,
    )


def test_the_shortest_distance_is_held_against_85_percent_of_the_relaxed_one():
    near = measure(two_ions(1.94), CRYSTAL)
    assert near.over_gate == {"Zr-O": pytest.approx(1 / 0.85)}
    assert near.margin_A == pytest.approx(0.15 * 1.94)


def changed(structure, positions, order=None):
    order = np.arange(structure.n_ions) if order is None else order
    return Bicrystal(
        positions=positions[order],
        cell=structure.cell,
        sites=structure.sites[order],
        species=structure.species[order],
        grain=structure.grain[order],
        core=structure.core[order],
        boundaries_A=structure.boundaries_A,
        core_width_A=structure.core_width_A,
        lattice_A=structure.lattice_A,
    )


def test_one_structure_has_one_fingerprint_however_it_is_written(made):
    structure = decode(made[0].blob)
    own = measure(structure, CRYSTAL).fingerprint
    rng = np.random.default_rng(0)

    def fingerprint(positions, order=None):
        fractional = positions @ np.linalg.inv(structure.cell) % 1.0
        return measure(changed(structure, fractional @ structure.cell, order), CRYSTAL).fingerprint

    shifted = structure.positions + rng.random(3) * 30
    assert fingerprint(shifted, rng.permutation(structure.n_ions)) == own
    assert fingerprint(-structure.positions) == own
    for ion in rng.integers(structure.n_ions, size=20):
        moved = structure.positions.copy()
        moved[ion] += 0.005 / 3**0.5
        assert fingerprint(moved) != own


def test_different_seeds_have_different_fingerprints(made):
    assert len({m.record.fingerprint for m in made}) == len(made)


def test_figures_are_those_of_the_structure(made):
    for record, blob in made:
        structure = decode(blob)
        report = check(structure, CRYSTAL)
        assert record.ions == structure.n_ions
        assert record.formula == structure.formula
        assert record.li_per_cation == pytest.approx(7 / 5, abs=0.05)
        assert record.ions_per_A3 == pytest.approx(report.ions_per_A3)
        assert json.loads(record.closest).keys() == report.shortest_A.keys()
        assert record.closest_over_gate >= 1.0
        assert record.width_layers * A_A / 4 == pytest.approx(record.core_width_A, rel=0.5)


# The compact form


def assert_same(structure, back, within_A):
    gap = (back.positions - structure.positions) @ np.linalg.inv(structure.cell)
    moved = np.linalg.norm((gap - np.round(gap)) @ structure.cell, axis=1)
    assert moved.max() <= within_A
    site = (back.sites - structure.sites) @ np.linalg.inv(structure.cell)
    assert np.linalg.norm((site - np.round(site)) @ structure.cell, axis=1).max() <= 2e-4
    for name in ("cell", "species", "grain", "core"):
        assert np.array_equal(getattr(back, name), getattr(structure, name)), name
        assert getattr(back, name).dtype == getattr(structure, name).dtype
    for name in ("boundaries_A", "core_width_A", "lattice_A", "elements", "formal_charges_e"):
        assert getattr(back, name) == getattr(structure, name), name
    assert back.ledger == structure.ledger
    assert back.provenance == json.loads(json.dumps(structure.provenance))


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("resolution_A", [*RESOLUTIONS_A, EXACT])
def test_a_packed_structure_is_read_back_within_its_resolution(number, resolution_A):
    structure = build_bicrystal(SPACE.spec(number), A_A)
    back = decode(encode(structure, resolution_A))
    assert_same(structure, back, resolution_A)


def test_oblique_cells_keep_the_resolution():
    spec = GBSpec(axis=(1, 1, 1), plane=(1, 1, 1), misorientation_deg=60, width_layers=2,
                  crystal_A=5, seed=1)  # fmt: skip
    structure = build_bicrystal(spec, A_A)
    assert abs(structure.cell[1, 0]) > 1
    assert_same(structure, decode(encode(structure, 1e-4)), 1e-4)


def test_what_is_read_back_passes_the_gate(made):
    for record, blob in made:
        spec = GBSpec.model_validate_json(record.spec)
        check(decode(blob), CRYSTAL, interface_of(spec, CRYSTAL))


@pytest.mark.parametrize(
    ("above_gate_A", "resolution_A"), [(4e-4, 1e-4), (2e-4, 1e-5), (2e-5, 1e-6), (2e-7, EXACT)]
)
def test_a_pair_at_the_gate_is_kept_in_finer_steps(above_gate_A, resolution_A, monkeypatch):
    """Ions put into voids may stand at the gate itself: rounded, they would fall below it."""
    gate = 0.85 * 1.94
    structure = two_ions(gate + above_gate_A)
    monkeypatch.setattr(library, "build_bicrystal", lambda *_: structure)
    monkeypatch.setattr(library, "_completed", lambda record, *_: record)
    blob = make(0, SPACE.spec(0), A_A).blob
    assert blob == encode(structure, resolution_A)
    back = decode(blob).positions
    assert np.linalg.norm(back[0] - back[1]) >= gate


def test_the_row_gives_the_exact_structure_again(made):
    for record, blob in made[:6]:
        exact = build_bicrystal(GBSpec.model_validate_json(record.spec), record.lattice_A)
        assert blob in [encode(exact, r) for r in (*RESOLUTIONS_A, EXACT)]
        assert_same(exact, decode(blob), 1e-4)


def test_a_structure_takes_ten_bytes_an_ion(made):
    sizes = [len(blob) / record.ions for record, blob in made]
    assert np.mean(sizes) < 11  # small cells: the header weighs more


def test_damaged_bytes_are_said_in_a_sentence(made):
    with pytest.raises(RunFolderError, match="damaged"):
        decode(made[0].blob[:-50])


# The archive


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_of_equal_structures_the_lowest_number_is_kept_in_whatever_order(order, made, tmp_path):
    record, blob = made[0]
    twins = [made[0]._replace(record=record._replace(number=n)) for n in (3, 5, 9)]
    with begin(tmp_path / "lib") as archive:
        for index in order:
            archive.add([twins[index]])
        archive.add([made[1]])
        rows = {r.number: (r.status, r.message) for r in archive.records()}
        assert rows == {
            1: ("ok", ""),
            3: ("ok", ""),
            5: ("repeated", "the same structure as number 3"),
            9: ("repeated", "the same structure as number 3"),
        }
        assert archive.blob(3) == blob
        assert archive.blob(5) is None
        assert archive.blob(9) is None
        assert archive.counts() == {"ok": 2, "repeated": 2}
        assert archive.missing(6).tolist() == [0, 2, 4]


def test_a_batch_that_fails_leaves_nothing(made, tmp_path):
    with begin(tmp_path / "lib") as archive:
        archive.add(made[:2])
        before = content(archive)
        with pytest.raises(RunFolderError, match="UNIQUE"):
            archive.add([made[2], made[1]])
        assert content(archive) == before


def test_a_changed_setting_is_refused_by_name(tmp_path):
    begin(tmp_path / "lib").__exit__()
    with pytest.raises(RunFolderError, match=r"'space\.crystal_A' is 6\.0.*begun with 5\.0"):
        begin(tmp_path / "lib", config_of(crystal_A=6))
    with pytest.raises(RunFolderError, match="'seed' is 8"):
        begin(tmp_path / "lib", config_of(seed=8))
    with begin(tmp_path / "lib", config_of(question='"Are texts free to change?"')) as archive:
        assert archive.counts() == {}


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "precious").write_text("data")
    with pytest.raises(RunFolderError, match="is not a library"):
        begin(tmp_path)
    with pytest.raises(RunFolderError, match="is not a library"):
        Archive.open_(tmp_path)
    (tmp_path / "index.sqlite").write_text("no database at all, but longer than its header" * 9)
    with pytest.raises(RunFolderError, match="is not a library"):
        Archive.open_(tmp_path)


def test_a_beginning_that_was_cut_short_is_begun_again(tmp_path):
    (tmp_path / "library.toml").write_text("half")
    (tmp_path / "index.sqlite").write_bytes(b"")
    with begin(tmp_path) as archive:
        assert archive.meta("settings") == json.loads(json.dumps(CONFIG.settings))
    assert (tmp_path / "library.toml").read_text() == TEXT
    assert parse_library((tmp_path / "resolved.toml").read_text(), "resolved") == CONFIG


def test_only_one_process_adds(tmp_path):
    with (
        begin(tmp_path / "lib") as one,
        begin(tmp_path / "lib") as other,
        one.exclusive(),
        pytest.raises(RunFolderError, match="another gbopt process"),
    ):
        fill(other, CONFIG, 1, 1, ignore)


# Conditions


def test_conditions_choose_rows(made, tmp_path):
    with begin(tmp_path / "lib") as archive:
        archive.add(made)
        rows = [m.record for m in made]
        for text, chosen in (
            ("misorientation<40 and width=0",
             [r for r in rows if r.misorientation_deg < 40 and r.width_layers == 0]),
            ("kind = symmetric tilt", [r for r in rows if r.kind == "symmetric tilt"]),
            ("kind != 'twist' and ions >= 500",
             [r for r in rows if r.kind != "twist" and r.ions >= 500]),
            ("closest_over_gate > 1.01", [r for r in rows if r.closest_over_gate > 1.01]),
        ):  # fmt: skip
            assert 0 < len(chosen) < len(rows), text
            assert list(archive.records(parse_where(text))) == chosen


@pytest.mark.parametrize(
    "text",
    [
        "",
        "width",
        "colour = 3",
        "width = three",
        "kind < twist",
        "1=1",
        "width=2; DROP TABLE structure",
        'width" OR "1 = 1',
        "width = 2 or width = 3",
    ],
)
def test_conditions_that_make_no_sense_are_refused(text):
    with pytest.raises(ConfigError):
        parse_where(text)


def test_text_in_conditions_stays_text(made, tmp_path):
    with begin(tmp_path / "lib") as archive:
        archive.add(made[:2])
        trick = "x' OR '1'='1"
        assert list(archive.records(parse_where(f"kind = {trick}"))) == []
        assert list(archive.records([Condition("kind", "=", trick)])) == []
        for condition in (('kind" = "kind" OR "kind', "=", "x"), ("kind", "= 'x' OR 1 =", 1)):
            with pytest.raises(ConfigError, match="no such comparison"):
                list(archive.records([Condition(*condition)]))


# Filling


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    with begin(tmp_path_factory.mktemp("reference") / "lib") as archive:
        fill(archive, CONFIG, 30, 1, ignore)
        yield content(archive)


def test_two_jobs_and_three_cuts_make_the_same_library(reference, tmp_path):
    def cut(_):
        raise KeyboardInterrupt

    for jobs in (2, 1):
        with begin(tmp_path / "lib") as archive, pytest.raises(KeyboardInterrupt):
            fill(archive, CONFIG, 30, jobs, cut)
    with begin(tmp_path / "lib") as archive:
        assert 8 <= sum(archive.counts().values()) < 30
        fill(archive, CONFIG, 28, 2, ignore)
        fill(archive, CONFIG, 30, 2, ignore)
        assert content(archive) == reference


def test_what_is_there_is_not_built_again(reference, tmp_path, monkeypatch):
    with begin(tmp_path / "lib") as archive:
        fill(archive, CONFIG, 16, 1, ignore)
        built = []
        real = library.build_bicrystal
        monkeypatch.setattr(
            library, "build_bicrystal", lambda *a: built.append(a[0].key) or real(*a)
        )
        fill(archive, CONFIG, 16, 1, ignore)
        assert built == []
        fill(archive, CONFIG, 20, 1, ignore)
        assert built == [SPACE.spec(n).key for n in range(16, 20)]


def test_a_refused_structure_is_recorded_and_not_tried_again(tmp_path, monkeypatch):
    real, tried = library.build_bicrystal, []

    def refusing(spec, lattice_A):
        tried.append(spec.key)
        if spec.key == SPACE.spec(2).key:
            raise GeometryError("only 3 of 4 Li ions fit", hint="another seed")
        return real(spec, lattice_A)

    monkeypatch.setattr(library, "build_bicrystal", refusing)
    tallies = []
    with begin(tmp_path / "lib") as archive:
        fill(archive, CONFIG, 4, 1, tallies.append)
        fill(archive, CONFIG, 4, 1, ignore)
        rows = list(archive.records())
        assert [r.status for r in rows] == ["ok", "ok", "refused", "ok"]
        assert rows[2].message == "only 3 of 4 Li ions fit"
        assert rows[2].label == SPACE.spec(2).label
        assert rows[2].ions is None
        assert archive.blob(2) is None
    assert len(tried) == 4
    assert tallies == [{"ok": 3, "refused": 1}]


def test_a_composition_that_a_width_has_no_room_for_is_a_refusal(tmp_path):
    mixture = """
[composition]
li2o_per_nm2 = [-1.0]
dopants = [[], [{element = "Ta", per_formula_unit = 0.5}]]
"""
    config = parse_library(TEXT.replace("crystal_A = 5", "crystal_A = 6") + mixture, "x")
    with Archive.begin(tmp_path / "lib", config, TEXT, lambda: candidates(config)) as archive:
        fill(archive, config, 16, 1, ignore)
        rows = list(archive.records())
        assert {r.width_layers == 0 for r in rows} == {True, False}
        for row in rows:
            assert row.li2o_per_nm2 == -1.0
            if row.width_layers == 0:
                assert row.status == "refused"
                assert "width_layers = 0" in row.message
            else:
                back = decode(archive.blob(row.number))
                assert back.charge_e == 0
                assert ("Ta" in back.elements) == ("Ta" in row.formula) == ("Ta" in row.spec)
                check(back, doped(CRYSTAL, back.elements))


def test_a_copied_library_goes_on_elsewhere(reference, tmp_path):
    with begin(tmp_path / "here") as archive:
        fill(archive, CONFIG, 10, 1, ignore)
    shutil.move(tmp_path / "here", tmp_path / "there")
    with begin(tmp_path / "there") as archive:
        fill(archive, CONFIG, 30, 1, ignore)
        assert content(archive) == reference


def test_the_example_is_valid():
    file = Path(__file__).parents[2] / "campaigns" / "libraries" / "llzo.toml"
    assert parse_library(file.read_text(), str(file)).space.max_ions == 4500
    assert isinstance(CRYSTAL, Crystal)
