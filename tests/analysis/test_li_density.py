"""Li density on a grid: every position is counted once, in the voxel that it is in."""

import numpy as np
import pytest

from gbopt.analysis.li_density import LiMap, li_density, smoothed
from tests.analysis.hoppers import hop, llzo_network


@pytest.fixture(scope="module")
def paths():
    return hop(llzo_network(1, shear=0.3), np.random.default_rng(3), ions=20, frames=40).paths


def test_frame_by_frame_is_all_at_once(paths):
    whole = li_density(paths, voxel_A=0.8, smoothing_A=0.5)
    ions = np.full((len(paths.info.species), 3), np.nan)
    found = LiMap(paths.info, 0.8)
    shift = paths.info.cell.sum(axis=0) * 3  # unwrapped positions lie anywhere
    for frame in paths.li:
        ions[paths.info.species == 0] = frame + shift
        found.add(ions)
    assert found.frames == 40
    assert found.counts.sum() == 40 * 20
    assert np.abs(found.counts - whole.counts).sum() <= 4  # rounding on a voxel's edge
    density = smoothed(whole.counts, paths.info.cell, 40, 0.5)
    volume_A3 = abs(np.linalg.det(paths.info.cell)) / density.smooth_A3.size
    held = density.smooth_A3.sum() * volume_A3
    assert held == pytest.approx(20, rel=0.03)  # what rings below zero is cut off
    assert np.array_equal(density.smooth_A3, whole.smooth_A3)


def test_an_ion_is_in_its_voxel(paths):
    found = LiMap(paths.info, 0.8)
    shape = np.array(found.counts.shape)
    ions = np.zeros((len(paths.info.species), 3))
    ions[paths.info.species == 0] = (np.array([3, 5, 7]) + 0.5) / shape @ paths.info.cell
    found.add(ions)
    assert found.counts[3, 5, 7] == found.counts.sum() == 20
