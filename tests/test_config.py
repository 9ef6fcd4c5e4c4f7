"""Bad campaign files: one clear sentence each, naming the field, the value and what is allowed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbopt.config import load_campaign, parse_campaign, to_toml
from gbopt.errors import ConfigError

GOOD = """
name = "test"
question = "Which boundary resists lithium least?"
seed = 1
[geometry]
misorientation_deg = [10, 30]
[md]
timestep_ps = "2 fs"
production_ps = "0.2 ns"
"""
CAMPAIGNS = sorted(Path(__file__).parents[1].glob("campaigns/*.toml"))


def test_units_are_converted():
    config = parse_campaign(GOOD, "good.toml")
    assert config.md.timestep_ps == pytest.approx(0.002)
    assert config.md.production_ps == pytest.approx(200.0)


def test_resolved_file_reads_back_as_the_same_campaign():
    config = parse_campaign(GOOD, "good.toml")
    assert parse_campaign(to_toml(config), "resolved.toml") == config


@pytest.mark.parametrize("file", CAMPAIGNS, ids=lambda f: f.stem)
def test_shipped_campaigns_are_valid(file):
    config = load_campaign(file)
    assert parse_campaign(to_toml(config), "resolved") == config
    assert file.read_text().startswith("# ")  # opens with the question it answers


BAD = {
    "typo": (GOOD + "timestep = 1\n", r"unknown key 'md\.timestep', did you mean 'timestep_ps'\?"),
    "wrong section": (GOOD + "patience = 3\n", r"'md\.patience': it belongs in \[search\]"),
    "unknown section": (GOOD + "[serch]\npatience = 3\n", r"'serch', did you mean 'search'"),
    "wrong unit": (GOOD.replace("2 fs", "2 nm"), r"'md\.timestep_ps' = \"2 nm\": .*units: fs, ps"),
    "wrong dimension": (GOOD.replace("0.2 ns", "200 K"), r"'md\.production_ps' = \"200 K\""),
    "angle too large": (GOOD.replace("30]", "50]"), r"misorientation_deg\.1' = 50: .*30"),
    "angle too small": (GOOD.replace("[10", "[2"), r"misorientation_deg\.0' = 2: .*5"),
    "range reversed": (GOOD.replace("[10, 30]", "[30, 10]"), r"first number must not exceed"),
    "width": (GOOD.replace("[md]", "width_layers = [2, 9]\n[md]"), r"width_layers\.1' = 9: .*5"),
    "plane": (GOOD.replace("[md]", 'mean_plane = ["111"]\n[md]'), r"mean_plane\.0' = \"111\""),
    "missing name": (GOOD.replace('name = "test"', ""), r"the key 'name' is missing"),
    "bad name": (GOOD.replace('"test"', '"../x"'), r"'name' = \"\.\./x\""),
    "no question": (GOOD.replace("Which boundary resists lithium least?", "?"), r"'question'"),
    "text for number": (GOOD + 'temperature_K = "hot"\n', r"'md\.temperature_K' = \"hot\""),
    "nan": (GOOD + "temperature_K = nan\n", r"'md\.temperature_K'"),
    "cold": (GOOD + "temperature_K = 20\n", r"'md\.temperature_K' = 20: .*200"),
    "too short": (GOOD.replace("0.2 ns", "3 ps"), r"md\.production_ps is 3 ps, but 8 segments"),
    "frames": (GOOD + "frame_ps = 0.001\n", r"frame_ps must be at least timestep_ps"),
    "version": ("schema_version = 2\n" + GOOD, r"'schema_version' = 2"),
    "negative seed": (GOOD.replace("seed = 1", "seed = -1"), r"'seed' = -1"),
    "no TOML": ("name = test", r"not valid TOML"),
    "key twice": (GOOD + 'timestep_ps = "1 fs"\n', r"not valid TOML"),
    "section as value": ("md = 3\n" + GOOD.split("[md]", maxsplit=1)[0], r"'md' = 3"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_gets_one_sentence(name):
    text, message = BAD[name]
    with pytest.raises(ConfigError, match=message) as caught:
        parse_campaign(text, "bad.toml")
    assert "\n" not in caught.value.message
    assert "bad.toml" in caught.value.message
    assert caught.value.hint


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no-such-file"):
        load_campaign(tmp_path / "no-such-file.toml")


def test_a_binary_file_is_refused(tmp_path):
    file = tmp_path / "binary.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"binary\.toml"):
        load_campaign(file)


def refusal(text):
    """The error that a text is refused with, if it is."""
    try:
        parse_campaign(text, "any.toml")
    except ConfigError as error:
        return error
    return None


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_hint(text):
    assert refusal(text) is None or refusal(text).hint


@given(
    key=st.sampled_from(["production_ps", "temperature_K", "frame_ps", "npt_ps", "potential"]),
    value=st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans()),
)
def test_any_value_is_read_or_refused_naming_its_field(key, value):
    text = GOOD.replace('production_ps = "0.2 ns"', "")
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    error = refusal(text + f"{key} = {shown}\n")
    assert error is None or key in error.message
