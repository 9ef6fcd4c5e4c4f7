"""`gbopt generate` and `gbopt export` as a user runs, cuts and misspells them."""

import os
import signal
import sqlite3
import time
from contextlib import closing

import numpy as np
import psutil
import pytest

from gbopt.campaign.library import fill
from gbopt.config.library import parse_library
from gbopt.errors import ConfigError
from gbopt.geometry.archive import Archive
from gbopt.geometry.library import candidates
from tests.campaign.harness import gbopt, kill_group, start, wait_for
from tests.cli.test_cli import refused

SPEC = """
schema_version = 1
name = "small"
question = "Is the library the same?"
seed = 7

[space]
kinds = ["symmetric tilt", "twist"]
axes = [[0, 0, 1]]
width_layers = [0, 2]
crystal_A = "5 A"
gap_A = [0.5, 1.0]
max_ions = 1000
"""
# Enough that a cut comes in the middle.
COUNT = 72


@pytest.fixture
def spec(tmp_path):
    file = tmp_path / "small.toml"
    file.write_text(SPEC)
    return file


def rows_of(folder):
    """Every row but the version, and every blob."""
    with closing(sqlite3.connect(folder / "index.sqlite")) as db:
        rows = db.execute("SELECT * FROM structure ORDER BY number").fetchall()
        names = [column[1] for column in db.execute("PRAGMA table_info(structure)")]
        blobs = db.execute("SELECT * FROM coordinates ORDER BY number").fetchall()
    version = names.index("version")
    return [row[:version] + row[version + 1 :] for row in rows], blobs


def count_of(folder):
    try:
        with closing(sqlite3.connect(folder / "index.sqlite")) as db:
            return db.execute("SELECT count(*) FROM structure").fetchone()[0]
    except sqlite3.Error:
        return 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The library in one go, in this process."""
    folder, config = tmp_path_factory.mktemp("whole") / "lib", parse_library(SPEC, "small.toml")
    with Archive.begin(folder, config, SPEC, lambda: candidates(config)) as archive:
        fill(archive, config, COUNT, 1, lambda _: None)
    return folder


def test_interrupted_and_resumed_it_is_the_same_library(spec, whole, tmp_path):
    command = ("generate", spec, "-n", COUNT, "--jobs", 2, "--out", tmp_path / "lib")
    process = start(*command)
    wait_for(lambda: count_of(tmp_path / "lib") >= 8, process)
    workers = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=30)[0]
    assert process.returncode == 130
    assert "Traceback" not in said
    kept = count_of(tmp_path / "lib")
    assert 8 <= kept < COUNT
    assert f"interrupted: {kept} of {COUNT} structures are kept" in said
    again = said.strip().splitlines()[-1]
    assert again == f"resume with: gbopt {' '.join(map(str, command))}"
    assert not psutil.wait_procs(workers, timeout=10)[1]
    before = rows_of(tmp_path / "lib")[0]
    done = gbopt(*again.removeprefix("resume with: gbopt ").split())
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path / 'lib'}: {COUNT} ok" in done.stdout
    assert set(before) < set(rows_of(tmp_path / "lib")[0])
    assert rows_of(tmp_path / "lib") == rows_of(whole)


def test_killed_without_warning_it_goes_on(spec, whole, tmp_path):
    command = ("generate", spec, "-n", COUNT, "--jobs", 2, "--out", tmp_path / "lib")
    process = start(*command)
    wait_for(lambda: count_of(tmp_path / "lib") >= 8, process)
    kill_group(process)
    assert count_of(tmp_path / "lib") < COUNT
    config = parse_library(SPEC, "small.toml")
    with Archive.open_(tmp_path / "lib") as archive:
        fill(archive, config, COUNT, 1, lambda _: None)
    assert rows_of(tmp_path / "lib") == rows_of(whole)


def test_a_killed_worker_costs_its_batch_only(spec, whole, tmp_path):
    process = start("generate", spec, "-n", COUNT, "--jobs", 2, "--out", tmp_path / "lib")
    wait_for(lambda: count_of(tmp_path / "lib") >= 8, process)
    builders = [
        child
        for child in psutil.Process(process.pid).children()
        if "popen_loky" in " ".join(child.cmdline())
    ]
    assert len(builders) == 2
    builders[0].kill()
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 0, said
    assert rows_of(tmp_path / "lib") == rows_of(whole)


def test_a_log_gets_a_plain_line_now_and_then(capsys, monkeypatch):
    from gbopt.cli import generate

    monkeypatch.setattr(generate, "_LINE_EVERY_S", 0.0)
    advance = generate._lines(1000, 200)
    time.sleep(0.01)
    advance({"ok": 7, "refused": 1})
    line = capsys.readouterr().out
    assert line.startswith("208 of 1,000 structures, ")
    assert "per s" in line
    assert line.endswith("min left, 1 refused\n")


def test_the_gallery_alone_builds_nothing(spec, whole):
    before = rows_of(whole)
    assert not (whole / "gallery.png").exists()
    done = gbopt("generate", spec, "-n", COUNT + 8, "--out", whole, "--gallery")
    assert done.returncode == 0, done.stderr
    assert (whole / "gallery.png").stat().st_size > 100_000
    assert rows_of(whole) == before


def test_a_changed_specification_is_refused(spec, whole):
    before = rows_of(whole)
    spec.write_text(SPEC.replace('"5 A"', '"6 A"'))
    for extra in ((), ("--gallery",)):
        error = refused(
            gbopt("generate", spec, "-n", COUNT, "--out", whole, *extra), "space.crystal_A", "--out"
        )
        assert "'space.crystal_A' is 6.0" in error
    assert rows_of(whole) == before


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("crystal_A", "cristal_A", ("space.cristal_A", "did you mean 'crystal_A'?")),
        ("seed = 7", "sede = 7", ("the key 'seed' is missing", "'sede'", "mean 'seed'?")),
        ("seed = 7", "seed = 7\ncrystal_A = 9", ("'crystal_A'", "it belongs in [space]")),
        ('"twist"', '"twits"', ("space.kinds.1", "twits", "'symmetric tilt'")),
        ("[0, 2]", "[2, 0]", ("width_layers: the first number must not exceed",)),
        ("[0, 2]", "[0, 20]", ("space.width_layers.1", "less than or equal to 12")),
        ("[[0, 0, 1]]", "[[0, 0, 0]]", ("axes: [0, 0, 0]",)),
        ('"5 A"', '"5 eV"', ("space.crystal_A", "5 eV", "nm")),
        ("max_ions = 1000", "max_ions = 200", ("space.max_ions = 200",)),
        ("[space]", '[space]\ncrystal = "c-LLZQ"', ("c-LLZQ", "c-LLZO")),
        ("[space]", "[space", ("not valid TOML",)),
        (
            "[space]",
            '[composition]\ndopants = [[{element = "Fe", per_formula_unit = 0.1}]]\n[space]',
            ("composition.dopants.0.0.element", "Fe", "'Al'"),
        ),
        (
            "[space]",
            '[composition]\ndopants = [[{elment = "Al", per_formula_unit = 0.1}]]\n[space]',
            ("composition.dopants.0.0.elment", "did you mean 'element'?"),
        ),
    ],
)
def test_a_wrong_field_is_named(old, new, words):
    assert old in SPEC
    with pytest.raises(ConfigError) as caught:
        candidates(parse_library(SPEC.replace(old, new), "small.toml"))
    assert "\n" not in caught.value.message
    said = f"{caught.value.message} {caught.value.hint}"
    assert all(word in said for word in words), said


def test_a_wrong_file_is_one_sentence_and_makes_nothing(spec, tmp_path):
    for old, new in (("crystal_A", "cristal_A"), ("max_ions = 1000", "max_ions = 200")):
        spec.write_text(SPEC.replace(old, new))
        refused(gbopt("generate", spec, cwd=tmp_path), f"space.{new[:9]}")
    assert not (tmp_path / "runs").exists()


def test_a_missing_file_and_a_foreign_folder_are_refused(spec, tmp_path):
    refused(gbopt("generate", tmp_path / "no.toml"), "no.toml", "campaigns/libraries/llzo.toml")
    refused(gbopt("generate", spec, "--out", tmp_path), "is not a library", "--out")
    refused(gbopt("generate", spec, "--gallery", cwd=tmp_path), "runs/small")


@pytest.mark.parametrize("fmt", ["extxyz", "cif", "data"])
def test_exported_files_are_read_by_ase(fmt, whole, tmp_path):
    from ase.data import atomic_numbers
    from ase.io import read

    done = gbopt(
        "export", whole, "--to", tmp_path / "files", "--format", fmt, "--kind", "symmetric-tilt",
        "--where", "number < 12 and width = 0", "--max-ions", 400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(whole / "index.sqlite")) as db:
        chosen = db.execute(
            "SELECT number, key, ions, length_A FROM structure WHERE number < 12 "
            "AND kind = 'symmetric tilt' AND width_layers = 0 AND ions <= 400"
        ).fetchall()
    assert 0 < len(chosen) < 6
    assert f"wrote {len(chosen)} structures" in done.stdout
    written = [f for f in (tmp_path / "files").iterdir() if f.suffix != ".json"]
    assert len(written) == len(chosen)
    types = {n + 1: atomic_numbers[name] for n, name in enumerate(("Li", "La", "Zr", "O"))}
    options = {"format": "lammps-data", "Z_of_type": types} if fmt == "data" else {}
    for number, key, ions, length_A in chosen:
        atoms = read(tmp_path / "files" / f"{number:06d}-{key}.{fmt}", **options)
        assert len(atoms) == ions
        assert atoms.cell.cellpar()[2] == pytest.approx(length_A, abs=1e-4)
        assert np.linalg.norm(atoms.get_distances(0, [1, 2], mic=True)) > 2.0


def test_export_by_number(whole, tmp_path):
    done = gbopt("export", whole, "--to", tmp_path, "-f", "data", "--number", 3, "--number", 5)
    assert done.returncode == 0, done.stderr
    names = sorted(file.name for file in tmp_path.iterdir())
    # Beside each file, how its structure was built.
    assert [name[:6] for name in names] == ["000003", "000003", "000005", "000005"]
    assert [name.endswith(".data.json") for name in names] == [False, True, False, True]


def test_export_refuses_what_makes_no_sense(whole, tmp_path):
    to = ("--to", tmp_path / "files", "--format", "cif")
    refused(gbopt("export", tmp_path, *to), "is not a library")
    refused(gbopt("export", whole, *to, "--where", "colour = 3"), "colour = 3", "misorientation")
    refused(gbopt("export", whole, *to, "--kind", "screw"), "screw", "symmetric tilt")
    refused(gbopt("export", whole, *to, "--where", "ions > 100000"), "no structure")
    assert not (tmp_path / "files").exists()
    assert gbopt("export", whole, "--to", tmp_path, "--format", "pdb").returncode == 2
    refused(
        gbopt("export", whole, "--to", tmp_path / "x", "-f", "zip"), "as structures, not as zip"
    )
