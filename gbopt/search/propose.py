"""The next evaluation, as a pure function of the evaluations so far."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gbopt.provenance import derive_seed
from gbopt.search.history import Observation, complete
from gbopt.search.posterior import LEAST_COMPLETE, Posterior, fit_posterior
from gbopt.search.space import Key, Params, SearchSpace

_LOG2_DESIGN = 12
"""4,096 points of the Sobol sequence: enough for a thousand distinct ones after snapping."""
_SAMPLES = 10_000
_DETOUR_SAMPLES = 1_000


@dataclass(frozen=True)
class Proposal:
    """The next point to evaluate.

    Args:
        params: the point, as it will be realised.
        requested: the point before snapping.
        replicate: how many evaluations in the history are of the same point.
        predicted: mean of the surrogate there, in units of the objective; None in the design.
        predicted_sd: its standard deviation.
        reason: why this point, in words.
    """

    params: Params
    requested: Params
    replicate: int
    predicted: float | None
    predicted_sd: float | None
    reason: str


def propose(
    space: SearchSpace,
    history: Sequence[Observation],
    *,
    seed: int,
    number: int,
    n_initial: int,
) -> Proposal:
    """Choose the point of evaluation ``number``.

    The first ``n_initial`` numbers take their points from a fixed space-filling list, so that
    workers starting together never collide. Later ones minimise the lower confidence bound:
    over all candidates where the space lists them, else as `skopt.Optimizer.ask` does. The
    same arguments give the same proposal in any process; the order of ``history`` is no
    matter. A point may come again, as a replicate, but not while it is running, unless every
    point is.

    Args:
        space: the space.
        history: all evaluations so far: complete, failed and running.
        seed: root seed of the search.
        number: number of the evaluation to propose, from 0.
        n_initial: length of the initial design.
    """
    running = {space.key(o.params) for o in history if o.state == "running"}
    has_model = len(complete(history)) >= LEAST_COMPLETE and bool(space.free)
    if number < n_initial or not has_model:
        requested = _from_design(space, running, seed=seed, number=number)
        reason = f"initial design {number + 1} of {n_initial}"
        if number >= n_initial:
            reason = "design continued: too few complete evaluations for a model"
        return _proposal(space, history, requested, reason)
    samples = 1 if space.candidates else _SAMPLES
    posterior = fit_posterior(space, history, seed=derive_seed(seed, number), samples=samples)
    return _from_model(space, history, posterior, running)


def _proposal(
    space: SearchSpace,
    history: Sequence[Observation],
    requested: Params,
    reason: str,
    prediction: tuple[float, float] | None = None,
) -> Proposal:
    params = space.realise(requested)
    key = space.key(params)
    replicate = sum(space.key(o.params) == key for o in history)
    mean, sd = prediction or (None, None)
    return Proposal(params, requested, replicate, mean, sd, reason)


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
    for point in itertools.chain(_sobol_points(space, seed), space.candidates or ()):
        key = space.key(space.realise(point))
        if key not in seen:
            seen.add(key)
            yield point


def _sobol_points(space: SearchSpace, seed: int) -> Iterator[Params]:
    """Yield a scrambled Sobol sequence; its beginning does not depend on its length."""
    from scipy.stats import qmc

    if not space.free:
        return iter([space.decode([])])
    sobol = qmc.Sobol(len(space.free), seed=derive_seed(seed))
    return (space.from_unit(u) for u in sobol.random_base2(_LOG2_DESIGN))


def _from_model(
    space: SearchSpace,
    history: Sequence[Observation],
    posterior: Posterior,
    running: set[Key],
) -> Proposal:
    """Return the point of lowest lower confidence bound that is not running."""
    requested = _lowest(space, posterior, running)
    mean, sd = posterior.predict([space.realise(requested)])
    prediction = float(mean[0]), float(sd[0])
    reason = "LCB: predicted {:.3g} +- {:.2g}".format(*prediction)
    return _proposal(space, history, requested, reason, prediction)


def _lowest(space: SearchSpace, posterior: Posterior, running: set[Key]) -> Params:
    if space.candidates:
        pool = [space.plain(c) for c in space.candidates]
    else:
        asked = _ask(space, posterior)
        if space.key(space.realise(asked)) not in running:
            return asked
        optimizer = posterior.optimizer
        sampled = optimizer.space.rvs(_DETOUR_SAMPLES, random_state=optimizer.rng)
        pool = [space.decode(x) for x in sampled]
    ranked = [pool[i] for i in posterior.by_lower_bound(pool)]
    free = (p for p in ranked if space.key(space.realise(p)) not in running)
    return next(free, ranked[0])


def _ask(space: SearchSpace, posterior: Posterior) -> Params:
    with warnings.catch_warnings():
        # Said of every replicate, which is welcome here.
        warnings.filterwarnings("ignore", "The objective has been evaluated", UserWarning)
        return space.decode(posterior.optimizer.ask())
