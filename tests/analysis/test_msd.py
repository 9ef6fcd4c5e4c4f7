import numpy as np
import pytest
from numpy.typing import NDArray

from gbopt.analysis import msd as module
from gbopt.analysis.msd import LiDisplacement, lagged_products, mean_squared_displacement
from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import LI, O
from gbopt.validate.media import FRAME_PS, info_of

Array = NDArray[np.float64]


def walk(seed: int, n_frames: int, n: int) -> Array:
    """Random walkers that also drift, far from the origin."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0.1, 1.0, (n_frames, n, 3)) * [0.2, 1.0, 3.0]
    return 50.0 + steps.cumsum(axis=0)


def naive(positions: Array, longest_lag: int) -> Array:
    """By the definition, one pair of frames after the other."""
    found = np.zeros((longest_lag + 1, 3))
    for lag in range(1, longest_lag + 1):
        starts = range(len(positions) - lag)
        squares = [((positions[t + lag] - positions[t]) ** 2).mean(axis=0) for t in starts]
        found[lag] = np.mean(squares, axis=0)
    return found


@pytest.mark.parametrize(("n_frames", "n"), [(2, 1), (3, 4), (17, 2), (40, 7), (61, 3)])
@pytest.mark.parametrize("seed", range(4))
def test_equals_the_double_loop(seed: int, n_frames: int, n: int) -> None:
    positions = walk(seed, n_frames, n)
    for longest in {1, n_frames // 2, n_frames - 1}:
        found = mean_squared_displacement(positions, longest_lag=longest)
        assert found.shape == (longest + 1, 3)
        assert found == pytest.approx(naive(positions, longest), rel=1e-10)


def test_ballistic_flight() -> None:
    velocity = np.array([0.3, -2.0, 7.0])
    times = np.arange(200.0)
    positions = times[:, None, None] * velocity * np.ones((1, 5, 1))
    found = mean_squared_displacement(positions, longest_lag=199)
    assert found == pytest.approx((times[:, None] * velocity) ** 2, rel=1e-9)


def test_axes_are_those_asked_for() -> None:
    positions = walk(1, 30, 4)
    whole = mean_squared_displacement(positions, longest_lag=20)
    for axes in ((2,), (2, 0), (0, 1, 2)):
        found = mean_squared_displacement(positions, longest_lag=20, axes=axes)
        assert found == pytest.approx(whole[:, axes], rel=1e-10)


def test_single_precision_and_memory_maps(tmp_path) -> None:
    positions = walk(2, 300, 10).astype(np.float32)
    np.save(tmp_path / "positions.npy", positions)
    mapped = np.load(tmp_path / "positions.npy", mmap_mode="r")
    exact = mean_squared_displacement(positions.astype(np.float64), longest_lag=299)
    assert np.array_equal(mean_squared_displacement(positions, longest_lag=299), exact)
    assert np.array_equal(mean_squared_displacement(mapped, longest_lag=299), exact)


@pytest.mark.parametrize("ions", [1, 2, 5, 11, 100])
def test_batches_change_nothing(ions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    positions = walk(3, 150, 11)
    whole = mean_squared_displacement(positions, longest_lag=100)
    monkeypatch.setattr(module, "BATCH_BYTES", ions * 16 * 3 * 256)
    found = mean_squared_displacement(positions, longest_lag=100)
    assert found == pytest.approx(whole, rel=1e-12)


def test_a_long_walk_is_right_at_the_shortest_lag() -> None:
    """Where the sums that cancel are a thousand times the MSD."""
    positions = np.random.default_rng(4).normal(size=(10_000, 3, 3)).cumsum(axis=0)
    found = mean_squared_displacement(positions, longest_lag=9_999)
    for lag in (1, 10, 9_999):
        direct = ((positions[lag:] - positions[:-lag]) ** 2).mean(axis=(0, 1))
        assert found[lag] == pytest.approx(direct, rel=1e-10)


def test_ions_at_rest_have_none() -> None:
    still = np.full((50, 4, 3), 7.3)
    assert mean_squared_displacement(still, longest_lag=49) == pytest.approx(0.0, abs=1e-12)
    assert (mean_squared_displacement(still, longest_lag=49) >= 0).all()


def test_products_about_zero_by_hand() -> None:
    series = np.zeros((3, 2, 3))
    series[:, 0, 1], series[:, 1, 1] = [1.0, 2.0, 3.0], [1.0, 0.0, -1.0]
    sums = lagged_products(series, longest_lag=2, axes=(1,))
    assert sums.squares[0] == pytest.approx([2.0, 4.0, 10.0])
    assert sums.products[0] == pytest.approx([16.0, 8.0, 2.0])


def collected(n_frames: int, *, announced: int | None = None) -> tuple[Array, LiDisplacement]:
    """Walkers of which every other is Li, and what follows them."""
    positions = walk(5, n_frames, 6)
    species = np.array([LI, O] * 3, dtype=np.int8)
    follower = LiDisplacement(info_of(species, 40.0, announced or n_frames))
    for frame in positions:
        follower.add(frame)
    return positions[:, ::2], follower


def test_curve_of_a_trajectory() -> None:
    li, follower = collected(1000)
    curve = follower.result()
    lags = np.round(curve.lag_ps / FRAME_PS).astype(int)
    assert lags[0] == 1
    assert lags[-1] == 500
    assert (np.diff(lags) > 0).all()
    assert 60 < len(lags) <= 100
    whole = mean_squared_displacement(li, longest_lag=500)
    assert curve.msd_A2 == pytest.approx(whole[lags], rel=1e-6)


def test_curve_of_two_frames_and_frames_too_many() -> None:
    li, follower = collected(2)
    once = ((li[1] - li[0]) ** 2).mean(axis=0)
    assert follower.result().msd_A2[0] == pytest.approx(once, rel=1e-6)
    assert follower.result().lag_ps == pytest.approx([FRAME_PS])
    li, follower = collected(9, announced=4)
    whole = mean_squared_displacement(li[:4], longest_lag=2)
    assert follower.result().msd_A2 == pytest.approx(whole[1:], rel=1e-6)


def test_refuses_what_it_cannot_measure() -> None:
    positions = walk(6, 20, 3)
    for array in (positions[:, :, :2], positions[0], positions[:, :0], positions[:1]):
        with pytest.raises(AnalysisError, match="holds no trajectory"):
            mean_squared_displacement(array, longest_lag=1)
    for lag in (0, -1, 20):
        with pytest.raises(AnalysisError, match=f"lag of {lag} frames") as refused:
            mean_squared_displacement(positions, longest_lag=lag)
        assert "1 to 19" in refused.value.hint
    for axes in ((), (3,), (0, -1)):
        with pytest.raises(AnalysisError, match="are unknown"):
            mean_squared_displacement(positions, longest_lag=1, axes=axes)
    for value in (np.nan, np.inf):
        broken = positions.copy()
        broken[3, 1, 2] = value
        with pytest.raises(AnalysisError, match="not finite"):
            mean_squared_displacement(broken, longest_lag=5)
    with pytest.raises(AnalysisError, match="ended after 5 frames of the 9"):
        collected(5, announced=9)[1].result()
    with pytest.raises(AnalysisError, match="no Li"):
        LiDisplacement(info_of(np.array([O], dtype=np.int8), 40.0, 9))
