"""What a bound on a value tells a Gaussian process."""

from __future__ import annotations

import math

from scipy.special import log_ndtr

# A bound that tells nothing is a value with this variance, in units of the spread squared.
_NOTHING = 1e6


def site(
    mean: float, std_dev: float, bound: float, variance: float, *, lower: bool
) -> tuple[float, float]:
    """Return the value and variance that say the same of a point as a bound does.

    The true value f has the mean and standard deviation that the other evaluations give it; the
    bound was read with an error of its own, so its likelihood is Phi((f - bound) / error). The
    product is matched in mean and variance by that with a Gaussian (Rasmussen and Williams 2006,
    eq. 3.58 and 3.59: one pass of expectation propagation): that Gaussian is returned. A bound
    that is surely held tells nothing; one that contradicts the prediction moves it beyond.

    Args:
        mean: of f by the other evaluations.
        std_dev: of f by the other evaluations.
        bound: the least f may be, or the most where ``lower`` is False.
        variance: of the bound.
        lower: which side it is on.
    """
    if not lower:
        value, error = site(-mean, std_dev, -bound, variance, lower=True)
        return -value, error
    own = max(std_dev, 1e-6) ** 2
    total = math.sqrt(own + variance)
    z = (mean - bound) / total
    hazard = math.exp(-0.5 * z * z - 0.5 * math.log(2 * math.pi) - float(log_ndtr(z)))
    shrink = own / total**2 * hazard * (z + hazard)  # share of the variance that is lost, below 1
    if shrink < own / _NOTHING:
        return mean, _NOTHING
    tilted = mean + own * hazard / total
    left = own * max(1.0 - shrink, 1e-9)
    site_variance = min(1.0 / (1.0 / left - 1.0 / own), _NOTHING)
    return site_variance * (tilted / left - mean / own), site_variance
