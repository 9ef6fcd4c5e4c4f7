"""Intergranular films: neutral, of exact composition, between grains that stay crystal."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gbopt.crystal.llzo import cubic_llzo, tetragonal_llzo
from gbopt.errors import GeometryError
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.film import formula_units
from gbopt.geometry.gate import check
from gbopt.geometry.regions import Regions
from gbopt.geometry.zones import Zones
from gbopt.model.bicrystal import LI
from gbopt.model.spec import Composition, Dopant, Film, GBSpec
from tests.geometry.test_build import SMALL, of_entry

LLZO = cubic_llzo()
FILM = {"film": Film(thickness_A=12.0), "crystal_A": 10.0, "seed": 0}
specs = st.builds(
    of_entry,
    st.sampled_from(SMALL),
    film=st.builds(
        Film, thickness_A=st.floats(8.0, 24.0), li_per_formula_unit=st.sampled_from((5.5, 6.5, 7.0))
    ),
    crystal_A=st.floats(10.0, 14.0),
    seed=st.integers(0, 2**31 - 1),
)
slow = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@slow
@given(spec=specs)
def test_every_film_is_neutral_of_exact_composition_and_leaves_the_grains_crystal(spec):
    structure = build_bicrystal(spec, 13.1)
    report = check(structure, LLZO)
    assert report.charge_e == 0
    assert structure.core_width_A == spec.film.thickness_A
    assert structure.has_film
    grain_A = structure.boundaries_A[1]
    assert grain_A >= spec.crystal_A + spec.film.thickness_A - 1e-6
    # Whole formula units less whole Li2O, the same of both films.
    changed = structure.provenance["composition"]["li2o_per_boundary"]
    held = formula_units(LLZO, structure.area_A2 * spec.film.thickness_A, 13.1)
    assert changed == round((spec.film.li_per_formula_unit - 7) / 2 * held)
    if set(structure.ledger) <= {"Li2O"}:
        counts, removed = structure.counts, structure.ledger.get("Li2O", 0)
        units = counts["Zr"] / 2
        assert removed >= -2 * changed
        assert counts["La"] == 3 * units
        assert counts["Li"] == 7 * units - 2 * removed
        assert counts["O"] == 12 * units - removed
    # Each film is neutral by itself, by the rule that marks the core.
    zones = Zones(structure.boundaries_A, structure.length_A)
    regions = Regions(structure.cell, zones, structure.core_width_A)
    charges = np.array(structure.formal_charges_e)[structure.species]
    by_region = np.bincount(regions.of(structure.sites), weights=charges, minlength=3)
    assert by_region.tolist() == [0, 0, 0]
    # Beyond what may have been pushed the grains are as they were cut.
    deep = zones.depth(structure.sites) > structure.core_width_A / 2 + 4.0
    deep &= structure.species != LI
    gap = (structure.positions - structure.sites)[deep] @ np.linalg.inv(structure.cell)
    assert np.abs(gap - np.round(gap)).max(initial=0.0) < 1e-9


def test_same_film_gives_the_same_bytes_and_is_read_back():
    spec = GBSpec(plane=(3, 1, 0), **FILM)
    first, second = build_bicrystal(spec, 13.1), build_bicrystal(spec, 13.1)
    assert first.positions.tobytes() == second.positions.tobytes()
    again = GBSpec.model_validate_json(spec.model_dump_json())
    assert (again, again.key) == (spec, spec.key)


@pytest.mark.parametrize(
    ("spec", "key", "geometry_key"),
    [
        (
            GBSpec(plane=(4, 1, 0), width_layers=3, crystal_A=24.0, seed=4),
            "05b257128b2e",
            "509dd1c5b477",
        ),
        (
            GBSpec.named(
                "Sigma5(001) twist",
                width_layers=0,
                crystal_A=12.5,
                seed=0,
                translation=(0.25, 0.5),
                termination=(0, 1),
            ),
            "594954265181",
            "7b105ee3ab5e",
        ),
        (
            GBSpec(
                plane=(3, 1, 0),
                width_layers=5,
                crystal_A=30.0,
                seed=11,
                gap_A=0.9,
                orderings=3,
                composition=Composition(
                    li2o_per_nm2=-1.0, dopants=(Dopant(element="Al", per_formula_unit=0.2),)
                ),
            ),
            "d95a6925b93a",
            "8f3983ac46aa",
        ),
    ],
)
def test_keys_of_boundaries_without_a_film_are_those_from_before_films(spec, key, geometry_key):
    assert (spec.key, spec.geometry_key) == (key, geometry_key)
    assert "film" not in spec.model_dump()
    assert "film" not in spec.model_dump(mode="json", exclude={"seed"})


def test_films_of_other_thickness_or_lithium_are_other_geometries():
    films = [Film(thickness_A=t, li_per_formula_unit=n) for t in (12.0, 20.0) for n in (6.5, 7.0)]
    made = [GBSpec(plane=(3, 1, 0), **(FILM | {"film": film})) for film in films]
    assert len({spec.geometry_key for spec in made}) == len(made)
    assert made[2].label == "Sigma5 (310)[001] 36.87 deg, glass film 20 A, Li6.5"
    assert made[3].label == "Sigma5 (310)[001] 36.87 deg, glass film 20 A"


def test_a_film_in_tetragonal_llzo_and_with_dopants_in_it():
    tetragonal = GBSpec(plane=(1, 0, 0), misorientation_deg=0.0, crystal="t-LLZO", **FILM)
    structure = build_bicrystal(tetragonal, 13.1, tetragonal_llzo())
    assert structure.charge_e == 0
    doped = Composition(dopants=(Dopant(element="Ta", per_formula_unit=0.5, where="core"),))
    structure = build_bicrystal(GBSpec(plane=(3, 1, 0), composition=doped, **FILM), 13.1)
    assert structure.counts["Ta"] >= 8
    assert structure.charge_e == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"width_layers": 2}, "exclude each other"),
        ({"crystal_A": 6.0}, "too thin to stay crystal between two films: make it 10"),
        ({"film": {"thickness_A": 2.0}}, "greater than or equal to 5"),
        (
            {
                "film": {"thickness_A": 12.0, "li_per_formula_unit": 6.5},
                "composition": {"li2o_per_nm2": -1.0},
            },
            "both set the Li2O",
        ),
    ],
)
def test_what_no_film_can_be_is_refused_in_one_sentence(change, said):
    with pytest.raises(ValidationError, match=said):
        GBSpec(plane=(3, 1, 0), **(FILM | change))


def test_a_change_that_rounds_to_nothing_is_refused():
    film = {"thickness_A": 5.0, "li_per_formula_unit": 6.95}
    with pytest.raises(GeometryError, match="rounds to none"):
        build_bicrystal(GBSpec(plane=(3, 1, 0), **(FILM | {"film": film})), 13.1)
