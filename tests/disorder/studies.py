"""Study files of the smallest size: one cell, runs of a picosecond."""

from pathlib import Path

from gbopt.config.study import StudyConfig, parse_study

TEXT = """
schema_version = 1
name = "tiny"
question = "Does a study run from its file to its tables?"
seed = 3
cells = 1

[potentials]
c = "llzo-buckingham-c"
d = "llzo-buckingham-d"

[[crystals]]
potentials = ["c"]
volume = [1.0]

[[glasses]]
made_with = ["c"]
run_with = ["c", "d"]
volume = [1.12]

[melt]
melt_ps = "0.4 ps"
rate_K_ps = 5000
[melt.loosen.c]
temperature_K = 9000
volume = 1.4
time_ps = "2 ps"

[dynamics]
temperatures_K = [1000, 1400]
equilibrate_ps = "0.2 ps"
production_ps = "1.8 ps"
timestep_ps = "2 fs"
frame_ps = "0.02 ps"
lag_ps = "0.1 ps"
segments = 4
minimise_iterations = 30

[network]
temperatures_K = []

[vibration]
temperatures_K = []

[cross]
temperature_K = 1000
"""


def study(*changes: tuple[str, str], text: str = TEXT) -> StudyConfig:
    return parse_study(written(*changes, text=text), "study.toml", Path("/nowhere"))


def written(*changes: tuple[str, str], text: str = TEXT) -> str:
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text
