"""Which of the evaluated points to believe in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gbopt.search.belief import LIKELY, Belief, believe
from gbopt.search.history import Observation, complete
from gbopt.search.settings import SearchSettings
from gbopt.search.space import Key, Params, SearchSpace

_LEAST_FOR_MODEL = 5


@dataclass(frozen=True)
class Recommendation:
    """The evaluated point that is probably the best.

    Args:
        params: the point.
        mean: expected true objective there.
        std_dev: standard deviation of that.
        numbers: the complete evaluations of this point.
        from_model: whether mean and std_dev are the surrogate's, else those of the
            evaluations of this point alone.
        allowed: whether it probably keeps the limits of other observables, as the surrogate sees
            it; without one that is not known where there are limits.
    """

    params: Params
    mean: float
    std_dev: float
    numbers: tuple[int, ...]
    from_model: bool
    allowed: bool


def recommend(
    space: SearchSpace,
    history: Sequence[Observation],
    settings: SearchSettings | None = None,
    belief: Belief | None = None,
) -> Recommendation | None:
    """Return the evaluated point of lowest posterior mean.

    See ``leaders``, of which it is the first.

    Returns:
        None where no complete evaluation shows how low its point is.
    """
    return next(iter(leaders(space, history, settings, belief)), None)


def leaders(
    space: SearchSpace,
    history: Sequence[Observation],
    settings: SearchSettings | None = None,
    belief: Belief | None = None,
) -> list[Recommendation]:
    """Return the evaluated points, that of the lowest posterior mean first.

    The lowest value among noisy ones is a lucky draw; the surrogate weighs every value by its
    error bar and its neighbours. With fewer than five complete evaluations the pooled value
    plus its error decides instead. A point known only by lower bounds, or only from another
    source, is left out. Where observables have limits, the points that probably keep them come
    first.

    Args:
        space: the space.
        history: evaluations of any state.
        settings: the surrogate and the limits; by default as ``SearchSettings``.
        belief: what ``believe`` makes of the same arguments, where it is at hand.
    """
    done = complete(history)
    by_point: dict[Key, list[Observation]] = {}
    for o in done:
        if o.claims_low:
            by_point.setdefault(space.key(o.params), []).append(o)
    groups = list(by_point.values())
    if not groups:
        return []
    points = [g[0].params for g in groups]
    settings = settings or SearchSettings()
    from_model = len(done) >= _LEAST_FOR_MODEL and bool(space.free)
    if from_model:
        belief = belief or believe(space, history, settings)
        mean, sd = belief.predict(points)
        allowed = belief.allowed(points) >= LIKELY
        order = np.lexsort((mean, ~allowed))
    else:
        mean, sd = np.array([_pool(g) for g in groups]).T
        allowed = np.full(len(groups), not settings.limits)
        order = np.argsort(mean + sd, kind="stable")
    return [
        Recommendation(
            space.plain(points[i]),
            float(mean[i]),
            float(sd[i]),
            tuple(o.number for o in groups[i]),
            from_model,
            bool(allowed[i]),
        )
        for i in order.tolist()
    ]


def _pool(replicates: Sequence[Observation]) -> tuple[float, float]:
    """Return the mean weighted by 1/error^2 and its error; plain where an error is unknown."""
    values = np.array([o.y for o in replicates])
    errors = np.array([o.error for o in replicates])
    if not errors.all():
        return float(values.mean()), float(errors.max()) / math.sqrt(len(errors))
    weights = errors**-2
    return float(weights @ values / weights.sum()), float(weights.sum() ** -0.5)
