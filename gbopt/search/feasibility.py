"""How likely an evaluation is to succeed, learnt from those that failed."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbopt.search.history import Observation, own
from gbopt.search.posterior import Posterior
from gbopt.search.space import Key, Params, SearchSpace

Array = NDArray[np.float64]

CONVINCING = 2.0
"""Log of how much better the record must be explained: the kernel has several parameters more."""
GIVEN_UP_AFTER = 2
"""A point that has failed so often, and never succeeded, is not proposed again."""


class Feasibility:
    """Gaussian process classification of which evaluations succeed.

    Failures say nothing of the objective, so they are kept out of its surrogate: a penalty would
    bend it for good points nearby. scikit-learn's classifier (Laplace approximation; Rasmussen and
    Williams 2006, section 3.4) learns over which distance failures go together, one length scale
    for each variable. It is believed only where it explains the record better than one chance for
    all points does: failures that come at random would turn the search away from good places.

    Args:
        posterior: gives the coordinates of points.
        history: evaluations of any state.
    """

    def __init__(self, posterior: Posterior, history: Sequence[Observation]) -> None:
        self._posterior = posterior
        self._model: Any = None
        # Values of other sources say nothing of failures here; failures of a library do.
        ended = [
            o
            for o in history
            if o.state in ("failed", "possible") or (o.state == "complete" and not o.source)
        ]
        succeeded = [o.state != "failed" for o in ended]
        if all(succeeded) or not any(succeeded):
            return
        from sklearn.exceptions import ConvergenceWarning

        at = posterior.coordinates([o.params for o in ended])
        local, same = _classifiers(posterior.layout.dimensions()[1])
        with warnings.catch_warnings():
            # A hyperparameter on its bound is an answer here, not a failure.
            warnings.simplefilter("ignore", ConvergenceWarning)
            local.fit(at, succeeded)
            same.fit(at, succeeded)
        gain = local.log_marginal_likelihood_value_ - same.log_marginal_likelihood_value_
        self._model = local if gain > CONVINCING else same

    def chance(self, points: Sequence[Params]) -> Array:
        """Return the probability that an evaluation of each point succeeds, (n,)."""
        if self._model is None:
            return np.ones(len(points))
        found = self._model.predict_proba(self._posterior.coordinates(points))[:, 1]
        return np.asarray(found, dtype=float)


def _classifiers(groups: tuple[int, ...]) -> tuple[Any, Any]:
    """One that knows where failures are, and one with the same chance everywhere."""
    from sklearn.gaussian_process import GaussianProcessClassifier
    from skopt.learning.gaussian_process.kernels import ConstantKernel

    from gbopt.search.surrogate import TiedMatern

    scales = np.full(max(groups) + 1, 0.5)
    kernel = ConstantKernel(1.0, (0.1, 10.0)) * TiedMatern(groups, scales, (0.1, 10.0))
    # The constant stands for the share that fails everywhere.
    share = ConstantKernel(2.0, "fixed")
    return (
        # Each step of the fit begins at the mode that the last one found.
        GaussianProcessClassifier(kernel + share, warm_start=True, random_state=0),
        GaussianProcessClassifier(share, optimizer=None),
    )


def given_up(space: SearchSpace, history: Sequence[Observation]) -> set[Key]:
    """Return the points that have failed too often to be tried again."""
    ended = [o for o in own(history) if o.state != "running"]
    failed = Counter(space.key(o.params) for o in ended if o.state == "failed")
    succeeded = {space.key(o.params) for o in ended if o.state == "complete"}
    return {key for key, n in failed.items() if n >= GIVEN_UP_AFTER and key not in succeeded}
