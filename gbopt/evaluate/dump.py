"""LAMMPS text dumps, frame by frame."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.errors import AnalysisError, ConfigError

ADVICE = "write a LAMMPS dump by `dump ID all custom N FILE id element xu yu zu`"
"""What to do instead, for a file that cannot be analysed."""

_ITEM = re.compile(r"ITEM: (UNITS|TIMESTEP|TIME|NUMBER OF ATOMS|BOX BOUNDS|ATOMS)\b(.*)")
# Columns of a dump, whether they are shares of the cell, and whether they are unwrapped.
_COORDINATES = (
    (("xu", "yu", "zu"), False, True),
    (("xsu", "ysu", "zsu"), True, True),
    (("x", "y", "z"), False, False),
    (("xs", "ys", "zs"), True, False),
)
# Of the time units of LAMMPS's styles in Angstrom.
_PS = {"metal": 1.0, "real": 1e-3}
_IMAGES = ("ix", "iy", "iz")
_NEEDED = ("TIMESTEP", "BOX BOUNDS")

Block = dict[str, tuple[list[str], list[str]]]
"""Words of the title and lines of each section of one frame of a dump."""


class Snapshot(NamedTuple):
    """One frame as it stands in the file."""

    ids: NDArray[np.int64]
    """(n,) by which ions keep their identity; their order where the file has none."""
    elements: NDArray[np.str_]
    positions: NDArray[np.float64]
    """(n, 3) A."""
    cell: NDArray[np.float64]
    """(3, 3) A, rows are cell vectors."""
    step: int
    periodic: bool
    unwrapped: bool
    time: float | None = None
    """When it was, where the file says."""
    time_unit_ps: float | None = None
    """Unit of that, where the file says."""


def open_text(path: Path) -> IO[str]:
    """Open a text file, compressed or not.

    Raises:
        ConfigError: it cannot be opened.
    """
    from ase.io.formats import open_with_compression

    try:
        handle: IO[str] = open_with_compression(str(path))
    except OSError as error:
        raise ConfigError(
            f"cannot read the trajectory {path}: {error.strerror}", hint="give the path of a file"
        ) from None
    return handle


def blocks(path: Path) -> Iterator[Block]:
    """The frames of a dump; a last one cut short, as by the end of a run, is left out."""
    block: Block = {"NUMBER OF ATOMS": ([], ["1"])}
    with open_text(path) as lines:
        for line in lines:
            item = _ITEM.match(line)
            if item is None:
                raise AnalysisError(
                    f"{path} holds {line.strip()[:40]!r} where a section of a LAMMPS text dump "
                    "should begin",
                    hint=ADVICE,
                )
            size = {"ATOMS": _count(block, path), "BOX BOUNDS": 3}.get(item[1], 1)
            body = list(islice(lines, size))
            if len(body) < size or not body[-1].endswith("\n"):
                return
            block[item[1]] = item[2].split(), body
            if item[1] == "ATOMS":
                if missing := [name for name in _NEEDED if name not in block]:
                    raise AnalysisError(f"{path} has no section {missing[0]}", hint=ADVICE)
                yield block


def _count(block: Block, path: Path) -> int:
    """Ions of a frame."""
    text = block["NUMBER OF ATOMS"][1][0].strip()
    if not text.isdecimal() or not 0 < int(text) < sys.maxsize:
        raise AnalysisError(
            f"{path} has {text[:40]!r} where the number of ions should stand", hint=ADVICE
        )
    return int(text)


def snapshot(block: Block, types: Sequence[str] | None) -> Snapshot:
    """Turn one frame of a dump into numbers; ``types`` names the elements of types 1, 2, ...

    Raises:
        AnalysisError: a column that is needed is missing, or a type has no name.
    """
    columns, rows = block["ATOMS"]
    cell, origin = box(*block["BOX BOUNDS"])
    known = (entry for entry in _COORDINATES if set(entry[0]) <= set(columns))
    names, scaled, unwrapped = next(known, (("xu", "yu", "zu"), False, True))
    images = _IMAGES if not unwrapped and set(_IMAGES) <= set(columns) else ()
    ids = ("id",) if "id" in columns else ()
    used = [_column(columns, name) for name in (*names, *images, *ids)]
    table = np.loadtxt(rows, usecols=used, ndmin=2, comments=None)
    positions = origin + table[:, :3] @ cell if scaled else table[:, :3]
    if images:
        positions = positions + table[:, 3:6] @ cell
    return Snapshot(
        ids=table[:, -1].astype(np.int64) if ids else np.arange(len(table)),
        elements=_elements(columns, rows, types),
        positions=positions,
        cell=cell,
        step=int(block["TIMESTEP"][1][0]),
        periodic=block["BOX BOUNDS"][0][-3:] == ["pp"] * 3,
        # Without ids the order may change unseen: the length of the steps then tells.
        unwrapped=bool(ids) and (unwrapped or bool(images)),
        time=float(block["TIME"][1][0]) if "TIME" in block else None,
        time_unit_ps=_time_unit_ps(block),
    )


def _time_unit_ps(block: Block) -> float | None:
    """Unit of time, ps; LAMMPS writes it with the first frame of a file.

    Raises:
        AnalysisError: units in which lengths are not Angstrom.
    """
    if "UNITS" not in block:
        return None
    units = block["UNITS"][1][0].strip()
    if units not in _PS:
        raise AnalysisError(
            f"the dump is in LAMMPS units {units}, but lengths must be in Angstrom",
            hint="analyse a run in units metal or real",
        )
    return _PS[units]


def _column(columns: list[str], *names: str) -> int:
    """Index of the first of the names that there is."""
    for name in names:
        if name in columns:
            return columns.index(name)
    raise AnalysisError(
        f"the dump has no column {' or '.join(names)}, only {' '.join(columns)}",
        hint=f"{ADVICE}; types stand in for elements with --types 'Li La Zr O'",
    )


def _elements(columns: list[str], rows: list[str], types: Sequence[str] | None) -> NDArray[np.str_]:
    """(n,) symbols, by the types given or else by the column that names them."""
    column = _column(columns, *(("element", "typelabel") if types is None else ("type",)))
    words = np.array([row.split()[column] for row in rows])
    if types is None:
        return words
    kinds = words.astype(np.int64)
    if kinds.max() > len(types):
        raise AnalysisError(
            f"the dump has a type {kinds.max()}, but --types names {len(types)}",
            hint="name the elements of all types in their order",
        )
    return np.array(types)[kinds - 1]


def box(title: list[str], lines: list[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cell (rows are vectors) and origin of a dump, A.

    The header of an oblique box holds the bounds of the upright box around it (LAMMPS manual,
    Howto triclinic), unless it lists the vectors themselves ("abc origin").
    """
    bounds = np.array([line.split() for line in lines], dtype=np.float64)
    if "abc" in title:
        return bounds[:, :3], bounds[:, 3]
    if (bounds[:, 1] <= bounds[:, 0]).any():
        raise AnalysisError(
            "the box of the dump ends where it begins, or before that", hint="check BOX BOUNDS"
        )
    xy, xz, yz = bounds[:, 2] if bounds.shape[1] == 3 else (0.0, 0.0, 0.0)
    low = bounds[:, 0] - [min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0]
    high = bounds[:, 1] - [max(0.0, xy, xz, xy + xz), max(0.0, yz), 0.0]
    cell = np.diag(high - low)
    cell[1, 0], cell[2, 0], cell[2, 1] = xy, xz, yz
    return cell, low
