"""Integer algebra of the body-centred lattice of LLZO: planes, layers, commensurate tilts.

Lattice vectors are kept as *half-integers doubled*: the integer triple (i, j, k) stands for
a/2 (i, j, k), so the body-centred lattice is the set of triples that are all even or all odd.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.model.spec import GBSpec

# Spacing of the cation layers that contain zirconium, in units of a, for each mean plane:
# d_400 and d_220 of Ia-3d. An "atomic layer" of ``width_layers`` is one of these.
_LAYER_SPACING = {"100": 1 / 4, "110": 1 / (2 * math.sqrt(2))}


class PlaneBasis(NamedTuple):
    """A primitive cell of the lattice with two vectors in the plane (h k 0).

    All in units of a, in the frame x = [001], y = n x [001], z = n, the plane's normal.
    """

    axis: NDArray[np.float64]
    """(3,) in-plane vector along the tilt axis."""
    across: NDArray[np.float64]
    """(3,) second in-plane vector, 0 <= its x-component < 1."""
    stack: NDArray[np.float64]
    """(3,) vector to the next lattice plane; its z-component is the interplanar spacing."""
    rotation: NDArray[np.float64]
    """(3, 3) rows are the frame's axes in crystal coordinates."""


def layer_spacing(mean_plane: str, lattice_A: float) -> float:
    """Thickness of one atomic layer of ``width_layers`` for a mean plane, in A."""
    return _LAYER_SPACING[mean_plane] * lattice_A


def plane_basis(plane: tuple[int, int, int]) -> PlaneBasis:
    """Find the primitive cell of the body-centred lattice adapted to the plane (h k 0).

    [001] is always an in-plane lattice vector. The second one is a/2 [k, -h, 1] where h and k
    are both odd (the body-centring halves the cell), a [k, -h, 0] otherwise.
    """
    h, k, _ = plane
    rotation = _frame(h, k)
    both_odd = h % 2 == 1 and k % 2 == 1
    across = (k, -h, 1) if both_odd else (2 * k, -2 * h, 0)
    stack = _stacking_vector(h, k)
    in_axis, in_across, in_stack = (
        0.5 * rotation @ np.array(v) for v in ((0, 0, 2), across, stack)
    )
    return PlaneBasis(in_axis, in_across, in_stack, rotation)


def _frame(h: int, k: int) -> NDArray[np.float64]:
    normal = np.array([h, k, 0.0]) / math.hypot(h, k)
    axis = np.array([0.0, 0.0, 1.0])
    return np.array([axis, np.cross(normal, axis), normal])


def _stacking_vector(h: int, k: int) -> tuple[int, int, int]:
    """Shortest doubled lattice vector whose height is one interplanar spacing.

    With doubled coordinates the height of (i, j, l) is a (h i + k j) / 2|hk|; the lattice
    gives h i + k j every integer if h + k is odd and every even one otherwise.
    """
    step = 1 if (h + k) % 2 else 2
    reach = range(-abs(h) - abs(k) - 1, abs(h) + abs(k) + 2)
    found = [
        (i, j, parity)
        for parity in (0, 1)
        for i in reach
        for j in reach
        if h * i + k * j == step and i % 2 == j % 2 == parity
    ]
    return min(found, key=lambda v: (v[0] ** 2 + v[1] ** 2 + v[2] ** 2, v))


class Tilt(NamedTuple):
    """A commensurate symmetric tilt boundary about [001]."""

    plane: tuple[int, int, int]
    """(h k 0) of the first grain."""
    mean_plane: str
    misorientation_deg: float
    sigma: int
    area_a2: float
    """Area of the primitive in-plane cell, in units of a^2."""
    spacing_a: float
    """Interplanar spacing, in units of a."""


def tilt_of(plane: tuple[int, int, int]) -> Tilt:
    """Describe the boundary on a plane (h k 0)."""
    spec = GBSpec(plane=(plane[0], plane[1], 0), width_layers=2, crystal_A=1.0, seed=0)
    both_odd = spec.plane[0] % 2 == 1 and spec.plane[1] % 2 == 1
    area = math.hypot(*spec.plane) * (0.5 if both_odd else 1.0)
    return Tilt(
        plane=(plane[0], plane[1], 0),
        mean_plane=spec.mean_plane,
        misorientation_deg=round(spec.misorientation_deg, 6),
        sigma=spec.sigma,
        area_a2=area,
        spacing_a=0.5 / area,  # the primitive cell has the volume a^3/2
    )


def tilts(low_deg: float, high_deg: float, max_area_a2: float) -> list[Tilt]:
    """List every commensurate tilt boundary in a range of angles with a cell no larger.

    Args:
        low_deg: least misorientation.
        high_deg: largest misorientation.
        max_area_a2: largest area of the in-plane cell, in units of a^2.

    Returns:
        Boundaries sorted by misorientation, then mean plane, then area.
    """
    # The area is |(h, k)| or half of it, so h cannot exceed twice the largest area.
    largest = int(2 * max_area_a2) + 1
    planes = (
        (h, k, 0)
        for h in range(2, largest + 1)
        for k in range(1, h)
        if math.gcd(h, k) == 1 and h * h + k * k <= (2 * max_area_a2) ** 2
    )
    found = []
    for plane in planes:
        turned = 2 * math.degrees(math.atan2(plane[1], plane[0]))
        if low_deg - 1e-9 <= min(turned, 90 - turned) <= high_deg + 1e-9:
            tilt = tilt_of(plane)
            if tilt.area_a2 <= max_area_a2 + 1e-9:
                found.append(tilt)
    return sorted(found, key=lambda t: (t.misorientation_deg, t.mean_plane, t.area_a2))


def layers_per_grain(tilt: Tilt, width_layers: int, crystal_A: float, lattice_A: float) -> int:
    """Lattice planes in one grain: its crystal plus one disordered slab, rounded up."""
    core_A = width_layers * layer_spacing(tilt.mean_plane, lattice_A)
    return math.ceil((crystal_A + core_A) / (tilt.spacing_a * lattice_A) - 1e-9)


def ions_of(tilt: Tilt, width_layers: int, crystal_A: float, lattice_A: float) -> int:
    """Ions of the bicrystal before any oxide unit is removed: 96 to a primitive cell."""
    return 2 * 96 * layers_per_grain(tilt, width_layers, crystal_A, lattice_A)
