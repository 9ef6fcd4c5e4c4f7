from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import truncnorm

from gbopt.errors import ConfigError
from gbopt.search import (
    Dimension,
    Observation,
    Proposal,
    SearchSettings,
    SearchSpace,
    decide,
    propose,
    recommend,
)
from gbopt.search.belief import believe
from gbopt.search.censored import site
from gbopt.search.feasibility import Feasibility
from gbopt.search.posterior import fit_posterior

from .landscape import CATALOGUE, SPACE, history, objective

LINE = SearchSpace((Dimension("x", "real", 0, 1),))


def curve(n, error=0.05, seed=0, **fields):
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 1, n)
    y = np.sin(5 * x) + error * rng.normal(size=n)
    return [
        Observation(i, {"x": float(x[i])}, "complete", float(y[i]), error, i, **fields)
        for i in range(n)
    ]


@pytest.mark.parametrize(("mean", "bound"), [(0.0, 0.5), (0.0, -1.0), (2.0, 2.2)])
def test_a_bound_moves_a_prediction_to_that_of_the_truncated_normal(mean, bound):
    sd = 0.7
    value, variance = site(mean, sd, bound, 0.0, lower=True)
    total = 1 / (1 / sd**2 + 1 / variance)
    combined = total * (mean / sd**2 + value / variance)
    exact = truncnorm((bound - mean) / sd, np.inf, loc=mean, scale=sd)
    assert combined == pytest.approx(exact.mean(), rel=1e-6)
    assert math.sqrt(total) == pytest.approx(exact.std(), rel=1e-6)
    mirrored, same = site(-mean, sd, -bound, 0.0, lower=False)
    assert (mirrored, same) == pytest.approx((-value, variance))


def test_a_bound_that_surely_holds_says_nothing():
    assert site(0.0, 0.1, -5.0, 0.01, lower=True) == (0.0, 1e6)


def test_a_lower_bound_raises_the_prediction_and_an_upper_one_lowers_it():
    past, there = curve(12), {"x": 0.64}
    before, sd = (float(v[0]) for v in fit_posterior(LINE, past).predict([there]))
    for bound, sign in (("lower", 1), ("upper", -1)):
        limit = before + 2 * sign * sd
        told = [*past, Observation(12, there, "complete", limit, 0.0, 12, bound)]
        after = float(fit_posterior(LINE, told).predict([there])[0][0])
        assert sign * (after - limit) > -sd
        harmless = before - 4 * sign * sd
        told = [*past, Observation(12, there, "complete", harmless, 0.0, 12, bound)]
        after = float(fit_posterior(LINE, told).predict([there])[0][0])
        assert after == pytest.approx(before, abs=0.1 * sd)


def test_failures_in_a_region_are_learnt_and_random_ones_are_not():
    rng = np.random.default_rng(1)
    past = [
        Observation(i, {"x": float(x)}, "failed" if x > 0.6 else "complete", float(x), 0.1, i)
        for i, x in enumerate(np.linspace(0, 1, 21))
    ]
    low, high = Feasibility(fit_posterior(LINE, past), past).chance([{"x": 0.2}, {"x": 0.9}])
    assert low > 0.8
    assert high < 0.2
    failed = rng.random(60) < 0.25
    past = [
        Observation(i, {"x": i / 59}, "failed" if failed[i] else "complete", i / 59, 0.1, i)
        for i in range(60)
    ]
    chances = Feasibility(fit_posterior(LINE, past), past).chance(
        [{"x": x} for x in np.linspace(0, 1, 20)]
    )
    assert np.ptp(chances) < 0.45
    assert chances.mean() == pytest.approx(0.75, abs=0.15)


def test_what_a_library_could_not_build_is_learnt_before_anything_fails():
    listed = [
        Observation(-1 - i, {"x": i / 20}, "failed" if i > 12 else "possible", source="library")
        for i in range(21)
    ]
    past = [o for o in curve(9) if o.params["x"] < 0.6]
    chance = believe(LINE, [*listed, *past], SearchSettings()).chance
    low, high = chance([{"x": 0.2}, {"x": 0.95}])
    assert low > 0.8
    assert high < 0.3


def test_without_failures_everything_succeeds():
    past = curve(8)
    assert Feasibility(fit_posterior(LINE, past), past).chance([{"x": 0.5}])[0] == 1.0


def led(n, others):
    """The objective follows another observable, which is measured more precisely."""
    rng = np.random.default_rng(5)
    points = [CATALOGUE[i] for i in rng.permutation(len(CATALOGUE))[:n]]
    told = []
    for i, p in enumerate(points):
        hidden = objective(p)
        value = 2 * hidden + 0.5 * rng.normal()
        told.append(
            Observation(i, p, "complete", value, 0.5, i, others={"lead": others(hidden, rng)})
        )
    return told


def test_a_lead_that_predicts_the_objective_is_taken():
    past = led(60, lambda hidden, rng: (hidden + 0.01 * rng.normal(), 0.01))
    settings = SearchSettings(leads=("lead",))
    plain, told = believe(SPACE, past, SearchSettings()), believe(SPACE, past, settings)
    assert told.posterior.leads == ("lead",)
    assert told.trials[0].kept
    truth = np.array([2 * objective(c) for c in CATALOGUE])
    errors = [np.sqrt(np.mean((b.predict(CATALOGUE)[0] - truth) ** 2)) for b in (plain, told)]
    assert errors[1] < 0.8 * errors[0]


def test_a_lead_that_is_noise_is_refused():
    past = led(40, lambda hidden, rng: (float(rng.normal()), 0.1))
    belief = believe(SPACE, past, SearchSettings(leads=("lead", "never measured")))
    assert belief.posterior.leads == ()
    assert [(t.name, t.kept) for t in belief.trials] == [("lead", False)]


def test_limits_keep_the_search_and_the_recommendation_where_they_hold():
    """The minimum at x = 0.94 lies where the other observable is out of its range."""
    past = [
        Observation(
            o.number,
            o.params,
            "complete",
            o.value,
            o.std_err,
            o.completion,
            others={"ler": (o.params["x"], 0.01)},
        )
        for o in curve(15)
    ]
    settings = SearchSettings(limits={"ler": (0.0, 0.7)})
    assert recommend(LINE, past).params["x"] > 0.8
    best = recommend(LINE, past, settings)
    assert 0.6 < best.params["x"] <= 0.7 + 0.02
    assert best.allowed
    proposal = propose(LINE, past, seed=1, number=15, settings=settings)
    assert proposal.params["x"] < 0.8
    assert proposal.chance > 0.2
    with pytest.raises(ConfigError, match="the limits of 'ler' are 1 and 0"):
        SearchSettings(limits={"ler": (1, 0)})


def test_where_nothing_keeps_the_limits_what_may_keep_them_is_looked_for():
    """All that is known lies outside: their values are none to improve on, or to prune against."""
    past = [
        Observation(i, {"x": x}, "complete", 1 - x, 0.01, i, others={"ler": (x, 0.01)})
        for i, x in enumerate(np.linspace(0.45, 0.95, 8))
    ]
    settings = SearchSettings(
        patience=99, limits={"ler": (0.0, 0.3)}, least_expected=10.0, finalists=3, replicates=2
    )
    assert not recommend(LINE, past, settings).allowed
    step = decide(LINE, past, seed=1, number=15, settings=settings)
    assert isinstance(step, Proposal)  # whatever gain is expected, of nothing that counts
    assert step.params["x"] < 0.3
    assert step.replicate == 0
    assert step.chance > 0.5
    assert step.chosen_by is None
    assert step.reason.startswith("within the limits with a probability of")
    impatient = replace(settings, patience=1, initial=1)
    worse = Observation(8, {"x": 0.5}, "complete", 2.0, 0.01, 8, others={"ler": (0.5, 0.01)})
    stop = decide(LINE, [*past, worse], seed=1, number=15, settings=impatient)
    assert stop.reason.endswith("in 1 evaluations, and none is known to keep the limits")
    few = [*past[:3]]
    assert not recommend(LINE, few, settings).allowed
    assert recommend(LINE, few).allowed


def test_another_source_informs_as_far_as_it_agrees():
    own = curve(5)
    there = [{"x": x} for x in np.linspace(0, 1, 41)]
    truth = np.sin(5 * np.linspace(0, 1, 41))

    def error(told):
        mean, _ = fit_posterior(LINE, told).predict(there)
        return float(np.sqrt(np.mean((mean - truth) ** 2)))

    def elsewhere(law):
        return [
            Observation(-1 - i, {"x": x}, "complete", law(x), 0.05, source="elsewhere")
            for i, x in enumerate(np.linspace(0.03, 0.97, 15).tolist())
        ]

    alone = error(own)
    helped = error([*own, *elsewhere(lambda x: math.sin(5 * x) + 0.1)])
    misled = error([*own, *elsewhere(lambda x: -3 * math.cos(9 * x))])
    assert helped < 0.7 * alone
    assert misled < 2.5 * alone
    far = Observation(-1, {"x": 0.3}, "complete", -9.0, 0.01, source="elsewhere")
    assert recommend(LINE, [*own, far]).params in [o.params for o in own]


def test_other_sources_shorten_the_initial_design():
    elsewhere = [
        Observation(-1 - i, {"x": i / 20}, "complete", i / 20, 0.1, source="s") for i in range(20)
    ]
    settings = SearchSettings(initial=10)
    reasons = [
        propose(LINE, [*elsewhere, *curve(12)[:n]], seed=1, number=n, settings=settings).reason
        for n in (0, 2, 3)
    ]
    assert reasons[0].startswith("initial design 1 of 3")
    assert reasons[1].startswith("initial design 3 of 3")
    assert reasons[2].startswith("knowledge gradient")


@pytest.mark.parametrize("surrogate", ["extra-trees", "random-forest"])
def test_forests_propose_and_recommend(surrogate):
    settings = SearchSettings(surrogate=surrogate)
    past = history(30)
    past.append(Observation(30, CATALOGUE[5], "running"))
    proposal = propose(SPACE, past, seed=1, number=31, settings=settings)
    assert proposal.params != CATALOGUE[5]
    assert proposal.predicted_sd > 0
    best = recommend(SPACE, past, settings)
    assert objective(best.params) < np.median([objective(c) for c in CATALOGUE])


def test_bounds_alone_are_values_known_to_a_spread_and_no_lead_is_tried():
    past = [
        Observation(
            i, {"x": i / 11}, "complete", 3 + 0.1 * i, 0.02, i, "lower", {"q": (float(i), 0.1)}
        )
        for i in range(12)
    ]
    belief = believe(LINE, past, SearchSettings(leads=("q",)))
    assert belief.trials == ()
    _, sd = belief.predict([{"x": 0.5}])
    assert sd[0] > 0.1


def test_a_running_evaluation_lowers_the_uncertainty_as_an_evaluation_would():
    past, there = curve(12, error=0.3), {"x": 0.64}
    posterior = fit_posterior(LINE, past)
    _, before = posterior.predict([there])
    believing = posterior.believing([Observation(12, there, "running")])
    mean, after = believing.predict([there])
    noise = posterior.noise * posterior.spread
    assert after[0] == pytest.approx((before[0] ** -2 + noise**-2) ** -0.5, rel=1e-3)
    assert mean[0] == pytest.approx(posterior.predict([there])[0][0], abs=1e-6)


def test_unknown_names_are_refused_at_once():
    with pytest.raises(ConfigError, match="acquisition is 'ei'"):
        SearchSettings(acquisition="ei")
    with pytest.raises(ConfigError, match="surrogate is 'tree'"):
        SearchSettings(surrogate="tree")
