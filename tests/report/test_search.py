"""What the search has learnt, as the command line and the report show it."""

from __future__ import annotations

import json
import math

from gbopt.report.search import insights, model_notes, next_rows
from tests.report.factory import PLANES, failed, finished, view


def test_a_young_campaign_has_little_to_say():
    found = insights(view(finished(0, 0.4)), 5)
    assert next_rows(found.upcoming) == []
    notes = "\n".join(model_notes(found))
    assert "since the last significant improvement: 0; the search stops at 20" in notes
    assert "Too few different boundaries" in notes
    json.dumps(found.as_dict())


def test_what_is_next_and_how_it_got_here():
    trials = [finished(i, 0.4 + 0.1 * math.sin(i), plane=i % len(PLANES)) for i in range(9)]
    found = insights(view(*trials, failed(9, plane=1)), 3)
    rows = next_rows(found.upcoming)
    assert len(rows) == 3
    assert set(rows[0]) >= {"misorientation_deg", "replicate", "predicted", "+-", "chance", "ions"}
    assert all(0 < row["chance"] <= 1 for row in rows)
    assert [s.number for s in found.course] == list(range(10))
    assert found.course[-1].state == "failed"
    assert json.loads(json.dumps(found.as_dict()))["patience"] == 20
    assert found.compromises
