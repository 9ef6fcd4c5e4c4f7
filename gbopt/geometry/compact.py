"""A structure in few bytes: positions in steps of 1e-4 A, everything else as it is.

A blob is zlib over a header (JSON: cell, boundaries, elements, provenance) and, for each ion,
species, grain, core, position and displacement from its site. Positions are counted in steps of
the cell vectors, each divided into steps of at most the resolution; the differences between
neighbours in the list are kept, byte by byte. That takes 7-9 bytes an ion, of which the position
takes six.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbopt.errors import RunFolderError
from gbopt.model.bicrystal import Bicrystal

RESOLUTIONS_A = (1e-4, 1e-5, 1e-6)
"""Steps of a position along each cell vector: it is off by half of that at most."""
EXACT = 0.0
"""Resolution of positions kept as they are."""
_LEVEL = 6
_LENGTH = struct.Struct("<I")
_KEPT = (
    "boundaries_A",
    "cross_boundaries_A",
    "core_width_A",
    "lattice_A",
    "elements",
    "formal_charges_e",
    "ledger",
    "provenance",
)
_TUPLES = ("boundaries_A", "cross_boundaries_A", "elements", "formal_charges_e")


def encode(structure: Bicrystal, resolution_A: float) -> bytes:
    """Pack a structure; ``resolution_A`` is one of RESOLUTIONS_A, or EXACT."""
    inverse, steps = np.linalg.inv(structure.cell), _steps(structure.cell, resolution_A)
    header: dict[str, Any] = {name: getattr(structure, name) for name in _KEPT}
    header |= {"cell": structure.cell.tolist(), "resolution_A": resolution_A}
    if resolution_A == EXACT:
        places = structure.positions.astype("<f8").tobytes()
    else:
        # A position that rounds up to the end of the cell is at its beginning.
        whole = np.rint(structure.positions @ inverse * steps).astype(np.int64) % steps
        places = _packed(np.diff(whole, axis=0, prepend=0))
    moved = (structure.positions - structure.sites) @ inverse
    moved = np.rint((moved - np.round(moved)) * steps).astype(np.int64)
    text = json.dumps(header).encode()
    parts = (
        _LENGTH.pack(len(text)),
        text,
        structure.species.astype(np.int8).tobytes(),
        structure.grain.astype(np.int8).tobytes(),
        structure.core.astype(np.int8).tobytes(),
        _packed(moved),
        places,
    )
    return zlib.compress(b"".join(parts), _LEVEL)


def decode(blob: bytes) -> Bicrystal:
    """Unpack a structure.

    Sites come back up to whole cell vectors.

    Raises:
        RunFolderError: the bytes are damaged.
    """
    try:
        return _decoded(zlib.decompress(blob))
    except (zlib.error, ValueError, KeyError, struct.error) as error:
        raise RunFolderError(
            f"a structure of the library is damaged: {error}",
            hint="copy the library again, or build the structure anew from its specification",
        ) from None


def _decoded(data: bytes) -> Bicrystal:
    start = _LENGTH.size + _LENGTH.unpack_from(data)[0]
    header: dict[str, Any] = json.loads(data[_LENGTH.size : start])
    cell = np.array(header.pop("cell"))
    resolution_A = header.pop("resolution_A")
    exact, steps = resolution_A == EXACT, _steps(cell, resolution_A)
    # Three bytes of labels, twelve of displacement, then the position: 24 exact, else twelve.
    n = (len(data) - start) // (39 if exact else 27)
    species, grain, core = (np.frombuffer(data, np.int8, n, start + i * n).copy() for i in range(3))
    moved = _unpacked(data, n, start + 3 * n)
    if exact:
        positions = np.frombuffer(data, "<f8", 3 * n, start + 15 * n).reshape(n, 3).copy()
    else:
        whole = np.cumsum(_unpacked(data, n, start + 15 * n), axis=0)
        positions = whole / steps @ cell
    header |= {name: tuple(header[name]) for name in _TUPLES}
    return Bicrystal(
        positions=positions,
        cell=cell,
        sites=positions - moved / steps @ cell,
        species=species,
        grain=grain,
        core=core.astype(bool),
        **header,
    )


def _steps(cell: NDArray[np.float64], resolution_A: float) -> NDArray[np.int64]:
    """(3,) steps that each cell vector is divided into."""
    step_A = resolution_A or RESOLUTIONS_A[0]  # sites may be rounded where positions are not
    steps: NDArray[np.int64] = np.ceil(np.linalg.norm(cell, axis=1) / step_A).astype(np.int64)
    return steps


def _packed(whole: NDArray[np.int64]) -> bytes:
    """(n, 3) integers, small ones of either sign as small unsigned ones, byte plane by plane."""
    zigzag = ((whole << 1) ^ (whole >> 63)).astype("<u4")
    return zigzag.view(np.uint8).reshape(-1, 4).T.tobytes()


def _unpacked(data: bytes, n: int, start: int) -> NDArray[np.int64]:
    planes = np.frombuffer(data, np.uint8, 12 * n, start).reshape(4, 3 * n)
    zigzag = np.ascontiguousarray(planes.T).view("<u4").reshape(n, 3).astype(np.int64)
    whole: NDArray[np.int64] = (zigzag >> 1) ^ -(zigzag & 1)
    return whole
