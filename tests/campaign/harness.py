"""Starts real campaigns through the command line and kills them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil


def gbopt(*arguments, **options):
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "gbopt", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,
    )


def start(*arguments):
    """Start the command in its own process group, as a terminal would."""
    return subprocess.Popen(
        [sys.executable, "-m", "gbopt", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(condition, process, timeout_s=120):
    """Poll until the condition gives something true, or the process ends; return it."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        if process.poll() is not None:
            raise AssertionError(f"ended early: {process.communicate()[0]}")
        time.sleep(0.02)
    raise AssertionError("waited too long")


def md_children(process):
    """MD processes below a process."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if "gbopt.md.child" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def events(run, kind=None):
    file = run / "trace.jsonl"
    if not file.exists():
        return []
    lines = [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")]
    return [e for e in lines if kind is None or e["event"] == kind]


def progress(run, trial, stage):
    """Whether a trial has reported that stage."""
    for file in run.glob(f"trials/{trial:04d}-*/progress.json"):
        if json.loads(file.read_text())["stage"] == stage:
            return True
    return False


def evaluations(run):
    """The evaluation files by trial: content and the time they were written."""
    return {
        int(file.parent.name[:4]): (json.loads(file.read_text()), file.stat().st_mtime_ns)
        for file in sorted(Path(run).glob("trials/*/evaluation.json"))
    }


def kill_group(process, number=signal.SIGKILL):
    os.killpg(process.pid, number)
    process.communicate()


def kill_main(process):
    """kill -9 of the main process alone: workers and MD are left to notice."""
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def gone(processes, timeout_s=10):
    """Whether all have ended (or are only waiting to be reaped) before the time is up."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if not any(_alive(process) for process in processes):
            return True
        time.sleep(0.05)
    return False


def _alive(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def without_libmpi(folder):
    """Make Python processes with this folder on PYTHONPATH find no libmpi."""
    (folder / "sitecustomize.py").write_text(
        "import ctypes\n"
        "class Refuse(ctypes.CDLL):\n"
        "    def __init__(self, name, *a, **k):\n"
        "        if name and 'libmpi' in str(name):\n"
        "            raise OSError('libmpi.so.12: cannot open shared object file')\n"
        "        super().__init__(name, *a, **k)\n"
        "ctypes.CDLL = Refuse\n"
    )


def free_port():
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def decorated(address):
    """A study once its last trial has its picture."""
    study = fetch(address)
    return study if study and study["trials"][-1]["artifacts"] else None


def fetch(address):
    """The JSON at an address of this machine; None while nothing answers."""
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return json.load(answer)
    except OSError:
        return None


def cut_short(process, records):
    """Interrupt a command once it has made a record; what it made until then."""
    wait_for(lambda: records() and md_children(process), process)
    children = md_children(process)
    kill_group(process, signal.SIGINT)
    assert process.returncode == 130
    assert gone(children)
    return records()
