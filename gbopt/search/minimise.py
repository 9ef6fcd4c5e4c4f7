"""The whole search of any noisy function, in one call."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from gbopt.errors import GboptError
from gbopt.search.best import Recommendation, recommend
from gbopt.search.history import Observation
from gbopt.search.propose import Proposal
from gbopt.search.settings import SearchSettings
from gbopt.search.space import Params, SearchSpace
from gbopt.search.stopping import Stop, decide


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
    function: Callable[[Params], tuple[float, float | None]],
    space: SearchSpace,
    *,
    settings: SearchSettings | None = None,
    seed: int = 0,
) -> SearchResult:
    """Search for the lowest value of a function known only through noisy evaluations.

    Args:
        function: returns the value at a point and its standard error, 0 or None where that is
            not known; a `GboptError` or a value that is not finite counts as a failed evaluation.
        space: where to search.
        settings: how to search and when to stop; by default as ``SearchSettings``.
        seed: root of every random number of the search.
    """
    history: list[Observation] = []
    while True:
        step = decide(space, history, seed=seed, number=len(history), settings=settings)
        if isinstance(step, Stop):
            return SearchResult(recommend(space, history, settings), tuple(history), step.reason)
        history.append(_evaluate(function, step, len(history)))


def _evaluate(
    function: Callable[[Params], tuple[float, float | None]], proposal: Proposal, number: int
) -> Observation:
    params, chosen_by = proposal.params, proposal.chosen_by
    failed = Observation(number, params, "failed", completion=number, chosen_by=chosen_by)
    try:
        value, std_err = function(dict(params))
    except GboptError:
        return failed
    std_err = std_err or 0.0
    if not (math.isfinite(value) and 0 <= std_err < math.inf):
        return failed
    return Observation(
        number, params, "complete", float(value), float(std_err), number, chosen_by=chosen_by
    )
