"""What the README shows must work as written."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = re.findall(r"^(gbopt [^#\n]+)", README, flags=re.MULTILINE)


@pytest.mark.parametrize("code", PYTHON)
def test_python_examples_run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "'x'" in done.stdout


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_their_options_exist(line):
    command, *rest = shlex.split(line)[1:]
    shown = subprocess.run(
        [sys.executable, "-m", "gbopt", command, "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={"COLUMNS": "200", "PATH": "/usr/bin:/bin"},
    )
    assert shown.returncode == 0
    for option in (word for word in rest if word.startswith("-")):
        assert option in shown.stdout


def test_files_that_are_shown_exist():
    for path in re.findall(r"(?:campaigns|scripts)/[\w./-]+", README):
        assert (ROOT / path).exists(), path
