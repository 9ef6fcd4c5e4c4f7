"""A campaign over kinds, axes, shifts, gaps and compositions, from the command line."""

import json

from gbopt.campaign.space import GBSpace
from gbopt.config import load_campaign
from gbopt.model.spec import GBSpec
from tests.campaign.harness import evaluations, gbopt
from tests.campaign.test_space import ALUMINIUM

WIDE = """\
[geometry]
kinds = ["symmetric tilt", "asymmetric tilt", "twist", "mixed"]
axes = [[0, 0, 1], [1, 1, 1]]
translation = "searched"
gap_A = [0.4, 1.0]
li2o_per_nm2 = [-1.0, 0.0]
dopants = [
    [{ element = "Al", per_formula_unit = 0.25 }],
    [{ element = "Al", per_formula_unit = 0.3, where = "core" }],
]
"""


def test_a_wide_campaign_runs_resumes_and_is_reported(tiny, tmp_path):
    file = tiny(misorientation_deg="[5, 30]", evaluations=2, max_ions=1600)
    text = file.read_text().replace("[geometry]\n", WIDE)
    file.write_text(text.replace("[md]\n", f'[md]\npotential = "{ALUMINIUM}"\n'))
    run = tmp_path / "run"
    done = gbopt("run", file, "--out", run)
    assert done.returncode == 0, done.stdout + done.stderr
    again = gbopt("resume", run, "--evaluations", 3)
    assert again.returncode == 0, again.stdout + again.stderr

    space = GBSpace(load_campaign(file))
    names = [dimension.name for dimension in space.search_space.dimensions]
    records = evaluations(run)
    assert sorted(records) == [0, 1, 2]
    for record, _ in records.values():
        assert record["status"] in ("ok", "suspect"), record["failure"]
        assert list(record["params"]) == names
        spec = GBSpec.model_validate(record["spec"])
        assert spec == space.spec(record["params"], spec.seed)
        assert "Al" in record["conditions"]["composition"]
        assert record["boundaries"][0]["observables"]["sheet_charge"]["std_err"] >= 0

    shown = json.loads(gbopt("show", run, "1", "--format", "json").stdout)
    assert "Al 0." in json.dumps(shown)
    for command in ("status", "trace", "report"):
        assert gbopt(command, run).returncode == 0
    page = (run / "report.html").read_text()
    assert "Also searched: " in page
    assert "dopants Al 0.25, Al 0.3 core" in page
