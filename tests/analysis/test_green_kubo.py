"""Langevin ions, whose velocities are Ornstein-Uhlenbeck processes: D = kT/(m gamma) exactly."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from numpy.typing import NDArray

from gbopt.analysis.collective import CollectiveMotion
from gbopt.analysis.green_kubo import GreenKubo, conductivity, conductivity_of, diffusivity
from gbopt.analysis.statistics import interval
from gbopt.errors import AnalysisError
from gbopt.units import A2_PS_TO_CM2_S, BOLTZMANN_EV_K, ELEMENTARY_CHARGE_C
from tests.analysis.test_collective import relaxing

SEEDS = 40
TEMPERATURE_K = 1100.0
VOLUME_A3 = 4000.0
AMU_KG = 1.66053906660e-27
THERMAL_A2_PS2 = BOLTZMANN_EV_K * TEMPERATURE_K * ELEMENTARY_CHARGE_C / (6.94 * AMU_KG) * 1e-4
"""kT/m of Li: m2/s2 are 1e-4 A2/ps2."""
FRICTION_PS = 10.0
D_A2_PS = THERMAL_A2_PS2 / FRICTION_PS
SAMPLE_PS = 0.01
CUTOFF_PS = 0.6
"""Six relaxation times: what lies beyond is 0.25 % of the integral."""
N_FRAMES = 4000
N_IONS = 12
SEGMENTS = 8

Array = NDArray[np.float64]


def langevin(rng: np.random.Generator, n: int, n_frames: int = N_FRAMES) -> tuple[Array, Array]:
    """Velocities, A/ps, and positions, A, (frames, n, 3) each, by the exact joint update."""
    x = FRICTION_PS * SAMPLE_PS
    keep = np.exp(-x)
    spread_v = THERMAL_A2_PS2 * (1 - keep**2)
    spread_r = THERMAL_A2_PS2 / FRICTION_PS**2 * (2 * x - 3 + 4 * keep - keep**2)
    joint = THERMAL_A2_PS2 / FRICTION_PS * (1 - keep) ** 2
    kick = np.linalg.cholesky([[spread_v, joint], [joint, spread_r]])
    noise = np.einsum("ab,bfnc->afnc", kick, rng.normal(size=(2, n_frames, n, 3)))
    v = rng.normal(0.0, np.sqrt(THERMAL_A2_PS2), (n, 3))
    r = np.zeros((n, 3))
    velocities, positions = np.empty((2, n_frames, n, 3))
    for frame in range(n_frames):
        velocities[frame], positions[frame] = v, r
        r = r + v * (1 - keep) / FRICTION_PS + noise[1, frame]
        v = keep * v + noise[0, frame]
    return velocities, positions


def correlated(rng: np.random.Generator, n: int, share: float) -> tuple[Array, Array]:
    """The same for ions that have a part of their velocity variance in a common mode."""
    v, r = langevin(rng, n + 1)
    own, common = np.sqrt(1 - share), np.sqrt(share)
    return own * v[:, :n] + common * v[:, n:], own * r[:, :n] + common * r[:, n:]


def moved(positions: Array) -> CollectiveMotion:
    return CollectiveMotion(
        displaced_e_A=positions.sum(axis=1),
        sample_ps=SAMPLE_PS,
        lag_samples=60,
        volume_A3=VOLUME_A3,
        temperature_K=TEMPERATURE_K,
    )


def by_current(velocities: Array, axes: tuple[int, ...] = (0, 1, 2)) -> GreenKubo:
    return conductivity(
        np.ones(velocities.shape[1]) @ velocities,
        sample_ps=SAMPLE_PS,
        cutoff_ps=CUTOFF_PS,
        segments=SEGMENTS,
        volume_A3=VOLUME_A3,
        temperature_K=TEMPERATURE_K,
        axes=axes,
    )


def by_displacement(positions: Array) -> GreenKubo:
    return conductivity_of(moved(positions), cutoff_ps=CUTOFF_PS, segments=SEGMENTS, axes=(0, 1, 2))


def by_velocity(velocities: Array, **options) -> GreenKubo:
    given = {"sample_ps": SAMPLE_PS, "cutoff_ps": CUTOFF_PS, "segments": SEGMENTS, **options}
    return diffusivity(velocities, **given)


def nernst_einstein(n: int) -> float:
    """S/cm: n e^2 D/(V kT) in SI units."""
    carriers = n * ELEMENTARY_CHARGE_C**2 * D_A2_PS * 1e-8
    thermal_J = BOLTZMANN_EV_K * ELEMENTARY_CHARGE_C * TEMPERATURE_K
    return carriers / (VOLUME_A3 * 1e-30 * thermal_J) / 100


def assert_honest(curves: list[GreenKubo], truth: float, bias: float) -> None:
    """Mean within ``bias`` of the truth; intervals cover it about as often as they claim."""
    estimates = [curve.plateau for curve in curves]
    assert np.mean([e.value for e in estimates]) == pytest.approx(truth, rel=bias)
    for level, least, most in ((0.95, 0.85, 1.0), (0.68, 0.5, 0.88)):
        hits = [low <= truth <= high for low, high in (interval(e, level) for e in estimates)]
        assert least <= np.mean(hits) <= most, f"{level}: covered {np.mean(hits)}"


@pytest.fixture(scope="module")
def runs() -> list[tuple[Array, Array]]:
    return [langevin(np.random.default_rng(seed), N_IONS) for seed in range(SEEDS)]


def test_diffusivity_of_langevin_ions(runs: list[tuple[Array, Array]]) -> None:
    curves = [by_velocity(v) for v, _ in runs]
    assert_honest(curves, A2_PS_TO_CM2_S * D_A2_PS, 0.02)
    assert curves[0].plateau.unit == "cm2/s"
    assert curves[0].plateau.n_eff == SEGMENTS
    decay = np.mean([curve.autocorrelation for curve in curves], axis=0) / THERMAL_A2_PS2
    assert decay == pytest.approx(np.exp(-FRICTION_PS * curves[0].lag_ps), abs=0.02)


def test_conductivity_of_independent_ions_is_that_of_nernst_and_einstein(
    runs: list[tuple[Array, Array]],
) -> None:
    for curves in ([by_current(v) for v, _ in runs], [by_displacement(r) for _, r in runs]):
        assert_honest(curves, nernst_einstein(N_IONS), 0.05)
        assert curves[0].plateau.unit == "S/cm"


def test_common_mode_sets_the_haven_ratio() -> None:
    """Of N ions with a share b of their variance in a common mode: H = 1/(1 + (N - 1) b)."""
    n, share = 6, 0.4
    runs = [correlated(np.random.default_rng(100 + seed), n, share) for seed in range(SEEDS)]
    haven = 1 / (1 + (n - 1) * share)
    assert_honest([by_velocity(v) for v, _ in runs], A2_PS_TO_CM2_S * D_A2_PS, 0.05)
    assert_honest([by_current(v) for v, _ in runs], nernst_einstein(n) / haven, 0.06)
    assert_honest([by_displacement(r) for _, r in runs], nernst_einstein(n) / haven, 0.06)


def test_running_integral_is_half_the_centred_slope_of_the_charge_msd() -> None:
    """Exactly, in averages that are stationary: here over all cyclic shifts of a run."""
    period, lags, h = 48, 4, 0.3
    current = np.random.default_rng(8).normal(size=(period, 3))
    curves, msd = [], np.zeros((lags + 2, 3))
    for shift in range(period):
        u = np.roll(current, shift, axis=0)
        displaced = h * np.vstack([np.zeros(3), u.cumsum(axis=0)])
        motion = CollectiveMotion(
            displaced_e_A=displaced,
            sample_ps=h,
            lag_samples=1,
            volume_A3=VOLUME_A3,
            temperature_K=TEMPERATURE_K,
        )
        curves.append(conductivity_of(motion, cutoff_ps=lags * h, segments=2))
        for k in range(1, lags + 2):
            msd[k] += np.mean((displaced[k:] - displaced[:-k]) ** 2, axis=0) / period
    slope = (msd[2:, 2] - msd[:-2, 2]) / (2 * h)
    einstein = slope / (2 * VOLUME_A3 * BOLTZMANN_EV_K * TEMPERATURE_K)
    siemens = ELEMENTARY_CHARGE_C / 1e-12 / 1e-8
    found = np.mean([curve.integral for curve in curves], axis=0)
    assert found[1:] == pytest.approx(siemens * einstein, rel=1e-10)


def test_the_slope_is_less_noisy_where_charge_flows_back() -> None:
    """Of a coordinate that also relaxes, ten times as far as it diffuses in a relaxation time."""
    truth, integral, slope = 2 / (2 * VOLUME_A3 * BOLTZMANN_EV_K * TEMPERATURE_K), [], []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        walk = rng.normal(0.0, np.sqrt(2 * 0.1), (3000, 3)).cumsum(axis=0)
        walk += np.column_stack([relaxing(rng, 10.0, 10.0, 3000) for _ in range(3)])
        motion = CollectiveMotion(
            displaced_e_A=walk,
            sample_ps=0.1,
            lag_samples=50,
            volume_A3=VOLUME_A3,
            temperature_K=TEMPERATURE_K,
        )
        curve = conductivity_of(motion, cutoff_ps=5.0, segments=5)
        integral.append(curve.plateau.value)
        slope.append(motion.conductivity(2).value)
    truth *= ELEMENTARY_CHARGE_C / 1e-12 / 1e-8
    error_integral, error_slope = (
        np.sqrt(np.mean((np.array(found) - truth) ** 2)) for found in (integral, slope)
    )
    assert error_integral > 1.3 * error_slope


def test_prefactors_by_hand() -> None:
    """A velocity that is constant has a constant autocorrelation: the integral is v^2 t."""
    v = np.zeros((40, 5, 3))
    v[..., 2] = 2.0
    one = by_velocity(v, sample_ps=0.5, cutoff_ps=1.5, segments=2)
    assert one.lag_ps == pytest.approx([0.0, 0.5, 1.0, 1.5])
    assert one.autocorrelation == pytest.approx(4 / 3)
    assert one.integral == pytest.approx(4 / 3 * one.lag_ps * 1e-4)
    assert one.integral_err == pytest.approx(0.0, abs=1e-18)
    assert by_velocity(v, axes=(2,), cutoff_ps=0.02, segments=2).autocorrelation == pytest.approx(4)
    # 1 e A/ps in 1000 A3, in SI: V J^2 t/(kT).
    u = np.zeros((40, 3))
    u[:, 2] = 1.0
    found = conductivity(
        u, sample_ps=0.5, cutoff_ps=1.5, segments=2, volume_A3=1000.0, temperature_K=1000.0
    )
    density = 1.602176634e-19 * 1e-10 / 1e-12 / 1e-27
    expected = 1e-27 * density**2 * 1.5e-12 / (1.380649e-23 * 1000.0) / 100
    assert found.plateau.value == pytest.approx(expected, rel=1e-12)
    assert found.plateau.std_err == pytest.approx(0.0, abs=1e-12)


def test_single_precision_will_do(runs: list[tuple[Array, Array]]) -> None:
    v = runs[0][0]
    assert by_velocity(v.astype(np.float32)).integral == pytest.approx(
        by_velocity(v).integral, rel=1e-5, abs=1e-12
    )


def test_result_cannot_be_changed(runs: list[tuple[Array, Array]]) -> None:
    with pytest.raises(FrozenInstanceError):
        by_velocity(runs[0][0]).plateau = None


@pytest.mark.parametrize(
    "options",
    [{"cutoff_ps": 2.0}, {"segments": 1}, {"segments": 0}, {"cutoff_ps": 0.004}],
)
def test_refuses_what_it_cannot_measure(options, runs: list[tuple[Array, Array]]) -> None:
    with pytest.raises(AnalysisError, match="cannot be divided into") as refused:
        by_velocity(runs[0][0], **options)
    assert "cut-off" in refused.value.hint


def test_refuses_other_arrays(runs: list[tuple[Array, Array]]) -> None:
    with pytest.raises(AnalysisError, match="holds no trajectory"):
        by_velocity(runs[0][0][:, :, :2])
    broken = runs[0][0].copy()
    broken[100, 0, 1] = np.nan
    with pytest.raises(AnalysisError, match="not finite"):
        by_velocity(broken)
