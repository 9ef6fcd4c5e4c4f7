"""Where a function of the point is greatest: over a list, or by sampling and local search.

scikit-optimize compares random samples, or climbs from them where all variables are real. Here the
best of the samples are improved by steps that fit every kind of variable and stay realisable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from gbopt.search.space import Key, Params, SearchSpace

Array = NDArray[np.float64]
Score = Callable[[list[Params]], Array]

_LOG2_SAMPLES = 10
_MOST_LISTED = 5000
_KEPT = 6
# Steps in units of the ranges, round by round: from hopping about to settling.
_SCALES = (0.2, 0.1, 0.05, 0.03, 0.015, 0.008, 0.004, 0.002, 0.001)
_STEPS = 16


class Scored(NamedTuple):
    """A realisable point and its score."""

    params: Params
    score: float


def greatest(
    space: SearchSpace,
    score: Score,
    starts: Sequence[Params],
    excluded: set[Key],
    rng: np.random.Generator,
) -> list[Scored]:
    """Return points of the greatest score, the greatest first, each once.

    Args:
        space: the space, with at least one free dimension.
        score: (n,) score of n points.
        starts: points that may be good, searched around too.
        excluded: points that are not wanted.
        rng: source of randomness.
    """
    pool: dict[Key, Params] = {}
    scores: dict[Key, float] = {}

    def add(points: Sequence[Params]) -> None:
        new = {space.key(p): p for p in points}
        fresh = [k for k in new if k not in pool and k not in excluded]
        if fresh:
            pool.update((k, new[k]) for k in fresh)
            scores.update(zip(fresh, score([new[k] for k in fresh]).tolist(), strict=True))

    add([*_samples(space, rng), *starts])
    if not space.finite:
        for scale in _SCALES:
            leaders = sorted(scores, key=scores.__getitem__, reverse=True)[:_KEPT]
            leaders += [k for p in starts[:2] if (k := space.key(p)) in pool]
            near = [space.near(pool[key], scale, rng) for key in leaders for _ in range(_STEPS)]
            add(near)
    # Sorting is stable, and the order of insertion a function of the arguments.
    ranked = sorted(scores, key=scores.__getitem__, reverse=True)
    return [Scored(pool[key], scores[key]) for key in ranked]


def _samples(space: SearchSpace, rng: np.random.Generator) -> list[Params]:
    """All points of a finite space, or points spread evenly over it."""
    if space.finite:
        points = space.points
        if len(points) <= _MOST_LISTED:
            return list(points)
        return [points[i] for i in rng.choice(len(points), _MOST_LISTED, replace=False)]
    sobol = qmc.Sobol(len(space.free), seed=rng)
    found = [space.from_unit(u) for u in sobol.random_base2(_LOG2_SAMPLES)]
    if space.candidates is None:
        return [space.realise(p) for p in found]
    # Snapping is slow and favours lonely candidates: each is as likely as any other.
    chosen = rng.integers(len(space.candidates), size=len(found))
    return [space.plain({**p, **space.candidates[i]}) for p, i in zip(found, chosen, strict=True)]
