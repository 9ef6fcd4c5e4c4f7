"""Crystal: a lattice, its sites, and what may be placed on those that are partly occupied."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.model.orientation import Miller
from gbopt.provenance import content_key

# Planes whose cation layers count as atomic layers, one of each pair of opposite ones.
_LOW_INDEX: tuple[Miller, ...] = tuple(
    (h, k, i) for h in (-1, 0, 1) for k in (-1, 0, 1) for i in (-1, 0, 1) if (h, k, i) > (0, 0, 0)
)


class Sites(NamedTuple):
    """Sites of one kind that are placed after the grains have been joined."""

    name: str
    positions: NDArray[np.float64]
    """(s, 3) in fractions of the conventional cell, those of one primitive cell."""
    occupancy: float
    """Share that is occupied in the bulk, 0-1."""
    apart_a: float = 0.0
    """Least distance between two occupied sites of this kind, in units of a."""


class MixedSites(NamedTuple):
    """Sites that hold fixed shares of several elements, drawn at random."""

    positions: NDArray[np.float64]
    """(s, 3) in fractions of the conventional cell, those of one primitive cell."""
    species: tuple[int, ...]
    occupancy: tuple[float, ...]
    """Share of each species."""
    mobile: float = 0.0
    """Share of the mobile ion, which takes some of what the others leave over."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Crystal:
    """A crystal that boundaries can be built of.

    The mobile ion, where there is one, is placed last: as many as make the cell neutral.
    """

    name: str
    elements: tuple[str, ...]
    formal_charges_e: tuple[int, ...]
    lattice_A: float
    """Lattice parameter a, A."""
    shape_a: NDArray[np.float64]
    """(3, 3) rows are the conventional cell vectors in units of a; LAMMPS form."""
    primitive: tuple[Miller, Miller, Miller]
    """Primitive lattice vectors in the conventional basis, times ``denominator``."""
    denominator: int
    framework: NDArray[np.float64]
    """(n, 3) ordered sites of one primitive cell, in fractions of the conventional cell."""
    species: NDArray[np.int8]
    """(n,) index into ``elements``."""
    shortest_A: NDArray[np.float64]
    """(k, k) shortest distance of each pair of elements in relaxed boundaries, A."""
    mixed: tuple[MixedSites, ...] = ()
    mobile: int | None = None
    """The species that is placed last, index into ``elements``."""
    mobile_sites: tuple[Sites, ...] = ()
    least_mobile_A: float = 2.0
    """Least distance between two mobile ions, A."""

    @property
    def system(self) -> Literal["cubic", "tetragonal", "other"]:
        """Lattice system, as far as rotations need it."""
        edges = np.linalg.norm(self.shape_a, axis=1)
        if not np.allclose(self.shape_a, np.diag(edges), atol=1e-6) or abs(edges[1] - 1) > 1e-5:
            return "other"
        return "cubic" if abs(edges[2] - 1) < 1e-5 else "tetragonal"

    @property
    def cells_a3(self) -> float:
        """Volume of the primitive cell in units of a^3."""
        rows = np.array(self.primitive) / self.denominator @ self.shape_a
        return float(abs(np.linalg.det(rows)))

    @property
    def ions_per_primitive(self) -> float:
        """Mean number of ions in a primitive cell of the bulk."""
        mixed = sum(len(m.positions) * sum(m.occupancy) for m in self.mixed)
        return len(self.species) + mixed + self.mobile_per_primitive

    @property
    def mobile_shares(self) -> tuple[tuple[float, float], ...]:
        """Share of the mobile ion on, and least distance (units of a) within, each kind of site.

        First the kinds of ``mobile_sites``, then what each kind of ``mixed`` leaves over.
        """
        over = [(m.mobile / (1 - sum(m.occupancy)) if m.mobile else 0.0, 0.0) for m in self.mixed]
        return (*((kind.occupancy, kind.apart_a) for kind in self.mobile_sites), *over)

    @property
    def mobile_per_primitive(self) -> float:
        """Mobile ions that make a primitive cell of the bulk neutral."""
        if self.mobile is None:
            return 0.0
        charges = np.array(self.formal_charges_e, dtype=float)
        framework = charges[self.species].sum()
        framework += sum(
            len(m.positions) * float(np.dot(m.occupancy, charges[list(m.species)]))
            for m in self.mixed
        )
        return float(-framework / charges[self.mobile])

    @cached_property
    def key(self) -> str:
        """Content key of the lattice and its sites."""
        sites = {
            "elements": self.elements,
            "charges": self.formal_charges_e,
            "shape": self.shape_a.round(6).tolist(),
            "primitive": self.primitive,
            "framework": self.framework.round(6).tolist(),
            "species": self.species.tolist(),
            "mixed": [[m.positions.round(6).tolist(), m.species, m.occupancy] for m in self.mixed],
            "mobile": [
                [s.positions.round(6).tolist(), s.occupancy, s.apart_a] for s in self.mobile_sites
            ],
        }
        return content_key(sites)

    def normal_a(self, plane: Miller) -> NDArray[np.float64]:
        """Reciprocal vector of a plane, (3,) Cartesian, in units of 1/a; its length is 1/d."""
        reciprocal: NDArray[np.float64] = np.linalg.solve(self.shape_a, np.array(plane, float))
        return reciprocal

    def layer_spacing_a(self, plane: Miller) -> float:
        """Thickness of one atomic layer for a boundary on a plane, in units of a.

        An atomic layer is the distance between layers of the highest-charged cation (Zr in LLZO)
        along the low-index direction <100>, <110> or <111> nearest to the plane's normal: a
        boundary plane of high index is made of steps of that low-index plane.
        """
        normal = self.normal_a(plane)
        directions, spacings = self._low_index_layers
        cosines = np.abs(directions @ normal) / np.linalg.norm(normal)
        return spacings[int(np.argmax(cosines.round(9)))]

    @cached_property
    def _low_index_layers(self) -> tuple[NDArray[np.float64], tuple[float, ...]]:
        """Unit normals of the low-index planes, and the distance of the layers along each."""
        normals = np.array([self.normal_a(plane) for plane in _LOW_INDEX])
        units = normals / np.linalg.norm(normals, axis=1)[:, None]
        return units, tuple(self._layers_of(plane) for plane in _LOW_INDEX)

    def _layers_of(self, plane: Miller) -> float:
        charges = np.array(self.formal_charges_e)[self.species]
        cations = self.framework[charges == charges.max()]
        corners = np.indices((self.denominator,) * 3).reshape(3, -1).T
        shifts = corners @ np.array(self.primitive) / self.denominator
        # In heights over the plane (h x + k y + l z), whole numbers are whole cells.
        heights = ((cations[:, None, :] + shifts[None]) @ np.array(plane)).ravel() % 1.0
        heights = np.unique(np.round(heights, 3) % 1.0)
        return 1.0 / (len(heights) * float(np.linalg.norm(self.normal_a(plane))))
