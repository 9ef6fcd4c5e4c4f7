"""How LAMMPS is told of a potential: commands, in the order of its atom types."""

from __future__ import annotations

import re
from pathlib import Path

from gbopt.config import BuckinghamPotential, LammpsPotential


def lammps_lines(
    potential: BuckinghamPotential | LammpsPotential,
    *,
    buckingham_cutoff_A: float,
    coulomb_cutoff_A: float,
    accuracy: float,
    kspace: str = "pppm",
    mesh_order: int = 5,
) -> list[str]:
    """Commands that define the interaction, masses aside.

    Args:
        potential: parameters or commands.
        buckingham_cutoff_A: cut-off of the Buckingham terms, A.
        coulomb_cutoff_A: real-space cut-off of the Coulomb sum, A.
        accuracy: relative force accuracy of the sum in reciprocal space.
        kspace: its style; ``ewald`` for references.
        mesh_order: order of the charge assignment to the mesh of ``pppm``.
    """
    types = potential.elements
    lines = [
        f"set type {types.index(name) + 1} charge {charge}"
        for name, charge in potential.charges_e.items()
    ]
    if isinstance(potential, LammpsPotential):
        places = {Path(name).name: name for name in potential.files}
        return lines + [_with_paths(line, places) for line in potential.commands]
    lines += [
        f"pair_style buck/coul/long {buckingham_cutoff_A} {coulomb_cutoff_A}",
        "pair_coeff * * 0.0 1.0 0.0",
    ]
    for pair, term in potential.pairs.items():
        first, second = sorted(types.index(name) + 1 for name in pair.split("-"))
        lines.append(f"pair_coeff {first} {second} {term.A_eV} {term.rho_A} {term.C_eV_A6}")
    lines.append(f"kspace_style {kspace} {accuracy}")
    return lines if kspace == "ewald" else [*lines, f"kspace_modify order {mesh_order}"]


def _with_paths(line: str, places: dict[str, str]) -> str:
    for name, path in places.items():
        line = line.replace("{" + name + "}", quoted(path))
    return line


def quoted(path: str) -> str:
    """A path as one word of LAMMPS, whatever the names of the folders are."""
    if re.fullmatch(r"[\w./+-]+", path, flags=re.ASCII):
        return path
    return f"'{path}'" if '"' in path else f'"{path}"'
