"""Collective conductivity: Einstein-Helfand slope of the charge displaced through the cell.

All ions together move one number, Q(t) = sum_i q_i r_i(t), along each axis, and

    sigma = lim d<[Q(t) - Q(0)]^2>/dt / (2 V kT)

(Helfand 1960; Frenkel and Smit, section 4.4.1). Unlike the tracer figures it holds the
correlation between ions, and along a boundary normal it is the series conductivity as soon as
the charge has piled up against the boundaries (some 20 ps in LLZO at 1100 K), not after the ions
have crossed the cell. The price is noise: one trajectory is one random walk.

The slope comes from generalised least squares on the mean squared displacement (MSD) over
logarithmic lags with a free intercept, which takes up vibration and jumps back. A sum over many
ions is Gaussian, so the covariance of the MSD follows from the line itself (Bullerjahn, von
Buelow and Hummer, J. Chem. Phys. 153, 024116 (2020), who write it out for this model).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.statistics import propagate
from gbopt.analysis.transport import STARTS_PER_LAG
from gbopt.errors import AnalysisError
from gbopt.model.observables import Estimate
from gbopt.model.trajectory import TrajectoryInfo
from gbopt.units import A2_PS_TO_CM2_S, BOLTZMANN_EV_K, ohm_cm_from_metal

Z = 2
LAGS = 12
"""Lags of the fit; 20 make its error 1 % smaller and take three times as long."""
ROUNDS = 4
"""Fits with the covariance of the line before; the next changes it by less than its error."""
LONGEST_LAG = 0.3
"""The longest lag as a part of the run."""
SHORTEST_RUN_LAGS = 10
"""A run of fewer lags leaves no range to fit a line over."""
RESOLVED = 2.0
"""Standard errors that a conductivity must be above zero by before it may be divided by."""


class ChargeSeries:
    """The charge displacement Q(t) = sum_i q_i r_i(t) of each frame: 24 bytes a frame.

    The sum runs over all ions of a neutral cell, so a rigid drift does not enter.

    Args:
        info: what the trajectory is.
        charges_e: (n,) charges in e; those that an applied field acts on.

    Raises:
        AnalysisError: not one charge for each ion, or a cell that is not neutral.
    """

    def __init__(self, info: TrajectoryInfo, charges_e: NDArray[np.float64]) -> None:
        charges = np.asarray(charges_e, dtype=float)
        if charges.shape != info.species.shape:
            raise AnalysisError(
                f"{charges.size} charges were given for {info.species.size} ions",
                hint="give one charge for each ion, in the order of the trajectory",
            )
        if abs(charges.sum()) > 1e-6 * np.abs(charges).sum():
            raise AnalysisError(
                f"the charges add up to {charges.sum():g} e",
                hint="give the charges of all ions of a neutral cell",
            )
        self.info = info
        self._charges = charges
        self._displaced = np.empty((info.n_frames, 3))
        self._seen = 0

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, unwrapped; frames beyond those announced are not used."""
        if self._seen < len(self._displaced):
            self._displaced[self._seen] = self._charges @ frame
        self._seen += 1

    def complete(self, *, ended_early: bool = False) -> NDArray[np.float64]:
        """Return Q, (frames, 3) e A.

        Args:
            ended_early: the frames that came are all there will be.

        Raises:
            AnalysisError: fewer frames came than were announced, and not on purpose.
        """
        if ended_early:
            return self._displaced[: self._seen].copy()
        if self._seen < len(self._displaced):
            raise AnalysisError(
                f"the trajectory ended after {self._seen} frames of the "
                f"{len(self._displaced)} needed",
                hint="continue the run that was cut short, or announce fewer frames",
            )
        return self._displaced.copy()

    @property
    def volume_A3(self) -> float:
        """Cell volume, A^3."""
        return float(abs(np.linalg.det(self.info.cell)))


class ChargeDisplacement:
    """Accumulates the charge displacement of a run without a field.

    Args:
        info: what the trajectory is.
        charges_e: (n,) charges in e, of a neutral cell.
        lag_ps: the shortest lag of the fit; vibration, jumps back and the piling up of charge
            against boundaries must be over within it, since the line has no room for them.

    Raises:
        AnalysisError: charges that do not fit the cell, or a run of less than
            ``SHORTEST_RUN_LAGS`` lags.
    """

    def __init__(
        self, info: TrajectoryInfo, charges_e: NDArray[np.float64], *, lag_ps: float
    ) -> None:
        need_ps = SHORTEST_RUN_LAGS * lag_ps
        if info.n_frames * info.frame_interval_ps < need_ps:
            raise AnalysisError(
                f"a run of {info.n_frames * info.frame_interval_ps:g} ps is too short for a "
                f"lag of {lag_ps:g} ps",
                hint=f"run for more than {need_ps:g} ps, or shorten the lag",
            )
        self._series = ChargeSeries(info, charges_e)
        self._lag_ps = lag_ps

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, unwrapped."""
        self._series.add(frame)

    def result(self, *, ended_early: bool = False) -> CollectiveMotion:
        """Return the charge displacement, thinned to ``STARTS_PER_LAG`` samples in a lag.

        Args:
            ended_early: the frames that came are all there will be; the lag is shortened where
                they would leave no range to fit a line over.

        Raises:
            AnalysisError: fewer frames came than were announced, and not on purpose.
        """
        info, displaced = self._series.info, self._series.complete(ended_early=ended_early)
        run_ps = len(displaced) * info.frame_interval_ps
        lag_ps = min(self._lag_ps, run_ps / SHORTEST_RUN_LAGS)
        lag_frames = max(1, round(lag_ps / info.frame_interval_ps))
        stride = max(1, lag_frames // STARTS_PER_LAG)
        return CollectiveMotion(
            displaced_e_A=displaced[::stride],
            sample_ps=stride * info.frame_interval_ps,
            lag_samples=max(1, round(lag_frames / stride)),
            volume_A3=self._series.volume_A3,
            temperature_K=info.temperature_K,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectiveMotion:
    """Charge displacement of a whole cell in equilibrium, and the conductivity it gives."""

    displaced_e_A: NDArray[np.float64]
    """(samples, 3) Q along x, y, z."""
    sample_ps: float
    """Time between two samples."""
    lag_samples: int
    """Shortest lag of the fit."""
    volume_A3: float
    temperature_K: float

    def conductivity(self, axis: int) -> Estimate:
        """Collective conductivity along one axis (0, 1, 2), S/cm.

        Its error is in proportion to the estimate itself, and so as uncertain as that: s^2 has a
        relative variance of 4 r^2, r = std_err/value, which by Satterthwaite (1946) makes
        1/(2 r^2) degrees of freedom (at least 1).
        """
        slope = einstein_slope(self.displaced_e_A[:, axis], self.lag_samples)
        metal = 1 / (2 * self.volume_A3 * BOLTZMANN_EV_K * self.temperature_K * self.sample_ps)
        unit = metal / ohm_cm_from_metal(1.0)
        freedom = max(1.0, (slope.value / slope.std_err) ** 2 / 2)
        return Estimate(
            value=unit * slope.value,
            std_err=unit * slope.std_err,
            unit="S/cm",
            n_eff=freedom + 1,
            method="Einstein-Helfand, GLS slope of the charge MSD from a lag of "
            f"{self.lag_samples * self.sample_ps:g} ps on",
        )

    def haven_ratio(self, D_tracer: Estimate, li_density_per_A3: float, axis: int = Z) -> Estimate:
        """Haven ratio D_tracer/D_sigma along an axis, D_sigma = sigma kT/(e^2 c).

        The tracer D is taken as independent of the conductivity: it is so much more precise
        that its error hardly counts.

        Args:
            D_tracer: tracer diffusivity of Li along the axis, cm2/s.
            li_density_per_A3: Li ions per volume c, 1/A^3.
            axis: 0, 1 or 2.

        Raises:
            AnalysisError: a conductivity that is not resolved from zero.
        """
        thermal = BOLTZMANN_EV_K * self.temperature_K / li_density_per_A3
        unit = A2_PS_TO_CM2_S * thermal * ohm_cm_from_metal(1.0)
        per_D = reciprocal(self.conductivity(axis), 1 / unit, unit="s/cm2", method="")
        return propagate(
            D_tracer.value * per_D.value,
            [(per_D.value, D_tracer), (D_tracer.value, per_D)],
            unit="",
            method="tracer D over collective D",
        )


class Slope(NamedTuple):
    """Slope of a mean squared displacement, per sample."""

    value: float
    std_err: float


def einstein_slope(walk: NDArray[np.float64], lag: int) -> Slope:
    """Slope of the MSD of one Gaussian coordinate by generalised least squares.

    The covariance is first that of a plain random walk through the MSD at the shortest lag, no
    less noisy than the true one, then ``ROUNDS`` times that of the line just found. A slope below
    its own error counts as that error, so a frozen cell keeps an error too.

    Args:
        walk: (samples,) the coordinate.
        lag: shortest lag, samples; the longest is ``LONGEST_LAG`` of the run.
    """
    n = len(walk)
    lags = np.unique(np.geomspace(lag, LONGEST_LAG * n, LAGS).round().astype(int))
    msd = np.array([np.mean((walk[k:] - walk[:-k]) ** 2) for k in lags])
    line = np.array([0.0, msd[0] / lags[0]])
    least = 0.0
    for _ in range(1 + ROUNDS):
        model = max(line[0], 0.0), max(line[1], least)
        line, errors = _fit(lags, msd, msd_covariance(lags, n, *model))
        least = errors[1]
    return Slope(float(line[1]), float(errors[1]))


def msd_covariance(
    lags: NDArray[np.intp], n: int, intercept: float, slope: float
) -> NDArray[np.float64]:
    """Covariance of the MSD at several lags, of n samples of one Gaussian coordinate.

    With the true MSD M(t), displacements over the lags i and j that start d apart have the
    covariance c(d) = [M(d+j) + M(d-i) - M(d) - M(d+j-i)]/2, and their squares 2 c^2 (Isserlis
    1918). Summed over all pairs of starts this is the covariance. M is the line, with an
    intercept that builds up as 1 - exp(-3 t/lags[0]): the slowest that is over in that lag, and
    so the noisiest.

    Args:
        lags: (L,) samples, rising.
        n: samples in the run.
        intercept: of the MSD, not negative.
        slope: of the MSD per sample, not negative.

    Returns:
        (L, L) covariance.
    """
    reach = 2 * lags[0]  # c(d) is below e^-6 of the intercept beyond
    t = np.arange(2 * lags[-1] + reach + 1)
    model = intercept * (1 - np.exp(-3 * t / lags[0])) + slope * t
    covariance = np.empty((len(lags), len(lags)))
    for (a, i), (b, j) in combinations_with_replacement(enumerate(lags), 2):
        d = np.arange(-j - reach, i + reach + 1)
        doubled = model[abs(d + j)] + model[abs(d - i)] - model[abs(d)] - model[abs(d + j - i)]
        pairs = np.minimum(n - i, n - j - d) - np.maximum(0, -d)
        total = float(np.maximum(pairs, 0) @ doubled**2) / 2
        covariance[a, b] = covariance[b, a] = total / ((n - i) * (n - j))
    return covariance


def reciprocal(estimate: Estimate, numerator: float, *, unit: str, method: str) -> Estimate:
    """``numerator`` over an estimate, free of the bias of inverting a noisy number.

    1/x of an x with relative error r is 1 + r^2 too large in the mean, to first order.

    Raises:
        AnalysisError: an estimate less than ``RESOLVED`` standard errors above zero.
    """
    if estimate.value <= RESOLVED * estimate.std_err:
        raise AnalysisError(
            f"the conductivity is not resolved from zero ({estimate})",
            hint="run longer, or add replicas",
        )
    value = numerator / estimate.value
    unbiased = value * (1 - (estimate.std_err / estimate.value) ** 2)
    return propagate(unbiased, [(value / estimate.value, estimate)], unit=unit, method=method)


def _fit(
    lags: NDArray[np.intp], msd: NDArray[np.float64], covariance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Generalised least squares: (intercept, slope) and their standard errors."""
    design = np.column_stack([np.ones(len(lags)), lags])
    weighted = np.linalg.solve(covariance, design)
    spread = np.linalg.inv(design.T @ weighted)
    return spread @ (weighted.T @ msd), np.sqrt(np.diag(spread))
