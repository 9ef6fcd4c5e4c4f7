from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gbopt.report.compare import campaign_rows, names, ratio, remarks, setting_rows
from gbopt.search.best import Recommendation
from tests.report.factory import failed, finished, view


def test_campaigns_side_by_side():
    a = view(finished(0, 0.4), failed(1), path=Path("runs/a"))
    b = view(finished(0, 0.7, plane=1), path=Path("runs/b"), md={"temperature_K": 1000})
    empty = view(path=Path("runs/c"))
    rows = campaign_rows([a, b, empty])
    assert [r["campaign"] for r in rows] == ["a", "b", "c"]
    assert [r["failed"] for r in rows] == [1, 0, 0]
    assert [r["over the first"] for r in rows] == [None, "2", None]
    assert len({tuple(r) for r in rows}) == 1
    (setting,) = setting_rows([a, b])
    assert setting == {"setting": "md.temperature_K", "a": "1100.0", "b": "1000.0"}
    notes = " ".join(remarks([a, b, empty]))
    assert "md.temperature_K differs" in notes
    assert "without a best boundary" in notes


def test_the_interval_holds_the_errors_of_both():
    one, other = (
        Recommendation({}, m, s, (0,), False, True) for m, s in ((0.0, 0.03), (1.0, 0.04))
    )
    middle, low, high = ratio(one, other)
    assert middle == pytest.approx(10)
    assert high / low == pytest.approx(10 ** (2 * 1.96 * 0.05), rel=1e-3)


def test_other_quantities_have_no_ratio_and_like_names_their_paths():
    a = view(finished(0), path=Path("x/run"))
    search = {"evaluations": 8, "initial": 2, "objective": "area_specific_resistance"}
    b = replace(view(finished(0), search=search), path=Path("y/run"))
    assert campaign_rows([a, b])[1]["over the first"] is None
    assert "different quantities" in remarks([a, b])[0]
    assert names([a, b]) == ["x/run", "y/run"]
