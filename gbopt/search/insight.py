"""What a search has shown, as data: its course, its model's honesty, what goes together, what next.

Partial dependences and importances are in ``gbopt.search.influence``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.errors import AnalysisError
from gbopt.provenance import derive_seed
from gbopt.search.belief import LIKELY, Belief, as_objective, believe
from gbopt.search.history import Observation, complete, own
from gbopt.search.posterior import LEAST_COMPLETE, fit_posterior
from gbopt.search.propose import expected_gain, known_points, rank
from gbopt.search.settings import SearchSettings
from gbopt.search.space import Params, Scalar, SearchSpace
from gbopt.search.stopping import improvements

Array = NDArray[np.float64]

_FOLDS = 10
_LEAST_POINTS = 8
_ALONG = 41


class Step(NamedTuple):
    """An evaluation in the course of the search."""

    number: int
    state: str
    value: float | None
    std_err: float | None
    bound: str | None
    best: float | None
    """What is believed now of the best point that had been evaluated by then."""
    best_sd: float | None
    improved: bool
    """Whether it was a significant improvement (``evaluations_since_improvement``)."""


class Calibration(NamedTuple):
    """How well values are predicted by models that have not seen their points."""

    values: int
    rms_z: float
    """Root mean square of (value - prediction) / its standard deviation; 1 is honest."""
    within_68: float
    """Share of the values in the 68 % interval of their prediction."""
    within_95: float
    skill: float
    """1 less the mean squared error over that of predicting the mean of the others."""


class LeftOut(NamedTuple):
    """A value and what a model says of it that has not seen its point."""

    number: int
    value: float
    std_err: float
    predicted: float
    std_dev: float
    """Of the difference: of the prediction, the value's error and what errors do not explain."""
    plain: float
    """The mean of the values that the model has seen."""


class Slice(NamedTuple):
    """What is believed along one variable, the others held."""

    name: str
    values: tuple[Scalar, ...]
    mean: tuple[float, ...]
    std_dev: tuple[float, ...]


class Interaction(NamedTuple):
    """How far the effects of two variables depend on each other."""

    one: str
    other: str
    share: float
    """Share of the variance of their joint effect that is not the sum of the single effects."""


class Next(NamedTuple):
    """A point that is worth an evaluation."""

    params: Params
    replicate: int
    predicted: float
    predicted_sd: float
    expected_gain: float
    """By how much the lowest posterior mean is expected to fall."""
    chance: float
    """Probability of success within the limits."""
    cost: float | None


class Compromise(NamedTuple):
    """An evaluated point that no other one beats in everything."""

    params: Params
    values: dict[str, tuple[float, float]]
    """Mean and standard deviation by the surrogate of each quantity, the objective as
    ``objective``."""


def course(
    history: Sequence[Observation],
    settings: SearchSettings | None = None,
    belief: Belief | None = None,
) -> list[Step]:
    """Return the ended evaluations in order of completion, with the best believed by then.

    Args:
        history: evaluations of any state.
        settings: as of the search.
        belief: what ``believe`` makes of them; None before there is a model.
    """
    settings = settings or SearchSettings()
    ended = [o for o in own(history) if o.state != "running"]
    ended.sort(key=lambda o: o.number if o.completion is None else o.completion)
    improved = improvements(history, settings, belief)
    steps: list[Step] = []
    best: tuple[bool, float, float] | None = None
    for o in ended:
        if o.claims_low:
            found = (False, o.y, o.error)
            if belief is not None:
                mean, sd = belief.predict([o.params])
                outside = bool(belief.allowed([o.params])[0] < LIKELY)
                found = (outside, float(mean[0]), float(sd[0]))
            best = min(best or found, found)
        _, low, sd_low = best or (None, None, None)
        done = o.state == "complete"
        steps.append(
            Step(
                o.number,
                o.state,
                o.value if done else None,
                o.std_err if done else None,
                o.bound,
                low,
                sd_low,
                o.number in improved,
            )
        )
    return steps


def left_out(
    space: SearchSpace, history: Sequence[Observation], settings: SearchSettings | None = None
) -> list[LeftOut]:
    """Predict every value by a model fitted anew without its point.

    With more than ten points a tenth of them is left out at once. Bounds are learnt from, and not
    predicted.

    Raises:
        AnalysisError: complete evaluations of fewer than eight different points.
    """
    settings = settings or SearchSettings()
    done = [o for o in own(complete(history)) if o.bound is None]
    order: dict[object, int] = {}
    point = np.array([order.setdefault(space.key(o.params), len(order)) for o in done])
    if len(order) < _LEAST_POINTS or not space.free:
        raise AnalysisError(
            f"{len(order)} different points are too few to judge a model by",
            hint=f"{_LEAST_POINTS} are needed",
        )
    found = []
    for fold in range(min(_FOLDS, len(order))):
        away = {done[i].number for i in np.flatnonzero(point % _FOLDS == fold).tolist()}
        rest = [o for o in complete(history) if o.number not in away]
        asked = [o for o in done if o.number in away]
        posterior = believe(space, rest, settings).posterior
        mean, sd = posterior.predict([o.params for o in asked])
        unexplained = getattr(posterior.model, "noise_", 0.0) * posterior.spread**2
        plain = float(np.mean([o.y for o in rest if o.bound is None and not o.source]))
        for o, m, s in zip(asked, mean, sd, strict=True):
            off = math.sqrt(s**2 + o.error**2 + unexplained + 1e-300)
            found.append(LeftOut(o.number, o.y, o.error, float(m), off, plain))
    return found


def calibration(
    space: SearchSpace, history: Sequence[Observation], settings: SearchSettings | None = None
) -> Calibration:
    """Say how well values are predicted: see ``left_out``, which raises the same."""
    return judged(left_out(space, history, settings))


def judged(found: Sequence[LeftOut]) -> Calibration:
    """Sum up predictions of values that were left out."""
    squares = sum((x.value - x.predicted) ** 2 for x in found)
    plain = sum((x.value - x.plain) ** 2 for x in found)
    far = np.abs([(x.value - x.predicted) / x.std_dev for x in found])
    return Calibration(
        len(found),
        float(np.sqrt(np.mean(far**2))),
        float(np.mean(far < 1.0)),
        float(np.mean(far < 1.96)),
        1.0 - squares / plain if plain else 0.0,
    )


def slices(space: SearchSpace, belief: Belief, through: Params) -> list[Slice]:
    """Return what is believed along each variable that is searched, through one point.

    In a listed space not every point of a slice is a candidate.
    """
    found = []
    for d in space.free:
        if d.kind == "real":
            values: list[Scalar] = np.linspace(d.low, d.high, _ALONG).tolist()
        else:
            values = list(d.choices) or list(range(int(d.low), int(d.high) + 1))
        mean, sd = belief.predict([{**through, d.name: value} for value in values])
        found.append(Slice(d.name, tuple(values), tuple(mean.tolist()), tuple(sd.tolist())))
    return found


def interactions(
    space: SearchSpace, history: Sequence[Observation], settings: SearchSettings | None = None
) -> list[Interaction]:
    """Return the H statistic squared of each pair of variables, the largest first.

    From the surrogate's mean at the evaluated points (Friedman and Popescu, Ann. Appl. Stat. 2
    (2008) 916, eq. 44). It describes the model, which in a search knows poor regions badly: see
    ``calibration`` before believing it.

    Raises:
        AnalysisError: complete evaluations of fewer than eight different points.
    """
    settings = settings or SearchSettings()
    done = own(complete(history))
    points = list({space.key(o.params): o.params for o in done}.values())
    if len(points) < _LEAST_POINTS:
        raise AnalysisError(
            f"{len(points)} different points are too few to tell variables apart",
            hint=f"{_LEAST_POINTS} are needed",
        )
    posterior = fit_posterior(space, done, surrogate=settings.surrogate)
    at = posterior.coordinates(points)
    groups = np.asarray(posterior.layout.dimensions()[1])

    def averaged(variables: tuple[int, ...]) -> Array:
        """Mean prediction with some variables as at each point, over the others' values."""
        own_columns = np.isin(groups, variables)
        mixed = np.where(own_columns, at[:, None, :], at[None, :, :])
        mean = posterior.model.predict(mixed.reshape(-1, at.shape[1]))
        effect = mean.reshape(len(at), len(at)).mean(axis=1)
        return np.asarray(effect - effect.mean())

    names = [d.name for d in space.free]
    single = [averaged((j,)) for j in range(len(names))]
    found = []
    for j, k in combinations(range(len(names)), 2):
        joint = averaged((j, k))
        total = float(joint @ joint)
        rest = joint - single[j] - single[k]
        found.append(Interaction(names[j], names[k], float(rest @ rest) / total if total else 0.0))
    return sorted(found, key=lambda i: -i.share)


def what_next(
    space: SearchSpace,
    history: Sequence[Observation],
    settings: SearchSettings | None = None,
    *,
    seed: int = 0,
    count: int = 5,
    belief: Belief | None = None,
) -> list[Next]:
    """Return the points that are worth most, each by itself, the most first.

    In a space that is not listed they are apart from each other: near ones would be worth the same.

    Args:
        space: the space.
        history: evaluations of any state, two complete ones at least.
        settings: as of the search; ``hedge`` is ranked as its first acquisition.
        seed: root seed of the search.
        count: how many.
        belief: what ``believe`` makes of the same arguments.

    Raises:
        AnalysisError: fewer than two complete evaluations.
    """
    settings = settings or SearchSettings()
    if len(complete(history)) < LEAST_COMPLETE or not space.free:
        raise AnalysisError(
            "too few complete evaluations for a model of what to evaluate next",
            hint=f"{LEAST_COMPLETE} are needed",
        )
    belief = belief or believe(space, history, settings)
    acquisition = settings.acquisition
    if acquisition == "hedge":
        acquisition = "knowledge-gradient"
    rng = np.random.default_rng(derive_seed(seed, len(own(history))))
    running = {space.key(o.params) for o in history if o.state == "running"}
    ranked = rank(space, history, settings, belief, acquisition, rng, running)
    chosen = _apart(space, belief, [s.params for s in ranked], count)
    gain = expected_gain(history, belief, known_points(space, history, belief))
    expected = belief.posterior.spread * gain.of("knowledge-gradient", chosen)
    mean, sd = belief.predict(chosen)
    chance = belief.chance(chosen)
    keys = [space.key(o.params) for o in own(history)]
    return [
        Next(
            p,
            keys.count(space.key(p)),
            float(mean[i]),
            float(sd[i]),
            float(expected[i]),
            float(chance[i]),
            None if space.cost is None else float(space.cost(p)),
        )
        for i, p in enumerate(chosen)
    ]


def _apart(
    space: SearchSpace, belief: Belief, ranked: Sequence[Params], count: int
) -> list[Params]:
    """The first points that differ, in a space that is not listed, by a tenth of some range."""
    chosen: list[Params] = []
    for params in ranked:
        if len(chosen) == count:
            break
        here, *others = belief.posterior.coordinates([params, *chosen])
        if space.finite or all(np.abs(here - other).max() > 0.1 for other in others):
            chosen.append(params)
    return chosen


def compromises(
    space: SearchSpace, history: Sequence[Observation], goals: dict[str, int]
) -> list[Compromise]:
    """Return the evaluated points that no other one beats in the objective and all goals.

    By what the surrogates believe of each point, not by single values: noise makes almost every
    point the best at something.

    Args:
        space: the space.
        history: evaluations of any state.
        goals: other observables, each with 1 where more is better and -1 where less is.
    """
    done = [o for o in own(complete(history)) if o.claims_low]
    told = {"objective": done, **{name: as_objective(done, name) for name in goals}}
    if any(len(values) < LEAST_COMPLETE for values in told.values()) or not space.free:
        return []
    points = list({space.key(o.params): space.plain(o.params) for o in done}.values())
    beliefs = {name: fit_posterior(space, values).predict(points) for name, values in told.items()}
    signs = {"objective": -1, **goals}
    scores = np.array([signs[name] * mean for name, (mean, _) in beliefs.items()])
    gap = scores[:, None, :] - scores[:, :, None]  # (goals, points, others)
    beaten = (np.all(gap >= 0, axis=0) & np.any(gap > 0, axis=0)).any(axis=1)
    kept = np.flatnonzero(~beaten).tolist()
    kept.sort(key=lambda i: float(beliefs["objective"][0][i]))
    return [
        Compromise(
            points[i], {name: (float(m[i]), float(s[i])) for name, (m, s) in beliefs.items()}
        )
        for i in kept
    ]
