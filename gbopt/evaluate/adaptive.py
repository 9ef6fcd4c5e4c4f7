"""When production has run for long enough: asked after every time segment.

A run ends at its target error, at sure inferiority to the best boundary known, or at its
budget. Looking often invites luck: the error of four segments is itself uncertain by 40 %. So
the target is held against the half-width of the 68 % interval by Student's t, 20 % wider than
the error at four segments, and inferiority must be sure at 99.5 % on one side.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy.stats import norm
from scipy.stats import t as student_t

from gbopt.analysis.statistics import interval
from gbopt.config import AdaptiveConfig
from gbopt.model.evaluation import Ending
from gbopt.model.observables import Estimate

LEAST_SEGMENTS = 4
"""Segments before the first decision: fewer have no error bar to speak of."""
SURE = 0.995
"""One-sided confidence of inferiority."""
SHARE_OVER_TIME = 0.5
"""Once the error over time is this part of the whole, a longer run hardly lowers the whole."""
SEED_SCATTER_DEX = 0.1
"""What other seeds of the geometry may differ by: two boundaries close by chance do not show it."""
_ONE_SIGMA = 0.6827


class Incumbent(NamedTuple):
    """log10 of the objective of the best boundary known, as the search believes it."""

    mean: float
    std_dev: float


def ending(
    objective: Estimate, over_time: Estimate, adaptive: AdaptiveConfig, best: Incumbent | None
) -> Ending | None:
    """Why production may end now; None to go on.

    Args:
        objective: log10 of the objective so far, what the two boundaries differ by included.
        over_time: the same with the error over time alone, which a longer run lowers.
        adaptive: the settings.
        best: the best boundary known; None before there is one.
    """
    if adaptive.prune and best is not None and inferior(objective, best):
        return "inferior"
    low, high = interval(over_time, _ONE_SIGMA)
    half = (high - low) / 2
    resolved = over_time.bound is None
    spent = half <= SHARE_OVER_TIME * objective.std_err
    if adaptive.target_dex > 0 and resolved and (half <= adaptive.target_dex or spent):
        return "target"
    return None


def inferior(objective: Estimate, best: Incumbent) -> bool:
    """Whether an objective is higher than the best one, by ``SURE`` confidence."""
    if objective.bound == "upper":
        return False
    own = float(student_t.ppf(SURE, objective.n_eff - 1)) * objective.std_err
    others = float(norm.ppf(SURE)) * math.hypot(best.std_dev, SEED_SCATTER_DEX)
    return objective.value - best.mean > math.hypot(own, others)
