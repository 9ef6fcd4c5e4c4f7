"""When to stop: the budget is spent, or nothing better has been found for long."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gbopt.search.history import Observation


def stop_reason(
    history: Sequence[Observation],
    *,
    evaluations: int,
    patience: int,
    min_improvement: float,
    n_initial: int,
) -> str | None:
    """Return why the search should stop, or None to go on.

    Args:
        history: all evaluations so far; the finished ones with their order of completion.
        evaluations: the budget: most finished evaluations, failed ones included.
        patience: complete evaluations in a row without significant improvement.
        min_improvement: least decrease of the objective that counts.
        n_initial: length of the initial design.
    """
    if sum(o.state != "running" for o in history) >= evaluations:
        return f"budget of {evaluations} evaluations reached"
    waited = evaluations_since_improvement(
        history, min_improvement=min_improvement, n_initial=n_initial
    )
    if waited >= patience:
        return f"no significant improvement in {waited} evaluations"
    return None


def evaluations_since_improvement(
    history: Sequence[Observation], *, min_improvement: float, n_initial: int
) -> int:
    """Count the complete evaluations since the last significant improvement.

    Evaluations of the initial design (``number < n_initial``) may improve but are not counted:
    until it is finished nothing has been searched. Failed ones are not counted either. An
    improvement is significant when it exceeds both ``min_improvement`` and the joint standard
    error of the two values. The value to beat is that of the last significant improvement,
    so that small steps add up.
    """
    waited = 0
    best: Observation | None = None
    for o in _in_order_of_completion(history):
        if o.claims_low and (best is None or _improves(o, best, min_improvement)):
            best, waited = o, 0
        elif o.number >= n_initial:
            waited += 1
    return waited


def _in_order_of_completion(history: Sequence[Observation]) -> list[Observation]:
    done = [o for o in history if o.state == "complete"]
    return sorted(done, key=lambda o: o.number if o.completion is None else o.completion)


def _improves(new: Observation, best: Observation, min_improvement: float) -> bool:
    return best.y - new.y > max(min_improvement, math.hypot(new.error, best.error))
