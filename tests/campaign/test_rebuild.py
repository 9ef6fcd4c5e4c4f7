"""A study that is lost or damaged, in a journal and in PostgreSQL, is made anew from the trials."""

import json
import shutil

import psycopg
import pytest

from gbopt.campaign.campaign import Campaign
from gbopt.campaign.deadline import NO_LIMIT
from gbopt.campaign.run import run as work_on
from gbopt.campaign.sharing import Shift, exclusively
from gbopt.errors import RunFolderError
from gbopt.store.storage import Storage
from gbopt.store.study import Study
from tests.campaign.harness import evaluations, gbopt


@pytest.fixture
def moved(uninterrupted, tmp_path):
    """A finished campaign whose study is somewhere else than it was."""

    def make(study):
        run = tmp_path / "run"
        shutil.copytree(uninterrupted[0], run)
        (run / "study.db").unlink()
        identity = json.loads((run / "run.json").read_text())
        identity["study"] = study
        (run / "run.json").write_text(json.dumps(identity))
        Campaign.recover(run).study.close()
        return run

    return make


@pytest.fixture
def journal(moved):
    return moved({"kind": "journal", "name": "tiny"})


@pytest.fixture
def in_postgres(moved, postgres, tmp_path):
    name = f"tiny-{tmp_path.name}"
    Study.create(Storage(postgres.with_password, name)).close()
    return moved({"kind": "postgresql", "name": name, "address": postgres.with_password})


def go_on(run):
    """Resume a campaign whose budget is spent."""
    campaign = Campaign.recover(run)
    assert work_on(campaign).startswith("budget of 4")
    campaign.study.close()


def same(run):
    """Whether the study holds what the trials hold."""
    campaign = Campaign.open_(run)
    told = {r.number: (r.params, r.value) for r in campaign.study.records()}
    campaign.study.close()
    found = {n: (e["params"], e["objective"]["value"]) for n, (e, _) in evaluations(run).items()}
    return told == found


def cut(content):
    return content[: len(content) // 2] + bytes(40) + content[len(content) // 2 + 40 :]


def without_lines(first, last):
    def damage(content):
        lines = content.splitlines(keepends=True)
        return b"".join(lines[: int(first * len(lines))] + lines[int(last * len(lines)) :])

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        without_lines(0.4, 0.6),
        without_lines(0.5, 1.0),
        lambda content: content + b"3\n",
        lambda content: content + b'{"op_code": 99, "worker_id": "newer"}\n',
        None,
    ],
    ids=["torn", "lines-lost", "older", "foreign", "newer", "deleted"],
)
def test_a_journal_is_made_anew(damage, journal):
    file, before = journal / "study.journal", evaluations(journal)
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(damage(file.read_bytes()))
    go_on(journal)
    assert evaluations(journal) == before
    assert same(journal)
    assert len(list(journal.glob("study.journal.*-*"))) == (damage is not None)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM studies WHERE study_name LIKE '{name}%'",
        "DELETE FROM trials WHERE number > 1 AND study_id = "
        "(SELECT study_id FROM studies WHERE study_name LIKE '{name}%')",
        "DROP TABLE trial_params",
    ],
    ids=["study", "trials", "table"],
)
def test_a_study_in_a_database_is_made_anew(damage, in_postgres, postgres, tmp_path):
    before = evaluations(in_postgres)
    with psycopg.connect(postgres.with_password, autocommit=True) as database:
        database.execute("SET session_replication_role = replica")  # whatever refers to it stays
        database.execute(damage.format(name=f"tiny-{tmp_path.name}"))
    go_on(in_postgres)
    assert evaluations(in_postgres) == before
    assert same(in_postgres)


@pytest.mark.parametrize("where", ["journal", "in_postgres"])
def test_a_worker_goes_on_in_a_study_that_was_put_in_the_place_of_its_own(where, request):
    run = request.getfixturevalue(where)
    worker = Campaign.open_(run)
    search = worker.config.search.model_copy(update={"evaluations": 6})
    worker.config = worker.config.model_copy(update={"search": search})
    shift = Shift(worker, NO_LIMIT, 0)
    Campaign.rebuild(run).study.close()  # it holds no trial at the moment
    job, lease = shift.take()
    assert job.number == 4
    with pytest.raises(RunFolderError, match="workers evaluate trials"):
        Campaign.rebuild(run)
    lease.release()
    shift.end()
    if where == "journal":
        (run / "study.journal").unlink()
    states = exclusively(worker, lambda: [r.state for r in worker.study.records()])
    worker.study.close()
    assert states == [*["complete"] * 4, "running"]


def test_the_trials_are_enough(journal):
    (journal / "trace.jsonl").unlink()
    done = gbopt("rebuild", journal)
    assert done.returncode == 0, done.stderr
    assert "rebuilt from 4 trials, 0 of them unfinished" in done.stdout
    assert same(journal)
    before = evaluations(journal)
    done = gbopt("resume", journal, "--evaluations", 5)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {n: evaluations(journal)[n] for n in before} == before
    assert sorted(evaluations(journal)) == [0, 1, 2, 3, 4]


def test_a_trial_that_nothing_is_known_of_is_named(journal):
    (journal / "trace.jsonl").unlink()
    (journal / "study.journal").unlink()
    shutil.rmtree(next(journal.glob("trials/0001-*")))
    with pytest.raises(RunFolderError, match="says what trial 1 was"):
        Campaign.rebuild(journal)
