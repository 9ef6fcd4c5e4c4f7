"""Orderings of lithium in a boundary: lower in energy, as neutral, and the same again."""

import numpy as np
import pytest
from pydantic import ValidationError

from gbopt.crystal.llzo import cubic_llzo
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.gate import check
from gbopt.geometry.prerelax import Charges, trial_energy_eV
from gbopt.model.bicrystal import LI
from gbopt.model.spec import GBSpec

FIELDS = {"plane": (3, 1, 0), "width_layers": 2, "crystal_A": 8.0, "seed": 3}


@pytest.fixture(scope="module")
def pair():
    return tuple(build_bicrystal(GBSpec(**FIELDS, orderings=n), 13.0) for n in (1, 4))


def test_lowest_ordering_lies_below_the_random_one(pair):
    random, lowest = (
        trial_energy_eV(cubic_llzo(), Charges(s.positions, s.species, np.ones(s.n_ions)), s.cell)
        for s in pair
    )
    assert lowest < random - 1.0


def test_only_lithium_moves_and_the_gate_is_passed(pair):
    random, lowest = pair
    assert lowest.formula == random.formula
    host = random.species != LI
    assert np.array_equal(random.positions[host], lowest.positions[lowest.species != LI])
    assert not np.array_equal(random.positions[~host], lowest.positions[lowest.species == LI])
    check(lowest, cubic_llzo())


def test_the_record_names_every_ordering_and_repeats(pair):
    record = pair[1].provenance["orderings"]
    assert record["orderings"] == len(record["unrelaxed_energies_eV"]) == 4
    assert record["unrelaxed_energies_eV"] == sorted(record["unrelaxed_energies_eV"])
    assert record["unrelaxed_energies_eV"][-1] > 0
    again = build_bicrystal(GBSpec(**FIELDS, orderings=4), 13.0)
    assert again.positions.tobytes() == pair[1].positions.tobytes()


def test_ranking_would_undo_a_shift_of_lithium():
    with pytest.raises(ValidationError, match="exclude each other"):
        GBSpec(**FIELDS, orderings=4, composition={"li_shift_per_nm2": 1.0})
