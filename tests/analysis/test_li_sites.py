"""Sites found from Li positions alone: ideal networks, oblique cells, glass, real dynamics."""

from dataclasses import replace

import numpy as np
import pytest

from gbopt.analysis.frames import drift_corrected
from gbopt.analysis.li_density import li_density
from gbopt.analysis.li_paths import LiPaths
from gbopt.analysis.li_sites import (
    OCTAHEDRAL,
    OTHER,
    TETRAHEDRAL,
    SiteSettings,
    find_sites,
)
from gbopt.analysis.site_network import site_network
from gbopt.config import MDConfig
from gbopt.crystal.neighbours import pairs_within
from gbopt.errors import AnalysisError, ConfigError
from gbopt.evaluate.known_sites import cubic_li_sites
from gbopt.geometry.bulk import build_bulk
from gbopt.md.engine import EngineSettings
from gbopt.md.protocol import bulk_stages
from gbopt.md.run import run_md
from gbopt.model.trajectory import Trajectory
from gbopt.potentials.library import get_potential
from tests.analysis.hoppers import collected, hop, info_of, llzo_network, paths_of


@pytest.fixture(scope="module", params=[0.0, 0.3], ids=["cubic", "sheared"])
def network(request):
    return llzo_network(1, shear=request.param)


@pytest.fixture(scope="module")
def truth(network):
    return hop(network, np.random.default_rng(3), ions=56, frames=2000)


def distances(sites, network):
    """Distance of the true site nearest to each one found, and which it is."""
    pairs = pairs_within(sites, network.cell, 1.0, network.sites)
    order = np.argsort(-pairs.distance)
    off, which = np.full(len(sites), np.inf), np.full(len(sites), -1)
    off[pairs.i[order]], which[pairs.i[order]] = pairs.distance[order], pairs.j[order]
    return off, which


def test_every_site_that_was_visited_is_found_once_and_no_other(network, truth):
    found = find_sites(truth.paths)
    off, which = distances(found.positions_A, network)
    assert off.max() < 0.1
    assert sorted(which) == truth.visited.tolist() == list(range(72))
    assert (found.kind == np.where(network.octahedral[which], OCTAHEDRAL, TETRAHEDRAL)).all()
    assert np.isnan(found.off_known_A).all()


def test_coordination_of_the_crystal_is_four_and_six(truth):
    found = find_sites(truth.paths)
    assert np.unique(found.coordination).tolist() == [4, 6]
    assert (found.coordination == 4).sum() == 24


def test_the_density_counts_every_ion(truth):
    density = li_density(truth.paths, voxel_A=0.3, smoothing_A=0.4)
    volume_A3 = abs(np.linalg.det(truth.paths.info.cell)) / density.counts.size
    assert density.smooth_A3.sum() * volume_A3 == pytest.approx(56, rel=1e-3)
    assert density.counts.sum() == truth.paths.li.shape[0] * 56


def test_a_gaussian_cloud_stays_round_in_an_oblique_cell():
    """The convolution adds the squares of the widths, along every direction."""
    network = llzo_network(1, shear=0.4)
    rng = np.random.default_rng(0)
    where = (network.sites[0] + rng.normal(0, 0.3, (1000, 20, 3))).astype(np.float32)
    density = li_density(paths_of(network, where, 0.05), voxel_A=0.2, smoothing_A=0.4)
    middle = network.sites[[0]] @ np.linalg.inv(network.cell)
    for direction in np.eye(3):
        at = middle + 0.7 * direction @ np.linalg.inv(network.cell)
        share = density.at(at) / density.at(middle)
        assert share[0] == pytest.approx(np.exp(-(0.7**2) / (2 * 0.25)), rel=0.1)


def test_known_sites_of_the_crystal_lie_where_ions_hop():
    network, shift = llzo_network(2), np.array([1.3, -2.2, 40.0])
    shifted = replace(
        hop(network, np.random.default_rng(0), ions=20, frames=50).paths,
        framework=network.framework + shift,
    )
    known = cubic_li_sites(shifted)
    assert known is not None
    away = known.positions - shift
    shares = (away[:, None] - network.sites[None]) @ np.linalg.inv(network.cell)
    off = np.linalg.norm((shares - np.round(shares)) @ network.cell, axis=2)
    assert off.min(axis=1).max() < 0.01
    nearest = off.argmin(axis=1)
    assert sorted(nearest) == list(range(576))
    assert (network.octahedral[nearest] == (known.kind == OCTAHEDRAL)).all()


def test_no_sites_are_known_of_another_framework():
    network = llzo_network(1)
    paths = hop(network, np.random.default_rng(0), ions=5, frames=20).paths
    rng = np.random.default_rng(1)
    molten = paths.framework + rng.normal(0, 1.0, paths.framework.shape)
    assert cubic_li_sites(replace(paths, framework=molten)) is None
    fewer = replace(
        paths, framework=paths.framework[1:], framework_species=paths.framework_species[1:]
    )
    assert cubic_li_sites(fewer) is None


def test_sites_without_a_lattice_are_found_too():
    """Random sites at least 1.8 A apart, as in a glass, without any oxygen around."""
    network, rng = llzo_network(1), np.random.default_rng(4)
    places = [rng.random(3) * 12.98]
    while len(places) < 60:
        new = rng.random(3) * 12.98
        away = np.array(places) - new
        away -= 12.9827 * np.round(away / 12.9827)
        if np.linalg.norm(away, axis=1).min() > 1.8:
            places.append(new)
    glass = replace(network, sites=np.array(places), framework=np.full((136, 3), 0.5))
    which = rng.integers(60, size=(1500, 40))
    where = glass.sites[which] + rng.normal(0, 0.22, (1500, 40, 3))
    found = find_sites(paths_of(glass, where.astype(np.float32), 0.05))
    off, nearest = distances(found.positions_A, glass)
    assert sorted(nearest) == list(range(60))
    assert off.max() < 0.2
    assert (found.kind == OTHER).sum() > 50


def test_the_meter_keeps_what_it_is_shown():
    network = llzo_network(1)
    made = hop(network, np.random.default_rng(0), ions=5, frames=20).paths
    same = collected(network, made.li, 0.05)
    assert np.array_equal(same.li, made.li)
    assert same.framework == pytest.approx(made.framework)
    assert same.formula_units == 8
    short = LiPaths(info_of(network, 5, 20, 0.05))
    with pytest.raises(AnalysisError, match="0 frames came"):
        short.result()
    for frame in made.li[:7]:
        short.add(np.concatenate([frame, network.framework]))
    assert short.result().li.shape == (7, 5, 3)
    short.add(np.full((141, 3), np.nan))
    with pytest.raises(AnalysisError, match="not finite"):
        short.result()


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="core_A is -1"):
        SiteSettings(core_A=-1)
    with pytest.raises(ConfigError, match="segments"):
        SiteSettings(segments=1)


@pytest.fixture(scope="module")
def crystal(tmp_path_factory):
    """A few picoseconds of the cubic cell at 1300 K by LAMMPS."""
    potential = get_potential("llzo-buckingham-c")
    md = MDConfig(temperature_K=1300, frame_ps=0.04, timestep_ps=0.002, minimise_iterations=30)
    stages = [s for s in bulk_stages(md, npt_ps=4.0, production_ps=12.0, seed=1) if s.name != "npt"]
    stages[1] = replace(stages[1], velocity_seed=1)
    settings = EngineSettings(
        engine="lammps",
        accelerator="omp",
        buckingham_cutoff_A=6.5,
        coulomb_cutoff_A=6.5,
        accuracy=1e-3,
    )
    with run_md(
        build_bulk(1, potential.lattice_A, 1),
        potential,
        tuple(stages),
        md,
        settings=settings,
        folder=tmp_path_factory.mktemp("md"),
        stall_s=120,
        on_progress=lambda p: None,
    ) as run:
        trajectory = run.trajectory()
        meter = LiPaths(trajectory.info)
        for frame in drift_corrected(Trajectory(trajectory.info, trajectory.frames)):
            meter.add(frame)
        run.finish()
    return meter.result()


def test_real_dynamics_of_the_crystal_show_24d_and_48g(crystal):
    known = cubic_li_sites(crystal)
    assert known is not None
    found = site_network(crystal, known=known)
    near = np.isfinite(found.off_known_A)
    counts = [(near & (found.kind == kind)).sum() for kind in (TETRAHEDRAL, OCTAHEDRAL)]
    assert 19 <= counts[0] <= 24
    assert 46 <= counts[1] <= 48
    assert (~near).sum() <= 2
    assert found.off_known_A[near].mean() < 0.3
    # The oxygen around them says the same as the crystal.
    by_oxygen = np.where(found.coordination == 4, TETRAHEDRAL, OCTAHEDRAL)
    assert (by_oxygen == found.kind).mean() > 0.95
    figures = found.figures()
    assert figures["percolation_dimension"] == 3
    assert figures["residence_tetrahedral"].value < figures["residence_octahedral"].value
    assert 0.3 < figures["back_jump_fraction"].value < 0.9
    assert found.occupancy.sum() == pytest.approx(56, abs=3)
