"""Whether a boundary can be given a composition, by the mean contents of its core.

Nothing is built. Measured with 4 seeds each on Sigma5(310), Sigma5(210) and Sigma7(123) cells.
"""

from __future__ import annotations

from gbopt.geometry.dopants import ON_ZIRCONIUM, lithium_cost
from gbopt.model.spec import Composition, Dopant

# In a cubic cell; and per formula unit.
_FORMULA_UNITS = 8
_LI, _ZR = 7, 2
# Cores cut elsewhere hold more or less lithium than the mean: a tenth too little was made up for
# by all seeds, a quarter by few.
_SPREAD = 0.1
# All cores took 2.2 times their lithium, and those of two thin layers not 2.7 times.
_CROWDED = 2.4
# Sites for Al and Ga that are clear of other ions, per formula unit. Of disordered cores all took
# 0.25, most 0.6 and none 1.0.
_CLEAR_IN_CORE, _CLEAR_IN_GRAINS = 0.75, 3.0


def li2o_units(li2o_per_nm2: float, area_A2: float) -> int:
    """Whole Li2O units that each core of an area is given."""
    return round(li2o_per_nm2 * area_A2 / 100)


def has_room(composition: Composition, area_A2: float, core_A: float, lattice_A: float) -> bool:
    """Whether most seeds can give a boundary in LLZO a composition, in whole ions of each kind.

    Args:
        composition: what is asked for; without a shift of lithium.
        area_A2: area of the boundary, A^2.
        core_A: thickness of its core, above 0, A.
        lattice_A: lattice parameter, A.
    """
    formula_units = area_A2 * core_A * _FORMULA_UNITS / lattice_A**3
    units = li2o_units(composition.li2o_per_nm2, area_A2)
    core = [d for d in composition.dopants if d.where != "grains"]
    grains = [d for d in composition.dopants if d.where != "core"]
    ions = [round(d.per_formula_unit * formula_units) for d in core]
    none = any(d.where == "core" and n == 0 for d, n in zip(core, ions, strict=True))
    if none or (units == 0 and composition.li2o_per_nm2 != 0):
        return False  # what is asked for rounds to nothing
    replaced = sum(lithium_cost(d.element) * n for d, n in zip(core, ions, strict=True))
    lithium = (_LI * formula_units + 2 * units - replaced) / (_LI * formula_units)
    return (
        -_SPREAD <= lithium <= _CROWDED
        and _fit(core, _CLEAR_IN_CORE)
        and _fit(grains, _CLEAR_IN_GRAINS)
        and sum(lithium_cost(d.element) * d.per_formula_unit for d in grains) <= _LI
    )


def _fit(dopants: list[Dopant], tetrahedral: float) -> bool:
    """Whether a region has the sites, of Zr and of tetrahedral Li."""
    on_zirconium = sum(d.per_formula_unit for d in dopants if d.element in ON_ZIRCONIUM)
    on_lithium = sum(d.per_formula_unit for d in dopants if d.element not in ON_ZIRCONIUM)
    return on_zirconium <= _ZR and on_lithium <= tetrahedral
