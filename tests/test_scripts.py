"""The Python scripts load: what they import from the package is there."""

import runpy
import sys
from pathlib import Path

import pytest

SCRIPTS = [
    file
    for file in sorted((Path(__file__).parents[1] / "scripts").iterdir())
    if file.is_file() and file.read_text().startswith("#!/usr/bin/env python3")
]


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_a_script_loads(file, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(file.parent), *sys.path])
    assert "main" in runpy.run_path(str(file), run_name="loaded")
