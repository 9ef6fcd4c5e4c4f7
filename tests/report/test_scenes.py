"""What is shown in space: all ions in their places, and Li where it was."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json

import numpy as np
import pytest

from gbopt.analysis.li_density import Density
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.files import write_structure
from gbopt.report.html import write_report
from gbopt.report.scenes import densest, density_scene, sides, structure_scene
from gbopt.report.trends import trend
from gbopt.store.rundir import EVALUATION

from .factory import finished, view
from .test_html import Page

SHAPE = 16, 48, 52
"""Voxels of 0.8 A."""


def with_structure(e, folder, li_at=None):
    """Write a small structure of an evaluation, and Li that was in one voxel alone."""
    structure = build_bicrystal(e.spec.model_copy(update={"crystal_A": 5.0}), 13.1)
    folder.mkdir(parents=True, exist_ok=True)
    write_structure(structure, folder / "final.extxyz")
    (folder / EVALUATION).write_text(e.model_dump_json())
    counts = np.zeros(SHAPE, dtype=np.uint32)
    counts[li_at or (0, 0, 0)] = 70
    np.savez(folder / "li_density.npz", counts=counts, cell_A=structure.cell, frames=np.array(7))
    return structure


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("scenes")
    artifacts = {"final": "final.extxyz", "li_density": "li_density.npz"}
    trials = [
        e.model_copy(update={"artifacts": artifacts})
        for e in (finished(0, 0.4), finished(1, 0.7, plane=1), finished(2, 1.4, plane=2))
    ]
    for e in trials:
        with_structure(e, path / "trials" / f"{e.trial:04d}-{e.spec.key}", (10, 5, 15))
    return view(*trials, path=path)


def points(scene):
    return list(csv.DictReader(io.StringIO(scene.csv)))


def test_the_best_stands_beside_the_worst(run):
    shown = sides(run)
    assert [(s.role, s.evaluation.trial) for s in shown] == [("best", 0), ("worst", 2)]
    scene = structure_scene(shown)
    structure = build_bicrystal(
        shown[0].evaluation.spec.model_copy(update={"crystal_A": 5.0}), 13.1
    )
    rows = [r for r in points(scene) if r["of"] == "best"]
    assert len(rows) == structure.n_ions
    assert sum(r["element"] == "La" for r in rows) == structure.counts["La"]
    assert [int(r["grain"]) - 1 for r in rows] == structure.grain.tolist()
    assert [r["core"] == "1" for r in rows] == structure.core.tolist()
    written = np.array([[float(r[f"{axis}_A"]) for axis in "xyz"] for r in rows])
    assert np.abs(written - structure.positions).max() < 0.006
    data = json.loads(scene.frames[0].data)
    assert (data["planes"], data["half_A"]) == ([0.0, 30.0], 7.0)
    assert scene.elements == ("La", "Zr", "O", "Li")
    assert "ions" in scene.frames[0].said
    assert "boundary planes at 0.0 and 30.0 A" in scene.frames[0].said


def test_lithium_is_shown_where_it_was(run):
    scene = density_scene(sides(run))
    rows = [r for r in points(scene) if r["of"] == "best"]
    cell = np.array(json.loads(scene.frames[0].data)["cell"])
    found = np.array([[float(r[f"{axis}_A"]) for axis in "xyz"] for r in rows])
    assert np.abs(found[0] - np.array([10.5, 5.5, 15.5]) / SHAPE @ cell).max() < 0.06
    densities = [float(r["li_per_A3"]) for r in rows]
    assert densities == sorted(densities, reverse=True)
    volume_A3 = abs(np.linalg.det(cell)) / np.prod(SHAPE)
    assert sum(densities) * volume_A3 == pytest.approx(0.8 * 10, rel=0.1)


def test_what_is_packed_is_the_csv(run):
    scene = structure_scene(sides(run))
    assert gzip.decompress(base64.b64decode(scene.packed)).decode() == scene.csv


def test_of_too_many_places_a_slice_is_shown():
    even = np.ones((20, 60, 60), dtype=np.float32)
    positions, values, depth_A = densest(Density(even, even, np.diag([10.0, 30.0, 30.0])))
    assert len(positions) == len(values) == 6 * 3600
    assert depth_A == 3.0
    assert positions[:, 0].max() < 3.0


def test_a_confirmation_brings_its_reference(run, tmp_path):
    moved = view(*run.evaluations, path=tmp_path)
    for name in ("b-1100K-0", "r-1100K-0"):
        with_structure(finished(0), tmp_path / "confirm" / name)
    record = {"runs": [1], "ladders": [1], "findings": ["so"]}
    record |= {"shown": {"best": "b-1100K-0", "reference": "../confirm/r-1100K-0"}}
    (tmp_path / "confirm.json").write_text(json.dumps(record))
    assert [s.role for s in sides(moved)] == ["best", "reference"]
    (tmp_path / "confirm" / "r-1100K-0" / "final.extxyz").unlink()
    assert sides(view(*run.evaluations, path=tmp_path)) == ()


def test_the_page_draws_it_by_itself(run, tmp_path):
    write_report(run, tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    scenes = [a for a in page.of("figure") if "data-scene" in a]
    assert [a["data-scene"] for a in scenes] == ["structure", "li-density"]
    drawn = page.of("canvas")
    assert len(drawn) == 4
    assert all(a["tabindex"] == "0" and len(a["aria-label"]) > 80 for a in drawn)
    assert all("src" not in a for _, a in page.tags)
    assert all(a["aria-label"] for a in page.of("button"))
    assert {"small-structure.csv", "small-li-density.csv"} <= {a["download"] for a in page.of("a")}


def test_without_files_there_is_nothing_to_show():
    assert structure_scene(sides(view(finished(0)))) is None
    assert density_scene(()) is None


def test_a_trend_is_the_line_that_was_put_in():
    # LER is 1 + 0.01 i.
    trials = [finished(i, 0.3 + 5.0 * 0.01 * i, 0.02, plane=i) for i in range(5)]
    found = trend(view(*trials), "LER")
    first, last = found.rows[0], found.rows[-1]
    slope = (last["log10_objective"] - first["log10_objective"]) / (last["LER"] - first["LER"])
    assert slope == pytest.approx(5.0)
    assert first["low"] <= first["log10_objective"] <= first["high"]
    assert "+5 decades per unit" in found.sentence
    assert trend(view(finished(0)), "OVC").rows == []
