from collections.abc import Iterable, Iterator
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from numpy.typing import NDArray

from gbopt.analysis.collective import (
    ChargeDisplacement,
    CollectiveMotion,
    einstein_slope,
    msd_covariance,
    reciprocal,
)
from gbopt.analysis.statistics import interval
from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import LI, O
from gbopt.model.observables import Estimate
from gbopt.units import A2_PS_TO_CM2_S, BOLTZMANN_EV_K, ohm_cm_from_metal
from gbopt.validate.media import EDGE_A, FRAME_PS, TEMPERATURE_K, brownian, info_of

SEEDS = 40
LENGTH_A = 40.0
VOLUME_A3 = EDGE_A**2 * LENGTH_A
D_A2_PS = 0.27
N_FRAMES = 2000
LAG_PS = 1.0

Frame = NDArray[np.float64]


def nernst_einstein(n: int) -> float:
    """S/cm of n ions of charge 1 e in the cell."""
    thermal = BOLTZMANN_EV_K * TEMPERATURE_K
    return 1 / ohm_cm_from_metal(thermal * VOLUME_A3 / (n * D_A2_PS))


def tracer() -> Estimate:
    value = A2_PS_TO_CM2_S * D_A2_PS
    return Estimate(value=value, std_err=0.01 * value, unit="cm2/s", n_eff=5, method="given")


def steps(rng: np.random.Generator, n: int, n_frames: int = N_FRAMES) -> Frame:
    """(frames, n, 3) displacements of independent walkers."""
    return rng.normal(0.0, np.sqrt(2 * D_A2_PS * FRAME_PS), (n_frames, n, 3))


def with_counter_ion(frames: Iterable[Frame], drift_A: float = 0.0) -> Iterator[Frame]:
    """One ion at rest takes the opposite charge; everything drifts by so much a frame."""
    for count, frame in enumerate(frames):
        yield np.vstack([frame, np.zeros(3)]) + count * drift_A


def charges_of(n: int) -> Frame:
    return np.append(np.ones(n), -float(n))


def species_of(n: int) -> NDArray[np.int8]:
    return np.append(np.full(n, LI), O).astype(np.int8)


def collect(
    frames: Iterable[Frame], n: int, *, lag_ps: float = LAG_PS, drift_A: float = 0.0
) -> CollectiveMotion:
    """Measure n ions of charge 1 e and their counter-ion."""
    info = info_of(species_of(n), LENGTH_A, N_FRAMES)
    accumulator = ChargeDisplacement(info, charges_of(n), lag_ps=lag_ps)
    for frame in with_counter_ion(frames, drift_A):
        accumulator.add(frame)
    return accumulator.result()


def relaxing(rng: np.random.Generator, variance: float, tau: float, n_frames: int) -> Frame:
    """(frames,) Ornstein-Uhlenbeck coordinate; tau in frames."""
    keep = np.exp(-1 / tau)
    noise = rng.normal(0.0, np.sqrt(variance * (1 - keep**2)), n_frames)
    x = np.empty(n_frames)
    last = rng.normal(0.0, np.sqrt(variance))
    for i in range(n_frames):
        x[i] = last = keep * last + noise[i]
    return x


def assert_honest(estimates: list[Estimate], truth: float, bias: float) -> None:
    """Mean within ``bias`` of the truth; intervals cover it about as often as they claim."""
    assert np.mean([e.value for e in estimates]) == pytest.approx(truth, rel=bias)
    for level, least, most in ((0.95, 0.88, 1.0), (0.68, 0.55, 0.85)):
        hits = [low <= truth <= high for low, high in (interval(e, level) for e in estimates)]
        assert least <= np.mean(hits) <= most, f"{level}: covered {np.mean(hits)}"


@pytest.fixture(scope="module")
def independent() -> list[CollectiveMotion]:
    return [
        collect(brownian(np.random.default_rng(seed), 20, D_A2_PS, LENGTH_A, N_FRAMES), 20)
        for seed in range(SEEDS)
    ]


def test_independent_walkers_conduct_by_nernst_einstein(
    independent: list[CollectiveMotion],
) -> None:
    estimates = [motion.conductivity(axis) for motion in independent for axis in range(3)]
    assert_honest(estimates, nernst_einstein(20), 0.04)
    assert {e.unit for e in estimates} == {"S/cm"}
    assert np.mean([e.std_err / e.value for e in estimates]) == pytest.approx(0.15, abs=0.03)


def test_haven_ratio_of_independent_walkers_is_one(independent: list[CollectiveMotion]) -> None:
    ratios = [
        motion.haven_ratio(tracer(), 20 / VOLUME_A3, axis)
        for motion in independent
        for axis in range(3)
    ]
    assert_honest(ratios, 1.0, 0.04)


def test_conductivity_by_hand() -> None:
    """c = 0.0256 per A^3 and D = 0.27 A^2/ps at 1100 K make 0.856 ohm cm."""
    n = 100
    walk = steps(np.random.default_rng(3), n).sum(axis=1).cumsum(axis=0)
    motion = CollectiveMotion(
        displaced_e_A=walk,
        sample_ps=FRAME_PS,
        lag_samples=10,
        volume_A3=n / 0.0256,
        temperature_K=TEMPERATURE_K,
    )
    found_D = einstein_slope(walk[:, 2], 10).value / (2 * FRAME_PS * n)
    assert found_D == pytest.approx(0.27, rel=0.4)
    resistivity = 1 / motion.conductivity(2).value
    assert resistivity * found_D == pytest.approx(0.856 * 0.27, rel=1e-3)


def test_ions_that_move_in_groups() -> None:
    """Groups of three that move as one: H = 1/3."""
    ratios = []
    for seed in range(SEEDS):
        centres = steps(np.random.default_rng(seed), 6).cumsum(axis=0)
        motion = collect(np.repeat(centres, 3, axis=1), 18)
        ratios += [motion.haven_ratio(tracer(), 18 / VOLUME_A3, axis) for axis in range(3)]
    assert_honest(ratios, 1 / 3, 0.04)


def test_ions_that_move_against_each_other() -> None:
    """Pairs whose steps have a correlation of -1/2: H = 2."""
    ratios = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        own, other = steps(rng, 9), steps(rng, 9)
        moved = np.concatenate([own, -0.5 * own + np.sqrt(0.75) * other], axis=1)
        motion = collect(moved.cumsum(axis=0), 18)
        ratios += [motion.haven_ratio(tracer(), 18 / VOLUME_A3, axis) for axis in range(3)]
    assert_honest(ratios, 2.0, 0.04)


def test_vibration_and_jumps_back_stay_in_the_intercept() -> None:
    """As large as the diffusive MSD at the lag, and over in a fifth of it: within 5 %."""
    n, lag = 10, 20
    at_lag = 2 * n * D_A2_PS * FRAME_PS * lag
    slopes = []
    for seed in range(3 * SEEDS):
        rng = np.random.default_rng(seed)
        walk = steps(rng, n)[:, :, 2].sum(axis=1).cumsum()
        walk += relaxing(rng, at_lag / 2, lag / 5, N_FRAMES)
        walk += rng.normal(0.0, np.sqrt(at_lag / 4), N_FRAMES)
        slopes.append(einstein_slope(walk, lag))
        naive = np.mean((walk[lag:] - walk[:-lag]) ** 2) / lag
        assert naive > 1.5 * at_lag / lag
    ratio = np.array([slope.value for slope in slopes]) * lag / at_lag
    error = np.array([slope.std_err for slope in slopes]) * lag / at_lag
    assert ratio.mean() == pytest.approx(1.0, abs=0.05)
    assert 0.8 < error.mean() / ratio.std() < 1.5


def test_frozen_cell_conducts_nothing_within_its_error() -> None:
    rattle = np.random.default_rng(0).normal(0.0, 0.3, (N_FRAMES, 10, 3))
    motion = collect(iter(rattle), 10)
    found = motion.conductivity(2)
    assert abs(found.value) < 3 * found.std_err
    assert 0 < found.std_err < 0.01 * nernst_einstein(10)
    assert found.n_eff == 2.0
    with pytest.raises(AnalysisError, match="not resolved"):
        motion.haven_ratio(tracer(), 10 / VOLUME_A3)


def test_covariance_is_that_of_many_walks() -> None:
    lags, n, reps = np.array([5, 9, 20, 60]), 200, 4000
    rng = np.random.default_rng(4)
    walks = rng.normal(size=(reps, n)).cumsum(axis=1)
    msd = np.array([((walks[:, k:] - walks[:, :-k]) ** 2).mean(axis=1) for k in lags])
    assert msd_covariance(lags, n, 0.0, 1.0) == pytest.approx(np.cov(msd), rel=0.1)


def test_drift_of_a_neutral_cell_does_not_enter() -> None:
    frames = list(brownian(np.random.default_rng(5), 5, D_A2_PS, LENGTH_A, N_FRAMES))
    still, drifting = collect(frames, 5), collect(frames, 5, drift_A=0.7)
    assert drifting.conductivity(2).value == pytest.approx(still.conductivity(2).value)


def test_frames_are_thinned_for_a_long_lag() -> None:
    frames = list(brownian(np.random.default_rng(6), 5, D_A2_PS, LENGTH_A, N_FRAMES))
    thinned = collect(frames, 5, lag_ps=15.0)
    assert thinned.sample_ps == pytest.approx(0.6)
    assert thinned.lag_samples == 25
    assert len(thinned.displaced_e_A) == np.ceil(N_FRAMES / 6)


def test_keeps_only_the_charge_displacement() -> None:
    held = []
    for n in (5, 500):
        info = info_of(species_of(n), LENGTH_A, N_FRAMES)
        accumulator = ChargeDisplacement(info, charges_of(n), lag_ps=LAG_PS)
        accumulator.add(np.zeros((n + 1, 3)))
        arrays = vars(vars(accumulator)["_series"]).values()
        held.append(sum(a.nbytes for a in arrays if isinstance(a, np.ndarray)) - 8 * (n + 1))
    assert held == [24 * N_FRAMES] * 2


def test_reciprocal_is_free_of_bias() -> None:
    rng = np.random.default_rng(7)
    noisy = [
        Estimate(value=x, std_err=0.15, unit="S/cm", n_eff=9, method="")
        for x in rng.normal(1.0, 0.15, 2000)
    ]
    assert np.mean([1 / e.value for e in noisy]) > 1.02
    found = [reciprocal(e, 3.0, unit="ohm cm", method="") for e in noisy]
    assert np.mean([e.value for e in found]) == pytest.approx(3.0, rel=0.01)


def test_result_cannot_be_changed(independent: list[CollectiveMotion]) -> None:
    with pytest.raises(FrozenInstanceError):
        independent[0].volume_A3 = 1.0


def test_refuses_what_it_cannot_measure() -> None:
    info = info_of(species_of(5), LENGTH_A, N_FRAMES)
    with pytest.raises(AnalysisError, match="5 charges were given for 6 ions"):
        ChargeDisplacement(info, np.ones(5), lag_ps=LAG_PS)
    with pytest.raises(AnalysisError, match="add up to 6 e"):
        ChargeDisplacement(info, np.ones(6), lag_ps=LAG_PS)
    with pytest.raises(AnalysisError, match="too short for a lag of 30 ps") as refused:
        ChargeDisplacement(info, charges_of(5), lag_ps=30.0)
    assert "300 ps" in refused.value.hint
    accumulator = ChargeDisplacement(info, charges_of(5), lag_ps=LAG_PS)
    accumulator.add(np.zeros((6, 3)))
    with pytest.raises(AnalysisError, match="ended after 1 frames"):
        accumulator.result()
