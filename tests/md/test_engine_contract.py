"""What every engine must do, whatever it is: the same physics, the same protocol.

The reference of energies, forces and pressures is LAMMPS with Ewald's sum at 1e-8. ASE's
calculators have dynamics of their own and no Buckingham potential: there the calculator is LAMMPS.
"""

from dataclasses import replace

import numpy as np
import pytest

from gbopt.config import AsePotential
from gbopt.crystal.llzo import tetragonal_cell
from gbopt.errors import ConfigError
from gbopt.md.engine import EngineSettings, System, make_engine, masses_amu
from gbopt.md.lammps_engine import LammpsEngine
from gbopt.md.protocol import Stage
from gbopt.md.sample import sample_system
from gbopt.model.bicrystal import SPECIES
from gbopt.potentials.library import get_potential
from gbopt.units import BOLTZMANN_EV_K
from tests.md.lammps_calculator import LammpsCalculator

EV_AMU = 9648.533212331  # A^2/ps^2 in one eV/amu
# Narrow cut-offs, so that one garnet cell is wide enough for every engine: 192 ions are fast.
SHORT_A = 6.3
SMALL = {
    "lammps-plain": EngineSettings(engine="lammps", accelerator="none"),
    "lammps-omp": EngineSettings(engine="lammps", accelerator="omp"),
    "openmm-cpu": EngineSettings(engine="openmm", accelerator="CPU"),
    "ase": EngineSettings(engine="ase", accelerator="cpu"),
}
SMALL = {
    name: replace(one, buckingham_cutoff_A=SHORT_A, coulomb_cutoff_A=SHORT_A)
    for name, one in SMALL.items()
}
PAIRWISE = ["lammps-plain", "lammps-omp", "openmm-cpu"]
SET_C = get_potential("llzo-buckingham-c")


def set_c_calculator():
    """Set C at the cut-offs of the other engines here."""
    cutoffs = {"buckingham_cutoff_A": SHORT_A, "coulomb_cutoff_A": SHORT_A}
    return LammpsCalculator(SET_C, **cutoffs, accuracy=1e-5)


AS_CALCULATOR = AsePotential(
    name="set-c-by-calculator",
    citation="set C of the library, through ASE",
    validity="what set C is good for",
    elements=SPECIES,
    calculator="tests.md.test_engine_contract:set_c_calculator",
)


def start(name, system=None, **changes):
    settings = replace(SMALL[name], **changes)
    potential = AS_CALCULATOR if settings.engine == "ase" else SET_C
    return make_engine(small() if system is None else system, potential, settings)


def small(core=None):
    """One cell of t-LLZO at the volume of c-LLZO at 1100 K, ions off their sites."""
    one = sample_system(SET_C, cells=1)
    scale = np.cbrt(13.185**3 / np.linalg.det(one.cell))
    return replace(
        one,
        positions=one.positions * scale,
        cell=one.cell * scale,
        core=np.zeros(192, dtype=bool) if core is None else core,
    )


def triclinic(system):
    cell = system.cell.copy()
    cell[1, 0], cell[2, 0], cell[2, 1] = 0.35 * cell[0, 0], -0.2 * cell[0, 0], 0.3 * cell[1, 1]
    return replace(
        system, positions=system.positions @ np.linalg.inv(system.cell) @ cell, cell=cell
    )


def dynamics(steps, **fields):
    defaults = {"name": "test", "kind": "dynamics", "start_K": 1100.0, "end_K": 1100.0}
    return Stage(steps=steps, **{**defaults, **fields})


def rms(x):
    return np.sqrt(np.mean(np.square(x)))


@pytest.fixture(params=SMALL)
def each(request):
    return request.param


@pytest.mark.parametrize("potential", ["llzo-buckingham-c", "kozinsky-grieder-cip"])
@pytest.mark.parametrize("shape", ["orthogonal", "triclinic"])
def test_energy_forces_and_pressure_against_ewald(potential, shape):
    """1e-6 of energy and 1e-5 of force at tight tolerance, 1e-4 and 1e-3 at working tolerance."""
    chosen = get_potential(potential)
    system = sample_system(chosen)
    system = system if shape == "orthogonal" else triclinic(system)
    settings = EngineSettings(engine="lammps", coulomb_cutoff_A=9.5, accuracy=1e-8)
    reference = LammpsEngine(system, chosen, settings, kspace="ewald")
    forces, energy = reference.forces(), reference.thermo().energy_eV
    pressure = reference.pressure_bar()
    reference.close()
    for name in PAIRWISE:
        for accuracy, energy_off, force_off, bar in (
            (1e-6, 1e-6, 2e-5, 30),
            (1e-4, 1e-4, 1e-3, 600),
        ):
            own = replace(
                SMALL[name], buckingham_cutoff_A=8.5, coulomb_cutoff_A=9.0, accuracy=accuracy
            )
            engine = make_engine(system, chosen, own)
            assert engine.thermo().energy_eV == pytest.approx(energy, rel=energy_off), name
            assert rms(engine.forces() - forces) < force_off * rms(forces), name
            assert engine.pressure_bar() == pytest.approx(pressure, abs=bar), name
            engine.close()


def test_forces_are_the_derivative_of_the_energy(each):
    system, shift_A = small(), 1e-3
    engine = start(each, accuracy=1e-6)
    forces = engine.forces()
    engine.close()
    for ion, axis in ((3, 0), (100, 2)):
        energies = []
        for sign in (1, -1):
            moved = system.positions.copy()
            moved[ion, axis] += sign * shift_A
            other = start(each, replace(system, positions=moved), accuracy=1e-6)
            energies.append(other.thermo().energy_eV)
            other.close()
        slope = -(energies[0] - energies[1]) / (2 * shift_A)
        # OpenMM's CPU platform has the energy in single precision: 1e-7 of 4000 eV over 2 mA.
        assert forces[ion, axis] == pytest.approx(slope, abs=0.2 if "openmm" in each else 0.005)


def test_nve_conserves_the_energy(each):
    """Two fs keep the energy of hot LLZO: drift below 1 meV per ion and ps."""
    engine = start(each, accuracy=1e-5)
    engine.begin(Stage(name="m", kind="minimise", steps=50, max_move_A=0.05))
    engine.minimise(50)
    engine.end()
    engine.begin(dynamics(400, ensemble="nve", start_K=1500.0, velocity_seed=4))
    totals = []
    for _ in range(20):
        engine.run(20)
        kelvin, potential_eV = engine.thermo()
        totals.append(potential_eV + 1.5 * 191 * BOLTZMANN_EV_K * kelvin)
    engine.close()
    times_ps = 0.04 * np.arange(20)
    drift = np.polyfit(times_ps, totals, 1)[0] / 192
    assert abs(drift) < 1e-3
    assert np.std(totals) / 192 < 1e-3


def test_nvt_gives_the_temperature_and_its_fluctuation(each):
    """Mean within 3 %; var(T)/T^2 = 2/(3N), of which 2.4 ps know some 15 %."""
    engine = start(each, accuracy=1e-3)
    engine.begin(dynamics(1500, velocity_seed=8))
    kelvin = []
    for step in range(150):
        engine.run(10)
        if step >= 30:
            kelvin.append(engine.thermo().temperature_K)
    engine.close()
    assert np.mean(kelvin) == pytest.approx(1100, rel=0.03)
    expected = np.sqrt(2 / (3 * 191))
    assert np.std(kelvin) / np.mean(kelvin) == pytest.approx(expected, rel=0.35)


def test_velocities_are_the_changes_of_the_positions(each):
    """Verlet's are central differences, and those of a leap the differences before them."""
    engine, step_ps = start(each, accuracy=1e-5), 0.002
    engine.begin(dynamics(20, kind="production", ensemble="nve", velocity_seed=4))
    engine.run(10)
    states = []
    for _ in range(9):
        engine.run(1)
        states.append((engine.positions(), engine.velocities(), engine.thermo().temperature_K))
    engine.close()
    positions, velocities, kelvin = (np.array(values) for values in zip(*states, strict=True))
    leaps = each == "openmm-cpu"
    if leaps:
        changes = (positions[1:-1] - positions[:-2]) / step_ps
    else:
        changes = (positions[2:] - positions[:-2]) / (2 * step_ps)
    # Positions of OpenMM's CPU platform are of single precision: 1e-6 A over 2 fs.
    assert rms(changes - velocities[1:-1]) < (1e-3 if leaps else 1e-6)
    now = (velocities[1:-1] + velocities[2:]) / 2 if leaps else velocities[1:-1]
    masses = np.array(masses_amu(SPECIES))[small().species][:, None]
    twice_eV = (masses * now**2).sum(axis=(1, 2)) / EV_AMU
    own_K = twice_eV / (3 * 191 * BOLTZMANN_EV_K)
    assert own_K == pytest.approx(kelvin[1:-1], rel=1e-3 if leaps else 1e-5)


@pytest.mark.parametrize("free", ["all", "normal"])
def test_npt_finds_the_density_of_lammps(free):
    """Mean length of the second half of 3 ps at 1 kbar within 1 % (ASE: see its own tests)."""
    lengths = {}
    for name in ("lammps-omp", "openmm-cpu"):
        engine = start(name, accuracy=1e-3)
        engine.begin(
            dynamics(1500, ensemble="npt", free=free, pressure_bar=1000.0, velocity_seed=2)
        )
        cells = []
        for _ in range(60):
            engine.run(25)
            cells.append(engine.cell())
        engine.close()
        half = np.mean(cells[30:], axis=0)
        if free == "normal":
            assert half[:2, :2] == pytest.approx(small().cell[:2, :2], rel=1e-12), name
            lengths[name] = half[2, 2]
        else:
            lengths[name] = np.cbrt(np.linalg.det(half))
    for name, length in lengths.items():
        assert length == pytest.approx(lengths["lammps-omp"], rel=0.01), name


def test_a_stage_is_taken_up_in_its_middle(each, tmp_path):
    """The same trajectory: bit for bit in LAMMPS, within rounding elsewhere."""
    stage = dynamics(200, start_K=1500.0, velocity_seed=3)
    engine = start(each)
    engine.begin(stage)
    engine.run(50)
    engine.save(tmp_path / "x.state")
    engine.run(50)
    expected, moving = engine.positions(), engine.velocities()
    engine.close()
    other = start(each)
    other.load(tmp_path / "x.state")
    other.begin(stage, fresh=False)
    other.run(50)
    assert np.abs(other.positions() - expected).max() < 1e-4
    assert np.abs(other.velocities() - moving).max() < 1e-2
    other.close()


def test_new_velocities_have_the_temperature_and_no_momentum(each):
    engine = start(each)
    engine.begin(dynamics(10, velocity_seed=5))
    masses = np.array(masses_amu(SPECIES))[small().species][:, None]
    velocities = engine.velocities()
    engine.close()
    kinetic_eV = 0.5 * (masses * velocities**2).sum() / EV_AMU
    assert 2 * kinetic_eV / (3 * 191 * BOLTZMANN_EV_K) == pytest.approx(1100, rel=1e-4)
    assert np.abs((masses * velocities).sum(axis=0)).max() < 1e-2


def test_seeds_make_the_velocities(each):
    drawn = []
    for seed in (5, 5, 6):
        engine = start(each)
        engine.begin(dynamics(10, velocity_seed=seed))
        drawn.append(engine.velocities())
        engine.close()
    assert np.array_equal(drawn[0], drawn[1])
    assert rms(drawn[0] - drawn[2]) > 1.0


def test_held_ions_stay_and_the_others_have_the_temperature(each):
    core = np.arange(192) % 2 == 0
    engine = start(each, small(core))
    before = engine.positions()
    engine.begin(dynamics(100, core_only=True, start_K=2000.0, end_K=2000.0, velocity_seed=1))
    assert engine.thermo().temperature_K == pytest.approx(2000, rel=0.01)
    engine.run(100)
    moved = np.linalg.norm(engine.positions() - before, axis=1)
    engine.end()
    engine.begin(dynamics(50, velocity_seed=1))
    engine.run(50)
    later = np.linalg.norm(engine.positions() - before, axis=1)
    engine.close()
    assert moved[~core].max() < 1e-6
    assert np.median(moved[core]) > 0.1
    assert np.median(later[~core]) > 0.1  # they are let go after the stage


def test_a_ramp_spans_the_stage(each):
    """In production too, where the heat of a run in equilibrium is carried off slowly."""
    engine = start(each, accuracy=1e-3)
    engine.begin(dynamics(750, kind="production", start_K=2000.0, end_K=500.0, velocity_seed=1))
    kelvin = []
    for _ in range(30):
        engine.run(25)
        kelvin.append(engine.thermo().temperature_K)
    engine.close()
    assert np.mean(kelvin[-4:]) == pytest.approx(590, rel=0.25)
    assert np.mean(kelvin[13:17]) == pytest.approx(1250, rel=0.25)


def test_a_field_pushes_charges_and_is_not_counted(each):
    """Velocities after one step with a field less those without: q E t / m."""
    field_V_A, steps = 0.5, 1
    velocities, energies = [], []
    for strength in (field_V_A, 0.0):
        engine = start(each)
        stage = dynamics(steps, ensemble="nve", velocity_seed=1, field_V_A=strength)
        engine.begin(stage)
        energies.append((engine.thermo().energy_eV, engine.forces()))
        engine.run(steps)
        velocities.append(engine.velocities())
        engine.end()
        engine.close()
    assert energies[0][0] == pytest.approx(energies[1][0], rel=1e-7)
    assert rms(energies[0][1] - energies[1][1]) < 1e-4
    species = small().species
    charges = np.array([1.0, 3.0, 4.0, -2.0])[species]
    gained = velocities[0] - velocities[1]
    push = charges * field_V_A * EV_AMU / np.array(masses_amu(SPECIES))[species] * steps * 0.002
    # The ions move meanwhile, and the forces with them.
    assert rms(gained[:, 2] - push) < 0.03 * rms(push)
    assert rms(gained[:, :2]) < 0.03 * rms(push)


def test_the_cell_takes_its_ions_along(each):
    engine = start(each)
    before = engine.positions()
    cell = small().cell.copy()
    cell[2, 2] *= 1.02
    engine.set_cell(cell)
    assert engine.cell() == pytest.approx(cell, rel=1e-6)
    scaled = before * np.array([1, 1, 1.02])
    off = (engine.positions() - scaled) @ np.linalg.inv(cell)
    assert np.abs(off - np.round(off)).max() < 1e-5
    engine.close()


def test_minimisation_reaches_the_minimum_that_lammps_finds(each):
    """From a crystal whose ions were displaced: the same valley, no force left."""
    positions, cell, species = tetragonal_cell()
    off = 0.03 * np.random.default_rng(1).standard_normal(positions.shape)
    moved = replace(small(), positions=positions + off, cell=cell, species=species)
    stage = Stage(name="m", kind="minimise", steps=400, energy_tolerance=1e-9, max_move_A=0.05)
    found = {}
    for name in {"lammps-plain", each}:
        engine = start(name, moved)
        engine.begin(stage)
        for _ in range(8):
            if engine.minimise(50):
                break
        engine.end()
        found[name] = engine.thermo().energy_eV
        assert rms(engine.forces()) < 0.05
        engine.close()
    # 5e-6 of the energy is what an accuracy of 1e-4 leaves.
    assert found[each] == pytest.approx(found["lammps-plain"], abs=0.05)


def test_positions_are_unwrapped(each):
    """No ion jumps by a cell edge, though the cell is moved through its own faces."""
    engine = start(each, replace(small(), positions=small().positions - 0.02))
    engine.begin(dynamics(200, start_K=2500.0, end_K=2500.0, velocity_seed=1))
    frames = [engine.positions()]
    for _ in range(10):
        engine.run(20)
        frames.append(engine.positions())
    engine.close()
    assert np.abs(np.diff(frames, axis=0)).max() < 3.0


def test_openmm_refuses_a_cell_narrower_than_two_cut_offs():
    with pytest.raises(ConfigError, match="needs cells at least 13 A wide"):
        start("openmm-cpu", replace(small(), cell=small().cell * 0.9), coulomb_cutoff_A=6.5)


@pytest.mark.parametrize("name", ["lammps-plain", "lammps-omp"])
def test_lammps_takes_a_cell_narrower_than_two_cut_offs(name):
    """A cell and the same cell doubled have the same energy per ion."""
    one = sample_system(SET_C, cells=1)
    ids = np.arange(2)
    doubled = System(
        positions=np.concatenate([one.positions + i * one.cell[0] for i in ids]),
        cell=one.cell * np.array([2, 1, 1])[:, None],
        species=np.tile(one.species, 2),
        elements=one.elements,
        core=np.tile(one.core, 2),
    )
    settings = replace(SMALL[name], buckingham_cutoff_A=8.5, accuracy=1e-6)
    energies = []
    for system in (one, doubled):
        engine = make_engine(system, SET_C, settings)
        energies.append(engine.thermo().energy_eV)
        engine.close()
    assert energies[1] == pytest.approx(2 * energies[0], rel=1e-7)


def test_an_engine_refuses_a_potential_that_it_cannot_run():
    with pytest.raises(ConfigError, match="openmm cannot run the potential set-c-by-calculator"):
        make_engine(small(), AS_CALCULATOR, SMALL["openmm-cpu"])
