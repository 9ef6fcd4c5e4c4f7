"""Structures, tables, figures and the bundle of a campaign."""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile
from importlib import import_module
from importlib.util import find_spec

import ase.io
import pytest

from gbopt.campaign.view import CampaignView
from gbopt.config import to_toml
from gbopt.errors import EnvironmentProblem, RunFolderError
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.files import write_structure
from gbopt.report import exports
from gbopt.report.bundle import Credit, write_bundle
from gbopt.report.numbers import number_table
from gbopt.report.print_figures import write_figures
from gbopt.store.rundir import EVALUATION, RunFolder
from tests.report.factory import config, mixed, view, write_profiles


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    """A run folder on disk, the best boundary with a structure."""
    path = tmp_path_factory.mktemp("export") / "run"
    folder = RunFolder.create(path, config(), to_toml(config()))
    folder.note("created", reason="test")
    run = mixed(path=path)
    write_profiles(run)
    for e in run.evaluations:
        home = folder.trial_folder(e.trial, e.spec.key)
        (home / EVALUATION).write_text(e.model_dump_json())
        (home / "md").mkdir()
        (home / "md" / "log.lammps").write_text("bulky")
    spec = run.evaluations[0].spec.model_copy(update={"crystal_A": 5.0})
    write_structure(
        build_bicrystal(spec, 13.1),
        folder.trial_folder(0, run.evaluations[0].spec.key) / "start.extxyz",
    )
    return CampaignView.of(path)


@pytest.mark.parametrize(
    ("suffix", "kind"), [("cif", "cif"), ("data", "lammps-data"), ("extxyz", "extxyz")]
)
def test_structures_are_read_by_others(suffix, kind, campaign, tmp_path):
    chosen = exports.best_trials(campaign, 1)
    assert [e.trial for e in chosen] == [0, 3]
    (file,) = exports.write_structures(campaign, chosen, tmp_path / "out", suffix)
    atoms, record = (
        ase.io.read(file, format=kind),
        ase.io.read(next(campaign.path.glob("trials/0000-*/start.extxyz"))),
    )
    assert atoms.get_chemical_formula() == record.get_chemical_formula()
    if suffix == "data":
        assert "Atom Type Labels\n\n1 Li\n2 La\n" in file.read_text()
        assert sum(atoms.get_initial_charges()) == 0
    if suffix != "extxyz":
        built = json.loads(file.with_name(file.name + ".json").read_text())
        assert built["provenance"]


def test_trials_without_structures_are_refused(campaign, tmp_path):
    with pytest.raises(RunFolderError, match="no structure"):
        exports.write_structures(campaign, exports.trials(campaign, [1]), tmp_path, "cif")
    with pytest.raises(RunFolderError, match="no finished trial 99"):
        exports.trials(campaign, [99])


def test_the_table_holds_every_number(campaign, tmp_path):
    rows = number_table(campaign.evaluations)
    exports.write_table(rows, tmp_path / "t.csv")
    exports.write_table(rows, tmp_path / "t.json")
    with (tmp_path / "t.csv").open() as handle:
        found = list(csv.DictReader(handle))
    assert json.loads((tmp_path / "t.json").read_text()) == rows
    first = campaign.evaluations[0]
    assert float(found[0]["gb_resistivity"]) == first.observables["gb_resistivity"].value
    assert float(found[0]["gb_resistivity_err"]) == first.observables["gb_resistivity"].std_err
    assert found[4]["log10_objective_bound"] == "lower"
    assert found[2]["cause"] == "the cell blew up"
    with pytest.raises(RunFolderError, match="no evaluation has finished"):
        exports.write_table(number_table(view().evaluations), tmp_path / "none.csv")


def test_parquet_is_written_or_refused_in_one_sentence(campaign, tmp_path):
    rows = number_table(campaign.evaluations)
    target = tmp_path / "t.parquet"
    if find_spec("pyarrow") is None or find_spec("pandas") is None:
        with pytest.raises(EnvironmentProblem, match="is not installed") as caught:
            exports.write_table(rows, target)
        assert "--format csv" in caught.value.hint
    else:
        exports.write_table(rows, target)
        assert len(import_module("pandas").read_parquet(target)) == len(rows)


def test_figures_keep_their_letters_and_bring_their_numbers(campaign, tmp_path):
    files = write_figures(campaign, tmp_path, "svg")
    names = {f.name for f in files}
    assert {f"small-{k}.svg" for k in ("convergence", "geometry", "LER", "OVC", "profiles")} < names
    assert len(files) == 10
    assert "misorientation / deg" in (tmp_path / "small-geometry.svg").read_text()
    with (tmp_path / "small-geometry.csv").open() as handle:
        assert len(list(csv.DictReader(handle))) == 6
    with pytest.raises(RunFolderError, match="nothing to draw"):
        write_figures(view(), tmp_path, "pdf")


def test_the_bundle_is_a_crate_and_a_run_folder(campaign, tmp_path):
    target = tmp_path / "out" / "small.zip"
    count = write_bundle(campaign, target, Credit(["Ada L."], "CC-BY-4.0"))
    with zipfile.ZipFile(target) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "mailed")
    assert len(names) == count
    assert not any("/md/" in name for name in names)
    mailed = tmp_path / "mailed"
    assert CampaignView.of(mailed).evaluations == campaign.evaluations
    for line in (mailed / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ", 1)
        assert hashlib.sha256((mailed / name).read_bytes()).hexdigest() == digest
    crate = json.loads((mailed / "ro-crate-metadata.json").read_text())
    entities = {e["@id"]: e for e in crate["@graph"]}
    assert len(entities) == len(crate["@graph"])
    assert entities["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    root = entities["./"]
    assert all(root[key] for key in ("name", "description", "datePublished", "license"))
    assert root["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    parts = {p["@id"] for p in root["hasPart"]}
    assert parts == names - {"ro-crate-metadata.json"}
    assert all(entities[part]["@type"] == "File" for part in parts)
    assert entities["#author-1"]["name"] == "Ada L."


def test_a_crate_without_a_licence_says_so(campaign, tmp_path):
    write_bundle(campaign, tmp_path / "a.zip", Credit())
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        crate = json.loads(archive.read("ro-crate-metadata.json"))
    root = next(e for e in crate["@graph"] if e["@id"] == "./")
    assert root["license"].startswith("No licence was chosen")
