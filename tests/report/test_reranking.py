"""What a re-ranking comes to, without running any."""

import math

import pytest

from gbopt.campaign.rerank import Contestant, Reranking
from gbopt.model.spec import GBSpec
from gbopt.report.reranking import compare_orders
from gbopt.search import Recommendation
from tests.report.factory import PLANES, config, estimate, finished

ERR = 0.02


def run(n, value, bulk_err):
    """A run of boundary n; its error holds that of a bulk reference which all share."""
    value, bound = value if isinstance(value, tuple) else (value, None)
    found = finished(n, value, ERR, plane=n, bound=bound)
    if not bulk_err:
        return found
    rho = 10**value
    # rho_gb changes by (1 - length/width) of the bulk: 30 and 14 A in the factory.
    error = math.hypot(rho * math.log(10) * ERR, (30 / 14 - 1) * bulk_err)
    figures = {
        "gb_resistivity": estimate(rho, error, "ohm cm"),
        "bulk_resistivity": estimate(1.0, bulk_err, "ohm cm"),
    }
    return found.model_copy(update={"observables": found.observables | figures})


@pytest.fixture
def ranked(tmp_path):
    """A re-ranking of boundaries by their values in the search and again."""

    def make(searched, again, reference=None, bulk_err=0.0):
        contestants, runs = [], {}
        for n, value in enumerate([*searched, *([None] if reference else [])]):
            spec = GBSpec(plane=PLANES[n], width_layers=3, crystal_A=14.0, seed=0)
            believed = value and Recommendation({}, value, ERR, (n,), from_model=True, allowed=True)
            contestants.append(Contestant(spec, believed))
            values = reference if value is None else again[n]
            runs[spec.geometry_key] = [run(n, one, bulk_err) for one in values]
        ranking = Reranking(tmp_path, config(), tuple(contestants), 2)
        for contestant in contestants:
            for replica, made in enumerate(runs[contestant.spec.geometry_key]):
                folder = ranking.run_folder(contestant, replica)
                folder.mkdir()
                (folder / "evaluation.json").write_text(made.model_dump_json())
        return compare_orders(config(), ranking)

    return make


def test_the_same_order_is_said_to_be_the_same(ranked):
    found = ranked((0.5, 0.7, 0.9), [(0.8, 0.81), (1.0, 1.01), (1.2, 1.19)], (1.5, 1.52))
    said = " ".join(found.sentences())
    assert "rho of the two orders of 3 boundaries is 1.00" in said
    assert "Of 3 pairs that differ by 2 joint standard errors in both, 3 have the same" in said
    assert found.better.factor == pytest.approx(10 ** (1.51 - 0.805), rel=0.01)
    assert "has 5.07 times that of the search's best" in said
    assert [row["again"] for row in found.rows()] == [1, 2, 3, 4]


def test_the_reverse_order_is_too(ranked):
    found = ranked((0.5, 0.7, 0.9), [(1.2, 1.21), (1.0, 1.01), (0.8, 0.81)])
    said = " ".join(found.sentences())
    assert "is -1.00" in said
    assert "Of 3 pairs" in said
    assert "0 have the same order" in said
    assert "conventional" not in said
    assert [row["again"] for row in found.rows()] == [3, 2, 1]


def test_what_errors_hide_is_no_order(ranked):
    found = ranked((0.50, 0.51, 0.52), [(0.81, 0.78), (0.80, 0.80), (0.80, 0.82)])
    said = " ".join(found.sentences())
    assert "No pair of them differs by 2 joint standard errors in both" in said
    assert "95 % lie between -1.00 and 1.00." in said


def test_an_error_of_the_bulk_that_all_share_hides_no_order(ranked):
    values = [(0.8, 0.81), (1.0, 1.01), (1.2, 1.19)]
    found = ranked((0.5, 0.7, 0.9), values, bulk_err=3.0)
    assert "95 % lie between 1.00 and 1.00" in found.sentences()[1]
    assert "Of 3 pairs" in found.sentences()[2]


@pytest.mark.parametrize(("bound", "sign"), [("lower", ">= "), ("upper", "<= ")])
def test_bounds_are_in_no_order(ranked, bound, sign):
    found = ranked((0.5, 0.7), [((0.6, bound), 0.6), (1.0, 1.01)], (1.2, 1.21))
    rows = found.rows()
    assert [row["again"] for row in rows] == [None, 1, 2]
    assert rows[0]["log10 again"].startswith(sign)
    assert rows[0]["resolved"] == "1 of 2"
    assert "1 boundaries have both values" in found.sentences()[1]
    if bound == "lower":
        assert found.better is None
        assert "No comparison with the conventional boundary" in found.sentences()[-1]
    else:  # what is only known to be low makes the factor a least one
        assert "has at least " in found.sentences()[-1]
        assert "(above " in found.sentences()[-1]


def test_every_run_is_a_row_of_numbers(ranked):
    found = ranked((0.5, 0.7, 0.9), [(0.8, 0.81), (1.0, 1.01), (1.2, 1.19)], (1.5, 1.52))
    rows = found.table()
    assert [row["rank_in_search"] for row in rows] == [1, 1, 2, 2, 3, 3, None, None]
    assert rows[0]["log10_objective"] == pytest.approx(0.8)
    assert rows[0]["gb_resistivity_unit"] == "ohm cm"
    assert found.as_dict()["improvement"]["factor"] == pytest.approx(found.better.factor)
