import numpy as np
import pytest

from gbopt.analysis.slabs import (
    Bins,
    boundary_windows,
    core_windows,
    grain_centres,
    inside,
    nearest_boundary,
)


def test_boundaries_fall_on_bin_centres() -> None:
    bins = Bins.fit(41.0, 2.0)
    assert bins.count == 20
    assert bins.centres_A[0] == 0.0
    assert bins.centres_A[10] == pytest.approx(20.5)


def test_index_is_periodic() -> None:
    bins = Bins.fit(40.0, 2.0)
    z = np.array([-0.9, 0.9, 1.1, 39.1, 40.0, -1.1, 81.5])
    assert bins.index(z).tolist() == [0, 0, 1, 0, 0, 19, 1]


def test_overlap_wraps_and_keeps_length() -> None:
    bins = Bins.fit(40.0, 2.0)
    assert bins.overlap() == pytest.approx(np.full(20, 2.0))
    assert bins.overlap((-20.0, 20.0)) == pytest.approx(np.full(20, 2.0))
    part = bins.overlap((-2.0, 1.5))
    assert part.sum() == pytest.approx(3.5)
    assert part[[19, 0, 1]] == pytest.approx([1.0, 2.0, 0.5])
    assert bins.overlap((38.0, 41.5)) == pytest.approx(part)
    assert bins.overlap((0.0, 3.0), (10.0, 13.0)).sum() == pytest.approx(6.0)


@pytest.mark.parametrize("planes", [(0.0, 21.0), (5.0, 26.0), (21.0, 0.0), (38.0, 19.0)])
def test_windows_tile_the_cell(planes: tuple[float, float]) -> None:
    bins = Bins.fit(40.0, 1.0)
    windows = boundary_windows(planes, 40.0)
    assert bins.overlap(*windows) == pytest.approx(bins.overlap())
    for which, window in enumerate(windows):
        assert inside(np.array([planes[which]]), window, 40.0).all()
        assert nearest_boundary(np.array([planes[which] + 40.0]), planes, 40.0) == which
    centres = grain_centres(planes, 40.0)
    assert bins.overlap(*centres).sum() == pytest.approx(40.0 / 3)
    assert not inside(np.array(planes), centres[0], 40.0).any()


def test_core_windows() -> None:
    assert core_windows((0.0, 20.0), 6.0) == ((-3.0, 3.0), (17.0, 23.0))
    assert inside(np.array([38.0, 2.0, 3.1]), (-3.0, 3.0), 40.0).tolist() == [True, True, False]
