"""Figures that a campaign did not measure: by hand, and of earlier campaigns."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from gbopt.campaign.campaign import Campaign
from gbopt.campaign.deadline import NO_LIMIT
from gbopt.campaign.record import attributes_of, of_evaluation, of_record, result_of
from gbopt.campaign.told import by_hand, of_earlier, tell, told_before
from gbopt.config.files import to_toml
from gbopt.errors import ConfigError, RunFolderError
from gbopt.model.evaluation import Status
from gbopt.search.history import own
from gbopt.search.propose import Proposal
from gbopt.store.rundir import EVALUATION
from tests.campaign.harness import gbopt
from tests.report.factory import config, failed, finished

AT = {"misorientation_deg": 22.62, "width_layers": 3, "mean_plane": "100"}


def start(path: Path, *evaluations, **changes) -> Campaign:
    settings = config(**changes)
    campaign = Campaign.start(path, settings, to_toml(settings))
    for evaluation in evaluations:
        folder = campaign.folder.trial_folder(evaluation.trial, evaluation.spec.key)
        folder.mkdir(parents=True)
        (folder / EVALUATION).write_text(evaluation.model_dump_json())
    return campaign


def test_a_measured_figure_is_told_as_its_logarithm():
    told = by_hand(config(), AT, 100.0, 20.0, "EIS, 1100 K")
    assert told.value == pytest.approx(2.0)
    assert told.std_err == pytest.approx(0.2 / math.log(10))
    assert told.source == "EIS, 1100 K"
    assert not told.claims_low


@pytest.mark.parametrize(
    ("at", "value", "error", "words"),
    [
        (AT, -1.0, 1.0, "GB resistivity is -1 ohm cm"),
        (AT, 1.0, 0.0, "standard error is 0"),
        ({**AT, "colour": "red"}, 1.0, 1.0, "no variable 'colour'"),
        ({"width_layers": 3, "mean_plane": "100"}, 1.0, 1.0, "'misorientation_deg' is missing"),
        (
            {**AT, "width_layers": "9"},
            1.0,
            1.0,
            "'width_layers' is 9, the campaign searches 2 to 3",
        ),
        ({**AT, "misorientation_deg": "wide"}, 1.0, 1.0, "'misorientation_deg' is 'wide'"),
        ({**AT, "mean_plane": "111"}, 1.0, 1.0, "'mean_plane' = '111' is not one of"),
    ],
)
def test_a_figure_that_cannot_be_used_is_refused(at, value, error, words):
    with pytest.raises(ConfigError) as refused:
        by_hand(config(), at, value, error, "somebody")
    assert words in refused.value.message


def test_observe_is_seen_by_the_next_proposal(tmp_path):
    campaign = start(tmp_path / "run")
    at = [f"--at={name}={value}" for name, value in AT.items()]
    for value in ("12", "15"):
        done = gbopt(
            "observe", campaign.folder.path, "--value", value, "--error", "3",
            "--source", "EIS", *at,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert "noted 15 +- 3 at misorientation_deg 22.62, width_layers 3" in done.stdout
    told = campaign.history()
    assert [(o.number, o.source) for o in told] == [(-1, "EIS"), (-2, "EIS")]
    assert own(told) == []
    step = campaign.decide(NO_LIMIT, 0)
    assert isinstance(step, Proposal)
    assert step.reason.startswith("initial design 1 of ")
    assert [e["event"] for e in campaign.folder.events()][-2:] == ["observed", "observed"]
    wrong = gbopt("observe", campaign.folder.path, "--value", "1", "--error", "1",
                  "--source", "EIS", "--at", "width_layers")  # fmt: skip
    assert wrong.returncode == 1
    assert "--at 'width_layers' is no variable" in wrong.stderr


def test_a_damaged_record_is_said(tmp_path):
    campaign = start(tmp_path / "run")
    (campaign.folder.path / "told.jsonl").write_text('{"value": 1}\n')
    with pytest.raises(RunFolderError, match=r"told\.jsonl cannot be read"):
        told_before(campaign.folder)


def test_an_earlier_campaign_is_told_from_the_start(tmp_path):
    pruned = finished(3, 0.9, plane=1).model_copy(update={"status": Status.PRUNED})
    start(tmp_path / "old", finished(0, 0.4), failed(1), finished(2, 0.7, plane=2), pruned)
    search = {"warm_start": [str(tmp_path / "old")], "initial": 5}
    campaign = start(tmp_path / "new", search=search)
    told = campaign.history()
    assert [o.number for o in told] == [-1, -2, -3]
    assert {o.source for o in told} == {"small, 1100 K"}
    assert [o.bound for o in told] == [None, None, "lower"]
    assert told[0].others["li_enrichment_ratio"] == (1.0, 0.002)
    # The earlier folder is needed no more, and the three points shorten the design.
    (tmp_path / "old").rename(tmp_path / "gone")
    assert len(Campaign.open_(tmp_path / "new").history()) == 3
    assert campaign.decide(NO_LIMIT, 0).reason == "initial design 1 of 3"


def test_an_earlier_campaign_is_read_again_where_the_start_was_killed(tmp_path):
    start(tmp_path / "old", finished(0, 0.4), finished(1, 0.7, plane=2))
    new = start(tmp_path / "new", search={"warm_start": [str(tmp_path / "old")]})
    for name in ("told.jsonl", "study.db"):
        (new.folder.path / name).unlink()
    assert len(Campaign.recover(new.folder.path).history()) == 2


def test_an_earlier_campaign_must_be_comparable(tmp_path):
    start(tmp_path / "old", finished(0))
    asr = {"warm_start": [str(tmp_path / "old")], "objective": "area_specific_resistance"}
    with pytest.raises(ConfigError, match=r"has search\.objective = 'gb_resistivity'"):
        of_earlier(config(search=asr))
    narrow = {"misorientation_deg": (12, 30), "width_layers": (4, 5), "crystal_A": 14.0}
    warm = {"warm_start": [str(tmp_path / "old")]}
    with pytest.raises(ConfigError, match="has no evaluation of a boundary"):
        of_earlier(config(search=warm, geometry=narrow))
    with pytest.raises(RunFolderError, match="is not a run folder"):
        of_earlier(config(search={"warm_start": [str(tmp_path / "none")]}))


def test_the_study_and_the_disk_tell_the_search_the_same(tmp_path):
    """A value, a bound, a pruned run and a failure, each by way of the study and of the files."""
    pruned = finished(3, 0.9, plane=1).model_copy(update={"status": Status.PRUNED})
    campaign = start(tmp_path / "run")
    evaluations = [finished(0, 0.4), finished(1, 0.2, bound="lower"), failed(2), pruned]
    for evaluation in evaluations:
        attributes = {
            "spec": evaluation.spec.model_dump(mode="json"),
            "chosen_by": "lcb",
        }
        number = campaign.study.add_running(
            evaluation.params, campaign._distributions(), attributes
        )
        campaign.study.finish(number, result_of(evaluation, {}), attributes_of(evaluation))
    by_study = [of_record(record) for record in campaign.study.records()]
    by_files = [of_evaluation(e, i, "lcb") for i, e in enumerate(evaluations)]
    assert by_study == by_files
    assert [o.bound for o in by_study] == [None, "lower", None, "lower"]
    assert by_study[3].value < 0.9 - 1.9 * 0.05
    assert by_study[3].std_err == 0.0


def test_another_source_is_kept_as_it_was(tmp_path):
    campaign = start(tmp_path / "run")
    told = by_hand(config(), AT, 7.0, 2.0, "Smith 2026 (EIS)")
    tell(campaign.folder, [told, told])
    assert [o.value for o in told_before(campaign.folder)] == [told.value] * 2
    line = json.loads((campaign.folder.path / "told.jsonl").read_text().splitlines()[0])
    assert line["source"] == "Smith 2026 (EIS)"


LIBRARY = """
name = "small"
question = "Which of these can be built?"
seed = 3
[space]
kinds = ["symmetric tilt"]
axes = [[0, 0, 1]]
misorientation_deg = [12, 30]
width_layers = [2, 4]
crystal_A = 14.0
max_ions = 2700
"""


def test_a_library_tells_what_can_be_built(tmp_path):
    (tmp_path / "small.toml").write_text(LIBRARY)
    done = gbopt("generate", tmp_path / "small.toml", "-n", "4", "--out", tmp_path / "library")
    assert done.returncode == 0, done.stderr
    campaign = start(tmp_path / "run", search={"warm_start": [str(tmp_path / "library")]})
    told = campaign.history()
    assert told
    assert {o.state for o in told} <= {"possible", "failed"}
    assert {o.source for o in told} == {"library library"}
    assert all(2 <= o.params["width_layers"] <= 3 for o in told)
    # It shortens no design and is no evaluation.
    assert campaign.decide(NO_LIMIT, 0).reason == "initial design 1 of 10"
