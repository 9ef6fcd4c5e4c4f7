"""The engine for ASE's calculators: its dynamics against LAMMPS's and ASE's own, its parts."""

import math
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT

from gbopt.config import AsePotential
from gbopt.crystal.llzo import tetragonal_cell
from gbopt.errors import ConfigError, EnvironmentProblem
from gbopt.md.calculators import make_calculator
from gbopt.md.engine import EngineSettings, System, make_engine
from gbopt.md.nose_hoover import Ensemble, Motion, Pull, step
from gbopt.md.protocol import Stage
from gbopt.model.bicrystal import SPECIES
from gbopt.potentials.library import get_potential
from gbopt.units import BOLTZMANN_EV_K
from tests.md.lammps_calculator import ACCURACY, ARGON

HERE = __name__.rpartition(".")[0]
CPU = EngineSettings(engine="ase", accelerator="cpu")
NVE = Stage(name="nve", kind="dynamics", steps=100, ensemble="nve")
NVT = Stage(name="nvt", kind="dynamics", steps=100, start_K=300.0, end_K=300.0, velocity_seed=1)


def ase_potential(calculator, elements, **more):
    return AsePotential(
        name="of-ase",
        citation="a calculator of ASE",
        validity="tests of the engine",
        elements=elements,
        calculator=calculator,
        **more,
    )


COPPER = ase_potential("ase.calculators.emt:EMT", ("Cu",))


def system_of(atoms, core=None):
    elements = tuple(dict.fromkeys(atoms.get_chemical_symbols()))
    return System(
        positions=atoms.positions.copy(),
        cell=atoms.cell.array.copy(),
        species=np.array([elements.index(s) for s in atoms.symbols], dtype=np.int8),
        elements=elements,
        core=np.ones(len(atoms), dtype=bool) if core is None else core,
    )


def copper(repeat=2, rattle_A=0.0):
    atoms = bulk("Cu", "fcc", a=3.61, cubic=True) * (repeat, repeat, repeat)
    atoms.rattle(rattle_A, seed=3)
    return atoms


def copper_engine(core=None, repeat=2, rattle_A=0.0, potential=COPPER):
    return make_engine(system_of(copper(repeat, rattle_A), core), potential, CPU)


def engine_of(name, atoms, timestep_ps):
    """LAMMPS, or the same LAMMPS as a calculator under ASE's engine."""
    system = system_of(atoms)
    if name == "lammps":
        settings = EngineSettings(engine="lammps", timestep_ps=timestep_ps, accuracy=ACCURACY)
        potential = ARGON if system.elements == ("Ar",) else get_potential("llzo-buckingham-c")
        return make_engine(system, potential, settings)
    function = "argon" if system.elements == ("Ar",) else "set_c"
    potential = ase_potential(f"{HERE}.lammps_calculator:{function}", system.elements)
    return make_engine(system, potential, replace(CPU, timestep_ps=timestep_ps))


@pytest.fixture(scope="module")
def argon():
    return bulk("Ar", "fcc", a=5.32, cubic=True) * (3, 3, 3)


def test_nve_follows_the_trajectory_of_lammps():
    positions, cell, species = tetragonal_cell()
    atoms = Atoms(np.array(SPECIES)[species], positions, cell=cell, pbc=True)
    atoms.rattle(0.1, seed=1)
    engines = [engine_of(name, atoms, 0.001) for name in ("lammps", "ase")]
    moved = []
    for engine in engines:
        start = engine.positions()
        engine.begin(NVE)
        engine.run(60)
        engine.run(40)
        moved.append(engine.positions() - start)
    lammps, ours = engines
    assert np.abs(moved[0]).max() > 0.2
    assert moved[1] == pytest.approx(moved[0], abs=1e-4)
    assert ours.velocities() == pytest.approx(lammps.velocities(), abs=1e-2)
    assert ours.forces() == pytest.approx(lammps.forces(), abs=1e-3)
    assert ours.thermo() == pytest.approx(lammps.thermo(), rel=1e-5)
    assert ours.pressure_bar() == pytest.approx(lammps.pressure_bar(), rel=1e-3)


@pytest.mark.parametrize("free", [None, (False, False, True), (True, True, True)])
def test_chains_follow_the_trajectory_of_ases_own(free):
    """With ASE's count of the degrees of freedom, ion by ion."""
    theirs_of = pytest.importorskip("ase.md.nose_hoover_chain")
    if free and not hasattr(theirs_of, "MaskedMTKNPT"):
        pytest.skip("this ASE has no barostat for single axes")
    theirs, ours = copper(), copper()
    theirs.calc, ours.calc = EMT(), EMT()
    masses, kT = theirs.get_masses()[:, None], units.kB * 600
    start = np.random.default_rng(1).normal(size=(32, 3)) * np.sqrt(kT / masses)
    theirs.set_velocities(start)
    heat = {"temperature_K": 600, "tdamp": 100 * units.fs}
    if free is None:
        dynamics = theirs_of.NoseHooverChainNVT(theirs, 2 * units.fs, **heat)
    else:
        press = {"pressure_au": 0.01, "pdamp": 500 * units.fs, "mask": np.array(free)}
        dynamics = theirs_of.MaskedMTKNPT(theirs, 2 * units.fs, **heat, **press)
    dynamics.run(60)

    motion = Motion(positions=ours.positions.copy(), velocities=start, cell=ours.cell.array)
    ensemble = Ensemble(
        masses=masses,
        moving=np.ones((32, 1), dtype=bool),
        dof=96,
        timestep=2 * units.fs,
        thermostat_time=100 * units.fs,
        barostat_time=500 * units.fs,
        free=np.array(free or (False, False, False)),
        pressure=0.01,
    )

    def evaluate(motion):
        ours.set_cell(motion.cell)
        ours.positions[:] = motion.positions
        virial = -ours.get_volume() * ours.get_stress()[:3]
        return Pull(ours.get_potential_energy(), ours.get_forces(), virial)

    pull = evaluate(motion)
    for _ in range(60):
        pull = step(motion, pull, ensemble, kT, evaluate)
    assert motion.positions == pytest.approx(theirs.positions, abs=1e-9)
    assert motion.velocities == pytest.approx(theirs.get_velocities(), abs=1e-9)
    assert motion.cell == pytest.approx(theirs.cell.array, abs=1e-9)


def test_nvt_gives_the_temperature_and_its_fluctuation(argon):
    engine = engine_of("ase", argon, 0.005)
    engine.begin(replace(NVT, steps=3000, start_K=40.0, end_K=40.0))
    engine.run(400)
    kelvin = []
    for _ in range(260):
        engine.run(10)
        kelvin.append(engine.thermo().temperature_K)
    dof = 3 * len(argon) - 3
    assert np.mean(kelvin) == pytest.approx(40.0, rel=0.01)
    assert np.var(kelvin) / 40.0**2 == pytest.approx(2 / dof, rel=0.35)


@pytest.mark.parametrize("free", ["normal", "all"])
def test_npt_gives_the_mean_edges_of_lammps(argon, free):
    stage = replace(NVT, ensemble="npt", free=free, steps=2400, start_K=40.0, end_K=40.0)
    lengths_A, pressures = {}, {}
    for name in ("lammps", "ase"):
        engine = engine_of(name, argon, 0.005)
        engine.begin(replace(stage, pressure_bar=500.0))
        engine.run(400)
        edges, pressure = [], []
        for _ in range(100):
            engine.run(20)
            edges.append(np.diag(engine.cell()))
            pressure.append(engine.pressure_bar())
        lengths_A[name] = np.prod(edges, axis=1).mean() ** (1 / 3)
        pressures[name] = np.mean(pressure)
    assert lengths_A["ase"] == pytest.approx(lengths_A["lammps"], rel=1e-3)
    held = edges[-1][:2] == pytest.approx(np.diag(argon.cell.array)[:2], abs=1e-9)
    assert held == (free == "normal")
    if free == "all":
        assert pressures["ase"] == pytest.approx(500.0, abs=30.0)


def test_nve_conserves_energy():
    engine = copper_engine(repeat=3)
    engine.begin(replace(NVE, start_K=600.0, velocity_seed=1))
    totals = []
    for _ in range(10):
        engine.run(10)
        kelvin, energy_eV = engine.thermo()
        totals.append(energy_eV + 0.5 * (3 * 108 - 3) * BOLTZMANN_EV_K * kelvin)
    assert np.ptp(totals) / 108 < 1e-4


@pytest.mark.parametrize("core_only", [False, True])
def test_new_velocities_have_the_temperature_and_no_momentum(core_only):
    core = np.arange(32) % 2 == 0
    engine = copper_engine(core)
    engine.begin(replace(NVT, core_only=core_only))
    assert engine.thermo().temperature_K == pytest.approx(300.0, rel=1e-12)
    velocities = engine.velocities()
    assert velocities.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-10)
    assert (np.abs(velocities[~core]).max() == 0.0) == core_only
    twice_eV = 63.546 * 1.036427e-4 * (velocities**2).sum()
    dof = 3 * 16 if core_only else 3 * 32 - 3
    assert twice_eV / (dof * BOLTZMANN_EV_K) == pytest.approx(300.0, rel=1e-4)


def test_held_ions_stay_and_the_others_keep_the_temperature():
    core = np.arange(32) < 24
    engine = copper_engine(core)
    before = engine.positions()
    engine.begin(replace(NVT, core_only=True, steps=300))
    kelvin = []
    for _ in range(30):
        engine.run(10)
        kelvin.append(engine.thermo().temperature_K)
    moved = np.abs(engine.positions() - before).max(axis=1)
    assert moved[~core].max() == 0.0
    assert moved[core].min() > 0.01
    assert np.mean(kelvin[10:]) == pytest.approx(300.0, rel=0.15)


def test_a_ramp_spans_the_stage(argon):
    engine = engine_of("ase", argon, 0.004)
    engine.begin(replace(NVT, steps=1000, start_K=80.0, end_K=20.0))
    kelvin = []
    for _ in range(100):
        engine.run(10)
        kelvin.append(engine.thermo().temperature_K)
    # Half of the heat of the draw goes into the crystal at first, and comes back.
    assert np.mean(kelvin[45:55]) == pytest.approx(50.0, rel=0.2)
    assert np.mean(kelvin[90:]) == pytest.approx(23.0, rel=0.2)


@pytest.mark.parametrize(
    "stage",
    [
        NVE,
        replace(NVT, end_K=900.0),
        replace(NVT, core_only=True),
        replace(NVT, ensemble="npt", free="normal", pressure_bar=1000.0),
    ],
    ids=["nve", "ramp", "held", "npt"],
)
def test_a_run_is_taken_up_exactly(stage, tmp_path):
    core = np.arange(32) % 3 > 0
    engine = copper_engine(core, rattle_A=0.05)
    engine.begin(stage)
    engine.run(15)
    engine.save(tmp_path / "checkpoint-1-15.state")
    engine.run(15)
    again = copper_engine(core)
    again.load(tmp_path / "checkpoint-1-15.state")
    again.begin(stage, fresh=False)
    again.run(15)
    assert again.positions() == pytest.approx(engine.positions(), abs=1e-11)
    assert again.velocities() == pytest.approx(engine.velocities(), abs=1e-9)
    assert again.cell() == pytest.approx(engine.cell(), abs=1e-11)
    assert again.thermo() == pytest.approx(engine.thermo(), abs=1e-8)


def test_a_fresh_stage_starts_its_chains_anew(tmp_path):
    """Left with the rates of the stage before, a thermostat would pull at once."""
    engine = copper_engine()
    engine.begin(NVT)
    engine.run(20)
    engine.end()
    engine.save(tmp_path / "a.state")
    engine.begin(replace(NVT, velocity_seed=None))
    engine.run(5)
    again = copper_engine()
    again.load(tmp_path / "a.state")
    again.begin(replace(NVT, velocity_seed=None))
    again.run(5)
    assert again.positions() == pytest.approx(engine.positions(), abs=1e-11)


def test_a_field_pushes_the_formal_charges_and_is_not_counted():
    atoms = bulk("LiF", "rocksalt", a=4.03, cubic=True)
    potential = ase_potential(f"{__name__}:Nothing", ("Li", "F"))
    engine = make_engine(system_of(atoms), potential, CPU)
    engine.begin(replace(NVE, field_V_A=0.1))
    engine.run(10)
    seconds_ps = 10 * CPU.timestep_ps
    sign = np.where(atoms.symbols == "Li", 1.0, -1.0)
    expected = sign * 0.1 / atoms.get_masses() * 9648.533 * seconds_ps
    assert engine.velocities()[:, 2] == pytest.approx(expected, rel=1e-5)
    assert np.abs(engine.velocities()[:, :2]).max() == 0.0
    assert engine.thermo().energy_eV == 0.0
    assert np.abs(engine.forces()).max() == 0.0
    engine.end()
    engine.begin(NVE)
    engine.run(10)
    assert engine.velocities()[:, 2] == pytest.approx(expected, rel=1e-5)


def test_a_field_needs_formal_charges():
    with pytest.raises(ConfigError, match="no formal charge is known for Cu"):
        copper_engine().begin(replace(NVE, field_V_A=0.1))


def test_minimisation_of_ions_and_of_edges():
    engine = copper_engine(rattle_A=0.1)
    engine.set_cell(np.diag([7.4, 7.1, 7.3]))
    minimise = Stage(name="m", kind="minimise", steps=200, energy_tolerance=1e-9)
    start = engine.positions()
    engine.begin(replace(minimise, max_move_A=0.01))
    assert not engine.minimise(1)
    assert 0.005 < np.linalg.norm(engine.positions() - start, axis=1).max() < 0.0101
    assert engine.minimise(150)
    engine.end()
    assert np.abs(engine.forces()).max() < 5e-3
    assert abs(engine.pressure_bar()) > 1e4
    engine.begin(replace(minimise, free="all"))
    assert any(engine.minimise(50) for _ in range(5))
    engine.end()
    assert np.abs(engine.forces()).max() < 5e-3
    assert abs(engine.pressure_bar()) < 500
    assert np.diag(engine.cell()) == pytest.approx(2 * 3.59 * np.ones(3), rel=2e-3)
    assert engine.cell() == pytest.approx(np.diag(np.diag(engine.cell())))


def test_pressure_is_the_slope_of_energy_plus_the_ideal_gas():
    engine = copper_engine(rattle_A=0.1)
    cell, edge = engine.cell(), engine.cell()[0, 0]
    bar_eV_A3 = 6.241509e-7
    energies = []
    for factor in (1 - 1e-4, 1 + 1e-4):
        engine.set_cell(cell * factor)
        energies.append(engine.thermo().energy_eV)
    engine.set_cell(cell)
    slope = (energies[0] - energies[1]) / (6e-4 * edge**3)
    static = engine.pressure_bar()
    assert static * bar_eV_A3 == pytest.approx(slope, rel=1e-5)
    engine.begin(NVT)
    gas = 31 * BOLTZMANN_EV_K * 300 / edge**3  # total momentum takes one ion's share
    assert (engine.pressure_bar() - static) * bar_eV_A3 == pytest.approx(gas, rel=1e-5)


def test_positions_are_unwrapped_and_scale_with_the_cell():
    atoms = copper(rattle_A=0.05)
    system = system_of(atoms)
    shift = np.array([2.0, -1.0, 0.0]) @ atoms.cell.array
    far = replace(system, positions=system.positions + shift)
    engine, moved = (make_engine(s, COPPER, CPU) for s in (system, far))
    for each in (engine, moved):
        each.begin(NVT)
        each.run(5)
    assert moved.positions() - shift == pytest.approx(engine.positions(), abs=1e-10)
    before, cell = moved.positions(), moved.cell()
    moved.set_cell(cell * 1.01)
    assert moved.positions() == pytest.approx(before * 1.01)


class Nothing(Calculator):
    """Ions that feel nothing, and know no stress."""

    implemented_properties = ("energy", "forces")

    def __init__(self, depth=0.0, device="", model=""):
        super().__init__()
        self.given = (depth, device, model)

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": 0.0, "forces": np.zeros((len(atoms), 3), dtype=np.float32)}


@pytest.mark.parametrize(
    "stage",
    [
        replace(NVT, ensemble="npt", free="all"),
        Stage(name="energy", kind="minimise", steps=5, free="all"),
    ],
)
def test_a_free_cell_needs_a_stress(stage):
    engine = copper_engine(potential=ase_potential(f"{__name__}:Nothing", ("Cu",)))
    with pytest.raises(ConfigError, match=f"no stress, which the stage {stage.name} needs"):
        engine.begin(stage)
    engine.begin(NVT)
    engine.run(2)
    assert engine.velocities().dtype == np.float64


def test_a_position_that_is_no_number_shows_in_the_energy():
    system = system_of(copper())
    system.positions[0] = np.nan
    engine = make_engine(system, COPPER, CPU)
    engine.begin(replace(NVT, ensemble="npt"))
    engine.run(3)
    assert math.isnan(engine.thermo().energy_eV)


def test_the_version_names_calculator_and_device():
    assert "ase.calculators.emt:EMT" in copper_engine().version
    assert copper_engine().version.endswith("cpu")


def test_a_function_is_given_device_file_and_arguments(tmp_path):
    file = tmp_path / "weights"
    file.touch()
    potential = ase_potential(
        f"{__name__}:Nothing", ("Cu",), model=str(file), arguments={"depth": 2.0}
    )
    assert make_calculator(potential, "cpu").given == (2.0, "cpu", str(file))


def returns_a_number():
    return 3


@pytest.mark.parametrize(
    ("calculator", "arguments", "message"),
    [
        (f"{__name__}:nowhere", {}, "has no function 'nowhere'"),
        (f"{__name__}:Nothing", {"height": 1}, "unexpected keyword argument 'height'"),
        (f"{__name__}:returns_a_number", {}, "returned a int"),
    ],
)
def test_calculators_that_cannot_be(calculator, arguments, message):
    with pytest.raises(ConfigError, match=message):
        make_calculator(ase_potential(calculator, ("Cu",), arguments=arguments), "cpu")


def test_every_calculator_that_a_potential_may_name_can_be_made():
    from gbopt.config.potential import CALCULATORS
    from gbopt.md.calculators import _MAKERS, _PACKAGES

    assert set(_MAKERS) == set(_PACKAGES) == set(CALCULATORS)


@pytest.mark.parametrize("name", ["mace", "sevennet", "nep"])
def test_no_model_is_ever_looked_up_by_name(name):
    with pytest.raises(ConfigError, match=f"{name} needs the file of a model"):
        make_calculator(ase_potential(name, ("Li",)), "cpu")
    with pytest.raises(ConfigError, match="there is no model file medium"):
        make_calculator(ase_potential(name, ("Li",), model="medium"), "cpu")


@pytest.mark.parametrize(
    ("name", "module", "install"),
    [
        ("chgnet", "chgnet", "pip install chgnet"),
        ("mace", "mace", "pip install mace-torch"),
        ("sevennet", "sevenn", "pip install sevenn"),
        ("nep", "nep_adapters", "pip install nep-adapters"),
    ],
)
def test_a_missing_package_is_named_with_its_command(name, module, install, monkeypatch, tmp_path):
    file = tmp_path / "model"
    file.touch()
    for loaded in ("", ".calculators", ".calculator", ".model", ".model.model", ".ase"):
        monkeypatch.setitem(__import__("sys").modules, module + loaded, None)
    with pytest.raises(EnvironmentProblem, match=f"calculator {name} cannot") as caught:
        make_calculator(ase_potential(name, ("Li",), model=str(file)), "cpu")
    assert caught.value.hint.endswith(install)


def test_a_missing_module_and_an_unknown_device():
    with pytest.raises(EnvironmentProblem, match="cannot be imported"):
        make_calculator(ase_potential("no_such_module:make", ("Li",)), "cpu")
    with pytest.raises(ConfigError, match="'tpu' is no device"):
        make_calculator(COPPER, "tpu")
