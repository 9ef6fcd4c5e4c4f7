from __future__ import annotations

import pytest

from gbopt.md.protocol import boundary_stages
from gbopt.report.live import duration, left_of_all_s, running
from tests.report.factory import config, estimate, finished, view

REPORT = {"trial": 7, "label": "Sigma5", "stage": "nvt", "step": 1, "steps": 4}


def test_what_an_old_report_says_is_all_that_is_said():
    (now,) = running(config(), [REPORT])
    assert now.text == "Sigma5: nvt 25 %"
    assert now.left_s is None
    assert now.estimate is None


def test_share_and_time_left_are_of_all_stages():
    campaign = config()
    steps = {s.name: s.steps for s in boundary_stages(campaign.md, 0) if s.kind != "minimise"}
    half = {
        "stage": "production",
        "step": steps["production"] // 2,
        "steps": steps["production"],
        "steps_per_s": 100.0,
        "estimate": [estimate(0.43, 0.05, "log10(ohm cm)").model_dump()],
    }
    (now,) = running(campaign, [REPORT | half])
    assert now.share == pytest.approx(1 - steps["production"] / 2 / sum(steps.values()))
    assert now.left_s == pytest.approx(steps["production"] / 200)
    assert "production 50 %, 100 steps/s" in now.text
    assert now.text.endswith("log10 so far 0.43(5)")
    assert now.as_dict()["log10_objective"] == 0.43
    (first,) = running(campaign, [REPORT | {"stage": "minimise", "steps_per_s": 3.0}])
    assert first.share == 0
    assert first.left_s is None
    (damaged,) = running(campaign, [REPORT | {"estimate": [{"value": "much"}]}])
    assert damaged.estimate is None


def test_the_whole_budget_at_the_pace_so_far():
    assert left_of_all_s(view(), ()) is None
    # Trials of 90 s and 150 s; six of eight are left.
    assert left_of_all_s(view(finished(0), finished(1)), ()) == pytest.approx(6 * 120)


@pytest.mark.parametrize(
    ("time_s", "text"), [(40, "40 s"), (840, "14 min"), (11520, "3.2 h"), (181440, "2.1 d")]
)
def test_durations_are_readable(time_s, text):
    assert duration(time_s) == text
