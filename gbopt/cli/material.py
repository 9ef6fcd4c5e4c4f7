"""The crystal that an option names: one that gbopt brings along, or a CIF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gbopt.errors import ConfigError

if TYPE_CHECKING:
    from gbopt.model.crystal import Crystal

# A grain strained further than this is another crystal.
_LATTICE_SHARE = 0.15


def load_crystal(material: str, charges: str | None) -> Crystal:
    """Return the crystal of ``--material``, with the formal charges of ``--charges``.

    Raises:
        ConfigError: it is unknown, or charges are given for one that has its own.
    """
    from gbopt.crystal.charges import parse_charges
    from gbopt.crystal.cif import read_crystal
    from gbopt.crystal.known import get_crystal

    if material.lower().endswith(".cif"):
        return read_crystal(Path(material), parse_charges(charges or ""))
    if charges:
        raise ConfigError(
            f"--charges: {material} has its own formal charges",
            hint="leave --charges out, or give a CIF as --material",
        )
    return get_crystal(material)


def lattice_of(crystal: Crystal, lattice_A: float | None) -> float:
    """Return the lattice parameter of ``--lattice``, or that of the crystal.

    Raises:
        ConfigError: it is far from the crystal's.
    """
    if lattice_A is None:
        return crystal.lattice_A
    if abs(lattice_A / crystal.lattice_A - 1) > _LATTICE_SHARE:
        raise ConfigError(
            f"--lattice {lattice_A:g}: {crystal.name} has a = {crystal.lattice_A:.3f} A",
            hint="give a lattice parameter within 15 % of it",
        )
    return lattice_A
