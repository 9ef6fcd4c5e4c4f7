import numpy as np
import pytest

from gbopt.analysis.frames import Sampler, drift_corrected
from gbopt.analysis.transport import LiTransport
from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import LI, O
from gbopt.model.trajectory import Trajectory
from gbopt.validate.media import FRAME_PS, brownian, info_of

N_LI, N_O, N_FRAMES = 50, 30, 300


def profile_with_drift(velocity_A_ps: np.ndarray):
    species = np.repeat([LI, O], [N_LI, N_O]).astype(np.int8)
    info = info_of(species, 20.0, N_FRAMES)
    rng = np.random.default_rng(0)
    lithium = brownian(rng, N_LI, 0.3, 20.0, N_FRAMES)
    oxygen = np.random.default_rng(1).random((N_O, 3)) * 10.0
    frames = (
        np.vstack([li, oxygen]) + step * FRAME_PS * velocity_A_ps for step, li in enumerate(lithium)
    )
    transport = LiTransport(info, lag_ps=1.0, segments=5, bin_A=2.0)
    for frame in drift_corrected(Trajectory(info, frames)):
        transport.add(frame)
    return transport.result()


def test_constant_velocity_changes_nothing() -> None:
    still = profile_with_drift(np.zeros(3))
    drifting = profile_with_drift(np.array([0.3, -0.2, 0.5]))
    assert drifting.sum_sq == pytest.approx(still.sum_sq)
    assert drifting.ions == pytest.approx(still.ions)


def test_drift_needs_a_framework() -> None:
    info = info_of(np.full(3, LI, dtype=np.int8), 20.0, 1)
    with pytest.raises(AnalysisError, match="drift"):
        next(drift_corrected(Trajectory(info, iter([np.zeros((3, 3))]))))


def test_sampler_fills_segments_evenly_and_drops_the_rest() -> None:
    sampler = Sampler(23, segments=3, stride=2)
    samples = [sampler.next() for _ in range(23)]
    assert sampler.per_segment == 4
    assert samples[:10:2] == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)]
    assert samples[1::2] == [None] * 11
    assert samples[22] == (2, 3)
    sampler.whole()


def test_sampler_needs_a_sample_in_each_segment() -> None:
    with pytest.raises(AnalysisError, match="cannot be divided"):
        Sampler(3, segments=5)
