"""A campaign whose potential is a file: the run folder holds all that it needs, wherever it is."""

import json
import shutil
from pathlib import Path

from tests.campaign.harness import gbopt

CAMPAIGNS = Path(__file__).parents[2] / "campaigns"


def begun(tiny, tmp_path):
    """The run folder of a finished search of one evaluation, its campaign file being gone."""
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(CAMPAIGNS / "potentials" / "buckingham.toml", source / "mine.toml")
    text = tiny(evaluations=1).read_text()
    text = text.replace("[md]\n", '[md]\npotential = "mine.toml"\n')
    (source / "campaign.toml").write_text(text)
    done = gbopt("run", source / "campaign.toml", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(source)
    return tmp_path / "run"


def test_a_run_folder_with_its_potential_is_moved_and_resumed(tiny, tmp_path):
    run = begun(tiny, tmp_path)
    moved = shutil.move(run, tmp_path / "mailed to a friend")
    done = gbopt("resume", moved, "--evaluations", 2)
    assert done.returncode == 0, done.stdout + done.stderr
    found = [json.loads(f.read_text()) for f in sorted(moved.glob("trials/*/evaluation.json"))]
    assert len(found) == 2
    assert {evaluation["conditions"]["potential"] for evaluation in found} == {"my-table"}
    for command in ("trace", "status", "report"):
        assert gbopt(command, moved).returncode == 0
    assert "my-table" in (moved / "report.html").read_text()

    potential = moved / "potential" / "mine.toml"
    potential.write_text(potential.read_text().replace("632.1018", "632.2"))
    refused = gbopt("resume", moved)
    assert refused.returncode == 1
    assert "'md.potential' is 'my-table (parameters" in refused.stderr
