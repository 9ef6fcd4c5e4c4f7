"""Frames as the accumulators want them: free of drift, each in its time segment."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import ELEMENT_MASSES_AMU, LI
from gbopt.model.trajectory import Trajectory


def drift_corrected(trajectory: Trajectory) -> Iterator[NDArray[np.float64]]:
    """Yield the frames, (n, 3) A, with the drift of the framework since the first one removed.

    The framework (all but Li) is the frame of reference of a solid electrolyte: the electrodes
    are fixed to it. A rigid drift would add (v t)^2 to every Li displacement and move the
    boundaries away from where they are looked for.

    Raises:
        AnalysisError: a trajectory of Li ions alone, which has no framework.
    """
    framework = np.flatnonzero(trajectory.info.species != LI)
    if framework.size == 0:
        raise AnalysisError(
            "the trajectory holds no La, Zr or O ions to measure the drift against",
            hint="analyse a trajectory that contains the framework",
        )
    mass = np.asarray(ELEMENT_MASSES_AMU)[trajectory.info.species[framework]]
    weight = mass / mass.sum()
    origin: NDArray[np.float64] | None = None
    for frame in trajectory.frames:
        centre = weight @ frame[framework]
        if origin is None:
            origin = centre
        yield frame - (centre - origin)


class Sampler:
    """Says of each frame whether it is sampled, and in which of the disjoint time segments.

    Args:
        n_frames: frames that will come.
        segments: number of segments of equal length; frames left over at the end are not used.
        stride: every stride-th frame is a sample.
    """

    def __init__(self, n_frames: int, segments: int, stride: int = 1) -> None:
        self.per_segment = ((n_frames - 1) // stride + 1) // segments
        if self.per_segment < 1:
            raise AnalysisError(
                f"{n_frames} frames cannot be divided into {segments} segments",
                hint="run longer, store frames more often, or ask for fewer segments",
            )
        self.segments = segments
        self.stride = stride
        self._seen = 0

    def next(self) -> tuple[int, int] | None:
        """Count one frame; return (segment, sample within it), None for a frame not sampled."""
        frame = self._seen
        self._seen += 1
        if frame % self.stride:
            return None
        segment, sample = divmod(frame // self.stride, self.per_segment)
        return (segment, sample) if segment < self.segments else None

    def whole(self, segments: int | None = None) -> int:
        """Return how many segments an analysis may use, all of them whole.

        Args:
            segments: the first so many, of a run that was ended early; None for all announced.

        Raises:
            AnalysisError: the last of them has not been filled.
        """
        count = self.segments if segments is None else segments
        needed = (self.per_segment * count - 1) * self.stride + 1
        if self._seen < needed:
            raise AnalysisError(
                f"the trajectory ended after {self._seen} frames of the {needed} needed",
                hint="continue the run that was cut short, or announce fewer frames",
            )
        return count
