import numpy as np
import pytest

from gbopt.analysis.profile import TransportProfile
from gbopt.analysis.statistics import interval
from gbopt.analysis.transport import LiTransport
from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import LI, O
from gbopt.model.observables import Estimate
from gbopt.validate.media import (
    EDGE_A,
    FRAME_PS,
    Medium,
    brownian,
    info_of,
    measure,
    slow_layer,
)

SEEDS = 40


def assert_honest(estimates: list[Estimate], truth: float, bias: float) -> None:
    """Mean within ``bias`` of the truth; intervals cover it about as often as they claim."""
    assert np.mean([e.value for e in estimates]) == pytest.approx(truth, rel=bias)
    for level, least, most in ((0.95, 0.85, 1.0), (0.68, 0.5, 0.85)):
        hits = [low <= truth <= high for low, high in (interval(e, level) for e in estimates)]
        assert least <= np.mean(hits) <= most, f"{level}: covered {np.mean(hits)}"


def layered(medium: Medium, seed: int, *, n: int = 700, n_frames: int = 600) -> TransportProfile:
    frames = medium.frames(np.random.default_rng(seed), n, n_frames)
    return measure(frames, n, medium.length_A, n_frames)


def test_brownian_diffusivity_and_its_error_bar() -> None:
    estimates = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        profile = measure(brownian(rng, 100, 0.3, 20.0, 500), 100, 20.0, 500, lag_ps=2.0)
        estimates.append(profile.cell_diffusivity(0, 1, 2))
    assert_honest(estimates, 0.3e-4, 0.02)


def test_local_diffusivity_and_density_of_a_uniform_medium() -> None:
    rng = np.random.default_rng(0)
    profile = measure(brownian(rng, 1000, 0.3, 20.0, 600), 1000, 20.0, 600, bin_A=2.0)
    value, error = profile.diffusivity()
    assert value.shape == error.shape == (10, 3)
    assert value == pytest.approx(0.3e-4, rel=0.25)
    assert np.abs(value - 0.3e-4).mean() < 2 * error.mean()
    density, _ = profile.density()
    assert density.mean() == pytest.approx(1000 / (EDGE_A**2 * 20))


@pytest.fixture(scope="module")
def layered_profiles() -> list[TransportProfile]:
    return [layered(slow_layer(10.0), seed) for seed in range(SEEDS)]


def test_series_resistance_of_a_slow_layer(layered_profiles: list[TransportProfile]) -> None:
    truth = slow_layer(10.0).resistance_ohm_cm2(700)
    assert_honest([p.resistance() for p in layered_profiles], truth, 0.05)
    for p in layered_profiles:  # one figure in two forms
        length_cm = p.length_A * 1e-8
        assert p.through_plane_conductivity().value * p.resistance().value == pytest.approx(
            length_cm
        )


def test_whole_cell_msd_would_hide_the_layer(layered_profiles: list[TransportProfile]) -> None:
    """The naive through-plane D, from the whole-cell MSD along z, is too high by far."""
    true_D = 1e-4 * 40 / (32 / 0.2 + 8 / 0.02)
    naive = np.mean([p.cell_diffusivity(2).value for p in layered_profiles])
    series = np.mean([p.series_diffusivity().value for p in layered_profiles])
    assert naive > 1.5 * true_D
    assert series == pytest.approx(true_D, rel=0.05)


def test_windows_add_up_to_the_cell(layered_profiles: list[TransportProfile]) -> None:
    profile = layered_profiles[0]
    parts = [profile.resistance((-7.3, 11.0)).value, profile.resistance((11.0, 32.7)).value]
    assert sum(parts) == pytest.approx(profile.resistance().value, rel=0.01)


@pytest.mark.parametrize("factor", [40.0, 100.0])
def test_strongly_blocking_layer(factor: float) -> None:
    medium = slow_layer(factor)
    values = [layered(medium, seed, n_frames=1500).resistance().value for seed in range(4)]
    assert np.mean(values) == pytest.approx(medium.resistance_ohm_cm2(700), rel=0.15)


def test_density_step_at_equal_diffusivity() -> None:
    z = np.arange(80) * 0.5
    density = np.where(np.abs(z - 20.0) <= 4.0, 0.5, 1.0)
    density = density / density.mean()
    bond = 2 / (1 / density + 1 / np.roll(density, -1))
    medium = Medium(density, 0.1 * bond, 0.5)
    values = [layered(medium, seed).resistance().value for seed in range(10)]
    assert np.mean(values) == pytest.approx(medium.resistance_ohm_cm2(700), rel=0.04)


def test_crystal_planes_add_no_resistance() -> None:
    """A density that swings threefold between planes must not look like a boundary."""
    z = np.arange(80) * 0.5
    density = 1 + 0.5 * np.cos(2 * np.pi * z * 12 / 40)
    bond = 2 / (1 / density + 1 / np.roll(density, -1))
    medium = Medium(density, 0.1 * bond, 0.5)
    values = [layered(medium, seed).resistance().value for seed in range(10)]
    assert np.mean(values) == pytest.approx(medium.resistance_ohm_cm2(700), rel=0.05)


def test_slope_form_forgets_jumps_back() -> None:
    """Ions that jump forth and back about a diffusing centre, over in tau = 1 ps."""
    rng = np.random.default_rng(3)
    n, n_frames, D, tau_ps = 400, 1000, 0.05, 1.0

    def frames():
        centre, side = rng.random((n, 3)) * 20.0, rng.integers(0, 2, (n, 3))
        for _ in range(n_frames):
            centre = centre + rng.normal(0, np.sqrt(2 * D * FRAME_PS), (n, 3))
            side = side ^ (rng.random((n, 3)) < FRAME_PS / (2 * tau_ps))
            yield centre + 2.0 * side

    profile = measure(frames(), n, 20.0, n_frames, lag_ps=5 * tau_ps)
    short, _ = profile.sum_sq.sum(axis=(1, 2, 3)) / profile.counts.sum(axis=(1, 2))
    from_msd = short / (6 * profile.lag_ps)
    assert from_msd > 3 * D
    assert profile.cell_diffusivity(0, 1, 2).value == pytest.approx(1e-4 * D, rel=0.1)


def test_frozen_slab_gives_a_finite_lower_bound() -> None:
    rng = np.random.default_rng(5)
    n, n_frames = 700, 600
    z = (np.arange(n) + 0.5) / n * 40.0
    frozen = np.abs(z - 20.0) < 4.0

    def frames():
        x = np.column_stack([np.zeros((n, 2)), z])
        for _ in range(n_frames):
            step = rng.normal(0, np.sqrt(2 * 0.2 * FRAME_PS), (n, 3))
            step[frozen] = 0.0
            x = x + step
            # The mobile ions are kept out of the slab by reflection at its faces.
            into = ~frozen & (np.abs(x[:, 2] % 40.0 - 20.0) < 4.0)
            x[into] -= step[into]
            yield x

    profile = measure(frames(), n, 40.0, n_frames)
    slab, rest = profile.resistance((16.0, 24.0)), profile.resistance((26.0, 54.0))
    assert slab.bound == "lower"
    assert profile.resistance().bound == "lower"
    assert rest.bound is None
    assert 5 < slab.value / rest.value < 1e5
    assert profile.n_hops((17.5, 22.5)) < 1
    assert profile.msd_exponent((17.5, 22.5)) == 0.0
    assert profile.series_diffusivity((16.0, 24.0)).bound == "upper"
    assert profile.through_plane_conductivity().bound == "upper"


def test_hop_count_and_exponent_of_plain_diffusion() -> None:
    rng = np.random.default_rng(2)
    profile = measure(brownian(rng, 500, 0.2, 20.0, 600), 500, 20.0, 600)
    # 6 D n T / a^2 = 6 * 0.2 * 500 * 60 / 4
    assert profile.n_hops() == pytest.approx(9000, rel=0.1)
    assert profile.n_hops((0.0, 10.0)) == pytest.approx(4500, rel=0.2)
    assert profile.msd_exponent() == pytest.approx(1.0, abs=0.05)


def test_oblique_cell_changes_nothing_but_the_area_law() -> None:
    medium = slow_layer(5.0)
    plain, oblique = (
        measure(
            medium.frames(np.random.default_rng(1), 300, 300),
            300,
            40.0,
            300,
            tilt_A=tilt,
            lag_ps=1.0,
        )
        for tilt in (0.0, 4.0)
    )
    assert oblique.area_A2 == pytest.approx(EDGE_A**2)
    assert oblique.resistance().value == pytest.approx(plain.resistance().value)


def test_conductivity_by_hand() -> None:
    """c = 0.0256 per A^3 and D = 0.27 A^2/ps at 1100 K make 0.856 ohm cm."""
    n, length_A, n_frames = 512, 200.0, 2
    c = n / (EDGE_A**2 * length_A)
    counts = np.full((2, 4, 100), n / 100.0 * 10)
    msd = 2 * 0.27 * np.array([1.0, 2.0])
    profile = TransportProfile(
        sum_sq=(counts * msd[:, None, None])[..., None] * np.ones(3),
        counts=counts,
        starts=np.full((2, 4), 10.0),
        ions=np.full((4, 100), n / 100.0),
        lag_ps=1.0,
        segment_ps=float(n_frames * 100),
        length_A=length_A,
        area_A2=EDGE_A**2,
        temperature_K=1100.0,
    )
    assert c == pytest.approx(0.0256)
    assert 1 / profile.in_plane_conductivity().value == pytest.approx(0.856, rel=1e-3)
    assert profile.resistance().value == pytest.approx(0.856 * length_A * 1e-8, rel=1e-3)
    assert 1 / profile.through_plane_conductivity().value == pytest.approx(0.856, rel=1e-3)
    assert profile.series_diffusivity((3.0, 9.0)).value == pytest.approx(0.27e-4)


def test_memory_does_not_grow_with_frames() -> None:
    sizes = []
    for n_frames in (400, 4000):
        info = info_of(np.full(20, LI, dtype=np.int8), 20.0, n_frames)
        transport = LiTransport(info, lag_ps=2.0, segments=4, bin_A=1.0)
        for frame in brownian(np.random.default_rng(0), 20, 0.1, 20.0, n_frames):
            transport.add(frame)
        sizes.append(sum(a.nbytes for a in vars(transport).values() if hasattr(a, "nbytes")))
    assert sizes[0] == sizes[1]


def test_saves_and_loads(tmp_path, layered_profiles: list[TransportProfile]) -> None:
    path = tmp_path / "profile.npz"
    layered_profiles[0].save(path)
    again = TransportProfile.load(path)
    assert again.resistance() == layered_profiles[0].resistance()


def test_refuses_what_it_cannot_measure() -> None:
    info = info_of(np.full(5, LI, dtype=np.int8), 20.0, 100)
    with pytest.raises(AnalysisError, match="too short for a lag") as refused:
        LiTransport(info, lag_ps=2.0, segments=5, bin_A=1.0)
    assert "30 ps" in refused.value.hint
    with pytest.raises(AnalysisError, match="no Li"):
        LiTransport(
            info_of(np.full(5, O, dtype=np.int8), 20.0, 100), lag_ps=0.2, segments=5, bin_A=1.0
        )
    transport = LiTransport(info, lag_ps=0.2, segments=5, bin_A=1.0)
    transport.add(np.zeros((5, 3)))
    with pytest.raises(AnalysisError, match="ended after 1 frames"):
        transport.result()
