"""A crystal, a glass at rest and a melt are told apart by their cations."""

import numpy as np
import pytest

from gbopt.analysis.framework import CENTRED, Framework, centrosymmetry
from gbopt.crystal.llzo import cubic_sites
from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import LI
from gbopt.model.trajectory import TrajectoryInfo

A = 13.0
SITES = cubic_sites()
POSITIONS, SPECIES = SITES.framework * A, SITES.species


def measured(frames, species=SPECIES, sites=POSITIONS):
    info = TrajectoryInfo(
        species=species,
        cell=np.eye(3) * A,
        frame_interval_ps=0.1,
        n_frames=len(frames),
        temperature_K=1000.0,
    )
    framework = Framework(info, sites)
    for frame in frames:
        framework.add(frame)
    return framework.result()


def vibrating(rng, where, count=100):
    return [where + rng.normal(0, 0.15, where.shape) for _ in range(count)]


def test_a_crystal_that_vibrates_stays_one_wherever_it_has_been_shifted_to():
    found = measured(vibrating(np.random.default_rng(0), POSITIONS + np.array([0.4, -0.2, 0.7])))
    assert found.displaced_share == 0
    assert found.ordered_share == 1
    assert found.crystalline
    assert not found.molten(A)
    assert found.rms_La_A < 0.15  # of means over ten frames


def test_displaced_cations_are_counted_and_oxygen_is_not():
    rng = np.random.default_rng(1)
    moved = POSITIONS.copy()
    cations = np.flatnonzero(SPECIES != 3)
    moved[cations[:8]] += [1.5, 0, 0]
    moved[SPECIES == 3] += rng.normal(0, 2, (96, 3))
    found = measured(vibrating(rng, moved))
    assert found.displaced_share == pytest.approx(8 / 40)


def test_a_crystal_whose_cations_have_changed_places_is_still_one():
    """As a melt that crystallises again: no ion is where it was, but the order is there."""
    rng = np.random.default_rng(4)
    moved = POSITIONS.copy()
    for kind in (1, 2):
        ions = np.flatnonzero(kind == SPECIES)
        moved[ions] = POSITIONS[rng.permutation(ions)]
    found = measured(vibrating(rng, moved))
    assert found.displaced_share > 0.8
    assert found.crystalline


def test_centrosymmetry_does_not_depend_on_the_orientation():
    zirconium = POSITIONS[SPECIES == 2]
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    assert centrosymmetry(zirconium, np.eye(3) * A) == pytest.approx(0, abs=1e-12)
    turned = centrosymmetry(zirconium @ turn, np.eye(3) * A @ turn)
    assert turned == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_random_packings_are_no_crystal(seed):
    rng, places = np.random.default_rng(seed), []
    while len(places) < 54:
        place = rng.random(3) * 1.5 * A
        off = place - np.array(places).reshape(-1, 3)
        off -= 1.5 * A * np.round(off / (1.5 * A))
        if (np.linalg.norm(off, axis=1) > 3.3).all():
            places.append(place)
    assert (centrosymmetry(np.array(places), np.eye(3) * 1.5 * A) > CENTRED).mean() > 0.95


def test_a_melt_has_gone_farther_than_to_the_next_site():
    rng = np.random.default_rng(2)
    path = POSITIONS + np.cumsum(rng.normal(0, 0.35, (100, *POSITIONS.shape)), axis=0)
    found = measured(list(path))
    # Of means over the first and the last tenth, 90 steps apart.
    assert found.rms_Zr_A == pytest.approx(0.35 * np.sqrt(3 * (90 - 10 / 3)), rel=0.2)
    assert found.molten(A)
    assert not found.crystalline


def test_a_framework_of_which_one_cation_rests_has_not_melted():
    rng = np.random.default_rng(3)
    path = np.repeat(POSITIONS[None], 100, axis=0)
    lanthanum = SPECIES == 1
    path[:, lanthanum] += np.cumsum(rng.normal(0, 0.6, (100, lanthanum.sum(), 3)), axis=0)
    assert not measured(list(path)).molten(A)


def test_a_trajectory_without_cations_is_refused():
    with pytest.raises(AnalysisError, match="no La or no Zr"):
        measured([np.zeros((4, 3))], np.full(4, LI, dtype=np.int8), np.zeros((4, 3)))
