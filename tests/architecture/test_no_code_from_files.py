"""Nothing that lies in a run folder, or in a file that someone sent, is ever executed."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "gbopt").rglob("*.py"))
# Modules whose loading is executing, and functions of others.
_PICKLES = {"pickle", "cloudpickle", "dill", "shelve", "marshal", "jsonpickle"}
_CALLS = {"joblib.load", "torch.load", "os.system", "os.popen", "pd.read_pickle", "yaml.load"}
_BUILT_IN = {"eval", "exec", "compile", "__import__"}


def name_of(node):
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def faults(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").partition(".")[0]}
        else:
            names = set()
        yield from sorted(names & _PICKLES)
        if isinstance(node, ast.Call):
            called = name_of(node.func)
            if called in _CALLS | _BUILT_IN:
                yield called
            for keyword in node.keywords:
                wanted = not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
                if keyword.arg in {"allow_pickle", "shell"} and wanted:
                    yield f"{called}({keyword.arg}=...)"


@pytest.mark.parametrize(
    "code",
    ["import pickle", "np.load(f, allow_pickle=True)", "run(x, shell=True)", "joblib.load(f)"],
)
def test_such_code_would_be_found(code):
    assert list(faults(ast.parse(code)))


def test_no_module_runs_what_a_file_holds():
    found = {file.name: list(faults(ast.parse(file.read_text()))) for file in MODULES}
    assert {name: what for name, what in found.items() if what} == {}


def test_saved_arrays_hold_no_objects():
    """numpy reads a pickle only where it is told to, and no call here tells it to."""
    import inspect

    import numpy as np

    assert inspect.signature(np.load).parameters["allow_pickle"].default is False
