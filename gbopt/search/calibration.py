"""How honest the model of a search is: its predictions of values that it has not seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gbopt.errors import AnalysisError
from gbopt.search.belief import Belief, believe
from gbopt.search.history import Observation, complete, own
from gbopt.search.influence import LEAST_POINTS, is_large
from gbopt.search.settings import SearchSettings
from gbopt.search.space import SearchSpace

_FOLDS = 10


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


def left_out(
    space: SearchSpace,
    history: Sequence[Observation],
    settings: SearchSettings | None = None,
    belief: Belief | None = None,
) -> list[LeftOut]:
    """Predict every value by a model fitted anew without its point.

    With more than ten points a tenth of them is left out at once. Bounds are learnt from, and not
    predicted. Where there is much (``is_large``) the hyperparameters stay those of all data, unless
    leads are among the inputs.

    Args:
        space: the space.
        history: evaluations of any state.
        settings: as of the search.
        belief: what ``believe`` makes of the same arguments, where it is at hand.

    Raises:
        AnalysisError: complete evaluations of fewer than eight different points.
    """
    settings = settings or SearchSettings()
    done = [o for o in own(complete(history)) if o.bound is None]
    order: dict[object, int] = {}
    point = np.array([order.setdefault(space.key(o.params), len(order)) for o in done])
    if len(order) < LEAST_POINTS or not space.free:
        raise AnalysisError(
            f"{len(order)} different points are too few to judge a model by",
            hint=f"{LEAST_POINTS} are needed",
        )
    whole = None
    if is_large(len(order), len(done)):
        whole = (belief or believe(space, history, settings)).posterior
        whole = None if whole.leads or whole.theta is None else whole
    found = []
    for fold in range(min(_FOLDS, len(order))):
        away = {done[i].number for i in np.flatnonzero(point % _FOLDS == fold).tolist()}
        rest = [o for o in complete(history) if o.number not in away]
        asked = [o for o in done if o.number in away]
        posterior = whole.without(away) if whole else believe(space, rest, settings).posterior
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
