"""MSD and diffusivity of one hopping walk against MDAnalysis and kinisi.

The figures of the two come from ``scripts/bench_transport_libraries --figures``.
"""

import numpy as np
import pytest
from numpy.typing import NDArray

from gbopt.analysis.msd import mean_squared_displacement
from gbopt.analysis.transport import LiTransport
from gbopt.model.bicrystal import LI
from gbopt.model.observables import Estimate
from gbopt.model.trajectory import TrajectoryInfo
from gbopt.units import A2_PS_TO_CM2_S

EDGE_A = 30.0
FRAME_PS = 0.1
N_FRAMES = 2000
N_IONS = 300
HOP_A = 2.0
HOPS_PER_FRAME = 0.02
RATTLE_A = 0.25
D_CM2_S = A2_PS_TO_CM2_S * HOPS_PER_FRAME * HOP_A**2 / (6 * FRAME_PS)

LAGS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 1500, 1999)
"""Frames."""
# MDAnalysis 2.11.0, EinsteinMSD(fft=True): x, y, z at LAGS
MDANALYSIS_A2 = [
    [0.152056532, 0.151411407, 0.151646822],
    [0.179747399, 0.178010094, 0.178255379],
    [0.261399077, 0.257431881, 0.25812792],
    [0.398075999, 0.388412225, 0.391846277],
    [0.673720984, 0.651697122, 0.661133874],
    [1.50502994, 1.45218785, 1.47525389],
    [2.89410513, 2.77445412, 2.83487797],
    [5.5894598, 5.4246298, 5.50205765],
    [13.4953011, 13.4048119, 13.1854734],
    [27.3578521, 28.1738207, 25.8079141],
    [38.7114706, 43.5489559, 39.2093766],
    [50.1969476, 59.589026, 52.8657577],
]
# kinisi 2.1.0, 40 logarithmic lags of 1 to 100 ps, else defaults: MSD by lag; D and its error
KINISI_A2 = {
    10: 1.17828,
    20: 1.986368,
    41: 3.694358,
    84: 7.210651,
    170: 14.14048,
    346: 28.03436,
    702: 56.55544,
}
KINISI_D_CM2_S = (1.3458e-05, 2.2e-07)


def hopping_walk() -> NDArray[np.float32]:
    """(frames, ions, 3) A, unwrapped: hops to the six neighbours of a cubic lattice; vibration."""
    rng = np.random.default_rng(2024)
    shape = N_FRAMES, N_IONS
    hops = np.zeros((*shape, 3))
    axis = rng.integers(0, 3, shape)[..., np.newaxis]
    way = rng.choice([-HOP_A, HOP_A], shape) * (rng.random(shape) < HOPS_PER_FRAME)
    np.put_along_axis(hops, axis, way[..., np.newaxis], axis=2)
    start = rng.integers(0, round(EDGE_A / HOP_A), (N_IONS, 3)) * HOP_A
    return (start + hops.cumsum(axis=0) + rng.normal(0.0, RATTLE_A, hops.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def walk() -> NDArray[np.float32]:
    return hopping_walk()


def diffusivity(walk: NDArray[np.float32]) -> Estimate:
    info = TrajectoryInfo(
        species=np.full(N_IONS, LI, dtype=np.int8),
        cell=np.diag([EDGE_A, EDGE_A, EDGE_A]),
        frame_interval_ps=FRAME_PS,
        n_frames=N_FRAMES,
        temperature_K=1100.0,
    )
    transport = LiTransport(info, lag_ps=2.0, segments=10, bin_A=2.0)
    for frame in walk:
        transport.add(frame.astype(np.float64))
    return transport.result().cell_diffusivity(0, 1, 2)


def test_msd_is_that_of_mdanalysis(walk: NDArray[np.float32]) -> None:
    msd = mean_squared_displacement(walk, longest_lag=N_FRAMES - 1)
    assert msd[list(LAGS)] == pytest.approx(np.array(MDANALYSIS_A2), rel=1e-6)


def test_msd_is_that_of_kinisi(walk: NDArray[np.float32]) -> None:
    """Its reader of MDAnalysis universes takes the first frame twice, and so does this test."""
    doubled = np.concatenate([walk[:1], walk])
    msd = mean_squared_displacement(doubled, longest_lag=max(KINISI_A2)).sum(axis=1)
    assert msd[list(KINISI_A2)] == pytest.approx(list(KINISI_A2.values()), rel=1e-6)


def test_diffusivity_is_that_of_kinisi(walk: NDArray[np.float32]) -> None:
    ours, (theirs, error) = diffusivity(walk), KINISI_D_CM2_S
    assert abs(ours.value - theirs) < 2 * np.hypot(ours.std_err, error)
    assert abs(ours.value - D_CM2_S) < 2 * ours.std_err < 0.1 * D_CM2_S
    assert abs(theirs - D_CM2_S) < 2 * error
