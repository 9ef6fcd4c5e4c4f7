"""The best boundaries by another potential, on real LLZO cells."""

import json

import pytest

from tests.campaign.conftest import TINY
from tests.campaign.harness import cut_short, events, gbopt, start


def longer(text):
    assert "production_ps = 0.4" in text
    return text.replace("production_ps = 0.4", "production_ps = 1.2")


@pytest.fixture(scope="module")
def searched(tmp_path_factory, cache):
    """A finished campaign of three evaluations, of hops enough to be more than bounds."""
    folder = tmp_path_factory.mktemp("searched")
    text = longer(TINY.format(workers=1).replace("evaluations = 4", "evaluations = 3"))
    (folder / "tiny.toml").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GBOPT_CACHE_DIR", str(cache))
        done = gbopt("run", folder / "tiny.toml", "--out", folder / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The same cells with another potential."""
    text = TINY.format(workers=1).replace('name = "tiny"', 'name = "other"')
    text = text.replace("[md]", '[md]\npotential = "llzo-buckingham-d"')
    text = longer(text)
    file = tmp_path_factory.mktemp("other") / "other.toml"
    file.write_text(text)
    return file


def records(run):
    return {f.parent.name: f.stat().st_mtime_ns for f in run.glob("rerank/*/*/evaluation.json")}


def test_the_best_are_interrupted_run_again_and_put_in_order(searched, other):
    process = start("rerank", searched, other, "--top", 2, "--replicas", 2)
    early = cut_short(process, lambda: records(searched))
    assert 1 <= len(early) < 6

    done = gbopt("rerank", searched, other, "--top", 2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{6 - len(early)} of 6 runs to do" in done.stderr
    whole = records(searched)
    assert len(whole) == 6
    assert early.items() <= whole.items()  # nothing is run twice
    assert "searched with llzo-buckingham-c at 1100 K, again with llzo-buckingham-d" in done.stdout
    assert "2 boundaries have both values" in done.stdout

    again = gbopt("rerank", searched, other, "--top", 2, "--format", "json")
    assert records(searched) == whole
    found = json.loads(again.stdout)
    assert [row["search"] for row in found["boundaries"]] == [1, 2, "reference"]
    assert sorted(row["again"] for row in found["boundaries"]) == [1, 2, 3]
    assert all(row["resolved"].endswith(" of 2") for row in found["boundaries"])
    (folder,) = (searched / "rerank").glob("other-*")
    assert json.loads((folder / "rerank.json").read_text()) == found
    runs = [json.loads(f.read_text()) for f in folder.glob("*/evaluation.json")]
    assert {e["conditions"]["potential"] for e in runs} == {"llzo-buckingham-d"}
    assert {e["replicate"] for e in runs} == {0, 1}
    # The search itself is as it was.
    assert len(events(searched, "finished")) == 3


def test_another_quantity_is_refused(searched, other, tmp_path):
    file = tmp_path / "area.toml"
    text = other.read_text().replace("[search]", '[search]\nobjective = "area_specific_resistance"')
    file.write_text(text)
    refused = gbopt("rerank", searched, file)
    assert refused.returncode == 1
    assert "search.objective is area_specific_resistance in the other file" in refused.stderr
