"""The one home of physical constants and unit conversions.

Internal units are those of LAMMPS ``metal``: Angstrom, ps, eV, K, e, amu, bar.
The constants are those of CODATA 2018; all but the permittivity of vacuum and
the atomic mass unit are exact in the SI.
"""

from __future__ import annotations

import re

ELEMENTARY_CHARGE_C = 1.602176634e-19
BOLTZMANN_J_K = 1.380649e-23
BOLTZMANN_EV_K = BOLTZMANN_J_K / ELEMENTARY_CHARGE_C
VACUUM_PERMITTIVITY_F_M = 8.8541878128e-12
VACUUM_PERMITTIVITY_E_V_A = VACUUM_PERMITTIVITY_F_M * 1e-10 / ELEMENTARY_CHARGE_C  # e/(V A)

ANGSTROM_CM = 1e-8
EV_A2_TO_J_M2 = ELEMENTARY_CHARGE_C * 1e20
A2_PS_TO_CM2_S = 1e-4  # 1 A^2/ps = 1e-16 cm^2 / 1e-12 s
ATM_BAR = 1.01325
AMU_KG = 1.66053906660e-27
AMU_A2_PS2_EV = AMU_KG * 1e4 / ELEMENTARY_CHARGE_C  # 1 A/ps = 100 m/s
THZ_CM1 = 1e12 / 29979245800  # over the speed of light, cm/s
THZ_MEV = 1e15 * 6.62607015e-34 / ELEMENTARY_CHARGE_C  # times the quantum of action, J s
# V A ps / e in ohm cm: (1e-8 cm) / (1.602e-7 A), since one e/ps is 1.602e-7 A.
_METAL_RESISTIVITY_OHM_CM = ANGSTROM_CM / (ELEMENTARY_CHARGE_C / 1e-12)

_FACTORS: dict[str, dict[str, float]] = {
    "ps": {"fs": 1e-3, "ps": 1.0, "ns": 1e3, "us": 1e6},
    "A": {"A": 1.0, "Å": 1.0, "nm": 10.0, "pm": 0.01},
    "K": {"K": 1.0},
    "deg": {"deg": 1.0, "°": 1.0},
    "atm": {"atm": 1.0, "bar": 1.0 / ATM_BAR, "MPa": 10.0 / ATM_BAR, "GPa": 1e4 / ATM_BAR},
    "s": {"s": 1.0, "min": 60.0, "h": 3600.0},
}
_QUANTITY = re.compile(r"^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-zÅ°]+)\s*$")


def parse_quantity(value: object, unit: str) -> object:
    """Turn text such as ``"2 fs"`` into a float in ``unit``; pass anything else through.

    Args:
        value: a number (already in ``unit``) or text with a number and a unit.
        unit: the unit that the field is kept in: ``ps``, ``A``, ``K``, ``deg``, ``atm`` or ``s``.

    Raises:
        ValueError: text whose unit is not one that converts to ``unit``.
    """
    if not isinstance(value, str):
        return value
    known = _FACTORS[unit]
    match = _QUANTITY.match(value)
    if match is None or match.group(2) not in known:
        raise ValueError(
            f"expected a number in {unit}, or text such as '2 {next(iter(known))}' "
            f"(units: {', '.join(known)}); got {value!r}"
        )
    return float(match.group(1)) * known[match.group(2)]


def ohm_cm_from_metal(resistivity: float) -> float:
    """Convert a resistivity from V A ps / e to ohm cm.

    With kT in eV, the concentration c in 1/A^3 and D in A^2/ps, the Nernst-Einstein
    resistivity kT/(q^2 c D) of carriers of charge q = 1 e comes out in V A ps / e.
    """
    return resistivity * _METAL_RESISTIVITY_OHM_CM
