"""The crystal against published distances (Awaka et al. 2011; physics of Ia-3d)."""

import numpy as np
import pytest

from gbopt.crystal.llzo import (
    CUBIC_A,
    cubic_llzo,
    cubic_sites,
    tetragonal_cell,
    tetragonal_llzo,
)
from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.model.bicrystal import LA, LI, ZR, O


def neighbour_distances(centres, others, count):
    cell = np.eye(3) * CUBIC_A
    pairs = pairs_within(centres @ cell, cell, 4.0, others=others @ cell)
    rows = [np.sort(pairs.distance[pairs.i == n])[:count] for n in range(len(centres))]
    return np.array(rows)


def test_cubic_cell_has_the_published_sites():
    sites = cubic_sites()
    assert np.bincount(sites.species, minlength=4).tolist() == [0, 24, 16, 96]
    assert sites.tetrahedral.shape == (24, 3)
    assert sites.octahedral.shape == (48, 2, 3)


def test_bond_lengths_are_those_of_the_refinement():
    sites = cubic_sites()
    framework, kind = sites.framework, sites.species
    oxygen = framework[kind == O]
    assert neighbour_distances(framework[kind == ZR], oxygen, 6) == pytest.approx(2.11, abs=0.02)
    la_o = neighbour_distances(framework[kind == LA], oxygen, 8)
    assert la_o[:, :4] == pytest.approx(2.51, abs=0.02)
    assert la_o[:, 4:] == pytest.approx(2.60, abs=0.02)
    split = sites.octahedral.reshape(-1, 3) % 1.0
    assert neighbour_distances(sites.tetrahedral, split, 4) == pytest.approx(1.60, abs=0.02)
    assert neighbour_distances(sites.tetrahedral, oxygen, 4) == pytest.approx(1.91, abs=0.02)


def test_split_positions_of_an_octahedron_are_kept_together():
    pair = cubic_sites().octahedral
    assert np.linalg.norm(pair[:, 0] - pair[:, 1], axis=1) * CUBIC_A == pytest.approx(
        0.81, abs=0.01
    )


@pytest.mark.parametrize("crystal", [cubic_llzo(), tetragonal_llzo()], ids=lambda c: c.name)
def test_primitive_cell_is_half_of_the_conventional_one(crystal):
    both = np.concatenate([crystal.framework, crystal.framework + 0.5]) % 1.0
    if crystal.name == "c-LLZO":
        whole = cubic_sites().framework
    else:
        positions, cell, species = tetragonal_cell()
        whole = (positions @ np.linalg.inv(cell))[species != LI] % 1.0
    assert len(both) == len(whole)
    for site in whole:
        gap = both - site
        assert np.abs(gap - np.round(gap)).sum(axis=1).min() < 1e-9
    assert crystal.ions_per_primitive == 96
    assert crystal.mobile_per_primitive == pytest.approx(28)


def test_layer_spacings_are_those_of_the_zirconium_layers():
    """Zr is body-centred cubic with a/2: d_400, d_220 and a/(4 sqrt 3) of the garnet."""
    crystal = cubic_llzo()
    assert crystal.layer_spacing_a((4, 1, 0)) == pytest.approx(1 / 4)
    assert crystal.layer_spacing_a((5, 3, 0)) == pytest.approx(1 / 8**0.5)
    assert crystal.layer_spacing_a((2, 2, 1)) == pytest.approx(1 / (4 * 3**0.5))


def test_tetragonal_cell_is_ordered_li7():
    positions, cell, species = tetragonal_cell()
    assert np.bincount(species).tolist() == [56, 24, 16, 96]
    pairs = pairs_within(wrap(positions, cell), cell, 2.3)
    zr_o = pairs.distance[
        ((species[pairs.i] == ZR) & (species[pairs.j] == O))
        | ((species[pairs.i] == O) & (species[pairs.j] == ZR))
    ]
    assert len(zr_o) == 96
    lithium = (species[pairs.i] == LI) & (species[pairs.j] == LI)
    assert not lithium.any()
