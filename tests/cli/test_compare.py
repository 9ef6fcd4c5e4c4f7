from __future__ import annotations

import json

from tests.campaign.harness import gbopt
from tests.cli.test_cli import refused
from tests.cli.test_watch import begun


def test_compare_prints_both_tables_and_refuses_one(tmp_path):
    a, b = begun(tmp_path / "a").path, begun(tmp_path / "b").path
    table = gbopt("compare", a, b)
    assert table.returncode == 0, table.stderr
    assert "no setting differs" in table.stdout
    found = json.loads(gbopt("compare", a, b, "--format", "json").stdout)
    assert [c["over the first"] for c in found["campaigns"]] == [None, "1"]
    assert gbopt("compare", a).returncode == 2
    refused(gbopt("compare", a, tmp_path), "not a run folder")
