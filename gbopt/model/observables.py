"""Estimate: a number with its error, unit and method; and the list of numbers we report."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class Estimate(BaseModel):
    """A measured value with its standard error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float
    std_err: float = Field(ge=0)
    unit: str
    n_eff: float = Field(gt=0, description="independent samples behind std_err")
    method: str
    bound: Literal["lower", "upper"] | None = None
    """Set where the value is only a bound on the quantity."""

    def __str__(self) -> str:
        sign = {"lower": ">= ", "upper": "<= ", None: ""}[self.bound]
        return f"{sign}{format_with_error(self.value, self.std_err)} {self.unit}".strip()


def format_with_error(value: float, std_err: float) -> str:
    """Round a value to the digit of its error: ``3.41(6)e-07``, ``2.10(12)``, ``640(30)``.

    One digit of the error is kept, two when it begins with 1.
    """
    if std_err <= 0 or not math.isfinite(std_err):
        return f"{value:.6g}"
    scale = math.floor(math.log10(max(abs(value), std_err)))
    exponent = scale if scale < -3 or scale > 5 else 0
    mantissa, error = value / 10.0**exponent, std_err / 10.0**exponent
    digit = math.floor(math.log10(error))
    decimals = 1 - digit if error / 10.0**digit < 1.95 else -digit
    if decimals <= 0:
        step = 10 ** (-decimals)
        text = f"{round(mantissa / step) * step:d}({round(error / step) * step:d})"
    else:
        text = f"{mantissa:.{decimals}f}({round(error * 10**decimals):d})"
    return f"{text}e{exponent:+03d}" if exponent else text


class Quantity(NamedTuple):
    """What a reported number is: its label, its unit and its definition."""

    label: str
    unit: str
    meaning: str


QUANTITIES: dict[str, Quantity] = {
    "gb_resistivity": Quantity(
        "GB resistivity",
        "ohm cm",
        "tracer (Nernst-Einstein) resistivity of the boundary phase over its nominal width w: "
        "ASR/w + bulk resistivity",
    ),
    "gb_resistivity_measured_width": Quantity(
        "GB resistivity over the measured width",
        "ohm cm",
        "the same over the width measured from the structure",
    ),
    "area_specific_resistance": Quantity(
        "area-specific resistance",
        "ohm cm2",
        "extra through-plane resistance of one boundary over bulk crystal, by the series law; "
        "tracer (Nernst-Einstein): the current itself meets less, by the Haven ratio",
    ),
    "blocking_factor": Quantity(
        "blocking factor", "", "GB resistivity over bulk resistivity, same potential and T"
    ),
    "li_enrichment_ratio": Quantity(
        "Li enrichment ratio",
        "",
        "Li per (La+Zr) in the core over Li per (La+Zr) of the bulk crystal (7/5)",
    ),
    "li_enrichment_volumetric": Quantity(
        "Li enrichment, volumetric",
        "",
        "Li per volume in the core over that of the bulk crystal",
    ),
    "o_vacancy_fraction": Quantity(
        "O-vacancy descriptor",
        "",
        "missing Zr-O bonds over 6 per Zr in the core, less the same in the grains: "
        "under-coordination, not an equilibrium concentration",
    ),
    "la_undercoordination": Quantity(
        "La under-coordination",
        "",
        "missing La-O bonds over 8 per La in the core, less the same in the grains",
    ),
    "o_site_vacancies": Quantity(
        "vacant O sites in the grains",
        "",
        "share of crystal O sites outside the cores that hold no O (Wigner-Seitz)",
    ),
    "li_excess": Quantity(
        "Gibbs excess of Li",
        "nm-2",
        "Li at the boundary beyond 7/5 per (La+Zr); the two boundaries add up to what was built",
    ),
    "o_excess": Quantity(
        "Gibbs excess of O",
        "nm-2",
        "O at the boundary beyond 12/5 per (La+Zr); below zero oxygen is missing",
    ),
    "sheet_charge": Quantity(
        "sheet charge", "e nm-2", "formal charge at the boundary, mid-grain to mid-grain"
    ),
    "gb_energy": Quantity(
        "boundary energy",
        "J/m2",
        "quenched cell less quenched bulk crystal and bulk oxides, per boundary area",
    ),
    "boundary_width": Quantity(
        "boundary width",
        "A",
        "integral along the normal of the share of La and Zr away from their crystal sites",
    ),
    "excess_length": Quantity(
        "excess length",
        "A",
        "excess volume per area of one boundary over bulk crystal of the same framework",
    ),
    "D_core_normal": Quantity(
        "Li D along the normal, core", "cm2/s", "tracer diffusivity in the disordered slab"
    ),
    "core_hops": Quantity(
        "Li hops in the core",
        "",
        "effective hops along the normal in the disordered slabs; below 50 a resistance is a bound",
    ),
    "conductivity_core_in_plane": Quantity(
        "in-plane conductivity, core",
        "S/cm",
        "Nernst-Einstein along the boundary, disordered slab alone",
    ),
    "D_grain_normal": Quantity(
        "Li D along the normal, grain", "cm2/s", "tracer diffusivity midway between boundaries"
    ),
    "D_cell_x": Quantity("Li D along the tilt axis", "cm2/s", "tracer diffusivity, whole cell"),
    "D_cell_y": Quantity("Li D in plane, across the axis", "cm2/s", "tracer, whole cell"),
    "D_cell_z": Quantity(
        "Li D along the normal, whole cell",
        "cm2/s",
        "population average of the slabs: not a through-plane diffusivity",
    ),
    "conductivity_through_plane": Quantity(
        "through-plane conductivity", "S/cm", "Nernst-Einstein, whole cell in series along z"
    ),
    "conductivity_collective": Quantity(
        "collective through-plane conductivity",
        "S/cm",
        "Einstein-Helfand of the charge displaced along the normal, correlation included",
    ),
    "conductivity_field": Quantity(
        "through-plane conductivity under a field",
        "S/cm",
        "steady current under an applied field along the normal, in the limit of zero field",
    ),
    "area_specific_resistance_field": Quantity(
        "area-specific resistance under a field",
        "ohm cm2",
        "the same by the field route, cell and bulk crystal, correlation included",
    ),
    "gb_resistivity_field": Quantity(
        "GB resistivity under a field",
        "ohm cm",
        "that resistance over the nominal width, plus bulk resistivity under a field",
    ),
    "area_specific_resistance_collective": Quantity(
        "collective area-specific resistance",
        "ohm cm2",
        "the same by Einstein-Helfand, cell and bulk crystal, correlation included",
    ),
    "conductivity_green_kubo": Quantity(
        "Green-Kubo through-plane conductivity",
        "S/cm",
        "V/kT times the integral of the current's autocorrelation up to a cut-off",
    ),
    "voltage_share": Quantity(
        "share of the voltage",
        "",
        "part of the voltage over the cell that drops across this boundary, mid-grain to mid-grain",
    ),
    "resistivity_grain_field": Quantity(
        "resistivity mid-grain under a field",
        "ohm cm",
        "field in the middle of the grains over the current",
    ),
    "resistance_ratio_tracer": Quantity(
        "resistance over bulk, tracer", "", "of the cell over bulk crystal of its length"
    ),
    "resistance_ratio_collective": Quantity(
        "resistance over bulk, collective", "", "the same by Einstein-Helfand"
    ),
    "resistance_ratio_field": Quantity(
        "resistance over bulk, field", "", "the same by the currents under a field"
    ),
    "haven_ratio": Quantity(
        "Haven ratio",
        "",
        "Nernst-Einstein over collective through-plane conductivity of the whole cell",
    ),
    "conductivity_in_plane": Quantity(
        "in-plane conductivity", "S/cm", "Nernst-Einstein from the mean of D_x and D_y"
    ),
    "bulk_resistivity": Quantity(
        "bulk resistivity",
        "ohm cm",
        "Nernst-Einstein, bulk reference of the same potential and T",
    ),
}
"""Every number gbopt reports, by its key in ``Evaluation.observables``."""
