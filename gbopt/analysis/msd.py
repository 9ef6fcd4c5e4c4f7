"""Tracer mean squared displacement (MSD) over all time origins, by fast Fourier transform.

    M(k) = <[r(t+k) - r(t)]^2> = [sum_t r(t)^2 + sum_t r(t+k)^2 - 2 sum_t r(t) r(t+k)] / (n - k)

over the n - k origins t of a run of n frames and over all ions. The first two sums run on from
lag to lag; the third is an autocorrelation, which a transform padded with zeros gives for all
lags at once (Wiener-Khinchin; Calandrini et al., Collection SFN 12, 201 (2011), section 3). Sums
commute with the transform, so the power spectra of all ions are added before the one that goes
back. Positions are counted from the mean of their ion, which leaves the terms that cancel no
larger than the MSD at long lags; in float64 that of a random walk of 10,000 frames is then right
to 1e-10 even at a lag of one frame.

The MSD is for looking at. No straight line belongs through it: its points are so correlated
that the error of such a fit is far too small. Diffusivities with honest errors are
``TransportProfile.cell_diffusivity``, from the same displacements in disjoint segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import LI
from gbopt.model.trajectory import TrajectoryInfo

XYZ = (0, 1, 2)
BATCH_BYTES = 8 * 2**20
"""Ions are taken together up to this much work space; what fits into the cache runs fastest."""
CURVE_LAGS = 100
"""Lags of a curve for looking at, evenly spaced on a logarithmic scale."""


class LaggedProducts(NamedTuple):
    """Sums over ions of a series x(t); A axes, n frames."""

    squares: NDArray[np.float64]
    """(A, n) sum over ions of x(t)^2."""
    products: NDArray[np.float64]
    """(A, longest lag + 1) sum over ions and times of x(t) x(t+k)."""


class MSDCurve(NamedTuple):
    """Mean squared displacement at some lags."""

    lag_ps: NDArray[np.float64]
    """(L,) rising, the first one frame."""
    msd_A2: NDArray[np.float64]
    """(L, 3) along x, y, z."""


class LiDisplacement:
    """Keeps where all Li are in each frame, for the MSD over every pair of frames.

    Held in memory are 12 bytes for each Li ion and frame: the displacement since the first frame
    in single precision, which rounds it by less than 1e-7 of itself.

    Args:
        info: what the trajectory is.

    Raises:
        AnalysisError: no Li.
    """

    def __init__(self, info: TrajectoryInfo) -> None:
        self._li = np.flatnonzero(info.species == LI)
        if self._li.size == 0:
            raise AnalysisError("the trajectory holds no Li", hint="analyse an LLZO trajectory")
        self._info = info
        self._moved = np.zeros((info.n_frames, self._li.size, 3), dtype=np.float32)
        self._start: NDArray[np.float64] = np.zeros((self._li.size, 3))
        self._seen = 0

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, unwrapped; frames beyond those announced are not used."""
        if self._seen == 0:
            self._start = frame[self._li]
        if self._seen < len(self._moved):
            self._moved[self._seen] = frame[self._li] - self._start
        self._seen += 1

    def result(self) -> MSDCurve:
        """Return the MSD of Li at ``CURVE_LAGS`` lags or less, up to half of the run.

        Raises:
            AnalysisError: fewer frames came than were announced, fewer than two, or positions that
                are not finite numbers.
        """
        if self._seen < len(self._moved):
            raise AnalysisError(
                f"the trajectory ended after {self._seen} frames of the {len(self._moved)} needed",
                hint="continue the run that was cut short, or announce fewer frames",
            )
        longest = len(self._moved) // 2
        msd = mean_squared_displacement(self._moved, longest_lag=longest)
        lags = np.unique(np.geomspace(1, longest, CURVE_LAGS).round().astype(int))
        return MSDCurve(lags * self._info.frame_interval_ps, msd[lags])


def mean_squared_displacement(
    positions: NDArray[np.floating[Any]], *, longest_lag: int, axes: Sequence[int] = XYZ
) -> NDArray[np.float64]:
    """MSD along each axis over all time origins, mean over the ions.

    Beside the array some ``BATCH_BYTES`` are needed, or what one ion takes if that is more: 16
    bytes for each axis and each of n + longest_lag frames. The array may be a memory map.

    Args:
        positions: (frames, ions, 3) A, unwrapped and free of drift, float32 or float64.
        longest_lag: frames.
        axes: some of 0, 1, 2.

    Returns:
        (longest_lag + 1, len(axes)) A^2 at lags of 0, 1, ... frames; their sum over the axes is
        the MSD of the vector.

    Raises:
        AnalysisError: an array of another shape, a lag that the run does not hold, or positions
            that are not finite numbers.
    """
    sums = lagged_products(positions, longest_lag=longest_lag, axes=axes, about_mean=True)
    n, ions = positions.shape[:2]
    before = np.pad(sums.squares.cumsum(axis=1), ((0, 0), (1, 0)))  # sum of the first k frames
    lags = np.arange(longest_lag + 1)
    ends = before[:, n - lags] + before[:, [n]] - before[:, lags]
    msd: NDArray[np.float64] = (ends - 2 * sums.products) / ((n - lags) * ions)
    msd[:, 0] = 0.0
    return np.maximum(msd, 0.0).T  # ions at rest may come out at -1e-17


def lagged_products(
    series: NDArray[np.floating[Any]],
    *,
    longest_lag: int,
    axes: Sequence[int] = XYZ,
    about_mean: bool = False,
) -> LaggedProducts:
    """Sums over ions of the products x(t) x(t+k), ions in batches.

    Args:
        series: (frames, ions, 3) any quantity.
        longest_lag: frames, less than there are.
        axes: some of 0, 1, 2.
        about_mean: whether x is counted from its mean over time, ion by ion.

    Raises:
        AnalysisError: an array of another shape, a lag that the run does not hold, or values
            that are not finite numbers.
    """
    _require_usable(series, longest_lag, axes)
    n, ions = series.shape[:2]
    size = fft.next_fast_len(n + longest_lag, real=True)
    batch = min(ions, max(1, BATCH_BYTES // (16 * len(axes) * size)))
    padded = np.zeros((len(axes), batch, size))
    squares, power = np.zeros((len(axes), n)), np.zeros((len(axes), 2 * (size // 2 + 1)))
    for first in range(0, ions, batch):
        taken = series[:, first : first + batch]
        x = padded[:, : taken.shape[1], :n]
        for row, axis in enumerate(axes):
            x[row] = taken[:, :, axis].T
        if not np.isfinite(x).all():
            raise AnalysisError(
                "the trajectory holds numbers that are not finite", hint="check the run it is from"
            )
        if about_mean:
            x -= x.mean(axis=2, keepdims=True)
        squares += np.einsum("abt,abt->at", x, x)
        # Real and imaginary parts in turn: their squares are added up below.
        parts = fft.rfft(padded[:, : taken.shape[1]], axis=2).view(np.float64)
        power += np.einsum("abf,abf->af", parts, parts)
    spectrum = power.reshape(len(axes), -1, 2).sum(axis=2)
    products: NDArray[np.float64] = fft.irfft(spectrum, n=size, axis=1)[:, : longest_lag + 1]
    return LaggedProducts(squares, products)


def _require_usable(
    series: NDArray[np.floating[Any]], longest_lag: int, axes: Sequence[int]
) -> None:
    if series.ndim != 3 or series.shape[2] != 3 or series.shape[1] == 0 or len(series) < 2:
        raise AnalysisError(
            f"an array of shape {series.shape} holds no trajectory",
            hint="give an array of shape (frames, ions, 3) with two frames or more",
        )
    if not 0 < longest_lag < len(series):
        raise AnalysisError(
            f"a lag of {longest_lag} frames cannot be had from {len(series)} frames",
            hint=f"ask for a lag of 1 to {len(series) - 1} frames",
        )
    if not axes or not set(axes) <= set(XYZ):
        raise AnalysisError(f"the axes {tuple(axes)} are unknown", hint="name some of 0, 1 and 2")
