"""Tracer diffusivity of walkers whose D is known: fast, slow, rattling, nearly frozen."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t as student_t

from gbopt.analysis.tracer import FEW_HOPS, tracer_diffusion
from gbopt.model.bicrystal import LA, LI
from gbopt.model.trajectory import Trajectory, TrajectoryInfo
from gbopt.units import A2_PS_TO_CM2_S

FRAME_PS, SEGMENTS = 0.1, 5
HOP_A = 2.0


def hopping(
    seed: int, ions: int, frames: int, rate_ps: float, back: float = 0.0, rattle_A: float = 0.3
) -> NDArray[np.float64]:
    """(frames, ions, 3) hops of 2 A on a cubic lattice; a share of them is undone by the next."""
    rng = np.random.default_rng(seed)
    place = np.zeros((ions, 3))
    last = np.zeros((ions, 3))
    path = np.empty((frames, ions, 3))
    for k in range(frames):
        hops = np.flatnonzero(rng.random(ions) < rate_ps * FRAME_PS)
        step = np.zeros((len(hops), 3))
        step[np.arange(len(hops)), rng.integers(3, size=len(hops))] = HOP_A * rng.choice(
            [-1, 1], len(hops)
        )
        undo = rng.random(len(hops)) < back
        step[undo] = -last[hops[undo]]
        place[hops] += step
        last[hops] = step
        path[k] = place + rng.normal(0, rattle_A, place.shape)
    return path


def opened(path: NDArray[np.float64]):
    ions = path.shape[1]
    species = np.array([LI] * ions + [LA], dtype=np.int8)
    info = TrajectoryInfo(
        species=species,
        cell=np.eye(3) * 20.0,
        frame_interval_ps=FRAME_PS,
        n_frames=len(path),
        temperature_K=1000.0,
    )

    def frames() -> Iterator[NDArray[np.float64]]:
        for frame in path:
            yield np.concatenate([frame, np.zeros((1, 3))])

    return lambda: Trajectory(info, frames())


def covers(path: NDArray[np.float64], D_A2_ps: float) -> bool:
    found = tracer_diffusion(opened(path), lag_ps=1.0, segments=SEGMENTS).D_cm2_s
    away = abs(found.value - D_A2_ps * A2_PS_TO_CM2_S)
    return bool(away < student_t.ppf(0.975, SEGMENTS - 1) * found.std_err)


@pytest.mark.parametrize("rate_ps", [1.0, 0.05])
def test_intervals_cover_the_diffusivity_of_fast_and_slow_hopping(rate_ps):
    D = rate_ps * HOP_A**2 / 6
    hits = sum(covers(hopping(seed, 40, 1000, rate_ps), D) for seed in range(12))
    assert hits >= 9  # of 12 at 95 %: below that with a chance of 2e-3


def test_jumps_back_are_over_within_the_lag_that_it_chooses():
    """A share b of undone hops leaves D = rate a^2/6 (1 - b)/(1 + b), as <cos> = -b."""
    rate_ps, back = 1.0, 0.6
    D = rate_ps * HOP_A**2 / 6 * (1 - back) / (1 + back)
    path = hopping(3, 150, 2000, rate_ps, back)
    found = tracer_diffusion(opened(path), lag_ps=1.0, segments=SEGMENTS)
    assert found.lag_ps > 1.0
    assert found.D_cm2_s.value / A2_PS_TO_CM2_S == pytest.approx(D, rel=0.12)


def test_the_lag_grows_where_ions_are_slow_and_stays_where_they_are_fast():
    fast, slow = (
        tracer_diffusion(opened(hopping(1, 40, 2000, rate)), lag_ps=2.0, segments=SEGMENTS)
        for rate in (2.0, 0.02)
    )
    assert fast.lag_ps == pytest.approx(2.0, abs=0.11)
    # The longest of which a segment of 40 ps holds three.
    assert slow.lag_ps == pytest.approx(40 / 3.2, rel=0.05)
    assert fast.exponent == pytest.approx(1.0, abs=0.1)


def test_an_ion_that_only_rattles_gives_an_upper_bound():
    found = tracer_diffusion(opened(hopping(2, 20, 1000, 0.0)), lag_ps=1.0, segments=SEGMENTS)
    assert found.D_cm2_s.bound == "upper"
    most = FEW_HOPS * HOP_A**2 / (6 * 20 * 100.0)
    assert found.D_cm2_s.value == pytest.approx(most * A2_PS_TO_CM2_S, rel=0.02)
    assert found.exponent < 0.2


@pytest.mark.parametrize("seed", range(4))
def test_an_ion_in_a_slow_cage_gives_an_upper_bound(seed):
    """A harmonic cage of 0.6 A that relaxes in 20 ps: D = 0, but the MSD grows all the while."""
    rng, ions, frames = np.random.default_rng(seed), 40, 2500
    keep = np.exp(-FRAME_PS / 20)
    path = np.empty((frames, ions, 3))
    path[0] = rng.normal(0, 0.6, (ions, 3))
    for k in range(1, frames):
        path[k] = keep * path[k - 1] + rng.normal(0, 0.6 * np.sqrt(1 - keep**2), (ions, 3))
    found = tracer_diffusion(opened(path), lag_ps=1.0, segments=SEGMENTS)
    assert found.D_cm2_s.bound == "upper"
    assert found.steadiness.value < 0.7


def test_fast_hopping_is_steady():
    found = tracer_diffusion(opened(hopping(5, 100, 1000, 0.5)), lag_ps=2.0, segments=SEGMENTS)
    assert found.steadiness.value == pytest.approx(1.0, abs=0.1)
    assert found.D_cm2_s.bound is None


def test_slow_hopping_seldom_looks_as_if_it_were_not():
    """Some hundred hops in all beside a rattle of 0.3 A: noisy, but no cage."""
    paths = [hopping(seed, 40, 1000, 0.03) for seed in range(12)]
    found = [tracer_diffusion(opened(p), lag_ps=1.0, segments=SEGMENTS).D_cm2_s for p in paths]
    assert sum(D.bound is not None for D in found) <= 3


def test_hops_per_ion_are_counted():
    found = tracer_diffusion(opened(hopping(5, 100, 1000, 0.5)), lag_ps=1.0, segments=SEGMENTS)
    assert found.hops_per_ion == pytest.approx(0.5 * 100.0, rel=0.1)


@pytest.mark.parametrize("frames", [68, 81, 400, 1003])
def test_the_longest_lag_fits_the_segments_whatever_their_length(frames):
    found = tracer_diffusion(opened(hopping(6, 5, frames, 0.01)), lag_ps=0.1, segments=SEGMENTS)
    assert found.lag_ps >= 0.1
