"""What an evaluation is worth: the gain expected of it, at any number of points at once.

All work in units of the surrogate's spread, on lower values being better. The best value is never
the lowest one seen, which is a lucky draw, but the lowest posterior mean of an evaluated point.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from gbopt.errors import ConfigError
from gbopt.search.posterior import Posterior, model_covariance
from gbopt.search.settings import ACQUISITIONS, Acquisition
from gbopt.search.space import Params

Array = NDArray[np.float64]

KAPPA = 1.96
"""The lower bound is mean - KAPPA sd: the lower end of the 95 % interval."""
# The standard normal variable that the next value will turn out to be: nodes, and the weight of
# each in the integral of a function that is linear between them.
_NODES = np.linspace(-6.0, 6.0, 49)
_LOG2_SAMPLES = 6
_CHUNK = 500
# How many evaluations of one point are thought of, one after another.
_REPEATS = (1, 2, 4, 8, 16)
_ROUNDING = 1e-9


def _hat_weights() -> Array:
    """Integrals of phi(z) times the hat functions on the nodes."""
    density = np.exp(-0.5 * _NODES**2) / math.sqrt(2 * math.pi)
    step = _NODES[1] - _NODES[0]
    mass, first = np.diff(ndtr(_NODES)), -np.diff(density)  # of phi and z phi over each interval
    rising = (first - _NODES[:-1] * mass) / step
    weights = np.zeros(len(_NODES))
    weights[1:] += rising
    weights[:-1] += mass - rising
    return weights


_WEIGHTS = _hat_weights()


class Gain:
    """The gain expected of evaluating points, per evaluation, given what is known.

    Args:
        posterior: the surrogate, pending evaluations included.
        known: the different points that have been evaluated, one at least.
    """

    def __init__(self, posterior: Posterior, known: list[Params]) -> None:
        self._model = posterior.model
        self._noise = posterior.noise
        self._at = posterior.coordinates(known)
        self._coordinates = posterior.coordinates
        self._mean = np.asarray(self._model.predict(self._at), dtype=float)

    def of(self, acquisition: Acquisition, points: list[Params]) -> Array:
        """Return the gain at each point, (n,), in units of the surrogate's spread, 0 or more."""
        if acquisition not in ACQUISITIONS:
            raise ConfigError(
                f"the acquisition '{acquisition}' is unknown",
                hint=f"give one of {', '.join(ACQUISITIONS)}",
            )
        x = self._coordinates(points)
        mean, sd = self._model.predict(x, return_std=True)
        if acquisition == "lcb":
            # Against the worst known point, so that values of several calls can be compared.
            return np.asarray(np.maximum(KAPPA * sd - mean + self._mean.max(), 0.0))
        gain = self._knowledge if acquisition == "knowledge-gradient" else self._noisy_ei
        chunks = range(0, len(x), _CHUNK)
        parts = [
            gain(mean[i : i + _CHUNK], sd[i : i + _CHUNK], self._covariance(x[i : i + _CHUNK]))
            for i in chunks
        ]
        found = np.concatenate(parts)
        # Where nothing can be gained the rest is rounding: what is known least comes first.
        return np.where(found > _ROUNDING, found, _ROUNDING * sd / (1 + sd))

    def _covariance(self, x: Array) -> Array:
        return model_covariance(self._model, self._at, x)

    def _knowledge(self, mean: Array, sd: Array, covariance: Array) -> Array:
        """Knowledge gradient over the evaluated points and the new one, per evaluation.

        Where one noisy value is too weak to change the choice, several of the same point may not
        be: the worth of so many of them, over their number, at the number where that is greatest
        (the KG(*) policy of Frazier and Powell, Decision Analysis 7 (2010) 378). Without noise it
        is the expected improvement; with noise a replicate of a leader is worth as much as it can
        change the choice between the leaders.
        """
        gains = [self._after(mean, sd, covariance, repeats) / repeats for repeats in _REPEATS]
        return np.asarray(np.max(gains, axis=0))

    def _after(self, mean: Array, sd: Array, covariance: Array, repeats: int) -> Array:
        """How much lower the lowest posterior mean is expected to be after the evaluations.

        Scott, Frazier and Powell, SIAM J. Optim. 21 (2011) 996, eq. 2.13, where the new point
        counts only once it is evaluated.
        """
        scale = np.sqrt(sd**2 + self._noise**2 / repeats + 1e-18)
        slopes = covariance / scale  # (known, points): change of each mean by the next value
        best = int(np.argmin(self._mean))
        held = self._mean[best] + slopes[best][:, None] * _NODES  # if the choice stays as it is
        lowest = (mean[:, None] + (sd**2 / scale)[:, None] * _NODES).copy()
        # Few of the known points can become the best; the others need no look.
        reach = np.abs(slopes - slopes[best]).max(axis=1) * _NODES[-1]
        for i in np.flatnonzero(self._mean - self._mean[best] < reach):
            np.minimum(lowest, self._mean[i] + slopes[i][:, None] * _NODES, out=lowest)
        return np.asarray(np.maximum(held - lowest, 0.0) @ _WEIGHTS)

    def _noisy_ei(self, mean: Array, sd: Array, covariance: Array) -> Array:
        """Expected improvement on the true values of the evaluated points.

        Averaged over what those may be, and taken as if the next value had no noise (Letham et
        al., Bayesian Anal. 14 (2019) 495, eq. 5): a point once evaluated is worth nothing more.
        """
        samples, solve = self._fantasies
        weights = solve @ covariance
        spread = np.sqrt(np.maximum(sd**2 - (covariance * weights).sum(axis=0), 1e-18))
        means = mean + (samples - self._mean) @ weights
        z = (samples.min(axis=1)[:, None] - means) / spread
        density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
        return np.asarray((spread * np.maximum(z * ndtr(z) + density, 0.0)).mean(axis=0))

    @cached_property
    def _fantasies(self) -> tuple[Array, Array]:
        """Joint draws of the true values at the known points, and the inverse covariance there."""
        covariance = self._covariance(self._at)
        # By eigenvalues: of points that are known precisely, rounding leaves some below 0.
        values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
        values = np.maximum(values, 1e-10)
        u = qmc.Sobol(min(len(covariance), qmc.Sobol.MAXDIM), seed=0).random_base2(_LOG2_SAMPLES)
        normal = ndtri(np.clip(u, 1e-6, 1 - 1e-6))
        samples = np.asarray(self._mean + normal * np.sqrt(values) @ vectors.T, dtype=float)
        return samples, np.asarray(vectors / values @ vectors.T, dtype=float)
