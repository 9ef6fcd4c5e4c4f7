"""Broken campaign files: one sentence each, and nothing starts."""

from pathlib import Path

import pytest

from tests.cli.refusals import _nothing_starts, require_sentence, said, write  # noqa: F401

CAMPAIGNS = Path(__file__).parents[2] / "campaigns"
SMOKE = (CAMPAIGNS / "smoke.toml").read_text()
STUDY = (CAMPAIGNS / "disorder" / "quick.toml").read_text()
LIBRARY = (CAMPAIGNS / "libraries" / "llzo.toml").read_text()


def swapped(text, old, new):
    assert old in text
    return text.replace(old, new, 1)


def campaign(old, new):
    return swapped(SMOKE, old, new)


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
    "foreign unit": (campaign('"5 A"', '"5 furlong"'), "units A"),
    "unit of time": (campaign('"5 A"', '"5 ps"'), "units A"),
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


@pytest.mark.parametrize("name", CAMPAIGN_FILES)
def test_campaign_files(name, tmp_path):
    content, words = CAMPAIGN_FILES[name]
    (tmp_path / "dir.toml").mkdir()
    file = write(tmp_path / "bad.toml", content)
    require_sentence(*said("check", file), [words])
