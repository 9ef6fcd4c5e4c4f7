"""A small system to try engines on: tetragonal LLZO where the potential has its elements."""

from __future__ import annotations

import numpy as np

from gbopt.config import Potential
from gbopt.crystal.llzo import tetragonal_cell
from gbopt.errors import ConfigError
from gbopt.md.engine import System
from gbopt.model.bicrystal import SPECIES

_DISPLACED_A = 0.05


def sample_system(potential: Potential, cells: int = 0) -> System:
    """LLZO with its ions a little off their sites, so that no force is zero by symmetry.

    Args:
        potential: what it is for: 1,536 ions for a classical one, 192 for a learned one.
        cells: cells along each edge instead.

    Raises:
        ConfigError: the potential does not describe LLZO.
    """
    if not set(SPECIES) <= set(potential.elements):
        raise ConfigError(
            f"{potential.name} does not describe LLZO: it has {', '.join(potential.elements)}",
            hint="give `gbopt bench-md` a structure of these elements",
        )
    count = cells or (1 if potential.kind == "ase" else 2)
    positions, cell, species = tetragonal_cell()
    shifts = np.stack(np.meshgrid(*[np.arange(count)] * 3, indexing="ij"), -1).reshape(-1, 3)
    repeated = (positions[None] + (shifts @ cell)[:, None]).reshape(-1, 3)
    off = np.random.default_rng(0).standard_normal(repeated.shape)
    return System(
        positions=repeated + _DISPLACED_A * off,
        cell=cell * count,
        species=np.tile(species, len(shifts)),
        elements=SPECIES,
        core=np.zeros(len(repeated), dtype=bool),
    )
