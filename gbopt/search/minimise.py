"""The whole search of any noisy function, in one call."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from gbopt.errors import GboptError
from gbopt.search.best import Recommendation, recommend
from gbopt.search.history import Observation
from gbopt.search.propose import propose
from gbopt.search.space import Params, SearchSpace
from gbopt.search.stopping import stop_reason


@dataclass(frozen=True)
class SearchResult:
    """The outcome of a search.

    Args:
        best: the recommended point, None where every evaluation failed.
        history: all evaluations in order.
        stopped: why the search stopped.
    """

    best: Recommendation | None
    history: tuple[Observation, ...]
    stopped: str


def minimise(
    function: Callable[[Params], tuple[float, float]],
    space: SearchSpace,
    *,
    evaluations: int,
    initial: int,
    patience: int,
    seed: int,
) -> SearchResult:
    """Search for the lowest value of a function known only through noisy evaluations.

    Args:
        function: returns the value at a point and its standard error, 0 where that is not
            known; a `GboptError` or a value that is not finite counts as a failed evaluation.
        space: where to search.
        evaluations: most evaluations, failed ones included.
        initial: length of the initial design.
        patience: stop after this many evaluations without significant improvement.
        seed: root of every random number of the search.
    """
    history: list[Observation] = []
    while True:
        stopped = stop_reason(
            history,
            evaluations=evaluations,
            patience=patience,
            min_improvement=0.0,
            n_initial=initial,
        )
        if stopped:
            return SearchResult(recommend(space, history), tuple(history), stopped)
        number = len(history)
        params = propose(space, history, seed=seed, number=number, n_initial=initial).params
        history.append(_evaluate(function, params, number))


def _evaluate(
    function: Callable[[Params], tuple[float, float]], params: Params, number: int
) -> Observation:
    failed = Observation(number, params, "failed", completion=number)
    try:
        value, std_err = function(dict(params))
    except GboptError:
        return failed
    if not (math.isfinite(value) and math.isfinite(std_err)):
        return failed
    return Observation(number, params, "complete", float(value), float(std_err), number)
