import json
import shutil
from datetime import datetime
from pathlib import Path

import optuna
import pytest

from gbopt.config import load_campaign
from gbopt.errors import ConfigError, GboptError, RunFolderError
from gbopt.potentials.library import get_potential
from gbopt.store.files import append_line, read_lines, write_atomic
from gbopt.store.rundir import RunFolder
from gbopt.store.storage import in_file
from gbopt.store.study import Result, Study, categorical, integer, real

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


def test_an_interrupted_beginning_is_begun_again(tmp_path):
    (tmp_path / "run" / "trials").mkdir(parents=True)
    (tmp_path / "run" / "campaign.toml").write_text("half")
    config = load_campaign(CAMPAIGN)
    assert RunFolder.create(tmp_path / "run", config, "x").config == config


@pytest.mark.parametrize("name", ["a?b", "run{1}"])
def test_names_that_break_the_address_of_the_study_are_refused(name, tmp_path):
    with pytest.raises(RunFolderError, match="one of the characters"):
        RunFolder.create(tmp_path / name, load_campaign(CAMPAIGN), "")


def test_limits_may_change_and_physics_may_not(folder):
    config = folder.config
    search = config.search.model_copy(update={"evaluations": 500})
    folder.change_limits(config.model_copy(update={"search": search}))
    assert folder.config.search.evaluations == 500
    resolved = folder.path / "resolved.toml"
    resolved.write_text(resolved.read_text().replace("temperature_K = 1100", "temperature_K = 700"))
    with pytest.raises(RunFolderError, match=r"md\.temperature_K' is 700.*made with 1100"):
        _ = folder.config


def test_a_setting_newer_than_the_folder_must_be_at_its_default(folder):
    identity = json.loads((folder.path / "run.json").read_text())
    del identity["settings"]["field.fields_V_A"]
    write_atomic(folder.path / "run.json", json.dumps(identity))
    assert folder.config.field.fields_V_A == ()
    resolved = folder.path / "resolved.toml"
    resolved.write_text(resolved.read_text().replace("fields_V_A = []", "fields_V_A = [0.03]"))
    with pytest.raises(RunFolderError, match=r"field\.fields_V_A"):
        _ = folder.config


@pytest.fixture
def by_file(tmp_path):
    """A run folder of a campaign whose potential is a file, with a file of its own."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "x.eam").write_text("parameters")
    (source / "mine.toml").write_text(
        """kind = "lammps"
name = "mine"
citation = "somebody, somewhere"
validity = "not known yet"
elements = ["Li", "La", "Zr", "O"]
files = ["x.eam"]
commands = ["pair_style eam/alloy", "pair_coeff * * {x.eam} Li La Zr O"]
"""
    )
    text = CAMPAIGN.read_text().replace('"llzo-buckingham-c"', '"mine.toml"')
    (source / "campaign.toml").write_text(text)
    config = load_campaign(source / "campaign.toml")
    return RunFolder.create(tmp_path / "run", config, text)


def test_a_folder_takes_its_potential_along(by_file, tmp_path):
    assert 'potential = "potential/mine.toml"' in (by_file.path / "resolved.toml").read_text()
    shutil.rmtree(tmp_path / "source")
    before = by_file.config.settings
    assert get_potential(by_file.config.md.potential).files == (
        str(by_file.path / "potential/x.eam"),
    )
    shutil.move(by_file.path, tmp_path / "mailed")
    moved = RunFolder.open_(tmp_path / "mailed")
    assert moved.config.md.potential == str(tmp_path / "mailed" / "potential" / "mine.toml")
    assert moved.config.settings == before
    moved.change_limits(moved.config)  # as `gbopt resume --evaluations` does
    shutil.move(moved.path, tmp_path / "again")
    assert RunFolder.open_(tmp_path / "again").config.settings == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("mine.toml", "Li La Zr O", "La Li Zr O"),
        ("mine.toml", 'name = "mine"', 'name = "yours"'),
        ("x.eam", "parameters", "others"),
    ],
)
def test_a_potential_that_was_edited_is_refused(file, old, new, by_file):
    place = by_file.path / "potential" / file
    place.write_text(place.read_text().replace(old, new))
    with pytest.raises(RunFolderError, match=r"'md\.potential' is .* made with 'mine \(param"):
        _ = by_file.config


def test_a_potential_whose_comments_were_edited_is_the_same(by_file):
    place = by_file.path / "potential" / "mine.toml"
    place.write_text("# seen\n" + place.read_text())
    assert by_file.config.md.potential == str(place)


def test_a_potential_that_is_gone_is_said(by_file):
    (by_file.path / "potential" / "x.eam").unlink()
    with pytest.raises(ConfigError, match=r"cannot read the file .*x\.eam"):
        _ = by_file.config


def test_an_existing_folder_is_not_overwritten(folder):
    with pytest.raises(RunFolderError, match="exists already") as caught:
        RunFolder.create(folder.path, folder.config, "")
    assert "gbopt resume" in caught.value.hint


def test_a_folder_of_another_format_is_refused(folder):
    identity = json.loads((folder.path / "run.json").read_text())
    write_atomic(folder.path / "run.json", json.dumps({**identity, "format": 99}))
    with pytest.raises(RunFolderError, match="has format 99"):
        RunFolder.open_(folder.path)


@pytest.mark.parametrize("name", ["run.json", "resolved.toml"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", None])
def test_what_is_damaged_comes_back_from_another_run(name, content, folder, tmp_path):
    folder.trial_folder(0, "any").mkdir()
    file, before = folder.path / name, folder.config
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(GboptError, match=name) as caught:
        _ = RunFolder.open_(folder.path).config
    assert file.suffix == ".toml" or f"gbopt run {folder.path}/campaign.toml" in caught.value.hint
    given = folder.path / "campaign.toml"
    other = RunFolder.create(tmp_path / "other", load_campaign(given), given.read_text())
    file.write_bytes((other.path / name).read_bytes())
    assert RunFolder.open_(folder.path).config == before


def test_a_damaged_evaluation_is_named_with_its_fault(folder):
    file = folder.trial_folder(0, "any") / "evaluation.json"
    write_atomic(file, '{"trial": 0, "rep')
    with pytest.raises(RunFolderError, match=f"{file} cannot be read: .*EOF"):
        folder.evaluations()


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


def sqlite(folder):
    return in_file("sqlite", folder / "study.db", "test")


def test_the_study_keeps_parameters_results_and_order(tmp_path):
    study = Study.create(sqlite(tmp_path))
    study.describe("log10 rho", "which?")
    numbers = [study.add_running(POINT, SPACE, {"seed": n}) for n in range(3)]
    assert numbers == [0, 1, 2]
    study.finish(1, Result("complete", 0.5), {"std_err": 0.1})
    study.finish(0, Result("failed", None), {"cause": "lost atoms"})
    study.finish(1, Result("complete", 99.0), {"std_err": 9.0})  # told twice: nothing changes
    again = Study(sqlite(tmp_path)).records()
    assert [r.state for r in again] == ["failed", "complete", "running"]
    assert [r.finished_order for r in again] == [1, 0, None]
    assert again[1].value == 0.5
    assert again[1].attributes["std_err"] == 0.1
    assert again[0].attributes["cause"] == "lost atoms"
    assert again[2].params == POINT


def test_a_restored_trial_is_finished_at_its_time(tmp_path):
    study = Study.create(sqlite(tmp_path))
    later, earlier = datetime(2026, 1, 2), datetime(2026, 1, 1)
    study.restore(POINT, SPACE, {"std_err": 0.1}, Result("complete", 0.5), later)
    study.restore(POINT, SPACE, {}, Result("failed", None), earlier)
    assert [(r.state, r.value, r.finished_order) for r in study.records()] == [
        ("complete", 0.5, 1),
        ("failed", None, 0),
    ]


def test_a_pruned_trial_keeps_its_value_and_teaches(tmp_path):
    study = Study.create(sqlite(tmp_path))
    pruned = Result("pruned", 3.5, 4)
    study.finish(study.add_running(POINT, SPACE, {}), pruned, {"lower_bound": 3.1})
    study.restore(POINT, SPACE, {}, pruned, datetime(2026, 1, 2))
    assert [(r.state, r.value) for r in study.records()] == [("complete", 3.5)] * 2
    for trial in optuna.load_study(
        study_name="test", storage=f"sqlite:///{tmp_path / 'study.db'}"
    ).trials:
        assert trial.state == optuna.trial.TrialState.PRUNED
        assert trial.intermediate_values == {4: 3.5}


@pytest.mark.parametrize("content", [b"", b"no database at all", b"SQLite format 3\x00torn"])
def test_a_damaged_study_is_said(content, tmp_path):
    (tmp_path / "study.db").write_bytes(content)
    with pytest.raises(RunFolderError, match="not a readable study"):
        Study(sqlite(tmp_path))


def test_a_missing_study_is_said(tmp_path):
    with pytest.raises(RunFolderError, match="missing"):
        Study(sqlite(tmp_path))
