from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from gbopt.crystal.llzo import CUBIC_A, cubic_sites
from gbopt.errors import ConfigError, GeometryError
from gbopt.geometry import ordering
from gbopt.geometry.electrostatics import ordering_energies, site_energies
from gbopt.geometry.ordering import anneal_orderings, exclusion_table, rank_orderings
from gbopt.model.bicrystal import FORMAL_CHARGES
from gbopt.units import BOLTZMANN_EV_K

CELL = np.diag([13.0, 14.0, 15.0])
LEAST_A = 5.0


def random_system(seed, count=16, ions=4, replicas=3):
    """Random sites and host, and orderings filled at random as far as exclusion allows."""
    rng = np.random.default_rng(seed)
    sites, host = rng.random((count, 3)) @ CELL, rng.random((4, 3)) @ CELL
    energies = site_energies(
        sites=sites, cell=CELL, host=host, host_charges_e=rng.normal(size=4), charge_e=0.3
    )
    blocked = exclusion_table(sites, CELL, LEAST_A)
    chosen = [greedy(blocked, rng) for _ in range(replicas)]
    ions = min(ions, *(len(c) for c in chosen))
    occupied = np.array([np.isin(np.arange(count), c[:ions]) for c in chosen])
    return energies, blocked, occupied


def greedy(blocked, rng):
    chosen = []
    for site in rng.permutation(len(blocked)).tolist():
        if not np.isin(chosen, blocked[site]).any():
            chosen.append(site)
    return chosen


def clashes(occupied, blocked):
    padded = np.pad(occupied, ((0, 0), (0, 1)))
    return (padded[:, blocked] & occupied[:, :, None]).sum()


def test_exclusion_table_is_that_of_brute_force():
    rng = np.random.default_rng(1)
    sites = rng.random((20, 3)) @ CELL
    fractional = sites / CELL.diagonal()
    delta = fractional[:, None] - fractional[None]
    distance = np.linalg.norm((delta - np.round(delta)) * CELL.diagonal(), axis=-1)
    table = exclusion_table(sites - CELL[0], CELL, LEAST_A)
    for site, row in enumerate(table):
        near = np.flatnonzero((distance[site] < LEAST_A) & (np.arange(20) != site))
        assert row[row < 20].tolist() == near.tolist()


def test_orderings_are_sorted_by_energy():
    energies, _, occupied = random_system(4, replicas=9)
    ranked = rank_orderings(energies, occupied, np)
    assert (np.diff(ranked.energy_eV) >= 0).all()
    assert ranked.energy_eV == pytest.approx(ordering_energies(energies, ranked.occupied, np))
    assert sorted(map(tuple, ranked.occupied)) == sorted(map(tuple, occupied))


def hop_by_hand(occupied, blocked, a, b, second):
    """The ordering after a proposal, and whether an ion was kicked; None if it is not allowed."""
    none = len(occupied)
    after = occupied.copy()
    after[a] = False
    if b == none or occupied[b]:
        return None
    in_the_way = [site for site in blocked[b] if site < none and after[site]]
    after[b] = True
    for kicked in in_the_way:
        target = blocked[kicked, second] if second < 0 else second
        if len(in_the_way) > 1 or target == none or occupied[target] or after[target]:
            return None
        after[kicked], after[target] = False, True
    return None if clashes(after[None], blocked) else (after, bool(in_the_way))


@pytest.mark.parametrize("seed", range(4))
def test_hops_are_those_that_exclusion_allows_and_cost_the_difference_of_full_energies(seed):
    energies, blocked, occupied = random_system(seed, count=40, ions=5, replicas=60)
    tables, state = ordering._start(energies, occupied, blocked, np)
    draws = ordering._draw(state, blocked, 1.0, np.random.default_rng(seed))
    # The window is as wide as a sweep, so that all of its proposals are judged at once.
    hops, possible = ordering._propose(tables, state, draws)
    before = ordering_energies(energies, occupied, np)
    cost = np.full(possible.shape, np.nan)
    kicks = 0
    for r, w in np.ndindex(possible.shape):
        allowed = hop_by_hand(
            occupied[r], blocked, hops[0][r, w], hops[1][r, w], draws.second[r, w]
        )
        assert possible[r, w] == (allowed is not None)
        if allowed:
            kicks += allowed[1]
            cost[r, w] = ordering_energies(energies, allowed[0][None], np)[0] - before[r]
    assert 0 < kicks < possible.sum()
    above = ordering._accepted(tables, state, hops, possible, cost + 1e-9)
    below = ordering._accepted(tables, state, hops, possible, cost - 1e-9)
    assert (above == possible).all()
    assert not below.any()


def ring(sites, ions, reach, seed=0):
    """Sites on a ring with random energies, each excluding its ``reach`` neighbours."""
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * np.arange(sites) / sites
    radius = 1.5 / (2 * np.sin(np.pi / sites))
    places = 20 + radius * np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1)
    cell = np.eye(3) * 40.0
    energies = site_energies(
        sites=places,
        cell=cell,
        host=np.zeros((1, 3)),
        host_charges_e=np.array([-1.0]),
        charge_e=0.15,
        extra_eV=0.1 * rng.normal(size=sites),
    )
    least = 2 * radius * np.sin(np.pi * (reach + 0.5) / sites)
    blocked = exclusion_table(places, cell, least)
    every = np.array([np.isin(range(sites), c) for c in combinations(range(sites), ions)])
    allowed = np.array([clashes(one[None], blocked) == 0 for one in every])
    return energies, blocked, every[allowed]


@pytest.mark.parametrize("temperature_K", [400.0, 1e9])
@pytest.mark.parametrize(
    ("sites", "ions", "reach"),
    # Free; half packed; and so packed that without kicks ions could shift but not pass on.
    [(6, 3, 0), (9, 3, 1), (8, 3, 1)],
)
def test_populations_are_those_of_boltzmann(sites, ions, reach, temperature_K):
    energies, blocked, states = ring(sites, ions, reach)
    energy = ordering_energies(energies, states, np)
    weight = np.exp((energy.min() - energy) / (BOLTZMANN_EV_K * temperature_K))
    replicas = 4000
    result = anneal_orderings(
        energies=energies,
        occupied=np.repeat(states[:1], replicas, axis=0),
        blocked=blocked,
        temperature_K=temperature_K,
        rng=np.random.default_rng(5),
        xp=np,
        sweeps=60,
    )
    code = 2 ** np.arange(sites)
    counted = [(result.occupied @ code == one).sum() for one in states @ code]
    assert sum(counted) == replicas
    expected = replicas * weight / weight.sum()
    if temperature_K > 1e6:
        assert expected == pytest.approx(np.full(len(states), replicas / len(states)), rel=1e-5)
    assert chisquare(counted, expected).pvalue > 0.003


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    ions=st.integers(1, 12),
    temperature_K=st.sampled_from([0.0, 1000.0, 1e7]),
)
def test_exclusion_holds_and_ions_are_conserved(seed, ions, temperature_K):
    energies, blocked, occupied = random_system(seed, count=24, ions=ions)
    ranked = anneal_orderings(
        energies=energies,
        occupied=occupied,
        blocked=blocked,
        temperature_K=temperature_K,
        rng=np.random.default_rng(seed),
        xp=np,
        sweeps=5,
    )
    assert clashes(ranked.occupied, blocked) == 0
    assert (ranked.occupied.sum(axis=1) == occupied[0].sum()).all()
    assert ranked.energy_eV == pytest.approx(ordering_energies(energies, ranked.occupied, np))


def annealed(system, seed=0, xp=np, **options):
    energies, blocked, occupied = system
    settings = {"temperature_K": 800.0, "sweeps": 8} | options
    rng = np.random.default_rng(seed)
    return anneal_orderings(
        energies=energies, occupied=occupied, blocked=blocked, rng=rng, xp=xp, **settings
    )


def test_the_window_does_not_change_the_result(monkeypatch):
    system = random_system(2, count=60, ions=12, replicas=5)
    wide = annealed(system)
    monkeypatch.setattr(ordering, "_WINDOW", 1)
    one_by_one = annealed(system)
    assert (one_by_one.occupied == wide.occupied).all()
    assert not (np.sort(wide.occupied, axis=0) == np.sort(system[2], axis=0)).all()


def test_a_seed_gives_one_result_and_another_seed_another():
    system = random_system(6, count=60, ions=10)
    assert (annealed(system).occupied == annealed(system).occupied).all()
    assert (annealed(system).occupied != annealed(system, seed=1).occupied).any()


def test_at_zero_temperature_no_energy_rises():
    energies, blocked, occupied = random_system(8, count=80, ions=12, replicas=1)
    rng = np.random.default_rng(0)
    reached = [ordering_energies(energies, occupied, np)[0]]
    for _ in range(15):
        ranked = anneal_orderings(
            energies=energies,
            occupied=occupied,
            blocked=blocked,
            temperature_K=0.0,
            rng=rng,
            xp=np,
            sweeps=1,
        )
        occupied = ranked.occupied
        reached.append(ranked.energy_eV[0])
    assert (np.diff(reached) < 1e-7).all()
    assert reached[-1] < reached[0] - 0.01


def test_fields_that_are_kept_up_are_those_computed_anew():
    energies, blocked, occupied = random_system(9, count=60, ions=10, replicas=4)
    rng = np.random.default_rng(0)
    tables, state = ordering._start(energies, occupied, blocked, np)
    for _ in range(30):
        ordering._sweep(tables, state, ordering._draw(state, blocked, 0.2, rng))
    _, fresh = ordering._start(energies, state.occupied[:, :-1] > 0, blocked, np)
    assert (state.occupied[:, :-1] != occupied).any()
    assert state.field == pytest.approx(fresh.field, abs=1e-9)
    assert (state.blocked[:, :-1] == fresh.blocked[:, :-1]).all()
    ions = np.arange(state.site_of.shape[1] - 1)[None]
    assert (np.take_along_axis(state.ion_at, state.site_of[:, :-1], 1) == ions).all()


def test_lithium_of_llzo_gains_energy_and_changes_its_tetrahedra():
    found = cubic_sites()
    cell = np.eye(3) * CUBIC_A
    sites = np.concatenate([found.tetrahedral, found.octahedral.reshape(-1, 3)]) * CUBIC_A
    energies = site_energies(
        sites=sites,
        cell=cell,
        host=found.framework * CUBIC_A,
        host_charges_e=np.array(FORMAL_CHARGES, dtype=float)[found.species],
        charge_e=1.0,
    )
    blocked = exclusion_table(sites, cell, 2.0)
    rng = np.random.default_rng(0)
    chosen = [greedy(blocked, rng) for _ in range(8)]
    # Filled blindly, the cell holds fewer than its 56 ions: those of the emptiest for all.
    ions = min(len(c) for c in chosen)
    occupied = np.array([np.isin(np.arange(120), c[:ions]) for c in chosen])
    before = rank_orderings(energies, occupied, np)
    after = annealed((energies, blocked, occupied), temperature_K=1000.0, sweeps=50)
    assert after.energy_eV.mean() < before.energy_eV.mean() - 0.05 * ions
    assert after.energy_eV[0] < before.energy_eV[0]
    assert (after.occupied[:, :24].sum(axis=1) != before.occupied[:, :24].sum(axis=1)).any()


def test_torch_walks_the_same_way():
    torch = pytest.importorskip("torch")
    system = random_system(12, count=60, ions=10, replicas=5)
    ours, theirs = annealed(system), annealed(system, xp=torch)
    assert (ours.occupied == theirs.occupied).all()
    assert theirs.energy_eV == pytest.approx(ours.energy_eV, abs=1e-9)


def test_orderings_that_cannot_be_are_refused():
    energies, blocked, occupied = random_system(3, count=30)
    with pytest.raises(ConfigError, match="temperature_K is -1"):
        annealed((energies, blocked, occupied), temperature_K=-1.0)
    with pytest.raises(GeometryError, match="same number of ions"):
        annealed((energies, blocked, occupied & (np.arange(3)[:, None] > 0)))
    with pytest.raises(GeometryError, match="same number of ions"):
        annealed((energies, blocked, occupied & False))
    site = int(np.flatnonzero(occupied[1])[0])
    beside = np.isin(np.arange(30), [site, blocked[site, 0]])
    with pytest.raises(GeometryError, match="ordering 0 occupies site"):
        annealed((energies, blocked, beside[None]))
