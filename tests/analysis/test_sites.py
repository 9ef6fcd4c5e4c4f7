"""Vacancies of oxygen put into the crystal of a cell, and found there at 1100 K's vibrations."""

import numpy as np
import pytest

from gbopt.analysis.sites import OxygenSites
from gbopt.crystal.llzo import CUBIC_A, cubic_sites
from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import LI, O
from gbopt.model.trajectory import TrajectoryInfo

CELLS = 3
LENGTH_A = CELLS * CUBIC_A
PLANES = (0.0, LENGTH_A / 2)
CELL = np.diag([CUBIC_A, CUBIC_A, LENGTH_A])
NOISE_A = 0.2


class Cell:
    """Crystal with cores of 6 A whose framework may be changed before it is measured."""

    def __init__(self):
        crystal = cubic_sites()
        layers = np.arange(CELLS)[:, None, None] * [0.0, 0.0, 1.0]
        self.sites = ((crystal.framework + layers) * CUBIC_A).reshape(-1, 3)
        self.species = np.tile(crystal.species, CELLS)
        self.positions = self.sites.copy()
        z = self.sites[:, 2]
        self.depth = np.minimum(np.minimum(z, LENGTH_A - z), np.abs(z - PLANES[1]))
        self.core = self.depth < 3.0
        self.grain = (z > PLANES[1]).astype(np.int8)
        self.rng = np.random.default_rng(5)

    def crystal_oxygen(self, boundary, count):
        """O of the crystal beside a boundary, far enough from each other and from mid-grain."""
        z = self.sites[:, 2]
        near = np.abs(z - PLANES[1]) < LENGTH_A / 4 - 1
        side = near if boundary else np.minimum(z, LENGTH_A - z) < LENGTH_A / 4 - 1
        chosen = np.flatnonzero((self.species == O) & ~self.core & side)
        return self.rng.choice(chosen, count, replace=False)

    def sites_of(self, boundary):
        """Number of O sites of the crystal nearer to a boundary."""
        z = self.sites[:, 2]
        near = (np.abs(z - PLANES[1]) < LENGTH_A / 4) == bool(boundary)
        return np.count_nonzero((self.species == O) & ~self.core & near)

    def measured(self, frames=40, noise_A=NOISE_A):
        info = TrajectoryInfo(
            species=self.species,
            cell=CELL,
            frame_interval_ps=0.1,
            n_frames=frames,
            temperature_K=1100.0,
        )
        meter = OxygenSites(
            info,
            sites=self.sites,
            grain=self.grain,
            core=self.core,
            boundaries_A=PLANES,
            segments=4,
        )
        # Unwrapped ions may be in any image of the cell.
        start = self.positions + self.rng.integers(-1, 2, self.positions.shape) @ CELL
        for _ in range(frames):
            meter.add(start + self.rng.normal(0, noise_A, start.shape))
        return meter.result()


def shares(pair):
    return [estimate.value for estimate in pair.each]


def test_crystal_at_1100_K_has_no_defects():
    found = Cell().measured()
    assert shares(found.vacancies) == shares(found.interstitials) == [0.0, 0.0]
    assert found.vacancies.mean.std_err == 0.0


@pytest.mark.parametrize("slide_A", [0.0, 1.6])
def test_oxygen_that_left_is_missed_where_it_was(slide_A):
    """7 O of the crystal at the first boundary have gone into the core, and 2 at the second."""
    cell = Cell()
    gone = np.concatenate([cell.crystal_oxygen(0, 7), cell.crystal_oxygen(1, 2)])
    cell.positions[gone, 2] = cell.rng.normal(0.0, 0.3, len(gone))
    # The second grain has slid as a whole, and the middle of the cores is glass.
    glass = cell.depth < 1.5
    cell.positions[glass] += cell.rng.normal(0, 0.5, (glass.sum(), 3))
    cell.positions[cell.grain == 1] += [slide_A, 0.4 * slide_A, 0.1]
    found = cell.measured()
    first, second = 7 / cell.sites_of(0), 2 / cell.sites_of(1)
    assert shares(found.vacancies) == pytest.approx([first, second])
    assert shares(found.interstitials) == [0.0, 0.0]
    # Nothing varies in time: the error of the mean is what the two boundaries differ by.
    assert found.vacancies.mean.value == pytest.approx((first + second) / 2)
    assert found.vacancies.mean.std_err == pytest.approx((first - second) / 2)


def test_vacancies_and_interstitials_of_a_frenkel_pair():
    cell = Cell()
    sites = cell.sites_of(0)
    mover, host = cell.crystal_oxygen(0, 2)
    cell.positions[mover] = cell.positions[host] + [0.0, 0.0, 1.0]
    found = cell.measured()
    assert shares(found.vacancies) == pytest.approx([1 / sites, 0.0])
    assert shares(found.interstitials) == pytest.approx([1 / sites, 0.0])


def test_mean_positions_are_immune_to_vibrations_that_single_frames_are_not():
    """At three times the amplitude of 1100 K a frame shows vacancies, the mean of forty none."""
    assert sum(shares(Cell().measured(frames=4, noise_A=0.5).vacancies)) > 0.01
    assert shares(Cell().measured(frames=160, noise_A=0.5).vacancies) == [0.0, 0.0]


def test_a_side_without_crystal_says_so():
    cell = Cell()
    cell.core[:] = True
    with pytest.raises(AnalysisError, match="no data"):
        cell.measured()


def test_lithium_plays_no_part():
    cell = Cell()
    n = 50
    cell.positions = np.concatenate([cell.positions, cell.rng.random((n, 3)) @ CELL])
    cell.sites = np.concatenate([cell.sites, cell.positions[-n:]])
    cell.species = np.concatenate([cell.species, np.full(n, LI, dtype=np.int8)])
    cell.grain = np.concatenate([cell.grain, np.zeros(n, dtype=np.int8)])
    cell.core = np.concatenate([cell.core, np.zeros(n, dtype=bool)])
    assert shares(cell.measured().vacancies) == [0.0, 0.0]
