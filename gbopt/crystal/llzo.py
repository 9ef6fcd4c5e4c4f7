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

from gbopt.model.bicrystal import FORMAL_CHARGES, LA, LI, SPECIES, ZR, O
from gbopt.model.crystal import Crystal, Sites

CUBIC_A = 12.9827
TETRAGONAL_A, TETRAGONAL_C = 13.23607, 12.701706

_CUBIC_FRAMEWORK = (
    (LA, (1 / 8, 0.0, 1 / 4)),  # 24c
    (ZR, (0.0, 0.0, 0.0)),  # 16a
    (O, (0.0999, 0.1962, 0.28163)),  # 96h
)
_CUBIC_LI_24D = (3 / 8, 0.0, 1 / 4)
_CUBIC_LI_96H = (0.0959, 0.6922, 0.5731)
_BODY_CENTRED = ((2, 0, 0), (0, 2, 0), (1, 1, 1))  # doubled
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

# Shortest distances in A over 41 DFT-relaxed LLZO boundaries (W. Xie et al., Adv. Energy
# Mater. 2023, doi 10.1002/aenm.202304230), in the order Li, La, Zr, O.
RELAXED_MINIMUM_A = np.array(
    [
        [2.02, 2.64, 2.52, 1.77],
        [2.64, 3.35, 3.24, 2.15],
        [2.52, 3.24, 3.33, 1.94],
        [1.77, 2.15, 1.94, 2.56],
    ]
)
# Two 24d sites on one octahedron are 3.98 A apart; no two of the occupied ones are.
_LINKED_A = 4.1


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
def cubic_llzo() -> Crystal:
    """Cubic LLZO with lithium disordered over 24d (a third) and 96h (a half).

    A lithium ion on a tetrahedral 24d site excludes the octahedral positions 1.60 A away, and an
    octahedron holds one ion at most. With a third of the tetrahedra, no two on one octahedron,
    there is room for one ion in every octahedron: 8 + 48 = 56 in a cubic cell, Li7.
    """
    sites = cubic_sites()
    chosen = _half(sites.framework)
    octahedra = sites.octahedral[_half(sites.octahedral.mean(axis=1))]
    return Crystal(
        name="c-LLZO",
        elements=SPECIES,
        formal_charges_e=FORMAL_CHARGES,
        lattice_A=CUBIC_A,
        shape_a=np.eye(3),
        primitive=_BODY_CENTRED,
        denominator=2,
        framework=sites.framework[chosen],
        species=sites.species[chosen],
        shortest_A=RELAXED_MINIMUM_A,
        mobile=LI,
        mobile_sites=(
            Sites("24d", sites.tetrahedral[_half(sites.tetrahedral)], 1 / 3, _LINKED_A / CUBIC_A),
            Sites("96h", octahedra.reshape(-1, 3), 1 / 2),
        ),
    )


@lru_cache(maxsize=1)
def tetragonal_llzo() -> Crystal:
    """Tetragonal LLZO: every lithium site full."""
    shape = np.diag([1.0, 1.0, TETRAGONAL_C / TETRAGONAL_A])
    orbits = [(kind, _orbit(142, xyz)) for kind, xyz in _TETRAGONAL]
    orbits = [(kind, orbit[_half(orbit)]) for kind, orbit in orbits]
    return Crystal(
        name="t-LLZO",
        elements=SPECIES,
        formal_charges_e=FORMAL_CHARGES,
        lattice_A=TETRAGONAL_A,
        shape_a=shape,
        primitive=_BODY_CENTRED,
        denominator=2,
        framework=np.concatenate([orbit for kind, orbit in orbits if kind != LI]),
        species=np.concatenate(
            [np.full(len(o), kind, dtype=np.int8) for kind, o in orbits if kind != LI]
        ),
        shortest_A=RELAXED_MINIMUM_A,
        mobile=LI,
        mobile_sites=tuple(
            Sites(name, orbit, 1.0)
            for name, orbit in zip(
                ("32g", "16f", "8a"), (o for kind, o in orbits if kind == LI), strict=True
            )
        ),
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
