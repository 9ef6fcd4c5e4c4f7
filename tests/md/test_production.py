"""Production stages with an interval, a temperature and a kind of frame of their own."""

from dataclasses import replace

import numpy as np
import pytest

from gbopt.errors import EnvironmentProblem
from gbopt.geometry.bulk import build_bulk
from gbopt.md.engine import EngineSettings, masses_amu
from gbopt.md.protocol import Stage, bulk_stages
from gbopt.md.request import Request, read_request
from gbopt.md.run import run_md, system_of
from gbopt.model.bicrystal import SPECIES
from gbopt.units import BOLTZMANN_EV_K
from tests.md.test_engine_contract import EV_AMU

SHORT = {"buckingham_cutoff_A": 6.3, "coulomb_cutoff_A": 6.3, "accuracy": 1e-4}
LAMMPS = EngineSettings(engine="lammps", accelerator="omp", **SHORT)
OPENMM = EngineSettings(engine="openmm", accelerator="CPU", **SHORT)
WARM = Stage(name="warm", kind="dynamics", steps=60, start_K=900.0, end_K=900.0, velocity_seed=3)
COARSE = Stage(name="cooling", kind="production", steps=80, start_K=900.0, end_K=700.0)
FINE = Stage(
    name="spectrum",
    kind="production",
    ensemble="nve",
    steps=101,
    start_K=700.0,
    end_K=700.0,
    frame_steps=2,
    sends="velocities",
)
PLACES = replace(FINE, name="places", sends="positions", steps=40, frame_steps=4)
STAGES = (WARM, COARSE, FINE, PLACES)


class InterruptedRunError(Exception):
    """Whatever ends the parent."""


@pytest.fixture(scope="module")
def crystal():
    return build_bulk(1, 13.185, 0)


def collect(crystal, potential, md, folder, *, settings=LAMMPS, stages=STAGES, stop_at=0):
    """Information and frames of every production stage that comes; temperatures by stage."""
    seen, found, frames = {}, [], []

    def look(progress):
        seen.setdefault(progress.stage, []).append((progress.step, progress.temperature_K))

    with run_md(
        crystal,
        potential,
        stages,
        md,
        settings=settings,
        folder=folder,
        stall_s=60,
        on_progress=look,
    ) as run:
        while not run.ended:
            trajectory = run.trajectory()
            frames = []
            found.append((trajectory.info, frames))
            for frame in trajectory.frames:
                frames.append(frame.copy())
                if trajectory.info.content == "velocities" and len(frames) == stop_at:
                    raise InterruptedRunError
    return found, seen


@pytest.mark.parametrize("settings", [LAMMPS, OPENMM], ids=["lammps", "openmm"])
def test_every_stage_sends_its_own_frames_at_its_own_interval(
    settings, crystal, potential, short_md, tmp_path
):
    found, seen = collect(crystal, potential, short_md, tmp_path, settings=settings)
    facts = [
        (info.frame_interval_ps, info.n_frames, info.content, info.temperature_K)
        for info, _ in found
    ]
    assert facts == [
        (pytest.approx(0.020), 9, "positions", 700.0),
        (pytest.approx(0.004), 51, "velocities", 700.0),
        (pytest.approx(0.008), 11, "positions", 700.0),
    ]
    assert [len(frames) for _, frames in found] == [9, 51, 11]
    velocities = np.array(found[1][1])
    masses = np.array(masses_amu(SPECIES))[crystal.element_numbers][:, None]
    own_K = (masses * velocities**2).sum(axis=(1, 2)) / EV_AMU / (3 * 191 * BOLTZMANN_EV_K)
    reported = dict(seen["spectrum"])
    thermo = [reported[2 * frame] for frame in range(1, 51)]
    if settings is LAMMPS:
        assert own_K[1:] == pytest.approx(thermo, rel=1e-4)
    else:  # velocities of half a step before
        assert own_K[1:].mean() == pytest.approx(np.mean(thermo), rel=0.01)
    # What the velocities add up to is the way from the stage before to the stage after.
    gap = found[2][1][0] - found[0][1][-1]
    path = np.trapezoid(velocities, dx=0.004, axis=0)
    assert np.sqrt(np.mean((gap - path) ** 2)) < 0.1 * np.sqrt(np.mean(gap**2))


def test_stages_that_are_finished_are_sent_once_more(crystal, potential, short_md, tmp_path):
    arguments = (crystal, potential, short_md)
    whole = collect(*arguments, tmp_path / "a")[0]
    with pytest.raises(InterruptedRunError):
        collect(*arguments, tmp_path / "b", stop_at=14)
    again, seen = collect(*arguments, tmp_path / "b")
    assert "cooling" not in seen
    for (info, frames), (expected, others) in zip(again, whole, strict=True):
        assert (info.content, info.temperature_K) == (expected.content, expected.temperature_K)
        assert np.array_equal(info.cell, expected.cell)
        assert np.array_equal(frames, others)


def test_a_stage_ends_early_again_where_it_did(crystal, potential, short_md, tmp_path):
    first = replace(PLACES, name="first", steps=80, chunk_steps=20)
    stages = (WARM, first, PLACES)
    arguments = {"settings": LAMMPS, "folder": tmp_path, "stall_s": 60}

    def lengths(chunks):
        """Frames of both stages, where the first one ends after so many chunks."""
        asked = []

        def go_on():
            asked.append(1)
            return len(asked) < chunks

        with run_md(
            crystal, potential, stages, short_md, on_progress=lambda p: None, **arguments
        ) as run:
            early = len(list(run.trajectory(go_on).frames))
            whole = len(list(run.trajectory().frames))
            run.finish()
        return early, whole, run.steps_done

    found = lengths(2)
    assert found == (11, 11, {"warm": 60, "first": 40, "places": 40})
    assert lengths(2) == found
    with pytest.raises(EnvironmentProblem, match="first was ended early"):
        lengths(3)
    assert lengths(3)[:2] == (16, 11)


def test_what_a_stage_leaves_to_the_request_does_not_change_its_key(
    crystal, potential, short_md, tmp_path
):
    stages = bulk_stages(short_md, npt_ps=0.1, production_ps=0.1, seed=1)
    parts = {
        "system": system_of(crystal),
        "potential": potential,
        "settings": LAMMPS,
        "frame_steps": 10,
    }
    plain = Request(stages=stages, **parts)
    assert '"sends"' not in str(plain._plain())
    own = Request(stages=(*stages, FINE), **parts)
    positions = Request(stages=(*stages, replace(FINE, sends="positions")), **parts)
    assert len({plain.key, own.key, positions.key}) == 3
    own.write(tmp_path)
    read = read_request(tmp_path)
    assert read.stages == own.stages
    assert read.key == own.key
