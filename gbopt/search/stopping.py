"""What comes next: a further evaluation, or the end and its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gbopt.search.belief import LIKELY, Belief, believe, can_believe
from gbopt.search.best import leaders
from gbopt.search.history import Observation, own
from gbopt.search.propose import Proposal, most_to_gain, propose, replicate_of
from gbopt.search.settings import SearchSettings
from gbopt.search.space import Params, SearchSpace


@dataclass(frozen=True)
class Stop:
    """The search has ended.

    Args:
        reason: why, in words.
        awaited: whether evaluations that are still running may change it: ask again when one of
            them has ended.
    """

    reason: str
    awaited: bool = False


def decide(
    space: SearchSpace,
    history: Sequence[Observation],
    *,
    seed: int,
    number: int,
    settings: SearchSettings | None = None,
    belief: Belief | None = None,
) -> Proposal | Stop:
    """Return the next evaluation, or why there is none.

    The search ends when the budget is spent, when nothing better has been found for long, or when
    no point is expected to be better. Before it ends, its best points are evaluated again, within
    the budget: the winner of a search is otherwise a lucky draw. What that shows may count as an
    improvement, and then it goes on.

    Args:
        space: the space.
        history: all evaluations so far: complete, failed and running.
        seed: root seed of the search.
        number: number of the evaluation to propose, from 0.
        settings: when to stop, and how to choose; by default as ``SearchSettings``.
        belief: what ``believe`` makes of the same arguments, where it is at hand.
    """
    settings = settings or SearchSettings()
    left = settings.evaluations - len(own(history))
    if left <= 0:
        return Stop(f"budget of {settings.evaluations} evaluations reached")
    if belief is None and can_believe(space, history):
        belief = believe(space, history, settings)
    due = _due(space, history, settings, belief)
    reason = _stagnation(space, history, settings, belief)
    # Not within the initial design: without it there are no best points to speak of.
    if due and reason is None and number >= settings.initial and left <= sum(n for _, n in due):
        reason = "the budget is nearly spent"
    proposal = None
    if reason is None:
        proposal = propose(
            space, history, seed=seed, number=number, settings=settings, belief=belief
        )
        reason = _exhaustion(space, history, proposal, settings, belief)
    if reason is None and proposal is not None:
        return proposal
    if belief and due:
        why = f"one of the {settings.finalists} best, evaluated again before stopping: {reason}"
        return replicate_of(space, history, belief, due[0][0], why)
    return Stop(str(reason), awaited=any(o.state == "running" for o in history))


def _stagnation(
    space: SearchSpace,
    history: Sequence[Observation],
    settings: SearchSettings,
    belief: Belief | None,
) -> str | None:
    waited = evaluations_since_improvement(space, history, settings, belief)
    if waited < settings.patience:
        return None
    found = f"no significant improvement in {waited} evaluations"
    if any(b.allowed for b in leaders(space, history, settings, belief)):
        return found
    return f"{found}, and none is known to keep the limits" if settings.limits else found


def _exhaustion(
    space: SearchSpace,
    history: Sequence[Observation],
    proposal: Proposal,
    settings: SearchSettings,
    belief: Belief | None,
) -> str | None:
    gain = proposal.expected_gain
    if gain is None or settings.least_expected <= 0 or gain >= settings.least_expected:
        return None
    for_gain = proposal.chosen_by == "knowledge-gradient" and not settings.cost_aware
    if not for_gain or settings.limits:
        # What was chosen for something else says nothing of what other points would gain.
        gain = most_to_gain(space, history, settings, belief)
        if gain >= settings.least_expected:
            return None
    return (
        f"no further evaluation is expected to gain {settings.least_expected:g}: "
        f"the best one {gain:.2g}"
    )


def _due(
    space: SearchSpace,
    history: Sequence[Observation],
    settings: SearchSettings,
    belief: Belief | None,
) -> list[tuple[Params, int]]:
    """The best points that have too few evaluations, and how many more each needs.

    One outside the limits is none of them.
    """
    if belief is None or settings.replicates == 1:
        return []
    tried = Counter(space.key(o.params) for o in own(history) if o.state != "failed")
    failed = Counter(space.key(o.params) for o in own(history) if o.state == "failed")
    due = []
    finalists = [b for b in leaders(space, history, settings, belief) if b.allowed]
    for b in finalists[: settings.finalists]:
        key = space.key(b.params)
        if tried[key] < settings.replicates and failed[key] < settings.replicates:
            due.append((b.params, settings.replicates - tried[key]))
    return due


def evaluations_since_improvement(
    space: SearchSpace,
    history: Sequence[Observation],
    settings: SearchSettings | None = None,
    belief: Belief | None = None,
) -> int:
    """Count the complete evaluations since the last significant improvement.

    Evaluations of the initial design (``number < settings.initial``) may improve but are not
    counted: until it is finished nothing has been searched. Failed ones are not counted either.
    An improvement is significant when it exceeds both ``settings.min_improvement`` and the joint
    standard error of incumbent and challenger. Both are what the surrogate believes of the two
    points now, by all evaluations, where there is one: else a lucky value would be a bar that
    nothing passes, and an unlucky one no improvement. The point to beat is that of the last
    significant improvement, so that small steps add up.
    """
    settings = settings or SearchSettings()
    if belief is None and can_believe(space, history):
        belief = believe(space, history, settings)
    improved = improvements(history, settings, belief)
    waited = 0
    for o in _in_order_of_completion(history):
        if o.number in improved:
            waited = 0
        elif o.number >= settings.initial:
            waited += 1
    return waited


def improvements(
    history: Sequence[Observation], settings: SearchSettings, belief: Belief | None
) -> set[int]:
    """Return the numbers of the evaluations that were significant improvements.

    The first that shows how low its point is counts as one. See ``evaluations_since_improvement``.
    """
    shown = [o for o in _in_order_of_completion(history) if o.claims_low]
    if belief is not None and shown:
        # A point outside the limits is nothing to improve on, once there is one within them.
        allowed = belief.allowed([o.params for o in shown]) >= LIKELY
        shown = [o for o, a in zip(shown, allowed, strict=True) if a] or shown
    better = _significance(shown, settings, belief)
    found: list[int] = []
    for i in range(len(shown)):
        if not found or better[found[-1], i]:
            found.append(i)
    return {shown[i].number for i in found}


def _significance(
    shown: Sequence[Observation],
    settings: SearchSettings,
    belief: Belief | None,
) -> np.ndarray:
    """(n, n) whether the second evaluation is a significant improvement on the first."""
    if belief is not None and shown:
        mean, error = belief.predict([o.params for o in shown])
    else:
        mean = np.array([o.y for o in shown])
        error = np.array([o.error for o in shown])
    joint = np.hypot(error[:, None], error)
    gain = mean[:, None] - mean
    return np.asarray(gain > np.maximum(settings.min_improvement, joint))


def _in_order_of_completion(history: Sequence[Observation]) -> list[Observation]:
    done = [o for o in own(history) if o.state == "complete"]
    return sorted(done, key=lambda o: o.number if o.completion is None else o.completion)
