"""Partial radial distribution functions g(r) of all pairs of elements, and coordination numbers.

    g_ab(r) = n_ab(r) / (4 pi r^2 dr N_b / V),    n_ab(r): b within r ... r + dr of each a,

(Hansen and McDonald, Theory of Simple Liquids, section 2.5), with all periodic images, so that r
may exceed half the cell. The density is that of all b: of an ideal gas g_aa is 1 - 1/N_a, since
no ion is its own neighbour, and the integral of the density times g is the count itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.frames import Sampler
from gbopt.analysis.peaks import first_shell, prominent, smoothed, summit
from gbopt.analysis.statistics import Mask, jackknife, segment_estimate
from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import ELEMENTS, O
from gbopt.model.observables import Estimate
from gbopt.model.trajectory import TrajectoryInfo

Array = NDArray[np.float64]

SAMPLES_PER_SEGMENT = 20
"""Frames of a segment that are looked at: neighbouring frames have nearly the same pairs."""


class PairFunctions:
    """Counts the pairs of ions by their elements and distance.

    Some twenty frames of each segment are looked at; one of 5000 ions takes a fifth of a second
    up to 8 A. Drift does not matter.

    Args:
        info: what the trajectory is.
        r_max_A: longest distance; it may be larger than the cell.
        bin_A: bin width; the nearest that divides ``r_max_A`` evenly is taken.
        segments: disjoint time segments behind the error bars, two at least.

    Raises:
        AnalysisError: distances that make no bins, too few frames or segments, or frames that
            are no positions.
    """

    def __init__(
        self, info: TrajectoryInfo, *, r_max_A: float = 8.0, bin_A: float = 0.05, segments: int = 5
    ) -> None:
        if info.content != "positions":
            raise AnalysisError(
                f"pairs cannot be counted in {info.content}",
                hint="take a stage that sends positions",
            )
        if not 0 < bin_A <= r_max_A / 4:
            raise AnalysisError(
                f"distances up to {r_max_A:g} A cannot be divided into bins of {bin_A:g} A",
                hint="such as r_max_A=8, bin_A=0.05",
            )
        _require_scatter(segments)
        stride = max(1, info.n_frames // segments // SAMPLES_PER_SEGMENT)
        self._sampler = Sampler(info.n_frames, segments, stride)
        self._info, self._r_max_A = info, r_max_A
        present = sorted(set(info.species.tolist()), key=lambda kind: (kind == O, kind))
        self._elements = tuple(ELEMENTS[kind] for kind in present)
        self._kinds = np.array([present.index(kind) for kind in info.species.tolist()])
        e = len(present)
        self._counts = np.zeros((segments, e, e, max(4, round(r_max_A / bin_A))))

    def add(self, frame: Array) -> None:
        """Take the next frame, (n, 3) A, wrapped or not."""
        when = self._sampler.next()
        if when is None:
            return
        cell, bins = self._info.cell, self._counts.shape[-1]
        pairs = pairs_within(wrap(frame, cell), cell, self._r_max_A)
        where = (pairs.distance * (bins / self._r_max_A)).astype(np.intp)
        inside = where < bins
        i, j = self._kinds[pairs.i[inside]], self._kinds[pairs.j[inside]]
        e = len(self._elements)
        # Each pair comes once, but an ion with its own image from both sides.
        seen = np.where(pairs.i[inside] == pairs.j[inside], 0.5, 1.0)
        flat = np.bincount((i * e + j) * bins + where[inside], seen, minlength=e * e * bins)
        once = flat.reshape(e, e, bins)
        self._counts[when[0]] += once + once.transpose(1, 0, 2)

    def result(self, segments: int | None = None) -> PairResult:
        """Return the functions of the first segments, or of all announced.

        Raises:
            AnalysisError: fewer frames came than these need, or fewer than two segments.
        """
        done = self._sampler.whole(segments)
        _require_scatter(done)
        return PairResult(
            elements=self._elements,
            ions=np.bincount(self._kinds),
            volume_A3=float(abs(np.linalg.det(self._info.cell))),
            edges_A=np.linspace(0.0, self._r_max_A, self._counts.shape[-1] + 1),
            counts=self._counts[:done] / self._sampler.per_segment,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairResult:
    """Partial pair functions of one system. A pair is named such as ``Zr-O``: O around Zr."""

    elements: tuple[str, ...]
    """Those present, O last."""
    ions: NDArray[np.intp]
    """(E,) number of each."""
    volume_A3: float
    """Of the cell."""
    edges_A: Array
    """(R + 1,) edges of the bins."""
    counts: Array
    """(segments, E, E, R) pairs in a frame: the first element's ions times their neighbours."""

    @property
    def pairs(self) -> tuple[str, ...]:
        """Every pair of elements once: Zr-O but not O-Zr; none of an element with one ion."""
        return tuple(
            f"{self.elements[a]}-{self.elements[b]}"
            for a, b in combinations_with_replacement(range(len(self.elements)), 2)
            if a != b or self.ions[a] > 1
        )

    @property
    def radius_A(self) -> Array:
        """(R,) middle of each bin."""
        middle: Array = (self.edges_A[:-1] + self.edges_A[1:]) / 2
        return middle

    @property
    def bin_A(self) -> float:
        """Width of a bin."""
        return float(self.edges_A[1])

    def g(self, pair: str) -> tuple[Array, Array]:
        """Radial distribution function and its standard error, (R,) each.

        Raises:
            AnalysisError: an element that the system does not hold.
        """
        return _mean_and_error(self._each(pair))

    def running(self, pair: str) -> tuple[Array, Array]:
        """Ions of the second element within ``edges_A[1:]`` of one of the first, and errors.

        Raises:
            AnalysisError: an element that the system does not hold.
        """
        a, b = self._index(pair)
        return _mean_and_error(self.counts[:, a, b].cumsum(axis=1) / self.ions[a])

    def first_minimum_A(self, pair: str) -> float:
        """Where the first shell ends: the minimum after the first peak of the smoothed g(r).

        Raises:
            AnalysisError: no peak, none that ends before the longest distance, or an element that
                the system does not hold.
        """
        value, error = self.g(pair)
        shell = first_shell(smoothed(value, self.bin_A), error)
        if shell is None:
            raise AnalysisError(
                f"the first shell of {pair} has no end within {self.edges_A[-1]:g} A",
                hint="count to a longer distance, over more frames, or give a cut-off",
            )
        return float(self.radius_A[shell.end])

    def coordination(self, pair: str, cutoff_A: float | None = None) -> Estimate:
        """Mean number of ions of the second element around one of the first.

        The error is that over time; where g(r) is not near zero at the cut-off, the number
        depends on it by more (see ``g``).

        Args:
            pair: such as ``Zr-O``, the O around Zr, or ``O-Zr``, the Zr around O.
            cutoff_A: the bin edge nearest to it is taken; None: the first minimum.

        Raises:
            AnalysisError: as ``first_minimum_A``, or a cut-off beyond what was counted.
        """
        chosen = self.first_minimum_A(pair) if cutoff_A is None else cutoff_A
        edge = round(chosen / self.bin_A)
        if not 0 < edge < len(self.edges_A):
            raise AnalysisError(
                f"a cut-off of {chosen:g} A is not within the {self.edges_A[-1]:g} A counted",
                hint="count to a longer distance",
            )
        a, b = self._index(pair)
        each = self.counts[:, a, b, :edge].sum(axis=1) / self.ions[a]
        kind = "first minimum" if cutoff_A is None else "cut-off"
        return segment_estimate(
            lambda mask: float(each[mask].mean()),
            len(each),
            unit="",
            method=f"{pair} to the {kind} at {self.edges_A[edge]:.2f} A; segments",
        )

    def peaks_A(self, pair: str) -> list[float]:
        """Positions of the peaks of the smoothed g(r) that stand out from the noise, A.

        Raises:
            AnalysisError: an element that the system does not hold.
        """
        value, error = self.g(pair)
        smooth = smoothed(value, self.bin_A)
        return [self._place_A(summit(smooth, int(top))) for top in prominent(smooth, error)]

    def first_peak(self, pair: str) -> Estimate:
        """Position of the first peak of the smoothed g(r), A.

        Raises:
            AnalysisError: no peak, or an element that the system does not hold.
        """
        value, error = self.g(pair)
        tops, each = prominent(smoothed(value, self.bin_A), error), self._each(pair)
        if not len(tops):
            raise AnalysisError(
                f"g(r) of {pair} has no peak up to {self.edges_A[-1]:g} A",
                hint="count to a longer distance or over more frames",
            )

        def position_A(mask: Mask) -> float:
            return self._place_A(summit(smoothed(each[mask].mean(axis=0), self.bin_A), tops[0]))

        method = f"first peak of {pair}, parabola through its top; segments"
        return segment_estimate(position_A, len(each), unit="A", method=method)

    def rows(self) -> list[dict[str, float]]:
        """A row for each bin: its middle, its outer edge, then g and n of each pair with errors.

        n of ``Zr-O`` counts the O within the outer edge around one Zr; the Zr around one O are
        N(Zr)/N(O) times as many.
        """
        columns = {"r_A": self.radius_A, "to_A": self.edges_A[1:]}
        for pair in self.pairs:
            columns[f"g_{pair}"], columns[f"g_{pair}_err"] = self.g(pair)
            columns[f"n_{pair}"], columns[f"n_{pair}_err"] = self.running(pair)
        return [
            dict(zip(columns, map(float, row), strict=True))
            for row in zip(*columns.values(), strict=True)
        ]

    def _each(self, pair: str) -> Array:
        """(segments, R) g(r) of each segment."""
        a, b = self._index(pair)
        shell_A3 = 4 / 3 * np.pi * np.diff(self.edges_A**3)
        each: Array = self.counts[:, a, b] * self.volume_A3
        each /= float(self.ions[a]) * float(self.ions[b]) * shell_A3
        return each

    def _index(self, pair: str) -> tuple[int, int]:
        first, _, second = pair.partition("-")
        if first not in self.elements or second not in self.elements:
            raise AnalysisError(
                f"there is no pair {pair} among {', '.join(self.elements)}",
                hint=f"name two of them, such as {self.pairs[0]}" if self.pairs else "",
            )
        return self.elements.index(first), self.elements.index(second)

    def _place_A(self, bins: float) -> float:
        return float((bins + 0.5) * self.bin_A)


def _mean_and_error(each: Array) -> tuple[Array, Array]:
    """Mean over the segments, (R,), and its standard error."""
    outcome = jackknife(lambda mask: each[mask].mean(axis=0), len(each))
    return outcome.value, outcome.std_err


def _require_scatter(segments: int) -> None:
    if segments < 2:
        raise AnalysisError(
            f"{segments} time segments have no scatter", hint="give 2 segments or more"
        )
