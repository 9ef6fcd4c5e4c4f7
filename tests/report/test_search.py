"""What the search has learnt, as the command line and the report show it."""

from __future__ import annotations

import json
import math

from gbopt.report.charts import insight_charts
from gbopt.report.search import calibration_rows, insights, model_notes, next_rows
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


def test_figures_of_what_was_learnt():
    trials = [finished(i, 0.4 + 0.1 * math.sin(i), plane=i % len(PLANES)) for i in range(7)]
    young = {c.key: c for c in insight_charts(insights(view(*trials), 2), "y")}
    assert set(young) == {"slices", "pairs"}
    assert {r["variable"] for r in young["slices"].rows} >= {"misorientation_deg", "width_layers"}
    wide = [with_width(t, w) for w in (2, 3) for t in trials[: len(PLANES)]]
    roomy = {"crystal_A": 14.0, "max_ions": 6000, "width_layers": (2, 3)}
    found = insights(view(*wide, geometry=roomy), 2)
    old = {c.key: c for c in insight_charts(found, "y")}
    assert set(old) == {"slices", "pairs", "calibration", "interactions"}
    rows = calibration_rows(found)
    assert len(rows) == found.calibration.values == len(wide)
    assert old["calibration"].csv.startswith("trial,log10_objective,std_err,predicted,std_dev\n")
    assert all(0 <= r["share"] <= 1.0001 for r in old["interactions"].rows)


def with_width(e, width):
    """The same evaluation of a boundary of another width."""
    spec = e.spec.model_copy(update={"width_layers": width})
    params = e.params | {"width_layers": width}
    number = e.trial + 100 * width
    return e.model_copy(update={"spec": spec, "params": params, "trial": number})
