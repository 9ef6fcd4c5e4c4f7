import os

import pytest

from tests.campaign.harness import gbopt

TINY = """\
# Does the machinery work? A campaign of the smallest cells and the shortest runs.
name = "tiny"
question = "Which of the smallest boundaries resists lithium least?"
seed = 7

[geometry]
misorientation_deg = [20, 30]
width_layers = [2, 2]
crystal_A = 5
max_ions = 1400

[md]
minimise_iterations = 100
anneal_ps = 0.04
quench_ps = 0.04
npt_ps = 0.1
nvt_ps = 0.04
production_ps = 0.4
frame_ps = 0.01

[bulk]
cells = 1
npt_ps = 0.1
production_ps = 1.2

[analysis]
lag_ps = 0.02
segments = 4
energy_frames = 0

[search]
evaluations = 4
initial = 2

[run]
workers = {workers}
stall_s = 60
"""


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """One bulk reference for all campaigns of the session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory, cache):
    """A campaign of four evaluations with one worker that nobody disturbed."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    (folder / "tiny.toml").write_text(TINY.format(workers=1))
    environment = {**os.environ, "GBOPT_CACHE_DIR": str(cache)}
    done = gbopt("run", folder / "tiny.toml", "--out", folder / "run", env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run", done.stdout


@pytest.fixture(autouse=True)
def _own_cache(cache, monkeypatch):
    monkeypatch.setenv("GBOPT_CACHE_DIR", str(cache))


@pytest.fixture
def tiny(tmp_path):
    def write(workers=1, **changes):
        text = TINY.format(workers=workers)
        for old, new in changes.items():
            assert f"{old} = " in text
            text = "\n".join(
                f"{old} = {new}" if line.startswith(f"{old} = ") else line
                for line in text.splitlines()
            )
        file = tmp_path / "tiny.toml"
        file.write_text(text + "\n")
        return file

    return write
