"""Conductivity from the steady current under a constant field along the normal (NEMD).

The current density is j = d<Q>/dt / V with Q the charge displacement of all ions, and
sigma = <j>/E. It holds the correlation between ions like the equilibrium route
(``collective``) does, with a signal that grows with the field; the field must then be shown to
be weak enough, by two fields or more.

The current starts too high: charge moves freely until it has piled up against the boundaries.
This transient is cut off by the marginal standard error rule, MSER: of all starts in the first
half of the run, the one after which the mean has the least standard error (White, Simulation 69,
323 (1997); on batch means, White, Cobb and Spratt, Winter Simulation Conference 2000, 755). It
stops where the rest of the transient drowns in the noise, so twice that time is cut off, at most
half of the run. Runs of ten time constants of the transient or more come out unbiased; in runs
of five, an excess current as large as the steady one leaves about a standard error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.collective import ChargeSeries, Z, reciprocal
from gbopt.analysis.statistics import propagate
from gbopt.errors import AnalysisError
from gbopt.model.observables import Estimate
from gbopt.model.trajectory import TrajectoryInfo
from gbopt.units import ANGSTROM_CM, ELEMENTARY_CHARGE_C

BATCHES = 20
"""Batches that the transient is looked for in; shorter ones hide it in their noise."""
MARGIN = 2
"""Cut off is this many times the transient that is found."""
BLOCKS = 5
"""Disjoint blocks of the steady part behind the error bar."""
LINEAR_SIGMAS = 2.0
"""The slope of sigma in E^2 may differ from zero by this many standard errors."""
_A_CM2 = ELEMENTARY_CHARGE_C / 1e-12 / ANGSTROM_CM**2  # of 1 e/(A^2 ps)


class FieldCurrent:
    """Accumulates the charge displacement of a run under a constant field along z.

    Held in memory is Q of each frame: 24 bytes.

    Args:
        info: what the trajectory is.
        charges_e: (n,) charges in e, of a neutral cell; those that the field acts on.
        field_V_A: the field along z, V/A.

    Raises:
        AnalysisError: charges that do not fit the cell, no field, or fewer frames than batches.
    """

    def __init__(
        self, info: TrajectoryInfo, charges_e: NDArray[np.float64], *, field_V_A: float
    ) -> None:
        if field_V_A == 0:
            raise AnalysisError("the field is zero", hint="give the field that was applied")
        if info.n_frames <= BATCHES:
            raise AnalysisError(
                f"{info.n_frames} frames cannot be divided into {BATCHES} batches",
                hint="run longer, or store frames more often",
            )
        self._series = ChargeSeries(info, charges_e)
        self._field_V_A = field_V_A

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, unwrapped."""
        self._series.add(frame)

    def result(self) -> FieldResponse:
        """Return the current and where it is steady.

        Raises:
            AnalysisError: fewer frames came than were announced.
        """
        return FieldResponse(
            displaced_e_A=self._series.complete()[:, Z],
            frame_interval_ps=self._series.info.frame_interval_ps,
            volume_A3=self._series.volume_A3,
            field_V_A=self._field_V_A,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldResponse:
    """Charge displacement of a whole cell under a constant field, and its conductivity."""

    displaced_e_A: NDArray[np.float64]
    """(frames,) Q along z."""
    frame_interval_ps: float
    """Time between two frames."""
    volume_A3: float
    field_V_A: float
    """The field along z."""

    @property
    def dropped_ps(self) -> float:
        """Time cut off at the start.

        Half of the run says that it may be too short; noise alone does so in one run of seven.
        """
        return self._dropped_frames * self.frame_interval_ps

    def steady_blocks(self) -> NDArray[np.float64]:
        """(``BLOCKS``,) mean current density of disjoint blocks of the steady part, A/cm2."""
        return self._current(BLOCKS, self._dropped_frames)

    def conductivity(self) -> Estimate:
        """Conductivity j/E along z at this field, S/cm; n_eff is the number of blocks."""
        blocks = self.steady_blocks() / (self.field_V_A / ANGSTROM_CM)
        return Estimate(
            value=float(blocks.mean()),
            std_err=float(blocks.std(ddof=1)) / math.sqrt(BLOCKS),
            unit="S/cm",
            n_eff=BLOCKS,
            method=f"steady current at {self.field_V_A:g} V/A; disjoint blocks",
        )

    @property
    def _dropped_frames(self) -> int:
        batches = min(MARGIN * mser(self._current(BATCHES, 0)), BATCHES // 2)
        return batches * ((len(self.displaced_e_A) - 1) // BATCHES)

    def _current(self, blocks: int, first: int) -> NDArray[np.float64]:
        """(blocks,) current density in equal blocks from a frame on, A/cm2."""
        size = (len(self.displaced_e_A) - 1 - first) // blocks
        moved = np.diff(self.displaced_e_A[first::size][: blocks + 1])
        current: NDArray[np.float64] = moved / (size * self.frame_interval_ps * self.volume_A3)
        return _A_CM2 * current


class LinearResponse(NamedTuple):
    """The limit of zero field, and whether the fields were weak enough for it."""

    conductivity: Estimate
    """S/cm at zero field, from sigma(E) = sigma_0 + a E^2."""
    nonlinearity: float
    """a in units of its standard error."""
    ok: bool
    """Whether a agrees with zero within ``LINEAR_SIGMAS``."""
    pooled: Estimate | None
    """Mean weighted by 1/std_err^2, S/cm, only if ok. Fields that look linear may hide a few per
    cent, so its error holds its distance from the limit of zero field, which is to be preferred.
    """


def mser(batches: NDArray[np.float64]) -> int:
    """Batches to drop from the start by MSER, at most half of them.

    Args:
        batches: (n,) batch means.
    """
    n = len(batches)
    return int(np.argmin([batches[d:].var() / (n - d) for d in range(n // 2 + 1)]))


def linear_response(results: Sequence[tuple[float, Estimate]]) -> LinearResponse:
    """Extrapolate sigma(E) = sigma_0 + a E^2, even in E by symmetry, to zero field.

    Weighted least squares; with two fields the line is determined exactly and its error is that
    of the extrapolation, (16 s_1^2 + s_2^2)^(1/2)/3 for fields of ratio 2. With more fields,
    errors grow by the Birge ratio where the points scatter about the line more than they should
    (Birge 1932), as they do where E^4 matters.

    Args:
        results: field, V/A, and the conductivity measured at it, S/cm.

    Raises:
        AnalysisError: fewer than two magnitudes of the field, or a value without an error.
    """
    fields = np.array([field for field, _ in results])
    estimates = [estimate for _, estimate in results]
    if len(np.unique(np.abs(fields))) < 2:
        raise AnalysisError(
            "linear response cannot be judged from one magnitude of the field",
            hint="run at a second field, such as half of the first",
        )
    if any(estimate.std_err == 0 for estimate in estimates):
        raise AnalysisError(
            "a conductivity without an error cannot be weighted",
            hint="pass the estimates as FieldResponse.conductivity returned them",
        )
    even = np.column_stack([np.ones(len(fields)), fields**2])
    zero_field, curvature = _weighted_fit(even, estimates)
    nonlinearity = curvature.value / curvature.std_err
    ok = abs(nonlinearity) <= LINEAR_SIGMAS
    return LinearResponse(
        zero_field, nonlinearity, ok, _pooled(estimates, zero_field) if ok else None
    )


def resistance_times_area(conductivity: Estimate, length_A: float) -> Estimate:
    """Through-plane resistance times area of a cell, R A = length/sigma, ohm cm2.

    Args:
        conductivity: along the normal, S/cm.
        length_A: cell length along the normal.

    Raises:
        AnalysisError: a conductivity that is not resolved from zero.
    """
    method = f"length over conductivity ({conductivity.method})"
    return reciprocal(conductivity, length_A * ANGSTROM_CM, unit="ohm cm2", method=method)


def _pooled(estimates: Sequence[Estimate], zero_field: Estimate) -> Estimate:
    """Weighted mean, with an error that holds its distance from the limit of zero field."""
    mean = _weighted_fit(np.ones((len(estimates), 1)), estimates)[0]
    std_err = math.hypot(mean.std_err, mean.value - zero_field.value)
    return mean.model_copy(update={"std_err": std_err})


def _weighted_fit(design: NDArray[np.float64], estimates: Sequence[Estimate]) -> list[Estimate]:
    """Coefficients of a weighted linear fit to estimates (m,) with a design (m, k)."""
    values = np.array([estimate.value for estimate in estimates])
    errors = np.array([estimate.std_err for estimate in estimates])
    inverse = np.linalg.pinv(design / errors[:, None]) / errors
    coefficients = inverse @ values
    spare = len(values) - design.shape[1]
    misfit = float((((values - design @ coefficients) / errors) ** 2).sum())
    birge = max(1.0, math.sqrt(misfit / spare)) if spare else 1.0
    return [
        propagate(
            float(value),
            [(birge * weight, e) for weight, e in zip(row, estimates, strict=True)],
            unit="S/cm",
            method="weighted fit over fields",
        )
        for value, row in zip(coefficients, inverse, strict=True)
    ]
