"""The binary oxides that LLZO is made of, as single crystals to be relaxed.

Li2O, antifluorite: a = 4.619 A, Zintl, Harder and Dauth, Z. Elektrochem. 40, 588 (1934).
La2O3, A-type, P-3m1, nature's phase: a = 3.9381, c = 6.1361 A, Aldebert and Traverse, Mater. Res.
Bull. 14, 303 (1979). La2O3, C-type (bixbyite), Ia-3, metastable: a = 11.4 A with the fractional
coordinates of Y2O3, Paton and Maslen, Acta Cryst. 19, 307 (1965).
ZrO2, tetragonal, P4_2/nmc: a = 3.5984, c = 5.152 A, Malek, Benes and Mitsuhashi, Powder Diffr. 12,
96 (1997), with O at z = 0.203, Lutterotti and Scardi, J. Appl. Cryst. 23, 246 (1990).

A potential's own lowest phase need not be nature's, and chemical potentials must come from the
lowest. With each of gbopt's potentials the C-type of La2O3 lies below the A-type, by 0.81 eV per
formula unit with llzo-buckingham-c, where the A-type is a saddle. There monoclinic ZrO2 is no
minimum either: it turns into a phase of the alpha-PbO2 type, 0.16 eV below the tetragonal one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gbopt.crystal.neighbours import wrap
from gbopt.model.bicrystal import LA, LI, ZR, Bicrystal, O

IONS_PER_UNIT = {"Li2O": 3, "La2O3": 5, "ZrO2": 3}
"""Ions of one formula unit of each oxide."""


class _Phase(NamedTuple):
    """A crystal structure and how often its cell is repeated."""

    name: str
    space_group: int
    a_A: float
    c_A: float
    gamma_deg: float
    orbits: tuple[tuple[int, tuple[float, float, float]], ...]
    repeats: tuple[int, int, int]
    """Cells along a, b, c: 9 A or more, so that PPPM has a box of ordinary size."""


_PHASES = {
    "Li2O": (
        _Phase(
            name="antifluorite",
            space_group=225,
            a_A=4.619,
            c_A=4.619,
            gamma_deg=90.0,
            orbits=((LI, (1 / 4, 1 / 4, 1 / 4)), (O, (0.0, 0.0, 0.0))),
            repeats=(2, 2, 2),
        ),
    ),
    "La2O3": (
        _Phase(
            name="A-type",
            space_group=164,
            a_A=3.9381,
            c_A=6.1361,
            gamma_deg=120.0,
            orbits=(
                (LA, (1 / 3, 2 / 3, 0.2467)),
                (O, (1 / 3, 2 / 3, 0.6471)),
                (O, (0.0, 0.0, 0.0)),
            ),
            repeats=(3, 3, 2),
        ),
        _Phase(
            name="C-type",
            space_group=206,
            a_A=11.4,
            c_A=11.4,
            gamma_deg=90.0,
            orbits=(
                (LA, (1 / 4, 1 / 4, 1 / 4)),
                (LA, (-0.0327, 0.0, 1 / 4)),
                (O, (0.391, 0.152, 0.380)),
            ),
            repeats=(1, 1, 1),
        ),
    ),
    "ZrO2": (
        _Phase(
            name="tetragonal",
            space_group=137,
            a_A=3.5984,
            c_A=5.152,
            gamma_deg=90.0,
            orbits=((ZR, (0.0, 0.0, 0.0)), (O, (0.0, 1 / 2, 0.203))),
            repeats=(3, 3, 2),
        ),
    ),
}


def oxide_phases(oxide: str) -> dict[str, Bicrystal]:
    """Build the known phases of an oxide, by name, with their experimental lattices.

    Args:
        oxide: "Li2O", "La2O3" or "ZrO2".

    Returns:
        Single crystals of 80 to 108 ions without boundaries; ``IONS_PER_UNIT`` says how many
        formula units that is.
    """
    return {phase.name: _crystal(oxide, phase) for phase in _PHASES[oxide]}


def _crystal(oxide: str, phase: _Phase) -> Bicrystal:
    from ase.spacegroup import Spacegroup

    group = Spacegroup(phase.space_group, setting=1)
    orbits = [group.equivalent_sites([xyz], symprec=1e-4)[0] for _, xyz in phase.orbits]
    kinds = [kind for kind, _ in phase.orbits]
    repeats = np.array(phase.repeats)
    corners = np.indices(phase.repeats).reshape(3, -1).T
    gamma = np.radians(phase.gamma_deg)
    unit = phase.a_A * np.array([[1.0, 0.0, 0.0], [np.cos(gamma), np.sin(gamma), 0.0], [0, 0, 0]])
    unit[2, 2] = phase.c_A
    cell = unit * repeats[:, None]
    fractional = np.concatenate(orbits)[:, None, :] + corners
    positions = wrap(fractional.reshape(-1, 3) @ unit, cell)
    species = np.repeat(kinds, [len(orbit) * len(corners) for orbit in orbits]).astype(np.int8)
    return Bicrystal(
        positions=positions,
        cell=cell,
        sites=positions.copy(),
        species=species,
        grain=np.zeros(len(species), dtype=np.int8),
        core=np.zeros(len(species), dtype=bool),
        boundaries_A=(),
        core_width_A=0.0,
        lattice_A=phase.a_A,
        provenance={"crystal": f"{oxide}, {phase.name}"},
    )
