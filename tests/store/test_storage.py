"""Where studies live: one behaviour in SQLite, in a journal and in PostgreSQL."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import psycopg
import pytest
from pydantic import ValidationError

from gbopt.config import load_campaign
from gbopt.config.sections import RunConfig
from gbopt.errors import RunFolderError
from gbopt.store import filesystems
from gbopt.store.leases import Lease, LeaseLostError, is_held
from gbopt.store.rundir import RunFolder
from gbopt.store.storage import Storage, StudyAwayError, in_file, locked
from gbopt.store.study import Result, Study, categorical, real
from tests.store.test_store import CAMPAIGN

SPACE = {"x": real(0, 1), "kind": categorical(("a", "b"))}
POINT = {"x": 0.5, "kind": "b"}


@pytest.fixture(params=["sqlite", "journal", "postgresql"])
def storage(request, tmp_path):
    if request.param == "postgresql":
        return Storage(request.getfixturevalue("postgres").with_password, tmp_path.name)
    return in_file(request.param, tmp_path / "study", "study")


def test_a_study_is_the_same_wherever_it_is(storage):
    study = Study.create(storage)
    study.describe("log10 rho", "which?")
    for number in range(4):
        assert study.add_running(POINT, SPACE, {"seed": number}) == number
    study.finish(2, Result("complete", 0.5), {"finished_utc": "2026-01-02T00:00:00+00:00"})
    study.finish(0, Result("failed", None), {"finished_utc": "2026-01-01T00:00:00+00:00"})
    study.finish(1, Result("pruned", 3.5, 4), {"lower_bound": 3.1})
    study.finish(2, Result("complete", 9.0), {})  # told twice: nothing changes
    study.restore(POINT, SPACE, {}, Result("complete", 0.25), datetime(2026, 1, 1, 12))
    study.set_attr("stop_reason", "enough")
    study.close()
    again = Study(storage)
    found = [(r.state, r.value, r.finished_order) for r in again.records()]
    assert found == [
        ("failed", None, 0),
        ("complete", 3.5, 3),
        ("complete", 0.5, 2),
        ("running", None, None),
        ("complete", 0.25, 1),
    ]
    assert again.records()[3].params == POINT
    assert again.attr("stop_reason") == "enough"
    again.close()


def test_one_at_a_time_has_the_lock(storage):
    Study.create(storage).close()
    inside, most = [], []

    def work(_):
        with locked(storage):
            inside.append(1)
            time.sleep(0.02)
            most.append(len(inside))
            inside.pop()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))
    assert most == [1] * 8


def test_a_torn_line_of_a_journal_costs_only_itself(tmp_path):
    storage = in_file("journal", tmp_path / "study.journal", "study")
    study = Study.create(storage)
    study.add_running(POINT, SPACE, {})
    storage.file.write_bytes(storage.file.read_bytes() + b'{"op_code": 4, "stu')
    with locked(storage):  # of one who had it open when another died
        assert study.add_running(POINT, SPACE, {}) == 1
    assert len(Study(storage).records()) == 2


def test_two_campaigns_make_the_tables_of_an_empty_database_at_once(postgres):
    with psycopg.connect(postgres.with_password, autocommit=True) as connection:
        connection.execute("CREATE DATABASE fresh")
    url = postgres.with_password.removesuffix("/postgres") + "/fresh"
    with ThreadPoolExecutor(2) as pool:
        studies = list(pool.map(Study.create, (Storage(url, "one"), Storage(url, "two"))))
    assert [study.add_running(POINT, SPACE, {}) for study in studies] == [0, 0]
    for study in studies:
        study.close()
    with pytest.raises(RunFolderError, match="has no study three"):
        Study(Storage(url, "three"))


def enter(storage):
    with locked(storage):
        pass


def test_what_does_not_answer_is_named_without_its_password(postgres):
    url = postgres.with_password.replace(str(postgres.port), "9")
    for act in (Study, enter):
        with pytest.raises(StudyAwayError, match="does not answer") as caught:
            act(Storage(url, "any"))
        assert postgres.password not in caught.value.message + caught.value.hint


def test_what_holds_on_one_machine_only_is_refused_on_a_network(tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/home {tmp_path}/my\\040home nfs4 rw 0 0\n")
    monkeypatch.setattr(filesystems, "MOUNTS", mounts)
    home = tmp_path / "my home"
    assert filesystems.shared_kind(tmp_path) is None
    assert filesystems.shared_kind(home / "runs" / "x") == "nfs4"
    config = load_campaign(CAMPAIGN)
    run = config.run.model_copy(update={"storage": "sqlite"})
    with pytest.raises(RunFolderError, match=r"network file system \(nfs4\), where SQLite is not"):
        RunFolder.create(home / "run", config.model_copy(update={"run": run}), "")
    assert RunFolder.create(home / "run", config, "").storage.kind == "journal"
    assert RunFolder.create(tmp_path / "run", config, "").storage.kind == "sqlite"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("postgresql://me:secret@host/db", "holds no password"),
        ("postgresql://me@host/db?password=secret", "holds no password"),
        ("mysql://host/db", "expected auto, sqlite, journal or postgresql://"),
    ],
)
def test_a_campaign_file_holds_no_password(text, said):
    with pytest.raises(ValidationError, match=said):
        RunConfig(storage=text)


def test_a_dead_holders_number_that_another_process_has_now_is_not_the_holder(tmp_path):
    file = tmp_path / "lease"
    lease = Lease(file, 0.8)
    assert lease.claim()
    assert is_held(file)
    text = file.read_text()
    lease.release()
    file.write_text(text)  # the number is that of a process that lives
    os.utime(file, (time.time() - 3600,) * 2)
    assert not is_held(file)


def test_a_lease_is_for_one_and_outlives_nobody(tmp_path):
    file = tmp_path / "trial" / "lease"
    one, two = Lease(file, 0.8), Lease(file, 0.8)
    assert one.claim()
    assert one.claim()
    assert not two.claim()
    time.sleep(1.0)
    assert not two.claim()  # its holder lives
    one.release()
    assert not is_held(file)
    # One whose machine is gone: nobody here can see whether its process lives.
    file.write_text("filelock/2\npid=1\nhost=elsewhere\nmode=lease\ntoken=ab\nduration=0.8\n")
    assert is_held(file)
    assert not two.claim()
    time.sleep(1.0)
    assert two.claim()
    two.require()
    two.release()
    file.write_text("filelock/2\npid=1\nhost=elsewhere\nmode=lease\ntoken=ab\nduration=0.8\n")
    beating = threading.Timer(0.4, file.touch)
    beating.start()
    assert not one.claim_patiently()  # it stirs
    assert one.claim_patiently()  # and never again
    one.release()
    assert two.claim()
    file.unlink()
    file.write_text("filelock/2\npid=1\nhost=elsewhere\nmode=lease\ntoken=cd\nduration=0.8\n")
    time.sleep(1.0)
    with pytest.raises(LeaseLostError, match="another process"):
        two.require()
    two.release()
    assert file.exists()  # it is the other's
