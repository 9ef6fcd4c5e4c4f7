"""Signals to real campaigns: what is saved and said, how soon, and that nothing stays behind."""

import json
import signal
import time

import psutil

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


def descendants(process):
    return psutil.Process(process.pid).children(recursive=True)


def started(tiny, run, stage, workers=1, **changes):
    process = start("run", tiny(workers=workers, **changes), "--out", run)
    wait_for(lambda: progress(run, 0, stage), process)
    return process


def test_a_scheduler_s_signal_reaches_every_process_and_one_answers(tiny, tmp_path):
    run = tmp_path / "run"
    process = started(tiny, run, "production", workers=2, production_ps=8.0)
    below = descendants(process)
    assert len(md_children(process)) >= 1
    before = time.monotonic()
    for one in [*below, psutil.Process(process.pid)]:  # a job of SLURM: all of them
        if one.is_running():
            one.send_signal(signal.SIGUSR1)
    output, _ = process.communicate(timeout=60)
    assert time.monotonic() - before < 30
    assert process.returncode == 138, output
    assert output.rstrip().endswith(f"resume with: gbopt resume {run}")
    assert "Traceback" not in output
    assert gone(below)
    assert not (run / "stop.json").exists()
    assert evaluations(run) == {}  # not one failed trial
    assert events(run, "worker_died") == []


def test_ctrl_c_waits_for_the_checkpoint_that_comes_next(tiny, tmp_path):
    run = tmp_path / "run"
    process = started(tiny, run, "npt", npt_ps=0.4, production_ps=8.0, evaluations=1)
    children = md_children(process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "SIGINT: stopping within" in output
    assert gone(children)
    (checkpoint,) = run.glob("trials/0000-*/md/checkpoint.json")
    assert json.loads(checkpoint.read_text())["stage"] == 4  # the one after npt


def test_a_second_ctrl_c_does_not_wait(tiny, tmp_path):
    run = tmp_path / "run"
    process = started(tiny, run, "nvt", workers=2, nvt_ps=20.0)
    below = descendants(process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    before = time.monotonic()
    output, _ = process.communicate(timeout=60)
    assert time.monotonic() - before < 10
    assert process.returncode == 130, output
    assert gone(below)


def test_a_signal_during_the_bulk_reference_or_a_confirmation(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("GBOPT_CACHE_DIR", str(tmp_path / "cold"))
    run = tmp_path / "run"
    process = start("run", tiny(workers=2, evaluations=1, production_ps=1.2), "--out", run)
    wait_for(lambda: len(md_children(process)) == 2, process)
    below = descendants(process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 143, output
    assert gone(below)
    done = gbopt("resume", run)
    assert done.returncode == 0, done.stdout + done.stderr
    process = start("confirm", run)
    wait_for(lambda: md_children(process), process)
    below = descendants(process)
    process.send_signal(signal.SIGUSR1)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 138, output
    assert "the same command goes on" in output
    assert gone(below)


STUDY = """\
name = "signalled"
question = "Does a study stop when it is signalled?"
seed = 1
cells = 1
[potentials]
c = "llzo-buckingham-c"
[[crystals]]
potentials = ["c"]
[dynamics]
temperatures_K = [1100]
equilibrate_ps = 0.1
production_ps = 100
frame_ps = 0.1
lag_ps = 1
"""


def test_a_signal_to_a_study_waits_for_a_checkpoint_within_a_stage(tmp_path):
    study, folder = tmp_path / "study.toml", tmp_path / "study"
    study.write_text(STUDY)
    process = start("strain", study, "--out", folder)
    wait_for(lambda: list(folder.rglob("md/frames-*.f32")), process)
    below = descendants(process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 143, output
    assert "a started one goes on" in output
    assert gone(below)
    (checkpoint,) = folder.rglob("md/checkpoint.json")
    at = json.loads(checkpoint.read_text())
    assert at["stage"] == 2
    assert at["done"] >= 500
