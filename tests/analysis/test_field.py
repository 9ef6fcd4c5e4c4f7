from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from gbopt.analysis.collective import ChargeDisplacement
from gbopt.analysis.field import (
    BLOCKS,
    FieldCurrent,
    FieldResponse,
    linear_response,
    mser,
    resistance_times_area,
)
from gbopt.analysis.statistics import interval, propagate
from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import LI, O
from gbopt.model.observables import Estimate
from gbopt.units import BOLTZMANN_EV_K, ohm_cm_from_metal
from gbopt.validate.media import EDGE_A, FRAME_PS, TEMPERATURE_K, info_of

SEEDS = 40
LENGTH_A = 40.0
VOLUME_A3 = EDGE_A**2 * LENGTH_A
THERMAL_EV = BOLTZMANN_EV_K * TEMPERATURE_K
N = 30
N_FRAMES = 2001
HOP_A = 2.0
RATE_PER_PS = 0.5
WEAK_V_A = 0.03
STRONG_V_A = 0.12

Frame = NDArray[np.float64]


def bias_of(field_V_A: float) -> float:
    return field_V_A * HOP_A / (2 * THERMAL_EV)


def lattice_conductivity(field_V_A: float = 0.0) -> float:
    """S/cm of hops up and down at rates k exp(+-x): linear times sinh(x)/x, x = q E a/2 kT."""
    x = bias_of(field_V_A)
    linear = N * RATE_PER_PS * HOP_A**2 / (VOLUME_A3 * THERMAL_EV) / ohm_cm_from_metal(1.0)
    return linear * (np.sinh(x) / x if x else 1.0)


def hopping(
    rng: np.random.Generator, field_V_A: float, excess: float = 0.0, tau_ps: float = 20.0
) -> Iterator[Frame]:
    """Carriers on a lattice and a counter-ion at rest; hops start in excess by exp(-t/tau)."""
    x = bias_of(field_V_A)
    now_ps = np.arange(N_FRAMES) * FRAME_PS
    share = 1 + excess * np.exp(-now_ps / tau_ps)
    mean = RATE_PER_PS * FRAME_PS * share[:, None]
    up = rng.poisson(mean * np.exp(x), (N_FRAMES, N))
    down = rng.poisson(mean * np.exp(-x), (N_FRAMES, N))
    for z in HOP_A * np.cumsum(up - down, axis=0) + rng.normal(0.0, 0.2, (N_FRAMES, N)):
        frame = np.zeros((N + 1, 3))
        frame[:N, 2] = z
        yield frame


def species() -> NDArray[np.int8]:
    return np.append(np.full(N, LI), O).astype(np.int8)


def charges() -> Frame:
    return np.append(np.ones(N), -float(N))


def respond(frames: Iterable[Frame], field_V_A: float) -> FieldResponse:
    accumulator = FieldCurrent(
        info_of(species(), LENGTH_A, N_FRAMES), charges(), field_V_A=field_V_A
    )
    for frame in frames:
        accumulator.add(frame)
    return accumulator.result()


def measured(seed: int, field_V_A: float, excess: float = 0.0) -> FieldResponse:
    return respond(hopping(np.random.default_rng(seed), field_V_A, excess), field_V_A)


def assert_honest(estimates: list[Estimate], truth: float, bias: float) -> None:
    """Mean within ``bias`` of the truth; intervals cover it about as often as they claim."""
    assert np.mean([e.value for e in estimates]) == pytest.approx(truth, rel=bias)
    for level, least, most in ((0.95, 0.85, 1.0), (0.68, 0.5, 0.85)):
        hits = [low <= truth <= high for low, high in (interval(e, level) for e in estimates)]
        assert least <= np.mean(hits) <= most, f"{level}: covered {np.mean(hits)}"


def given(value: float, std_err: float) -> Estimate:
    return Estimate(value=value, std_err=std_err, unit="S/cm", n_eff=5, method="given")


@pytest.fixture(scope="module")
def weak() -> list[FieldResponse]:
    return [measured(seed, WEAK_V_A) for seed in range(SEEDS)]


@pytest.fixture(scope="module")
def double() -> list[FieldResponse]:
    return [measured(1000 + seed, 2 * WEAK_V_A) for seed in range(SEEDS)]


def test_weak_field_gives_the_linear_conductivity(weak: list[FieldResponse]) -> None:
    estimates = [response.conductivity() for response in weak]
    assert_honest(estimates, lattice_conductivity(WEAK_V_A), 0.02)
    assert lattice_conductivity(WEAK_V_A) == pytest.approx(lattice_conductivity(), rel=0.02)
    assert {(e.unit, e.n_eff) for e in estimates} == {("S/cm", BLOCKS)}


def test_strong_field_follows_the_sinh_law() -> None:
    estimates = [measured(seed, STRONG_V_A).conductivity() for seed in range(SEEDS)]
    assert lattice_conductivity(STRONG_V_A) > 1.25 * lattice_conductivity()
    assert_honest(estimates, lattice_conductivity(STRONG_V_A), 0.02)


def test_field_may_point_down(weak: list[FieldResponse]) -> None:
    down = measured(0, -WEAK_V_A)
    assert down.steady_blocks().mean() < 0 < weak[0].steady_blocks().mean()
    assert down.conductivity().value == pytest.approx(lattice_conductivity(), rel=0.2)


def test_conductivity_by_hand() -> None:
    """c = 0.0256 per A^3 and D = 0.27 A^2/ps at 1100 K make 0.856 ohm cm.

    Those ions drift with q D E/kT, 0.0855 A/ps at 0.03 V/A.
    """
    speed_A_ps = 0.27 * 0.03 / THERMAL_EV
    response = FieldResponse(
        displaced_e_A=100 * speed_A_ps * np.arange(101) * FRAME_PS,
        frame_interval_ps=FRAME_PS,
        volume_A3=100 / 0.0256,
        field_V_A=0.03,
    )
    conductivity = response.conductivity()
    assert 1 / conductivity.value == pytest.approx(0.856, rel=1e-3)
    assert response.steady_blocks() == pytest.approx(3.0e6 / 0.856, rel=1e-3)
    assert response.dropped_ps == 0.0


def test_transient_is_dropped() -> None:
    """A current that starts at double the steady one and settles in 20 ps of 200."""
    responses = [measured(seed, WEAK_V_A, excess=1.0) for seed in range(SEEDS)]
    truth = lattice_conductivity(WEAK_V_A)
    assert_honest([response.conductivity() for response in responses], truth, 0.04)
    dropped = [response.dropped_ps for response in responses]
    assert np.median(dropped) > 20.0
    assert max(dropped) <= 100.0
    whole = [r.displaced_e_A[-1] / ((N_FRAMES - 1) * FRAME_PS) for r in responses]
    naive = np.mean(whole) / (VOLUME_A3 * WEAK_V_A) / ohm_cm_from_metal(1.0)
    assert naive > 1.07 * truth


def test_steady_current_is_hardly_cut(weak: list[FieldResponse]) -> None:
    assert np.mean([response.dropped_ps for response in weak]) < 40.0


def test_mser_finds_a_step() -> None:
    rng = np.random.default_rng(0)
    assert mser(np.r_[np.full(4, 5.0), np.zeros(16)] + rng.normal(0.0, 0.1, 20)) == 4


def test_weak_fields_extrapolate_and_pool(
    weak: list[FieldResponse], double: list[FieldResponse]
) -> None:
    found = [
        linear_response([(WEAK_V_A, one.conductivity()), (2 * WEAK_V_A, two.conductivity())])
        for one, two in zip(weak, double, strict=True)
    ]
    assert_honest([r.conductivity for r in found], lattice_conductivity(), 0.03)
    assert np.mean([r.ok for r in found]) > 0.6
    pooled = [r.pooled for r in found if r.pooled]
    assert len(pooled) == sum(r.ok for r in found)
    assert np.mean([e.value for e in pooled]) == pytest.approx(lattice_conductivity(), rel=0.08)
    covered = [
        low <= lattice_conductivity() <= high for low, high in (interval(e, 0.95) for e in pooled)
    ]
    assert np.mean(covered) >= 0.75


def test_strong_field_is_flagged_and_extrapolated(weak: list[FieldResponse]) -> None:
    fields = [WEAK_V_A, 2.5 * WEAK_V_A, 5 * WEAK_V_A]
    found = [
        linear_response(
            [
                (field, measured(10 * seed + i, field).conductivity())
                for i, field in enumerate(fields)
            ]
        )
        for seed in range(SEEDS)
    ]
    assert np.mean([r.ok for r in found]) < 0.1
    assert all(r.pooled is None for r in found if not r.ok)
    assert_honest([r.conductivity for r in found], lattice_conductivity(), 0.03)


def test_two_fields_by_hand() -> None:
    found = linear_response([(0.03, given(1.03, 0.01)), (-0.06, given(1.12, 0.02))])
    assert found.conductivity.value == pytest.approx(1.0)
    assert found.conductivity.std_err == pytest.approx(np.hypot(4 * 0.01, 0.02) / 3)
    assert found.nonlinearity == pytest.approx(0.09 / np.hypot(0.01, 0.02))
    assert not found.ok
    assert found.pooled is None
    calm = linear_response([(0.03, given(1.0, 0.01)), (0.06, given(1.03, 0.02))])
    assert calm.ok
    assert calm.pooled is not None
    assert calm.pooled.value == pytest.approx(1.006)
    assert calm.conductivity.value == pytest.approx(0.99)
    assert calm.pooled.std_err == pytest.approx(np.hypot(0.012, 0.016))


def test_scatter_beyond_the_errors_widens_the_extrapolation() -> None:
    fields, errors = (0.02, 0.04, 0.06), (0.01, 0.01, 0.01)
    on_line = linear_response([(f, given(1.0, e)) for f, e in zip(fields, errors, strict=True)])
    values = (1.0, 1.2, 1.0)
    off_line = linear_response([(f, given(v, 0.01)) for f, v in zip(fields, values, strict=True)])
    assert off_line.conductivity.std_err > 5 * on_line.conductivity.std_err


def test_both_routes_agree_on_the_same_medium(weak: list[FieldResponse]) -> None:
    info = info_of(species(), LENGTH_A, N_FRAMES)
    ratios, differences = [], []
    for seed, response in enumerate(weak):
        accumulator = ChargeDisplacement(info, charges(), lag_ps=0.5)
        for frame in hopping(np.random.default_rng(2000 + seed), 0.0):
            accumulator.add(frame)
        collective, steady = accumulator.result().conductivity(2), response.conductivity()
        ratios.append(collective.value / steady.value)
        apart = collective.value - steady.value
        terms = [(1.0, collective), (-1.0, steady)]
        differences.append(propagate(apart, terms, unit="S/cm", method="route b less route c"))
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.06)
    agreeing = [low <= 0 <= high for low, high in (interval(d, 0.95) for d in differences)]
    assert np.mean(agreeing) >= 0.88


def test_resistance_times_area() -> None:
    found = resistance_times_area(given(1 / 0.856, 0.0), 200.0)
    assert found.value == pytest.approx(0.856 * 200e-8)
    assert found.unit == "ohm cm2"
    noisy = resistance_times_area(given(2.0, 0.2), 200.0)
    assert noisy.value == pytest.approx(1e-6 * (1 - 0.01))
    assert noisy.std_err == pytest.approx(1e-7)
    with pytest.raises(AnalysisError, match="not resolved"):
        resistance_times_area(given(0.1, 0.2), 200.0)


def test_keeps_only_the_charge_displacement() -> None:
    info = info_of(species(), LENGTH_A, N_FRAMES)
    accumulator = FieldCurrent(info, charges(), field_V_A=WEAK_V_A)
    arrays = vars(vars(accumulator)["_series"]).values()
    held = sum(a.nbytes for a in arrays if isinstance(a, np.ndarray))
    assert held == 24 * N_FRAMES + charges().nbytes


def test_refuses_what_it_cannot_measure() -> None:
    info = info_of(species(), LENGTH_A, N_FRAMES)
    with pytest.raises(AnalysisError, match="field is zero"):
        FieldCurrent(info, charges(), field_V_A=0.0)
    with pytest.raises(AnalysisError, match="20 frames cannot be divided"):
        FieldCurrent(info_of(species(), LENGTH_A, 20), charges(), field_V_A=WEAK_V_A)
    accumulator = FieldCurrent(info, charges(), field_V_A=WEAK_V_A)
    accumulator.add(np.zeros((N + 1, 3)))
    with pytest.raises(AnalysisError, match="ended after 1 frames"):
        accumulator.result()
    with pytest.raises(AnalysisError, match="one magnitude"):
        linear_response([(0.03, given(1.0, 0.1)), (-0.03, given(1.0, 0.1))])
    with pytest.raises(AnalysisError, match="without an error"):
        linear_response([(0.03, given(1.0, 0.0)), (0.06, given(1.0, 0.1))])
