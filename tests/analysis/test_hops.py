"""Residence times, jumps back and the network of jumps where the truth is known."""

import math

import numpy as np
import pytest

from gbopt.analysis.hops import (
    back_jumps,
    follow,
    residence_estimate,
    residence_interval_ps,
    residence_ps,
    share_estimate,
)
from gbopt.analysis.site_network import site_network
from gbopt.analysis.statistics import interval
from gbopt.errors import AnalysisError
from gbopt.model.observables import Estimate
from tests.analysis.hoppers import hop, llzo_network, paths_of

TAU_PS = (1.5, 3.0)


def on_sites(network, *visits, frame_ps=0.1):
    """Paths of ions that sit exactly where they are said to, frame by frame."""
    where = np.array(visits, dtype=np.float32).transpose(1, 0, 2)
    return paths_of(network, where, frame_ps)


@pytest.fixture(scope="module")
def cubic():
    return llzo_network(1)


def test_an_ion_keeps_its_site_until_it_enters_another(cubic):
    """Out of the core, back, over the edge, and into the neighbour's core at last."""
    a = int(np.flatnonzero(~cubic.octahedral)[0])
    way, b = cubic.vectors[a][0], int(cubic.links[a][0])
    shares = [0.5, 0.0, 0.5, 0.1, 0.55, 0.6, 1.0, 0.9, 0.45, 1.0]
    visit = [cubic.sites[a] + share * way for share in shares]
    hops = follow(on_sites(cubic, visit), cubic.sites, core_A=0.7, segments=1)
    assert hops.held[:, 0].tolist() == [-1, a, a, a, a, a, b, b, b, b]
    jumps = hops.jumps
    assert (jumps.origin.tolist(), jumps.target.tolist(), jumps.step.tolist()) == ([a], [b], [5])
    assert hops.steps.sum() == 8  # the first frame is on no site, the last begins no step
    assert hops.exits[0, a] == 1


@pytest.mark.parametrize("shear", [0.0, 0.3])
def test_jumps_know_the_periodic_image_they_lead_to(shear):
    """An ion that hops on round the cell: origin, offset and target give its way."""
    network = llzo_network(1, shear=shear)
    rng = np.random.default_rng(0)
    site, place, visit, ways = 0, network.sites[0].copy(), [], []
    for _ in range(60):
        visit.append(place.copy())
        way = int(rng.integers(len(network.links[site])))
        ways.append(network.vectors[site][way])
        place, site = place + ways[-1], int(network.links[site][way])
    hops = follow(on_sites(network, visit), network.sites, core_A=0.7, segments=1)
    jumps = hops.jumps
    vector = network.sites[jumps.target] + jumps.offset @ network.cell
    assert vector - network.sites[jumps.origin] == pytest.approx(np.array(ways[:-1]), abs=1e-4)


def test_jumps_back_lead_to_the_same_image(cubic):
    """On a line of two sites in one cell, round the cell is not back."""
    a = int(np.flatnonzero(cubic.octahedral)[0])
    first, second = cubic.vectors[a]
    there, back = cubic.sites[a], cubic.sites[a] + first
    visit = [there, back, there, back, there, there + second]
    hops = follow(on_sites(cubic, visit), cubic.sites, core_A=0.7, segments=1)
    undone, followed = back_jumps(hops)
    assert (undone.sum(), followed.sum()) == (3, 4)
    cell = np.diag(cubic.cell)
    half = np.array([cell[0] / 2, 0, 0])
    round_it = [there, there + half, there + 2 * half]
    sites = np.array([there, there + half])
    hops = follow(on_sites(cubic, round_it), sites % cell, core_A=0.7, segments=1)
    undone, followed = back_jumps(hops)
    assert (undone.sum(), followed.sum()) == (0, 1)


@pytest.mark.parametrize("memory", [0.0, 0.4])
def test_residence_and_jumps_back_of_known_hops(memory):
    network = llzo_network(2)
    truth = hop(
        network, np.random.default_rng(2), ions=200, frames=1600, frame_ps=0.04, memory=memory
    )
    found = site_network(truth.paths)
    figures = found.figures()
    assert len(found.positions) == pytest.approx(len(truth.visited), abs=6)
    assert figures["jumps"] == pytest.approx(truth.jumps, rel=0.03)
    for name, tau in zip(("tetrahedral", "octahedral"), TAU_PS, strict=True):
        residence = figures[f"residence_{name}"]
        low, high = interval(residence, 0.99)
        assert low < tau < high
        assert residence.std_err < 0.06 * tau
    back = figures["back_jump_fraction"]
    assert abs(back.value - truth.back / truth.followed) < max(0.02, 3 * back.std_err)
    assert figures["jump_rate"].value == pytest.approx(1 / figures["residence_all"].value, rel=0.02)
    assert figures["percolation_dimension"] == 3
    low, high = found.residence_low_ps, found.residence_high_ps
    tau = np.array(TAU_PS)[found.kind]
    assert np.mean((low < tau) & (tau < high)) > 0.93


def test_intervals_cover_the_truth_in_short_runs(cubic):
    """Forty runs as short as five residence times; a mean of complete stays would be too short."""
    covered, values = [], []
    for seed in range(40):
        truth = hop(cubic, np.random.default_rng(seed), ions=30, frames=300, frame_ps=0.05)
        hops = follow(truth.paths, cubic.sites, core_A=0.7, segments=5)
        which = cubic.octahedral
        estimate = residence_estimate(
            hops.steps[:, which].sum(axis=1), hops.exits[:, which].sum(axis=1), 0.05, method=""
        )
        low, high = interval(estimate, 0.95)
        covered.append(low < TAU_PS[1] < high)
        values.append(estimate.value)
    assert np.mean(covered) >= 0.85
    assert np.mean(values) == pytest.approx(TAU_PS[1], rel=0.06)


def test_residence_times_at_the_edges():
    steps, exits = np.array([0, 100, 100, 4]), np.array([0, 0, 10, 4])
    times = residence_ps(steps, exits, 0.1)
    assert np.isnan(times[0])
    assert times[1] == math.inf
    assert times[2] == pytest.approx(-0.1 / math.log(0.9))
    assert times[3] == 0
    low, high = residence_interval_ps(steps[:3], exits[:3], 0.1)
    assert np.isnan(high[0])
    assert high[1] == math.inf
    assert low[1] == pytest.approx(10 / 3.689, rel=1e-3)
    assert low[2] < times[2] < high[2]
    # Ten exits in 9.5 ps: Poisson's limits of ten counts are 4.80 and 18.39.
    assert high[2] / times[2] == pytest.approx(10 / 4.795, rel=1e-3)
    assert low[2] / times[2] == pytest.approx(10 / 18.39, rel=1e-3)


def test_what_never_happened_is_a_bound():
    steps = np.full(5, 1000)
    never = residence_estimate(steps, np.zeros(5, dtype=int), 0.1, method="m")
    assert never.bound == "lower"
    assert never.value == pytest.approx(500 / 2.9957, rel=1e-3)
    once = residence_estimate(steps, np.array([0, 0, 3, 0, 0]), 0.1, method="m")
    assert once.bound == "lower"
    assert once.value < 500 / 3
    with pytest.raises(AnalysisError, match="no Li was there"):
        residence_estimate(steps * 0, steps * 0, 0.1, method="m")
    assert share_estimate(steps * 0, np.array([0, 0, 3, 0, 0]), unit="", method="") is None


def test_the_error_is_not_below_that_of_counting():
    """Alike in all segments by chance, and still known to a tenth only."""
    even = residence_estimate(np.full(5, 1000), np.full(5, 20), 0.1, method="")
    assert even.std_err == pytest.approx(math.hypot(even.value / 10, 0.05))
    share = share_estimate(np.full(5, 5), np.full(5, 10), unit="", method="")
    assert isinstance(share, Estimate)
    assert share.std_err == pytest.approx(math.sqrt(0.5 * 0.5 / 50), rel=1e-6)


def test_runs_that_are_too_short_are_refused(cubic):
    paths = on_sites(cubic, [cubic.sites[0]] * 4)
    with pytest.raises(AnalysisError, match="4 frames cannot be divided into 5 segments"):
        follow(paths, cubic.sites, core_A=0.7, segments=5)
    with pytest.raises(AnalysisError, match="no Li came into the core"):
        follow(paths, cubic.sites[:1] + 3.0, core_A=0.7, segments=2)
