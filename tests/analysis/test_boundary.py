import math
from dataclasses import replace

import numpy as np
import pytest

from gbopt.analysis.boundary import boundary_observables, log_objective
from gbopt.analysis.bulk import BulkTransport, bulk_transport
from gbopt.analysis.profile import TransportProfile
from gbopt.analysis.quality import transport_flags
from gbopt.analysis.statistics import PerBoundary, interval
from gbopt.errors import AnalysisError
from gbopt.model.evaluation import QualityFlag
from gbopt.model.observables import QUANTITIES, Estimate
from gbopt.units import BOLTZMANN_EV_K, ohm_cm_from_metal
from gbopt.validate.media import EDGE_A, TEMPERATURE_K, Medium, brownian, measure

N, N_FRAMES, LENGTH_A, WIDTH_A = 700, 600, 48.0, 6.0
PLANES = (0.0, 24.0)
PER_A3 = N / (EDGE_A**2 * LENGTH_A)
RHO = ohm_cm_from_metal(BOLTZMANN_EV_K * TEMPERATURE_K / (PER_A3 * 0.2))


def two_boundaries(first: float, second: float) -> Medium:
    """Layers of 6 A at z = 0 and 24 A that are slower by the factors."""
    bonds = np.arange(96) * 0.5 + 0.25
    away = np.minimum(bonds, LENGTH_A - bonds)
    conductance = np.full(96, 0.2)
    conductance[away < 3.0] /= first
    conductance[np.abs(bonds - 24.0) < 3.0] /= second
    return Medium(np.ones(96), conductance, 0.5)


def profile_of(medium: Medium, seed: int) -> TransportProfile:
    frames = medium.frames(np.random.default_rng(seed), N, N_FRAMES)
    return measure(frames, N, LENGTH_A, N_FRAMES)


def width(value: float, std_err: float = 0.0) -> Estimate:
    return Estimate(value=value, std_err=std_err, unit="A", n_eff=5, method="measured")


@pytest.fixture(scope="module")
def bulk() -> BulkTransport:
    replicas = []
    for seed in (100, 101, 102):
        frames = brownian(np.random.default_rng(seed), N, 0.2, LENGTH_A, N_FRAMES)
        replicas.append(measure(frames, N, LENGTH_A, N_FRAMES))
    return bulk_transport(replicas)


def test_bulk_reference(bulk: BulkTransport) -> None:
    assert bulk.D_cm2_s.value == pytest.approx(0.2e-4, rel=0.02)
    assert bulk.resistivity_ohm_cm.value == pytest.approx(RHO, rel=0.03)
    assert bulk.li_density_per_A3.value == pytest.approx(PER_A3)
    assert bulk.replicas == 3
    assert BulkTransport.model_validate_json(bulk.model_dump_json()) == bulk


def test_bulk_refuses_what_cannot_be_averaged() -> None:
    rng = np.random.default_rng(0)
    short, long = (
        measure(brownian(rng, 50, 0.2, 20.0, 400), 50, 20.0, 400, lag_ps=lag) for lag in (1.0, 2.0)
    )
    with pytest.raises(AnalysisError, match="cannot be compared"):
        bulk_transport([short, long])
    with pytest.raises(AnalysisError, match="no bulk profile"):
        bulk_transport([])
    with pytest.raises(AnalysisError, match="no diffusion"):
        bulk_transport([measure(brownian(rng, 50, 0.0, 20.0, 100), 50, 20.0, 100, lag_ps=0.5)])
    # 6 D N t / HOP_A^2 of three replicas of 20 ps: 14 hops, and 180.
    slow, fast = (
        [measure(brownian(rng, 50, D, 20.0, 400), 50, 20.0, 400, lag_ps=0.5) for _ in range(3)]
        for D in (0.003, 0.04)
    )
    with pytest.raises(AnalysisError, match=r"only about \d+ hops in all, 50 are needed"):
        bulk_transport(slow)
    assert bulk_transport(fast).replicas == 3
    # One replica that only rattles pulls the mean down; it does not make it anything.
    alone = bulk_transport(fast).resistivity_ohm_cm.value
    still = measure(brownian(rng, 50, 0.0, 20.0, 400), 50, 20.0, 400, lag_ps=0.5)
    found = bulk_transport([*fast, still]).resistivity_ohm_cm
    assert found.value == pytest.approx(alone * 4 / 3, rel=0.01)
    assert found.std_err > 0.15 * found.value


def test_resistances_against_the_analytic_values(bulk: BulkTransport) -> None:
    """Slower 10 and 5 times over 6 A: ASR = 6 A * (factor - 1) * rho of the bulk."""
    medium = two_boundaries(10.0, 5.0)
    figures = [
        boundary_observables(
            profile_of(medium, seed),
            bulk,
            boundaries_A=PLANES,
            core_width_A=WIDTH_A,
            measured_width=PerBoundary(width(3.0), (width(3.0), width(0.0))),
        )
        for seed in range(20)
    ]

    def mean(name: str) -> float:
        return float(np.mean([f.cell[name].value for f in figures]))

    asr = [np.mean([f.each[b]["area_specific_resistance"].value for f in figures]) for b in (0, 1)]
    assert asr == pytest.approx([9 * RHO * 6e-8, 4 * RHO * 6e-8], rel=0.08)
    assert mean("area_specific_resistance") == pytest.approx(6.5 * RHO * 6e-8, rel=0.07)
    assert mean("gb_resistivity") == pytest.approx(7.5 * RHO, rel=0.07)
    assert mean("gb_resistivity_measured_width") == pytest.approx(14 * RHO, rel=0.07)
    assert mean("blocking_factor") == pytest.approx(7.5, rel=0.07)
    # The outermost Angstrom of so thin a core is blurred by what passes from the grains.
    assert mean("D_core_normal") == pytest.approx(0.2e-4 / 7.5, rel=0.2)
    assert mean("D_grain_normal") == pytest.approx(0.2e-4, rel=0.05)
    assert mean("D_cell_x") == pytest.approx(0.2e-4, rel=0.02)
    assert 1 / mean("conductivity_in_plane") == pytest.approx(RHO, rel=0.02)
    through = LENGTH_A * 1e-8 / medium.resistance_ohm_cm2(N)
    assert mean("conductivity_through_plane") == pytest.approx(through, rel=0.05)
    hits = []
    for f in figures:
        low, high = interval(f.cell["gb_resistivity"], 0.95)
        hits.append(low <= 7.5 * RHO <= high)
    assert np.mean(hits) >= 0.85
    # Where no cation is displaced there is no width to divide by.
    assert "gb_resistivity_measured_width" not in figures[0].each[1]
    assert figures[0].cell.keys() <= QUANTITIES.keys()
    assert all(e.unit == QUANTITIES[name].unit for name, e in figures[0].cell.items())


def test_no_boundary_no_excess(bulk: BulkTransport) -> None:
    values = []
    for seed in range(10):
        profile = profile_of(two_boundaries(1.0, 1.0), seed)
        cell = boundary_observables(profile, bulk, boundaries_A=PLANES, core_width_A=WIDTH_A).cell
        values.append(cell["area_specific_resistance"].value)
    assert min(values) < 0, "noise about zero is reported as it is"
    assert np.mean(values) == pytest.approx(0.0, abs=0.03 * RHO * 24e-8)


def test_bulk_at_another_lag_is_refused(bulk: BulkTransport) -> None:
    frames = two_boundaries(1.0, 1.0).frames(np.random.default_rng(0), 50, 200)
    profile = measure(frames, 50, LENGTH_A, 200, lag_ps=1.0)
    with pytest.raises(AnalysisError, match="cannot be compared"):
        boundary_observables(profile, bulk, boundaries_A=PLANES, core_width_A=WIDTH_A)


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ((100.0, 10.0, None), (2.0, 0.1 / math.log(10), None)),
        ((5.0, 10.0, None), (math.log10(5 + 21.3185), 0.43, "upper")),
        ((-5.0, 10.0, None), (math.log10(21.3185), 0.43, "upper")),
        ((1000.0, 100.0, "lower"), (3.0, 0.1 / math.log(10), "lower")),
        ((100.0, 200.0, "lower"), (2.0, 2.0 / math.log(10), "lower")),
        ((-5.0, 10.0, "lower"), (-2.0, 0.43, "lower")),
    ],
)
def test_log_objective(measured, expected) -> None:
    value, std_err, bound = measured
    outcome = log_objective(
        Estimate(value=value, std_err=std_err, unit="ohm cm", n_eff=5, method="", bound=bound)
    )
    assert (outcome.value, outcome.std_err) == pytest.approx(expected[:2])
    assert outcome.bound == expected[2]
    assert outcome.unit == "log10(ohm cm)"


def flags_of(profile: TransportProfile, bulk: BulkTransport) -> dict[str, QualityFlag]:
    figures = boundary_observables(profile, bulk, boundaries_A=PLANES, core_width_A=WIDTH_A)
    flags = transport_flags(profile, bulk, figures, boundaries_A=PLANES, core_width_A=WIDTH_A)
    assert all(flag.message.endswith(".") for flag in flags)
    return {flag.name: flag for flag in flags}


def test_a_good_run_raises_no_flag(bulk: BulkTransport) -> None:
    flags = flags_of(profile_of(two_boundaries(5.0, 5.0), 0), bulk)
    assert {flag.level for flag in flags.values()} == {"ok"}


def test_flags_of_a_nearly_frozen_core(bulk: BulkTransport) -> None:
    # Motion along the boundary is as fast as ever and must not count.
    frozen = profile_of(two_boundaries(20000.0, 20000.0), 0)
    assert flags_of(frozen, bulk)["core_hops"].level == "fail"
    # Squared displacements that are the same at t and 2t: ions that only rattle.
    frozen.sum_sq[...] = frozen.counts[..., None] * 0.1
    bad = flags_of(frozen, bulk)
    assert bad["core_hops"].level == "fail"
    assert "longer" in bad["core_hops"].message
    assert bad["core_diffusive"].level == "fail"
    assert "analysis.lag_ps" in bad["core_diffusive"].message
    assert bad["grain_thickness"].level == "warn"


def test_flags_of_boundaries_that_differ(bulk: BulkTransport) -> None:
    profile = profile_of(two_boundaries(20.0, 1.0), 0)
    assert flags_of(profile, bulk)["boundaries_agree"].level == "warn"
    # The same crystal is subtracted from both, however badly it is known.
    rho = bulk.resistivity_ohm_cm.model_copy(update={"std_err": 2 * RHO})
    poor = flags_of(profile, bulk.model_copy(update={"resistivity_ohm_cm": rho}))
    assert poor["boundaries_agree"].level == "warn"


def test_flag_of_a_drifting_resistance(bulk: BulkTransport) -> None:
    profile = profile_of(two_boundaries(5.0, 5.0), 0)
    profile.sum_sq[...] *= (2.0 ** np.arange(5))[:, None, None]
    assert flags_of(profile, bulk)["equilibrated"].level == "warn"


def test_flags_of_a_lag_that_sees_free_flight(bulk: BulkTransport) -> None:
    profile = profile_of(two_boundaries(5.0, 5.0), 0)
    # Free flight: squared displacements grow as the square of time.
    profile.sum_sq[1] = 4 * profile.sum_sq[0] * (profile.counts[1] / profile.counts[0])[..., None]
    short = replace(profile, lag_ps=0.05)
    flags = flags_of(short, bulk.model_copy(update={"lag_ps": 0.05}))
    assert flags["core_ballistic"].level == "fail"
    assert flags["lag"].level == "warn"
    assert "analysis.lag_ps" in flags["lag"].message


def test_few_hops_give_a_bound_that_holds(bulk: BulkTransport) -> None:
    """A layer 150 times slower: some ten hops in the core of a run."""
    held, hops = [], []
    for seed in range(20):
        profile = profile_of(two_boundaries(150.0, 150.0), seed)
        found = boundary_observables(profile, bulk, boundaries_A=PLANES, core_width_A=WIDTH_A)
        asr = found.cell["area_specific_resistance"]
        hops.append(found.cell["core_hops"].value)
        assert asr.bound == "lower"
        held.append(asr.value <= RHO * 149 * WIDTH_A * 1e-8)
    assert 1 < np.mean(hops) < 50
    assert np.mean(held) >= 0.9


def test_the_hops_of_one_core_do_not_vouch_for_the_other(bulk: BulkTransport) -> None:
    """One core as fast as bulk, the other 150 times slower."""
    held = []
    for seed in range(10):
        profile = profile_of(two_boundaries(1.0, 150.0), seed)
        found = boundary_observables(profile, bulk, boundaries_A=PLANES, core_width_A=WIDTH_A)
        assert found.cell["core_hops"].value > 200
        first, second = (each["area_specific_resistance"] for each in found.each)
        cell = found.cell["area_specific_resistance"]
        assert (first.bound, second.bound, cell.bound) == (None, "lower", "lower")
        assert cell.value == pytest.approx((first.value + second.value) / 2, abs=0.1 * cell.value)
        held.append(cell.value <= RHO * 149 / 2 * WIDTH_A * 1e-8)
        assert flags_of(profile, bulk)["core_hops"].level == "fail"
    assert np.mean(held) >= 0.9


def test_a_core_without_lithium_has_figures(bulk: BulkTransport) -> None:
    profile = profile_of(two_boundaries(5.0, 5.0), 0)
    empty = profile.bins.overlap((-4.0, 4.0)) > 0
    profile.sum_sq[:, :, empty] = 0
    profile.counts[:, :, empty] = 0
    profile.ions[:, empty] = 0
    found = boundary_observables(profile, bulk, boundaries_A=PLANES, core_width_A=WIDTH_A)
    first, second = found.each
    assert first["conductivity_core_in_plane"].value == 0
    assert second["conductivity_core_in_plane"].value > 0
    assert first["area_specific_resistance"].bound == "lower"
    assert found.cell["area_specific_resistance"].bound == "lower"


def test_in_plane_conductivity_of_a_core_that_blocks_only_across(bulk: BulkTransport) -> None:
    profile = profile_of(two_boundaries(10.0, 10.0), 0)
    found = boundary_observables(profile, bulk, boundaries_A=PLANES, core_width_A=WIDTH_A)
    for figures in (found.cell, *found.each):
        along = figures["conductivity_core_in_plane"]
        assert abs(along.value - 1 / RHO) < 3.5 * along.std_err
        assert along.value == pytest.approx(1 / RHO, rel=0.15)
