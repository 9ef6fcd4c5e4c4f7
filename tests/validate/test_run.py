"""Checks are done once, failures again, and the command goes on where it was."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from gbopt.cli.app import app
from gbopt.config.sections import RunConfig
from gbopt.errors import AnalysisError
from gbopt.md import stopping
from gbopt.report.standing import standing_rows
from gbopt.store.folders import kind_of
from gbopt.validate import suite as suites
from gbopt.validate.coverage import Coverage, measure_coverage
from gbopt.validate.published import KNOWN
from gbopt.validate.run import left, read_records, result_file, run_checks
from gbopt.validate.suite import suite

ONE = RunConfig(workers=1)


def check_of(estimator, runs):
    (found,) = [
        check
        for check in suite("quick")
        if isinstance(check.spec, Coverage) and check.spec.estimator == estimator
    ]
    return replace(found, spec=replace(found.spec, runs=runs))


def never():
    pytest.fail("no worker died")


@pytest.mark.parametrize(
    ("estimator", "runs"), [("D", 30), ("R slow layer", 12), ("Einstein-Helfand", 60), ("Ea", 1500)]
)
def test_intervals_cover_the_truth(estimator, runs):
    share, mean = measure_coverage(Coverage(estimator=estimator, runs=runs), None).findings
    assert abs(share.ours.value - 0.95) < 3 * share.ours.std_err
    assert abs(mean.ours.value - 1.0) < max(3 * mean.ours.std_err, 0.01)
    assert {share.key, mean.key} <= set(KNOWN)


def test_a_check_is_done_once_and_again_where_it_is_another(tmp_path):
    checks = (check_of("Ea", 50), check_of("Einstein-Helfand", 5))
    run_checks(tmp_path, checks, ONE, never)
    first, _ = read_records(tmp_path, checks)
    assert first.failure is None
    assert first.findings[0].note == "50 runs"
    assert first.provenance.settings_key == checks[0].key
    before = result_file(tmp_path, checks[0]).stat().st_mtime_ns
    run_checks(tmp_path, checks, ONE, never)
    assert result_file(tmp_path, checks[0]).stat().st_mtime_ns == before
    assert left(tmp_path, [check_of("Ea", 60)])
    assert not list((tmp_path / "work").iterdir())


def broken(spec, bench):
    raise AnalysisError("nothing was seen", hint="look again")


def test_a_failure_is_recorded_and_tried_again(tmp_path):
    good = check_of("Ea", 50)
    checks = (replace(good, measure=broken), check_of("Einstein-Helfand", 5))
    run_checks(tmp_path, checks, ONE, never)
    failed, fine = read_records(tmp_path, checks)
    assert (failed.failure.cause, failed.failure.hint) == ("nothing was seen", "look again")
    assert fine.failure is None
    assert left(tmp_path, checks) == [checks[0]]


def test_it_stops_between_runs_when_asked(tmp_path):
    stopping.watch(tmp_path)
    stopping.ask(tmp_path, now=True, by="a test")
    try:
        with pytest.raises(KeyboardInterrupt):
            run_checks(tmp_path, (check_of("Ea", 50),), ONE, never)
    finally:
        stopping.watch(None)
    assert not read_records(tmp_path, (check_of("Ea", 50),))


def test_tiers_include_those_before_them_and_fit_their_time():
    quick, standard, full = (suite(tier) for tier in ("quick", "standard", "full"))
    assert set(quick) < set(standard) < set(full)
    assert len({check.file_name for check in full}) == len(full)
    assert sum(check.cpu_s for check in quick) <= 600
    assert sum(check.cpu_s for check in standard) <= 2 * 3600
    given = set(suite("full", "llzo-buckingham-c")) - set(full)
    assert {check.tier for check in given} == {"quick", "standard", "full"}


def gbopt(*arguments):
    return CliRunner().invoke(app, ["validate", *map(str, arguments)])


def test_the_command_prints_writes_and_goes_on(tmp_path, monkeypatch):
    cheap = (check_of("Ea", 200),)
    monkeypatch.setattr(suites, "suite", lambda tier, potential: cheap)
    out = tmp_path / "v"
    shown = gbopt("--out", out, "-j", 1)
    assert shown.exit_code == 0, shown.output
    assert "2 quantities test gbopt" in " ".join(shown.output.split())
    assert (out / "validation.html").exists()
    again = gbopt("--out", out, "--format", "json")
    whole = json.loads(again.stdout)
    assert [row["apart_in"] for row in whole["table"]] == ["error", "error"]
    rows = gbopt("--out", out, "--format", "csv").stdout.splitlines()
    assert rows[0].startswith("section,quantity,value,std_err")
    assert len(rows) == 3
    rows = {row["item"]: row["value"] for row in standing_rows(out, kind_of(out))}
    assert rows["state"] == f"interrupted: `gbopt validate --tier quick --out {out}` continues it"
    assert rows["checks"] == f"0 of {len(suite('quick'))} ended (0 ok, 0 failed)"


def test_an_unknown_potential_is_refused_before_anything_is_run(tmp_path):
    found = gbopt("--out", tmp_path / "v", "--potential", "no-such-file.toml")
    assert isinstance(found.exception, Exception)
    assert "no-such-file.toml" in str(found.exception)
    assert not (tmp_path / "v").exists()
