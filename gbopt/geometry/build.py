"""GBSpec -> Bicrystal, and the single crystal that is its bulk reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.llzo import cubic_sites
from gbopt.crystal.neighbours import wrap
from gbopt.geometry.gate import check
from gbopt.geometry.lattice import Tilt, layer_spacing, layers_per_grain, plane_basis, tilt_of
from gbopt.geometry.lithium import place_lithium
from gbopt.geometry.overlap import (
    Framework,
    depth,
    disorder,
    push_apart,
    remove_units,
)
from gbopt.geometry.slab import Slab, make_slab, nonpolar_termination
from gbopt.model.bicrystal import FORMAL_CHARGES, LI, Bicrystal
from gbopt.model.spec import GBSpec

# Room left at each boundary before relaxation; NPT opens the rest that a glass takes up. More
# would leave a void at the plane that lithium alone fills.
GAP_A = 0.6
# Ions this far beyond the disordered slab may still be pushed.
MARGIN_A = 2.0


def build_bicrystal(spec: GBSpec, lattice_A: float) -> Bicrystal:
    """Build the boundary that a specification describes.

    The cell holds two grains and two boundaries, at z = 0 and at mid-cell. The same
    specification and lattice parameter give the same structure, bit for bit.

    Args:
        spec: the boundary.
        lattice_A: lattice parameter of the grains.

    Raises:
        GeometryError: it cannot be built without touching ions or leaving charge.
    """
    rng = np.random.default_rng(spec.seed)
    tilt = tilt_of(spec.plane)
    n_planes = layers_per_grain(tilt, spec.width_layers, spec.crystal_A, lattice_A)
    grain_A = n_planes * tilt.spacing_a * lattice_A
    cell = _cell(tilt, lattice_A, 2 * (grain_A + GAP_A))
    boundaries = (0.0, grain_A + GAP_A)
    shifts, slabs = _draw_slabs(tilt, n_planes, lattice_A, rng)
    core_A = spec.width_layers * layer_spacing(tilt.mean_plane, lattice_A)
    framework = disorder(_framework(slabs, boundaries), cell, boundaries, core_A, rng)
    framework = push_apart(framework, cell, boundaries, core_A / 2 + MARGIN_A, rng)
    framework, ledger = remove_units(framework, cell)
    lithium = _lithium(framework, slabs, boundaries, cell, core_A, rng)
    species = np.concatenate([np.full(len(lithium), LI, dtype=np.int8), framework.species])
    positions = np.concatenate([lithium, wrap(framework.positions, cell)])
    sites = np.concatenate([lithium, framework.sites])
    bicrystal = Bicrystal(
        positions=positions,
        cell=cell,
        sites=sites,
        species=species,
        grain=np.concatenate([_side(lithium, boundaries), framework.grain]),
        # By site: an ion displaced out of the slab still belongs to it and is annealed.
        core=depth(sites[:, 2], boundaries, cell[2, 2]) <= core_A / 2,
        boundaries_A=boundaries,
        core_width_A=core_A,
        lattice_A=lattice_A,
        ledger=ledger,
        provenance={"spec": spec.model_dump(mode="json"), "key": spec.key, "shifts": shifts},
    )
    check(bicrystal)
    return bicrystal


def build_bulk(cells: int, lattice_A: float, seed: int) -> Bicrystal:
    """Build cubic LLZO of ``cells`` conventional cells along each edge, Li ordered by seed."""
    rng = np.random.default_rng(seed)
    sites = cubic_sites()
    corners = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), -1).reshape(-1, 3)
    edge = cells * lattice_A
    cell = np.eye(3) * edge

    def tiled(fractional: NDArray[np.float64]) -> NDArray[np.float64]:
        flat = fractional.reshape(-1, 3)
        return ((corners[:, None, :] + flat[None]) * lattice_A).reshape(-1, *fractional.shape[1:])

    framework = wrap(tiled(sites.framework), cell)
    species = np.tile(sites.species, cells**3)
    lithium = place_lithium(
        host=framework,
        host_species=species,
        tetrahedral=tiled(sites.tetrahedral),
        octahedral=tiled(sites.octahedral),
        void_slabs_A=[(0.0, edge)],
        cell=cell,
        count=_lithium_count(species),
        rng=rng,
    )
    positions = np.concatenate([lithium, framework])
    n = len(positions)
    bulk = Bicrystal(
        positions=positions,
        cell=cell,
        sites=positions.copy(),
        species=np.concatenate([np.full(len(lithium), LI, dtype=np.int8), species]),
        grain=np.zeros(n, dtype=np.int8),
        core=np.zeros(n, dtype=bool),
        boundaries_A=(),
        core_width_A=0.0,
        lattice_A=lattice_A,
        provenance={"crystal": "c-LLZO", "cells": cells, "seed": seed},
    )
    check(bulk)
    return bulk


def _cell(tilt: Tilt, lattice_A: float, length_A: float) -> NDArray[np.float64]:
    basis = plane_basis(tilt.plane)
    return np.array([basis.axis * lattice_A, basis.across * lattice_A, [0.0, 0.0, length_A]])


def _draw_slabs(
    tilt: Tilt, n_planes: int, lattice_A: float, rng: np.random.Generator
) -> tuple[list[list[float]], tuple[Slab, Slab]]:
    """Draw both terminations and the relative translation, and fill the two slabs."""
    h, k, _ = tilt.plane
    planes = (h, k, 0), (h, -k, 0)
    cuts = [nonpolar_termination(plane, rng) for plane in planes]
    # Only relative in-plane translation matters, so the first grain has none.
    across = [float(x) for x in rng.random(2)]
    first, second = (0.0, 0.0, cuts[0]), (across[0], across[1], cuts[1])
    slabs = (
        make_slab(planes[0], n_planes, lattice_A, first),
        make_slab(planes[1], n_planes, lattice_A, second),
    )
    return [list(first), list(second)], slabs


def _offsets(
    boundaries: tuple[float, float],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the two slabs begin: half a gap above their lower boundary."""
    return (
        np.array([0.0, 0.0, boundaries[0] + GAP_A / 2]),
        np.array([0.0, 0.0, boundaries[1] + GAP_A / 2]),
    )


def _framework(slabs: tuple[Slab, Slab], boundaries: tuple[float, float]) -> Framework:
    positions = np.concatenate(
        [slab.framework + off for slab, off in zip(slabs, _offsets(boundaries), strict=True)]
    )
    return Framework(
        positions=positions,
        sites=positions.copy(),
        species=np.concatenate([slab.species for slab in slabs]),
        grain=np.repeat(np.array([0, 1], dtype=np.int8), [len(s.species) for s in slabs]),
    )


def _lithium(
    framework: Framework,
    slabs: tuple[Slab, Slab],
    boundaries: tuple[float, float],
    cell: NDArray[np.float64],
    core_A: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    offsets = _offsets(boundaries)
    return place_lithium(
        host=wrap(framework.positions, cell),
        host_species=framework.species,
        tetrahedral=np.concatenate([slabs[g].tetrahedral + offsets[g] for g in (0, 1)]),
        octahedral=np.concatenate([slabs[g].octahedral + offsets[g] for g in (0, 1)]),
        void_slabs_A=[(z - core_A / 2, z + core_A / 2) for z in boundaries],
        cell=cell,
        count=_lithium_count(framework.species),
        rng=rng,
    )


def _lithium_count(framework_species: NDArray[np.int8]) -> int:
    """Lithium ions that make the framework neutral."""
    return -int(np.array(FORMAL_CHARGES)[framework_species].sum())


def _side(positions: NDArray[np.float64], boundaries: tuple[float, float]) -> NDArray[np.int8]:
    return (positions[:, 2] >= boundaries[1]).astype(np.int8)
