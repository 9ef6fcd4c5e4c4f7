"""The confirmation on real LLZO cells: interrupted, continued, compared, refused."""

import csv
import io
import json
import shutil

import pytest

from tests.campaign.conftest import TINY
from tests.campaign.harness import cut_short, events, gbopt, start


@pytest.fixture(scope="module")
def searched(tmp_path_factory, cache):
    """A finished campaign of two evaluations, its ladder of two temperatures.

    Long enough for 50 hops and more in every core: with fewer there are bounds to compare.
    """
    folder = tmp_path_factory.mktemp("searched")
    text = TINY.format(workers=1).replace("evaluations = 4", "evaluations = 2")
    text = text.replace("nvt_ps = 0.04\nproduction_ps = 0.4", "nvt_ps = 0.04\nproduction_ps = 1.2")
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
    early = cut_short(start("confirm", run), lambda: records(run))
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

    # What failed for the machine's sake stays so until it is asked for.
    record = min(run.glob("confirm/*-1100K-0/evaluation.json"))
    data = json.loads(record.read_text())
    failure = {"stage": "nvt", "cause": "killed for memory", "hint": "", "log_tail": ""}
    data |= {"status": "md_failed", "failure": failure, "objective": None}
    record.write_text(json.dumps(data))
    done = gbopt("confirm", run)
    assert done.returncode == 4
    assert "0 of 8 runs to do" in done.stderr
    assert "1100 K, replica 0 failed: killed for memory." in done.stdout
    done = gbopt("confirm", run, "--retry-failed", "--format", "csv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 8 runs to do" in done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["status"] for row in rows].count("md_failed") == 0
    assert len(rows) == 8
    assert {row["temperature_K"] for row in rows} == {"1100.0", "1300.0"}
    assert (record.parent / "earlier-1" / record.name).exists()


def test_a_film_of_glass_is_the_reference(searched, tmp_path):
    """Too short to melt anything, which each run and the finding say."""
    run = tmp_path / "run"
    shutil.copytree(searched, run)
    resolved = run / "resolved.toml"
    text = resolved.read_text()
    for old, new in (
        ("temperatures_K = [1300.0]", "temperatures_K = []"),
        ("melt_ps = 20.0", "melt_ps = 0.04"),
        ("quench_K_per_ps = 50.0", "quench_K_per_ps = 1e5"),
    ):
        assert old in text
        text = text.replace(old, new)
    resolved.write_text(text)

    done = gbopt("confirm", run, "--film", 10, "--film-li", 6, "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["reference"] == "glass film"
    row = found["runs"][1]
    assert row["geometry"].startswith("Sigma5 ")
    assert row["geometry"].endswith("glass film 10 A, Li6")
    assert row["suspect"] == 2
    assert row["ASR (ohm cm2)"]
    assert "in 0 of 2 runs it passed as molten" in found["findings"][1]
    films = [json.loads(f.read_text()) for f in run.glob("confirm/*/evaluation.json")]
    films = [e for e in films if e["spec"].get("film")]
    for e in films:
        flags = {flag["name"]: flag["level"] for flag in e["flags"]}
        assert flags["film_melted"] == "fail"
        assert flags["film_whole"] == "ok"
        assert e["conditions"]["nominal_width_A"] == 10.0
        assert e["conditions"]["oxide_units_removed"]["Li2O"] >= 2
        assert {"gb_resistivity", "area_specific_resistance", "li_enrichment_ratio",
                "o_vacancy_fraction", "boundary_width"} <= set(e["observables"])  # fmt: skip

    # The best is not run again against the conventional boundary, and that is as it was.
    before = records(run)
    done = gbopt("confirm", run)
    assert "2 of 4 runs to do" in done.stderr
    assert before.items() <= records(run).items()
    assert "The reference is the conventional boundary Sigma5 (" in done.stdout

    refused = gbopt("confirm", run, "--film", 60)
    assert refused.returncode == 1
    assert "ions, geometry.max_ions allows 1400" in refused.stderr


def test_nothing_to_confirm_is_said(tiny, tmp_path):
    from gbopt.campaign.campaign import Campaign
    from gbopt.config import load_campaign

    file = tiny()
    Campaign.start(tmp_path / "run", load_campaign(file), file.read_text())
    done = gbopt("confirm", tmp_path / "run")
    assert done.returncode == 1
    assert "no finished evaluation" in done.stderr
    assert "Traceback" not in done.stderr
