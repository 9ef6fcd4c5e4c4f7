"""Structures as files: extended XYZ, CIF and LAMMPS data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gbopt import __version__
from gbopt.errors import ConfigError
from gbopt.model.bicrystal import MASSES_AMU, SPECIES, Bicrystal

if TYPE_CHECKING:
    from ase import Atoms

FORMATS = {
    ".extxyz": "extended XYZ",
    ".xyz": "extended XYZ",
    ".cif": "CIF",
    ".data": "LAMMPS data",
}


def check_suffix(path: Path) -> None:
    """Refuse a path whose ending names no known format.

    Raises:
        ConfigError: the ending is not one of FORMATS.
    """
    if path.suffix not in FORMATS:
        raise ConfigError(
            f"cannot tell the structure format from the name {path.name!r}",
            hint=f"end the name with one of {', '.join(FORMATS)}",
        )


def to_ase(structure: Bicrystal) -> Atoms:
    """Convert to ASE atoms with formal charges, grain and core labels as arrays."""
    from ase import Atoms

    atoms = Atoms(
        symbols=[structure.elements[i] for i in structure.species],
        positions=structure.positions,
        cell=structure.cell,
        pbc=True,
    )
    atoms.set_array("grain", structure.grain.astype(int))
    atoms.set_array("core", structure.core.astype(int))
    atoms.set_initial_charges([structure.formal_charges_e[i] for i in structure.species])
    atoms.info["boundaries_A"] = list(structure.boundaries_A)
    atoms.info["core_width_A"] = structure.core_width_A
    atoms.info["lattice_A"] = structure.lattice_A
    atoms.info["gbopt"] = json.dumps(record(structure))
    return atoms


def record(structure: Bicrystal) -> dict[str, Any]:
    """Return what a file says of how a structure was built, as plain JSON."""
    return {
        "formula": structure.formula,
        "gbopt": __version__,
        "boundaries_A": list(structure.boundaries_A),
        "cross_boundaries_A": list(structure.cross_boundaries_A),
        "core_width_A": structure.core_width_A,
        "lattice_A": structure.lattice_A,
        "ledger": structure.ledger,
        "provenance": structure.provenance,
    }


def write_structure(structure: Bicrystal, path: Path) -> None:
    """Write a structure; the ending of the path chooses the format.

    How it was built goes along: into the header of an extended XYZ, beside a CIF or LAMMPS data
    file as NAME.json.

    Raises:
        ConfigError: the ending is not one of FORMATS.
        OSError: the file cannot be written.
    """
    check_suffix(path)
    if path.suffix == ".data":
        path.write_text(lammps_data(structure), encoding="utf-8")
    else:
        from ase.io import write

        write(path, to_ase(structure), format="cif" if path.suffix == ".cif" else "extxyz")
    if path.suffix in {".cif", ".data"}:
        beside = json.dumps(record(structure), indent=1) + "\n"
        path.with_name(path.name + ".json").write_text(beside, encoding="utf-8")


def lammps_data(structure: Bicrystal) -> str:
    """LAMMPS data file (atom_style charge, type labels), triclinic where the cell is oblique."""
    cell = structure.cell
    lines = [
        f"gbopt {structure.formula}",
        "",
        f"{structure.n_ions} atoms",
        f"{len(structure.elements)} atom types",
        "",
        f"0.0 {cell[0, 0]:.10f} xlo xhi",
        f"0.0 {cell[1, 1]:.10f} ylo yhi",
        f"0.0 {cell[2, 2]:.10f} zlo zhi",
        f"{cell[1, 0]:.10f} {cell[2, 0]:.10f} {cell[2, 1]:.10f} xy xz yz",
        "",
        "Masses",
        "",
        *(f"{i + 1} {_mass_amu(name)} # {name}" for i, name in enumerate(structure.elements)),
        "",
        "Atoms # charge",
        "",
    ]
    rows = zip(structure.species, structure.positions, strict=True)
    lines += [
        f"{n + 1} {kind + 1} {structure.formal_charges_e[kind]:g} {x:.8f} {y:.8f} {z:.8f}"
        for n, (kind, (x, y, z)) in enumerate(rows)
    ]
    return "\n".join(lines) + "\n"


def _mass_amu(element: str) -> float:
    """Mass of an element: for those of LLZO the one that MD runs with."""
    if element in SPECIES:
        return MASSES_AMU[SPECIES.index(element)]
    from ase.data import atomic_masses, atomic_numbers

    return float(atomic_masses[atomic_numbers[element]])
