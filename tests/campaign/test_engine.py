"""A campaign on its engine, from the command line."""

import json
from pathlib import Path

from tests.campaign.harness import evaluations, events, gbopt

ROOT = Path(__file__).parents[2]


def test_the_engine_is_recorded_pinned_and_kept(tiny, tmp_path):
    run = tmp_path / "run"
    done = gbopt("run", tiny(evaluations=1, initial=1), "--out", run)
    assert done.returncode == 0, done.stderr
    pinned = json.loads((run / "engine.json").read_text())
    assert pinned["engine"] == "lammps"
    assert "no GPU engine was found" in events(run, "engine")[0]["message"]
    record = evaluations(run)[0][0]
    used = record["provenance"]["engine_settings"]
    assert record["provenance"]["engine"].startswith("LAMMPS 20")
    assert (used["accelerator"], used["coulomb_cutoff_A"], used["mesh_order"]) == (
        "omp",
        pinned["coulomb_cutoff_A"],
        pinned["mesh_order"],
    )
    assert not list(run.glob("trials/*/md/checkpoint*"))  # nothing to take up

    resolved = run / "resolved.toml"
    resolved.write_text(resolved.read_text().replace('engine = "auto"', 'engine = "openmm"'))
    refused = gbopt("resume", run, "--evaluations", "2")
    assert refused.returncode == 3
    assert "this campaign was begun with lammps" in refused.stderr
    assert len(evaluations(run)) == 1

    resolved.write_text(resolved.read_text().replace('engine = "openmm"', 'engine = "auto"'))
    (run / "engine.json").write_text("{")
    damaged = gbopt("resume", run, "--evaluations", "2")
    assert damaged.returncode == 1
    assert "does not say which engine" in damaged.stderr
    (run / "engine.json").write_text(json.dumps(used))  # as the hint says
    mended = gbopt("resume", run, "--evaluations", "2")
    assert mended.returncode == 0, mended.stderr
    assert len(evaluations(run)) == 2


def test_a_run_folder_from_before_the_choice_stays_with_lammps(tiny, tmp_path):
    run = tmp_path / "run"
    assert gbopt("run", tiny(evaluations=1, initial=1), "--out", run).returncode == 0
    (run / "engine.json").unlink()
    again = gbopt("resume", run, "--evaluations", "2")
    assert again.returncode == 0, again.stderr
    assert not (run / "engine.json").exists()
    used = evaluations(run)[1][0]["provenance"]["engine_settings"]
    assert (used["engine"], used["coulomb_cutoff_A"], used["mesh_order"]) == ("lammps", 8.5, 5)


def test_more_threads_than_cores_are_refused_before_anything_runs(tiny, tmp_path):
    file = tiny()
    file.write_text(file.read_text() + "threads = 64\n")
    refused = gbopt("run", file, "--out", tmp_path / "run")
    assert refused.returncode == 1
    assert "run.threads" in refused.stderr or "thread(s)" in refused.stderr
    assert not (tmp_path / "run").exists()


def test_a_whole_campaign_on_openmm(tiny, tmp_path):
    """Bulk reference, boundary, record: on the CPU platform what a GPU does faster."""
    file = tiny(evaluations=1, initial=1)
    # One garnet cell is as wide as two of these cut-offs: nothing is repeated, it is fast.
    text = file.read_text().replace(
        "[md]\n", "[md]\nbuckingham_cutoff_A = 6.4\ncoulomb_cutoff_A = 6.4\npppm_accuracy = 1e-3\n"
    )
    file.write_text(text.replace("[run]\n", '[run]\nengine = "openmm"\n'))
    run = tmp_path / "run"
    done = gbopt("run", file, "--out", run)
    assert done.returncode == 0, done.stderr
    record = evaluations(run)[0][0]
    assert record["status"] in ("ok", "suspect"), record["failure"]
    assert record["provenance"]["engine"].startswith("OpenMM")
    assert record["provenance"]["engine_settings"]["accelerator"] == "CPU"
    assert record["observables"]["gb_resistivity"]["value"] > 0
    bulk = json.loads((run / "bulk.json").read_text())
    assert bulk["engine"].startswith("OpenMM")
    assert 12.9 < bulk["lattice_A"]["value"] < 13.4


def test_a_whole_campaign_on_a_calculator_of_ase(tiny, tmp_path, monkeypatch):
    """The road of learned potentials, with a calculator whose answer is known: set C's."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "calculator.toml").write_text(
        'kind = "ase"\nname = "set-c-by-ase"\ncitation = "set C of gbopt, through ASE"\n'
        'validity = "what set C is good for"\nelements = ["Li", "La", "Zr", "O"]\n'
        'lattice_A = 13.185\ncalculator = "tests.md.lammps_calculator:working_set_c"\n'
    )
    file = tiny(evaluations=1, initial=1)
    text = file.read_text().replace("[md]\n", '[md]\npotential = "calculator.toml"\n')
    file.write_text(text)
    run = tmp_path / "run"
    done = gbopt("run", file, "--out", run)
    assert done.returncode == 0, done.stderr
    record = evaluations(run)[0][0]
    assert record["status"] in ("ok", "suspect"), record["failure"]
    assert record["conditions"]["potential"] == "set-c-by-ase"
    assert record["provenance"]["engine_settings"]["engine"] == "ase"
    assert (run / "potential" / "calculator.toml").exists()
