"""LiTransport: streams frames into a TransportProfile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.frames import Sampler
from gbopt.analysis.profile import TransportProfile
from gbopt.analysis.slabs import Bins
from gbopt.config import LAGS_PER_SEGMENT
from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import LI
from gbopt.model.trajectory import TrajectoryInfo

STARTS_PER_LAG = 25
"""Time origins within one lag; displacements that overlap by more than 96 % add only cost."""


class LiTransport:
    """Accumulates squared Li displacements over the lags t and 2t by the z of their midpoint.

    Displacements start and end in the same time segment, so segments share no data. Held in
    memory are the Li positions of the last 2t (at most 51 to 80 samples, whatever the frame
    interval) and the sums.

    Args:
        info: what the trajectory is.
        lag_ps: the lag t; three residence times or more, so that jumps back are over, but short
            enough for sqrt(2 D t) to stay below half the thickness of a slow slab.
        segments: disjoint time segments behind the error bars.
        bin_A: bin width along z; the nearest that divides the length evenly is taken.

    Raises:
        AnalysisError: no Li, or segments not longer than three lags.
    """

    def __init__(self, info: TrajectoryInfo, *, lag_ps: float, segments: int, bin_A: float) -> None:
        lag_frames = max(1, round(lag_ps / info.frame_interval_ps))
        stride = max(1, lag_frames // STARTS_PER_LAG)
        self._info = info
        self._sampler = Sampler(info.n_frames, segments, stride)
        self._sample_ps = stride * info.frame_interval_ps
        self._lag = max(1, round(lag_frames / stride))
        self._li = np.flatnonzero(info.species == LI)
        self._bins = Bins.fit(info.length_A, bin_A)
        self._require_usable(lag_ps)
        self._recent = np.empty((2 * self._lag + 1, self._li.size, 3))
        self._sum_sq = np.zeros((2, segments, self._bins.count, 3))
        self._counts = np.zeros((2, segments, self._bins.count))
        self._starts = np.zeros((2, segments))
        self._ions = np.zeros((segments, self._bins.count))

    def _require_usable(self, lag_ps: float) -> None:
        if self._li.size == 0:
            raise AnalysisError("the trajectory holds no Li", hint="analyse an LLZO trajectory")
        segment_ps = self._sampler.per_segment * self._sample_ps
        if self._sampler.per_segment <= LAGS_PER_SEGMENT * self._lag:
            need_ps = LAGS_PER_SEGMENT * lag_ps * self._sampler.segments
            raise AnalysisError(
                f"segments of {segment_ps:g} ps are too short for a lag of {lag_ps:g} ps",
                hint=f"run production for more than {need_ps:g} ps, or shorten analysis.lag_ps",
            )

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, unwrapped and free of drift."""
        when = self._sampler.next()
        if when is None:
            return
        segment, sample = when
        size = len(self._recent)
        now = self._recent[sample % size]
        now[:] = frame[self._li]
        where = self._bins.index(now[:, 2])
        self._ions[segment] += np.bincount(where, minlength=self._bins.count)
        for which, lag in enumerate((self._lag, 2 * self._lag)):
            if sample >= lag:
                start = self._recent[(sample - lag) % size]
                self._tally((which, segment), start, now)
                self._starts[which, segment] += 1

    def _tally(
        self, where: tuple[int, int], start: NDArray[np.float64], end: NDArray[np.float64]
    ) -> None:
        """Add displacements to the sums of a (lag, segment), by the bin of their midpoint."""
        midpoint = self._bins.index((start[:, 2] + end[:, 2]) / 2)
        count = self._bins.count
        self._counts[where] += np.bincount(midpoint, minlength=count)
        for axis in range(3):
            square = (end[:, axis] - start[:, axis]) ** 2
            self._sum_sq[where][:, axis] += np.bincount(midpoint, square, minlength=count)

    def result(self, segments: int | None = None) -> TransportProfile:
        """Return the profile of the first segments, or of all announced.

        Raises:
            AnalysisError: fewer frames came than these need.
        """
        done = self._sampler.whole(segments)
        return TransportProfile(
            sum_sq=self._sum_sq[:, :done].copy(),
            counts=self._counts[:, :done].copy(),
            starts=self._starts[:, :done].copy(),
            ions=self._ions[:done] / self._sampler.per_segment,
            lag_ps=self._lag * self._sample_ps,
            segment_ps=self._sampler.per_segment * self._sample_ps,
            length_A=self._info.length_A,
            area_A2=self._info.area_A2,
            temperature_K=self._info.temperature_K,
        )
