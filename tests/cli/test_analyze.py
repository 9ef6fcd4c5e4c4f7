"""`gbopt analyze` on a run whose diffusivities are known."""

import csv
import io
import json

import numpy as np
import pytest

from tests.campaign.harness import gbopt
from tests.evaluate.test_foreign import (
    D_A2_PS,
    by_mdanalysis,
    dump,
    extxyz,
    topology_of,
    walkers,
)

GIVEN = ("--interval", "100 fs", "--temperature", "1100", "--lag", "1 ps")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, run = tmp_path_factory.mktemp("runs"), walkers(300, 3.5)
    return {
        "dump": dump(folder / "run.dump", run, "id type xs ys zs"),
        "extxyz": extxyz(folder / "run.extxyz", run),
        "along x": dump(folder / "x.dump", run.permuted(), "id element x y z"),
    }


def figures(*arguments):
    done = gbopt("analyze", *arguments, *GIVEN, "--format", "json")
    assert done.returncode == 0, done.stderr
    return {row["quantity"]: row for row in json.loads(done.stdout)}


def test_known_diffusivities_from_a_dump(files):
    rows = figures(files["dump"], "--types", "Li La Zr O", "--boundaries", "0 10", "--width", 4)
    for axis, D in zip("xyz", 1e-4 * D_A2_PS, strict=True):
        row = rows[f"Li tracer D along {axis}"]
        assert abs(row["value"] - D) < 3.5 * row["std_err"] < D
        assert (row["unit"], row["n_eff"]) == ("cm2/s", 5)
    sigma = [rows[f"Nernst-Einstein conductivity {way} plane"] for way in ("in", "through")]
    assert [row["unit"] for row in sigma] == ["S/cm", "S/cm"]
    assert "Nernst-Einstein" in sigma[0]["method"]
    assert "series" in sigma[1]["method"]
    # 60 ions in 2640 A^3 with D = 2e-5 cm2/s along z at 1100 K
    assert sigma[1]["value"] == pytest.approx(0.768, rel=0.3)
    assert sigma[0]["value"] == pytest.approx(0.768 * 0.075 / 0.2, rel=0.3)
    # 6 D n T / (2 A)^2
    assert rows["Li hops"]["value"] == pytest.approx(6 * 0.2 * 60 * 30 / 4, rel=0.3)
    assert rows["Li hops"]["std_err"] is None
    assert rows["MSD exponent"]["value"] == pytest.approx(1.0, abs=0.1)
    assert rows["lag t"]["value"] == pytest.approx(1.0)
    least = rows["least D along z of a slab"]
    assert 0 < least["value"] < rows["Li tracer D along z"]["value"]
    core, grain = (rows[f"Li D along the normal, {where}"] for where in ("core", "grain"))
    assert core["value"] == pytest.approx(2e-5, rel=0.6)
    assert grain["value"] == pytest.approx(2e-5, rel=0.6)
    assert rows["Li enrichment ratio"]["value"] > 0


def test_other_files_of_the_run_give_the_same(files):
    first = figures(files["dump"], "--types", "Li,La,Zr,O")
    same = figures(files["extxyz"])
    along_x = figures(files["along x"], "--normal", "x")
    file_axis = {"x": "y", "y": "z", "z": "x"}
    for axis, named in file_axis.items():
        value = pytest.approx(first[f"Li tracer D along {axis}"]["value"], rel=1e-4)
        assert same[f"Li tracer D along {axis}"]["value"] == value
        assert along_x[f"Li tracer D along {named}"]["value"] == value
    assert "least D along x of a slab" in along_x


def msd_of(file, target, *extra):
    """What --msd writes, as columns of numbers."""
    rows = figures(file, *extra, "--msd", target)
    assert "Li hops" in rows
    with target.open() as lines:
        table = list(csv.DictReader(lines))
    return {name: np.array([float(row[name]) for row in table]) for name in table[0]}


def test_msd_of_li_is_written(files, tmp_path):
    """Of 300 frames of 0.1 ps; the drift of 0.2 A/ps would add more than diffusion does."""
    msd = msd_of(files["extxyz"], tmp_path / "msd.csv")
    assert list(msd) == ["lag_ps", "msd_x_A2", "msd_y_A2", "msd_z_A2", "msd_A2"]
    lag_ps = msd["lag_ps"]
    assert lag_ps[[0, -1]] == pytest.approx([0.1, 15.0])
    assert (np.diff(lag_ps) > 0.099).all()
    short = lag_ps < 2.0
    for axis, D in zip("xyz", D_A2_PS, strict=True):
        assert msd[f"msd_{axis}_A2"][short] == pytest.approx(2 * D * lag_ps[short], rel=0.15)
    total = sum(msd[f"msd_{axis}_A2"] for axis in "xyz")
    assert msd["msd_A2"] == pytest.approx(total, rel=1e-6)
    along_x = msd_of(files["along x"], tmp_path / "x.csv", "--normal", "x")
    for axis, named in {"x": "y", "y": "z", "z": "x"}.items():
        assert along_x[f"msd_{named}_A2"] == pytest.approx(msd[f"msd_{axis}_A2"], rel=1e-4)


def test_pair_functions_are_written(files, tmp_path):
    """Walkers that do not see each other: g = 1, and the density's count within a sphere."""
    target = tmp_path / "rdf.csv"
    figures(files["extxyz"], "--rdf", target, "--rdf-to", 6)
    with target.open() as lines:
        table = list(csv.DictReader(lines))
    column = {name: np.array([float(row[name]) for row in table]) for name in table[0]}
    assert column["to_A"][-1] == pytest.approx(6.0)
    assert len(column["r_A"]) == 120
    far = column["r_A"] > 5
    # 60 Li in 2640 A^3.
    assert column["g_Li-Li"][far].mean() == pytest.approx(1.0, abs=0.1)
    count = 60 / 2640 * 4 / 3 * np.pi * 6**3
    assert column["n_Li-Li"][-1] == pytest.approx(count, rel=0.1)
    assert 0 < column["n_Li-Li_err"][-1] < count / 10
    refused = gbopt("analyze", files["extxyz"], *GIVEN, "--rdf", target, "--msd", target)
    assert refused.returncode == 1
    assert "--rdf cannot write" in refused.stderr


def test_a_dcd_with_a_topology_gives_the_same(files, tmp_path):
    run = walkers(300, 3.5)
    dcd = by_mdanalysis(tmp_path / "run.dcd", run)
    rows = figures(dcd, "--topology", topology_of(tmp_path / "ions.pdb", run))
    expected = figures(files["extxyz"])
    for axis in "xyz":
        name = f"Li tracer D along {axis}"
        assert rows[name]["value"] == pytest.approx(expected[name]["value"], rel=1e-3)
    refused = gbopt("analyze", dcd, *GIVEN)
    assert refused.returncode == 1
    assert "--topology" in refused.stderr


def test_tables_and_csv(files):
    table = gbopt("analyze", files["extxyz"], *GIVEN)
    assert table.returncode == 0, table.stderr
    assert table.stdout.splitlines()[0].split() == ["quantity", "value", "unit", "method"]
    assert "conductivity through plane" in table.stdout
    assert "(" in table.stdout.splitlines()[1]
    done = gbopt("analyze", files["extxyz"], *GIVEN, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert float(rows[0]["value"]) > float(rows[0]["std_err"]) > 0
    assert rows[-1]["std_err"] == ""


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (("--interval", "0.1"), "--interval"),
        (("--interval", "0 ps"), "frame interval"),
        (("--lag", "0.01 ps"), "shorter than the frame interval"),
        (("--lag", "5 ps"), "too short for a lag of 5 ps"),
        (("--types", "Li"), "no LAMMPS text dump"),
        (("--normal", "y"), "cell vector b"),
        (("--boundaries", "0 10"), "together"),
        (("--boundaries", "0", "--width", "4"), "two positions"),
        (("--boundaries", "0 10", "--width", "8"), "middle third"),
        (("--boundaries", "3 3", "--width", "8"), "middle third"),
    ],
)
def test_refusals_are_one_sentence_and_a_hint(extra, words, files):
    done = gbopt("analyze", files["extxyz"], *GIVEN, *extra)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    error, hint = done.stderr.strip().splitlines()
    assert error.startswith("error: ")
    assert words in error
    assert hint.startswith("hint: ")
    assert "analysis.lag_ps" not in hint


def test_missing_files_and_options(files, tmp_path):
    done = gbopt("analyze", tmp_path / "missing", *GIVEN)
    assert done.returncode == 1
    assert "cannot read the trajectory" in done.stderr
    assert gbopt("analyze", files["dump"]).returncode == 2
    assert gbopt("analyze", files["dump"], *GIVEN, "--segments", 2).returncode == 2
