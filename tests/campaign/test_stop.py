"""Limits of time, and stopping a campaign from outside: real runs through the command line."""

import json
import os
import shutil
import signal
import time
from datetime import datetime

import pytest

from gbopt.campaign.deadline import Deadline, Moment, at_clock, at_walltime
from gbopt.campaign.relay import attended, relayed
from gbopt.cli.launch import limit
from gbopt.errors import ConfigError
from gbopt.md import stopping
from tests.campaign.harness import (
    evaluations,
    events,
    gbopt,
    gone,
    md_children,
    progress,
    start,
    wait_for,
)


@pytest.mark.parametrize(
    ("clock", "expected"),
    [("08:00", (2026, 3, 2, 8, 0)), ("23:30", (2026, 3, 1, 23, 30)), ("9:05", (2026, 3, 2, 9, 5))],
)
def test_a_time_of_day_is_the_next_one(clock, expected):
    now = datetime(2026, 3, 1, 22, 15, 30)
    assert at_clock(clock, now).at_s == datetime(*expected).timestamp()
    assert clock.rjust(5, "0") in at_clock(clock, now).reason


@pytest.mark.parametrize("clock", ["24:00", "8", "12:60", "noon", ""])
def test_what_is_no_time_of_day_is_refused(clock):
    with pytest.raises(ConfigError, match="no time of day"):
        at_clock(clock)


def test_both_a_time_of_day_and_the_end_of_a_job_count(monkeypatch):
    """Whichever comes first: an evaluation begun before the first may run into the second."""
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_JOB_END_TIME", f"{time.time() + 7200:.0f}")
    both = limit(1.5, None, walltime=True)
    assert both.reached() is None
    assert both.reached(2.5 * 3600) == "the end of job 7 is near"
    assert both._replace(start=Moment(time.time() - 1, "it is late")).reached() == "it is late"
    assert limit(2.0, "00:00").start.at_s <= time.time() + 7200
    assert limit(None, None) == Deadline()
    assert limit(None, None).reached(1e9) is None


def test_stop_finishes_what_runs_and_resume_goes_on(tiny, tmp_path):
    run = tmp_path / "run"
    process = start("run", tiny(evaluations=3, nvt_ps=1.0), "--out", run)
    wait_for(lambda: progress(run, 0, "nvt"), process)
    asked = gbopt("stop", run)
    assert asked.returncode == 0, asked.stderr
    assert "nothing is begun after it" in asked.stdout
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert "stopped: asked to stop by `gbopt stop` of " in output
    assert sorted(evaluations(run)) == [0]
    assert "asked to stop" in gbopt("status", run).stdout

    limited = gbopt("resume", run, "--max-hours", 0, "--until", "00:00")
    assert limited.returncode == 0, limited.stdout + limited.stderr
    assert "begins no evaluation after " in limited.stdout
    assert "stopped: the time limit of 0 h was reached" in limited.stdout
    assert events(run, "stopped")[-1]["reason"] == "the time limit of 0 h was reached"
    assert not (run / "stop.json").exists()
    assert sorted(evaluations(run)) == [0]

    process = start("resume", run)
    wait_for(lambda: progress(run, 1, "nvt"), process)
    children = md_children(process)
    assert gbopt("stop", run, "--now").returncode == 0
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert output.rstrip().endswith(f"resume with: gbopt resume {run}")
    assert gone(children)
    assert sorted(evaluations(run)) == [0]
    assert "--now" in events(run, "interrupted")[-1]["by"]
    assert json.loads((run / "stop.json").read_text())["now"] is True
    again = gbopt("stop", run)
    assert "nothing on this machine runs" in again.stdout


def test_stop_and_limits_refuse_what_makes_no_sense(tmp_path):
    refused = gbopt("stop", tmp_path)
    assert refused.returncode == 1
    assert "not a run folder" in refused.stderr
    refused = gbopt("resume", tmp_path, "--until", "25:00")
    assert refused.returncode == 1
    assert "HH:MM" in refused.stderr


def test_the_end_of_a_job_is_no_moment_to_begin():
    end_s = time.time() + 600
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": f"{end_s:.0f}"}
    near = at_walltime(job)
    assert end_s - 61 <= near.at_s <= end_s - 59
    assert Deadline(end=near).reached(500.0) is None
    assert Deadline(end=near).reached(560.0) == near.reason
    assert Deadline(end=near).reached() is None  # one with checkpoints is gone on with
    assert Deadline(start=near).reached(560.0) is None  # what runs is finished then
    with pytest.raises(ConfigError, match="not a job of SLURM"):
        at_walltime({})


def test_each_process_is_signalled_alone_and_all_are_asked(tmp_path):
    ends = Deadline(end=Moment(time.time() + 1.0, "the job ends"))
    with attended(), relayed(tmp_path, ends):
        assert stopping.request(afresh=True) is None
        stopping.ask(tmp_path, now=False, by="somebody")
        time.sleep(0.8)
        assert stopping.request(afresh=True).by == "somebody"
        assert stopping.asked_to_end() is None
        time.sleep(1.2)
        assert stopping.request(afresh=True).by == "the job ends"
        with pytest.raises(stopping.Stopped):
            stopping.heed()
    with attended(), relayed(tmp_path):
        shutil.rmtree(stopping.watched())  # by a system that tidies /tmp
        stopping.ask(tmp_path, now=True, by="somebody else")
        time.sleep(1.2)
        assert stopping.request(afresh=True).by == "somebody else"
    with attended(), relayed(tmp_path / "other"):
        shutil.rmtree(stopping.watched())
        os.kill(os.getpid(), signal.SIGUSR1)
        assert stopping.request(afresh=True).by == "SIGUSR1"
    assert stopping.read(tmp_path).by == "somebody else"
