"""The file of a potential: what is read, and one clear sentence for everything that is wrong."""

import os
from pathlib import Path

import pytest

from gbopt.config import (
    AsePotential,
    BuckinghamPotential,
    LammpsPotential,
    copy_potential,
    load_campaign,
    load_potential,
    parse_campaign,
)
from gbopt.config.files import toml_data
from gbopt.errors import ConfigError

EXAMPLES = sorted((Path(__file__).parents[2] / "campaigns" / "potentials").glob("*.toml"))
CAMPAIGN = """
name = "test"
question = "Which boundary resists lithium least?"
seed = 1
[md]
potential = "potential.toml"
"""
HEAD = """
kind = "{kind}"
name = "mine"
citation = "somebody, somewhere"
validity = "not known yet"
"""
TABLE = (
    HEAD.format(kind="buckingham")
    + """
[charges_e]
Li = 1.0
La = 3.0
Zr = 4.0
O = -2.0
[pairs]
Li-O = {A_eV = 632.1018, rho_A = 0.2906}
La-O = {A_eV = 1545.21, rho_A = 0.3590}
Zr-O = {A_eV = 985.869, rho_A = 0.3760}
O-O = {A_eV = 22764.3, rho_A = 0.1490, C_eV_A6 = 27.89}
"""
)
COMMANDS = (
    HEAD.format(kind="lammps")
    + """
elements = ["Cu", "Zr"]
files = ["x.eam"]
commands = ["pair_style eam/fs", "pair_coeff * * {x.eam} Cu Zr"]
"""
)
CALCULATOR = (
    HEAD.format(kind="ase")
    + """
elements = ["Li", "La", "Zr", "O"]
calculator = "nep"
model = "x.eam"
"""
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "x.eam").write_text("parameters")
    return tmp_path


def load(folder, text):
    (folder / "potential.toml").write_text(text)
    return load_potential(folder / "potential.toml")


def test_each_kind_is_read_and_its_files_are_found(folder):
    assert isinstance(load(folder, TABLE), BuckinghamPotential)
    commands = load(folder, COMMANDS)
    assert isinstance(commands, LammpsPotential)
    assert commands.files == (str(folder / "x.eam"),)
    calculator = load(folder, CALCULATOR)
    assert isinstance(calculator, AsePotential)
    assert calculator.model == str(folder / "x.eam")


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_examples_can_be_used(file, tmp_path):
    text = file.read_text()
    assert text.startswith("# ")  # opens with what it is
    data = toml_data(text, str(file))
    for name in (*data.get("files", []), *filter(None, [data.get("model")])):
        (tmp_path / name).write_text("what the user brings")
    assert load(tmp_path, text).elements[:4] == ("Li", "La", "Zr", "O")


def test_the_key_is_that_of_the_content_wherever_it_lies(folder):
    before = load(folder, COMMANDS).key
    assert load(folder, "# a comment\n" + COMMANDS).key == before
    elsewhere = copy_potential(folder / "potential.toml", folder / "elsewhere")
    assert load_potential(elsewhere).key == before
    (folder / "x.eam").write_text("other parameters")
    os.utime(folder / "x.eam", (0, 0))
    assert load(folder, COMMANDS).key != before
    assert load(folder, COMMANDS.replace("Cu Zr", "Zr Cu")).key != before


BAD_TABLES = {
    "other kind": (
        TABLE.replace("buckingham", "eam"),
        r"'kind' = 'eam': must be 'buckingham', 'lammps' or 'ase'$",
    ),
    "no kind": (TABLE.replace('kind = "buckingham"', ""), r"the key 'kind' is missing"),
    "typo": ("latice_A = 13\n" + TABLE, r"unknown key 'latice_A', did you mean 'lattice_A'\?$"),
    "no name": (TABLE.replace('name = "mine"', ""), r"the key 'name' is missing$"),
    "bad name": (TABLE.replace('"mine"', '"../x"'), r"'name' = \"\.\./x\""),
    "no charge": (
        TABLE + "Cl-O = {A_eV = 1, rho_A = 0.3}\n",
        r"pairs: Cl-O names Cl, which has no charge$",
    ),
    "charged": (
        TABLE.replace("La = 3.0", "La = 3.1"),
        r"charges_e: Li7La3Zr2O12 has a charge of \+0\.3 e, must be 0$",
    ),
    "pair twice": (
        TABLE + "O-Li = {A_eV = 1, rho_A = 0.3}\n",
        r"pairs: Li-O and O-Li are one pair, given twice$",
    ),
    "no pair": (TABLE.replace("Li-O", "LiO"), r"'pairs\.LiO' = \"LiO\": a pair is two elements"),
    "no element": (
        TABLE.replace("Li = 1.0", "Xx = 1.0"),
        r"'charges_e\.Xx' = \"Xx\": there is no element 'Xx'$",
    ),
    "key twice": (TABLE.replace("Li = 1.0", "Li = 1.0\nLi = 2.0"), r"not valid TOML"),
    "collapse": (
        TABLE.replace("Zr-O", "Zr-Zr"),
        r"pairs: Zr-O has no term, and nothing else keeps Zr and O apart$",
    ),
    "no number": (TABLE.replace("0.2906", '"wide"'), r"'pairs\.Li-O\.rho_A' = \"wide\""),
    "no width": (TABLE.replace("0.2906", "0"), r"'pairs\.Li-O\.rho_A' = 0: .*greater than 0$"),
    "nan": (TABLE.replace("0.2906", "nan"), r"'pairs\.Li-O\.rho_A'"),
}
BAD_COMMANDS = {
    "element twice": (
        COMMANDS.replace('"Zr"]', '"Cu"]'),
        r"'elements' = .*: Cu stands there twice",
    ),
    "charge of none": (
        COMMANDS + "charges_e = {O = -2.0}\n",
        r"charges_e: O is not among the elements$",
    ),
    "no style": (
        COMMANDS.replace("pair_style eam/fs", "dielectric 2.0"),
        r"is no pair_style$",
    ),
    "no braces": (
        COMMANDS.replace("{x.eam}", "x.eam"),
        r"'x\.eam' looks like a file: write \{x\.eam\}, and name it in files$",
    ),
    "not listed": (COMMANDS.replace("{x.eam}", "{y.eam}"), r"\{y\.eam\} is not among the files$"),
    "not named": (
        COMMANDS.replace('"x.eam"', '"x.eam", "y.eam"'),
        r"files: no command names \{y\.eam\}$",
    ),
    "not there": (COMMANDS.replace("x.eam", "z.eam"), r"cannot read the file .*z\.eam"),
    "in a folder": (
        COMMANDS.replace("x.eam", "sub/x.eam"),
        r"'files': 'sub/x\.eam' is not the name of a file beside this one",
    ),
    "above": (COMMANDS.replace("x.eam", "../x.eam"), r"'\{\.\./x\.eam\}' is a path"),
    "model above": (
        CALCULATOR.replace('"x.eam"', '"../x.eam"'),
        r"'model': '\.\./x\.eam' is not the name of a file beside this one",
    ),
    "calculator": (CALCULATOR.replace("nep", "magic"), r"'calculator' = \"magic\": must be chgnet"),
    "shell": (CALCULATOR.replace("nep", "os:system"), r"os belongs to Python itself"),
}


@pytest.mark.parametrize("name", [*BAD_TABLES, *BAD_COMMANDS])
def test_a_bad_file_gets_one_sentence(name, folder):
    text, message = (BAD_TABLES | BAD_COMMANDS)[name]
    with pytest.raises(ConfigError, match=message) as caught:
        load(folder, text)
    assert caught.value.hint
    assert "\n" not in caught.value.message


REFUSED = {
    "shell rm -rf /": r"'shell' does not define an interaction",
    "python run here": r"'python' does not define",
    "plugin load evil.so": r"'plugin' does not define",
    "include more.lmp": r"'include' does not define",
    "jump SELF": r"'jump' does not define",
    "variable a getenv HOME": r"'variable' does not define",
    "print hello file x": r"'print' does not define",
    "read_restart x": r"'read_restart' does not define",
    "fix 1 all nve": r"the only fix is",
    "fix stage all qeq/reaxff 1 0.0 10.0 1e-6 reaxff": r"ID 'stage' of a fix is in use",
    "fix qeq core qeq/reaxff 1 0.0 10.0 1e-6 reaxff": r"the only fix is",
    "fix qeq all python/invoke 1 post_force f": r"runs Python code",
    "neigh_modify exclude type 1 1": r"of neigh_modify only binsize, one, page",
    "pair_style python 5.0": r"'python' runs Python code",
    "pair_coeff * * py/x.Potential": r"'py/x\.Potential' runs Python code",
    "pair_style mliap model mliappy {x.eam}": r"'mliappy' runs Python code",
    "pair_style mliap unified {x.eam}": r"'unified' runs Python code",
    "pair_coeff * * /etc/passwd Cu": r"'/etc/passwd' is a path",
    "pair_coeff * * ~/x Cu": r"a command is letters",
    "pair_style eam ${x}": r"a command is letters",
    "pair_style eam $(1+1)": r"a command is letters",
    "pair_style eam &": r"a command is letters",
    "pair_style `id`": r"a command is letters",
    'pair_style "eam"': r"a command is letters",
    "pair_style eam # no": r"a command is letters",
    "pair_style eam\nshell ls": r"a command is letters",
    "pair_style eam\tshell": r"a command is letters",
    " ": r"a command is letters",
}


@pytest.mark.parametrize("command", REFUSED)
def test_a_command_that_defines_no_interaction_is_refused(command, folder):
    text = COMMANDS.replace('"pair_style eam/fs"', f"'''{command}''', \"pair_style eam/fs\"")
    with pytest.raises(ConfigError, match=REFUSED[command]) as caught:
        load(folder, text)
    assert "'commands.0'" in caught.value.message


ACCEPTED = [
    "pair_modify shift yes mix arithmetic",
    "pair_style hybrid/overlay coul/long 8.5 buck 8.5",
    "pair_coeff 1*2 3 632.1018 .2906 -1.0e-3",
    "pair_coeff * * {x.eam} Cu NULL",
    "kspace_style pppm 1.0e-5",
    "kspace_modify order 6 mesh 48 48 48",
    "special_bonds lj/coul 0.0 0.0 1.0",
    "dielectric 4.0",
    "comm_modify cutoff 14.0",
    "neigh_modify one 4000 page 100000",
    "fix qeq all qeq/reaxff 1 0.0 10.0 1.0e-6 reaxff",
    "fix a all qeq/slater 1 12.0 1.0e-6 100 {x.eam}",
    "fix b all acks2/reaxff 1 0.0 10.0 1.0e-6 reaxff",
]


@pytest.mark.parametrize("command", ACCEPTED)
def test_a_command_that_defines_an_interaction_is_accepted(command, folder):
    text = COMMANDS.replace('"pair_style eam/fs"', f'"pair_style eam/fs", "{command}"')
    assert command in load(folder, text).commands


def test_a_file_that_is_gone_or_of_another_owner_is_said(folder):
    with pytest.raises(ConfigError, match=r"cannot read the potential .*none\.toml"):
        load_potential(folder / "none.toml")
    load(folder, COMMANDS)
    (folder / "x.eam").unlink()
    with pytest.raises(ConfigError, match=r"cannot read the file .*x\.eam"):
        load_potential(folder / "potential.toml")


def test_the_path_starts_where_the_campaign_lies(folder, monkeypatch):
    load(folder, TABLE)
    (folder / "campaign.toml").write_text(CAMPAIGN)
    config = load_campaign(folder / "campaign.toml")
    assert config.md.potential == str(folder / "potential.toml")
    monkeypatch.chdir(folder)
    assert load_campaign(Path("campaign.toml")) == config
    assert parse_campaign(CAMPAIGN, "x") == config


def test_settings_hold_the_content_and_not_the_place(folder, tmp_path):
    load(folder, TABLE)
    config = parse_campaign(CAMPAIGN, "x", folder)
    there = copy_potential(folder / "potential.toml", tmp_path / "there")
    moved = config.with_potential(str(there))
    assert config.settings["md.potential"].startswith("mine (parameters 72f1ebe41724, lattice_A")
    assert moved.settings == config.settings
    assert moved.key == config.key
    there.write_text(TABLE.replace("0.2906", "0.2907"))
    assert moved.settings != config.settings
    there.write_text("lattice_A = 13.2\n" + TABLE)
    assert moved.settings != config.settings
