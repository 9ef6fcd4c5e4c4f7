"""NetworkSpec: everything needed to build a network of columnar grains again, bit for bit."""

from __future__ import annotations

import math
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator

from gbopt.errors import ConfigError
from gbopt.integers import Vector, kernel, reduced, step
from gbopt.model.crystal import Crystal
from gbopt.model.given import Given
from gbopt.model.orientation import Miller, coprime, digits
from gbopt.provenance import content_key

Angle = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Edge = Annotated[float, Field(gt=0, le=500)]

# Fractions of a cell within which sites are the same: CIFs give four decimals.
_SAME = 1e-3
# Grains closer in orientation than this are one.
_SAME_DEG = 0.01


class NetworkSpec(Given):
    """Four columnar grains in a periodic brickwork, as a point of the search space.

    All grains share the axis [uvw], which is along x, and each is turned about it by its own
    angle. Their boundaries are planes perpendicular to y and to z, so no two neighbours need a
    common lattice: any angles will do, without strain.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )

    crystal: str = "c-LLZO"
    """Name of the crystal of all grains."""
    axis: Miller = (0, 0, 1)
    """Common axis [uvw] of the columns, coprime."""
    angles_deg: tuple[Angle, Angle, Angle, Angle]
    """Turn of each grain about the axis, from y towards z, deg: grains 0 and 1 side by side along
    y, then 2 and 3 above them along z. At 0 deg y is along that cell vector of the crystal which
    is most nearly perpendicular to the axis, the first of several, less its part along the
    axis: [100] for the axis [001], [001] for [110], [2 -1 -1] for [111]."""
    grain_A: tuple[Edge, Edge]
    """Edges of a grain along y and z, A, half of either core included."""
    width_layers: int = Field(ge=0, le=12)
    """Atomic layers on each boundary whose structure is disordered (Crystal.layer_spacing_a)."""
    gap_A: float = Field(0.6, ge=0, le=5)
    """Room left at each boundary before relaxation, A."""
    seed: int = Field(ge=0)
    """Seed of all that is drawn: cuts, disorder and lithium ordering."""

    @model_validator(mode="after")
    def _canonical(self) -> Self:
        if not any(self.axis) or coprime(self.axis) != self.axis or max(map(abs, self.axis)) > 9:
            raise ValueError(
                "axis must be three integers without a common factor, none above 9 and not all "
                f"zero, got {self.axis}"
            )
        # -180 and 180 deg are one orientation, and so are -0 and 0.
        angles = tuple(180.0 if a == -180 else a + 0.0 for a in self.angles_deg)
        object.__setattr__(self, "angles_deg", angles)
        return self

    @classmethod
    def checkerboard(cls, misorientation_deg: float, **others: Any) -> Self:
        """Two orientations, A B over B A: every boundary has the same misorientation.

        Args:
            misorientation_deg: angle from B to A; A is turned by one half of it and B by the
                other, so that y and z are the mean orientation of either pair.
            others: the remaining fields.
        """
        return cls(angles_deg=cls.checkerboard_deg(misorientation_deg), **others)

    @staticmethod
    def checkerboard_deg(misorientation_deg: float) -> tuple[float, float, float, float]:
        """Angles of a checkerboard of one misorientation."""
        half = misorientation_deg / 2
        return half, -half, -half, half

    def orientations(self, crystal: Crystal) -> tuple[NDArray[np.float64], ...]:
        """Rotation (3, 3) of each grain: Cartesian vectors of the crystal to the cell's frame.

        It takes column vectors; its rows are x, y and z of the cell as the crystal has them.
        """
        frame = _frame(crystal, self.axis)
        return tuple(_about_x(angle) @ frame for angle in self.angles_deg)

    def layer_a(self, crystal: Crystal) -> float:
        """Mean thickness of an atomic layer over the faces of all grains, in units of a."""
        normals = [normal for turn in self.orientations(crystal) for normal in turn[1:]]
        # A face has no low indices: high ones that are nearly parallel choose the same layers.
        planes = [np.rint(1000 * crystal.shape_a @ n).astype(int).tolist() for n in normals]
        return float(np.mean([crystal.layer_spacing_a((h, k, i)) for h, k, i in planes]))

    def check_neighbours(self, crystal: Crystal) -> None:
        """Refuse a network in which there is no boundary between two neighbours.

        Raises:
            ConfigError: the crystal's symmetry makes two neighbours one orientation.
        """
        period = 360 / rotational_order(crystal, self.axis)
        for one, other in ((0, 1), (2, 3), (0, 2), (1, 3)):
            apart = (self.angles_deg[one] - self.angles_deg[other]) % period
            if min(apart, period - apart) < _SAME_DEG:
                raise ConfigError(
                    f"angles_deg = {list(self.angles_deg)}: grains {one} and {other} are one "
                    f"crystal, which {period:g} deg about [{digits(self.axis)}] bring onto itself",
                    hint="turn the neighbours 0-1, 2-3, 0-2 and 1-3 differently",
                )

    @property
    def label(self) -> str:
        """Short name, such as ``network [001] 10/-10/-10/10 deg w3``."""
        angles = "/".join(f"{angle:.4g}" for angle in self.angles_deg)
        return f"network [{digits(self.axis)}] {angles} deg w{self.width_layers}"

    @property
    def geometry_key(self) -> str:
        """Content key without the seed: equal for replicates of one geometry."""
        return content_key(self.model_dump(mode="json", exclude={"seed"}))

    @property
    def key(self) -> str:
        """Content key of the whole specification."""
        return content_key(self.model_dump(mode="json"))


def rotational_order(crystal: Crystal, axis: Miller) -> int:
    """How often a full turn about an axis brings the crystal onto itself: 1, 2, 3, 4 or 6.

    Screw axes count: where a grain is cut, translations of its lattice do not matter. The ordered
    sites decide.
    """
    frame = _frame(crystal, axis)
    turns = {n: frame.T @ _about_x(360 / n) @ frame for n in (6, 4, 3, 2)}
    return next((n for n, turn in turns.items() if _maps_onto_itself(crystal, turn)), 1)


def columnar_basis_a(crystal: Crystal, axis: Miller) -> NDArray[np.float64]:
    """(3, 3) rows: Cartesian basis of the lattice, units of a.

    The first is the period along the axis; the others are short across it.
    """
    to_primitive = np.linalg.inv(np.array(crystal.primitive))
    along = np.rint(np.array(axis) * crystal.denominator @ to_primitive).astype(int)
    period = along // math.gcd(*along.tolist())
    lattice = np.array(crystal.primitive) / crystal.denominator @ crystal.shape_a
    x = period @ lattice / np.linalg.norm(period @ lattice)

    def across(v: Vector, w: Vector) -> float:
        """Scalar product of what is perpendicular to the axis."""
        a, b = np.array(v) @ lattice, np.array(w) @ lattice
        return float(a @ b - (a @ x) * (b @ x))

    # With h . period = 1 the lattice is the planes h . v = 0, 1, 2 ...
    _, h = step(period.tolist())
    first, second = kernel([[factor] for factor in h])
    basis: NDArray[np.float64] = np.array([period, *reduced(first, second, across)]) @ lattice
    return basis


def _maps_onto_itself(crystal: Crystal, turn: NDArray[np.float64]) -> bool:
    """Whether a rotation, followed by some translation, leaves all ordered sites as they are."""
    primitive = np.array(crystal.primitive) / crystal.denominator
    lattice = primitive @ crystal.shape_a
    turned = lattice @ turn.T @ np.linalg.inv(lattice)
    if np.abs(turned - np.rint(turned)).max() > _SAME:
        return False
    sites, species = crystal.framework @ np.linalg.inv(primitive), crystal.species
    image = sites @ turned
    rarest = min(set(species.tolist()), key=species.tolist().count)
    alike = np.flatnonzero(species == rarest)
    for partner in alike:
        away = (image + sites[partner] - image[alike[0]])[:, None] - sites
        on = np.abs(away - np.rint(away)).max(axis=2) < _SAME
        if (on & (species[:, None] == species)).any(axis=1).all():
            return True
    return False


def _frame(crystal: Crystal, axis: Miller) -> NDArray[np.float64]:
    """(3, 3) rows: x, y and z of a grain at 0 deg in the Cartesian frame of the crystal."""
    x = np.array(axis) @ crystal.shape_a
    x /= np.linalg.norm(x)
    edges = crystal.shape_a / np.linalg.norm(crystal.shape_a, axis=1)[:, None]
    y = edges[np.round(np.abs(edges @ x), 6).argmin()]
    y = y - (y @ x) * x
    y /= np.linalg.norm(y)
    return np.array([x, y, np.cross(x, y)])


def _about_x(angle_deg: float) -> NDArray[np.float64]:
    """(3, 3) rotation of column vectors from y towards z."""
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
