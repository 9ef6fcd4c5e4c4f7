"""The specification behind a structure file that gbopt wrote, once the file is seen to obey it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gbopt.config.files import validated
from gbopt.errors import ConfigError, GeometryError
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.read import read_unlabelled
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.spec import GBSpec

# Files hold positions to six decimals of the cell or better.
_SAME_A = 0.01
_INSPECT = (
    "`gbopt inspect` says what boundaries it holds: give one of them by its name or specification"
)


def written_specification(path: Path) -> GBSpec:
    """Return the specification that a structure file was built from.

    The specification is built again, and the file must hold just that: a file whose ions were
    edited, annealed or repeated is another structure than its header says.

    Args:
        path: extended XYZ; or CIF or LAMMPS data with the NAME.json that gbopt puts beside it.

    Raises:
        ConfigError: the file cannot be read, or says nothing of how it was built.
        GeometryError: it does not hold what its specification builds.
    """
    if not path.is_file():
        raise ConfigError(
            f"there is no structure {path}", hint="give the path of a file that `gbopt build` wrote"
        )
    record = _record(path)
    fields = record.get("provenance", {}).get("spec")
    if not isinstance(fields, dict) or "plane" not in fields:
        raise ConfigError(f"{path} does not say which boundary it was built as", hint=_INSPECT)
    spec = validated(GBSpec, fields, f"{path}: ", _INSPECT)
    built = build_bicrystal(spec, float(record["lattice_A"]))
    if not _same(built, read_unlabelled(path)):
        raise GeometryError(
            f"{path} does not hold what its specification ({spec.label}) builds: it was edited or "
            "run since, or another version of gbopt built it",
            hint="build it again with `gbopt build`",
        )
    return spec


def _record(path: Path) -> dict[str, Any]:
    """What gbopt wrote of a structure; empty where it wrote nothing."""
    beside = path.with_name(path.name + ".json")
    if path.suffix in {".extxyz", ".xyz"}:
        text = _comment(path)
    else:
        text = beside.read_text(encoding="utf-8") if beside.exists() else ""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = {}
    return found if isinstance(found, dict) and "lattice_A" in found else {}


def _comment(path: Path) -> str:
    """The record in the header of an extended XYZ file."""
    from ase.io.extxyz import key_val_str_to_dict

    with path.open(encoding="utf-8") as lines:
        next(lines, "")
        found = key_val_str_to_dict(next(lines, "")).get("gbopt", "")
    return found if isinstance(found, str) else json.dumps(found)


def _same(built: Bicrystal, read: Bicrystal) -> bool:
    """Whether two structures are the same ions, in the same order, at the same places."""
    if built.n_ions != read.n_ions or not np.allclose(built.cell, read.cell, atol=_SAME_A):
        return False
    names = [np.array(s.elements)[s.species] for s in (built, read)]
    apart = (built.positions - read.positions) @ np.linalg.inv(built.cell)
    apart = (apart - np.round(apart)) @ built.cell
    return bool((names[0] == names[1]).all() and np.abs(apart).max() < _SAME_A)
