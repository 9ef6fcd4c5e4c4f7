"""What the surrogate has learnt of each variable: partial dependence, permutation importance.

Both describe the model where the search has been, and it goes where values are low. For variables
that were set (geometry) they show an effect, as far as the model predicts at all (``skill``). For
what came out of an evaluation with its value (composition, oxygen) they show association only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.errors import AnalysisError
from gbopt.search.history import Observation, complete, own
from gbopt.search.posterior import Posterior, fit_posterior
from gbopt.search.space import Dimension, Scalar, SearchSpace

Array = NDArray[np.float64]

LEAST_POINTS = 8
"""With fewer different points a model of several variables is guesswork."""
# With so many different points their hyperparameters hold for nine tenths of them as well: on pure
# noise, 64 points, they claim a skill of 0.02(2) where those fitted anew claim -0.02(2). With so
# many evaluations, of whatever number of points, fitting them anew would take minutes.
_HELD_POINTS, _HELD_EVALUATIONS = 60, 150
_GRID = 25
# Fits of the surrogate behind the importances; with no more points than that, each is left out.
_FOLDS = 10
# Other evaluations that a variable is taken from.
_SWAPS = 60


class PartialDependence(NamedTuple):
    """Expected objective along one variable, averaged over where the evaluations were."""

    name: str
    values: tuple[Scalar, ...]
    mean: Array
    """(values,) in the unit of the objective."""
    std_dev: Array
    """(values,) posterior standard deviation of ``mean``."""


class Importance(NamedTuple):
    """How much worse unseen points are predicted when one variable is scrambled."""

    name: str
    share: float
    """Rise of the mean squared error of prediction, over that of predicting the plain mean."""
    std_err: float
    """Its standard error over the points."""


@dataclass(frozen=True)
class Influence:
    """What the surrogate says of each free variable, in the order of the space.

    Args:
        partial: partial dependences.
        importance: permutation importances.
        skill: 1 less the mean squared error of predicting unseen points, over that of predicting
            the mean of the others; at 0 or below the model knows nothing and neither do these.
    """

    partial: tuple[PartialDependence, ...]
    importance: tuple[Importance, ...]
    skill: float


def influence(
    space: SearchSpace,
    history: Sequence[Observation],
    *,
    points: SearchSpace | None = None,
    posterior: Posterior | None = None,
) -> Influence:
    """Fit the search's own surrogate to the complete evaluations, and ask it.

    Failed evaluations are left out, and so are values of other sources.

    Partial dependence (Friedman, Ann. Stat. 29 (2001) 1189): one variable runs through a grid
    over its evaluated range, the others stay at those of each evaluated point, and the posterior
    mean is averaged; its standard deviation is that of the averaged process.

    Permutation importance of training points flatters a Gaussian process, which passes through
    them. Here every point is predicted by a model fitted anew without it and its replicates (and,
    with more than ten points, without a tenth of the others), once as it is and once with a
    variable taken from each of the remaining evaluations in turn (from 60 of them, if there are
    more): the mean over these swaps, which needs no random numbers (Fisher, Rudin and Dominici,
    J. Mach. Learn. Res. 20 (2019) 177).
    Keeping the hyperparameters of all data is quicker, and claims skill on pure noise where points
    are few: it is done where ``is_large``. Of variables that go together each
    takes part of the other's share.

    Args:
        space: the space, with at least one free dimension.
        history: evaluations of any state.
        points: the space whose points are left out together, where ``space`` has variables that
            differ between replicates; by default ``space``.
        posterior: what ``fit_posterior`` makes of this search's own, where it is at hand.

    Raises:
        AnalysisError: complete evaluations of fewer than ``LEAST_POINTS`` different points.
    """
    done = own(complete(history))
    point = _points(points or space, done)
    if point.max(initial=-1) + 1 < LEAST_POINTS:
        raise AnalysisError(
            f"what a surrogate learns from {point.max(initial=-1) + 1} different points is "
            f"guesswork: {LEAST_POINTS} are needed",
            hint="evaluate more boundaries",
        )
    posterior = posterior or fit_posterior(space, done)
    partial = tuple(_partial(posterior, done, i) for i in range(len(space.free)))
    whole = posterior if is_large(int(point.max()) + 1, len(done)) else None
    return Influence(partial, *_importance(space, done, point, whole))


def is_large(points: int, evaluations: int) -> bool:
    """Whether what is left out is predicted with the hyperparameters of all data."""
    return points >= _HELD_POINTS or evaluations >= _HELD_EVALUATIONS


def _points(space: SearchSpace, done: Sequence[Observation]) -> NDArray[np.intp]:
    """(n,) index of the point of each evaluation; -1 where that is known by bounds alone."""
    keys = [space.key(o.params) for o in done]
    resolved = dict.fromkeys(k for k, o in zip(keys, done, strict=True) if o.bound is None)
    order = {key: i for i, key in enumerate(resolved)}
    return np.array([order.get(key, -1) for key in keys], dtype=np.intp)


def _partial(posterior: Posterior, done: Sequence[Observation], variable: int) -> PartialDependence:
    dimension = posterior.space.free[variable]
    grid = _grid(dimension, [dimension.plain(o.params[dimension.name]) for o in done])
    at = posterior.coordinates([{**done[0].params, dimension.name: value} for value in grid])
    # Replicates do not count twice.
    others = np.unique(posterior.coordinates([o.params for o in done]), axis=0)
    model = posterior.model
    own = np.asarray(model.groups) == variable
    # Of points that agree in the variable, whatever its value: how the rest of them goes together.
    prior = float(model.kernel_(np.where(own, at[0], others)).mean())
    mean, sd = np.array([_averaged(model, np.where(own, row, others), prior) for row in at]).T
    spread = posterior.spread
    return PartialDependence(dimension.name, grid, posterior.centre + spread * mean, spread * sd)


def _grid(dimension: Dimension, values: Sequence[Scalar]) -> tuple[Scalar, ...]:
    """The evaluated choices, all whole numbers of the evaluated range, or a grid over it."""
    if dimension.kind == "categorical":
        return tuple(c for c in dimension.choices if c in values)
    low, high = (float(end(float(v) for v in values)) for end in (min, max))
    if dimension.kind == "integer":
        return tuple(range(int(low), int(high) + 1))
    return tuple(np.linspace(low, high, _GRID).tolist())


def _averaged(model: Any, X: Array, prior: float) -> tuple[float, float]:
    """Posterior mean and standard deviation of the average of the process over points.

    ``prior`` is its variance before any value is known.
    """
    from scipy.linalg import solve_triangular

    to_data = model.kernel_(X, model.X_train_).mean(axis=0)
    explained = solve_triangular(model.L_, to_data, lower=True)
    variance = prior - float(explained @ explained)
    return float(to_data @ model.alpha_), math.sqrt(max(variance, 0.0))


def _importance(
    space: SearchSpace,
    done: Sequence[Observation],
    point: NDArray[np.intp],
    whole: Posterior | None,
) -> tuple[tuple[Importance, ...], float]:
    """Importance of each variable, and the skill of the model.

    ``whole`` is the posterior of all evaluations where its hyperparameters are kept.
    """
    errors = []
    for fold in range(min(_FOLDS, int(point.max()) + 1)):
        away = (point >= 0) & (point % _FOLDS == fold)
        rest = [done[i] for i in np.flatnonzero(~away).tolist()]
        gone = {done[i].number for i in np.flatnonzero(away).tolist()}
        posterior = whole.without(gone) if whole else fit_posterior(space, rest)
        plain = float(np.mean([o.y for o in rest if o.bound is None]))
        swaps = _swaps(posterior, posterior.coordinates([o.params for o in rest]))
        asked = [i for i in np.flatnonzero(away).tolist() if done[i].bound is None]
        at = posterior.coordinates([done[i].params for i in asked])
        found = [
            _squared_errors(posterior, swaps, plain, x, done[i].y)
            for x, i in zip(at, asked, strict=True)
        ]
        own = point[asked]
        errors += [np.array(found)[own == p].sum(axis=0) for p in np.unique(own)]
    return _shares(space, np.array(errors))


class _Swap(NamedTuple):
    """What may take the place of one variable: its columns, the values there, their shares."""

    columns: NDArray[np.bool_]
    values: Array
    shares: Array


def _swaps(posterior: Posterior, rows: Array) -> list[_Swap]:
    """Of each variable the values that at most ``_SWAPS`` of the rows have, evenly apart."""
    kept = np.linspace(0, len(rows) - 1, min(_SWAPS, len(rows))).round().astype(int)
    groups = np.asarray(posterior.model.groups)
    found = []
    for variable in range(groups.max() + 1):
        columns = groups == variable
        # Few widths and planes occur, many times over: each is predicted once.
        values, counts = np.unique(rows[kept][:, columns], axis=0, return_counts=True)
        found.append(_Swap(columns, values, counts / len(kept)))
    return found


def _squared_errors(
    posterior: Posterior, swaps: Sequence[_Swap], plain: float, x: Array, value: float
) -> Array:
    """Squared errors at an evaluation that the model has not seen.

    Args:
        posterior: the model.
        swaps: for each variable the values of evaluations that it has seen.
        plain: mean of the values that it has seen.
        x: (columns,) coordinates of the evaluation.
        value: its value.

    Returns:
        (2 + variables,) of the plain mean, of the model, and of the model with each variable
        taken from the others, averaged over them.
    """
    rows = [x[None, :]]
    for swap in swaps:
        swapped = np.tile(x, (len(swap.values), 1))
        swapped[:, swap.columns] = swap.values
        rows.append(swapped)
    predicted = posterior.centre + posterior.spread * posterior.model.predict(np.vstack(rows))
    squares = (value - predicted) ** 2
    by_swap = np.split(squares[1:], np.cumsum([len(swap.values) for swap in swaps])[:-1])
    scrambled = [s.shares @ own for s, own in zip(swaps, by_swap, strict=True)]
    return np.array([(value - plain) ** 2, squares[0], *scrambled])


def _shares(space: SearchSpace, errors: Array) -> tuple[tuple[Importance, ...], float]:
    """Importances and skill from the summed squared errors of each point.

    Args:
        space: the space.
        errors: (points, 2 + variables) of the plain mean, the model, and with each variable
            scrambled.
    """
    n = len(errors)
    by_mean = float(errors[:, 0].sum()) or 1.0  # equal values: nothing to explain
    rise = errors[:, 2:] - errors[:, 1:2]
    share = rise.sum(axis=0) / by_mean
    std_err = rise.std(axis=0, ddof=1) * math.sqrt(n) / by_mean
    importance = tuple(
        Importance(d.name, float(s), float(e))
        for d, s, e in zip(space.free, share, std_err, strict=True)
    )
    return importance, 1.0 - float(errors[:, 1].sum()) / by_mean
