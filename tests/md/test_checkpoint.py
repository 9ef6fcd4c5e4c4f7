"""Runs that were interrupted go on where they were, in the child process."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gbopt.geometry.bulk import build_bulk
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


def frames_of(crystal, potential, md, stages, folder, settings, *, every=0, stop_at=None):
    seen, frames = [], []

    def look(progress):
        seen.append(progress.stage)
        if progress.stage == stop_at:
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
        checkpoint_steps=every,
    ) as run:
        trajectory = run.trajectory()
        for frame in trajectory.frames:
            frames.append(frame.copy())
            if stop_at == len(frames):
                raise InterruptedRunError
    return seen, trajectory.info, frames


@pytest.mark.parametrize("settings", [OMP, OPENMM], ids=["lammps", "openmm"])
def test_finished_stages_are_not_run_again(
    settings, crystal, potential, short_md, stages, tmp_path
):
    arguments = (crystal, potential, short_md, stages, tmp_path, settings)
    with pytest.raises(InterruptedRunError):
        frames_of(*arguments, stop_at="nvt")
    at = json.loads((tmp_path / "checkpoint.json").read_text())
    assert at["stage"] >= 2  # minimise and npt are done; the child may have run ahead
    seen, info, frames = frames_of(*arguments)
    assert "production" in seen
    assert set(seen) <= {"nvt", "production"}
    assert (info.first_frame, len(frames)) == (0, info.n_frames)
    assert info.cell[0, 0] != pytest.approx(13.185, abs=1e-6)  # that of the NPT before
    assert not list(tmp_path.glob("checkpoint*"))  # done: nothing to take up


def test_production_goes_on_with_the_frame_after_the_checkpoint(
    crystal, potential, short_md, stages, tmp_path
):
    """The same trajectory as that of a run that was not interrupted."""
    whole = frames_of(crystal, potential, short_md, stages, tmp_path / "a", OMP, every=50)[2]
    arguments = (crystal, potential, short_md, stages, tmp_path / "b", OMP)
    with pytest.raises(InterruptedRunError):
        frames_of(*arguments, every=50, stop_at=14)
    seen, info, rest = frames_of(*arguments, every=50)
    assert set(seen) == {"production"}
    # The child may have run ahead of what the parent read when it was interrupted.
    assert info.first_frame >= 11
    assert len(rest) == len(whole) - info.first_frame
    assert np.abs(rest[0] - whole[info.first_frame]).max() < 1e-6
    assert np.abs(rest[-1] - whole[-1]).max() < 1e-3


def test_a_checkpoint_of_another_request_is_not_taken_up(
    crystal, potential, short_md, stages, tmp_path
):
    with pytest.raises(InterruptedRunError):
        frames_of(crystal, potential, short_md, stages, tmp_path, OMP, stop_at="nvt")
    hotter = tuple(replace(stage, start_K=1200.0, end_K=1200.0) for stage in stages)
    seen, _, _ = frames_of(crystal, potential, short_md, hotter, tmp_path, OMP)
    assert "npt" in seen


def test_a_damaged_checkpoint_is_not_taken_up(crystal, potential, short_md, stages, tmp_path):
    with pytest.raises(InterruptedRunError):
        frames_of(crystal, potential, short_md, stages, tmp_path, OMP, stop_at="nvt")
    (tmp_path / "checkpoint.json").write_text('{"key": "')
    seen, _, _ = frames_of(crystal, potential, short_md, stages, tmp_path, OMP)
    assert "npt" in seen
