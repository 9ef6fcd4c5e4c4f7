"""One candidate on real LAMMPS: how its production ends, and what is kept of it."""

import dataclasses

import numpy as np
import pytest

from gbopt.config import parse_campaign
from gbopt.evaluate.adaptive import Incumbent
from gbopt.evaluate.bulk import bulk_reference
from gbopt.evaluate.candidate import Job, evaluate
from gbopt.md.engine import EngineSettings
from gbopt.model.evaluation import Status
from gbopt.model.spec import GBSpec

TEXT = """\
name = "ends"
question = "How does the production of one boundary end?"
seed = 3
[geometry]
crystal_A = 5
[md]
minimise_iterations = 100
anneal_ps = 0.04
quench_ps = 0.04
npt_ps = 0.1
nvt_ps = 0.04
production_ps = 0.72
frame_ps = 0.01
[bulk]
cells = 1
npt_ps = 0.1
production_ps = 0.72
[field]
fields_V_A = [0.05]
run_ps = 0.5
[analysis]
lag_ps = 0.02
segments = 6
energy_frames = 2
[adaptive]
target_dex = {target}
[run]
keep_trajectory = true
"""
ENGINE = EngineSettings(engine="lammps", accelerator="omp", accuracy=5e-5)
JOB = Job(
    number=0,
    replicate=0,
    requested={},
    params={},
    spec=GBSpec(plane=(5, 1, 0), width_layers=2, crystal_A=5, seed=0),
)


@pytest.fixture(scope="module")
def bulk(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GBOPT_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        config = parse_campaign(TEXT.format(target=0), "test")
        return bulk_reference(config, ENGINE, workers=1, on_progress=lambda text: None)


def run(folder, bulk, target, best=None):
    config = parse_campaign(TEXT.format(target=target), "test")
    job = dataclasses.replace(JOB, best=best)
    return evaluate(job, config, bulk, settings=ENGINE, folder=folder, on_progress=lambda p: None)


def frames(folder):
    return np.load(folder / "trajectory.npy")


def test_production_ends_at_the_target_error_the_budget_or_sure_inferiority(bulk, tmp_path):
    whole = run(tmp_path / "whole", bulk, target=0)
    assert whole.failure is None
    assert (whole.ending, whole.conditions.production_ps) == ("budget", 0.72)
    assert frames(tmp_path / "whole").shape[0] == 73
    for name in ("profiles.csv", "charge.csv", "potential.csv", "final.extxyz"):
        assert name in whole.artifacts.values()
        assert (tmp_path / "whole" / name).stat().st_size > 1000
    assert "gb_energy" in whole.observables

    short = run(tmp_path / "short", bulk, target=1)
    assert (short.ending, short.conditions.production_ps) == ("target", 0.48)
    assert frames(tmp_path / "short").shape[0] == 49
    assert "conductivity_field" in short.observables  # the runs under a field follow all the same
    assert short.md_steps < whole.md_steps
    # The beginning of both is the same run.
    assert np.array_equal(frames(tmp_path / "short"), frames(tmp_path / "whole")[:49])

    worse = run(tmp_path / "worse", bulk, target=0, best=Incumbent(-9.0, 0.1))
    assert (worse.status, worse.ending) == (Status.PRUNED, "inferior")
    assert worse.status.finished
    assert "conductivity_field" not in worse.observables
    assert worse.objective == short.objective
