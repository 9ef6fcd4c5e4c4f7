"""Gibbs excesses of cells whose answer is known: crystal has none, added ions are found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gbopt.analysis.excess import InterfacialExcess, boundary_weight
from gbopt.analysis.slabs import boundary_windows, inside
from gbopt.crystal.llzo import cubic_llzo, tetragonal_cell
from gbopt.errors import AnalysisError
from gbopt.geometry.interface import interface_of
from gbopt.geometry.slab import make_slab
from gbopt.model.bicrystal import ELEMENTS, FORMAL_CHARGES, LA, LI, ZR, O
from gbopt.model.spec import GBSpec
from gbopt.model.trajectory import TrajectoryInfo

A = 13.185
CHARGES = np.array(FORMAL_CHARGES, dtype=float)


def info_of(species, cell, n_frames):
    return TrajectoryInfo(
        species=species.astype(np.int8),
        cell=cell,
        frame_interval_ps=0.1,
        n_frames=n_frames,
        temperature_K=1100.0,
    )


def measured(positions, species, cell, boundaries, frames=8, noise=0.0):
    rng = np.random.default_rng(3)
    meter = InterfacialExcess(info_of(species, cell, frames), boundaries_A=boundaries, segments=4)
    for _ in range(frames):
        meter.add(positions + rng.normal(0, noise, positions.shape) if noise else positions)
    return meter.result()


def values(pair):
    return [estimate.value for estimate in (pair.mean, *pair.each)]


def sharp(z, boundaries, length):
    """1 for what a cut in mid-grain gives to the first boundary."""
    return inside(z, boundary_windows(boundaries, length)[0], length).astype(float)


def per_nm2(z, species, occupancy, weight, area_A2):
    """Excess of Li, of O, and charge, from sites that may be partly occupied."""
    ions = np.bincount(species, weight * occupancy, 4)
    cations = ions[LA] + ions[ZR]
    figures = np.array([ions[LI] - 7 / 5 * cations, ions[O] - 12 / 5 * cations, ions @ CHARGES])
    return 100.0 * figures / area_A2


def slid(z, boundaries, length, rng):
    """Move the grain between the boundaries by up to 7 A along z: no ion leaves its boundary.

    In one crystal the two cuts in mid-grain are half a cell apart and their errors cancel.
    """
    first, second = boundaries
    return z + 7 * rng.random() * ((z - first) % length < second - first)


@settings(max_examples=50, deadline=None)
@given(
    z=st.floats(-200, 200),
    first=st.floats(-20, 60),
    apart=st.floats(8, 32),
)
def test_weights_of_the_two_boundaries_add_up_to_one(z, first, apart):
    length, height = 40.0, np.array([z])
    planes = (first, first + apart)
    here = boundary_weight(height, planes, length)
    there = boundary_weight(height, (planes[1], planes[0]), length)
    assert 0.0 <= here[0] <= 1.0
    assert here + there == pytest.approx([1.0])
    assert boundary_weight(height + 3 * length, planes, length) == pytest.approx(here, abs=1e-9)


def test_weight_ramps_over_the_central_third():
    z = np.array([0.0, 9.9, 15.0, 20.1, 29.9, 34.0, 45.1, 52.4999, 60.1])
    weight = boundary_weight(z, (0.0, 30.0), 75.0)
    assert weight == pytest.approx([1, 1, 0.5, 0, 0, 0, 1 - 0.9997, 0.5, 1], abs=1e-3)
    # A plane rounded to just below zero is the first boundary's as well.
    assert boundary_weight(np.array([-1e-17, 75.0]), (0.0, 30.0), 75.0) == pytest.approx([1, 1])


@pytest.mark.parametrize("axis", [0, 2])
def test_crystal_has_no_excess_and_a_sharp_cut_would_find_one(axis):
    """Ordered LLZO, planes 3.2 A apart: the worst case, worse than any tilted boundary."""
    positions, cell, species = tetragonal_cell()
    order = [(axis + 1) % 3, (axis + 2) % 3, axis]
    repeats = 7
    edges = np.diag(cell)[order] * [1, 1, repeats]
    layers = np.arange(repeats)[:, None, None] * [0, 0, cell[axis, axis]]
    positions = (positions[None][:, :, order] + layers).reshape(-1, 3)
    species = np.tile(species, repeats)
    length, area = edges[2], edges[0] * edges[1]
    rng = np.random.default_rng(0)
    smooth, cut = [], []
    for _ in range(20):
        first = rng.random() * length
        planes = (first, first + 0.45 * length)
        moved = positions.copy()
        moved[:, 2] = slid(moved[:, 2], planes, length, rng)
        result = measured(moved, species, np.diag(edges), planes, frames=4)
        pairs = (result.lithium(), result.oxygen(), result.sheet_charge())
        smooth.append([pair.each[0].value for pair in pairs])
        weight = sharp(moved[:, 2], planes, length)
        cut.append(per_nm2(moved[:, 2], species, np.ones(len(species)), weight, area))
        for pair in pairs:
            assert pair.mean.value == pytest.approx(0.0, abs=1e-9)
            assert pair.each[0].value == pytest.approx(-pair.each[1].value)
    assert np.abs(smooth).max(axis=0) == pytest.approx([0, 0, 0], abs=0.12)
    assert (np.std(cut, axis=0) > [2.0, 3.0, 4.0]).all()


@pytest.mark.parametrize("plane", [(4, 1, 0), (5, 1, 0), (3, 2, 0), (9, 7, 0)])
def test_tilted_grains_have_no_excess(plane):
    """Sites of c-LLZO with their mean occupancy, in grains of some 25 A."""
    spec = GBSpec(plane=plane, width_layers=2, crystal_A=8.0, seed=0)
    interface = interface_of(spec, cubic_llzo())
    n_planes = round(50 / (interface.first.spacing_a * A))
    slab = make_slab(cubic_llzo(), interface.first, n_planes, A, (0.0, 0.0, 0.0))
    tetrahedral, octahedral = (kind[:, 2] for kind in slab.mobile)
    z = np.concatenate([slab.framework[:, 2], tetrahedral, octahedral])
    free = len(z) - len(slab.species)
    species = np.concatenate([slab.species, np.full(free, LI)]).astype(int)
    occupancy = np.ones(len(z))
    occupancy[len(slab.species) :] = 1 / 2
    occupancy[len(slab.species) :][: len(tetrahedral)] = 1 / 3
    length, area = n_planes * interface.first.spacing_a * A, interface.area_a2 * A**2
    rng = np.random.default_rng(0)
    smooth, cut = [], []
    for _ in range(40):
        first = rng.random() * length
        planes = (first, first + length / 2)
        moved = slid(z, planes, length, rng)
        for weigh, found in ((boundary_weight, smooth), (sharp, cut)):
            weight = weigh(moved, planes, length)
            found.append(per_nm2(moved, species, occupancy, weight, area))
    assert np.abs(smooth).max(axis=0) == pytest.approx([0, 0, 0], abs=0.02)
    assert (np.std(cut, axis=0) > [0.1, 0.3, 0.5]).all()


def crystal(cells=4):
    """Li7La3Zr2O12 spread evenly along z, ``cells`` formula units to each of 40 layers."""
    species = np.tile(np.repeat([LI, LA, ZR, O], [7, 3, 2, 12]), 40 * cells)
    z = np.repeat(np.arange(40) * 1.5, len(species) // 40)
    return np.column_stack([np.zeros((len(z), 2)), z]), species, np.diag([20.0, 20.0, 60.0])


def test_added_ions_are_found_at_their_boundary():
    positions, species, cell = crystal()
    # Two Li2O more at the first boundary and one at the second, one ZrO2 less at the second.
    zr = np.flatnonzero((species == ZR) & (positions[:, 2] == 30.0))[:1]
    o = np.flatnonzero((species == O) & (positions[:, 2] == 30.0))[:2]
    gone = np.concatenate([zr, o])
    added = np.array([LI, LI, O, LI, LI, O, LI, LI, O])
    z = np.repeat([0.3, 59.5, 30.2], 3)
    positions = np.concatenate(
        [np.delete(positions, gone, axis=0), np.column_stack([np.zeros((9, 2)), z])]
    )
    species = np.concatenate([np.delete(species, gone), added])
    result = measured(positions, species, cell, (0.0, 30.0))
    area_nm2 = 4.0
    # A missing Zr is 7/5 Li and 12/5 O fewer of the crystal: an excess of as many.
    assert values(result.lithium()) == pytest.approx(
        np.array([(6 + 1.4) / 2, 4, 2 + 1.4]) / area_nm2
    )
    assert values(result.oxygen()) == pytest.approx(
        np.array([(2 + 0.4 + 1) / 2, 2, 1 + 0.4]) / area_nm2
    )
    assert values(result.o_vacancy_excess()) == pytest.approx(
        -np.array([(2 + 0.4 + 1) / 2, 2, 1.4]) / area_nm2
    )
    assert values(result.lithium(reference=(LA,))) == pytest.approx(np.array([3, 4, 2]) / area_nm2)
    assert values(result.sheet_charge()) == pytest.approx([0, 0, 0], abs=1e-9)
    assert result.lithium().mean.unit == "nm-2"
    assert "La+Zr" in result.lithium().mean.method


def test_sheet_charge_is_that_of_ions_carried_over():
    positions, species, cell = crystal()
    li = np.flatnonzero((species == LI) & (positions[:, 2] == 30.0))[:6]
    positions[li, 2] = 0.0
    result = measured(positions, species, cell, (0.0, 30.0), noise=0.05)
    assert values(result.sheet_charge()) == pytest.approx([0.0, 1.5, -1.5], abs=0.02)
    charge = result.sheet_charge()
    assert 0.0 < charge.each[0].std_err < 0.02
    # Time sees no difference between the boundaries: the mean's error is their scatter.
    assert charge.mean.std_err == pytest.approx(1.5, rel=0.02)


def test_a_run_cut_short_gives_its_whole_segments():
    positions, species, cell = crystal(cells=1)
    meter = InterfacialExcess(info_of(species, cell, 10), boundaries_A=(0.0, 30.0), segments=5)
    for _ in range(7):
        meter.add(positions)
    with pytest.raises(AnalysisError, match="ended after 7 frames of the 10"):
        meter.result()
    assert meter.result(3).ions.shape == (3, 2, 8)
    ions = [280, 120, 80, 480, 0, 0, 0, 0]
    assert meter.result(3).ions.sum(axis=1) == pytest.approx(np.tile(ions, (3, 1)))


def test_dopants_take_the_place_of_what_they_replace():
    """Of the first boundary 4 Zr became Ta, which cost 4 Li, and 6 Li made way for 2 Al."""
    positions, species, cell = crystal(cells=1)
    planes = (0.0, 0.5 * cell[2, 2])
    own = boundary_weight(positions[:, 2], planes, cell[2, 2]) == 1.0
    zirconium, lithium = (np.flatnonzero(own & (species == kind)) for kind in (ZR, LI))
    doped = species.astype(int)
    doped[zirconium[:4]] = ELEMENTS.index("Ta")
    doped[lithium[:2]] = ELEMENTS.index("Al")
    keep = np.ones(len(species), bool)
    keep[lithium[2:10]] = False
    plain, changed = (
        measured(p, s, cell, planes)
        for p, s in ((positions, species), (positions[keep], doped[keep]))
    )
    area_nm2 = cell[0, 0] * cell[1, 1] / 100
    moved = np.subtract(values(changed.lithium()), values(plain.lithium())) * area_nm2
    assert moved == pytest.approx([-5, -10, 0])  # the mean, the first boundary and the second
    for figure in ("oxygen", "sheet_charge"):
        same = values(getattr(changed, figure)()), values(getattr(plain, figure)())
        assert same[0] == pytest.approx(same[1])
