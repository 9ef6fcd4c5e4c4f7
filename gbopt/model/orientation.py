"""Exact rotations of a cubic lattice: coincidence rotations, symmetric tilts, names of boundaries.

Everything is integer algebra on Miller indices. A rotation about [uvw] with
tan(theta / 2) = n |uvw| / m is rational (Ranganathan, Acta Cryst. 21, 197 (1966)). A tetragonal
lattice turned about its fourfold axis follows the same numbers.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from gbopt.errors import ConfigError

Miller = tuple[int, int, int]

INDEX_MAX = 999
"""Higher Miller indices are refused."""
SIGMA_MAX = 1000
"""Rotations of a higher coincidence index are not looked for: their cells are too large."""
# An angle is usually given with two decimals; one written by gbopt has six.
_GIVEN_DEG, _STORED_DEG = 0.005, 2e-6
# Twofold axes of the cubic lattice, one of each pair of opposite ones.
_TWOFOLD: tuple[Miller, ...] = (
    (1, 0, 0),
    (0, 1, 0),
    (0, 0, 1),
    (1, 1, 0),
    (1, -1, 0),
    (1, 0, 1),
    (1, 0, -1),
    (0, 1, 1),
    (0, 1, -1),
)
# Axes that a name without an axis may mean, the simplest first.
_NAMED_AXES: tuple[Miller, ...] = ((0, 0, 1), (1, 1, 0), (1, 1, 1), (2, 1, 0), (2, 1, 1))
_NAME = re.compile(
    r"^\s*(?:sigma|s)\s*(\d+)\s*\(([-\d\s,]+)\)\s*(?:\[([-\d\s,]+)\])?\s*(twist|tilt)?\s*$", re.I
)


class Rotation(NamedTuple):
    """A rational rotation of the cubic lattice."""

    axis: Miller
    m: int
    n: int
    """tan(angle / 2) = n |axis| / m, coprime, m >= 0; n carries the sign of the angle."""

    @property
    def degrees(self) -> float:
        """Rotation angle, within (-180, 180]."""
        return math.degrees(2 * math.atan2(self.n * math.sqrt(norm2(self.axis)), self.m))

    @property
    def matrix(self) -> tuple[tuple[Miller, Miller, Miller], int]:
        """Integer matrix and denominator; the matrix over the denominator turns column vectors."""
        u, v, w = self.axis
        m, n = self.m, self.n
        scalar = m * m - n * n * norm2(self.axis)
        cross = ((0, -w, v), (w, 0, -u), (-v, u, 0))
        rows = [
            [
                scalar * (i == j)
                + 2 * n * n * self.axis[i] * self.axis[j]
                + 2 * m * n * cross[i][j]
                for j in range(3)
            ]
            for i in range(3)
        ]
        over = m * m + n * n * norm2(self.axis)
        common = math.gcd(over, *(x for row in rows for x in row))
        a, b, c = (tuple(x // common for x in row) for row in rows)
        return ((a[0], a[1], a[2]), (b[0], b[1], b[2]), (c[0], c[1], c[2])), over // common

    @property
    def sigma(self) -> int:
        """Coincidence index: the least integer that makes the matrix integer."""
        return self.matrix[1]


def norm2(v: Miller) -> int:
    """Square of the length of a vector."""
    return v[0] * v[0] + v[1] * v[1] + v[2] * v[2]


def dot(v: Miller, w: Miller) -> int:
    """Scalar product."""
    return v[0] * w[0] + v[1] * w[1] + v[2] * w[2]


def cross(v: Miller, w: Miller) -> Miller:
    """Vector product."""
    return (
        v[1] * w[2] - v[2] * w[1],
        v[2] * w[0] - v[0] * w[2],
        v[0] * w[1] - v[1] * w[0],
    )


def coprime(v: Miller) -> Miller:
    """Divide by the greatest common divisor."""
    common = math.gcd(*v)
    return (v[0] // common, v[1] // common, v[2] // common)


def cubic_family(v: Miller) -> Miller:
    """Indices that stand for all cubic equivalents: absolute, the largest first."""
    a, b, c = sorted((abs(x) for x in v), reverse=True)
    return (a, b, c)


def digits(v: Miller) -> str:
    """Indices as text: ``410``, ``1-10``, spaced out where one has two digits."""
    return ("" if max(abs(x) for x in v) < 10 else " ").join(str(x) for x in v)


def least_angle(axis: Miller, angle_deg: float) -> float:
    """Least of the angles that turn a cubic crystal about an axis to the same orientation.

    [001] is fourfold, [111] threefold, [110] twofold: the crystal comes back to itself after so
    many turns, and 53.13 deg about [001] is -36.87 deg.
    """
    family = cubic_family(coprime(axis))
    step_deg = 360.0 / {(1, 0, 0): 4, (1, 1, 1): 3, (1, 1, 0): 2}.get(family, 1)
    least = angle_deg - step_deg * round(angle_deg / step_deg)
    return abs(least) if abs(abs(least) - step_deg / 2) < 1e-9 else least


def turned_back(rotation: Rotation, plane: Miller) -> Miller:
    """Miller indices, in the second grain's lattice, of a plane of the first."""
    rows, _ = rotation.matrix
    h, k, i = (sum(rows[r][c] * plane[r] for r in range(3)) for c in range(3))
    return coprime((h, k, i))


def rotation_about(axis: Miller, angle_deg: float) -> Rotation | None:
    """Find the coincidence rotation that an angle means, within half of its second decimal.

    Returns:
        The rotation, or None where no coincidence index up to SIGMA_MAX is that close.
    """
    for tolerance in (_STORED_DEG, _GIVEN_DEG):
        if abs(angle_deg) <= tolerance:
            return Rotation(axis, 1, 0)
        low, high = (
            math.tan(math.radians(min(abs(angle_deg) + d, 180.0) / 2)) / math.sqrt(norm2(axis))
            for d in (-tolerance, tolerance)
        )
        if abs(angle_deg) + tolerance >= 180.0:
            return Rotation(axis, 0, 1)
        simple = _simplest(low, high)
        sign = 1 if angle_deg > 0 else -1
        rotation = Rotation(axis, simple.denominator, sign * simple.numerator)
        if rotation.sigma <= SIGMA_MAX:
            return rotation
    return None


def _simplest(low: float, high: float) -> Fraction:
    """Fraction of the least denominator between two positive numbers (continued fractions)."""
    whole = math.floor(low)
    if whole + 1 <= high or low == whole:
        return Fraction(whole if low == whole else whole + 1)
    rest = _simplest(1 / (high - whole), 1 / (low - whole))
    return whole + 1 / rest


@lru_cache(maxsize=4096)
def symmetric_tilt(axis: Miller, plane: Miller) -> tuple[Rotation, Miller] | None:
    """Find the rotation about ``axis`` that makes ``plane`` a symmetric tilt boundary.

    The second grain is the first turned by 180 deg about the plane's normal. Combined with a
    twofold axis w of the lattice perpendicular to ``axis`` this is a rotation about ``axis`` by
    twice the angle between the normal and w; of all w the nearest gives the least angle.

    Returns:
        The rotation and w, the low-index plane that both grains are tilted from; None where the
        plane does not contain the axis or the lattice has no such w.
    """
    if dot(axis, plane) != 0:
        return None
    found = []
    for axis2 in _TWOFOLD:
        for w in (axis2, (-axis2[0], -axis2[1], -axis2[2])):
            along = dot(w, plane)
            if dot(w, axis) != 0 or along < 0:
                continue
            rotation = Rotation(axis, 0, 1)  # w lies in the plane
            if along > 0:
                ratio = Fraction(dot(axis, cross(w, plane)), norm2(axis) * along)
                rotation = Rotation(axis, ratio.denominator, ratio.numerator)
            found.append((abs(rotation.degrees), rotation.degrees < 0, rotation, w))
    if not found:
        return None
    _, _, rotation, w = min(found, key=lambda item: (round(item[0], 9), item[1], item[3]))
    return rotation, w


def parse_name(name: str) -> tuple[Miller, Rotation, Miller]:
    """Read a name such as ``Sigma5(210)[001]``, ``Sigma3(112)`` or ``Sigma5(001) twist``.

    Returns:
        The axis, the rotation and the plane of the first grain.

    Raises:
        ConfigError: it is no such name, or no boundary on that plane has that index.
    """
    match = _NAME.match(name)
    if not match:
        raise ConfigError(
            f"{name!r} is not the name of a boundary",
            hint="write Sigma5(210)[001], Sigma3(112) or Sigma5(001) twist",
        )
    sigma, plane = int(match[1]), coprime(miller(match[2]))
    axes = (coprime(miller(match[3])),) if match[3] else _axes_of(plane, match[4])
    found: list[int] = []
    for axis in axes:
        for rotation in _candidates(axis, plane, sigma):
            if rotation.sigma == sigma:
                return axis, rotation, plane
            found.append(rotation.sigma)
    known = sorted(set(found), key=lambda s: (abs(s - sigma), s))[:5]
    indices = ", ".join(f"Sigma{s}" for s in sorted(known)) or "none known"
    raise ConfigError(
        f"{name!r}: no tilt or twist boundary on ({digits(plane)}) has Sigma {sigma}",
        hint=f"nearest coincidence indices there: {indices}; `gbopt catalog` lists boundaries",
    )


def miller(text: str) -> Miller:
    """Read three integers: ``1-10``, ``1 -1 0`` or ``1,-1,0``.

    Raises:
        ConfigError: these are not three integers, or all are zero.
    """
    spaced = re.fullmatch(r"\s*(-?\d+)[\s,]+(-?\d+)[\s,]+(-?\d+)\s*", text)
    found = spaced or re.fullmatch(r"\s*(-?\d)(-?\d)(-?\d)\s*", text)
    if not found or not any(int(x) for x in found.groups()):
        raise ConfigError(
            f"{text!r} is not three integers", hint="write 210, 1-10 or, with large ones, '11 2 0'"
        )
    return (int(found[1]), int(found[2]), int(found[3]))


def _axes_of(plane: Miller, kind: str | None) -> tuple[Miller, ...]:
    """Axes that a name without an axis may mean."""
    if kind and kind.lower() == "twist":
        return (plane,)
    variants = {
        (s * p[0], t * p[1], p[2])
        for axis in _NAMED_AXES
        for p in _orders(axis)
        for s in (1, -1)
        for t in (1, -1)
    }
    inside = [a for a in variants if dot(a, plane) == 0]
    return tuple(sorted(inside, key=lambda a: (norm2(a), tuple(-x for x in a))))


def _orders(v: Miller) -> set[Miller]:
    a, b, c = v
    return {(a, b, c), (b, c, a), (c, a, b), (b, a, c), (a, c, b), (c, b, a)}


def _candidates(axis: Miller, plane: Miller, sigma: int) -> list[Rotation]:
    """The symmetric tilt on a plane, or every twist about its normal of at most this index."""
    tilt = symmetric_tilt(axis, plane)
    if tilt:
        return [tilt[0]]
    if cross(axis, plane) != (0, 0, 0):
        return []
    # sigma (m^2 + n^2 N) / gcd with a divisor of at most 4 N bounds m and n.
    reach = range(1, math.isqrt(4 * sigma * norm2(axis)) + 1)
    twists = [Rotation(axis, m, n) for m in reach for n in reach if math.gcd(m, n) == 1]
    return sorted((r for r in twists if r.sigma <= sigma), key=lambda r: r.degrees)
