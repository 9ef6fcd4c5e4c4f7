"""Watching a campaign: in a pipe, and as a terminal would show it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

from rich.console import Console

from gbopt.cli.watch import Watch, screen
from gbopt.config import to_toml
from gbopt.store.progress import ProgressFile
from gbopt.store.rundir import EVALUATION, RunFolder
from tests.report.factory import config, estimate, failed, finished


def begun(path):
    """A run folder with a finished, a failed and a running trial."""
    folder = RunFolder.create(path, config(), to_toml(config()))
    for e in (finished(0), failed(1, plane=1)):
        where = folder.trial_folder(e.trial, e.spec.key)
        where.mkdir(parents=True)
        (where / EVALUATION).write_text(e.model_dump_json())
    where = folder.trial_folder(2, "abc")
    progress = ProgressFile(where, trial=2, label="Sigma13")
    progress._INTERVAL_S = 0
    for step in (1000, 2000):
        progress.write("production", step, 4000)
    (where / "estimate.json").write_text(estimate(0.43, 0.05).model_dump_json() + "\n")
    return folder


def watching(folder, *options):
    command = [sys.executable, "-m", "gbopt", "status", str(folder.path), "--watch", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_pipe_gets_a_line_each_time_until_the_campaign_stops(tmp_path):
    folder = begun(tmp_path / "run")
    with folder.exclusive():
        process = watching(folder, "--interval", "0.2")
        first = process.stdout.readline()
        again = process.stdout.readline()
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "2/8 evaluations (1 failed); best Sigma17" in first
    assert "trial 2 Sigma13: production 50 %" in first
    assert "log10 so far 0.43(5)" in first
    assert "the whole budget in about" in again
    assert "gbopt resume" in rest.splitlines()[-1]


def test_ctrl_c_ends_the_watching_alone(tmp_path):
    folder = begun(tmp_path / "run")
    with folder.exclusive():
        process = watching(folder, "--format", "json", "--interval", "60")
        found = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "the campaign goes on" in errors
    assert (found["finished"], found["failed"], found["state"]) == (2, 1, "running")
    assert found["running"][0]["std_err"] == 0.05


def test_the_screen_fits_a_narrow_terminal(tmp_path):
    folder = begun(tmp_path / "run")
    seen = Watch(folder.path)
    seen.ask(wait=True)
    with (tmp_path / "out").open("w") as out:
        console = Console(width=80, record=True, file=out)
        console.print(screen(seen))
    text = console.export_text()
    assert "small   2/8 evaluations" in text
    assert "2 Sigma13" in text
    assert "0.43(5)" in text
    assert all(len(row) <= 80 for row in text.splitlines())
