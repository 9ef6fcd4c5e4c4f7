"""Looking a potential up, telling LAMMPS of it, and describing it."""

from pathlib import Path

import numpy as np
import pytest

from gbopt.campaign.space import GBSpace
from gbopt.config import load_campaign, load_potential
from gbopt.crystal.llzo import tetragonal_cell
from gbopt.errors import ConfigError
from gbopt.md.engine import System, make_engine
from gbopt.potentials.describe import describe
from gbopt.potentials.lammps import lammps_lines
from gbopt.potentials.library import get_potential, potential_names

EXAMPLES = Path(__file__).parents[2] / "campaigns" / "potentials"
SET_C = "llzo-buckingham-c"


def energy_eV(potential, settings):
    """Energy and forces of the ideal crystal."""
    positions, cell, species = tetragonal_cell()
    system = System(
        positions=positions,
        cell=cell,
        species=species,
        elements=("Li", "La", "Zr", "O"),
        core=np.zeros(len(species), dtype=bool),
    )
    engine = make_engine(system, potential, settings)
    try:
        forces = engine.forces()
        return engine.thermo().energy_eV, forces
    finally:
        engine._lmp.close()  # MPI stays up for the next one


@pytest.fixture(scope="module")
def settings():
    from gbopt.md.engine import EngineSettings

    return EngineSettings(engine="lammps", accelerator="omp")


def test_a_name_or_a_path_gives_a_potential():
    assert get_potential(SET_C).name == SET_C
    assert get_potential(str(EXAMPLES / "buckingham.toml")).name == "my-table"
    with pytest.raises(ConfigError, match=r"unknown potential 'llzo-buckinham-c', did you mean"):
        get_potential("llzo-buckinham-c")
    with pytest.raises(ConfigError, match=r"cannot read the potential"):
        get_potential("no-such-file.toml")


def test_a_file_may_not_take_the_name_of_another_potential(tmp_path):
    text = (EXAMPLES / "buckingham.toml").read_text().replace('"my-table"', f'"{SET_C}"')
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"is the name of one of gbopt's own potentials"):
        get_potential(str(tmp_path / "x.toml"))


def test_every_own_potential_is_neutral_and_described():
    for name in potential_names():
        potential = get_potential(name)
        potential.require(("Li", "La", "Zr", "O"))
        with pytest.raises(ConfigError, match=rf"{name} has no parameters for Al"):
            potential.require(("Li", "Al"))


def test_a_table_with_the_numbers_of_set_c_is_set_c(settings):
    table = load_potential(EXAMPLES / "buckingham.toml")
    own = get_potential(SET_C)
    assert table.key == own.key
    cutoffs = {"buckingham_cutoff_A": 8.5, "coulomb_cutoff_A": 8.5, "accuracy": 1e-4}
    assert lammps_lines(table, **cutoffs) == lammps_lines(own, **cutoffs)
    (mine, mine_f), (theirs, theirs_f) = (energy_eV(p, settings) for p in (table, own))
    assert mine == theirs
    assert mine_f == pytest.approx(theirs_f, abs=1e-12)


def test_commands_with_the_numbers_of_set_c_give_its_energy(settings):
    commands = energy_eV(load_potential(EXAMPLES / "lammps.toml"), settings)
    table = energy_eV(get_potential(SET_C), settings)
    assert commands[0] == pytest.approx(table[0], rel=1e-12)
    assert commands[1] == pytest.approx(table[1], abs=1e-9)


def test_files_are_one_word_to_lammps_whatever_their_folder_is_called(tmp_path):
    text = (EXAMPLES / "reaxff.toml").read_text()
    for folder, quoted in (("plain", "{}"), ("with $1 & space", '"{}"'), ('a "b"', "'{}'")):
        (tmp_path / folder).mkdir()
        file = tmp_path / folder / "ffield.reax.LiLaZrO"
        file.write_text("parameters")
        (tmp_path / folder / "x.toml").write_text(text)
        found = load_potential(tmp_path / folder / "x.toml")
        lines = lammps_lines(found, buckingham_cutoff_A=8, coulomb_cutoff_A=8, accuracy=1e-4)
        assert f"pair_coeff * * {quoted.format(file)} Li La Zr O" in lines


def test_a_description_names_the_source_and_shows_every_command(tmp_path):
    file = EXAMPLES / "lammps.toml"
    potential = load_potential(file)
    lines = describe(potential, str(file))
    text = "\n".join(lines)
    assert f"read from {file}" in lines
    assert potential.citation in text
    assert potential.validity in text
    assert [line.strip() for line in lines if line.strip() in potential.commands] == list(
        potential.commands
    )
    own = describe(get_potential(SET_C), SET_C)
    assert not any("read from" in line for line in own)
    assert "  Li-O: A = 632.1018 eV, rho = 0.2906 A, C = 0 eV A^6" in own


def test_a_description_warns_of_code(tmp_path):
    text = (EXAMPLES / "chgnet.toml").read_text().replace('"chgnet"', '"my.module:make"')
    (tmp_path / "x.toml").write_text(text)
    lines = describe(load_potential(tmp_path / "x.toml"))
    assert "calculator of ASE: my.module:make()" in lines
    assert "know what it does" in lines[-1]
    assert "know" not in "\n".join(describe(load_potential(EXAMPLES / "chgnet.toml")))


def test_a_campaign_of_a_potential_without_its_elements_is_refused_before_it_runs(tmp_path):
    text = (EXAMPLES / "chgnet.toml").read_text()
    (tmp_path / "x.toml").write_text(text.replace('"Li", "La", ', '"Li", '))
    campaign = EXAMPLES.parent / "smoke.toml"
    config = load_campaign(campaign).with_potential(str(tmp_path / "x.toml"))
    with pytest.raises(ConfigError, match=r"chgnet-0\.3\.0 has no parameters for La"):
        _ = GBSpace(config).geometries
