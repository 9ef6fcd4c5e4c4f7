"""The confirmation on real LLZO cells: interrupted, continued, compared, refused."""

import json
import shutil
import signal

import pytest

from tests.campaign.conftest import TINY
from tests.campaign.harness import events, gbopt, gone, kill_group, md_children, start, wait_for


@pytest.fixture(scope="module")
def searched(tmp_path_factory, cache):
    """A finished campaign of two evaluations, its ladder of two temperatures."""
    folder = tmp_path_factory.mktemp("searched")
    text = TINY.format(workers=1).replace("evaluations = 4", "evaluations = 2")
    text += "\n[confirm]\nreplicas = 2\ntemperatures_K = [1300]\n"
    (folder / "tiny.toml").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GBOPT_CACHE_DIR", str(cache))
        done = gbopt("run", folder / "tiny.toml", "--out", folder / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run"


def records(run):
    return {f.parent.name: f.stat().st_mtime_ns for f in run.glob("confirm/*/evaluation.json")}


def test_a_confirmation_is_interrupted_continued_and_read_again(searched, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(searched, run)
    process = start("confirm", run)
    wait_for(lambda: len(records(run)) >= 1 and md_children(process), process)
    children = md_children(process)
    kill_group(process, signal.SIGINT)
    assert process.returncode == 130
    assert gone(children)
    early = records(run)
    assert 1 <= len(early) < 8

    done = gbopt("confirm", run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{8 - len(early)} of 8 runs to do" in done.stderr
    whole = records(run)
    assert len(whole) == 8
    assert early.items() <= whole.items()  # nothing is run twice
    assert "The reference has" in done.stdout
    assert "tetragonal-cubic" in done.stdout
    assert "Seeds of one geometry differ by" in done.stdout

    again = gbopt("confirm", run, "--format", "json")
    assert records(run) == whole
    found = json.loads(again.stdout)
    assert [row["T (K)"] for row in found["runs"]] == [1100, 1300, 1100, 1300]
    assert {row["boundary"] for row in found["runs"]} == {"best", "reference"}
    reference = next(row for row in found["runs"] if row["boundary"] == "reference")
    assert reference["geometry"].startswith("Sigma5 ")
    assert reference["geometry"].endswith("w2")
    assert len(found["ladders"]) == 5
    # The search itself is as it was.
    assert len(events(run, "finished")) == 2


def test_nothing_to_confirm_is_said(tiny, tmp_path):
    from gbopt.campaign.campaign import Campaign
    from gbopt.config import load_campaign

    file = tiny()
    Campaign.start(tmp_path / "run", load_campaign(file), file.read_text())
    done = gbopt("confirm", tmp_path / "run")
    assert done.returncode == 1
    assert "no finished evaluation" in done.stderr
    assert "Traceback" not in done.stderr
