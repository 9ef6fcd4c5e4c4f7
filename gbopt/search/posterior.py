"""Posterior: the surrogate fitted by scikit-optimize, in the units of the objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbopt.search.history import Observation, complete
from gbopt.search.space import Params, SearchSpace

Array = NDArray[np.float64]

LEAST_COMPLETE = 2
"""Fewer complete evaluations have no spread to standardise with, so no model."""
KAPPA = 1.96
"""The search minimises mean - KAPPA sd: the lower end of the 95 % interval."""
_DIGITS = 9


@dataclass(frozen=True)
class _Scale:
    """What makes values standard, so that the unit of the objective is no matter."""

    centre: float
    spread: float

    @classmethod
    def of(cls, history: Sequence[Observation]) -> _Scale:
        done = complete(history)
        values = [o.y for o in done]
        # Where the error bars exceed the scatter, the scatter says little of how far the true
        # values differ: the larger of the two sets what the model thinks possible.
        noise = float(np.sqrt(np.mean([o.error**2 for o in done])))
        return cls(float(np.mean(values)), max(float(np.std(values)), noise) or 1.0)

    def standard(self, value: float) -> float:
        # Rounded, so that the same values in another unit give the same bits.
        return round((value - self.centre) / self.spread, _DIGITS)

    def variance(self, std_err: float) -> float:
        return round((std_err / self.spread) ** 2, _DIGITS)


@dataclass(frozen=True)
class Posterior:
    """What the evaluations so far say about every point.

    Args:
        space: the space.
        optimizer: the `skopt.Optimizer` that has been told everything.
        centre: mean of the complete values.
        spread: standard deviation of the complete values.
    """

    space: SearchSpace
    optimizer: Any
    centre: float
    spread: float

    def coordinates(self, points: Sequence[Params]) -> Array:
        """Return the coordinates of points in the model, (n, columns)."""
        encoded = [self.space.encode(p) for p in points]
        return np.asarray(self.optimizer.space.transform(encoded), dtype=float)

    def predict(self, points: Sequence[Params]) -> tuple[Array, Array]:
        """Return the mean and standard deviation of the true objective, (n,) each."""
        model = self.optimizer.models[-1]
        mean, sd = model.predict(self.coordinates(points), return_std=True)
        return self.centre + self.spread * mean, self.spread * sd

    def by_lower_bound(self, points: Sequence[Params]) -> list[int]:
        """Return the indices of points, the lowest lower confidence bound first."""
        from skopt.acquisition import gaussian_lcb

        bound = gaussian_lcb(self.coordinates(points), self.optimizer.models[-1], kappa=KAPPA)
        return [int(i) for i in np.argsort(bound, kind="stable")]


def fit_posterior(
    space: SearchSpace, history: Sequence[Observation], *, seed: int = 0, samples: int = 1
) -> Posterior:
    """Tell a new `skopt.Optimizer` the whole history at once.

    A failed evaluation is told as the worst complete value plus one spread: ignored, its
    region would be tried again and again. A lower bound is told as no better than the mean. A
    running evaluation is told as what the finished ones predict for it, which lowers the
    uncertainty there and leaves the mean (Desautels et al., J. Mach. Learn. Res. 15 (2014)
    4053).

    Args:
        space: the space, with at least one free dimension.
        history: evaluations, at least `LEAST_COMPLETE` of them complete.
        seed: of the points at which ``ask`` compares the acquisition; the model needs none.
        samples: how many such points.
    """
    scale = _Scale.of(history)
    finished = sorted((o for o in history if o.state != "running"), key=lambda o: o.number)
    running = sorted((o for o in history if o.state == "running"), key=lambda o: o.number)
    points = [space.encode(o.params) for o in finished]
    y = _standard_values(finished, scale)
    alpha = [scale.variance(o.error) if o.state == "complete" else 0.0 for o in finished]
    if running:
        first = _tell(space, points, y, alpha, seed=seed, samples=1)
        pending = [space.encode(o.params) for o in running]
        believed = first.models[-1].predict(first.space.transform(pending))
        points += pending
        y += [float(value) for value in believed]
        alpha += [float(np.median(alpha))] * len(running)
    optimizer = _tell(space, points, y, alpha, seed=seed, samples=samples)
    return Posterior(space, optimizer, scale.centre, scale.spread)


def _standard_values(finished: Sequence[Observation], scale: _Scale) -> list[float]:
    penalty = max(scale.standard(o.y) for o in complete(finished)) + 1.0
    values = []
    for o in finished:
        value = scale.standard(o.y) if o.state == "complete" else penalty
        values.append(max(value, 0.0) if o.bound == "lower" else value)
    return values


def _tell(
    space: SearchSpace,
    points: list[list[Any]],
    y: list[float],
    alpha: list[float],
    *,
    seed: int,
    samples: int,
) -> Any:
    from skopt import Optimizer

    from gbopt.search.surrogate import ErrorBarGPR

    dimensions = [d.for_skopt() for d in space.free]
    groups = tuple(i for i, d in enumerate(dimensions) for _ in range(d.transformed_size))
    optimizer = Optimizer(
        dimensions,
        base_estimator=ErrorBarGPR(groups, np.array(alpha)),
        n_initial_points=0,
        acq_func="LCB",
        acq_func_kwargs={"kappa": KAPPA},
        acq_optimizer="sampling",
        acq_optimizer_kwargs={"n_points": samples},
        random_state=seed,
        avoid_duplicates=False,  # a replicate where the bound asks for one, not a random point
    )
    optimizer.tell(points, y)
    return optimizer
