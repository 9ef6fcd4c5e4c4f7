"""gbopt catalog, build and inspect, as a user types them."""

import csv
import io
import json

import pytest
from ase.io import read
from typer.testing import CliRunner

from gbopt.cli.app import app
from gbopt.errors import GboptError


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def fails(*arguments):
    result = run(*arguments)
    assert isinstance(result.exception, GboptError), result.output
    return result.exception


def test_catalog_lists_boundaries_in_three_formats():
    options = ("catalog", "--max-ions", "4000", "--axis", "001", "--kind", "symmetric-tilt")
    rows = json.loads(run(*options, "--format", "json").output)
    assert {row["plane"] for row in rows} == {"710", "510", "530"}
    assert all(row["ions"] <= 4000 and row["axis"] == "001" for row in rows)
    table = list(csv.DictReader(io.StringIO(run(*options, "--format", "csv").output)))
    assert [row["plane"] for row in table] == [row["plane"] for row in rows]
    shown = run(*options).output
    assert "3 boundaries of c-LLZO" in shown
    assert "(510)" in shown


def test_catalog_holds_twists_mixed_and_asymmetric_boundaries():
    options = ("catalog", "--from", "36", "--to", "37", "--axis", "001", "--max-ions", "20000")
    kinds = ("--kind", "twist", "--kind", "mixed", "--kind", "asymmetric-tilt")
    rows = json.loads(run(*options, *kinds, "--format", "json").output)
    assert {row["kind"] for row in rows} == {"twist", "mixed", "asymmetric tilt"}
    assert {row["sigma"] for row in rows} == {5}


@pytest.mark.parametrize("suffix", [".extxyz", ".cif", ".data"])
def test_named_boundary_is_written_and_described(tmp_path, suffix):
    out = tmp_path / f"gb{suffix}"
    result = run("build", "Sigma5(310)[001]", "--crystal", 9, "--width-layers", 2, "-o", out)
    assert result.exit_code == 0, result.output
    assert "measured misorientation 36.87 deg" in result.output
    assert "too thin to hold bulk crystal" in result.output
    assert out.exists()


def test_angle_that_is_not_commensurate(tmp_path):
    out = tmp_path / "gb.extxyz"
    options = ("build", "--angle", 15, "--crystal", 9, "--width-layers", 2, "--max-ions", 8000)
    assert "not commensurate" in fails(*options, "-o", out).message
    assert not out.exists()
    strained = run(*options, "--mode", "strained", "-o", out)
    assert "realised 15.0000 deg" in strained.output
    assert "next cheaper" in strained.output
    nearest = run(*options, "--mode", "nearest", "-o", out)
    assert "strain 0.000%" in nearest.output


def test_specification_file_with_composition(tmp_path):
    spec, out = tmp_path / "spec.toml", tmp_path / "gb.extxyz"
    spec.write_text(
        "plane = [3, 1, 0]\nwidth_layers = 2\ncrystal_A = 9\norderings = 2\n"
        "[composition]\nli2o_per_nm2 = -1.0\n"
        'dopants = [{element = "Ta", per_formula_unit = 0.5, where = "grains"}]\n'
    )
    result = run("build", "--spec", spec, "-o", out)
    assert result.exit_code == 0, result.output
    atoms = read(out)
    assert atoms.get_initial_charges().sum() == 0
    assert "Ta" in atoms.get_chemical_symbols()
    spec.write_text("plane = [3, 1, 0]\nwidht_layers = 2\n")
    assert "widht_layers" in fails("build", "--spec", spec, "-o", out).message
    spec.write_text("plane = [3, 1")
    assert "not valid TOML" in fails("build", "--spec", spec, "-o", out).message


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("build",), "no boundary is given"),
        (("build", "Sigma7(210)"), "no tilt or twist boundary"),
        (("build", "--plane", "211"), "no symmetric tilt plane"),
        (("build", "--plane", "210", "--material", "LLZO"), "unknown crystal 'LLZO'"),
        (("build", "--plane", "21"), "not three integers"),
    ],
)
def test_wrong_input_is_one_sentence(tmp_path, arguments, says):
    assert says in fails(*arguments, "-o", tmp_path / "gb.cif").message


def test_built_boundary_is_recognised_again(tmp_path):
    out = tmp_path / "gb.cif"
    run("build", "--plane", "410", "--width-layers", 2, "--crystal", 16, "-o", out)
    shown = run("inspect", out)
    assert shown.exit_code == 0, shown.output
    assert "28.07 deg" in shown.output
    found = json.loads(run("inspect", out, "--format", "json").output)
    assert [round(b["misorientation_deg"], 2) for b in found["boundaries"]] == [28.07, 28.07]
    assert found["boundaries"][0]["axis"] == pytest.approx([0, 0, 1], abs=1e-3)
    assert found["boundaries"][0]["c_axes_deg"] is None  # of cubic grains
    assert f"Zr-O {found['shortest_A']['Zr-O']:.2f}" in shown.output
    rows = list(csv.DictReader(io.StringIO(run("inspect", out, "--format", "csv").output)))
    assert [float(row["z_A"]) for row in rows] == [b["z_A"] for b in found["boundaries"]]


def test_a_film_of_glass_is_built_and_wrong_ones_are_refused(tmp_path):
    out = tmp_path / "film.extxyz"
    options = ("build", "Sigma5(310)[001]", "--crystal", 12, "-o", out)
    result = run(*options, "--film", 14, "--film-li", 6.5)
    assert "glass film 14 A, Li6.5" in result.output
    assert "nominal width 14.00 A" in result.output
    assert "'Li2O': 6" in result.output
    spec = tmp_path / "spec.toml"
    spec.write_text("plane = [3, 1, 0]\ncrystal_A = 12\nfilm = {thickness_A = 14}\n")
    assert "glass film 14 A  key" in run("build", "--spec", spec, "-o", out).output
    by_angle = ("build", "--angle", 36, "--mode", "nearest", "--crystal", 10, "--film", 10)
    assert "glass film 10 A" in run(*by_angle, "--max-ions", 3000, "-o", out).output
    assert "exclude each other" in fails(*options, "--film", 14, "--width-layers", 2).message
    assert "of which none is given" in fails(*options, "--film-li", 6.5).message
    assert "--max-ions allows 1000" in fails(*options, "--film", 60, "--max-ions", 1000).message
