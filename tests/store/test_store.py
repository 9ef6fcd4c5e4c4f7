import json
from pathlib import Path

import pytest

from gbopt.config import load_campaign
from gbopt.errors import RunFolderError
from gbopt.store.files import append_line, read_lines, write_atomic
from gbopt.store.rundir import RunFolder
from gbopt.store.study import Study, categorical, integer, real

CAMPAIGN = Path(__file__).parents[2] / "campaigns" / "quickstart.toml"
SPACE = {"a": real(5, 30), "w": integer(2, 5), "p": categorical(("100", "110"))}
POINT = {"a": 28.07, "w": 3, "p": "110"}


@pytest.fixture
def folder(tmp_path):
    config = load_campaign(CAMPAIGN)
    return RunFolder.create(tmp_path / "run", config, CAMPAIGN.read_text())


def test_a_new_folder_holds_the_campaign_as_given_and_resolved(folder):
    assert (folder.path / "campaign.toml").read_text() == CAMPAIGN.read_text()
    assert folder.config == load_campaign(CAMPAIGN)
    assert RunFolder.open_(folder.path) == folder


def test_an_existing_folder_is_not_overwritten(folder):
    with pytest.raises(RunFolderError, match="exists already") as caught:
        RunFolder.create(folder.path, folder.config, "")
    assert "gbopt resume" in caught.value.hint


def test_a_folder_of_another_format_is_refused(folder):
    identity = json.loads((folder.path / "run.json").read_text())
    write_atomic(folder.path / "run.json", json.dumps({**identity, "format": 99}))
    with pytest.raises(RunFolderError, match="has format 99"):
        RunFolder.open_(folder.path)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_damaged_identity_is_refused(folder, content):
    (folder.path / "run.json").write_text(content)
    with pytest.raises(RunFolderError, match="format unreadable"):
        RunFolder.open_(folder.path)


def test_any_other_folder_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match=r"no run\.json"):
        RunFolder.open_(tmp_path)


def test_an_unwritable_place_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunFolderError, match="cannot write"):
        RunFolder.create(tmp_path / "file" / "run", load_campaign(CAMPAIGN), "")


def test_one_process_at_a_time(folder):
    refused = pytest.raises(RunFolderError, match="another gbopt process")
    with folder.exclusive(), refused, RunFolder.open_(folder.path).exclusive():
        pass
    with folder.exclusive():
        pass


def test_a_torn_line_of_the_trace_costs_only_itself(folder):
    folder.note("created")
    with folder.trace_file.open("a") as handle:
        handle.write('{"event": "torn')
    folder.note("proposed", trial=0)
    assert [event["event"] for event in folder.events()] == ["created", "proposed"]


def test_lines_round_trip(tmp_path):
    records = [{"n": n, "text": "ohm·cm\n"} for n in range(3)]
    for record in records:
        append_line(tmp_path / "x.jsonl", record)
    assert read_lines(tmp_path / "x.jsonl") == records


def test_the_study_keeps_parameters_results_and_order(tmp_path):
    study = Study(tmp_path / "study.db", "test", create=True)
    study.describe("log10 rho", "which?")
    numbers = [study.add_running(POINT, SPACE, {"seed": n}) for n in range(3)]
    assert numbers == [0, 1, 2]
    study.finish(1, 0.5, {"std_err": 0.1})
    study.finish(0, None, {"cause": "lost atoms"})
    study.finish(1, 99.0, {"std_err": 9.0})  # told twice: nothing changes
    again = Study(tmp_path / "study.db", "test", create=False).records()
    assert [r.state for r in again] == ["failed", "complete", "running"]
    assert [r.finished_order for r in again] == [1, 0, None]
    assert again[1].value == 0.5
    assert again[1].attributes["std_err"] == 0.1
    assert again[0].attributes["cause"] == "lost atoms"
    assert again[2].params == POINT


def test_a_missing_study_is_said(tmp_path):
    with pytest.raises(RunFolderError, match="missing"):
        Study(tmp_path / "study.db", "test", create=False)
