"""The next evaluation, as a pure function of the evaluations so far."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gbopt.provenance import derive_seed
from gbopt.search.acquisition import Gain
from gbopt.search.belief import LIKELY, Belief, believe, can_believe
from gbopt.search.feasibility import given_up
from gbopt.search.history import Observation, complete, own
from gbopt.search.pool import Scored, greatest
from gbopt.search.settings import ACQUISITIONS, Acquisition, SearchSettings
from gbopt.search.space import Key, Params, SearchSpace

_LOG2_DESIGN = 12
"""4,096 points of the Sobol sequence: enough for a thousand distinct ones after snapping."""
_LEAST_OWN = 3
"""Points of the design that other sources do not make up for."""
_STARTS = 5


@dataclass(frozen=True)
class Proposal:
    """The next point to evaluate.

    Args:
        params: the point, as it will be realised.
        requested: the point before snapping.
        replicate: how many evaluations in the history are of the same point.
        predicted: mean of the surrogate there, in units of the objective; None in the design.
        predicted_sd: its standard deviation.
        expected_gain: by how much the lowest posterior mean is expected to fall, per evaluation,
            in units of the objective; None in the design.
        chance: probability that the evaluation succeeds and is within the limits.
        chosen_by: the acquisition; None in the design and for replicates before stopping.
        reason: why this point, in words.
    """

    params: Params
    requested: Params
    replicate: int
    predicted: float | None
    predicted_sd: float | None
    expected_gain: float | None
    chance: float | None
    chosen_by: str | None
    reason: str


def propose(
    space: SearchSpace,
    history: Sequence[Observation],
    *,
    seed: int,
    number: int,
    settings: SearchSettings | None = None,
    belief: Belief | None = None,
) -> Proposal:
    """Choose the point of evaluation ``number``.

    The first ones take their points from a fixed space-filling list, so that workers starting
    together never collide; evaluations of other sources shorten it. Later ones go where the
    acquisition is greatest, times the chance of success, over the cost where that counts; while no
    point is known that probably keeps the limits, where the chance of that is greatest. The same
    arguments give the same proposal in any process; the order of ``history`` is no matter. A point
    may come again, as a replicate, where that is worth most, but not while it is running, unless
    every point is.

    Args:
        space: the space.
        history: all evaluations so far: complete, failed and running.
        seed: root seed of the search.
        number: number of the evaluation to propose, from 0.
        settings: how to choose; by default as ``SearchSettings``.
        belief: what ``believe`` makes of the same arguments, where it is at hand.
    """
    settings = settings or SearchSettings()
    running = {space.key(o.params) for o in history if o.state == "running"}
    length = _design_length(space, history, settings)
    if number < length or not can_believe(space, history):
        requested = _from_design(space, running, seed=seed, number=number)
        reason = f"initial design {number + 1} of {length}"
        if number >= length:
            reason = "design continued: too few complete evaluations for a model"
        return _proposal(space, history, requested, reason)
    belief = belief or believe(space, history, settings)
    rng = np.random.default_rng(derive_seed(seed, number))
    acquisition = settings.acquisition
    if acquisition == "hedge":
        acquisition = _hedged(belief, history, rng)
    ranked = rank(space, history, settings, belief, acquisition, rng, running)
    if _unmet(belief, known_points(space, history, belief)):
        found = _from_model(space, history, belief, None, ranked[0].params)
        reason = f"within the limits with a probability of {found.chance:.2g}: nothing known is"
        return replace(found, reason=reason)
    return _from_model(space, history, belief, acquisition, ranked[0].params)


def _design_length(
    space: SearchSpace, history: Sequence[Observation], settings: SearchSettings
) -> int:
    elsewhere = len({space.key(o.params) for o in history if o.source and o.state == "complete"})
    return max(settings.initial - elsewhere, min(settings.initial, _LEAST_OWN))


def most_to_gain(
    space: SearchSpace,
    history: Sequence[Observation],
    settings: SearchSettings,
    belief: Belief | None = None,
) -> float:
    """Return the greatest gain expected of any point, in units of the objective.

    Infinite while no point is known that probably keeps the limits.

    Args:
        space: the space.
        history: all evaluations so far, enough for a model.
        settings: the kind of surrogate and the limits.
        belief: what ``believe`` makes of the same arguments, where it is at hand.
    """
    belief = belief or believe(space, history, settings)
    if _unmet(belief, known_points(space, history, belief)):
        return math.inf
    running = {space.key(o.params) for o in history if o.state == "running"}
    costless = replace(settings, cost_aware=False)
    rng = np.random.default_rng(0)
    ranked = rank(space, history, costless, belief, "knowledge-gradient", rng, running)
    return _from_model(space, history, belief, None, ranked[0].params).expected_gain or 0.0


def replicate_of(
    space: SearchSpace, history: Sequence[Observation], belief: Belief, params: Params, why: str
) -> Proposal:
    """Return the proposal of evaluating a known point again."""
    found = _from_model(space, history, belief, None, params)
    return Proposal(**{**vars(found), "reason": why})


def _proposal(
    space: SearchSpace, history: Sequence[Observation], requested: Params, reason: str
) -> Proposal:
    params = space.realise(requested)
    replicate = _replicates(space, history, params)
    return Proposal(params, requested, replicate, None, None, None, None, None, reason)


def _replicates(space: SearchSpace, history: Sequence[Observation], params: Params) -> int:
    key = space.key(params)
    return sum(space.key(o.params) == key for o in own(history))


def _from_design(space: SearchSpace, running: set[Key], *, seed: int, number: int) -> Params:
    """Return point ``number`` of the list, or the next one that is not running."""
    points = list(itertools.islice(_distinct_points(space, seed), number + len(running) + 1))
    # A list shorter than number starts again from its head.
    turns = (points[(number + i) % len(points)] for i in range(len(points)))
    free = (p for p in turns if space.key(space.realise(p)) not in running)
    return next(free, points[number % len(points)])


def _distinct_points(space: SearchSpace, seed: int) -> Iterator[Params]:
    """Yield proposals whose realised points differ: a Sobol sequence, then the candidates."""
    seen: set[Key] = set()
    listed = space.points if space.finite else ()
    for point in itertools.chain(_sobol_points(space, seed), listed):
        key = space.key(space.realise(point))
        if key not in seen:
            seen.add(key)
            yield point


def _sobol_points(space: SearchSpace, seed: int) -> Iterator[Params]:
    """Yield a scrambled Sobol sequence; its beginning does not depend on its length."""
    from scipy.stats import qmc

    if not space.free:
        return iter([space.from_unit([])])
    sobol = qmc.Sobol(len(space.free), seed=derive_seed(seed))
    return (space.from_unit(u) for u in sobol.random_base2(_LOG2_DESIGN))


def rank(
    space: SearchSpace,
    history: Sequence[Observation],
    settings: SearchSettings,
    belief: Belief,
    acquisition: Acquisition,
    rng: np.random.Generator,
    excluded: set[Key],
) -> list[Scored]:
    """Return points by what an evaluation of them is worth, the most first.

    Args:
        space: the space.
        history: all evaluations so far.
        settings: whether costs count.
        belief: what the ended evaluations say.
        acquisition: one of ``ACQUISITIONS``.
        rng: source of randomness.
        excluded: points that are not wanted, unless no other is left; those that failed again and
            again are not either.
    """
    known = known_points(space, history, belief)
    gain = expected_gain(history, belief, known)
    unmet = _unmet(belief, known)

    def score(points: list[Params]) -> np.ndarray:
        if unmet:  # while no point keeps the limits, no value is one to improve on
            return belief.chance(points)
        worth = gain.of(acquisition, points) * belief.chance(points)
        if settings.cost_aware and space.cost is not None:
            worth = worth / np.array([space.cost(p) for p in points])
        return worth

    mean, _ = belief.predict(known)
    starts = [known[i] for i in np.argsort(mean, kind="stable")[:_STARTS]]
    for unwanted in (excluded | given_up(space, history), excluded, set()):
        if ranked := greatest(space, score, starts, unwanted, rng):
            return ranked
    raise AssertionError("a space has at least one point")


def known_points(
    space: SearchSpace, history: Sequence[Observation], belief: Belief
) -> list[Params]:
    """Return the different points that may be the best one.

    Those with a value, of this search alone where it has any, and those within the limits alone
    where any is.
    """
    done = complete(history)
    shown = [o for o in done if o.claims_low] or done
    points = list({space.key(o.params): space.plain(o.params) for o in shown}.values())
    allowed = belief.allowed(points) >= LIKELY
    return [p for p, a in zip(points, allowed, strict=True) if a] or points


def _unmet(belief: Belief, known: list[Params]) -> bool:
    return bool(np.all(belief.allowed(known) < LIKELY))


def expected_gain(history: Sequence[Observation], belief: Belief, known: list[Params]) -> Gain:
    """Return the gain expected of points while the running evaluations are not known."""
    running = sorted((o for o in history if o.state == "running"), key=lambda o: o.number)
    # What is running will be known: a neighbour of it gains only what goes beyond.
    pending = [o.params for o in running]
    allowed = belief.allowed(pending) >= LIKELY if pending else ()
    known = [*known, *(p for p, a in zip(pending, allowed, strict=True) if a)]
    return Gain(belief.posterior.believing(running), known)


def _hedged(
    belief: Belief, history: Sequence[Observation], rng: np.random.Generator
) -> Acquisition:
    """Draw an acquisition, by how low the surrogate now believes the points it chose to be.

    A portfolio as in Hoffman, Brochu and de Freitas (UAI 2011), where only the acquisition whose
    point was evaluated is paid: the others' points are not known to those who go on from a record.
    """
    posterior = belief.posterior
    paid = []
    done = complete(history)
    for name in ACQUISITIONS:
        chosen = [o.params for o in done if o.chosen_by == name]
        mean = posterior.predict(chosen)[0] if chosen else np.array([math.nan])
        paid.append(float(np.mean((posterior.centre - mean) / posterior.spread)))
    rewards = np.array(paid)
    untried = np.isnan(rewards)
    rewards[untried] = 0.0 if untried.all() else np.nanmax(rewards)
    weights = np.exp(rewards - rewards.max())
    return ACQUISITIONS[int(rng.choice(len(weights), p=weights / weights.sum()))]


def _from_model(
    space: SearchSpace,
    history: Sequence[Observation],
    belief: Belief,
    acquisition: Acquisition | None,
    params: Params,
) -> Proposal:
    mean, sd = (float(found[0]) for found in belief.predict([params]))
    gain = expected_gain(history, belief, known_points(space, history, belief))
    expected = belief.posterior.spread * float(gain.of("knowledge-gradient", [params])[0])
    chance = float(belief.chance([params])[0])
    replicate = _replicates(space, history, params)
    words = (acquisition or "").replace("-", " ").replace("noisy ei", "noisy EI")
    reason = (
        f"{words.replace('lcb', 'LCB')}: predicted {mean:.3g} +- {sd:.2g}, "
        f"expected gain {expected:.2g}"
    )
    return Proposal(params, params, replicate, mean, sd, expected, chance, acquisition, reason)
