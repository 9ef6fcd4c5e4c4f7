"""Trials whose process dies again and again are given up; no others are."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gbopt.campaign.campaign import Campaign
from gbopt.campaign.deadline import NO_LIMIT, Deadline, Moment
from gbopt.campaign.deaths import counted
from gbopt.campaign.sharing import Shift
from gbopt.config import load_campaign
from gbopt.evaluate.kills import LIMIT
from gbopt.search.stopping import Stop
from gbopt.store.leases import LeaseLostError
from tests.campaign.landscape import write_landscape

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from _recorded import campaign, environment  # noqa: E402

CAMPAIGN = campaign(4, 4)


def die(folder, progress=None):
    """Begin an evaluation whose process dies."""
    context = counted(folder)
    found = context.__enter__()
    if progress is not None:
        (folder / "progress.json").write_text(json.dumps(progress))
    return found, context  # kept alive: nothing of it runs, as in a process that was killed


def test_a_trial_that_kills_every_process_is_given_up(tmp_path):
    begun = [die(tmp_path) for _ in range(LIMIT + 1)]
    assert [failure is None for failure, _ in begun] == [True] * LIMIT + [False]
    failure = begun[-1][0]
    assert failure.cause == (
        f"the process that evaluated it died {LIMIT} times without getting beyond start"
    )


def test_a_trial_that_gets_further_is_not(tmp_path):
    place = {"stage": "production", "steps": 1000}
    begun = [die(tmp_path, {**place, "step": 20 * n}) for n in range(10)]
    assert all(failure is None for failure, _ in begun)


def test_one_that_ended_in_good_order_leaves_no_count(tmp_path):
    for _ in range(LIMIT + 1):
        with pytest.raises(KeyboardInterrupt), counted(tmp_path):
            raise KeyboardInterrupt
    assert not (tmp_path / "begun.json").exists()


def test_the_note_of_a_trial_that_was_taken_over_is_left_to_who_has_it(tmp_path):
    with pytest.raises(LeaseLostError), counted(tmp_path):
        raise LeaseLostError(tmp_path)
    assert (tmp_path / "begun.json").exists()


def test_before_the_end_of_a_job_what_was_begun_is_gone_on_with(tmp_path, monkeypatch):
    file = tmp_path / "deadly.toml"
    file.write_text(CAMPAIGN)
    campaign = Campaign.start(tmp_path / "run", load_campaign(file), CAMPAIGN)
    first = Shift(campaign, NO_LIMIT, 0)
    job, lease = first.take()
    lease.release()
    monkeypatch.setattr(campaign, "_usual_s", lambda: 3600.0)
    near = Deadline(end=Moment(time.time() + 600, "the job ends"))
    late, another = Shift(campaign, near, 0), Shift(campaign, near, 0)
    again, lease = late.take()
    assert again.number == job.number
    found = another.take()
    assert isinstance(found, Stop)
    assert found.reason == "the job ends"
    over = Shift(campaign, Deadline(end=Moment(time.time() - 1, "the job ended")), 0)
    lease.release()
    assert over.take().reason == "the job ended"
    campaign.study.close()


def test_a_note_that_was_cut_short_counts_for_nothing(tmp_path):
    (tmp_path / "begun.json").write_text('{"steps": {')
    with counted(tmp_path) as failure:
        assert failure is None


def test_of_those_that_died_together_one_at_a_time_is_evaluated_again(tmp_path):
    file = tmp_path / "deadly.toml"
    file.write_text(CAMPAIGN)
    campaign = Campaign.start(tmp_path / "run", load_campaign(file), CAMPAIGN)
    shifts = [Shift(campaign, NO_LIMIT, 0) for _ in range(5)]
    dead = [shift.take() for shift in shifts[:2]]
    folders = [campaign.trial_folder(record) for record in campaign.study.records()]
    begun = [die(folder) for folder in folders for _ in range(LIMIT - 1)]
    for _, lease in dead:
        lease.release()
    taken = [shift.take() for shift in shifts[2:4]]
    assert [job.number for job, _ in taken] == [0, 2]  # the other waits, a new one does not
    begun.append(die(folders[0], {"stage": "production", "step": 20, "steps": 1000}))
    assert shifts[4].take().job.number == 1
    for shift in shifts:
        shift.end()
    campaign.study.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_campaign_outlives_a_boundary_that_ends_its_process(workers, tmp_path):
    record = write_landscape(tmp_path / "record.csv")
    file, run = tmp_path / "deadly.toml", tmp_path / "run"
    file.write_text(CAMPAIGN)
    deadly = "Sigma41 (910)[001] 12.68 deg w2"  # the second of the initial ones
    looked_up = environment(tmp_path / "site", record, faster=1e4, deadly=(deadly,))

    def gbopt(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "gbopt", *map(str, arguments), "-j", str(workers)],
            env=looked_up,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    done = gbopt("run", file, "--out", run)
    while done.returncode not in (0, 4):  # with one worker it is the command itself that dies
        assert done.returncode in (9, -signal.SIGKILL), done.stderr
        done = gbopt("resume", run)
    found = [json.loads(f.read_text()) for f in run.glob("trials/*/evaluation.json")]
    failed = [f["failure"]["cause"] for f in found if f["failure"]]
    assert len(found) == 4
    assert failed == ["the process that evaluated it died 3 times without getting beyond start"]
