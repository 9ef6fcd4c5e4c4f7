"""Composition beyond whole formula units, in oxide units: the currency in which cells are neutral.

Of LLZO with lithium, lanthanum and zirconium alone, a neutral cell is n(Zr)/2 formula units of
Li7La3Zr2O12 and so many Li2O and La2O3 more (or fewer).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gbopt.geometry.read import Ions
from gbopt.geometry.reference import Reference


def formula_units(ions: Ions, crystal: Reference, weights: NDArray[np.float64]) -> float:
    """Formula units that the ions of the first sublattice make up, each ion with its weight."""
    per_unit = sum(crystal.unit.get(name, 0) for name in crystal.elements[0])
    return float(weights[crystal.kinds(ions.elements) == 0].sum()) / per_unit


def oxide_surplus(ions: Ions, crystal: Reference, weights: NDArray[np.float64]) -> dict[str, float]:
    """Oxide units beyond these formula units, each ion counted with its weight.

    A substitute counts against what it replaces: half a Ta2O5 more, one ZrO2 fewer.

    Args:
        ions: the structure.
        crystal: what the formula units are of.
        weights: (n,) 1 for ions inside the region, 0 outside, in between at its edges.

    Returns:
        Units by oxide such as {"Li2O": 2.0}; empty for crystals with other anions than oxygen.
    """
    charges = dict(zip(ions.elements.tolist(), ions.charges_e.tolist(), strict=True))
    if {name for name, charge in charges.items() if charge < 0} != {"O"}:
        return {}
    units = formula_units(ions, crystal, weights)
    surplus = {}
    for name in sorted(charges, key=lambda name: (charges[name], name)):
        if charges[name] > 0:
            extra = float(weights[ions.elements == name].sum()) - units * crystal.unit.get(name, 0)
            oxide, cations = _oxide(name, charges[name])
            surplus[oxide] = extra / cations
    return surplus


def share_of_boundary(
    heights_A: NDArray[np.float64],
    below: tuple[float, float],
    above: tuple[float, float],
    length_A: float,
) -> NDArray[np.float64]:
    """Weight with which each ion belongs to the boundary between two grains.

    It is 1 at the boundary and falls to 0 through the two grains, slowly, because a sharp cut
    would split atomic layers. Each ion's weights for all boundaries add up to 1.

    Args:
        heights_A: (n,) z of the ions.
        below: z from where to where the grain below is ordered.
        above: the same of the grain above; it begins above the one below.
        length_A: period along z.
    """
    total = np.zeros(len(heights_A))
    for image in range(-2, 3):
        z = heights_A + image * length_A
        rise, fall = (np.clip((z - low) / (high - low), 0.0, 1.0) for low, high in (below, above))
        total += np.sin(rise * np.pi / 2) ** 2 * np.cos(fall * np.pi / 2) ** 2
    return total


def per_nm2(surplus: Mapping[str, float], area_A2: float) -> dict[str, float]:
    """Units per nm2 of an area in A2."""
    return {oxide: units / (area_A2 / 100.0) for oxide, units in surplus.items()}


def _oxide(element: str, charge_e: int) -> tuple[str, int]:
    """The neutral oxide of a cation and its cations per unit."""
    if charge_e % 2:
        return f"{element}2O{charge_e if charge_e > 1 else ''}", 2
    return f"{element}O{charge_e // 2 if charge_e > 2 else ''}", 1
