"""The two phases of LLZO, as Wyckoff orbits expanded to a conventional cell.

Cubic, Ia-3d (No. 230): a = 12.9827 A, single-crystal X-ray, Awaka et al., Chem. Lett. 40, 60
(2011); Zr at the origin. Lithium is disordered over 24d and the split octahedral site 96h.
Tetragonal, I4_1/acd (No. 142, origin choice 1): the DFT-relaxed, fully ordered cell
a = 13.23607, c = 12.70171 A of the Materials Project, as used by Morgan's ``hofmann`` examples.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.model.bicrystal import LA, LI, ZR, O

CUBIC_A = 12.9827
FORMULA_UNITS_PER_CELL = 8
FRAMEWORK_PER_CELL = 136  # La24 Zr16 O96
LI_PER_CELL = 56
TETRAGONAL_A, TETRAGONAL_C = 13.23607, 12.701706

_CUBIC_FRAMEWORK = (
    (LA, (1 / 8, 0.0, 1 / 4)),  # 24c
    (ZR, (0.0, 0.0, 0.0)),  # 16a
    (O, (0.0999, 0.1962, 0.28163)),  # 96h
)
_CUBIC_LI_24D = (3 / 8, 0.0, 1 / 4)
_CUBIC_LI_96H = (0.0959, 0.6922, 0.5731)
_TETRAGONAL = (
    (LI, (0.08052, 0.16247, 0.93086)),
    (LI, (0.18121, 0.18121, 0.75)),
    (LI, (0.0, 0.0, 0.0)),
    (LA, (0.12737, 0.25, 0.375)),
    (LA, (0.0, 0.0, 0.25)),
    (ZR, (0.0, 0.25, 0.125)),
    (O, (0.03462, 0.69452, 0.47130)),
    (O, (0.05496, 0.10244, 0.09067)),
    (O, (0.15082, 0.22323, 0.57124)),
)


class CubicSites(NamedTuple):
    """Sites of the conventional cubic cell, fractional coordinates in [0, 1)."""

    framework: NDArray[np.float64]
    """(136, 3) La, Zr and O."""
    species: NDArray[np.int8]
    """(136,) index into SPECIES."""
    tetrahedral: NDArray[np.float64]
    """(24, 3) Li on 24d."""
    octahedral: NDArray[np.float64]
    """(48, 2, 3) Li on 96h: the two split positions of each octahedron."""


@lru_cache(maxsize=1)
def cubic_sites() -> CubicSites:
    """Expand the orbits of Ia-3d; the two 96h positions 0.8 A apart share an octahedron."""
    orbits = [(kind, _orbit(230, xyz)) for kind, xyz in _CUBIC_FRAMEWORK]
    split = _orbit(230, _CUBIC_LI_96H)
    return CubicSites(
        framework=np.concatenate([orbit for _, orbit in orbits]),
        species=np.concatenate([np.full(len(o), kind, dtype=np.int8) for kind, o in orbits]),
        tetrahedral=_orbit(230, _CUBIC_LI_24D),
        octahedral=_paired(split),
    )


@lru_cache(maxsize=1)
def primitive_sites() -> CubicSites:
    """One of each pair of sites that the body-centring relates: half of ``cubic_sites``."""
    sites = cubic_sites()
    chosen = _half(sites.framework)
    return CubicSites(
        framework=sites.framework[chosen],
        species=sites.species[chosen],
        tetrahedral=sites.tetrahedral[_half(sites.tetrahedral)],
        octahedral=sites.octahedral[_half(sites.octahedral.mean(axis=1))],
    )


def _half(sites: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of one site of each pair (x, x + 1/2 1/2 1/2)."""
    delta = sites[:, None, :] - sites[None, :, :] - 0.5
    partner = np.linalg.norm(delta - np.round(delta), axis=-1).argmin(axis=1)
    return np.flatnonzero(np.arange(len(sites)) < partner)


def tetragonal_cell() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int8]]:
    """Return ordered t-LLZO: positions (192, 3) A, cell (3, 3) A, species (192,)."""
    cell = np.diag([TETRAGONAL_A, TETRAGONAL_A, TETRAGONAL_C])
    orbits = [(kind, _orbit(142, xyz)) for kind, xyz in _TETRAGONAL]
    species = np.concatenate([np.full(len(o), kind, dtype=np.int8) for kind, o in orbits])
    return np.concatenate([orbit for _, orbit in orbits]) @ cell, cell, species


def _orbit(number: int, xyz: tuple[float, float, float]) -> NDArray[np.float64]:
    from ase.spacegroup import Spacegroup

    sites, _ = Spacegroup(number, setting=1).equivalent_sites([xyz], symprec=1e-4)
    orbit: NDArray[np.float64] = np.asarray(sites, dtype=np.float64) % 1.0
    return orbit


def _paired(split: NDArray[np.float64]) -> NDArray[np.float64]:
    """Group the 96 split positions into 48 octahedra by their nearest neighbour."""
    delta = split[:, None, :] - split[None, :, :]
    delta -= np.round(delta)
    distance = np.linalg.norm(delta, axis=-1) + 9.0 * np.eye(len(split))
    partner = distance.argmin(axis=1)
    first = np.flatnonzero(np.arange(len(split)) < partner)
    # The partner is stored as the image beside the first, so that both move together.
    second = split[first] - delta[first, partner[first]]
    return np.stack([split[first], second], axis=1)
