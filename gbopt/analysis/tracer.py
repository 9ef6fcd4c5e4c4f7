"""Tracer diffusivity of a whole cell, fast or nearly frozen, with a lag that suits it.

    D = [M(2t) - M(t)] / (2t) / 3,  M(t) = <|r(t0 + t) - r(t0)|^2>

The difference takes out vibration and jumps forth and back that are over within t. In a glass
these last far longer than in a crystal, so the lag is lengthened until M(2t) - M(t) is that of
one hop an ion, or as long as the segments behind the error bars allow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gbopt.analysis.frames import drift_corrected
from gbopt.analysis.local import HOP_A
from gbopt.analysis.msd import XYZ, LiDisplacement, MSDCurve
from gbopt.analysis.profile import TransportProfile
from gbopt.analysis.statistics import Mask, segment_estimate
from gbopt.analysis.transport import LiTransport
from gbopt.config import LAGS_PER_SEGMENT
from gbopt.model.observables import Estimate
from gbopt.model.trajectory import Trajectory
from gbopt.units import A2_PS_TO_CM2_S

FEW_HOPS = 50
"""With fewer hops in the whole run a diffusivity is an upper bound."""
STEADY = 0.7
"""D at a lag that is below this part of D at half the lag, by more than a standard error, is still
falling: an upper bound. Ions in a cage whose relaxation time is 0.6 of the lag reach 0.33, those
that diffuse 1, however seldom they hop."""


class TracerDiffusion(NamedTuple):
    """How Li diffuses in a cell."""

    D_cm2_s: Estimate
    """Mean over the three axes; an upper bound where hops are fewer than ``FEW_HOPS``, or where D
    still falls with the lag."""
    lag_ps: float
    """The lag t."""
    exponent: float
    """log2 of M(2t)/M(t): 1 for diffusion, 0 for ions that only rattle."""
    steadiness: Estimate
    """D at the lag over D at half of it: 1 for diffusion."""
    hops_per_ion: float
    """6 D over HOP_A^2 times the length of the run."""
    curve: MSDCurve
    """The mean squared displacement, to look at."""

    @property
    def falling(self) -> bool:
        """Whether D still falls with the lag: see ``STEADY``."""
        return self.steadiness.value + self.steadiness.std_err < STEADY


def tracer_diffusion(
    open_frames: Callable[[], Trajectory], *, lag_ps: float, segments: int
) -> TracerDiffusion:
    """Measure D of Li in a cell; the frames are gone through twice.

    Args:
        open_frames: opens the trajectory anew.
        lag_ps: the least lag t.
        segments: disjoint time segments behind the error.

    Raises:
        AnalysisError: no Li, no framework, or a run too short for this lag and these segments.
    """
    trajectory = open_frames()
    info, displacement = trajectory.info, LiDisplacement(trajectory.info)
    for frame in drift_corrected(trajectory):
        displacement.add(frame)
    curve = displacement.result()
    # In whole frames, with some left over for the rounding of longer strides.
    longest = int((info.n_frames // segments - 1) / (LAGS_PER_SEGMENT + 0.2))
    lag = _lag(curve, lag_ps, longest * info.frame_interval_ps)
    at_lag, at_half = (
        LiTransport(info, lag_ps=each, segments=segments, bin_A=info.length_A)
        for each in (lag, lag / 2)
    )
    for frame in drift_corrected(open_frames()):
        at_lag.add(frame)
        at_half.add(frame)
    profile = at_lag.result()
    D = profile.cell_diffusivity(0, 1, 2)
    n_li = profile.n_li
    per_D = 6 / A2_PS_TO_CM2_S * segments * profile.segment_ps / HOP_A**2
    hops = max(0.0, D.value) * per_D
    steadiness = _steadiness(profile, at_half.result())
    found = TracerDiffusion(D, profile.lag_ps, profile.msd_exponent(), steadiness, hops, curve)
    few = hops * n_li < FEW_HOPS
    if not few and not found.falling:
        return found
    # What so few hops leave room for; the scatter of the run stands as its error.
    most = max(D.value, FEW_HOPS / n_li / per_D) if few else D.value
    bound = D.model_copy(update={"value": most, "bound": "upper"})
    return found._replace(D_cm2_s=bound)


def _steadiness(profile: TransportProfile, half: TransportProfile) -> Estimate:
    """D at a lag over D at half of it, both from the same segments."""
    if half.lag_ps >= profile.lag_ps:  # of one frame, which has no half
        return Estimate(value=1.0, std_err=0.0, unit="", n_eff=profile.segments, method="not seen")

    def ratio(mask: Mask) -> float:
        below = half.masked_diffusivity(mask, XYZ)
        return profile.masked_diffusivity(mask, XYZ) / below if below > 0 else 0.0

    return segment_estimate(
        ratio,
        profile.segments,
        unit="",
        method=f"D at {profile.lag_ps:.4g} ps over D at {half.lag_ps:.4g} ps; segments",
    )


def _lag(curve: MSDCurve, least_ps: float, longest_ps: float) -> float:
    """The shortest lag t, ps, in which M(2t) - M(t) is that of a hop."""
    msd = curve.msd_A2.sum(axis=1)
    lags = curve.lag_ps[(curve.lag_ps >= least_ps) & (curve.lag_ps <= longest_ps)]
    for lag in lags.tolist():
        if 2 * lag > curve.lag_ps[-1]:
            break
        first, second = np.interp([lag, 2 * lag], curve.lag_ps, msd)
        if second - first >= HOP_A**2:
            return float(lag)
    return max(least_ps, longest_ps)
