"""What the readers print, letter by letter: in a pipe, and on a terminal of 80 columns.

To take new screens over after a change that was meant, delete tests/cli/screens and run this once.
"""

from __future__ import annotations

import os
import pty
import re
import struct
import subprocess
import sys
from fcntl import ioctl
from inspect import signature
from pathlib import Path
from termios import TIOCSWINSZ

import pytest

from gbopt.cli.app import app
from gbopt.cli.read import Format
from gbopt.store.rundir import EVALUATION
from tests.cli.test_structures import run
from tests.cli.test_watch import begun
from tests.report.factory import finished

SCREENS = Path(__file__).parent / "screens"
READERS = {
    *("check", "status", "trace", "show", "insight", "regress", "compare", "confirm", "evaluate"),
    *("analyze", "sites", "strain", "quench", "catalog", "inspect", "doctor"),
}
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def test_every_reader_prints_tables_json_and_csv():
    taken = {
        info.callback.__name__
        for info in app.registered_commands
        if getattr(signature(info.callback).parameters.get("fmt"), "default", None) is Format.TABLE
    }
    assert taken >= READERS


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A campaign with a good, a failed and a running trial, and one that came good at last."""
    made = begun(tmp_path / "run")
    again = finished(3, 0.31, plane=2, flags={"second_attempt": "warn"})
    origin = again.provenance.model_copy(update={"retry": 1})
    conditions = again.conditions.model_copy(update={"preparation": "second attempt: 1 fs a step"})
    again = again.model_copy(update={"provenance": origin, "conditions": conditions})
    where = made.trial_folder(3, again.spec.key)
    where.mkdir(parents=True)
    (where / EVALUATION).write_text(again.model_dump_json())
    monkeypatch.chdir(tmp_path)
    return Path("run")


@pytest.mark.parametrize(
    ("command", "columns"), [("trace", None), ("trace", 80), ("show 3", 80), ("show 1", None)]
)
def test_screens_are_as_they_were(command, columns, folder, monkeypatch):
    name, *rest = command.split()
    if columns:  # what rich takes for a terminal of this width
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm")
    shown = run(name, folder, *rest).stdout
    assert ("\x1b[" in shown) == bool(columns)
    lines = [line.rstrip() for line in ESCAPES.sub("", shown).splitlines()]
    assert all(len(line) <= (columns or 240) for line in lines)
    file = SCREENS / f"{command.replace(' ', '-')}.{columns or 'pipe'}.txt"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(lines) + "\n")
        pytest.fail(f"there was no screen: look at {file}")
    assert "\n".join(lines) + "\n" == file.read_text()


def on_a_terminal(*arguments, **environment):
    """Run the command on a real terminal of 100 columns; return what it shows."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "gbopt", *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", **environment},
    )
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 65536):
            shown += block
    except OSError:  # how Linux says that the other side has left
        pass
    os.close(ours)
    process.wait()
    return shown.decode()


def test_colours_are_for_terminals_alone(folder):
    coloured = on_a_terminal("show", folder, "7")
    assert "\x1b[31merror: run has no finished trial 7" in coloured
    plain = on_a_terminal("show", folder, "7", NO_COLOR="1")
    assert "error: run has no finished trial 7" in plain
    assert "\x1b[" not in plain
