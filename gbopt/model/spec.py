"""GBSpec: everything needed to build one grain boundary again, bit for bit."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gbopt.provenance import content_key


class GBSpec(BaseModel):
    """A symmetric tilt boundary about [001], as a point of the search space.

    The Miller plane of one grain fixes the boundary: the other grain is its mirror image.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )

    axis: tuple[Literal[0], Literal[0], Literal[1]] = (0, 0, 1)
    """Tilt axis [uvw]."""
    plane: tuple[int, int, Literal[0]]
    """Boundary plane (h k 0) in the lattice of the first grain, coprime, h > k > 0."""
    width_layers: int = Field(ge=1, le=12)
    """Atomic layers on each boundary whose structure is disordered (see layer_spacing)."""
    crystal_A: float = Field(gt=0, le=500)
    """Least thickness of undisturbed crystal between the two disordered slabs, in A."""
    seed: int = Field(ge=0)
    """Seed of termination, rigid translation and Li ordering."""

    @model_validator(mode="after")
    def _check_plane(self) -> Self:
        h, k, _ = self.plane
        if not (h > k > 0 and math.gcd(h, k) == 1):
            raise ValueError(
                f"plane must be (h k 0) with h > k > 0 and no common factor, got {self.plane}"
            )
        return self

    @property
    def rotation_deg(self) -> float:
        """Rotation about [001] that takes one grain's (h k 0) to the other's (h -k 0)."""
        h, k, _ = self.plane
        return 2.0 * math.degrees(math.atan2(k, h))

    @property
    def misorientation_deg(self) -> float:
        """Disorientation angle, reduced to 0-45 deg by the fourfold axis."""
        angle = self.rotation_deg
        return angle if angle <= 45.0 else 90.0 - angle

    @property
    def mean_plane(self) -> Literal["100", "110"]:
        """The low-index plane that the boundary plane is tilted from, by half the angle."""
        return "100" if self.rotation_deg <= 45.0 else "110"

    @property
    def sigma(self) -> int:
        """Coincidence index of the misorientation (cubic lattice)."""
        h, k, _ = self.plane
        index = h * h + k * k
        return index if index % 2 else index // 2

    @property
    def label(self) -> str:
        """Short name, such as ``Sigma17 (410)[001] 28.07 deg w3``."""
        h, k, _ = self.plane
        miller = f"{h}{k}0" if max(h, k) < 10 else f"{h} {k} 0"
        return (
            f"Sigma{self.sigma} ({miller})[001] "
            f"{self.misorientation_deg:.2f} deg w{self.width_layers}"
        )

    @property
    def geometry_key(self) -> str:
        """Content key without the seed: equal for replicates of one geometry."""
        return content_key(self.model_dump(mode="json", exclude={"seed"}))

    @property
    def key(self) -> str:
        """Content key of the whole specification."""
        return content_key(self.model_dump(mode="json"))
