from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from gbopt.search import Dimension, Observation, SearchSettings, SearchSpace, minimise, propose
from gbopt.search.belief import believe
from gbopt.search.posterior import fit_posterior
from gbopt.search.propose import expected_gain, known_points, rank

from .landscape import BEST, CATALOGUE, CONTINUOUS, DIMENSIONS, SPACE, history, objective, snap

ACQUISITIONS = ("knowledge-gradient", "noisy-ei", "lcb", "hedge")


def ask(space, past, number=None, seed=7, n_initial=10, **settings):
    number = len(past) if number is None else number
    settings = SearchSettings(initial=n_initial, **settings)
    return propose(space, past, seed=seed, number=number, settings=settings)


@pytest.mark.parametrize("acquisition", ACQUISITIONS)
@pytest.mark.parametrize("space", [SPACE, CONTINUOUS])
def test_same_history_same_proposal_whatever_its_order(space, acquisition):
    past = history(14)
    past += [Observation(14 + i, CATALOGUE[7 * i], "running") for i in range(3)]
    first = ask(space, past, acquisition=acquisition)
    assert first == ask(space, past, acquisition=acquisition)
    assert first == ask(space, past[::-1], acquisition=acquisition)
    assert ask(space, past[:3]) == ask(space, past[:3][::-1])


def test_same_proposal_in_another_process():
    root = Path(__file__).parents[2]
    code = (
        "import json; from dataclasses import asdict\n"
        "from tests.search.landscape import *; from gbopt.search import propose\n"
        "for s in (SPACE, CONTINUOUS):\n"
        "    p = propose(s, history(14), seed=7, number=14)\n"
        "    print(json.dumps(asdict(p)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    here = [json.dumps(asdict(ask(s, history(14)))) for s in (SPACE, CONTINUOUS)]
    assert done.stdout.splitlines() == here


@pytest.mark.parametrize("space", [SPACE, CONTINUOUS, SearchSpace(DIMENSIONS, snap)])
@pytest.mark.parametrize("n", [0, 12])
def test_proposals_are_plain(space, n):
    proposal = ask(space, history(n))
    assert json.loads(json.dumps(asdict(proposal))) == asdict(proposal)
    for params in (proposal.params, proposal.requested):
        assert [type(v) for v in params.values()] == [int, float, str]
    assert proposal.params == space.realise(proposal.requested)
    assert (proposal.predicted is None) == (n == 0)
    assert proposal.reason.startswith(
        "knowledge gradient: predicted" if n else "initial design 1 of 10"
    )


def test_initial_design_is_distinct_and_does_not_look_at_values():
    alone = [ask(SPACE, [], i).params for i in range(10)]
    after = [ask(SPACE, history(i), i).params for i in range(10)]
    assert alone == after
    assert len({SPACE.key(p) for p in alone}) == 10
    assert {p["mean_plane"] for p in alone} == {"100", "110"}
    assert {p["width_layers"] for p in alone} == {2, 3, 4, 5}
    assert [ask(SPACE, [], i, seed=8).params for i in range(10)] != alone


def test_initial_design_takes_every_candidate_before_it_repeats_one():
    few = CATALOGUE[:6]
    space = SearchSpace(DIMENSIONS, candidates=few)
    points = [SPACE.key(ask(space, [], i).params) for i in range(12)]
    assert len(set(points[:6])) == 6
    assert points[:6] == points[6:]


def test_fixed_dimensions():
    space = SearchSpace(
        (
            Dimension("width_layers", "integer", 3, 3),
            Dimension("misorientation_deg", "real", 5, 30),
            Dimension("mean_plane", "categorical", choices=("110",)),
        )
    )
    settings = SearchSettings(evaluations=12, initial=5)
    result = minimise(lambda p: (objective(p), 0.01), space, settings=settings, seed=1)
    assert all(o.params["width_layers"] == 3 for o in result.history)
    assert result.best.params["misorientation_deg"] == pytest.approx(22, abs=1.5)


def test_a_space_of_one_point_is_replicated():
    space = SearchSpace((Dimension("x", "real", 1, 1),))
    settings = SearchSettings(evaluations=6, initial=2, patience=9)
    result = minimise(lambda p: (float(p["x"]), 0.2), space, settings=settings, seed=1)
    assert ask(space, result.history).replicate == 6
    assert result.best.mean == 1.0
    assert result.best.std_dev == pytest.approx(0.2 / 6**0.5)
    assert not result.best.from_model


@pytest.mark.parametrize(("factor", "shift"), [(1e-3, 0.0), (1.0, 100.0), (1e4, -3.0)])
@pytest.mark.parametrize("space", [SPACE, CONTINUOUS])
def test_the_unit_of_the_objective_is_no_matter(space, factor, shift):
    plain = ask(space, history(15))
    scaled = ask(space, history(15, factor=factor, shift=shift))
    assert scaled.params == plain.params
    assert scaled.predicted == pytest.approx(factor * plain.predicted + shift, rel=1e-6)
    assert scaled.predicted_sd == pytest.approx(factor * plain.predicted_sd, rel=1e-6)


def test_model_phase_is_told_what_it_proposed():
    past = history(15)
    first = ask(SPACE, past)
    past.append(Observation(15, first.params, "complete", first.predicted + 2, 0.01, 15))
    assert ask(SPACE, past).params != first.params


@pytest.mark.parametrize("space", [SPACE, SearchSpace(DIMENSIONS, snap)])
def test_running_points_are_not_proposed(space):
    past = history(12)
    running = set()
    for number in range(12, 20):
        params = ask(space, past, number).params
        assert space.key(params) not in running
        running.add(space.key(params))
        past.append(Observation(number, params, "running"))


def test_a_neighbour_of_what_is_running_gains_only_what_goes_beyond():
    """A point runs that is predicted to be the best; those beside it must not claim its gain."""
    told = history(12, noise=0.02)
    belief = believe(CONTINUOUS, told, SearchSettings())
    known = known_points(CONTINUOUS, told, belief)
    grid = [{**c, "misorientation_deg": c["misorientation_deg"] + 0.4} for c in CATALOGUE[:-2]]
    means = belief.predict(grid)[0]
    best = grid[int(np.argmin(means))]
    assert means.min() < min(belief.predict(known)[0]) - 0.02
    beside = {**best, "misorientation_deg": best["misorientation_deg"] + 0.1}
    running = [*told, Observation(12, best, "running")]
    alone, then = (
        float(expected_gain(h, belief, known).of("knowledge-gradient", [beside])[0])
        for h in (told, running)
    )
    assert then < 0.2 * alone


def test_the_last_free_candidate_is_found_and_then_a_replicate_is_allowed():
    few = CATALOGUE[:5]
    space = SearchSpace(DIMENSIONS, candidates=few)
    past = [Observation(i, few[i], "complete", float(i), 0.1, i) for i in range(3)]
    past += [Observation(3 + i, few[i], "running") for i in range(4)]
    for n_initial in (3, 50):
        assert ask(space, past, 7, n_initial=n_initial).params == few[4]
    past.append(Observation(7, few[4], "running"))
    for n_initial in (3, 50):
        assert ask(space, past, 8, n_initial=n_initial).replicate >= 1


def test_a_small_space_without_candidates_avoids_running_points():
    space = SearchSpace((Dimension("n", "integer", 0, 3),))
    past = [Observation(i, {"n": i}, "complete", float(i), 0.1, i) for i in range(4)]
    past += [Observation(4 + i, {"n": i}, "running") for i in range(3)]
    assert ask(space, past, n_initial=4).params == {"n": 3}


def test_replicates_are_proposed_and_counted():
    few = CATALOGUE[:3]
    space = SearchSpace(DIMENSIONS, candidates=few)
    past = [Observation(i, few[i], "complete", [0.0, 0.3, 6.0][i], 0.5, i) for i in range(3)]
    past.append(Observation(3, few[0], "complete", 0.1, 0.5, 3))
    proposal = ask(space, past, n_initial=3)
    # Which of the two leaders is the better one is not known; the third is none.
    assert proposal.params in few[:2]
    assert proposal.replicate == (2 if proposal.params == few[0] else 1)
    assert proposal.expected_gain > 0.01


def test_where_nothing_is_to_be_gained_the_least_known_comes_first():
    few = CATALOGUE[:12]
    space = SearchSpace(DIMENSIONS, candidates=few)
    past = [Observation(i, few[i], "complete", float(i), 1e-4, i) for i in range(9)]
    visited = []
    for number in range(9, 12):
        visited.append(ask(space, past, n_initial=3).params)
        past.append(Observation(number, visited[-1], "complete", 50.0, 1e-4, number))
    assert sorted(map(space.key, visited)) == sorted(map(space.key, few[9:]))


def test_the_pool_is_ranked_by_one_measure_for_every_acquisition():
    """Local search goes on where the samples left off: its points must be comparable."""
    past = history(15)
    for acquisition in ("knowledge-gradient", "noisy-ei", "lcb"):
        settings = SearchSettings(acquisition=acquisition)
        belief = believe(CONTINUOUS, past, settings)
        ranked = rank(
            CONTINUOUS, past, settings, belief, acquisition, np.random.default_rng(0), set()
        )
        gain = expected_gain(past, belief, known_points(CONTINUOUS, past, belief))
        best = gain.of(acquisition, [ranked[0].params])[0]
        others = gain.of(acquisition, [s.params for s in ranked])
        assert best == pytest.approx(others.max())


def test_noisy_expected_improvement_survives_points_that_are_known_precisely():
    space = SearchSpace((Dimension("x", "real", 0, 1),))
    past = [
        Observation(i, {"x": 0.3 + 1e-4 * i}, "complete", 1e-8 * i * i, None, i) for i in range(14)
    ]
    past.append(Observation(14, {"x": 0.9}, "complete", 0.36, None, 14))
    assert 0 <= ask(space, past, acquisition="noisy-ei").params["x"] <= 1


@pytest.mark.parametrize("n_complete", [0, 1])
def test_without_a_model_the_design_goes_on(n_complete):
    past = history(n_complete)
    past += [Observation(i, CATALOGUE[i], "failed", completion=i) for i in range(n_complete, 20)]
    proposal = ask(SPACE, past, 20)
    assert proposal.predicted is None
    assert "continued" in proposal.reason
    assert proposal.params not in [ask(SPACE, [], i).params for i in range(10)]


def test_equal_values_do_not_break_the_model():
    past = [Observation(i, CATALOGUE[9 * i], "complete", 2.0, None, i) for i in range(8)]
    proposal = ask(SPACE, past, n_initial=5)
    assert proposal.predicted == pytest.approx(2.0, abs=0.5)


@pytest.mark.parametrize("space", [SPACE, CONTINUOUS])
def test_a_region_that_fails_is_left(space):
    """The best third of the angles fails: a search that ignored failures would stay there."""

    def evaluate(number):
        params = ask(space, past, number).params
        if 17 < params["misorientation_deg"] < 26:
            return Observation(number, params, "failed", completion=number)
        return Observation(number, params, "complete", objective(params), 0.02, number)

    past = []
    for number in range(25):
        past.append(evaluate(number))  # noqa: PERF401  (each evaluation reads the list)
    assert sum(o.state == "failed" for o in past[:10]) > 1
    assert sum(o.state == "failed" for o in past[10:]) < 7.5


def test_a_point_that_fails_again_and_again_is_given_up():
    past = history(15)
    best = ask(SPACE, past).params
    past += [Observation(15 + i, best, "failed", completion=15 + i) for i in range(2)]
    assert ask(SPACE, past).params != best


def test_failures_leave_the_model_of_the_objective_alone():
    past = history(15)
    there = CATALOGUE[100]
    failed = [*past, Observation(15, there, "failed", completion=15)]
    before, after = (fit_posterior(SPACE, told).predict([there]) for told in (past, failed))
    assert np.array(before) == pytest.approx(np.array(after))
    assert ask(SPACE, failed).chance < 1 == ask(SPACE, past).chance


def test_a_lower_bound_does_not_attract_the_search():
    past = history(15)
    there = CATALOGUE[100]
    low = min(o.value for o in past) - 1

    def predicted(bound):
        told = [*past, Observation(15, there, "complete", low, 0.01, 15, bound)]
        return fit_posterior(SPACE, told).predict([there])[0][0]

    assert predicted(None) == pytest.approx(low, abs=0.1)
    assert predicted("upper") < predicted(None) + 0.1
    assert predicted("lower") > np.mean([low, *(o.value for o in past)]) - 0.1


@pytest.mark.parametrize("space", [SPACE, CONTINUOUS])
def test_finds_better_points_than_random_search(space):
    def regret(seed):
        rng = np.random.default_rng(seed)
        result = minimise(
            lambda p: (objective(p) + 0.1 * rng.normal(), 0.1),
            space,
            settings=SearchSettings(evaluations=30, patience=100),
            seed=seed,
        )
        return objective(result.best.params) - BEST

    def random_regret(seed):
        rng = np.random.default_rng(seed)
        drawn = [CATALOGUE[i] for i in rng.integers(len(CATALOGUE), size=30)]
        return min(objective(p) + 0.1 * rng.normal() for p in drawn) - BEST

    ours = np.mean([regret(seed) for seed in range(3)])
    assert ours < 0.15
    assert ours < 0.6 * np.mean([random_regret(seed) for seed in range(40)])
