"""What a search has shown, as data: its course, what its model says, what next.

Partial dependences and importances are in ``gbopt.search.influence``, how far the model is to be
trusted in ``gbopt.search.calibration``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.errors import AnalysisError
from gbopt.provenance import derive_seed
from gbopt.search.belief import LIKELY, Belief, as_objective, believe
from gbopt.search.history import Observation, complete, own
from gbopt.search.posterior import LEAST_COMPLETE, Posterior, fit_posterior
from gbopt.search.propose import expected_gain, known_points, rank
from gbopt.search.settings import SearchSettings
from gbopt.search.space import Dimension, Params, Scalar, SearchSpace
from gbopt.search.stopping import improvements

Array = NDArray[np.float64]

_LEAST_POINTS = 8
_ALONG = 41
_ACROSS = 17
# Evaluated points that are mixed with each other: the work goes with their square.
_MIXED = 60


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


class Slice(NamedTuple):
    """What is believed along one variable, the others held."""

    name: str
    values: tuple[Scalar, ...]
    mean: tuple[float, ...]
    std_dev: tuple[float, ...]


class Plane(NamedTuple):
    """What is believed of two variables together, the others held."""

    one: str
    other: str
    ones: tuple[Scalar, ...]
    others: tuple[Scalar, ...]
    mean: tuple[tuple[float, ...], ...]
    """A row for each of ``others``, a column for each of ``ones``."""
    std_dev: tuple[tuple[float, ...], ...]


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
    """By how much the lowest posterior mean is expected to fall, per evaluation."""
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
    believed = _believed([o for o in ended if o.claims_low], belief)
    steps: list[Step] = []
    best: tuple[bool, float, float] | None = None
    for o in ended:
        if o.claims_low:
            best = min(best or believed[o.number], believed[o.number])
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


def _believed(
    shown: Sequence[Observation], belief: Belief | None
) -> dict[int, tuple[bool, float, float]]:
    """By number: whether a point is outside the limits, its mean and standard deviation."""
    if belief is None or not shown:
        return {o.number: (False, o.y, o.error) for o in shown}
    points = [o.params for o in shown]
    mean, sd = belief.predict(points)
    outside = belief.allowed(points) < LIKELY
    found = zip(outside.tolist(), mean.tolist(), sd.tolist(), strict=True)
    return dict(zip((o.number for o in shown), found, strict=True))


def slices(space: SearchSpace, belief: Belief, through: Params) -> list[Slice]:
    """Return what is believed along each variable that is searched, through one point.

    In a listed space not every point of a slice is a candidate.
    """
    found = []
    for d in space.free:
        values = _grid(d, _ALONG)
        mean, sd = belief.predict([{**through, d.name: value} for value in values])
        found.append(Slice(d.name, tuple(values), tuple(mean.tolist()), tuple(sd.tolist())))
    return found


def _grid(dimension: Dimension, count: int) -> list[Scalar]:
    """All choices or whole numbers of a variable, or so many values of its range."""
    if dimension.kind == "real":
        values: list[Scalar] = np.linspace(dimension.low, dimension.high, count).tolist()
        return values
    return list(dimension.choices) or list(range(int(dimension.low), int(dimension.high) + 1))


def planes(
    space: SearchSpace, belief: Belief, through: Params, pairs: Sequence[tuple[str, str]]
) -> list[Plane]:
    """Return what is believed of pairs of variables that are searched, through one point.

    Args:
        space: the space; where it is listed not every point of a plane is a candidate.
        belief: what is believed.
        through: the point; its other variables are held.
        pairs: names of the variables.
    """
    dimensions = {d.name: d for d in space.free}
    found = []
    for one, other in pairs:
        ones, others = (_grid(dimensions[name], _ACROSS) for name in (one, other))
        mean, sd = belief.predict([{**through, one: x, other: y} for y in others for x in ones])
        shape = len(others), len(ones)
        rows = (tuple(map(tuple, v.reshape(shape).tolist())) for v in (mean, sd))
        found.append(Plane(one, other, tuple(ones), tuple(others), *rows))
    return found


def interactions(
    space: SearchSpace,
    history: Sequence[Observation],
    settings: SearchSettings | None = None,
    posterior: Posterior | None = None,
) -> list[Interaction]:
    """Return the H statistic squared of each pair of variables, the largest first.

    From the surrogate's mean at the evaluated points, or at 60 of them (Friedman and Popescu, Ann.
    Appl. Stat. 2 (2008) 916, eq. 44). It describes the model, which in a search knows poor regions
    badly: see ``calibration`` before believing it.

    Args:
        space: the space.
        history: evaluations of any state.
        settings: as of the search.
        posterior: what ``fit_posterior`` makes of this search's own, where it is at hand.

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
    posterior = posterior or fit_posterior(space, done, surrogate=settings.surrogate)
    kept = np.linspace(0, len(points) - 1, min(_MIXED, len(points))).round().astype(int)
    at = posterior.coordinates([points[i] for i in kept.tolist()])
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
    space: SearchSpace, history: Sequence[Observation], goals: dict[str, int], belief: Belief | None
) -> list[Compromise]:
    """Return the evaluated points that no other one beats in the objective and all goals.

    By what the surrogates believe of each point, not by single values: noise makes almost every
    point the best at something.

    Args:
        space: the space.
        history: evaluations of any state.
        goals: other observables, each with 1 where more is better and -1 where less is.
        belief: what ``believe`` makes of the history; None before there is a model.
    """
    done = [o for o in own(complete(history)) if o.claims_low]
    told = {name: as_objective(done, name) for name in goals}
    if belief is None or not done or any(len(v) < LEAST_COMPLETE for v in told.values()):
        return []
    points = list({space.key(o.params): space.plain(o.params) for o in done}.values())
    beliefs = {"objective": belief.predict(points)} | {
        name: fit_posterior(space, values).predict(points) for name, values in told.items()
    }
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
