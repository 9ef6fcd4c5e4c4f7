import numpy as np
import pytest

from gbopt.analysis.charge import ChargeDensity
from gbopt.analysis.excess import InterfacialExcess
from gbopt.model.bicrystal import LI, O
from gbopt.model.trajectory import TrajectoryInfo

LENGTH_A, AREA_A2 = 60.0, 400.0


def info_of(species, n_frames):
    return TrajectoryInfo(
        species=species.astype(np.int8),
        cell=np.diag([20.0, 20.0, LENGTH_A]),
        frame_interval_ps=0.1,
        n_frames=n_frames,
        temperature_K=1100.0,
    )


def layers(spread_A, per_layer=40):
    """Li at the first boundary and half as many O at the second."""
    species = np.repeat([LI, O], [per_layer, per_layer // 2])
    quantiles = (np.arange(per_layer) + 0.5) / per_layer - 0.5
    z = np.concatenate([spread_A * quantiles, 30.0 + spread_A * quantiles[::2]])
    return np.column_stack([np.zeros((len(z), 2)), z]), species


def profile_of(positions, species, frames=8, noise=0.0):
    rng = np.random.default_rng(1)
    meter = ChargeDensity(info_of(species, frames), segments=4)
    for _ in range(frames):
        meter.add(positions + rng.normal(0, noise, positions.shape))
    return meter.result()


def test_a_charged_layer_becomes_a_gaussian():
    profile = profile_of(*layers(spread_A=0.0))
    density, error = profile.density(1.5)
    z = profile.bins.centres_A
    gap = np.minimum(z, LENGTH_A - z)
    gaussian = np.exp(-0.5 * (gap / 1.5) ** 2) / (1.5 * np.sqrt(2 * np.pi))
    first = gap < 12
    assert density[first] == pytest.approx((40 / AREA_A2 * gaussian)[first], abs=1e-6)
    assert density.sum() == pytest.approx(0.0, abs=1e-12)
    assert error == pytest.approx(np.zeros(len(z)), abs=1e-12)


def test_lattice_planes_are_smoothed_away():
    # Planes of Li and O 1.3 A apart, 2.6 A from one pair to the next: no macroscopic charge.
    species = np.tile([LI, LI, O], 23)
    z = np.repeat(np.arange(23), 3) * LENGTH_A / 23 + np.tile([0.0, 0.0, 1.3], 23)
    positions = np.column_stack([np.zeros((len(z), 2)), z])
    profile = profile_of(positions, species, frames=40, noise=0.2)
    raw, smooth = (np.abs(profile.density(width)[0]).max() for width in (0.1, 1.5))
    assert raw > 0.005
    assert smooth < 0.01 * raw


def test_its_integral_is_the_sheet_charge():
    positions, species = layers(spread_A=6.0)
    profile = profile_of(positions, species)
    density, _ = profile.density()
    z = profile.bins.centres_A
    near = np.minimum(z, LENGTH_A - z) < 15
    integral = density[near].sum() * profile.bins.width_A * 100.0
    meter = InterfacialExcess(info_of(species, 8), boundaries_A=(0.0, 30.0), segments=4)
    for _ in range(8):
        meter.add(positions)
    sheet = meter.result().sheet_charge()
    assert sheet.each[0].value == pytest.approx(40 / 4.0)
    assert integral == pytest.approx(sheet.each[0].value, rel=1e-6)


def test_only_the_segments_asked_for_count():
    positions, species = layers(spread_A=0.0)
    meter = ChargeDensity(info_of(species, 8), segments=4)
    for frame in range(8):
        meter.add(positions + np.array([0.0, 0.0, 10.0 * (frame >= 4)]))
    assert meter.result(2).charge_e.shape[0] == 2
    early, late = meter.result(2).density()[0], meter.result().density()[0]
    assert early.max() == pytest.approx(2 * late.max())
