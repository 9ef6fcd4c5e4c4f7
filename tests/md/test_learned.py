"""Machine-learned potentials under the engine: NEP of random weights, and the real CHGNet."""

from dataclasses import replace

import numpy as np
import pytest

from gbopt.config import AsePotential
from gbopt.crystal.llzo import tetragonal_cell
from gbopt.errors import EnvironmentProblem
from gbopt.md.engine import EngineSettings, System, make_engine
from gbopt.md.protocol import Stage, boundary_stages
from gbopt.md.run import run_md
from gbopt.model.bicrystal import SPECIES
from gbopt.units import BOLTZMANN_EV_K

CPU = EngineSettings(engine="ase", accelerator="cpu", timestep_ps=0.001)
BAR_EV_A3 = 6.241509e-7
# PyTorch warns of something in the package itself.
of_chgnet = pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad:UserWarning")
_RADIAL, _ANGULAR, _BASIS, _L_MAX, _NEURONS = 2, 2, 4, 2, 8


def nep_model(seed):
    """Text of a NEP of the fourth kind: small random weights, and ZBL to keep the ions apart."""
    rng = np.random.default_rng(seed)
    n = len(SPECIES)
    dim = (_RADIAL + 1) + (_ANGULAR + 1) * _L_MAX
    network = n * _NEURONS * (dim + 2) + 1
    expansion = n**2 * (_RADIAL + _ANGULAR + 2) * (_BASIS + 1)
    weights = np.concatenate(
        [rng.normal(0, 0.2, network), rng.normal(0, 0.3, expansion), np.full(dim, 0.3)]
    )
    header = [
        f"nep4_zbl {n} {' '.join(SPECIES)}",
        "zbl 0.9 1.8",
        "cutoff 5 4 100 60",
        f"n_max {_RADIAL} {_ANGULAR}",
        f"basis_size {_BASIS} {_BASIS}",
        f"l_max {_L_MAX} 0 0",
        f"ANN {_NEURONS} 0",
    ]
    return "\n".join([*header, *(f"{weight:15.7e}" for weight in weights)]) + "\n"


def potential_of(calculator, **more):
    return AsePotential(
        name=calculator,
        citation="a machine-learned potential",
        validity="tests of the engine",
        elements=SPECIES,
        calculator=calculator,
        **more,
    )


@pytest.fixture(scope="module")
def nep(tmp_path_factory):
    pytest.importorskip("nep_adapters")
    file = tmp_path_factory.mktemp("nep") / "nep.txt"
    file.write_text(nep_model(7))
    return potential_of("nep", model=str(file))


@pytest.fixture(scope="module")
def chgnet():
    pytest.importorskip("chgnet")
    return potential_of("chgnet")


def crystal(rattle_A=0.1):
    positions, cell, species = tetragonal_cell()
    noise = np.random.default_rng(5).normal(0, rattle_A, positions.shape)
    return System(
        positions=positions + noise,
        cell=cell,
        species=species,
        elements=SPECIES,
        core=np.ones(len(species), dtype=bool),
    )


def energy_eV(system, potential):
    return make_engine(system, potential, CPU).thermo().energy_eV


def slope_along_forces(potential, step_A):
    """Slope of the energy along the forces, and what the forces say it is."""
    system = crystal()
    forces = make_engine(system, potential, CPU).forces()
    along = forces / np.linalg.norm(forces)
    low, high = (
        energy_eV(replace(system, positions=system.positions + sign * step_A * along), potential)
        for sign in (-1, 1)
    )
    return (low - high) / (2 * step_A), float((forces * along).sum())


def slope_with_volume(potential, strain):
    """Minus the slope of the energy with the volume, and the pressure, eV/A^3."""
    engine = make_engine(crystal(), potential, CPU)
    cell = engine.cell()
    energies = []
    for factor in (1 - strain, 1 + strain):
        engine.set_cell(cell * factor)
        energies.append(engine.thermo().energy_eV)
    engine.set_cell(cell)
    volume = np.linalg.det(cell)
    change = volume * ((1 + strain) ** 3 - (1 - strain) ** 3)
    return (energies[0] - energies[1]) / change, engine.pressure_bar() * BAR_EV_A3


def total_energies_eV(potential, pieces, steps):
    """Kinetic and potential energy along NVE from 600 K."""
    system = crystal(0.0)
    engine = make_engine(system, potential, CPU)
    nve = Stage(name="nve", kind="dynamics", steps=pieces * steps, ensemble="nve")
    engine.begin(replace(nve, start_K=600.0, velocity_seed=2))
    totals = []
    for _ in range(pieces):
        engine.run(steps)
        kelvin, energy = engine.thermo()
        totals.append(energy + 0.5 * (3 * 192 - 3) * BOLTZMANN_EV_K * kelvin)
    return np.array(totals)


def test_nep_forces_are_the_slope_of_its_energy(nep):
    slope, claimed = slope_along_forces(nep, 1e-3)
    assert claimed > 1.0
    assert slope == pytest.approx(claimed, rel=1e-5)


def test_nep_forces_ion_by_ion(nep):
    system = crystal()
    forces = make_engine(system, nep, CPU).forces()
    for ion in (0, 60, 90, 150):  # one of each element
        for axis in range(3):
            moved = [system.positions.copy() for _ in range(2)]
            for sign, positions in zip((-1, 1), moved, strict=True):
                positions[ion, axis] += sign * 1e-4
            low, high = (energy_eV(replace(system, positions=p), nep) for p in moved)
            assert (low - high) / 2e-4 == pytest.approx(forces[ion, axis], abs=1e-6)


def test_nep_stress_is_the_slope_with_volume(nep):
    slope, claimed = slope_with_volume(nep, 1e-4)
    assert slope == pytest.approx(claimed, rel=1e-5)


def test_nep_conserves_energy(nep):
    totals = total_energies_eV(nep, 10, 20)
    assert np.ptp(totals) / 192 < 1e-4


def test_nep_runs_a_boundary_in_its_child(nep, small_boundary, short_md, tmp_path):
    short = {"anneal_ps": 0.04, "quench_ps": 0.04, "npt_ps": 0.06, "nvt_ps": 0.04}
    md = short_md.model_copy(update={**short, "production_ps": 0.1, "minimise_iterations": 30})
    stages = boundary_stages(md, seed=1)
    settings = replace(CPU, timestep_ps=md.timestep_ps)
    with run_md(
        small_boundary,
        nep,
        stages,
        md,
        settings=settings,
        folder=tmp_path,
        stall_s=60,
        on_progress=lambda progress: None,
    ) as run:
        trajectory = run.trajectory()
        frames = [frame.copy() for frame in trajectory.frames]
    assert ", nep 1." in run.engine
    assert len(frames) == trajectory.info.n_frames == 6
    assert trajectory.info.cell[:2] == pytest.approx(small_boundary.cell[:2])
    assert trajectory.info.cell[2, 2] != small_boundary.cell[2, 2]
    assert 0 < np.abs(np.diff(frames, axis=0)).max() < 2.0


def test_nep_without_a_gpu_says_so(nep):
    package = pytest.importorskip("nep_adapters")
    if package.backend_status("cuda").available:
        pytest.skip("this machine has a GPU")
    with pytest.raises(EnvironmentProblem, match="cannot use the device cuda"):
        make_engine(crystal(), nep, replace(CPU, accelerator="cuda"))


@of_chgnet
def test_chgnet_forces_are_the_slope_of_its_energy(chgnet):
    slope, claimed = slope_along_forces(chgnet, 0.05)
    assert slope == pytest.approx(claimed, rel=5e-3)


@of_chgnet
def test_chgnet_stress_is_the_slope_with_volume(chgnet):
    slope, claimed = slope_with_volume(chgnet, 2e-3)
    assert slope == pytest.approx(claimed, rel=2e-2)


@of_chgnet
def test_chgnet_conserves_energy(chgnet):
    totals = total_energies_eV(chgnet, 4, 3)
    assert np.ptp(totals) / 192 < 3e-4


@of_chgnet
def test_chgnet_keeps_the_temperature(chgnet):
    engine = make_engine(crystal(0.05), chgnet, CPU)
    stage = Stage(name="nvt", kind="dynamics", steps=10, start_K=800.0, end_K=800.0)
    engine.begin(replace(stage, velocity_seed=1))
    before = engine.positions()
    engine.run(10)
    assert 200 < engine.thermo().temperature_K < 1200
    assert 0.05 < np.abs(engine.positions() - before).max() < 1.0
    assert engine.forces().dtype == engine.velocities().dtype == np.float64
