from __future__ import annotations

import subprocess
import sys

import pytest

from gbopt.model.observables import QUANTITIES
from gbopt.report import health, sections, series, tables
from gbopt.report.boundaries import boundaries, scatter
from gbopt.report.search import insights

from . import factory
from .factory import failed, finished, mixed, view

CAMPAIGNS = {
    "empty": lambda: view(with_bulk=False),
    "failures": lambda: view(failed(0), failed(1, plane=1)),
    "mixed": mixed,
}


@pytest.mark.parametrize("campaign", CAMPAIGNS.values(), ids=CAMPAIGNS)
def test_every_row_of_a_list_has_the_same_keys(campaign):
    run = campaign()
    lists = [
        function(run)
        for function in (
            tables.status_rows,
            tables.trace_rows,
            tables.failure_rows,
            sections.settings_rows,
            sections.best_rows,
            health.flag_rows,
            sections.bulk_rows,
            sections.provenance_rows,
            series.convergence,
            series.landscape,
        )
    ]
    lists += [tables.trial_rows(e) for e in run.evaluations] + [sections.definition_rows()]
    for rows in lists:
        assert len({tuple(row) for row in rows}) <= 1
    assert [row["trial"] for row in tables.trace_rows(run)] == [e.trial for e in run.evaluations]


def values(rows):
    return {row["item"]: row["value"] for row in rows}


def test_status_of_a_campaign_in_progress():
    report = {"trial": 7, "label": "Sigma5", "stage": "npt", "step": 1, "steps": 4}
    status = values(tables.status_rows(mixed(running=(report,), is_running=True)))
    assert status["evaluations"] == "7 of 8 (5 ok, 1 suspect, 1 failed)"
    assert status["state"] == "running"
    assert status["trial 7"] == "Sigma5: npt 25 %"
    assert "1.00(7) ohm cm" in status["bulk reference"]
    assert status["best so far"].startswith("Sigma17 (530)[001] 28.07 deg w3: expected log10(GB")
    assert status["best so far"].endswith("trials 0, 3")


def test_status_of_others():
    assert values(tables.status_rows(view(stopped="budget")))["state"] == "stopped: budget"
    empty = values(tables.status_rows(view(with_bulk=False)))
    assert empty["state"] == "interrupted: `gbopt resume runs/small` continues it"
    assert (empty["best so far"], empty["bulk reference"]) == ("none yet", "not there yet")


def test_trace_is_rounded_to_the_errors():
    row = tables.trace_rows(mixed())[4]
    assert row["log10_objective"] == ">= 1.10(5)"
    assert row["LER"] == "1.040(2)"
    assert (row["ions"], row["minutes"]) == (2496, 5.5)
    suspect = tables.trace_rows(mixed())[1]
    assert (suspect["status"], suspect["flags"]) == (
        "suspect",
        "core_hops (fail), equilibrated",
    )
    assert tables.trace_rows(mixed())[2]["log10_objective"] is None


def test_a_trial_in_full():
    rows = {row["quantity"]: row for row in tables.trial_rows(finished(1, flags={"x": "warn"}))}
    assert rows["GB resistivity"]["boundary 1"] == rows["GB resistivity"]["value"] == "3.2(4)"
    assert rows["O-vacancy descriptor"]["method"] == "measured"
    assert rows["check x"]["value"] == "warn: about x"
    assert (rows["temperature"]["value"], rows["temperature"]["unit"]) == (1100.0, "K")
    assert rows["oxide units removed"]["value"] == "2 Li2O"
    assert rows["seed"]["value"] == 1


def test_a_failure_is_told_with_its_log():
    run = view(failed(0))
    assert tables.failure_rows(run)[0]["cause"] == "the cell blew up"
    text = tables.failure_text(run.evaluations[0].failure)
    assert text.splitlines()[0] == "stage: npt"
    assert text.endswith("ERROR: lost ions")


def test_seeds_that_differ_beyond_their_errors_are_told():
    groups = boundaries(view(finished(0, 0.4, 0.1), finished(1, 0.8, 0.1)))
    assert scatter(groups) == (pytest.approx(8.0), 1)
    assert scatter(boundaries(view(finished(0)))) is None


def test_ranking_marks_the_recommended_and_puts_lower_bounds_last():
    rows = sections.best_rows(mixed())
    assert rows[0]["recommended"] == "yes"
    assert rows[0]["trials"] == "0, 3"
    assert rows[-1]["log10_objective"] == ">= 1.10(5)"


def test_health_names_edges_and_scatter():
    items = {item.name: item for item in health.card(mixed(), insights(mixed(), 1))}
    assert "largest misorientation and the largest width" in items["Best inside the space"].found
    assert "chi² per degree of freedom 0.32 (1 in all)" in items["Seeds agree"].found
    assert {name: item.level for name, item in items.items()} == {
        "Checks of the best boundary": "fine",
        "Equilibrated": "look",
        "Seeds agree": "fine",
        "Best inside the space": "look",
        "Model honest": "unknown",
        "Evaluations succeed": "fine",
    }
    bare = health.card(view(), insights(view(), 1))
    assert {item.level for item in bare} == {"unknown"}
    hops = next(r for r in health.flag_rows(mixed()) if r["check"] == "core_hops")
    assert (hops["ok"], hops["fail"], hops["message"]) == (5, 1, "about core_hops")


def test_health_is_not_good_where_it_is_not():
    flags = {"core_hops": "fail", "equilibrated": "warn"}
    bad = view(
        finished(0, 0.4, 0.02, flags=flags),
        finished(1, 0.6, 0.02, flags=flags),
        finished(2, 0.5, 0.02, flags=flags),
        failed(3, plane=1),
    )
    levels = {item.name: item.level for item in health.card(bad, insights(bad, 1))}
    assert levels["Checks of the best boundary"] == "distrust"
    assert levels["Equilibrated"] == "look"
    assert levels["Seeds agree"] == "distrust"
    assert levels["Evaluations succeed"] == "look"


def test_provenance_shows_a_change_of_versions():
    other = finished(1)
    changed = other.provenance.model_copy(update={"packages": {"numpy": "3"}})
    run = view(finished(0), other.model_copy(update={"provenance": changed}))
    assert values(sections.provenance_rows(run))["numpy"] == "2; 3"


def test_every_quantity_is_defined():
    assert len(sections.definition_rows()) == len(QUANTITIES)


def test_lower_bounds_do_not_lower_the_running_best():
    rows = series.convergence(view(finished(0, 0.9), finished(1, 0.2, plane=1, bound="lower")))
    assert [r["lowest_so_far"] for r in rows] == [0.9, 0.9]
    assert [r["phase"] for r in series.convergence(mixed())][:3] == ["initial"] * 2 + ["search"]


def test_profiles_keep_both_boundaries_inside(tmp_path):
    run = mixed(path=tmp_path)
    factory.write_profiles(run)
    chosen = series.profiled(run)
    rows = series.profiles(run, chosen)
    distances = [row["distance_A"] for row in rows]
    assert distances == sorted(distances)
    assert (distances[0], distances[-1]) == (-14.0, 44.0)
    assert rows[0]["z_A"] == 46.0
    assert rows[0]["LaZr_per_A3"] == pytest.approx(0.04)
    assert rows[0]["LaZr_err"] == pytest.approx(0.001 * 2**0.5, rel=1e-4)


def test_tables_do_not_load_plotly():
    code = "import sys, gbopt.report.tables; sys.exit('plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
