"""Green-Kubo: diffusivity and conductivity as time integrals of equilibrium fluctuations.

    D     = int_0^inf <v_z(0) v_z(t)> dt                      (one axis; 1/3 of <v(0).v(t)>)
    sigma = V/(kT) int_0^inf <J_z(0) J_z(t)> dt,              J = sum_i q_i v_i / V

(Green 1954; Kubo 1957; Frenkel and Smit, Understanding Molecular Simulation, 2nd ed., sections
4.4.1 and 4.4.2). The first is the tracer figure; the second holds the correlation between ions,
and its limit is that of the Einstein-Helfand slope in ``collective``.

No velocities are needed for it. With Q = sum_i q_i r_i and the finite-difference current
u_n = (Q_{n+1} - Q_n)/h over the sampling time h, let C(k) = <u_n u_{n+k}>. The charge MSD is

    M(k) = <(Q_k - Q_0)^2> = h^2 sum_{i,j<k} C(i - j),
    M(k+1) - M(k) = h^2 [C(0) + 2 sum_{j=1..k} C(j)].

The sum of two such steps is the trapezoidal integral of C, whatever h:

    G(k) = h [C(0)/2 + sum_{j<k} C(j) + C(k)/2] = [M(k+1) - M(k-1)] / (4 h),

half the centred slope of the MSD. Vibration and jumps between two samples are in it, since u is
the current's exact mean over h. The identity is one of stationary averages: in one run, where
the average over time origins has ends, it holds but for the pairs at the ends.

Which to use: the running integral adds up the noise of every lag below the cut-off, so that its
variance grows with the cut-off while the signal does not, and where to cut is the reader's choice.
Of the estimators tried on synthetic conductors of known answer it was the noisiest. Where charge
only diffuses, it is as precise as the generalised-least-squares slope from the same lag on
(``CollectiveMotion.conductivity``); where charge also flows back or vibrates, as in any solid, its
error was two to five times as large, because it is a difference between neighbouring lags and the
slope one over the whole range. That slope is what gbopt reports; Green-Kubo is here to show the
memory in the current, and as an independent check.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid

from gbopt.analysis.collective import CollectiveMotion, Z
from gbopt.analysis.msd import XYZ, lagged_products
from gbopt.config import LAGS_PER_SEGMENT
from gbopt.errors import AnalysisError
from gbopt.model.observables import Estimate
from gbopt.units import A2_PS_TO_CM2_S, BOLTZMANN_EV_K, ohm_cm_from_metal


@dataclass(frozen=True, slots=True, kw_only=True)
class GreenKubo:
    """Autocorrelation and its running integral up to a cut-off; arrays are (lags + 1,)."""

    lag_ps: NDArray[np.float64]
    """From 0 to the cut-off."""
    autocorrelation: NDArray[np.float64]
    """Of the velocity, A2/ps2, or of sum_i q_i v_i, e2 A2/ps2; mean over axes and ions."""
    integral: NDArray[np.float64]
    """Running integral in the unit of the plateau, by the trapezoidal rule."""
    integral_err: NDArray[np.float64]
    """Its standard error from disjoint segments."""
    plateau: Estimate
    """The integral at the cut-off; cm2/s or S/cm."""


def diffusivity(
    velocities: NDArray[np.floating[Any]],
    *,
    sample_ps: float,
    cutoff_ps: float,
    segments: int,
    axes: Sequence[int] = XYZ,
) -> GreenKubo:
    """Tracer diffusivity from velocities, mean over the axes given, cm2/s.

    Args:
        velocities: (frames, ions, 3) A/ps of the ions of one kind, relative to the framework.
        sample_ps: time between two frames; a small part of a vibration, or the integral is off.
        cutoff_ps: lag to integrate to.
        segments: disjoint time segments behind the errors.
        axes: some of 0, 1, 2; all three are a third of the dot product.

    Raises:
        AnalysisError: velocities that are no such array or not finite, fewer than two segments,
            a cut-off below a sample, or segments not longer than ``LAGS_PER_SEGMENT`` cut-offs.
    """
    return _integrate(
        velocities,
        sample_ps=sample_ps,
        cutoff_ps=cutoff_ps,
        segments=segments,
        axes=axes,
        factor=A2_PS_TO_CM2_S,
        unit="cm2/s",
    )


def conductivity(
    current_e_A_ps: NDArray[np.float64],
    *,
    sample_ps: float,
    cutoff_ps: float,
    segments: int,
    volume_A3: float,
    temperature_K: float,
    axes: Sequence[int] = (Z,),
) -> GreenKubo:
    """Collective conductivity from the current of all ions, mean over the axes given, S/cm.

    Args:
        current_e_A_ps: (frames, 3) V J = sum_i q_i v_i of a neutral cell, e A/ps: of velocities
            (frames, ions, 3) it is ``charges_e @ velocities``.
        sample_ps: time between two frames.
        cutoff_ps: lag to integrate to.
        segments: disjoint time segments behind the errors.
        volume_A3: of the cell.
        temperature_K: of the run.
        axes: some of 0, 1, 2.

    Raises:
        AnalysisError: as ``diffusivity``.
    """
    per_metal = 1 / ohm_cm_from_metal(volume_A3 * BOLTZMANN_EV_K * temperature_K)
    return _integrate(
        current_e_A_ps[:, np.newaxis],
        sample_ps=sample_ps,
        cutoff_ps=cutoff_ps,
        segments=segments,
        axes=axes,
        factor=per_metal,
        unit="S/cm",
    )


def conductivity_of(
    motion: CollectiveMotion, *, cutoff_ps: float, segments: int, axes: Sequence[int] = (Z,)
) -> GreenKubo:
    """Collective conductivity from the charge displacement alone, S/cm (see the module).

    Args:
        motion: the charge displacement of a run in equilibrium.
        cutoff_ps: lag to integrate to.
        segments: disjoint time segments behind the errors.
        axes: some of 0, 1, 2.

    Raises:
        AnalysisError: as ``diffusivity``.
    """
    return conductivity(
        np.diff(motion.displaced_e_A, axis=0) / motion.sample_ps,
        sample_ps=motion.sample_ps,
        cutoff_ps=cutoff_ps,
        segments=segments,
        volume_A3=motion.volume_A3,
        temperature_K=motion.temperature_K,
        axes=axes,
    )


def _integrate(
    series: NDArray[np.floating[Any]],
    *,
    sample_ps: float,
    cutoff_ps: float,
    segments: int,
    axes: Sequence[int],
    factor: float,
    unit: str,
) -> GreenKubo:
    """Integral of the autocorrelation of a series (frames, ions, 3), times a factor."""
    lags = round(cutoff_ps / sample_ps)
    size = len(series) // max(segments, 1)
    if segments < 2 or lags < 1 or size <= LAGS_PER_SEGMENT * lags:
        raise AnalysisError(
            f"{len(series)} frames of {sample_ps:g} ps cannot be divided into {segments} segments "
            f"of more than {LAGS_PER_SEGMENT} cut-offs of {cutoff_ps:g} ps",
            hint="run longer, lower the cut-off, or take fewer segments (two at least)",
        )
    pairs = (size - np.arange(lags + 1)) * series.shape[1]
    each = np.array(
        [
            lagged_products(part, longest_lag=lags, axes=axes).products.mean(axis=0) / pairs
            for part in (series[size * s : size * (s + 1)] for s in range(segments))
        ]
    )
    integrals = factor * cumulative_trapezoid(each, dx=sample_ps, axis=1, initial=0.0)
    integral = integrals.mean(axis=0)
    errors = integrals.std(axis=0, ddof=1) / math.sqrt(segments)
    return GreenKubo(
        lag_ps=sample_ps * np.arange(lags + 1, dtype=np.float64),
        autocorrelation=each.mean(axis=0),
        integral=integral,
        integral_err=errors,
        plateau=Estimate(
            value=float(integral[-1]),
            std_err=float(errors[-1]),
            unit=unit,
            n_eff=segments,
            method=f"Green-Kubo, running integral at {lags * sample_ps:g} ps; disjoint segments",
        ),
    )
