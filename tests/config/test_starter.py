"""The campaign files that `gbopt init` writes."""

import tomllib

import pytest

from gbopt.cli.preflight import hours
from gbopt.config import parse_campaign
from gbopt.config.starter import starter
from gbopt.errors import ConfigError
from tests.cli.test_structures import fails, run

# Two workers on cores that need this long for a step of an ion, as LAMMPS does.
US_PER_ION_STEP = 6.0 / 2


@pytest.mark.parametrize(
    ("size", "least_h", "most_h"),
    [("quick", 0.02, 0.3), ("overnight", 4, 14), ("cluster", 24, 200)],
)
def test_each_size_costs_what_it_says(size, least_h, most_h):
    config = parse_campaign(starter("mine", size, 2), "mine.toml")
    assert (config.name, config.run.workers) == ("mine", 2)
    assert least_h < hours(config, US_PER_ION_STEP) < most_h


def test_every_field_stands_under_a_comment():
    lines = starter("mine", "overnight", 2).splitlines()
    fields = tomllib.loads("\n".join(lines))
    for section in (values for values in fields.values() if isinstance(values, dict)):
        for name in section:
            place = next(n for n, line in enumerate(lines) if line.startswith(f"{name} = "))
            assert lines[place - 1].startswith("# ")
    assert max(map(len, lines)) < 120


def test_names_that_no_campaign_may_have_are_refused():
    with pytest.raises(ConfigError, match="'my tilt'"):
        starter("my tilt", "quick", 1)


def test_init_writes_a_file_that_passes_check_and_overwrites_none(tmp_path):
    file = tmp_path / "mine.toml"
    done = run("init", file, "--for", "quick")
    assert f"gbopt check {file}" in done.output
    assert run("check", file).exit_code == 0
    file.write_text("precious")
    assert "is not overwritten" in fails("init", file).message
    assert file.read_text() == "precious"
    refusal = fails("init", tmp_path / "mine.yaml")
    assert ("does not end in .toml" in refusal.message, refusal.hint) == (True, "name it mine.toml")
