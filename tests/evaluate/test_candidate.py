"""One candidate on real LAMMPS: how its production ends, and what is kept of it."""

import dataclasses
import json
import multiprocessing
import re
import signal
import time

import numpy as np
import psutil
import pytest

from gbopt.config import parse_campaign
from gbopt.evaluate.adaptive import Incumbent
from gbopt.evaluate.bulk import bulk_reference
from gbopt.evaluate.candidate import Job, evaluate, tidy
from gbopt.md.engine import EngineSettings
from gbopt.model.evaluation import Status
from gbopt.model.spec import GBSpec
from tests.campaign.harness import gone

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
production_ps = 1.08
frame_ps = 0.01
[bulk]
cells = 1
npt_ps = 0.1
production_ps = 1.2
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
checkpoint_s = 0.1
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


def run(folder, bulk, target, best=None, on_progress=lambda p: None):
    config = parse_campaign(TEXT.format(target=target), "test")
    job = dataclasses.replace(JOB, best=best)
    return evaluate(job, config, bulk, settings=ENGINE, folder=folder, on_progress=on_progress)


@pytest.fixture(scope="module")
def whole(bulk, tmp_path_factory):
    """An evaluation that nothing disturbed, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return run(folder, bulk, target=0), folder


def frames(folder):
    return np.load(folder / "trajectory.npy")


def test_production_ends_at_the_target_error_the_budget_or_sure_inferiority(whole, bulk, tmp_path):
    whole, folder = whole
    assert whole.failure is None
    assert (whole.ending, whole.conditions.production_ps) == ("budget", 1.08)
    assert frames(folder).shape[0] == 109
    for name in ("profiles.csv", "charge.csv", "potential.csv", "final.extxyz"):
        assert name in whole.artifacts.values()
        assert (folder / name).stat().st_size > 1000
    assert whole.artifacts["li_density"] == "li_density.npz"
    seen = np.load(folder / "li_density.npz")
    li = int(re.search(r"Li(\d+)", whole.conditions.composition)[1])
    assert (seen["frames"], seen["counts"].sum()) == (109, 109 * li)
    assert "gb_energy" in whole.observables

    short = run(tmp_path / "short", bulk, target=1)
    assert (short.ending, short.conditions.production_ps) == ("target", 0.72)
    assert frames(tmp_path / "short").shape[0] == 73
    assert "conductivity_field" in short.observables  # the runs under a field follow all the same
    assert short.md_steps < whole.md_steps
    # The beginning of both is the same run.
    assert np.array_equal(frames(tmp_path / "short"), frames(folder)[:73])

    worse = run(tmp_path / "worse", bulk, target=0, best=Incumbent(-9.0, 0.1))
    assert (worse.status, worse.ending) == (Status.PRUNED, "inferior")
    assert worse.status.finished
    assert "conductivity_field" not in worse.observables
    assert worse.objective == short.objective


def report_to(file):
    def note(progress):
        with file.open("a") as lines:
            lines.write(f"{progress.stage}: {progress.step}\n")

    return note


def test_an_evaluation_that_is_killed_comes_to_the_same_figures(whole, bulk, tmp_path):
    """kill -9 in production, under the field and between two quenches: nothing is repeated."""
    folder, seen = tmp_path / "killed", tmp_path / "seen"
    moments = (
        lambda: "production: 520" in seen.read_text(),
        lambda: "field 0.05 V/A: 20" in seen.read_text(),
        (folder / "energy" / "found.json").exists,
    )
    repeated = []
    for reached in moments:
        seen.write_text("")
        process = multiprocessing.get_context("fork").Process(
            target=run, args=(folder, bulk, 0, None, report_to(seen))
        )
        process.start()
        while not reached():
            assert process.is_alive()
            time.sleep(0.01)
        children = psutil.Process(process.pid).children()
        process.kill()
        process.join()
        assert gone(children)
        repeated.append(seen.read_text().split("\n", 1)[0])
    # After a checkpoint within production, and after the stage that had been finished.
    assert repeated == ["minimise: 50", "production: 505", "field 0.05 V/A: 5"]
    seen.write_text("")
    found = run(folder, bulk, target=0, best=Incumbent(-9.0, 0.1), on_progress=report_to(seen))
    expected, elsewhere = whole
    assert seen.read_text() == ""  # the last run had no MD to do
    times = {"seconds", "started_utc", "finished_utc", "provenance"}
    assert found.model_dump(exclude=times) == expected.model_dump(exclude=times)
    assert np.array_equal(frames(folder), frames(elsewhere))
    for name in ("profiles.csv", "charge.csv", "potential.csv", "final.extxyz"):
        assert (folder / name).read_bytes() == (elsewhere / name).read_bytes()
    size = 12 * 960 * 109
    assert (folder / "md" / "frames-5.f32").stat().st_size == size
    tidy(folder)
    assert not [*folder.rglob("frames-*"), *folder.rglob("checkpoint*")]


def test_a_run_that_dies_is_tried_once_more_with_care(bulk, tmp_path):
    config = parse_campaign(TEXT.format(target=0), "test")
    seen = []

    def disturbed(progress):
        # Wherever the first attempt is by the time that this is told: a loaded machine is late.
        if progress.stage in {"npt", "nvt", "production"}:
            for child in psutil.Process().children():
                if "gbopt.md.child" in " ".join(child.cmdline()):
                    child.send_signal(signal.SIGKILL)
        if progress.stage == "production, 2nd attempt" and progress.step > 100:
            raise KeyboardInterrupt

    options = {"settings": ENGINE, "folder": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        evaluate(JOB, config, bulk, on_progress=disturbed, **options)
    first, second = (
        json.loads((tmp_path / name / "request.json").read_text())
        for name in ("md-first", "md-prepare")
    )
    assert second["settings"]["timestep_ps"] == first["settings"]["timestep_ps"] / 2
    steps = [{s["name"]: s["steps"] for s in request["stages"]} for request in (first, second)]
    assert steps[1]["minimise"] == 4 * steps[0]["minimise"]
    assert steps[1]["npt"] == 2 * steps[0]["npt"]
    assert (tmp_path / "md-first" / "lammps.log").exists()

    # Taken up where it was: nothing is prepared again.
    found = evaluate(JOB, config, bulk, on_progress=lambda p: seen.append(p.stage), **options)
    assert "production, 2nd attempt" in seen
    assert not [stage for stage in seen if stage.startswith("npt")]
    assert found.failure is None
    assert found.ending == "budget"
    assert found.conditions.production_ps == 1.08
    assert found.conditions.preparation.startswith("second attempt: up to 400 iterations")
    flag = next(f for f in found.flags if f.name == "second_attempt")
    assert flag.level == "warn"
    assert "SIGKILL" in flag.message
    request = json.loads((tmp_path / "md" / "request.json").read_text())
    assert request["settings"]["timestep_ps"] == first["settings"]["timestep_ps"]
    assert [s["name"] for s in request["stages"]][:2] == ["nvt", "production"]
    assert found.observables["excess_length"].std_err > 0  # of NPT, which was another run
    assert 0 <= found.observables["boundary_width"].value < 20  # ions are where they were
