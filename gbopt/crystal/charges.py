"""Formal charges: what an element usually has, and what a user gives."""

from __future__ import annotations

import re

from gbopt.errors import ConfigError

FORMAL_CHARGES_E = {
    **dict.fromkeys(("H", "Li", "Na", "K", "Rb", "Cs", "Ag"), 1),
    **dict.fromkeys(("Be", "Mg", "Ca", "Sr", "Ba", "Zn", "Cd", "Ni", "Co", "Mn"), 2),
    **dict.fromkeys(("B", "Al", "Ga", "In", "Sc", "Y", "Fe", "Cr", "Bi"), 3),
    **dict.fromkeys(("La", "Pr", "Nd", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Yb", "Lu"), 3),
    **dict.fromkeys(("C", "Si", "Ge", "Sn", "Ti", "Zr", "Hf", "Ce"), 4),
    **dict.fromkeys(("P", "V", "Nb", "Ta", "Sb"), 5),
    **dict.fromkeys(("Mo", "W", "Te"), 6),
    **dict.fromkeys(("O", "S", "Se"), -2),
    **dict.fromkeys(("F", "Cl", "Br", "I"), -1),
    "N": -3,
}
"""Formal charges in e of elements in oxides, sulfides and halides, where none are given."""


def parse_charges(text: str) -> dict[str, int]:
    """Read formal charges such as ``Mg=2,O=-2``.

    Raises:
        ConfigError: a part is not ELEMENT=CHARGE.
    """
    charges: dict[str, int] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        match = re.fullmatch(r"([A-Z][a-z]?)\s*=\s*([+-]?\d+)", part)
        if not match:
            raise ConfigError(f"charges: {part!r} is not ELEMENT=CHARGE", hint="write 'Mg=2,O=-2'")
        charges[match[1]] = int(match[2])
    return charges
