"""The chaos of scripts/chaos, short: a campaign that is killed again and again loses nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaign.landscape import write_landscape

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("kind", "kills"), [("landscape", 6), ("md", 4)])
def test_what_is_killed_at_random_loses_nothing(kind, kills, tmp_path):
    record = write_landscape(tmp_path / "record.csv")
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "chaos", kind, str(kills), "5", record],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.endswith("nothing was lost, nothing was done twice, nothing differs\n")
