"""Structures that others made: ions with formal charges, in a cell turned to gbopt's form."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.charges import FORMAL_CHARGES_E
from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.errors import ConfigError, GboptError, GeometryError
from gbopt.model.bicrystal import SPECIES, Bicrystal

if TYPE_CHECKING:
    from ase import Atoms
    from ase.io.cif import CIFBlock

READABLE = "CIF (.cif), extended XYZ (.extxyz, .xyz), POSCAR (.vasp), LAMMPS data (.data, .lmp)"
_FORMATS = {
    ".cif": "cif",
    ".extxyz": "extxyz",
    ".xyz": "extxyz",
    ".vasp": "vasp",
    ".poscar": "vasp",
    ".data": "lammps-data",
    ".lmp": "lammps-data",
}

# Longer cells, and ions farther out than this, are not what was meant.
_FARTHEST_A = 1e4
_OVERLAP_A = 0.7
_FULL = 0.999
_PERPENDICULAR_DEG = 0.1
# LAMMPS masses are rounded, isotopes (6Li) and mean masses differ: more is another element.
_MASS_TOLERANCE_AMU = 0.3


class Ions(NamedTuple):
    """Ions in a periodic cell, as they were found."""

    positions: NDArray[np.float64]
    """(n, 3) A, wrapped into the cell."""
    cell: NDArray[np.float64]
    """(3, 3) A, rows are cell vectors."""
    elements: NDArray[np.str_]
    """(n,) chemical symbols."""
    charges_e: NDArray[np.int64]
    """(n,) formal charges."""


def read_ions(path: Path, formal_charges: Mapping[str, int] | None = None) -> Ions:
    """Read a structure from a file; charges that the file may give are not used.

    Args:
        path: the file; its name tells the format (READABLE).
        formal_charges: formal charges in e by element, before those of FORMAL_CHARGES_E.

    Raises:
        ConfigError: the file cannot be read, or is no single periodic structure.
        GeometryError: sites are partly occupied, ions overlap, an element has no formal charge,
            or the cell is charged.
    """
    atoms = _read(path)
    elements = np.array(atoms.get_chemical_symbols())
    known = {**FORMAL_CHARGES_E, **(formal_charges or {})}
    if missing := sorted(set(elements.tolist()) - set(known)):
        raise GeometryError(
            f"{path.name} holds {', '.join(missing)}, of which no formal charge is known",
            hint=f"give it: --charges '{missing[0]}=3'",
        )
    cell = np.asarray(atoms.cell.array, dtype=np.float64)
    positions = wrap(np.asarray(atoms.positions, dtype=np.float64), cell)
    ions = Ions(positions, cell, elements, np.array([known[name] for name in elements.tolist()]))
    _require_apart(ions, path)
    _require_neutral(ions, path)
    return ions


def read_unlabelled(path: Path) -> Bicrystal:
    """Read any periodic structure as it is: no grains, no boundaries, no formal charges.

    Raises:
        ConfigError: the file cannot be read, or is no single periodic structure.
    """
    atoms = _read(path)
    symbols = np.array(atoms.get_chemical_symbols())
    present = set(symbols.tolist())
    elements = tuple([name for name in SPECIES if name in present] + sorted(present - set(SPECIES)))
    cell, turn = atoms.cell.standard_form()
    positions = wrap(np.asarray(atoms.positions @ turn.T, dtype=np.float64), cell.array)
    n = len(positions)
    return Bicrystal(
        positions=positions,
        cell=np.asarray(cell.array, dtype=np.float64),
        sites=positions,
        species=np.array([elements.index(name) for name in symbols.tolist()], dtype=np.int8),
        grain=np.zeros(n, dtype=np.int8),
        core=np.zeros(n, dtype=bool),
        boundaries_A=(),
        core_width_A=0.0,
        lattice_A=float(cell.array[0, 0]),
        elements=elements,
        formal_charges_e=(0,) * len(elements),
        provenance={"source": path.name},
    )


def formula(elements: NDArray[np.str_]) -> str:
    """Composition such as ``Li144La64Zr40O248``, the elements of LLZO first."""
    tally = Counter(elements.tolist())
    order = [*SPECIES, *sorted(set(tally) - set(SPECIES))]
    return "".join(f"{name}{tally[name]}" for name in order if tally[name])


def oriented(ions: Ions, axis: int) -> Ions:
    """Turn ions so that one cell vector becomes c, along z, and a lies along x (LAMMPS form).

    Whole vectors a and b are taken off c, and a off b, which leaves the crystal as it is. What
    is left of a tilt of c, up to 0.1 deg, is sheared away.

    Args:
        ions: in any cell.
        axis: the cell vector, 0 to 2, that crosses the boundaries.

    Raises:
        GeometryError: no such c is perpendicular to a and b.
    """
    a, b, c = ions.cell[[axis - 2, axis - 1, axis]]
    if np.linalg.det([a, b, c]) < 0:
        a, b = b, a
    # A tilt of half a is written as +a/2, whatever the rounding of the file.
    b = b - np.ceil(a @ b / (a @ a) - 0.5 - 1e-6) * a
    normal = np.cross(a, b) / np.linalg.norm(np.cross(a, b))
    c = _steepest(a, b, c)
    height = float(c @ normal)
    tilt_deg = float(np.degrees(np.arctan2(np.linalg.norm(c - height * normal), height)))
    if tilt_deg > _PERPENDICULAR_DEG:
        raise GeometryError(
            f"cell vector {'abc'[axis]} crosses the boundaries {tilt_deg:.2f} deg off their "
            "normal, and no whole vectors of the boundary plane make it perpendicular",
            hint="shift one grain along the boundary, or add its mirror image, so that the "
            "stacking vector is perpendicular to the boundary",
        )
    x = a / np.linalg.norm(a)
    y = np.cross(normal, x)
    cell = np.array([[a @ x, 0.0, 0.0], [b @ x, b @ y, 0.0], [0.0, 0.0, height]])
    fractional = ions.positions @ np.linalg.inv(np.array([a, b, c]))
    return ions._replace(positions=wrap(fractional @ cell, cell), cell=cell)


def _steepest(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of all c + i a + j b the shortest: that nearest to the normal of a and b."""
    plane = np.array([a, b])
    nearest = np.round(np.linalg.lstsq(plane.T, c, rcond=None)[0])
    steps = np.array([(m, n) for m in (0, -1, 1) for n in (0, -1, 1)]) - nearest
    candidates = c + steps @ plane
    shortest: NDArray[np.float64] = candidates[np.linalg.norm(candidates, axis=1).argmin()]
    return shortest


def _read(path: Path) -> Atoms:
    """The one periodic structure of a file."""
    by_name = "vasp" if path.name.upper().startswith(("POSCAR", "CONTCAR")) else None
    kind = _FORMATS.get(path.suffix.lower(), by_name)
    if kind is None:
        raise ConfigError(
            f"cannot tell the structure format from the name {path.name!r}",
            hint=f"give a file of one of these: {READABLE}",
        )
    try:
        frames = _frames(path, kind)
    except GboptError:
        raise
    except Exception as error:  # ASE's readers raise what they like, OSError of their own as well
        if isinstance(error, OSError) and error.errno is not None:
            raise
        detail = " ".join(str(error).split())
        raise ConfigError(
            f"{path} cannot be read as {kind}" + (f" ({detail})" if detail else ""),
            hint=f"check the file, or convert it to one of these: {READABLE}",
        ) from error
    if len(frames) != 1:
        raise ConfigError(
            f"{path.name} holds {len(frames)} structures, not one",
            hint="write the one that is to be looked at to a file of its own",
        )
    _require_plausible(frames[0], path)
    return frames[0]


def _require_plausible(atoms: Atoms, path: Path) -> None:
    """Refuse a cell and positions that no structure has."""
    for what, numbers in (("cell", atoms.cell.array), ("position", atoms.positions)):
        if not np.isfinite(numbers).all():
            raise ConfigError(
                f"{path.name} has a {what} that is no number",
                hint="look for nan and inf in the file: a run that blew up writes them",
            )
        if (farthest_A := float(np.abs(numbers).max(initial=0.0))) > _FARTHEST_A:
            raise ConfigError(
                f"{path.name} has a {what} of {farthest_A:.3g} A, more than {_FARTHEST_A:g} A",
                hint="check the file and its unit of length, which must be Angstrom",
            )
    if not len(atoms) or abs(atoms.cell.volume) < 1.0:
        raise ConfigError(
            f"{path.name} holds no ions in a periodic cell",
            hint="write the three cell vectors with the ions; extended XYZ has Lattice= for them",
        )


def _frames(path: Path, kind: str) -> list[Atoms]:
    from ase.io import read
    from ase.io.cif import parse_cif

    if kind == "cif":
        with path.open("rb") as file:  # ASE decodes it
            return [_expanded(block, path) for block in parse_cif(file) if block.has_structure()]
    if kind == "extxyz":
        with path.open(encoding="utf-8") as lines:
            require_whole_xyz(lines)
    options = {"Z_of_type": _types(path)} if kind == "lammps-data" else {}
    frames: list[Atoms] = read(
        path, index=":", format=kind, do_not_split_by_at_sign=True, **options
    )
    return frames


def require_whole_xyz(lines: IO[str]) -> None:
    """Refuse (extended) XYZ whose counts of ions are not those of its lines.

    ASE would look for as many lines as any number says, and for ever.

    Raises:
        ValueError: a count is no number, or the file ends before as many ions.
    """
    while (line := lines.readline()).strip():
        if not (text := line.strip()).isdecimal():
            raise ValueError(f"there is {text[:40]!r} where the number of ions should stand")
        found = sum(1 for _ in islice(lines, min(int(text) + 1, sys.maxsize))) - 1
        if found < int(text):
            raise ValueError(
                f"it ends within a frame: {text[:40]} ions are announced, {max(found, 0)} are there"
            )


def _expanded(block: CIFBlock, path: Path) -> Atoms:
    """All ions of a CIF block."""
    occupancies = block.get("_atom_site_occupancy", [])
    for name, share in zip(block.get_symbols(), occupancies, strict=False):
        if str(share) not in "?." and float(share) < _FULL:
            raise GeometryError(
                f"{path.name} has partly occupied sites ({name} {float(share):g})",
                hint="place whole ions first, so that every site is either full or left out",
            )
    if len(block.get_spacegroup(subtrans_included=True).get_symop()) == 1:
        # To look for equivalents that do not exist takes ASE a minute for some thousand ions.
        return block.get_unsymmetrized_structure()
    return block.get_atoms(fractional_occupancies=False)


def _types(path: Path) -> dict[int, int]:
    """Atomic numbers of the types of a LAMMPS data file, by label where there is one."""
    from ase.data import atomic_masses, atomic_numbers

    text = path.read_text(encoding="utf-8-sig")
    labels = dict(
        re.findall(r"^\s*(\d+)\s+([A-Z][a-z]?)", _section(text, "Atom Type Labels"), re.M)
    )
    masses = re.findall(
        r"^\s*(\d+)\s+([\d.eE+-]+)[^\S\n]*(?:#[^\S\n]*([A-Z][a-z]?))?",
        _section(text, "Masses"),
        re.M,
    )
    numbers: dict[int, int] = {}
    for kind, mass, comment in masses:
        label = labels.get(kind, comment)
        nearest = int(np.abs(atomic_masses[1:] - float(mass)).argmin()) + 1
        off = abs(atomic_masses[nearest] - float(mass))
        if label not in atomic_numbers and off > _MASS_TOLERANCE_AMU:
            raise ConfigError(
                f"type {kind} of {path.name} has a mass of {mass} amu, which is no element's",
                hint=f"name the element behind the mass: '{kind} {mass} # Li'",
            )
        numbers[int(kind)] = atomic_numbers.get(label, nearest)
    if not numbers:
        raise ConfigError(
            f"{path.name} has no section Masses, so its types have no elements",
            hint="add the section, each line with its element: '1 6.94 # Li'",
        )
    return numbers


def _section(text: str, title: str) -> str:
    """The lines of a section of a LAMMPS data file; empty where there is none."""
    found = re.search(rf"^{title}[^\n]*\n\s*\n((?:[^\S\n]*\S[^\n]*\n?)*)", text, re.M)
    return found[1] if found else ""


def _require_apart(ions: Ions, path: Path) -> None:
    pairs = pairs_within(ions.positions, ions.cell, _OVERLAP_A)
    if len(pairs.i):
        worst = int(pairs.distance.argmin())
        names = "-".join(str(ions.elements[n]) for n in (pairs.i[worst], pairs.j[worst]))
        raise GeometryError(
            f"{path.name} has a {names} pair {pairs.distance[worst]:.2f} A apart",
            hint="take one of the two away: are these positions of one partly occupied site?",
        )


def _require_neutral(ions: Ions, path: Path) -> None:
    charge = int(ions.charges_e.sum())
    if charge:
        used = dict(sorted(zip(ions.elements.tolist(), ions.charges_e.tolist(), strict=True)))
        raise GeometryError(
            f"{path.name}, {formula(ions.elements)}, has a charge of {charge:+d} e with "
            + ", ".join(f"{name} {value:+d}" for name, value in used.items()),
            hint="add or take away ions until it is neutral, or give other formal charges with "
            "--charges 'La=3,...'",
        )
