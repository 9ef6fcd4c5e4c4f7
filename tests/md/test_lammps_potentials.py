"""Published EAM, SNAP and ReaxFF potentials, run by our engine, against what is known of them.

The parameter files are those that come with LAMMPS. References: Mishin et al., Phys. Rev. B 63,
224106 (2001), table of copper; the lattice parameters in the heads of the files of Mendelev's
Cu-Zr; the logs that LAMMPS ships with its examples (15 June 2020, snap Ta06A; 9 October 2020,
benchmark of ReaxFF, PETN). No EAM or ReaxFF for Li-La-Zr-O has been published.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell

from gbopt.config import MDConfig, load_potential
from gbopt.md.engine import System, make_engine
from gbopt.md.libmpi import load_lammps
from gbopt.md.protocol import Stage, energy_stage
from gbopt.md.run import run_md
from gbopt.model.bicrystal import Bicrystal
from gbopt.units import ATM_BAR, BOLTZMANN_J_K

SHARE = Path(load_lammps().__file__).parent / "share" / "lammps"
KCAL_MOL_EV = 4184 / 96485.33212331
AMU_A2_PS2_EV = 1.0364269652e-4

MISHIN = ("eam/alloy", "Cu_mishin1.eam.alloy")
MENDELEV = ("eam/fs", "CuZr_mm.eam.fs")
NVT = Stage(name="nvt", kind="dynamics", steps=300, start_K=300.0, end_K=300.0, velocity_seed=5)


def potential(folder, elements, commands, files, units="metal", charges=""):
    """A potential as a user writes it: a TOML file with the parameter files beside it."""
    for file in files:
        (folder / file.name).write_bytes(file.read_bytes())
    text = f"""
kind = "lammps"
name = "test"
citation = "see the head of this module"
validity = "see the head of this module"
elements = {list(elements)}
units = "{units}"
commands = {commands}
files = {[file.name for file in files]}
charges_e = {{{charges}}}
"""
    (folder / "potential.toml").write_text(text)
    return load_potential(folder / "potential.toml")


def eam(folder, elements, style_and_file, **options):
    style, name = style_and_file
    commands = [f"pair_style {style}", f"pair_coeff * * {{{name}}} {' '.join(elements)}"]
    return potential(folder, elements, commands, [SHARE / "potentials" / name], **options)


def reaxff(folder, elements, file):
    commands = [
        "pair_style reaxff NULL",
        f"pair_coeff * * {{{file.name}}} {' '.join(elements)}",
        "fix qeq all qeq/reaxff 1 0.0 10.0 1.0e-6 reaxff",
    ]
    return potential(folder, elements, commands, [file], units="real")


def zinc_oxide(repeat):
    """Wurtzite in an orthorhombic cell."""
    cell = bulk("ZnO", "wurtzite", a=3.25, c=5.207)
    return make_supercell(cell, [[1, 0, 0], [1, 2, 0], [0, 0, 1]]) * repeat


class Started:
    """An engine in this process; MPI stays up for the next one."""

    def __init__(self, atoms, potential, settings):
        order = potential.elements
        self.masses_amu = atoms.get_masses()
        system = System(
            positions=atoms.positions.copy(),
            cell=np.array(atoms.cell),
            species=np.array([order.index(name) for name in atoms.symbols], dtype=np.int8),
            elements=order,
            core=np.zeros(len(atoms), dtype=bool),
        )
        self.engine = make_engine(system, potential, settings)

    def __enter__(self):
        return self.engine

    def __exit__(self, *exc):
        self.engine._lmp.close()


def relaxed(atoms, potential, settings, *, relax_cell=True):
    """Energy in eV and cell in A of the nearest minimum."""
    stage = energy_stage(relax_cell=relax_cell)
    with Started(atoms, potential, settings) as engine:
        for _ in range(3 if relax_cell else 1):  # strain is measured from the start: begin anew
            engine.begin(stage)
            while not engine.minimise(200):
                pass
            engine.end()
        return engine.thermo().energy_eV, engine.cell()


def test_eam_copper_has_its_published_lattice_energy_and_vacancy(tmp_path, lammps):
    copper = eam(tmp_path, ("Cu",), MISHIN)
    atoms = bulk("Cu", "fcc", a=3.7, cubic=True) * (4, 4, 4)
    energy, cell = relaxed(atoms, copper, lammps)
    n = len(atoms)
    assert np.diag(cell) / 4 == pytest.approx([3.615] * 3, abs=0.0005)
    assert energy / n == pytest.approx(-3.54, abs=0.0005)
    atoms.set_cell(cell, scale_atoms=True)
    del atoms[0]
    vacant, _ = relaxed(atoms, copper, lammps, relax_cell=False)
    assert vacant - energy * (n - 1) / n == pytest.approx(1.272, abs=0.01)


def test_eam_of_an_alloy_has_the_lattices_of_both_metals(tmp_path, lammps):
    alloy = eam(tmp_path, ("Cu", "Zr"), MENDELEV)
    _, cell = relaxed(bulk("Cu", "fcc", a=3.6, cubic=True) * (4, 4, 4), alloy, lammps)
    assert np.diag(cell) / 4 == pytest.approx([3.639087] * 3, abs=1e-4)
    zirconium = bulk("Zr", "hcp", a=3.23, c=5.17, orthorhombic=True) * (5, 3, 3)
    _, cell = relaxed(zirconium, alloy, lammps)
    assert cell[0, 0] / 5 == pytest.approx(3.220299, abs=1e-3)
    assert cell[1, 1] / 3 == pytest.approx(3.220299 * np.sqrt(3), abs=2e-3)


def test_snap_tantalum_gives_the_energies_of_the_reference_log(tmp_path, lammps):
    files = [SHARE / "potentials" / f"Ta06A.{kind}" for kind in ("snapcoeff", "snapparam")]
    commands = [
        "pair_style hybrid/overlay zbl 4.0 4.8 snap",
        "pair_coeff 1 1 zbl 73 73",
        "pair_coeff * * snap {Ta06A.snapcoeff} {Ta06A.snapparam} Ta",
    ]
    tantalum = potential(tmp_path, ("Ta",), commands, files)
    atoms = bulk("Ta", "bcc", a=3.316, cubic=True) * (4, 4, 4)
    nve = replace(NVT, ensemble="nve")
    with Started(atoms, tantalum, replace(lammps, timestep_ps=0.0005)) as engine:
        engine.forces()
        assert engine.thermo().energy_eV / len(atoms) == pytest.approx(-11.85157, abs=1e-5)
        engine.begin(nve)
        engine.run(1)
        start = engine.thermo()
        engine.run(100)
        end = engine.thermo()
    kinetic = 1.5 * 8.617333e-5 * (1 - 1 / len(atoms)) * (start.temperature_K - end.temperature_K)
    assert (end.energy_eV - start.energy_eV) / len(atoms) == pytest.approx(kinetic, abs=1e-5)


def petn():
    """The crystal of LAMMPS's benchmark, 2 x 2 x 3 cells."""
    lines = (SHARE / "bench" / "POTENTIALS" / "data.reax").read_text().splitlines()
    rows = [row for row in map(str.split, lines) if len(row) == 6 and row[0].isdigit()]
    positions = np.array([row[3:] for row in rows], dtype=float)
    symbols = [("C", "H", "O", "N")[int(row[1]) - 1] for row in rows]
    return Atoms(symbols, positions, cell=[9.491065, 9.491065, 6.99123], pbc=True) * (2, 2, 3)


def test_reaxff_gives_energy_and_pressure_of_the_reference_log(tmp_path, lammps):
    """Its first step: 7 x 8 x 10 cells at 300 K, kcal/mol and atm."""
    explosive = reaxff(
        tmp_path, ("C", "H", "O", "N"), SHARE / "bench" / "POTENTIALS" / "ffield.reax"
    )
    n, volume_A3 = 32480, 66.437455 * 75.928520 * 69.912300
    kinetic_bar = (n - 1) * BOLTZMANN_J_K * 300 / (volume_A3 * 1e-30) / 1e5
    static_bar = (22804.879 - 29365.593 + 6302.5638) / 3 * ATM_BAR - kinetic_bar
    with Started(petn(), explosive, lammps) as engine:
        assert engine.pressure_bar() == pytest.approx(static_bar, abs=0.5)
        energy_eV = engine.thermo().energy_eV / 12
    assert energy_eV == pytest.approx(-3232140.8 / 560 * KCAL_MOL_EV, rel=1e-7)


def test_reaxff_of_an_oxide_keeps_its_lattice_and_its_energy(tmp_path, lammps):
    """Wurtzite ZnO: a = 3.250, c = 5.207 A and 7.52 eV per formula unit in experiment."""
    oxide = reaxff(tmp_path, ("Zn", "O"), SHARE / "potentials" / "ffield.reax.ZnOH")
    atoms = zinc_oxide((3, 2, 2))
    energy, cell = relaxed(atoms, oxide, lammps)
    assert -2 * energy / len(atoms) == pytest.approx(7.52, rel=0.04)
    assert np.diag(cell) / (3, 2, 2) == pytest.approx([3.25, 3.25 * np.sqrt(3), 5.207], rel=0.025)
    atoms.set_cell(cell, scale_atoms=True)
    started = Started(atoms, oxide, replace(lammps, timestep_ps=0.00025))
    with started as engine:
        engine.begin(replace(NVT, ensemble="nve", start_K=600.0))
        engine.run(1)
        before, totals = engine.positions(), []
        engine.run(1)
        speed = engine.velocities()
        assert (engine.positions() - before) / 0.00025 == pytest.approx(speed, abs=0.05)
        for _ in range(10):
            engine.run(8)
            kinetic = 0.5 * (started.masses_amu[:, None] * engine.velocities() ** 2).sum()
            totals.append(engine.thermo().energy_eV + kinetic * AMU_A2_PS2_EV)
    # Kinetic and potential energy exchange some 4 eV.
    assert np.ptp(totals) < 0.02


def state(atoms, potential, settings, stage):
    """What an engine says of a system before and after 100 steps."""
    with Started(atoms, potential, settings) as engine:
        found = [engine.forces(), engine.thermo().energy_eV, engine.pressure_bar()]
        engine.begin(stage)
        engine.run(100)
        found += [engine.positions(), engine.velocities(), engine.cell()]
        return [np.asarray(value) for value in (*found, engine.pressure_bar())]


def test_real_units_are_metal_units(tmp_path, lammps):
    """LAMMPS converts the tables of EAM itself: the same run in fs, kcal/mol and atm."""
    metal, real = (
        eam(tmp_path, ("Cu",), MISHIN, units=units, charges="Cu = 1.0")
        for units in ("metal", "real")
    )
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True) * (3, 3, 3)
    atoms.rattle(0.05, seed=1)
    cooling = replace(NVT, start_K=600.0, ensemble="npt", free="all", pressure_bar=20000.0)
    for stage in (cooling, replace(NVT, field_V_A=0.1)):
        both = [state(atoms, units, lammps, stage) for units in (metal, real)]
        for first, second in zip(*both, strict=True):
            scale = np.abs(first).max()
            assert second / scale == pytest.approx(first / scale, abs=5e-6)


def test_a_field_pulls_as_it_should(tmp_path, lammps):
    copper = eam(tmp_path, ("Cu",), MISHIN, units="real", charges="Cu = 1.0")
    atoms = bulk("Cu", "fcc", a=3.615, cubic=True) * (3, 3, 3)
    ends = [state(atoms, copper, lammps, replace(NVT, field_V_A=E, ensemble="nve")) for E in (0, 1)]
    gained = (ends[1][4] - ends[0][4]).mean(axis=0)
    assert gained == pytest.approx([0, 0, 0.2 / (63.546 * AMU_A2_PS2_EV)], rel=1e-4, abs=1e-6)


def test_reaxff_is_taken_up_from_a_checkpoint(tmp_path, lammps):
    oxide = reaxff(tmp_path, ("Zn", "O"), SHARE / "potentials" / "ffield.reax.ZnOH")
    atoms = zinc_oxide((3, 2, 2))
    settings = replace(lammps, timestep_ps=0.0005)
    with Started(atoms, oxide, settings) as engine:
        engine.begin(NVT)
        engine.run(10)
        engine.save(tmp_path / "restart")
        engine.run(10)
        straight = engine.positions()
    with Started(atoms, oxide, settings) as engine:
        engine.load(tmp_path / "restart")
        engine.begin(NVT, fresh=False)
        engine.run(10)
        # Charges are solved to 1e-6 from another start.
        assert engine.positions() == pytest.approx(straight, abs=1e-5)


def crystal(atoms, elements, lattice_A):
    """A single crystal as the engine takes it, half of it marked as a core."""
    species = np.array([elements.index(name) for name in atoms.symbols], dtype=np.int8)
    return Bicrystal(
        positions=atoms.positions,
        cell=np.array(atoms.cell),
        sites=atoms.positions,
        species=species,
        grain=np.zeros(len(atoms), dtype=np.int8),
        core=atoms.positions[:, 2] < atoms.cell[2, 2] / 2,
        boundaries_A=(),
        core_width_A=0.0,
        lattice_A=lattice_A,
        elements=elements,
        formal_charges_e=(0,) * len(elements),
    )


STAGES = (
    Stage(name="minimise", kind="minimise", steps=20),
    replace(NVT, name="anneal", steps=20, core_only=True),
    replace(NVT, name="npt", steps=50, ensemble="npt", free="normal"),
    replace(NVT, name="production", kind="production", steps=20, velocity_seed=None),
)


@pytest.mark.parametrize("kind", ["eam", "reaxff"])
def test_every_stage_of_a_protocol_runs_in_the_child(kind, tmp_path, lammps):
    folder = tmp_path / "a folder"  # paths with spaces are one word to LAMMPS
    folder.mkdir()
    if kind == "eam":
        found = eam(folder, ("Cu", "Zr"), MENDELEV)
        atoms = bulk("CuZr", "cesiumchloride", a=3.27, cubic=True) * (4, 4, 6)
        step_ps = 0.002
    else:
        found = reaxff(folder, ("Zn", "O"), SHARE / "potentials" / "ffield.reax.ZnOH")
        atoms, step_ps = zinc_oxide((3, 2, 2)), 0.0005
    md = MDConfig(temperature_K=300, timestep_ps=step_ps, frame_ps=5 * step_ps)
    with run_md(
        crystal(atoms, found.elements, 3.3),
        found,
        STAGES,
        md,
        settings=replace(lammps, timestep_ps=step_ps),
        folder=folder / "run",
        stall_s=120,
        on_progress=lambda progress: None,
    ) as run:
        trajectory = run.trajectory()
        frames = [frame.copy() for frame in trajectory.frames]
    assert len(frames) == trajectory.info.n_frames == 5
    assert trajectory.info.cell[2, 2] == pytest.approx(atoms.cell[2, 2], rel=0.05)
    assert 0 < np.abs(np.diff(frames, axis=0)).max() < 0.5
    assert 30 < run.mean_temperature_K() < 600
