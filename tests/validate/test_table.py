import json
import math

import pytest

from gbopt.model.evaluation import Failure
from gbopt.model.observables import Estimate
from gbopt.provenance import make_provenance
from gbopt.report.validation import write_validation
from gbopt.validate.findings import Finding, Known, Record, agreement
from gbopt.validate.table import lines, printed_rows, rows, summary


def estimate(value, std_err=0.0, bound=None):
    return Estimate(value=value, std_err=std_err, unit="A", n_eff=5, method="by hand", bound=bound)


def record(*findings, tier="quick", failure=None):
    return Record(
        check="by hand",
        section="Lattice",
        tier=tier,
        findings=findings,
        failure=failure,
        cpu_s=1.0,
        seconds=1.0,
        provenance=make_provenance(
            engine="none",
            engine_settings={},
            potential_key="abc",
            settings_key="def",
            seed=1,
            started_utc="2026-01-01T00:00:00+00:00",
            finished_utc="2026-01-01T00:00:01+00:00",
        ),
    )


def finding(key, value, std_err=0.0, quantity="", bound=None):
    ours = estimate(value, std_err, bound)
    return Finding(key=key, quantity=quantity or key, ours=ours, note="192 ions")


def test_two_errors_add_in_squares():
    found = agreement(estimate(13.0, 0.3), Known(14.0, 14.0, "them", "gbopt", std_err=0.4))
    assert (found.by, found.off, found.agrees) == ("error", pytest.approx(2.0), True)
    assert agreement(estimate(12.99, 0.3), Known(14.0, 14.0, "them", "gbopt", 0.4)).agrees is False


@pytest.mark.parametrize(("value", "off"), [(0.5, 2.0), (1.0, 0.0), (1.7, 0.0), (2.5, 2.0)])
def test_a_range_is_left_at_its_ends(value, off):
    assert agreement(estimate(value, 0.25), Known(1.0, 2.0, "them", "gbopt")).off == pytest.approx(
        off
    )


def test_an_open_range_has_one_end():
    below = Known(-math.inf, 1.0, "them", "gbopt")
    assert agreement(estimate(-5.0, 0.1), below).off == 0
    assert agreement(estimate(1.3, 0.1), below).off == pytest.approx(3.0)
    assert below.text == "below 1"


def test_an_allowance_judges_what_has_no_error():
    known = Known(13.134, 13.134, "them", "gbopt", std_err=0.004, allowance=0.05)
    for value, agrees in ((13.180, True), (13.190, False)):
        found = agreement(estimate(value), known)
        assert (found.by, found.agrees) == ("allowance", agrees)


def test_a_bound_is_contradicted_from_one_side_alone():
    known = Known(5.0, 5.0, "them", "gbopt")
    assert agreement(estimate(6.0, 0.1, "upper"), known).by == "bound"
    assert agreement(estimate(4.0, 0.1, "upper"), known).off == pytest.approx(10.0)
    assert agreement(estimate(4.0, 0.1, "lower"), known).agrees is None


def test_nothing_is_judged_without_a_reference_or_any_error():
    assert agreement(estimate(1.0, 0.1), None).agrees is None
    assert agreement(estimate(1.0), Known(1.0, 1.0, "them", "gbopt")).agrees is None


RECORDS = [
    record(
        finding("a 0 K/set C", 13.136),
        finding("a 0 K/CIP", 13.44),
        finding("D 1100 K/CIP/101 %", 2.5e-5, 0.2e-5, "D"),
        finding("Ea/CIP/101 %", 0.16, 0.01),
        finding("strain 85 %/CIP", 0.5, 0.1),
    ),
    record(finding("D 1100 K/CIP/101 %", 2.85e-5, 0.02e-5, "D"), tier="standard"),
    record(finding("D 1100 K/CIP/101 %", 3.3e-5, 0.1e-5, "D"), tier="standard"),
]


def test_the_table_has_each_quantity_once_from_the_longest_tier():
    found = {line.finding.quantity: line for line in lines(RECORDS)}
    assert len(found) == 5
    assert found["D"].finding.ours.value == 2.85e-5
    assert found["D"].record.tier == "standard"
    assert found["D"].agreement.off == pytest.approx(1.5)
    verdicts = {key: line.verdict for key, line in found.items()}
    assert verdicts == {
        "a 0 K/set C": "agrees",
        "a 0 K/CIP": "differs (explained)",
        "D": "agrees",
        "Ea/CIP/101 %": "differs",
        "strain 85 %/CIP": "no reference",
    }
    assert "7-10 % too large" in found["a 0 K/CIP"].remark
    assert "Explained in part" in found["Ea/CIP/101 %"].remark


def test_the_summary_counts_and_names_what_is_not_explained():
    failed = record(
        failure=Failure(stage="nvt", cause="it blew up", hint="shorter steps", log_tail="")
    )
    told = summary(lines(RECORDS), [*RECORDS, failed])
    assert told[0].startswith("2 quantities test gbopt, ")
    assert told[0].endswith(
        ": 1 of 2 agree within two standard errors (1 differ without an explanation)."
    )
    assert told[1].startswith("2 quantities test a potential, ")
    assert told[1].endswith(
        ": 1 of 2 agree within their allowance (1 differ as explained in the table)."
    )
    assert told[2].startswith("1 have no reference")
    assert "it blew up (shorter steps)" in told[3]


def test_rows_are_numbers_for_programs_and_text_for_readers():
    found = lines(RECORDS)
    row = next(r for r in rows(found) if r["quantity"] == "Ea/CIP/101 %")
    assert (row["value"], row["reference_low"], row["apart_in"]) == (0.16, 0.29, "error")
    assert row["apart_by"] == pytest.approx(13.0)
    assert (row["potential_key"], row["tests"]) == ("abc", "gbopt")
    printed = next(r for r in printed_rows(found) if r["quantity"] == "D")
    assert printed["ours"] == "2.850(20)e-05 A".replace("2.850(20)", "2.85(2)")


def test_the_files_hold_the_table_and_its_provenance(tmp_path):
    paths = write_validation(tmp_path, "standard", RECORDS)
    assert {path.name for path in paths} == {
        "validation.html",
        "validation.csv",
        "validation.json",
    }
    page = (tmp_path / "validation.html").read_text()
    assert "<script" not in page
    assert "13.0 standard errors" in page
    assert page.count("<td>gbopt</td>") == 2
    assert page.count("<td>potential</td>") == 2
    assert "differs (explained)" in page
    whole = json.loads((tmp_path / "validation.json").read_text())
    assert len(whole["table"]) == 5
    assert whole["checks"][0]["provenance"]["packages"]["numpy"]
