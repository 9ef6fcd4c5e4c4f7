"""Frames on disk: a run that is killed goes on, and comes to the same end."""

import shutil

import numpy as np
import pytest

from gbopt.disorder.frames import engine_of, is_whole, open_frames, record_run, remove_frames
from gbopt.disorder.setup import EngineChoice
from gbopt.disorder.stages import dynamics_stages
from gbopt.evaluate.engines import choose_engine
from gbopt.geometry.bulk import build_bulk
from gbopt.potentials.library import get_potential

from .studies import study

POTENTIAL = get_potential("llzo-buckingham-c")
NETWORK = '[network]\ntime_ps = "0.5 ps"\nframe_ps = "0.01 ps"\ntemperatures_K = [1000]'


class KilledError(Exception):
    """Whatever ends the parent."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    config = study()
    return choose_engine(EngineChoice(config.md("c", 1000.0), config.run)).settings


def recorded(folder, settings, on_progress=lambda _: None):
    config = study(("[network]\ntemperatures_K = []", NETWORK))
    record_run(
        build_bulk(1, 13.185, 0),
        POTENTIAL,
        dynamics_stages(config, "c", 1000.0, 4),
        config.md("c", 1000.0),
        settings=settings,
        folder=folder,
        stall_s=60,
        on_progress=on_progress,
        checkpoint_s=0.0,
    )


def frames(folder, name):
    return np.array(list(open_frames(folder, name).frames))


def die_at(stage, step):
    def look(progress):
        if progress.stage == stage and progress.step >= step:
            raise KilledError

    return look


@pytest.fixture(scope="module")
def whole(tmp_path_factory, settings):
    folder = tmp_path_factory.mktemp("whole")
    recorded(folder, settings)
    return folder


def test_frames_are_those_of_the_stages(whole):
    production, network = open_frames(whole, "production"), open_frames(whole, "network")
    assert production.info.frame_interval_ps == pytest.approx(0.02)
    assert production.info.n_frames == 91
    assert network.info.frame_interval_ps == pytest.approx(0.01)
    assert frames(whole, "production").shape == (91, 192, 3)
    # The next stage begins where the one before ended.
    assert np.allclose(frames(whole, "production")[-1], frames(whole, "network")[0], atol=1e-4)


def test_an_interrupted_run_comes_to_the_same_end(tmp_path, settings, whole):
    for step in (50, 780):
        with pytest.raises(KilledError):
            recorded(tmp_path, settings, die_at("production", step))
        assert not is_whole(tmp_path, "production")
    recorded(tmp_path, settings)
    assert np.array_equal(frames(tmp_path, "production"), frames(whole, "production"))
    assert np.array_equal(frames(tmp_path, "network"), frames(whole, "network"))


def test_a_run_that_has_its_frames_is_not_run_again(whole, settings):
    def never(_):
        raise AssertionError("it was run again")

    recorded(whole, settings, never)


def test_removed_frames_are_told_from_those_that_are_there(tmp_path, whole):
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    remove_frames(folder, "vibration")  # there are none
    remove_frames(folder, "production")
    assert not is_whole(folder, "production")
    assert is_whole(folder, "network")
    assert engine_of(folder, "production").startswith("LAMMPS")
