"""Room for a composition, told from mean contents, against what the builder makes of it."""

import pytest

from gbopt.crystal.known import get_crystal
from gbopt.errors import GeometryError
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.interface import interface_of
from gbopt.geometry.plan import plan
from gbopt.geometry.room import has_room, li2o_units
from gbopt.model.spec import Composition, Dopant, GBSpec

CRYSTAL = get_crystal("c-LLZO")
A_A = 13.185


def composition(li2o=0.0, element=None, amount=0.0, where="everywhere"):
    dopants = (Dopant(element=element, per_formula_unit=amount, where=where),) if element else ()
    return Composition(li2o_per_nm2=li2o, dopants=dopants)


def spec(width=2, seed=0, changed=None):
    return GBSpec(plane=(3, 1, 0), width_layers=width, crystal_A=5.0, seed=seed,
                  composition=changed or Composition())  # fmt: skip


def sizes(width=2):
    area_A2 = interface_of(spec(width), CRYSTAL).area_a2 * A_A**2
    return area_A2, plan(spec(width), CRYSTAL, A_A).core_A, A_A


def built(changed, width=2):
    """How many of four seeds the builder makes."""
    made = 0
    for seed in range(4):
        try:
            build_bicrystal(spec(width, seed, changed), A_A)
            made += 1
        except GeometryError:
            continue
    return made


ROOM = {
    "nothing": (composition(), 2),
    "less Li2O": (composition(-8), 2),
    "little aluminium": (composition(element="Al", amount=0.25), 2),
    "tantalum for all zirconium": (composition(element="Ta", amount=2.0, where="core"), 2),
    "less Li2O and aluminium": (composition(-4, "Al", 0.2), 2),
    "much less Li2O": (composition(-14), 5),
    "more Li2O": (composition(8), 2),
}
NONE = {
    "much less Li2O": (composition(-14), 2),
    "much more Li2O": (composition(16), 2),
    "much aluminium": (composition(element="Al", amount=1.0), 2),
    "aluminium and less Li2O": (composition(-8, "Al", 0.5), 2),
}


@pytest.mark.parametrize("name", ROOM)
def test_what_has_room_is_built(name):
    changed, width = ROOM[name]
    assert has_room(changed, *sizes(width))
    assert built(changed, width) >= 3


@pytest.mark.parametrize("name", NONE)
def test_what_has_no_room_is_refused(name):
    changed, width = NONE[name]
    assert not has_room(changed, *sizes(width))
    assert built(changed, width) <= 1


def test_what_rounds_to_nothing_is_no_composition_of_its_own():
    assert li2o_units(0.1, 250.0) == 0
    assert not has_room(composition(0.1), 250.0, 6.6, A_A)
    assert not has_room(composition(element="Al", amount=0.01, where="core"), 250.0, 6.6, A_A)
    assert has_room(composition(element="Al", amount=0.01), 250.0, 6.6, A_A)


def test_grains_cannot_give_more_lithium_than_they_have():
    both = Composition(
        dopants=tuple(Dopant(element=e, per_formula_unit=1.5, where="grains") for e in ("Al", "Ga"))
    )
    assert not has_room(both, 250.0, 6.6, A_A)
    assert has_room(both.model_copy(update={"dopants": both.dopants[:1]}), 250.0, 6.6, A_A)
