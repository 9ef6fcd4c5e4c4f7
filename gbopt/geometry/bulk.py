"""The single crystal that is the bulk reference of a boundary."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.known import get_crystal
from gbopt.crystal.neighbours import wrap
from gbopt.geometry.assemble import assemble, finished, place_all
from gbopt.geometry.gate import check
from gbopt.geometry.regions import Regions
from gbopt.geometry.slab import Slab
from gbopt.geometry.zones import Zones
from gbopt.integers import cosets
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.crystal import Crystal


def build_bulk(
    cells: int, lattice_A: float, seed: int, crystal: Crystal | None = None
) -> Bicrystal:
    """Build a crystal of ``cells`` conventional cells along each edge, mobile ions by seed.

    Args:
        cells: conventional cells along each edge.
        lattice_A: lattice parameter a.
        seed: seed of the ordering of the mobile ions and of mixed sites.
        crystal: cubic LLZO where none is given.
    """
    crystal = crystal or get_crystal("c-LLZO")
    rng = np.random.default_rng(seed)
    cell = crystal.shape_a * lattice_A * cells
    slab = _conventional(crystal, cells, lattice_A)
    framework, sites = assemble(crystal, (slab,), [0.0], rng)
    zones = Zones((), float(cell[2, 2]))
    mobile = place_all(crystal, framework, sites, Regions(cell, zones, 0.0), lattice_A, rng)
    bulk = finished(
        crystal,
        framework._replace(positions=wrap(framework.positions, cell)),
        mobile,
        mobile_grain=np.zeros(len(mobile), dtype=np.int8),
        cell=cell,
        zones=zones,
        core_width_A=0.0,
        lattice_A=lattice_A,
        ledger={},
        provenance={"crystal": crystal.name, "cells": cells, "seed": seed},
    )
    check(bulk, crystal)
    return bulk


def _conventional(crystal: Crystal, cells: int, lattice_A: float) -> Slab:
    """All sites of a block of conventional cells."""
    edge = np.eye(3, dtype=int) * crystal.denominator * cells
    vectors = np.array(crystal.primitive)
    outer = [tuple(row) for row in np.rint(edge @ np.linalg.inv(vectors)).astype(int).tolist()]
    points = np.array(cosets(outer)) @ vectors / crystal.denominator

    def spread(sites: NDArray[np.float64]) -> NDArray[np.float64]:
        every = (points[:, None, :] + sites[None]).reshape(-1, 3)
        placed: NDArray[np.float64] = every @ crystal.shape_a * lattice_A
        return placed

    return Slab(
        spread(crystal.framework),
        np.tile(crystal.species, len(points)),
        tuple(spread(mixture.positions) for mixture in crystal.mixed),
        tuple(spread(kind.positions) for kind in crystal.mobile_sites),
    )


def mobile_sites(crystal: Crystal, cells: int, lattice_A: float) -> NDArray[np.float64]:
    """All sites of the mobile ion in a block of conventional cells, (s, 3) A, full or not."""
    slab = _conventional(crystal, cells, lattice_A)
    return wrap(np.concatenate(slab.mobile), crystal.shape_a * lattice_A * cells)
