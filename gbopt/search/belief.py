"""Belief: all that the evaluations so far say: of the objective, of failures, of limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import norm

from gbopt.search.feasibility import Feasibility
from gbopt.search.history import Observation, complete, own
from gbopt.search.posterior import LEAST_COMPLETE, Lead, Posterior, fit_posterior
from gbopt.search.settings import SearchSettings
from gbopt.search.space import Params, SearchSpace

Array = NDArray[np.float64]

LIKELY = 0.5
"""From this probability on a point is taken to be within the limits."""
_SURE = 1.5
_LEAST_FOR_LEAD = 10
"""With fewer values of a lead or of the objective nothing shows whether it helps."""


class Limit(NamedTuple):
    """The range that another observable must lie in, and its surrogate."""

    name: str
    posterior: Posterior
    low: float
    high: float

    def chance(self, points: Sequence[Params]) -> Array:
        """Return the probability that the true observable is within the range, (n,)."""
        mean, sd = self.posterior.predict(points)
        sd = np.maximum(sd, 1e-12)
        return np.asarray(ndtr((self.high - mean) / sd) - ndtr((self.low - mean) / sd))


class LeadTrial(NamedTuple):
    """Whether another observable helps to predict the objective."""

    name: str
    gain: float
    """Rise of the mean log density of values left out, by taking it as an input."""
    std_err: float
    """Standard error of that, over the points."""
    kept: bool


@dataclass(frozen=True)
class Belief:
    """What is believed of every point.

    Args:
        posterior: the objective.
        feasibility: whether an evaluation succeeds.
        limits: further observables that have to lie within limits.
        trials: which leads were tried, and kept.
    """

    posterior: Posterior
    feasibility: Feasibility
    limits: tuple[Limit, ...] = ()
    trials: tuple[LeadTrial, ...] = ()

    def predict(self, points: Sequence[Params]) -> tuple[Array, Array]:
        """Return the mean and standard deviation of the true objective, (n,) each."""
        return self.posterior.predict(points)

    def allowed(self, points: Sequence[Params]) -> Array:
        """Return the probability that each point is within all limits, (n,)."""
        chances = [limit.chance(points) for limit in self.limits]
        return np.asarray(np.prod([np.ones(len(points)), *chances], axis=0))

    def chance(self, points: Sequence[Params]) -> Array:
        """Return the probability that an evaluation succeeds and is within all limits, (n,)."""
        return self.feasibility.chance(points) * self.allowed(points)


def can_believe(space: SearchSpace, history: Sequence[Observation]) -> bool:
    """Whether there are evaluations enough for a model, and something to model."""
    return bool(space.free) and len(complete(history)) >= LEAST_COMPLETE


def believe(space: SearchSpace, history: Sequence[Observation], settings: SearchSettings) -> Belief:
    """Fit everything to the evaluations that have ended.

    Args:
        space: the space.
        history: evaluations of any state, with ``can_believe``.
        settings: the kind of surrogate, leads and limits.
    """
    ended = sorted((o for o in history if o.state != "running"), key=lambda o: o.number)
    posterior = fit_posterior(space, ended, surrogate=settings.surrogate)
    posterior, trials = _led(space, ended, settings, posterior)
    limits = tuple(
        Limit(name, fit_posterior(space, told), low, high)
        for name, (low, high) in sorted(settings.limits.items())
        if len(complete(told := as_objective(ended, name))) >= LEAST_COMPLETE
    )
    return Belief(posterior, Feasibility(posterior, ended), limits, trials)


def as_objective(history: Sequence[Observation], name: str) -> list[Observation]:
    """Return the evaluations that measured another observable, with it as their value."""
    return [
        replace(o, value=o.others[name][0], std_err=o.others[name][1], bound=None)
        for o in history
        if o.state == "complete" and name in o.others
    ]


def _led(
    space: SearchSpace,
    ended: Sequence[Observation],
    settings: SearchSettings,
    posterior: Posterior,
) -> tuple[Posterior, tuple[LeadTrial, ...]]:
    """Take leads as inputs one by one, each only if it helps to predict values left out.

    Two stages: the lead's own surrogate over the space, then that of the objective over the space
    and what the first predicts. It helps where the rise of the mean log density of the values
    left out exceeds 1.5 times its standard error.
    """
    trials = []
    resolved = [o for o in own(complete(ended)) if o.bound is None]
    if settings.surrogate != "gp" or len(resolved) < _LEAST_FOR_LEAD:
        return posterior, ()
    for name in settings.leads:
        measured = as_objective(ended, name)
        if len(measured) < _LEAST_FOR_LEAD:
            continue
        leads = (*posterior.layout.leads, _lead(space, measured, name))
        tried = fit_posterior(space, ended, leads=leads)
        gains = _log_density(tried) - _log_density(posterior)
        std_err = float(gains.std(ddof=1)) / math.sqrt(len(gains))
        kept = float(gains.mean()) > _SURE * std_err
        trials.append(LeadTrial(name, float(gains.mean()), std_err, kept))
        posterior = tried if kept else posterior
    return posterior, tuple(trials)


def _lead(space: SearchSpace, measured: Sequence[Observation], name: str) -> Lead:
    posterior = fit_posterior(space, measured)
    left_out, _ = posterior.left_out()
    keys = [space.key(o.params) for o in posterior.told]
    return Lead(name, posterior, dict(zip(keys, left_out.tolist(), strict=True)))


def _log_density(posterior: Posterior) -> Array:
    """Log density of each resolved value of this search, predicted without its point."""
    mean, sd = posterior.left_out()
    counted = [not o.source and o.bound is None for o in posterior.told]
    values = np.array([o.y for o in posterior.told])
    return np.asarray(norm.logpdf(values, mean, sd)[counted])
