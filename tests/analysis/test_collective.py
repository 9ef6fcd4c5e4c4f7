from collections.abc import Iterator
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

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
from tests.analysis.walkers import EDGE_A, FRAME_PS, TEMPERATURE_K, brownian, info_of

SEEDS = 40
LENGTH_A = 40.0
D_A2_PS = 0.27
LAG_PS = 2.0


def nernst_einstein(n: int, D_A2_ps: float) -> float:
    """S/cm of n ions of charge 1 e in the cell."""
    density = n / (EDGE_A**2 * LENGTH_A)
    return 1 / ohm_cm_from_metal(BOLTZMANN_EV_K * TEMPERATURE_K / (density * D_A2_ps))


def tracer(D_A2_ps: float) -> Estimate:
    value = A2_PS_TO_CM2_S * D_A2_ps
    return Estimate(value=value, std_err=0.01 * value, unit="cm2/s", n_eff=5, method="given")


def with_counter_ion(
    frames: Iterator[NDArray], drift_A: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> Iterator[NDArray]:
    """One ion at rest takes the opposite charge; everything drifts by so much a frame."""
    for count, frame in enumerate(frames):
        yield np.vstack([frame, np.zeros(3)]) + count * np.array(drift_A)


def collect(
    frames: Iterator[NDArray], n: int, n_frames: int, lag_ps: float = LAG_PS
) -> CollectiveMotion:
    """Measure n ions of charge 1 e and their counter-ion."""
    species = np.append(np.full(n, LI), O).astype(np.int8)
    charges = np.append(np.ones(n), -n)
    info = info_of(species, LENGTH_A, n_frames)
    accumulator = ChargeDisplacement(info, charges, lag_ps=lag_ps)
    for frame in frames:
        accumulator.add(frame)
    return accumulator.result()


def motion_of(walk: NDArray, n: int, lag_ps: float = LAG_PS) -> CollectiveMotion:
    """A motion whose Q is given: a counter-ion and one ion of charge n cannot be told from it."""
    return CollectiveMotion(
        displaced_e_A=walk,
        sample_ps=FRAME_PS,
        lag_samples=round(lag_ps / FRAME_PS),
        volume_A3=EDGE_A**2 * LENGTH_A,
        temperature_K=TEMPERATURE_K,
    )


def random_walks(rng: np.random.Generator, n: int, n_frames: int) -> NDArray:
    """Q of n independent walkers: a Gaussian walk of n times their D."""
    step = np.sqrt(2 * n * D_A2_PS * FRAME_PS)
    return np.cumsum(rng.normal(0.0, step, (n_frames, 3)), axis=0)


def assert_honest(estimates: list[Estimate], truth: float, bias: float) -> None:
    """Mean within ``bias`` of the truth; intervals cover it about as often as they claim."""
    assert np.mean([e.value for e in estimates]) == pytest.approx(truth, rel=bias)
    for level, least, most in ((0.95, 0.88, 1.0), (0.68, 0.55, 0.85)):
        hits = [low <= truth <= high for low, high in (interval(e, level) for e in estimates)]
        assert least <= np.mean(hits) <= most, f"{level}: covered {np.mean(hits)}"


@pytest.fixture(scope="module")
def independent() -> list[CollectiveMotion]:
    n, n_frames = 40, 2000
    return [
        collect(
            with_counter_ion(
                brownian(np.random.default_rng(seed), n, D_A2_PS, LENGTH_A, n_frames)
            ),
            n,
            n_frames,
        )
        for seed in range(SEEDS)
    ]


def test_independent_walkers_conduct_by_nernst_einstein(
    independent: list[CollectiveMotion],
) -> None:
    estimates = [motion.conductivity(axis) for motion in independent for axis in range(3)]
    assert_honest(estimates, nernst_einstein(40, D_A2_PS), 0.06)
    assert {e.unit for e in estimates} == {"S/cm"}
    assert np.mean([e.std_err / e.value for e in estimates]) == pytest.approx(0.2, rel=0.25)


def test_haven_ratio_of_independent_walkers_is_one(independent: list[CollectiveMotion]) -> None:
    density = 40 / (EDGE_A**2 * LENGTH_A)
    ratios = [
        motion.haven_ratio(tracer(D_A2_PS), density, axis)
        for motion in independent
        for axis in range(3)
    ]
    assert_honest(ratios, 1.0, 0.06)


def test_conductivity_by_hand() -> None:
    """c = 0.0256 per A^3 and D = 0.27 A^2/ps at 1100 K make 0.856 ohm cm."""
    n = round(0.0256 * EDGE_A**2 * LENGTH_A / 0.64)  # 160 ions of 0.8 e: c q^2 as of 102.4 of 1 e
    walk = random_walks(np.random.default_rng(3), 1, 3000)[:, 2] * np.sqrt(n * 0.64)
    motion = motion_of(np.column_stack([walk, walk, walk]), n)
    measured_D = einstein_slope(walk, 20).value / (2 * FRAME_PS * n * 0.64)
    resistivity = 1 / motion.conductivity(2).value
    assert resistivity * measured_D / 0.27 == pytest.approx(0.856, rel=1e-3)


@pytest.mark.parametrize(("group", "weight"), [(3, 1.0), (4, -1.0)])
def test_correlated_groups(group: int, weight: float) -> None:
    """Groups of 3 that move as one have H = 1/3; pairs that mostly oppose each other H = 2."""
    n, n_frames, ratios = 24, 1500, []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        if weight > 0:
            centre = random_walks(rng, 1, n_frames * n // group).reshape(n_frames, -1, 3)
            moves = np.repeat(centre, group, axis=1)
            truth = 1 / group
        else:
            own = rng.normal(0.0, np.sqrt(2 * D_A2_PS * FRAME_PS), (n_frames, n // 2, 3))
            other = rng.normal(0.0, np.sqrt(2 * D_A2_PS * FRAME_PS), (n_frames, n // 2, 3))
            opposed = -0.5 * own + np.sqrt(0.75) * other
            moves = np.concatenate([own, opposed], axis=1).cumsum(axis=0)
            truth = 2.0
        if weight > 0:
            steps = rng.normal(
                0.0, np.sqrt(2 * D_A2_PS * FRAME_PS), (n_frames, n // group, 3)
            )
            moves = np.repeat(steps.cumsum(axis=0), group, axis=1)
        motion = collect(with_counter_ion(iter(moves)), n, n_frames)
        ratios.append(motion.haven_ratio(tracer(D_A2_PS), n / (EDGE_A**2 * LENGTH_A)))
    assert_honest(ratios, truth, 0.12)
