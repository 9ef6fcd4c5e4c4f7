"""Broken campaign, study, library and potential files: one sentence each, and nothing starts."""

from pathlib import Path

import pytest

from tests.cli.refusals import _nothing_starts, require_sentence, said, write  # noqa: F401

CAMPAIGNS = Path(__file__).parents[2] / "campaigns"
SMOKE = (CAMPAIGNS / "smoke.toml").read_text()
STUDY = (CAMPAIGNS / "disorder" / "quick.toml").read_text()
LIBRARY = (CAMPAIGNS / "libraries" / "llzo.toml").read_text()
TABLE = (CAMPAIGNS / "potentials" / "buckingham.toml").read_text()
LINES = (CAMPAIGNS / "potentials" / "lammps.toml").read_text()
NEP = (CAMPAIGNS / "potentials" / "nep.toml").read_text()


def swapped(text, old, new):
    assert old in text
    return text.replace(old, new, 1)


def campaign(old, new):
    return swapped(SMOKE, old, new)


def study(old, new):
    return swapped(STUDY, old, new)


def library(old, new):
    return swapped(LIBRARY, old, new)


def table(old, new):
    return swapped(TABLE, old, new)


def command(new):
    return swapped(LINES, '"kspace_style pppm 1.0e-4"', new)


ELF = b"\x7fELF\x02\x01\x01" + bytes(range(256))
CAMPAIGN_FILES = {
    "empty": ("", "'name' is missing"),
    "binary": (ELF, "not text in UTF-8"),
    "UTF-16": (SMOKE.encode("utf-16"), "not text in UTF-8"),
    "Latin 1": (campaign("Does", "Doés").encode("latin1"), "not text in UTF-8"),
    "null byte": (campaign("smoke", "sm\0ke"), "not valid TOML"),
    "key twice": (SMOKE + "\nworkers = 3\n", "each key and each [section] once"),
    "section twice": (SMOKE + "\n[run]\n", "each key and each [section] once"),
    "date": (campaign("temperature_K = 1100", "temperature_K = 2024-01-01"), "is a date"),
    "time of day": (campaign("anneal_ps = 0.1", "anneal_ps = 07:32:00"), "md.anneal_ps"),
    "date as text": (campaign('question = "', "question = 2024-01-01 #"), "'question'"),
    "date in a list": (campaign("[20.0, 30.0]", "[20.0, 2024-01-01]"), "misorientation_deg.1"),
    "infinite": (campaign("1100", "inf"), "md.temperature_K"),
    "no number": (campaign("1100", "nan"), "md.temperature_K"),
    "negative": (campaign("1100", "-5"), "md.temperature_K"),
    "huge": (campaign("1100", "1e400"), "md.temperature_K"),
    "huge seed": (campaign("seed = 1", "seed = 99999999999999999999999"), "'seed'"),
    "thousands of digits": (campaign("seed = 1", "seed = " + "9" * 5000), "digits"),
    "deep list": (SMOKE + "\nx = " + "[" * 3000 + "]" * 3000, "to a depth"),
    "deep table": (SMOKE + "\n[" + ".".join("a" * 900) + "]\n", "to a depth"),
    "deep inline table": (SMOKE + "\nx = " + "{a=" * 3000 + "1" + "}" * 3000, "to a depth"),
    "path as name": (campaign('"smoke"', '"../../etc"'), "begin"),
    "absolute name": (campaign('"smoke"', '"/etc/x"'), "begin"),
    "shell in name": (campaign('"smoke"', '"a; rm -rf /"'), "letters, digits"),
    "dots as name": (campaign('"smoke"', '".."'), "letters, digits"),
    "accents in name": (campaign('"smoke"', '"été"'), "letters, digits"),
    "line end in name": (campaign('"smoke"', '"ok\\n"'), "letters, digits"),
    "escape in question": (campaign('question = "', 'question = "\\u001b[31m'), "'question'"),
    "blank question": (campaign('question = "', 'question = "            " #'), "'question'"),
    "true for a number": (campaign("workers = 2", "workers = true"), "no numbers"),
    "true for a seed": (campaign("seed = 1", "seed = true"), "no numbers"),
    "true in a list": (campaign("[2, 3]", "[2, true]"), "no numbers"),
    "true as version": (campaign("schema_version = 1", "schema_version = true"), "no numbers"),
    "text as version": (campaign("schema_version = 1", 'schema_version = "1"'), "must be 1"),
    "fraction": (campaign("seed = 1", "seed = 1.5"), "'seed'"),
    "list for a number": (campaign("1100", "[1100]"), "md.temperature_K"),
    "table for a number": (campaign("1100", "{a = 1}"), "md.temperature_K"),
    "one of two": (campaign("[20.0, 30.0]", "[20.0]"), "too short"),
    "three of two": (campaign("[20.0, 30.0]", "[20, 25, 30]"), "at most 2"),
    "list of sections": (campaign("[md]", "[[md]]"), "'md'"),
    "foreign unit": (campaign('"5 A"', '"5 furlong"'), "units: A"),
    "unit of time": (campaign('"5 A"', '"5 ps"'), "units: A"),
    "unknown key": (SMOKE + "\nspeed = 1\n", "run.speed"),
    "key of strange characters": (SMOKE + '\n"a\\u001b\\n" = 3\n', "unknown key"),
    "empty key": (SMOKE + '\n"" = 3\n', "unknown key"),
    "axis of two": (campaign("[geometry]", "[geometry]\naxes = [[0, 0]]"), "too short"),
    "axis too large": (campaign("[geometry]", "[geometry]\naxes = [[0, 0, 1e30]]"), "axes"),
    "no kind": (campaign("[geometry]", "[geometry]\nkinds = []"), "geometry.kinds"),
    "unknown kind": (campaign("[geometry]", '[geometry]\nkinds = ["tilt"]'), "kinds.0"),
    "no room": (campaign("max_ions = 1400", "max_ions = 500"), "max_ions = 500"),
    "potential is a folder": (campaign("[md]", '[md]\npotential = "dir.toml"'), "dir.toml"),
    "potential is missing": (campaign("[md]", '[md]\npotential = "../no.toml"'), "no.toml"),
    "null in a path": (campaign("[md]", '[md]\npotential = "a\\u0000.toml"'), "potential"),
    "potential is a number": (campaign("[md]", "[md]\npotential = 5"), "md.potential"),
    "unknown engine": (campaign("[run]", '[run]\nengine = "gromacs"'), "run.engine"),
    "limit of nan": (campaign("[search]", "[search]\nlimits = {gb_energy = [nan, 2]}"), "limits"),
    "earlier run is none": (campaign("[search]", '[search]\nwarm_start = ["no"]'), "no"),
    "a study": (STUDY, "is a study file"),
    "a library": (LIBRARY, "unknown key 'space'"),
    "JSON": ('{"name": "x"}', "not valid TOML"),
    "cut short": (SMOKE[:300], "not valid TOML"),
}
STUDY_FILES = {
    "empty": ("", "'name' is missing"),
    "unknown label": (study('potentials = ["cip", "c"]', 'potentials = ["x"]'), "no label"),
    "path as label": (study('c = "llzo', '"../c" = "llzo'), "letters, digits"),
    "null in label": (study('c = "llzo', '"c\\u0000" = "llzo'), "letters, digits"),
    "unknown potential": (study("llzo-buckingham-c", "llzo-c"), "unknown potential"),
    "number as potential": (study('"llzo-buckingham-c"', "1"), "potentials.c"),
    "no volume": (study("[1.01]", "[]"), "volume"),
    "volume of zero": (study("[1.01]", "[0]"), "volume.0"),
    "volume of nan": (study("[1.01]", "[nan]"), "volume.0"),
    "number for a list": (study("[1.01]", "1.01"), "must be a list"),
    "section for a list": (study("[[crystals]]", "[crystals]"), "must be a list"),
    "numbers for sections": (study("[[crystals]]", "crystals = [1]\n[other]"), "unknown key"),
    "too much Li": (study("[1.01]", "[1.0]\nli = [20]"), "li.0"),
    "part of a Li": (study("[1.01]", "[1.0]\nli = [6.99]"), "not a whole number"),
    "temperature twice": (study("[900, 1100, 1300]", "[900, 900]"), "temperature"),
    "temperature in Celsius": (study("[900, 1100, 1300]", '["900 C"]'), "units: K"),
    "short run": (study('"20 ps"', '"0.2 ps"'), "production_ps"),
    "quench upwards": (study("rate_K_ps = 500", "quench_to_K = 3000"), "quench_to_K"),
    "infinite rate": (study("rate_K_ps = 500", "rate_K_ps = inf"), "rate_K_ps"),
    "true for a number": (study("cells = 1", "cells = true"), "no numbers"),
    "date as seed": (study("seed = 20261127", "seed = 2026-11-27"), "is a date"),
    "a campaign": (SMOKE, "is a campaign file"),
    "cut short": (STUDY[:600], "not valid TOML"),
}
LIBRARY_FILES = {
    "empty": ("", "'name' is missing"),
    "unknown kind": (library('"twist"', '"twisted"'), "kinds.2"),
    "axis of zeros": (library("[0, 0, 1]", "[0, 0, 0]"), "axes"),
    "range reversed": (library("[5.0, 62.8]", "[62.8, 5.0]"), "must not exceed"),
    "true for layers": (library("[0, 5]", "[false, true]"), "no numbers"),
    "half a layer": (library("[0, 5]", "[0.5, 5]"), "width_layers.0"),
    "gap of nan": (library("[0.3, 1.2]", "nan"), "gap_A"),
    "unknown sampling": (library('"random"', '"randm"'), "sampling"),
    "half a dopant": (library("[[]]", '[[{element = "Al"}]]'), "per_formula_unit"),
    "flat dopants": (library("[[]]", '[{element = "Al", per_formula_unit = 1}]'), "a list"),
    "unknown crystal": (library('"c-LLZO"', '"../x.cif"'), "unknown crystal"),
    "path as name": (library('"library"', '"../library"'), "letters, digits"),
    "far lattice": (library("[composition]", "lattice_A = 1e9\n[composition]"), "lattice_A"),
    "negative length": (library('"20 A"', '"-3 A"'), "crystal_A"),
    "date": (library("seed = 20261120", "seed = 2026-11-20"), "is a date"),
    "a campaign": (SMOKE, "unknown key 'geometry'"),
}
POTENTIALS = {
    "empty": ("", "'kind' is missing"),
    "unknown kind": (table('"buckingham"', '"eam"'), "'kind'"),
    "kind of lists": (table('"buckingham"', '["buckingham"]'), "'kind'"),
    "charged": (table("Li = 1.0", "Li = 1.1"), "charge of"),
    "charge of nan": (table("Li = 1.0", "Li = nan"), "charges_e.Li"),
    "charge of true": (table("Li = 1.0", "Li = true"), "no numbers"),
    "no element": (table("Li = 1.0", "Xx = 1.0"), "no element"),
    "pair without dash": (table("Li-O =", "LiO ="), "dash"),
    "pair twice": (TABLE + "O-Li = {A_eV = 1, rho_A = 0.3}\n", "given twice"),
    "rho of zero": (table("0.2906", "0"), "rho_A"),
    "infinite A": (table("632.1018", "inf"), "A_eV"),
    "number for a pair": (table("{ A_eV = 632.1018, rho_A = 0.2906 }", "5"), "table"),
    "name of gbopt's own": (table('"my-table"', '"llzo-buckingham-c"'), "gbopt's own"),
    "escape in citation": (table('citation = "', 'citation = "\\u001b]0;x'), "citation"),
    "section twice": (TABLE + "[pairs]\n", "not valid TOML"),
    "shell": (command('"shell rm -rf /"'), "'shell' does not define"),
    "python": (command('"python x here"'), "'python' does not define"),
    "plugin": (command('"plugin load x.so"'), "'plugin' does not define"),
    "include": (command('"include /etc/passwd"'), "'include' does not define"),
    "jump": (command('"jump SELF"'), "'jump' does not define"),
    "two lines": (command('"kspace_style pppm 1e-4\\nshell ls"'), "one command an entry"),
    "semicolon": (command('"kspace_style pppm 1e-4; shell ls"'), "one command an entry"),
    "variable": (command('"kspace_style pppm ${x}"'), "no quotes, $"),
    "continued": (command('"kspace_style pppm &"'), "no quotes, $"),
    "path": (command('"pair_coeff * * ../x"'), "is a path"),
    "absolute path": (command('"pair_coeff * * /etc/passwd"'), "is a path"),
    "another fix": (command('"fix x all print 1 hello"'), "only fix"),
    "Python in a style": (command('"pair_style python 8.5"'), "runs Python"),
    "pickle in a style": (command('"pair_style mliap model mliappy x"'), "runs Python"),
    "number as command": (command("5"), "commands.6"),
    "file outside": (swapped(LINES, "units =", 'files = ["../x"]\nunits ='), "files"),
    "unknown units": (swapped(LINES, '"metal"', '"lj"'), "units"),
    "element twice": (swapped(LINES, '["Li", "La"', '["Li", "Li"'), "twice"),
    "model missing": (NEP, "nep.txt"),
    "model outside": (swapped(NEP, '"nep.txt"', '"../nep.txt"'), "beside"),
    "null in model": (swapped(NEP, '"nep.txt"', '"n\\u0000"'), "beside"),
    "system call": (swapped(NEP, '"nep"', '"os:system"'), "belongs to Python"),
    "eval": (swapped(NEP, '"nep"', '"builtins:eval"'), "belongs to Python"),
}


@pytest.mark.parametrize("name", CAMPAIGN_FILES)
def test_campaign_files(name, tmp_path):
    content, words = CAMPAIGN_FILES[name]
    (tmp_path / "dir.toml").mkdir()
    file = write(tmp_path / "bad.toml", content)
    require_sentence(*said("check", file), [words])


@pytest.mark.parametrize("name", STUDY_FILES)
def test_study_files(name, tmp_path):
    content, words = STUDY_FILES[name]
    file = write(tmp_path / "bad.toml", content)
    require_sentence(*said("strain", file, "--dry-run", "--out", tmp_path / "out"), [words])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", LIBRARY_FILES)
def test_library_files(name, tmp_path):
    content, words = LIBRARY_FILES[name]
    file = write(tmp_path / "bad.toml", content)
    require_sentence(*said("generate", file, "-n", 1, "--out", tmp_path / "out"), [words])


@pytest.mark.parametrize("name", POTENTIALS)
def test_potential_files(name, tmp_path):
    content, words = POTENTIALS[name]
    write(tmp_path / "bad.toml", content)
    file = write(tmp_path / "c.toml", campaign("[md]", '[md]\npotential = "bad.toml"'))
    require_sentence(*said("check", file), [words])


@pytest.mark.parametrize("command", ["check", "run", "strain", "quench", "generate"])
def test_a_folder_a_missing_file_and_impossible_paths(command, tmp_path):
    for path in (tmp_path, tmp_path / "none.toml", tmp_path / ("a" * 5000), "a\0b"):
        require_sentence(*said(command, path))


def test_run_makes_no_folder_of_a_broken_file(tmp_path):
    for name in ("deep list", "path as name", "no room", "null in a path"):
        file = write(tmp_path / "bad.toml", CAMPAIGN_FILES[name][0])
        require_sentence(*said("run", file, "--out", tmp_path / "run"), [CAMPAIGN_FILES[name][1]])
        assert not (tmp_path / "run").exists()


def test_what_windows_writes_is_read(tmp_path):
    """A mark at the beginning and its line ends are no faults."""
    file = write(tmp_path / "good.toml", b"\xef\xbb\xbf" + SMOKE.replace("\n", "\r\n").encode())
    assert said("check", file)[0] is None
