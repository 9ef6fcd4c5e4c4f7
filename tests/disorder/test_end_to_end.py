"""A study through the command line: crystals, a real melt and quench, tables, Ctrl-C, resume."""

import csv
import json
import os
import shutil
import signal

import pytest

from tests.campaign.harness import gbopt, start, wait_for

from .studies import written

FOLLOWED = (
    (
        "[network]\ntemperatures_K = []",
        '[network]\ntime_ps = "1 ps"\nframe_ps = "0.02 ps"\ntemperatures_K = [1400]',
    ),
    ("[vibration]\ntemperatures_K = []", '[vibration]\ntime_ps = "1 ps"\ntemperatures_K = [1400]'),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study whose two parts have been run."""
    home = tmp_path_factory.mktemp("study")
    file = home / "tiny.toml"
    file.write_text(written(*FOLLOWED))
    for part in ("strain", "quench"):
        done = gbopt(part, file, "--out", home / "run", "--workers", 2)
        assert done.returncode == 0, done.stdout + done.stderr
    return home


def table(folder, name):
    with (folder / "run" / "tables" / f"{name}.csv").open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_tables_state_volume_density_composition_and_provenance(folder):
    rows = table(folder, "runs")
    assert len(rows) == 6
    for row in rows:
        assert float(row["volume_per_unit_A3"]) > 0
        assert 4 < float(row["density_g_cm3"]) < 6
        assert row["stoichiometry"] == "Li7La3Zr2O12"
        assert row["engine"].startswith("LAMMPS")
        assert float(row["D_cm2_s_std_err"]) > 0
        assert row["potential"].startswith("llzo-buckingham")


def test_the_glass_melted_and_its_dynamics_was_run_with_both_potentials(folder):
    (glass,) = table(folder, "glasses")
    assert min(float(glass["rms_La_A"]), float(glass["rms_Zr_A"])) > 3.5
    assert float(glass["ordered_share"]) < 0.5
    assert glass["loosened"] == "2 ps at 9000 K, 140% volume"
    crossed = table(folder, "cross")
    assert [row["what"] for row in crossed] == ["D", "D", "dynamics"]
    assert crossed[2]["run_with"] == "c / d"


def test_site_network_pairs_and_vibrations_come_with_the_runs(folder):
    runs = list((folder / "run" / "runs").glob("c-LLZO-100*1400K*"))
    assert len(runs) == 1
    for name in ("network/sites.csv", "network/li_density.png", "pairs.csv", "spectrum.csv"):
        assert (runs[0] / name).stat().st_size > 500
    (result,) = runs[0].glob("result-*.json")
    record = json.loads(result.read_text())
    assert record["network"]["sites_per_formula_unit"] > 6
    for name in ("pairs", "vibrations", "diffusivity_density"):
        assert (folder / "run" / "figures" / f"{name}.svg").exists()
    assert not list((folder / "run").rglob("*.f32"))  # frames are large, and were not asked for


def test_what_is_done_is_not_done_again(folder):
    before = table(folder, "runs")
    done = gbopt("strain", folder / "tiny.toml", "--out", folder / "run", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 3
    assert table(folder, "runs") == before
    assert "started" not in done.stderr


def test_a_dry_run_prints_the_cost_and_makes_nothing(tmp_path):
    file = tmp_path / "tiny.toml"
    file.write_text(written())
    done = gbopt("quench", file, "--dry-run", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "cost " in done.stderr
    assert "3 runs" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_wrong_file_is_refused_in_one_sentence(tmp_path):
    file = tmp_path / "tiny.toml"
    file.write_text(written(("volume = [1.0]", "volume = [9]")))
    done = gbopt("strain", file, "--out", tmp_path / "run")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "volume" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_part_that_the_file_does_not_have_is_refused(tmp_path):
    file = tmp_path / "tiny.toml"
    text = written()
    begin, end = text.index("[[glasses]]"), text.index("[melt]")
    file.write_text(text[:begin] + text[end:])
    done = gbopt("quench", file)
    assert done.returncode == 1
    assert "has no [[glasses]]" in done.stderr


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(tmp_path):
    file, out = tmp_path / "tiny.toml", tmp_path / "run"
    file.write_text(written())
    process = start("strain", file, "--out", out)
    # The first run is done and the second has begun.
    wait_for(lambda: list(out.glob("runs/*/result-*.json")), process)
    wait_for(lambda: len(list(out.glob("runs/*/md"))) == 2, process)
    (first,) = out.glob("runs/*/result-*.json")
    done_before = first.read_text()
    os.killpg(process.pid, signal.SIGINT)
    text = process.communicate(timeout=60)[0]
    assert process.returncode == 130, text
    assert "interrupted" in text
    assert "Traceback" not in text
    rows = json.loads(gbopt("status", out, "--format", "json").stdout)
    now = {row["item"]: row["value"] for row in rows}
    assert now["runs"] == "1 of 7 ended (1 ok, 0 failed)"
    assert f"`gbopt strain {out}; gbopt quench {out}` continues it" in now["state"]
    done = gbopt("strain", file, "--out", out)
    assert done.returncode == 0, done.stderr
    assert first.read_text() == done_before
    assert done.stderr.count(" started") == 1
    with (out / "tables" / "runs.csv").open(encoding="utf-8") as handle:
        assert len(list(csv.DictReader(handle))) == 2


def test_a_crystal_that_does_not_melt_is_no_glass(tmp_path):
    file, out = tmp_path / "tiny.toml", tmp_path / "run"
    begin, end = (written().index(part) for part in ("[melt.loosen.c]", "[dynamics]"))
    file.write_text(written()[:begin] + written()[end:])
    done = gbopt("quench", file, "--out", out)
    assert done.returncode == 4, done.stderr
    assert "did not melt" in done.stderr
    (record,) = out.glob("glasses/*/result.json")
    assert json.loads(record.read_text())["failure"]["hint"].startswith("raise melt.temperature_K")
    assert "glass c-0 failed" in done.stderr
    # What failed is tried again, the frames of its melt being there, and kept apart.
    again = gbopt("quench", file, "--out", out)
    assert again.returncode == 4
    assert list(out.glob("glasses/*/result.failed-0.json"))


def test_a_finished_study_can_be_moved_and_its_tables_drawn_again(folder, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder / "run", moved)
    shutil.rmtree(moved / "tables")
    done = gbopt("quench", moved, "--format", "json", env={**os.environ, "PATH": "/nowhere"})
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 3
    with (moved / "tables" / "runs.csv").open(encoding="utf-8") as handle:
        assert list(csv.DictReader(handle)) == table(folder, "runs")


def test_another_lag_needs_the_frames_again_but_not_another_folder(folder, tmp_path):
    moved, file = tmp_path / "elsewhere", tmp_path / "tiny.toml"
    shutil.copytree(folder / "run", moved)
    file.write_text(written(*FOLLOWED, ('lag_ps = "0.1 ps"', 'lag_ps = "0.08 ps"')))
    before = {path.name for path in (moved / "runs").iterdir()}
    done = gbopt("strain", file, "--out", moved)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (moved / "runs").iterdir()} == before
    assert len(list((moved / "runs").glob("c-LLZO*1400K*/result-*.json"))) == 2
