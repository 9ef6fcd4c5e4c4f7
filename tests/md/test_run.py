"""Real LAMMPS in its child process: what it streams, and every way it can die."""

import json
import os
import signal
from dataclasses import replace

import numpy as np
import psutil
import pytest

from gbopt.config import FieldConfig, LammpsPotential
from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.errors import EnvironmentProblem, MDError
from gbopt.geometry.bulk import build_bulk
from gbopt.md.engine import EngineSettings
from gbopt.md.protocol import boundary_stages, bulk_stages, frame_steps
from gbopt.md.run import run_md
from gbopt.model.bicrystal import ZR, O
from tests.campaign.harness import without_libmpi

LAMMPS = EngineSettings(engine="lammps", accelerator="omp")


def collect(
    structure,
    potential,
    md,
    folder,
    stages=None,
    on_progress=lambda p: None,
    stall_s=60,
    settings=LAMMPS,
):
    stages = stages or boundary_stages(md, seed=11)
    with run_md(
        structure,
        potential,
        stages,
        md,
        settings=settings,
        folder=folder,
        stall_s=stall_s,
        on_progress=on_progress,
    ) as run:
        trajectory = run.trajectory()
        frames = [frame.copy() for frame in trajectory.frames]
    return trajectory.info, frames, run


def test_boundary_run_streams_every_frame(small_boundary, potential, short_md, tmp_path):
    stages_seen = []
    info, frames, run = collect(
        small_boundary,
        potential,
        short_md,
        tmp_path,
        on_progress=lambda p: stages_seen.append(p.stage),
    )
    assert list(dict.fromkeys(stages_seen)) == [
        "minimise",
        "anneal",
        "quench",
        "npt",
        "nvt",
        "production",
    ]
    assert len(frames) == info.n_frames == 11
    assert info.frame_interval_ps == pytest.approx(0.02)
    assert info.species.tolist() == small_boundary.species.tolist()
    # Only the normal was free.
    assert info.cell[:2] == pytest.approx(small_boundary.cell[:2])
    assert info.cell[2, 2] != small_boundary.cell[2, 2]
    assert info.cell[2, 2] == pytest.approx(small_boundary.cell[2, 2], rel=0.1)
    step = np.abs(np.diff(frames, axis=0)).max()
    assert 0 < step < 2.0  # unwrapped: no ion jumps by a cell edge
    # The disordered cores still release heat after a tenth of a picosecond.
    assert run.mean_temperature_K() == pytest.approx(short_md.temperature_K, rel=0.4)


def test_frames_keep_the_order_and_the_chemistry(small_boundary, potential, short_md, tmp_path):
    info, frames, _ = collect(small_boundary, potential, short_md, tmp_path)
    last = wrap(frames[-1], info.cell)
    zr, oxygen = last[info.species == ZR], last[info.species == O]
    pairs = pairs_within(zr, info.cell, 2.7, others=oxygen)
    mean_coordination = len(pairs.i) / len(zr)
    assert 5.0 < mean_coordination < 6.5  # octahedra survive: frames are in the order of species


def test_grains_are_held_while_the_cores_are_disordered(
    small_boundary, potential, short_md, tmp_path
):
    """First frames after minimisation alone, and after minimisation, anneal and quench."""
    stages = {stage.name: stage for stage in boundary_stages(short_md, seed=1)}
    names = {"before": ("minimise",), "after": ("minimise", "anneal", "quench")}
    first = {}
    for label, chosen in names.items():
        run = (*(stages[name] for name in chosen), stages["production"])
        info, frames, _ = collect(small_boundary, potential, short_md, tmp_path / label, stages=run)
        first[label] = frames[0]
    gap = (first["after"] - first["before"]) @ np.linalg.inv(info.cell)
    moved = np.linalg.norm((gap - np.round(gap)) @ info.cell, axis=1)
    assert moved[~small_boundary.core].max() < 1e-5  # frames are of single precision
    assert np.median(moved[small_boundary.core]) > 0.3


def test_the_quench_ends_at_the_target_temperature(small_boundary, potential, short_md, tmp_path):
    """The ramp spans the stage; restarted in every chunk it would stay near the anneal's."""
    md = short_md.model_copy(update={"quench_ps": 1.0, "anneal_ps": 0.4, "npt_ps": 0.01})
    seen = []
    collect(
        small_boundary,
        potential,
        md,
        tmp_path,
        on_progress=lambda p: seen.append((p.stage, p.temperature_K)),
    )
    anneal = [kelvin for stage, kelvin in seen if stage == "anneal"]
    quench = [kelvin for stage, kelvin in seen if stage == "quench"]
    assert max(anneal) > 2000  # of the moving ions alone
    assert quench[-1] < 1500
    assert quench[0] > quench[-1] + 500


def test_bulk_run_relaxes_all_edges_to_one_cubic_edge(potential, short_md, tmp_path):
    stages = bulk_stages(short_md, npt_ps=0.4, production_ps=0.1, seed=3)
    info, _, _ = collect(build_bulk(1, 13.0, 0), potential, short_md, tmp_path, stages=stages)
    edges = np.diag(info.cell)
    assert edges == pytest.approx(edges[0])
    assert edges[0] != pytest.approx(13.0, abs=1e-6)


def test_the_same_seed_gives_the_same_trajectory(potential, short_md, tmp_path):
    bulk = build_bulk(1, 13.185, 0)
    stages = bulk_stages(short_md, npt_ps=0.05, production_ps=0.05, seed=5)
    runs = [collect(bulk, potential, short_md, tmp_path / n, stages=stages)[1] for n in "ab"]
    assert np.array_equal(runs[0][-1], runs[1][-1])


def test_a_killed_child_is_an_error_with_its_signal(small_boundary, potential, short_md, tmp_path):
    def kill(progress):
        if progress.stage == "npt":
            for child in psutil.Process().children():
                if "gbopt.md.child" in " ".join(child.cmdline()):
                    os.kill(child.pid, signal.SIGKILL)

    with pytest.raises(MDError, match="SIGKILL") as caught:
        collect(small_boundary, potential, short_md, tmp_path, on_progress=kill)
    assert caught.value.stage == "npt"
    assert "all npt temp" in caught.value.log_tail


def test_a_hung_child_is_ended(small_boundary, potential, short_md, tmp_path):
    def stop(progress):
        if progress.stage == "nvt":
            for child in psutil.Process().children():
                if "gbopt.md.child" in " ".join(child.cmdline()):
                    os.kill(child.pid, signal.SIGSTOP)

    with pytest.raises(MDError, match="reported nothing for 5 s"):
        collect(small_boundary, potential, short_md, tmp_path, on_progress=stop, stall_s=5)
    leftovers = [
        c for c in psutil.Process().children() if "gbopt.md.child" in " ".join(c.cmdline())
    ]
    assert leftovers == []


def test_a_blow_up_is_an_error(small_boundary, potential, short_md, tmp_path):
    md = short_md.model_copy(update={"timestep_ps": 0.1, "frame_ps": 0.1, "npt_ps": 20.0})
    long = replace(LAMMPS, timestep_ps=0.1)
    with pytest.raises(MDError) as caught:
        collect(small_boundary, potential, md, tmp_path, settings=long)
    assert caught.value.stage in ("anneal", "quench", "npt", "nvt", "production")
    assert caught.value.log_tail


def test_a_lammps_error_names_its_cause(small_boundary, potential, short_md, tmp_path):
    broken = LammpsPotential(
        name="broken",
        citation="nobody, it is a test",
        validity="nothing, it is a test",
        elements=potential.elements,
        commands=("pair_style no/such/style",),
    )
    with pytest.raises(MDError, match="no/such/style"):
        collect(small_boundary, broken, short_md, tmp_path)


def test_missing_libmpi_is_an_environment_problem(
    small_boundary, potential, short_md, tmp_path, monkeypatch
):
    """A child whose Python prefix has no libmpi says so before any MD."""
    without_libmpi(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match=r"libmpi\.so\.12"):
        collect(small_boundary, potential, short_md, tmp_path / "run")


def test_request_says_what_was_run(small_boundary, potential, short_md, tmp_path):
    collect(small_boundary, potential, short_md, tmp_path)
    request = json.loads((tmp_path / "request.json").read_text())
    assert request["potential"]["pairs"]["Li-O"] == {
        "A_eV": 632.1018,
        "rho_A": 0.2906,
        "C_eV_A6": 0.0,
    }
    assert request["settings"]["accelerator"] == "omp"
    assert request["frame_steps"] == frame_steps(short_md) == 10
    npt = next(s for s in request["stages"] if s["name"] == "npt")
    assert (npt["free"], npt["pressure_bar"]) == ("normal", pytest.approx(1.01325))
    log = (tmp_path / "lammps.log").read_text()
    assert "pair_coeff 1 4 632.1018 0.2906 0.0" in log
    assert "z 1.01325 1.01325" in log


def test_a_field_drives_lithium_along_the_normal(potential, short_md, tmp_path):
    """Production, then the same under a field: the charge drifts the way the field points."""
    field = FieldConfig(fields_V_A=(0.15,), run_ps=1.0)
    bulk = build_bulk(1, 13.185, 0)
    stages = bulk_stages(short_md, npt_ps=0.4, production_ps=1.0, seed=5, field=field)
    charge = np.array([potential.charges_e[name] for name in bulk.elements])[bulk.species]
    drift = []
    with run_md(
        bulk,
        potential,
        stages,
        short_md,
        settings=LAMMPS,
        folder=tmp_path,
        stall_s=60,
        on_progress=lambda p: None,
    ) as run:
        for _ in range(2):
            trajectory = run.trajectory()
            frames = [frame.copy() for frame in trajectory.frames]
            assert len(frames) == trajectory.info.n_frames == 51
            drift.append(charge @ (frames[-1] - frames[0]))
    without, under = drift
    assert under[2] > 5.0 + abs(without[2])
    assert under[2] > 3 * np.abs(under[:2]).max()
