"""Peaks and the minimum after the first of them, of a curve that was counted in bins.

Counted curves are rough: peaks are looked for in a smoothed one, and only those that stand out
from both sides by more than the noise are kept.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

Array = NDArray[np.float64]

SMOOTHING_A = 0.08
"""Standard deviation of the Gaussian; thermal shells are twice as wide or more."""
LEAST_PROMINENCE = 0.15
"""How far a peak of g(r) must stand out from the ground before and after it."""
_NOISE = 2.0  # standard errors of one bin; smoothing leaves less than half of each
_FLOOR = 1e-3


class Shell(NamedTuple):
    """The first peak and where it ends, as bins of the curve."""

    peak: int
    end: int
    """The bin of the minimum after it."""


def smoothed(curve: Array, bin_A: float) -> Array:
    """The curve, (R,) in bins of ``bin_A``, smoothed by a Gaussian of ``SMOOTHING_A``."""
    smooth: Array = gaussian_filter1d(curve, SMOOTHING_A / bin_A, mode="nearest")
    return smooth


def prominent(smooth: Array, std_err: Array) -> NDArray[np.intp]:
    """Bins of the peaks of a smoothed curve that stand out.

    Args:
        smooth: (R,) the curve.
        std_err: (R,) error of each bin before smoothing.
    """
    found, about = find_peaks(smooth, prominence=LEAST_PROMINENCE)
    kept: NDArray[np.intp] = found[about["prominences"] > _NOISE * std_err[found]]
    return kept


def first_shell(smooth: Array, std_err: Array) -> Shell | None:
    """First peak, and the least of what comes before the next one or, without one, of the rest.

    Where the least is a stretch, such as of zeros between the shells of a crystal, its middle is
    taken. None without a peak, or where the curve falls up to its end.

    Args:
        smooth: (R,) the curve.
        std_err: (R,) error of each bin before smoothing.
    """
    peaks = prominent(smooth, std_err)
    if not len(peaks):
        return None
    first = int(peaks[0])
    last = int(peaks[1]) if len(peaks) > 1 else len(smooth)
    between = smooth[first:last]
    lowest = np.flatnonzero(between <= between.min() + _FLOOR)
    end = first + int(lowest[len(lowest) // 2])
    return None if end == len(smooth) - 1 else Shell(first, end)


def summit(smooth: Array, near: int) -> float:
    """Top of a peak between bins, counted from the middle of the first.

    It is that of the parabola through the highest bin and its two neighbours.

    Args:
        smooth: (R,) the curve.
        near: a bin, not at either end, at most one off the highest.
    """
    place = int(np.clip(near - 1 + np.argmax(smooth[near - 1 : near + 2]), 1, len(smooth) - 2))
    before, top, after = smooth[place - 1 : place + 2]
    bend = before - 2 * top + after
    return place + (0.5 * (before - after) / bend if bend < 0 else 0.0)
