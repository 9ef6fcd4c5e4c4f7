"""Hulls, covariances and free volumes of bodies whose volumes are known."""

import math

import numpy as np
import pytest

from gbopt.analysis.hops import follow
from gbopt.analysis.li_paths import Paths
from gbopt.analysis.site_volumes import (
    RADII_A,
    covariance_volume_A3,
    free_volumes,
    hull_volume_A3,
    visited_volumes,
)
from gbopt.model.bicrystal import LA, LI, ZR, O
from gbopt.model.trajectory import TrajectoryInfo
from tests.analysis.hoppers import hop, llzo_network

OCTAHEDRON = np.concatenate([np.eye(3), -np.eye(3)])
TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=float)


def test_hulls_of_ideal_polyhedra():
    # With O at 2.2 A around an octahedral and 1.9 A around a tetrahedral site.
    assert hull_volume_A3(2.2 * OCTAHEDRON) == pytest.approx(4 / 3 * 2.2**3)
    edge = 1.9 * math.sqrt(8 / 3)
    assert hull_volume_A3(1.9 / math.sqrt(3) * TETRAHEDRON) == pytest.approx(
        edge**3 / (6 * math.sqrt(2))
    )
    cube = np.stack(np.meshgrid(*[[0, 2.0]] * 3), axis=-1).reshape(-1, 3)
    assert hull_volume_A3(np.concatenate([cube, [[1, 1, 1]]])) == pytest.approx(8)
    assert math.isnan(hull_volume_A3(np.eye(4)[:, :3] * [1, 1, 0]))


def test_covariance_volume_of_an_ellipsoid_filled_evenly():
    rng = np.random.default_rng(0)
    ball = rng.normal(size=(40000, 3))
    ball *= (rng.random(40000) ** (1 / 3) / np.linalg.norm(ball, axis=1))[:, None]
    volume = covariance_volume_A3(ball * [0.5, 1.0, 2.0])
    assert volume == pytest.approx(4 / 3 * math.pi, rel=0.02)


def cell_with(centres, kinds, edge_A=8.0, shear=0.0):
    """Static ions and one Li."""
    cell = edge_A * np.array([[1, 0, 0], [shear, 1, 0], [0, 0, 1]])
    species = np.array([LI, *kinds], dtype=np.int8)
    info = TrajectoryInfo(
        species=species, cell=cell, frame_interval_ps=0.1, n_frames=2, temperature_K=300.0
    )
    return Paths(
        info=info,
        li=np.zeros((2, 1, 3), dtype=np.float32),
        framework=np.array(centres, dtype=float).reshape(-1, 3),
        framework_species=species[1:],
    )


@pytest.mark.parametrize("shear", [0.0, 0.4])
def test_spheres_leave_the_rest_free(shear):
    """One La over a corner of the cell and one Zr that it does not touch."""
    paths = cell_with([[0.1, 7.9, 0.1], [4, 4, 4]], [LA, ZR], shear=shear)
    site = np.array([[4.0, 4.0, 1.0]])
    found = free_volumes(paths, site, voxel_A=0.1)
    taken = 4 / 3 * math.pi * (RADII_A[LA] ** 3 + RADII_A[ZR] ** 3)
    assert found.site_A3[0] == pytest.approx(512 - taken, rel=1e-3)
    assert found.fraction == pytest.approx(1 - taken / 512, rel=1e-3)
    assert found.std_err_A3[0] < 1.0


def test_free_volume_goes_to_the_nearest_site():
    paths = cell_with([], [])
    sites = np.array([[1.0, 4, 4], [3.0, 4, 4]])
    found = free_volumes(paths, sites, voxel_A=0.25)
    assert found.site_A3 == pytest.approx(256, rel=0.04)
    assert found.site_A3.sum() == pytest.approx(512)
    # A wall of oxygen takes from the side it stands on.
    wall = [[6.0, y, z] for y in (2, 4, 6) for z in (2, 4, 6)]
    shared = free_volumes(cell_with(wall, [O] * 9), sites, voxel_A=0.25)
    assert shared.site_A3[0] < 256
    assert shared.site_A3.sum() == pytest.approx(512 * shared.fraction)


def test_octahedra_of_the_crystal_have_more_room_than_tetrahedra():
    network = llzo_network(1)
    paths = hop(network, np.random.default_rng(0), ions=2, frames=5).paths
    found = free_volumes(paths, network.sites)
    tetrahedral, octahedral = (
        found.site_A3[network.octahedral == kind].mean() for kind in (False, True)
    )
    assert 4 < tetrahedral < 8
    assert 15 < octahedral < 25
    assert found.site_A3.sum() == pytest.approx(found.fraction * 12.9827**3)


def test_clouds_of_the_sites_that_were_visited():
    """Gaussian clouds of 0.25 A: the covariance volume converges, the hull grows."""
    network = llzo_network(1)
    paths = hop(network, np.random.default_rng(1), ions=40, frames=2500).paths
    held = follow(paths, network.sites, core_A=0.7, segments=2).held
    few, many = (
        visited_volumes(paths, held, network.sites, samples=count) for count in (100, 1000)
    )
    assert 50 < few.samples.max() <= 100 < many.samples.max() <= 1000
    ideal = 4 / 3 * math.pi * math.sqrt((5 * 0.25**2) ** 3)
    assert np.median(many.covariance_A3) == pytest.approx(ideal, rel=0.06)
    assert np.median(few.covariance_A3) == pytest.approx(ideal, rel=0.1)
    assert np.median(many.hull_A3) > 1.5 * np.median(few.hull_A3)
    nowhere = np.concatenate([network.sites, [[0.0, 0.0, 0.0]]])
    alone = visited_volumes(paths, held, nowhere, samples=100)
    assert alone.samples[-1] == 0
    assert math.isnan(alone.hull_A3[-1])
    assert math.isnan(alone.covariance_A3[-1])
