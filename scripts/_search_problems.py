"""Functions with a known lowest value, searched by ``bench_search``.

``branin`` and ``hartmann6`` are the usual ones. ``gb`` and ``gb2`` have the variables of a search
of grain boundaries, and values like the log10 of a resistance: ``gb`` is smooth but for narrow
needles at the angles of special boundaries, the lowest of which is the optimum and stands in the
broad minimum; in ``gb2`` the best angle is another one for every combination of categories.
``recorded`` is the catalogue scan in campaigns/reference: the boundaries that were really evaluated
are all that can be, their recorded values are taken for true, their errors are the noise. Its
values are log10 of the resistivity, those of ``recorded_area`` of the resistance per area.

A name is BASE-clean or BASE-noisy, with -failN or -regionN behind it where N % of the evaluations
fail: at random, or in one region of the space, which never holds the optimum.
"""

from __future__ import annotations

import csv
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from _recorded import RECORD, require

from gbopt.search import Dimension, SearchSpace

Params = dict[str, Any]

OUTLIER_SHARE = 0.2
OUTLIER_FACTOR = 3.0
"""One evaluation in five ends early, with three times the error."""

WIDTHS = (2, 3, 4, 5)
ANGLES = (5.0, 30.0)
AXES = ("001", "110", "111")
PLANES = ("100", "110", "210", "310")
KINDS = ("tilt", "twist")


@dataclass(frozen=True)
class Problem:
    """A function to minimise.

    Args:
        name: its full name.
        space: where to search.
        truth: the function.
        noise: standard deviation of one ordinary evaluation; 0 where it is clean.
        optimum: lowest value of the function.
        fail_share: share of the evaluations that fail, wherever they are.
        fails: whether every evaluation of a point fails.
        outliers: whether one evaluation in five has a larger error.
    """

    name: str
    space: SearchSpace
    truth: Callable[[Params], float]
    noise: Callable[[Params], float]
    optimum: float
    fail_share: float = 0.0
    fails: Callable[[Params], bool] | None = None
    outliers: bool = True

    @property
    def clean(self) -> bool:
        return "-clean" in self.name

    def regret(self, params: Params) -> float:
        """Return how far the true value of a point is above the lowest."""
        return self.truth(params) - self.optimum


def evaluate(
    problem: Problem, seed: int, number: int, params: Params
) -> tuple[float | None, float]:
    """Return the value found at a point and its standard error; None where it failed.

    The draws depend on the function, the seed and the number of the evaluation alone, so every
    method meets the same ones.
    """
    draws = _draws(problem, seed, number, 0)
    outlier, normal, chance = draws.random(), draws.standard_normal(), draws.random()
    if chance < problem.fail_share or (problem.fails is not None and problem.fails(params)):
        return None, 0.0
    larger = problem.outliers and outlier < OUTLIER_SHARE
    sd = problem.noise(params) * (OUTLIER_FACTOR if larger else 1.0)
    return problem.truth(params) + sd * normal, sd


def duration(problem: Problem, seed: int, number: int) -> float:
    """Return the time that an evaluation takes: lognormal, median 1."""
    return float(_draws(problem, seed, number, 1).lognormal(0.0, 0.5))


def _draws(problem: Problem, seed: int, number: int, purpose: int) -> np.random.Generator:
    base = zlib.crc32(problem.name.split("-")[0].encode())
    return np.random.default_rng([base, seed, number, purpose])


def branin(p: Params) -> float:
    x, y = p["x"], p["y"]
    valley = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return valley**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


_H6_HEIGHT = np.array([1.0, 1.2, 3.0, 3.2])
_H6_SCALE = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_H6_CENTRE = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann6(p: Params) -> float:
    x = np.array([p[f"x{i}"] for i in range(6)])
    return float(-_H6_HEIGHT @ np.exp(-(_H6_SCALE * (x - _H6_CENTRE) ** 2).sum(axis=1)))


_AXIS = {"001": 0.0, "110": 0.18, "111": 0.10}
_PLANE = {"100": 0.12, "110": 0.20, "210": 0.0, "310": 0.05}
_KIND = {"tilt": 0.0, "twist": 0.10}
_BASIN = {"001": 20.0, "110": 12.0, "111": 26.0}
_NEEDLE_SD = 0.3
# Depth by axis, kind and plane. Full width at half depth is 2.35 sd: 0.7 degrees.
_NEEDLES = {
    ("001", "tilt", "210"): {16.26: 0.10, 22.62: 0.20, 28.07: 0.15},
    ("001", "tilt", "310"): {16.26: 0.10, 22.62: 0.15, 28.07: 0.20},
    ("001", "tilt", "100"): {22.62: 0.10, 28.07: 0.20},
    ("001", "twist", "100"): {16.26: 0.25, 22.62: 0.20},
    ("111", "twist", "110"): {13.17: 0.20, 21.79: 0.25, 27.80: 0.20},
    ("111", "tilt", "210"): {21.79: 0.20, 27.80: 0.10},
    ("110", "tilt", "310"): {20.05: 0.20, 26.53: 0.15},
}


def gb(p: Params) -> Any:
    """Return the value; ``angle`` may be an array."""
    axis, plane, kind, angle = p["axis"], p["plane"], p["kind"], p["angle"]
    value = 0.55 + _AXIS[axis] + _PLANE[plane] + _KIND[kind] + 0.03 * (p["width"] - 4) ** 2
    if (axis, kind) == ("111", "twist"):
        value -= 0.15
    value = value - 0.35 * np.exp(-0.5 * ((angle - _BASIN[axis]) / 4.5) ** 2)
    for special, depth in _NEEDLES.get((axis, kind, plane), {}).items():
        value = value - depth * np.exp(-0.5 * ((angle - special) / _NEEDLE_SD) ** 2)
    return value


_PHASE = {"100": 0.0, "110": 0.3, "210": 0.55, "310": 0.8}
_SHIFT = {"001": 0.1, "110": 0.45, "111": 0.7}
_HEIGHT = {
    ("001", "tilt"): 0.25,
    ("001", "twist"): 0.35,
    ("110", "tilt"): 0.40,
    ("110", "twist"): 0.30,
    ("111", "tilt"): 0.30,
    ("111", "twist"): 0.20,
}


def gb2(p: Params) -> Any:
    """Return the value; ``angle`` may be an array."""
    axis, plane, kind = p["axis"], p["plane"], p["kind"]
    turn = (p["angle"] - ANGLES[0]) / (ANGLES[1] - ANGLES[0])
    sign = 1.0 if kind == "tilt" else -1.0
    wave = np.cos(2 * math.pi * (0.8 * turn - _PHASE[plane] - sign * _SHIFT[axis]))
    value = 0.6 + _HEIGHT[axis, kind] * wave + 0.1 * sign * (turn - 0.5)
    return value + 0.5 * _PLANE[plane] + 0.02 * (p["width"] - 3) ** 2


def _gb_noise(p: Params) -> float:
    return 0.03 + 0.1 / p["width"]


def _box(names: tuple[str, ...], low: tuple[float, ...], high: tuple[float, ...]) -> SearchSpace:
    ends = zip(names, low, high, strict=True)
    return SearchSpace(tuple(Dimension(n, "real", a, b) for n, a, b in ends))


_GB_SPACE = SearchSpace(
    (
        Dimension("width", "integer", WIDTHS[0], WIDTHS[-1]),
        Dimension("angle", "real", *ANGLES),
        Dimension("axis", "categorical", choices=AXES),
        Dimension("plane", "categorical", choices=PLANES),
        Dimension("kind", "categorical", choices=KINDS),
    )
)
_SPACES = {
    "branin": _box(("x", "y"), (-5.0, 0.0), (10.0, 15.0)),
    "hartmann6": _box(tuple(f"x{i}" for i in range(6)), (0.0,) * 6, (1.0,) * 6),
    "gb": _GB_SPACE,
    "gb2": _GB_SPACE,
}
_TRUTHS = {"branin": branin, "hartmann6": hartmann6, "gb": gb, "gb2": gb2}
_NOISES = {
    "branin": lambda _: 5.0,
    "hartmann6": lambda _: 0.2,
    "gb": _gb_noise,
    "gb2": _gb_noise,
}
# The variables whose joint corner fails, and at which end; gb: from this angle up.
_CORNERS = {"branin": {"x": "low", "y": "low"}, "hartmann6": {"x0": "high", "x1": "high"}}
_BANDS = {"gb": 23.5, "gb2": 14.0}


@lru_cache
def _optimum(base: str) -> float:
    if base == "branin":
        return 0.39788735772973816
    if base == "hartmann6":
        return -3.322368011415515
    angle = np.linspace(*ANGLES, 25_001)
    truth = _TRUTHS[base]
    return min(
        float(np.min(truth({"width": w, "angle": angle, "axis": a, "plane": p, "kind": k})))
        for w in WIDTHS
        for a in AXES
        for p in PLANES
        for k in KINDS
    )


def _failing_region(base: str, share: float) -> Callable[[Params], bool]:
    """Return whether a point is in the region that fails, of this share of the space."""
    if base in _BANDS:
        start = _BANDS[base]
        end = start + share * (ANGLES[1] - ANGLES[0])
        return lambda p: start <= p["angle"] <= end
    corner = _CORNERS[base]
    edge = share ** (1 / len(corner))
    dimensions = {d.name: d for d in _SPACES[base].dimensions}

    def fails(p: Params) -> bool:
        unit = {n: (p[n] - d.low) / (d.high - d.low) for n, d in dimensions.items()}
        ends = ((unit[n], end) for n, end in corner.items())
        return all((u if end == "low" else 1 - u) <= edge for u, end in ends)

    return fails


_RECORDED = {"recorded": "gb_resistivity", "recorded_area": "area_specific_resistance"}


def _recorded(name: str) -> Problem:
    require(RECORD)
    quantity = _RECORDED[name.partition("-")[0]]
    with RECORD.open(encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["status"] == "ok"]
    points = [
        {
            "angle": float(row["misorientation_deg"]),
            "width": int(row["width_layers"]),
            "plane": row["mean_plane"],
            "axis": row["axis"],
        }
        for row in rows
    ]
    found = {tuple(p.values()): row for p, row in zip(points, rows, strict=True)}
    widths = [p["width"] for p in points]
    space = SearchSpace(
        (
            Dimension("angle", "real", *ANGLES),
            Dimension("width", "integer", min(widths), max(widths)),
            *(
                Dimension(n, "categorical", choices=tuple(sorted({p[n] for p in points})))
                for n in ("plane", "axis")
            ),
        ),
        candidates=tuple(points),
    )

    def column(column: str) -> Callable[[Params], float]:
        return lambda p: float(found[tuple(p[n] for n in points[0])][column])

    value, error = column(quantity), column(f"{quantity}_err")

    def truth(p: Params) -> float:
        return math.log10(value(p))

    def noise(p: Params) -> float:
        return error(p) / value(p) / math.log(10)

    silent = name.endswith("-clean")
    lowest = min(map(truth, points))
    return Problem(name, space, truth, (lambda _: 0.0) if silent else noise, lowest, outliers=False)


@lru_cache
def problem(name: str) -> Problem:
    """Return the problem of a name such as ``gb-noisy`` or ``branin-clean-fail25``."""
    base, _, rest = name.partition("-")
    if base in _RECORDED and rest in ("clean", "noisy"):
        return _recorded(name)
    variant, _, failure = rest.partition("-")
    if base not in _TRUTHS or variant not in ("clean", "noisy"):
        known = [*_TRUTHS, *_RECORDED]
        raise SystemExit(f"no problem '{name}': give one of {known} with -clean or -noisy")
    noise = _NOISES[base] if variant == "noisy" else lambda _: 0.0
    share, region = 0.0, None
    if failure.startswith("fail"):
        share = int(failure.removeprefix("fail")) / 100
    elif failure.startswith("region"):
        region = _failing_region(base, int(failure.removeprefix("region")) / 100)
    elif failure:
        raise SystemExit(f"no failure '{failure}': give failN or regionN, with N in percent")
    truth = _TRUTHS[base]
    return Problem(
        name,
        _SPACES[base],
        lambda p: float(truth(p)),
        noise,
        _optimum(base),
        share,
        region,
    )
