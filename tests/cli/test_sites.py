"""`gbopt sites` on hops that are known."""

import csv
import io
import json

import numpy as np
import pytest

from gbopt.model.bicrystal import SPECIES
from tests.analysis.hoppers import hop, info_of, llzo_network
from tests.campaign.harness import gbopt

GIVEN = ("--interval", "50 fs", "--temperature", "1100")


@pytest.fixture(scope="module")
def truth():
    return hop(llzo_network(1), np.random.default_rng(0), ions=56, frames=500)


@pytest.fixture(scope="module")
def dump(truth, tmp_path_factory):
    return written(tmp_path_factory.mktemp("runs") / "run.dump", truth)


def written(path, truth, stride=1, *, unwrapped=False):
    """A dump as LAMMPS writes it, wrapped into the cell or not."""
    columns = "xu yu zu" if unwrapped else "x y z"
    network = llzo_network(1)
    info = info_of(network, 56, 500, 0.05)
    names = [SPECIES[number] for number in info.species]
    edge, lines = network.cell[0, 0], []
    for step, li in enumerate(truth.paths.li[::stride]):
        frame = np.concatenate([li, network.framework])
        frame = frame if unwrapped else frame % edge
        lines += ["ITEM: TIMESTEP", f"{step * 25}", "ITEM: NUMBER OF ATOMS", f"{len(names)}"]
        lines += ["ITEM: BOX BOUNDS pp pp pp", *[f"0 {edge:.6f}"] * 3]
        lines += [f"ITEM: ATOMS id element {columns}"]
        lines += [
            f"{i + 1} {name} {x:.5f} {y:.5f} {z:.5f}"
            for i, (name, (x, y, z)) in enumerate(zip(names, frame, strict=True))
        ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_figures_and_files(dump, truth, tmp_path):
    done = gbopt("sites", dump, *GIVEN, "--format", "json", "--out", tmp_path / "sites")
    assert done.returncode == 0, done.stderr
    rows = {row["key"]: row for row in json.loads(done.stdout)}
    assert rows[None]["value"] == 72
    assert "core 0.7 A" in rows[None]["method"]
    assert rows["sites_per_formula_unit_tetrahedral"]["value"] == 3
    assert rows["sites_per_formula_unit_octahedral"]["value"] == 6
    for kind, tau in (("tetrahedral", 1.5), ("octahedral", 3.0)):
        row = rows[f"residence_{kind}"]
        assert abs(row["value"] - tau) < 4 * row["std_err"] < tau
        assert row["unit"] == "ps"
    back = rows["back_jump_fraction"]
    assert abs(back["value"] - truth.back / truth.followed) < 4 * back["std_err"]
    assert rows["percolation_dimension"]["value"] == 3
    names = {path.name for path in (tmp_path / "sites").iterdir()}
    assert names >= {"sites.csv", "jumps.csv", "network.json", "li_density.png"}
    assert done.stderr.count("wrote ") == len(names)


def test_tables_csv_and_the_filter(dump):
    table = gbopt("sites", dump, *GIVEN, "--core", 0.5, "--segments", 4)
    assert table.returncode == 0, table.stderr
    assert table.stdout.splitlines()[0].split() == ["quantity", "value", "unit", "method"]
    assert "core 0.5 A" in table.stdout
    assert "4 segments" in table.stdout
    assert "residence time, octahedral" in table.stdout
    done = gbopt("sites", dump, *GIVEN, "--format", "csv", "--normal", "x")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert float(rows[0]["value"]) == 72


def test_coarse_frames_are_pointed_out(truth, tmp_path):
    coarse = written(tmp_path / "coarse.dump", truth, stride=10, unwrapped=True)
    done = gbopt("sites", coarse, "--interval", "0.5 ps", "--temperature", "1100")
    assert done.returncode == 0, done.stderr
    assert "jumps are missed; write frames more often" in done.stderr


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (("--out", "missing/folder"), "there is no folder"),
        (("--segments", "500"), None),
    ],
)
def test_refusals_are_one_sentence_and_a_hint(extra, words, dump):
    done = gbopt("sites", dump, *GIVEN, *extra)
    assert done.returncode == (1 if words else 2)
    assert "Traceback" not in done.stderr
    if words:
        error, hint = done.stderr.strip().splitlines()
        assert error.startswith("error: ")
        assert words in error
        assert hint.startswith("hint: ")


def test_a_file_is_no_folder(dump):
    done = gbopt("sites", dump, *GIVEN, "--out", dump)
    assert done.returncode == 1
    assert "is a file" in done.stderr
