"""The cells of a study: crystals and glasses at a volume and a composition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gbopt.config.study import Compensation, Phase
from gbopt.crystal.known import get_crystal
from gbopt.crystal.llzo import CUBIC_A
from gbopt.crystal.neighbours import with_images, wrap
from gbopt.disorder.systems import FULL_LI, System
from gbopt.errors import ConfigError, GeometryError
from gbopt.geometry.bulk import build_bulk, mobile_sites
from gbopt.model.bicrystal import ELEMENT_MASSES_AMU, LA, LI, Bicrystal, O

EXPERIMENTAL_A3: dict[Phase, float] = {
    "c-LLZO": CUBIC_A**3,  # Awaka et al., Chem. Lett. 40, 60 (2011)
    "t-LLZO": 13.134**2 * 12.663,  # Awaka et al., J. Solid State Chem. 182, 2046 (2009)
}
"""Volume of a conventional cell, 8 formula units, at room temperature, A^3."""
_AMU_A3_TO_G_CM3 = 1.66053906660
# A site nearer than this to La, Zr or O is not free (shortest Li-O distance of relaxed boundaries);
# nor one nearer than that to Li: in full c-LLZO an empty 24d site has Li at 1.6 A, which can give
# way within its octahedron.
_FREE_A, _FREE_OF_LI_A = 1.7, 1.4


def crystal_cell(system: System, cells: int, seed: int) -> Bicrystal:
    """The crystal of a system, Li by seed, at its volume and composition.

    Args:
        system: a crystal.
        cells: conventional cells along each edge.
        seed: seed of the Li ordering and of what is taken out.

    Raises:
        ConfigError: the composition asks for a part of an ion.
    """
    kind = get_crystal(system.phase)
    volume_A3 = EXPERIMENTAL_A3[system.phase] * system.volume
    lattice_A = (volume_A3 / float(np.linalg.det(kind.shape_a))) ** (1 / 3)
    # Built at its own lattice parameter, where the gate knows the distances, then strained.
    full = build_bulk(cells, kind.lattice_A, seed, kind)
    free = mobile_sites(kind, cells, kind.lattice_A) if system.li > FULL_LI else None
    rng = np.random.default_rng([seed, 1])
    changed = with_composition(full, system.li, system.compensation, rng, free)
    return scaled(changed, lattice_A / kind.lattice_A)


def glass_cell(glass: Bicrystal, system: System, seed: int, free: NDArray[np.float64]) -> Bicrystal:
    """A glass at the volume and composition of a system, relative positions kept.

    Args:
        glass: as it was quenched.
        system: what is wanted.
        seed: seed of what is taken out.
        free: (s, 3) A sites that more Li may go to; (0, 3) where none is added.
    """
    rng = np.random.default_rng([seed, 1])
    changed = with_composition(glass, system.li, system.compensation, rng, free)
    wanted_A3 = system.volume * EXPERIMENTAL_A3["c-LLZO"] * formula_units(glass) / 8
    wide = scaled(changed, (wanted_A3 / changed.volume_A3) ** (1 / 3))
    # A glass has no crystal sites: what moves is told from where it began.
    return replace(wide, sites=wide.positions)


def scaled(structure: Bicrystal, factor: float) -> Bicrystal:
    """The structure with all lengths multiplied."""
    return replace(
        structure,
        positions=structure.positions * factor,
        cell=structure.cell * factor,
        sites=structure.sites * factor,
        lattice_A=structure.lattice_A * factor,
    )


def with_composition(
    structure: Bicrystal,
    li: float,
    compensation: Compensation,
    rng: np.random.Generator,
    free: NDArray[np.float64] | None = None,
) -> Bicrystal:
    """Take Li (or Li2O) out at random, or add Li on the free sites farthest from other Li.

    Args:
        structure: cell of whole formula units.
        li: Li per La3Zr2O12 that is wanted.
        compensation: none: Li alone, which charges the cell; oxygen: Li2O.
        rng: source of what is drawn.
        free: (s, 3) A sites that Li may be added on.

    Raises:
        ConfigError: a part of an ion or of Li2O would have to be taken or added.
        GeometryError: there are not enough free sites.
    """
    there = np.flatnonzero(structure.species == LI)
    units = formula_units(structure)
    require_whole_ions(li, compensation, units)
    more = round(li * units) - len(there)
    if more > 0:
        sites = np.empty((0, 3)) if free is None else free
        return _added(structure, _farthest(structure, sites, more))
    out = rng.choice(there, -more, replace=False)
    if compensation == "oxygen":
        oxygen = np.flatnonzero(structure.species == O)
        out = np.concatenate([out, rng.choice(oxygen, -more // 2, replace=False)])
    keep = np.ones(structure.n_ions, dtype=bool)
    keep[out] = False
    return _chosen(structure, keep)


def require_whole_ions(li: float, compensation: Compensation, units: float) -> None:
    """Refuse a Li content that has no whole ions in a cell.

    Args:
        li: Li per La3Zr2O12.
        compensation: oxygen: Li2O is taken from a content of 7.
        units: formula units of the cell.

    Raises:
        ConfigError: naming content and cell.
    """
    wanted = li * units
    odd = compensation == "oxygen" and round(FULL_LI * units - wanted) % 2
    if abs(wanted - round(wanted)) > 1e-6 or odd:
        raise ConfigError(
            f"li = {li:g} of {units:g} formula units is {wanted:g} Li"
            + (", and Li2O takes two at a time" if odd else ", not a whole number"),
            hint="choose a content of whole ions for this cell, or more cells",
        )


def _chosen(structure: Bicrystal, keep: NDArray[np.bool_]) -> Bicrystal:
    return replace(
        structure,
        positions=structure.positions[keep],
        sites=structure.sites[keep],
        species=structure.species[keep],
        grain=structure.grain[keep],
        core=structure.core[keep],
    )


def _added(structure: Bicrystal, positions: NDArray[np.float64]) -> Bicrystal:
    count = len(positions)
    return replace(
        structure,
        positions=np.concatenate([structure.positions, positions]),
        sites=np.concatenate([structure.sites, positions]),
        species=np.concatenate([structure.species, np.full(count, LI, dtype=np.int8)]),
        grain=np.concatenate([structure.grain, np.zeros(count, dtype=np.int8)]),
        core=np.concatenate([structure.core, np.zeros(count, dtype=bool)]),
    )


def _farthest(structure: Bicrystal, free: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """(count, 3) free sites, each in turn the one whose nearest Li is farthest away."""
    cell = structure.cell
    sites = wrap(free, cell)
    away = _distance(sites, structure.positions[structure.species == LI], cell)
    framework = _distance(sites, structure.positions[structure.species != LI], cell)
    away[framework < _FREE_A] = 0.0
    chosen: list[NDArray[np.float64]] = []
    for _ in range(count):
        best = int(away.argmax()) if len(away) else -1
        if best < 0 or away[best] < _FREE_OF_LI_A:
            raise GeometryError(
                f"only {len(chosen)} of {count} Li ions found a free site",
                hint="ask for less Li; in a glass a longer melt.explore_ps may find more sites",
            )
        chosen.append(sites[best])
        away = np.minimum(away, _distance(sites, sites[best : best + 1], cell))
    return np.array(chosen).reshape(-1, 3)


def _distance(
    points: NDArray[np.float64], others: NDArray[np.float64], cell: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n,) distance of each point to the nearest of the others or their images, A."""
    if not len(points):
        return np.empty(0)
    reach = float(np.linalg.norm(cell, axis=1).max()) / 2
    cloud, _ = with_images(wrap(others, cell), cell, reach)
    found: NDArray[np.float64] = cKDTree(cloud).query(points)[0]
    return found


def formula_units(structure: Bicrystal) -> float:
    """La3Zr2 units in a cell."""
    return float(np.count_nonzero(structure.element_numbers == LA)) / 3


def density_g_cm3(structure: Bicrystal) -> float:
    """Mass density."""
    mass = np.asarray(ELEMENT_MASSES_AMU)[structure.element_numbers].sum()
    return float(mass) / structure.volume_A3 * _AMU_A3_TO_G_CM3


def stoichiometry(structure: Bicrystal) -> str:
    """Composition per La3Zr2, such as ``Li6.5La3Zr2O12``."""
    units = formula_units(structure)
    return "".join(f"{name}{count / units:g}" for name, count in structure.counts.items() if count)
