"""Runs that were interrupted go on where they were, in the child process."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from gbopt.geometry.bulk import build_bulk
from gbopt.md.checkpoint import clear_run
from gbopt.md.engine import EngineSettings
from gbopt.md.protocol import bulk_stages
from gbopt.md.run import run_md

OMP = EngineSettings(engine="lammps", accelerator="omp")
SHORT = {"buckingham_cutoff_A": 6.3, "coulomb_cutoff_A": 6.3, "accuracy": 1e-3}
OPENMM = EngineSettings(engine="openmm", accelerator="CPU", **SHORT)


class InterruptedRunError(Exception):
    """Whatever ends the parent."""


@pytest.fixture
def crystal():
    return build_bulk(1, 13.185, 0)


@pytest.fixture
def stages(short_md):
    return bulk_stages(short_md, npt_ps=0.2, production_ps=0.4, seed=3)


def frames_of(crystal, potential, md, stages, folder, settings, *, every_s=0.0, stop_at=None):
    """What was computed, information on the trajectory, its frames, and the run."""
    seen, frames = [], []

    def look(progress):
        seen.append(progress.stage)
        if (progress.stage, progress.step) == stop_at:
            raise InterruptedRunError

    with run_md(
        crystal,
        potential,
        stages,
        md,
        settings=settings,
        folder=folder,
        stall_s=60,
        on_progress=look,
        checkpoint_s=every_s,
    ) as run:
        trajectory = run.trajectory()
        for frame in trajectory.frames:
            frames.append(frame.copy())
            if stop_at == len(frames):
                raise InterruptedRunError
        run.finish()
    return seen, trajectory.info, np.array(frames), run


@pytest.mark.parametrize("settings", [OMP, OPENMM], ids=["lammps", "openmm"])
def test_finished_stages_are_not_run_again(
    settings, crystal, potential, short_md, stages, tmp_path
):
    arguments = (crystal, potential, short_md, stages, tmp_path, settings)
    with pytest.raises(InterruptedRunError):
        frames_of(*arguments, stop_at=("nvt", 25))
    at = json.loads((tmp_path / "checkpoint.json").read_text())
    assert at["stage"] >= 2  # minimise and npt are done; the child may have run ahead
    seen, info, frames, run = frames_of(*arguments)
    assert "production" in seen
    assert set(seen) <= {"nvt", "production"}
    assert len(frames) == info.n_frames
    assert info.cell[0, 0] != pytest.approx(13.185, abs=1e-6)  # that of the NPT before
    assert set(run.steps_done) == {"minimise", "npt", "nvt", "production"}

    seen, _, again, run = frames_of(*arguments)  # all is done: the frames are sent once more
    assert seen == []
    assert np.array_equal(again, frames)
    assert run.steps_done["production"] == 200
    clear_run(tmp_path)
    assert not [*tmp_path.glob("checkpoint*"), *tmp_path.glob("frames*")]


def test_a_run_comes_to_the_same_bits_wherever_it_is_broken_and_saved(
    crystal, potential, short_md, tmp_path
):
    """One that is saved whenever it may be and broken twice, one that is never saved."""
    stages = bulk_stages(short_md, npt_ps=1.1, production_ps=1.1, seed=3)
    arguments = (crystal, potential, short_md, stages)
    _, _, whole, run = frames_of(*arguments, tmp_path / "a", OMP, every_s=math.inf)
    again = (*arguments, tmp_path / "b", OMP)
    with pytest.raises(InterruptedRunError):
        frames_of(*again, stop_at=("npt", 550))
    at = json.loads((tmp_path / "b" / "checkpoint.json").read_text())
    assert (at["stage"], at["done"]) == (1, 500)
    with pytest.raises(InterruptedRunError):
        frames_of(*again, stop_at=53)
    kept = tmp_path / "b" / "frames-3.f32"
    kept.write_bytes(kept.read_bytes() + b"cut short")
    rest, info, frames, other = frames_of(*again)
    assert rest == ["production"] * 5  # the last 50 of 550 steps
    assert len(frames) == info.n_frames == 56
    assert np.array_equal(frames, whole)
    assert other.mean_temperature_K() == run.mean_temperature_K()
    assert other.steps_done == run.steps_done


def test_what_is_no_checkpoint_of_the_run_is_not_taken_up(
    crystal, potential, short_md, stages, tmp_path
):
    def begins_anew(stages):
        with pytest.raises(InterruptedRunError):
            frames_of(crystal, potential, short_md, stages, tmp_path, OMP, stop_at=("minimise", 50))

    frames_of(crystal, potential, short_md, stages, tmp_path, OMP)
    begins_anew(tuple(replace(stage, start_K=1200.0, end_K=1200.0) for stage in stages))
    checkpoint, frames = tmp_path / "checkpoint.json", tmp_path / "frames-3.f32"
    whole = frames.read_bytes()
    frames.write_bytes(whole[:-1])
    begins_anew(stages)
    frames.write_bytes(whole)
    checkpoint.write_text(checkpoint.read_text()[:-9])
    begins_anew(stages)
