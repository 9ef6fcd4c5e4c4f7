"""A study file is refused in one sentence that names the field, or understood as it is meant."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gbopt.analysis.transport import LiTransport
from gbopt.config import parse_campaign
from gbopt.config.study import parse_study
from gbopt.disorder.study import costs, needed, require_whole
from gbopt.disorder.systems import glasses, runs, systems
from gbopt.errors import ConfigError
from gbopt.md.engine import EngineSettings
from gbopt.model.trajectory import TrajectoryInfo
from gbopt.provenance import content_key

from .studies import study, written

CAMPAIGNS = Path(__file__).parents[2] / "campaigns" / "disorder"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('potentials = ["c"]', 'potentials = ["x"]', "'x' is no label of [potentials]"),
        ('made_with = ["c"]', 'made_with = ["y"]', "'y' is no label of [potentials]"),
        ("[melt.loosen.c]", "[melt.loosen.z]", "'z' is no label of [potentials]"),
        ("volume = [1.0]", "volume = [0.2]", "greater than or equal to 0.5"),
        ('production_ps = "1.8 ps"', 'production_ps = "1 ps"', "need 1.684 ps"),
        ('frame_ps = "0.02 ps"', 'frame_ps = "0.2 ps"', "frame_ps must lie between"),
        ("[1000, 1400]", "[1000, 1000]", "each temperature once"),
        ("rate_K_ps = 5000", "rate = 5000", "did you mean 'rate_K_ps'"),
        ("[[crystals]]", '[[crystals]]\nphase = "t-LLZO"\nli = [7.5]', "are all full"),
        ("temperature_K = 1000", "temperature_K = 1100", "1100 K is none of dynamics.temp"),
        (
            "temperature_K = 1000",
            "volume = 1.2",
            "1.2 is no volume of [[glasses]], which have 1.12",
        ),
        ("[network]\ntemperatures_K = []", "[network]\ntemperatures_K = [700]", "700 K is none"),
        ("[network]\n", "[network]\ntime_ps = 1\n", "less than 50 frames of 0.05 ps"),
        ("[[crystals]]", '[[crystals]]\ncompensation = "oxygen"\nli = [7.5]', "no free O sites"),
    ],
)
def test_what_cannot_be_run_is_refused(old, new, message):
    with pytest.raises(ConfigError) as refused:
        study((old, new))
    assert message in refused.value.message
    assert "\n" not in refused.value.message


def test_oxide_is_taken_out_of_neutral_glasses_alone():
    with pytest.raises(ConfigError, match=r"melt\.li = 6\.5 with glasses"):
        study(
            ("rate_K_ps = 5000", "rate_K_ps = 5000\nli = 6.5"),
            ("[[glasses]]", '[[glasses]]\ncompensation = "oxygen"\nli = [6.25]'),
        )


def test_a_full_crystal_is_one_system_however_it_would_be_compensated():
    both = '[[crystals]]\npotentials = ["c"]\nvolume = [1.0]\ncompensation = "oxygen"\n[[glasses]]'
    found = systems(study(("[[glasses]]", both)), "crystal")
    assert [(s.name, s.compensation) for s in found] == [("c-LLZO-100-Li7-by-c", "none")]


def test_glasses_with_parts_of_ions_are_refused_too():
    config = study(("[[glasses]]", "[[glasses]]\nli = [7.1]"))
    with pytest.raises(ConfigError, match="not a whole number"):
        require_whole(config, "glass")


@settings(max_examples=60, deadline=None)
@given(
    segments=st.integers(4, 10),
    lag_frames=st.integers(1, 400),
    frame_ps=st.sampled_from([0.02, 0.1, 0.2]),
)
def test_the_shortest_production_that_is_allowed_can_be_analysed(segments, lag_frames, frame_ps):
    lag_ps = lag_frames * frame_ps
    least = segments * (1.07 * 3 * lag_ps + 5 * frame_ps)
    config = study(
        ('production_ps = "1.8 ps"', f"production_ps = {least:.9g}"),
        ('frame_ps = "0.02 ps"', f"frame_ps = {frame_ps}"),
        ('lag_ps = "0.1 ps"', f"lag_ps = {lag_ps:.9g}"),
        ("segments = 4", f"segments = {segments}"),
    )
    dynamics = config.dynamics
    info = TrajectoryInfo(
        species=np.array([0, 1, 2, 3], dtype=np.int8),
        cell=np.eye(3) * 10,
        frame_interval_ps=frame_ps,
        n_frames=round(dynamics.production_ps / frame_ps) + 1,
        temperature_K=1000.0,
    )
    LiTransport(info, lag_ps=dynamics.lag_ps, segments=segments, bin_A=10.0)  # or it refuses


def test_crossed_without_being_told_is_what_is_there():
    config = study(
        ("[cross]\ntemperature_K = 1000", ""), ("volume = [1.12]", "volume = [1.05, 1.1]")
    )
    assert config.crossed == (1000, 1.1)


def test_a_file_of_the_other_kind_is_known():
    with pytest.raises(ConfigError, match="is a study file, not a campaign file"):
        parse_campaign(written(), "study.toml")
    with pytest.raises(ConfigError, match="is a campaign file, not a study file"):
        parse_study('name = "x"\n[geometry]\n', "campaign.toml")


def test_a_study_of_nothing_is_refused():
    bare = written().partition("[[crystals]]")[0]
    with pytest.raises(ConfigError, match="there is nothing to run"):
        parse_study(bare, "study.toml")


@pytest.mark.parametrize("li", ["[6.9]", "[6.3]"])
def test_parts_of_ions_are_refused_before_anything_runs(li):
    config = study(("[[crystals]]", f"[[crystals]]\nli = {li}"))
    with pytest.raises(ConfigError, match="not a whole number"):
        require_whole(config, "crystal")


def test_half_a_unit_of_oxide_is_refused():
    config = study(("[[crystals]]", '[[crystals]]\nli = [6.625]\ncompensation = "oxygen"'))
    with pytest.raises(ConfigError, match="Li2O takes two at a time"):
        require_whole(config, "crystal")


def test_every_combination_is_a_system_once_and_replicas_come_last():
    again = '[[crystals]]\npotentials = ["c"]\nvolume = [1.0, 1.12]\n\n[[glasses]]'
    config = study(("[[glasses]]", again), ("[dynamics]", "[dynamics]\nreplicas = 2"))
    names = [system.name for system in systems(config, "crystal")]
    assert names == ["c-LLZO-100-Li7-by-c", "c-LLZO-112-Li7-by-c"]
    assert [s.name for s in systems(config, "glass")] == [
        "glass-c-112-Li7-by-c",
        "glass-c-112-Li7-by-d",
    ]
    found = runs(config, "crystal")
    assert len(found) == 8
    assert [run.replica for run in found] == [0] * 4 + [1] * 4
    assert [glass.name for glass in glasses(config)] == ["c-0", "c-1"]
    assert needed(config, "glass") == {"c", "d"}
    assert needed(config, "crystal") == {"c"}


def test_the_cost_counts_every_step():
    engines = dict.fromkeys("cd", EngineSettings(engine="lammps"))
    crystals = costs(study(), "crystal", engines)
    assert [(cost.potential, cost.runs) for cost in crystals] == [("c", 2)]
    assert crystals[0].ion_steps == 2 * 192 * (30 + 100 + 900)
    melted = {cost.potential: cost for cost in costs(study(), "glass", engines)}
    # Loosening, melt and quench (1000 / 200 / 250 steps, each after a minimisation or in one run).
    assert melted["c"].runs == 3
    assert melted["c"].ion_steps == 192 * (2 * 1030 + 30 + 1000 + 30 + 200 + 250)
    assert melted["d"].ion_steps == 192 * 2 * 1030


def test_a_slow_potential_may_have_shorter_runs():
    shorter = '[dynamics.lengths.d]\nequilibrate_ps = "0.1 ps"\nproduction_ps = "1.7 ps"\n[network]'
    config = study(("[network]", shorter))
    assert config.lengths("d").production_ps == 1.7
    assert config.lengths("c").production_ps == 1.8


@pytest.mark.parametrize("name", ["quick.toml", "reduced.toml", "full.toml", "published.toml"])
def test_the_files_that_come_along_are_valid_and_whole(name):
    path = CAMPAIGNS / name
    config = parse_study(path.read_text(encoding="utf-8"), str(path), path.parent)
    for kind in ("crystal", "glass"):
        require_whole(config, kind)
    assert systems(config, "crystal")
    assert content_key(config.model_dump(mode="json"))
    assert path.read_text(encoding="utf-8").startswith("# ")
