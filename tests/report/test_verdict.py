from __future__ import annotations

import json

import pytest

from gbopt.report.verdict import headline, verdict

from .factory import failed, finished, mixed, view


def test_nothing_finished():
    assert verdict(view()) == "No evaluation has finished yet."
    assert "all 2 so far failed" in verdict(view(failed(0), failed(1)))
    assert "only lower bounds" in verdict(view(finished(0, bound="lower")))


def test_best_boundary_with_error_and_conditions():
    text = verdict(view(finished(0, 0.5, 0.05), stopped="budget"))
    assert text.startswith("Of 1 boundary in 1 finished evaluation, Sigma17 (530)[001]")
    assert "resists Li least: its expected GB resistivity is 3.16 ohm cm (2.82 to 3.55" in text
    assert "at 1100 K with llzo-buckingham-c; measured, it has 3.2(3) times" in text
    assert "so far" not in text
    assert "distinguishable" not in text


def test_a_campaign_that_goes_on_says_so_far():
    assert "resists Li least so far" in verdict(view(finished(0)))


def test_a_significant_difference_is_named():
    text = verdict(view(finished(0, 0.2), finished(1, 1.2, plane=1)))
    assert "That is a factor of 10.0(16) below the worst of the others (Sigma25 (710)" in text
    assert "distinguishable" not in text
    bounded = verdict(view(finished(0, 0.2), finished(1, 1.2, plane=1, bound="lower")))
    assert "at least a factor of 10.0(16)" in bounded


def test_an_insignificant_difference_is_admitted():
    text = verdict(view(finished(0, 0.50), finished(1, 0.55, plane=1)))
    assert "factor" not in text
    assert "not distinguishable from 1 of the 1 other boundary within two joint" in text


def test_an_upper_bound_never_counts_as_worse():
    text = verdict(view(finished(0, 0.2), finished(1, 1.5, 0.05, plane=1, bound="upper")))
    assert "not distinguishable from 1 of the 1" in text


def test_the_median_is_compared_too():
    others = (finished(i, 0.5 + 0.2 * i, plane=i) for i in (1, 2, 3))
    text = verdict(view(finished(0, 0.2), *others))
    assert "below the median of the others (Sigma17 (410)" in text
    assert "below the worst of the others (Sigma13 (510)" in text


def test_flags_forbid_trust():
    levels = {"core_hops": "fail", "equilibrated": "warn"}
    text = verdict(view(finished(0, flags=levels)))
    assert "Do not trust this result: its trials failed core_hops." in text
    assert "Also: equilibrated gave warnings." in text
    careful = verdict(view(finished(0, flags={"equilibrated": "warn"})))
    assert "Take it with care: equilibrated gave warnings." in careful


def test_an_unresolved_best_is_said_to_be_a_bound():
    assert "only an upper bound" in verdict(view(finished(0, bound="upper")))


def test_the_other_objective():
    text = verdict(view(finished(0, -6.6), search={"objective": "area_specific_resistance"}))
    assert "expected area-specific resistance is 2.51e-07 ohm cm2" in text


def test_the_headline_is_one_sentence_with_its_error_and_what_it_is_against(tmp_path):
    others = [finished(i, 0.6 + 0.2 * i, plane=i) for i in (1, 2, 3)]
    said = headline(view(finished(0, 0.2), *others))
    assert said.count(". ") == 0
    assert "resists Li least so far: GB resistivity 1.58 ohm cm (1.41 to 1.78," in said
    assert "one standard error) at 1100 K, a factor of " in said
    assert "below the median of the 3 other boundaries" in said
    alike = headline(view(finished(0, 0.50), finished(1, 0.55, plane=1)))
    assert "not distinguishable from 1 of the 1 other boundary" in alike
    assert "times that of bulk crystal." in headline(view(finished(0)))
    assert headline(view()) == verdict(view())


@pytest.mark.parametrize(("bound", "said"), [(None, "has 2.09 times"), ("lower", "at least 2.09")])
def test_the_headline_quotes_a_confirmation_of_this_boundary_alone(bound, said, tmp_path):
    best, other = finished(0, 0.1), finished(1, 0.4, plane=1)
    found = {"factor": 2.09, "low": 1.8, "high": 2.4, "bound": bound, "reference": "Sigma5 (310)"}
    for evaluation in (best, other):
        found["best"] = evaluation.spec.geometry_key
        record = {"runs": [1], "ladders": [1], "findings": [1], "improvement": found}
        (tmp_path / "confirm.json").write_text(json.dumps(record))
        confirmed = headline(view(best, other, path=tmp_path))
        assert ("the reference Sigma5 (310)" in confirmed) is (evaluation is best)
        assert (said in confirmed) is (evaluation is best)
    del found["best"]  # as an earlier version wrote it
    (tmp_path / "confirm.json").write_text(json.dumps(record))
    assert "the reference" not in headline(view(best, other, path=tmp_path))


def test_the_width_free_ranking_is_said():
    said = verdict(mixed())
    assert "By area-specific resistance, which depends on no width," in said
