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

GIVEN_UP_AFTER = 2
"""A point that has failed so often, and never succeeded, is not proposed again."""


class Feasibility:
    """Gaussian process classification of which evaluations succeed.

    Failures say nothing of the objective, so they are kept out of its surrogate: a penalty would
    bend it for good points nearby. scikit-learn's classifier (Laplace approximation; Rasmussen and
    Williams 2006, section 3.4) learns over which distance failures go together, one length scale
    for each variable. Where they come at random it gives every point the same chance.

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

        self._model = _classifier(posterior.layout.dimensions()[1])
        with warnings.catch_warnings():
            # A hyperparameter on its bound is an answer here, not a failure.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._model.fit(posterior.coordinates([o.params for o in ended]), succeeded)

    def chance(self, points: Sequence[Params]) -> Array:
        """Return the probability that an evaluation of each point succeeds, (n,)."""
        if self._model is None:
            return np.ones(len(points))
        found = self._model.predict_proba(self._posterior.coordinates(points))[:, 1]
        return np.asarray(found, dtype=float)


def _classifier(groups: tuple[int, ...]) -> Any:
    from sklearn.gaussian_process import GaussianProcessClassifier
    from skopt.learning.gaussian_process.kernels import ConstantKernel

    from gbopt.search.surrogate import TiedMatern

    scales = np.full(max(groups) + 1, 0.5)
    kernel = ConstantKernel(1.0, (0.1, 10.0)) * TiedMatern(groups, scales, (0.1, 10.0))
    # The constant stands for the share that fails everywhere.
    return GaussianProcessClassifier(kernel + ConstantKernel(2.0, "fixed"), random_state=0)


def given_up(space: SearchSpace, history: Sequence[Observation]) -> set[Key]:
    """Return the points that have failed too often to be tried again."""
    ended = [o for o in own(history) if o.state != "running"]
    failed = Counter(space.key(o.params) for o in ended if o.state == "failed")
    succeeded = {space.key(o.params) for o in ended if o.state == "complete"}
    return {key for key, n in failed.items() if n >= GIVEN_UP_AFTER and key not in succeeded}
