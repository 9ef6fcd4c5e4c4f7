from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pytest

from gbopt.campaign.space import GBSpace
from gbopt.config import to_toml
from gbopt.model.evaluation import Evaluation
from gbopt.model.observables import QUANTITIES
from gbopt.report import sections
from gbopt.report.html import write_report
from gbopt.report.influence import Findings, findings
from gbopt.report.series import csv_text
from gbopt.store.rundir import EVALUATION, RunFolder
from tests.campaign.harness import gbopt

from .factory import config, estimate, finished, mixed, view
from .test_html import FIGURES, Page

GEOMETRY = {
    "misorientation_deg": (5, 30),
    "width_layers": (2, 4),
    "crystal_A": 14.0,
    "max_ions": 8000,
}
SPACE = GBSpace(config(geometry=GEOMETRY))


def evaluation(trial: int, params: dict[str, Any], rng: np.random.Generator) -> Evaluation:
    """A boundary whose value rises with its width by 0.2 and falls with LER by 2 decades."""
    ler, ovc = 1 + 0.1 * rng.random(), 0.05 + 0.02 * rng.random()
    value = 0.2 * params["width_layers"] - 2.0 * (ler - 1) + 0.03 * rng.normal()
    blank = finished(trial, value, 0.02)
    observables = blank.observables | {
        "li_enrichment_ratio": estimate(ler, 0.002),
        "o_vacancy_fraction": estimate(ovc, 0.0005),
        "boundary_width": estimate(5.0 + 3 * rng.random(), 0.1, "A"),
    }
    changes = {"params": params, "spec": SPACE.spec(params, trial), "observables": observables}
    return blank.model_copy(update=changes)


def evaluations(boundaries: int, replicated: int = 0) -> list[Evaluation]:
    rng = np.random.default_rng(5)
    points = SPACE.search_space.candidates
    chosen = [points[i] for i in rng.permutation(len(points))[:boundaries]]
    return [
        evaluation(trial, params, rng)
        for trial, params in enumerate([*chosen, *chosen[:replicated]])
    ]


@pytest.fixture(scope="module")
def run():
    return view(*evaluations(24, 4), geometry=GEOMETRY)


@pytest.fixture(scope="module")
def found(run) -> Findings:
    return findings(run)


def test_the_columns_that_matter_are_found(found):
    rows = {row["column"]: row for row in found.rows}
    assert list(rows) == [
        "misorientation_deg",
        "width_layers",
        "mean_plane=110",
        "li_enrichment_ratio",
        "o_vacancy_fraction",
        "boundary_width",
    ]
    for name, truth in (("width_layers", 0.2), ("li_enrichment_ratio", -2.0)):
        row = rows.pop(name)
        assert row["coefficient_low"] < truth < row["coefficient_high"]
        assert row["p_holm"] < 0.01
        assert np.sign(row["partial_rho"]) == np.sign(truth)
        assert row["joint_importance"] > 2 * row["joint_importance_std_err"]
    assert all(row["p_holm"] > 0.05 for row in rows.values())
    assert rows["o_vacancy_fraction"]["importance"] is None
    assert rows["mean_plane=110"]["importance"] is not None


def test_replicates_are_not_counted_as_boundaries(found):
    assert (len(found.evaluations), found.boundaries) == (28, 24)
    assert found.regression.points == 28
    assert found.regression.dof == 24 - 6 - 1
    assert all(effect.rank.points == 24 for effect in found.effects)
    assert found.seeds.dof == 4


def test_partial_dependence_of_what_was_set_and_what_came_out(found):
    rows = found.dependence_rows
    names = list(dict.fromkeys(row["variable"] for row in rows))
    assert names == [
        "misorientation_deg",
        "width_layers",
        "mean_plane",
        "li_enrichment_ratio",
        "o_vacancy_fraction",
        "boundary_width",
    ]
    width = [r["log10_objective"] for r in rows if r["variable"] == "width_layers"]
    assert np.diff(width) == pytest.approx([0.2, 0.2], abs=0.08)
    ler = [r["log10_objective"] for r in rows if r["variable"] == "li_enrichment_ratio"]
    assert ler[-1] - ler[0] == pytest.approx(-0.2, abs=0.06)


def test_everything_is_plain_json_and_csv(found):
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["joint_skill"] > 0.5
    (first, *_) = csv.DictReader(io.StringIO(csv_text(found.rows)))
    assert float(first["coefficient"]) == found.rows[0]["coefficient"]
    assert len({tuple(row) for row in sections.effect_rows(found)}) == 1


def test_the_notes_say_what_is_clear_of_chance(run, found):
    notes = " ".join(sections.effect_notes(run, found))
    assert "28 evaluations of 24 boundaries" in notes
    clear = next(note for note in sections.effect_notes(run, found) if "Clear of chance" in note)
    assert "width layers (+0." in clear
    assert "Li enrichment ratio (-0." in clear
    assert "O-vacancy" not in clear
    assert "association, not effect" in notes
    assert "Other seeds of one geometry differ by" in notes
    assert "nominal width" in notes


def test_what_cannot_be_used_is_left_out_and_said():
    bounded = [finished(90, 1.0, bound="lower"), finished(91, 1.0, plane=1, bound="upper")]
    run = view(*evaluations(12), *bounded, geometry=GEOMETRY)
    found = findings(run)
    assert found.boundaries == 12
    notes = " ".join(sections.effect_notes(run, found))
    assert "as bounds or without an error bar: 2." in notes
    plain = [e.model_copy(update={"observables": {}}) for e in evaluations(12)]
    run = view(*plain, geometry=GEOMETRY)
    bare = findings(run)
    assert bare.structure is None
    assert [effect.kind for effect in bare.effects] == ["geometry"] * 3
    notes = " ".join(sections.effect_notes(run, bare))
    assert "Li enrichment ratio is not known of all" in notes
    assert "association" not in notes


def test_a_noisy_column_is_named():
    def blurred(e: Evaluation) -> Evaluation:
        ler = e.observables["li_enrichment_ratio"].model_copy(update={"std_err": 0.05})
        return e.model_copy(update={"observables": e.observables | {"li_enrichment_ratio": ler}})

    run = view(*(blurred(e) for e in evaluations(12)), geometry=GEOMETRY)
    notes = " ".join(sections.effect_notes(run, findings(run)))
    assert "Much of the Li enrichment ratio is measurement error" in notes


@pytest.mark.parametrize("few", [view(), mixed(), view(*evaluations(7), geometry=GEOMETRY)])
def test_too_few_evaluations_are_said_in_one_sentence(few):
    found = findings(few)
    assert (found.rows, found.dependence_rows) == ([], [])
    (note,) = sections.effect_notes(few, found)
    assert "from 8 boundaries with resolved values on" in note


def test_ranks_and_curves_before_the_regression():
    run = view(*evaluations(8), geometry=GEOMETRY)
    found = findings(run)
    assert found.regression is None
    assert all(row["coefficient"] is None and row["rho"] is not None for row in found.rows)
    assert sections.effect_notes(run, found)[0].startswith("No regression yet: a regression on 6")
    assert found.dependence_rows


def test_the_page_shows_it(run, tmp_path):
    write_report(run, tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    text = " ".join(page.text)
    assert "What makes a boundary resist" in text
    assert QUANTITIES["o_vacancy_fraction"].label in text
    shown = {a["download"] for a in page.of("a")}
    learnt = {"effects", "dependence", "calibration", "interactions"}
    figures = FIGURES - {"profiles"} | learnt
    assert shown == {f"small-{key}.csv" for key in figures}
    plots = [a for a in page.of("div") if a.get("class") == "plot"]
    assert all(a["role"] == "img" and len(a["aria-label"]) > 40 for a in plots)


def test_the_command(tmp_path):
    settings = config(geometry=GEOMETRY)
    folder = RunFolder.create(tmp_path / "run", settings, to_toml(settings))
    some = evaluations(12)
    for e in some[:3]:
        write(folder, e)
    assert gbopt("regress", folder.path).stdout.startswith("What makes a boundary resist can be")
    for e in some[3:]:
        write(folder, e)
    table = gbopt("regress", folder.path)
    assert table.returncode == 0, table.stderr
    assert "Li enrichment ratio" in table.stdout
    assert "Clear of chance" in table.stdout
    record = json.loads(gbopt("regress", folder.path, "--format", "json").stdout)
    assert record["regression"]["points"] == 12
    comma = gbopt("regress", folder.path, "--format", "csv").stdout
    assert [row["column"] for row in csv.DictReader(io.StringIO(comma))] == [
        row["column"] for row in record["columns"]
    ]


def write(folder: RunFolder, e: Evaluation) -> None:
    file = folder.trial_folder(e.trial, e.spec.key) / EVALUATION
    file.parent.mkdir(parents=True)
    file.write_text(e.model_dump_json())
