"""Several processes on one campaign: real ones, with real databases, which die and come back."""

import signal

import psutil
import pytest

from gbopt.campaign.campaign import Campaign
from gbopt.campaign.jobs import Worker, submit
from gbopt.config import load_campaign
from gbopt.store.choice import ADDRESS
from tests.campaign.harness import (
    decorated,
    evaluations,
    events,
    fetch,
    free_port,
    gbopt,
    kill_group,
    kill_main,
    progress,
    start,
    wait_for,
)

LONG = 1.0


@pytest.fixture
def begun(tiny, tmp_path):
    """The run folder of a campaign that nobody has worked on yet."""

    def make(storage, **changes):
        file = tiny(**changes)
        file.write_text(file.read_text() + f'storage = "{storage}"\n')
        campaign = Campaign.start(tmp_path / "run", load_campaign(file), file.read_text())
        campaign.study.close()
        return campaign.folder.path

    return make


def numbers(run, kind):
    return [event["trial"] for event in events(run, kind)]


def test_workers_share_a_database_that_goes_away_and_take_over_from_the_dead(
    begun, postgres, monkeypatch
):
    monkeypatch.setenv("PGPASSWORD", postgres.password)
    run = begun(postgres.address, evaluations=2, nvt_ps=LONG)
    monkeypatch.delenv("PGPASSWORD")
    # Both at the same moment: one of them makes the reference, the other waits for it.
    one, two = (start("worker", run, "--storage", postgres.with_password) for _ in range(2))
    for number in (0, 1):
        wait_for(lambda number=number: progress(run, number, "nvt"), one, 300)
    kill_main(one)
    postgres.stop()
    wait_for(lambda: evaluations(run), two, 300)
    (alive,) = evaluations(run)
    assert numbers(run, "finished") == []  # it cannot be told
    postgres.start()
    output, _ = two.communicate(timeout=300)
    assert two.returncode == 0, output
    assert "stopped: budget of 2 evaluations reached" in output
    assert sorted(evaluations(run)) == [0, 1]
    assert numbers(run, "proposed") == [0, 1]
    assert sorted(numbers(run, "finished")) == [0, 1]
    assert numbers(run, "restarted") == [1 - alive]
    monkeypatch.setenv(ADDRESS, postgres.with_password)
    study = Campaign.open_(run).study
    assert [record.state for record in study.records()] == ["complete"] * 2
    study.close()
    board = f"http://127.0.0.1:{(port := free_port())}/api/studies"
    server = start("dashboard", run, "--port", port)
    try:
        known = wait_for(lambda: fetch(board), server)["study_summaries"][-1]["study_id"]
        shown = wait_for(lambda: decorated(f"{board}/{known}"), server)
    finally:
        kill_group(server, signal.SIGTERM)
    assert "resists Li least" in shown["note"]["body"]
    files = [file.read_bytes() for file in run.rglob("*") if file.is_file()]
    assert not any(postgres.password.encode() in content for content in files)
    assert postgres.password not in output


def trials_of(process, run):
    """Numbers of the trials that a process works on."""
    leases = run.glob("trials/*/worker.lease")
    return [int(f.parent.name[:4]) for f in leases if f"pid={process.pid}\n" in f.read_text()]


def test_a_worker_joins_a_run_and_leaves_it_alone(begun):
    run = begun("journal", evaluations=2, nvt_ps=2 * LONG)
    with (run / "study.journal").open("a") as journal:
        journal.write('{"op_code": 4, "worker_id": "torn')  # by a machine that lost power
    main, joined = start("resume", run), start("worker", run)
    (taken,) = wait_for(lambda: trials_of(joined, run), joined, 300)
    wait_for(lambda: progress(run, taken, "nvt"), joined, 300)
    joined.send_signal(signal.SIGTERM)
    output, _ = joined.communicate(timeout=100)
    assert joined.returncode == 143, output
    assert not (run / "stop.json").exists()
    refused = gbopt("resume", run)
    assert refused.returncode == 1
    assert f"join it with `gbopt worker {run}`" in refused.stderr
    output, _ = main.communicate(timeout=300)
    assert main.returncode == 0, output
    assert sorted(evaluations(run)) == [0, 1]
    assert numbers(run, "restarted") == [taken]
    assert numbers(run, "proposed") == [0, 1]
    assert gbopt("stop", run).returncode == 0
    late = gbopt("worker", run)  # a job that waited in a queue, say
    assert "stopped: asked to stop by `gbopt stop`" in late.stdout
    assert f"{run / 'stop.json'} is deleted" in late.stdout
    asked = gbopt("worker", run, "--until-walltime")
    assert asked.returncode == 1
    assert "not a job of SLURM" in asked.stderr


def test_the_same_loop_runs_on_dask(tiny, tmp_path):
    run = tmp_path / "run"
    done = gbopt("submit", tiny(evaluations=2), "--out", run, "--to", "dask", "--jobs", 2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "stopped: budget of 2 evaluations reached" in done.stdout
    assert sorted(evaluations(run)) == [0, 1]
    assert len(events(run, "joined")) == 2


def test_a_job_that_is_warned_goes_to_its_checkpoint_and_is_queued_again(begun):
    run = begun("journal", evaluations=1, npt_ps=0.4, nvt_ps=LONG)
    (job,) = submit(Campaign.open_(run), "local", 1, Worker(str(run), 1, False), 1.0, {})
    wait_for(lambda: progress(run, 0, "npt"), job._process, 300)
    (own,) = psutil.Process(job._process.pid).children()
    own.send_signal(signal.SIGUSR2)  # as SLURM warns it
    assert job.result().startswith("budget of 1 evaluations reached")
    assert numbers(run, "restarted") == [0]
    assert events(run, "interrupted")[0]["by"].startswith("the scheduler")
    assert "Requeued job" in job.stdout()
    assert sorted(evaluations(run)) == [0]
