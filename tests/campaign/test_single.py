"""One boundary outside of any search: killed on its way, gone on with, refused where it differs."""

import json

import pytest

from gbopt.config import load_campaign
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.files import write_structure
from gbopt.geometry.written import written_specification
from gbopt.model.spec import GBSpec
from tests.campaign.harness import gbopt, kill_group, start, wait_for
from tests.cli.test_structures import fails, run

NAME = "Sigma5(310)[001]"


def test_one_boundary_is_evaluated_and_goes_on_after_a_kill(tiny, tmp_path):
    file, out = tiny(), tmp_path / "one"
    process = start("evaluate", NAME, file, "--out", out)
    wait_for((out / "start.extxyz").exists, process, timeout_s=280)
    kill_group(process)
    assert not (out / "evaluation.json").exists()
    again = f"gbopt evaluate {out}/request.json {out}/resolved.toml --out {out}"
    assert items(out)["state"] == f"interrupted: `{again}` continues it"
    assert "after which nothing is begun" in fails("stop", out).message
    # In a process of its own: what a process asks of itself stands when it begins.
    assert "nothing on this machine runs" in gbopt("stop", out, "--now").stdout
    done = run("evaluate", NAME, file, "--out", out, "--format", "json")
    assert done.exit_code == 0, done.output
    assert "from the cache" in done.stderr
    found, config = json.loads(done.stdout), load_campaign(file)
    assert found == json.loads((out / "evaluation.json").read_text())
    assert found["provenance"]["settings_key"] == config.key
    assert (found["spec"]["width_layers"], found["spec"]["seed"]) == (2, config.seed)
    assert found["conditions"]["production_ps"] == config.md.production_ps
    assert found["observables"]["gb_resistivity"]["std_err"] > 0
    assert len(found["boundaries"]) == 2

    now = items(out)
    assert (now["boundary"], now["state"]) == ("Sigma5 (310)[001] 36.87 deg w2", "finished")
    assert now["objective"].endswith("log10(ohm cm)")
    assert "holds one evaluation" in fails("trace", out).message
    assert "--watch follows campaigns" in fails("status", "--watch", out).message

    # The record, and the structure it began with, are the same boundary: nothing is run again.
    for same in ("evaluation.json", "start.extxyz", "request.json"):
        settings = out / "resolved.toml" if same == "request.json" else file
        again = run("evaluate", out / same, settings, "--out", out)
        assert "GB resistivity" in again.stdout
        assert "minimise" not in again.stderr
    other = fails("evaluate", NAME, file, "--out", out, "--seed", 3)
    assert "was begun with seed = 7" in other.message
    changed = tiny(production_ps=0.5)
    other = fails("evaluate", NAME, changed, "--out", out)
    assert "md.production_ps = 0.4" in other.message
    # Of the structure after MD its specification is no longer true.
    moved = fails("evaluate", out / "final.extxyz", file, "--out", tmp_path / "two")
    assert "does not hold what its specification" in moved.message


def items(folder):
    rows = json.loads(run("status", folder, "--format", "json").stdout)
    return {row["item"]: row["value"] for row in rows}


@pytest.mark.parametrize("suffix", ["extxyz", "cif", "data"])
def test_a_structure_says_which_boundary_it_was_built_as(suffix, tmp_path):
    file, spec = tmp_path / f"gb.{suffix}", GBSpec.named(NAME, width_layers=2, crystal_A=5, seed=3)
    write_structure(build_bicrystal(spec, 12.97), file)
    assert written_specification(file) == spec


def test_what_cannot_be_evaluated_is_refused(tiny, tmp_path):
    file, out = tiny(), tmp_path / "one"
    spec = tmp_path / "spec.toml"
    spec.write_text('crystal = "t-LLZO"\nplane = [3, 1, 0]\n')
    assert "of t-LLZO" in fails("evaluate", spec, file, "--out", out).message
    spec.write_text("width_layers = 3\n")
    assert "names no plane" in fails("evaluate", spec, file, "--out", out).message
    spec.write_text(
        'plane = [3, 1, 0]\ncomposition = {dopants = [{element="Al", per_formula_unit=0.2}]}'
    )
    assert "no parameters for Al" in fails("evaluate", spec, file, "--out", out).message
    assert "no structure" in fails("evaluate", "no.cif", file, "--out", out).message
    (tmp_path / "other.xyz").write_text('1\nLattice="9 0 0 0 9 0 0 0 9"\nLi 0 0 0\n')
    assert "does not say" in fails("evaluate", tmp_path / "other.xyz", file, "--out", out).message
    assert not out.exists()
    assert "holds no evaluation" in fails("evaluate", NAME, file, "--out", tmp_path).message
