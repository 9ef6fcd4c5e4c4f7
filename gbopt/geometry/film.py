"""The composition of an intergranular film of glass: its lithium by neutral Li2O.

Li7La3Zr2O12 less x Li2O is Li(7-2x)La3Zr2O(12-x): what a researcher names by its lithium. The
film is built like any core, from a slab of crystal of its thickness, and holds as many formula
units as that; each of the two films of a cell is given, or loses, the same whole Li2O. As its
lithium cannot leave while the grains are held, each film is neutral by itself when it is melted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gbopt.errors import ConfigError, GeometryError
from gbopt.geometry.dopants import LITHIUM_SITE
from gbopt.model.bicrystal import ZR
from gbopt.model.crystal import Crystal
from gbopt.model.spec import Composition, GBSpec

_LI, _ZR = 7, 2


def formula_units(crystal: Crystal, volume_A3: float, lattice_A: float) -> float:
    """Formula units of LLZO that crystal of a volume, A^3, holds."""
    zirconium = int(np.count_nonzero(crystal.species == ZR))
    return volume_A3 / (crystal.cells_a3 * lattice_A**3) * zirconium / _ZR


def with_film(
    spec: GBSpec, crystal: Crystal, area_A2: float, lattice_A: float
) -> tuple[Composition, dict[str, Any]]:
    """Composition of a specification with the Li2O that its film asks for.

    Args:
        spec: the boundary, with or without a film.
        crystal: what the grains are made of.
        area_A2: area of the boundary, A^2.
        lattice_A: lattice parameter of the grains, A.

    Returns:
        The composition, and a record of the film: its formula units, and the lithium of each
        that whole Li2O units come to; empty without a film, and for another crystal than LLZO.

    Raises:
        ConfigError: the crystal is not LLZO.
        GeometryError: what is asked for is less than half a Li2O.
    """
    film = spec.film
    if film is None:
        return spec.composition, {}
    changed = film.li_per_formula_unit != _LI
    if crystal.name not in LITHIUM_SITE and not changed:
        return spec.composition, {}
    if crystal.name not in LITHIUM_SITE:
        raise ConfigError(
            f"film.li_per_formula_unit: {crystal.name} is not made of formula units of LLZO",
            hint=f"only {' and '.join(LITHIUM_SITE)} are: leave it out",
        )
    held = formula_units(crystal, area_A2 * film.thickness_A, lattice_A)
    wanted = (film.li_per_formula_unit - _LI) / 2 * held
    units = round(wanted)
    if units == 0 and changed:
        raise GeometryError(
            f"film.li_per_formula_unit = {film.li_per_formula_unit:g}: a film of {held:.1f} "
            f"formula units would be changed by {wanted:+.2f} Li2O, which rounds to none",
            hint="take a thicker film, a boundary with a larger cell, or Li farther from 7",
        )
    composition = spec.composition
    if changed:
        composition = composition.model_copy(update={"li2o_per_nm2": 100 * units / area_A2})
    else:
        units = round(composition.li2o_per_nm2 * area_A2 / 100)
    record = {
        "formula_units": round(held, 3),
        "li_per_formula_unit": round(_LI + 2 * units / held, 4),
    }
    return composition, record
