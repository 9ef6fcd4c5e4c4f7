"""A small boundary-like landscape: a catalogue of angles, a width, a plane, and known noise."""

from __future__ import annotations

import math

import numpy as np

from gbopt.search import Dimension, Observation, Params, SearchSpace

ANGLES = tuple(round(5 + 25 * i / 23, 4) for i in range(24))
DIMENSIONS = (
    Dimension("width_layers", "integer", 2, 5),
    Dimension("misorientation_deg", "real", 5, 30),
    Dimension("mean_plane", "categorical", choices=("100", "110")),
)
CATALOGUE: tuple[Params, ...] = tuple(
    {"width_layers": w, "misorientation_deg": a, "mean_plane": p}
    for w in range(2, 6)
    for a in ANGLES
    for p in ("100", "110")
)


def snap(params: Params) -> Params:
    """For a space whose points are not listed."""
    angle = min(ANGLES, key=lambda a: abs(a - float(params["misorientation_deg"])))
    return {**params, "misorientation_deg": angle}


SPACE = SearchSpace(DIMENSIONS, candidates=CATALOGUE)
CONTINUOUS = SearchSpace(DIMENSIONS)


def objective(params: Params) -> float:
    angle, width = float(params["misorientation_deg"]), float(params["width_layers"])
    centre = 11.0 if params["mean_plane"] == "100" else 22.0
    cusp = 0.4 * math.exp(-(((angle - 22.0) / 2) ** 2)) * (params["mean_plane"] == "110")
    return 0.1 * (width - 3) ** 2 - 0.4 * math.cos(2 * math.pi * (angle - centre) / 25) - cusp


BEST = min(objective(c) for c in CATALOGUE)


def history(n: int, *, noise: float = 0.1, factor: float = 1.0, shift: float = 0.0):
    rng = np.random.default_rng(3)
    observed = []
    for i in range(n):
        params = CATALOGUE[int(rng.integers(len(CATALOGUE)))]
        value = objective(params) + noise * float(rng.normal())
        observed.append(
            Observation(i, params, "complete", factor * value + shift, factor * noise, i)
        )
    return observed
