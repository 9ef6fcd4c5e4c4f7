"""Periodic copies of a structure side by side, as one structure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gbopt.model.bicrystal import Bicrystal


def repeated(structure: Bicrystal, counts: tuple[int, int, int]) -> Bicrystal:
    """A structure repeated along its cell vectors; itself where nothing is repeated.

    Args:
        structure: the cell.
        counts: copies along a, b and c; along c of a crystal only, since copies of a bicrystal
            have more than two boundaries.
    """
    if counts == (1, 1, 1):
        return structure
    if counts[2] > 1 and structure.boundaries_A:
        raise ValueError("a bicrystal is repeated along its boundaries only")
    grid = np.meshgrid(*[np.arange(count) for count in counts], indexing="ij")
    shifts = np.stack(grid, axis=-1).reshape(-1, 3) @ structure.cell
    copies = len(shifts)
    return replace(
        structure,
        positions=(structure.positions[None] + shifts[:, None]).reshape(-1, 3),
        sites=(structure.sites[None] + shifts[:, None]).reshape(-1, 3),
        species=np.tile(structure.species, copies),
        grain=np.tile(structure.grain, copies),
        core=np.tile(structure.core, copies),
        cell=structure.cell * np.array(counts)[:, None],
        ledger={unit: copies * count for unit, count in structure.ledger.items()},
        provenance={**structure.provenance, "repeated": list(counts)},
    )
