"""Quality flags: what to distrust about the transport figures, and what to do about it."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from scipy.stats import linregress
from scipy.stats import t as student_t

from gbopt.analysis.boundary import BoundaryObservables
from gbopt.analysis.bulk import BulkTransport
from gbopt.analysis.local import LEAST_HOPS
from gbopt.analysis.profile import TransportProfile
from gbopt.analysis.slabs import Planes, core_windows
from gbopt.analysis.structure import Movement
from gbopt.model.evaluation import QualityFlag
from gbopt.model.observables import Estimate
from gbopt.units import ANGSTROM_CM

MIN_LAG_PS = 3.0
"""Two to three residence times of Li in LLZO near 1100 K (1-3 ps): jumps back are over."""
MIN_EXPONENT, LEAST_EXPONENT = 0.7, 0.5
"""Below the first the lag is short; below the second most of what moves jumps back."""
MAX_EXPONENT = 1.25
"""Above it ions still fly freely: the exponent of diffusion is 1, of free flight 2."""
MIN_GRAIN_RATIO = 0.75
MIN_WIDTH_RATIO, MAX_WIDTH_RATIO = 0.5, 1.5
MAX_SLIDE_A = 1.0
"""Half the distance of La and Zr planes or less: more takes a grain to another translation."""
MAX_MIGRATION_A = 2.0
"""More than the distance of two atomic layers."""
TREND_CHANCE = 0.01
"""Chance that a run without a trend is flagged."""
MAX_DISAGREEMENT_SIGMA = 3.0
MAX_DISAGREEMENT_FACTOR = 2.0


def transport_flags(
    profile: TransportProfile,
    bulk: BulkTransport,
    figures: BoundaryObservables,
    *,
    boundaries_A: Planes,
    core_width_A: float,
) -> tuple[QualityFlag, ...]:
    """All checks of the transport figures, those that are passed included."""
    cores = core_windows(boundaries_A, core_width_A)
    exponent = profile.msd_exponent(*cores)
    return (
        _hops(min(profile.n_hops(core) for core in cores)),
        _long_lag(profile.lag_ps),
        _diffusive(exponent, profile.lag_ps),
        _not_ballistic(exponent, profile.lag_ps),
        _thick_grains(figures, bulk),
        _equilibrated(profile),
        _agreement(figures, profile.length_A / 2, bulk),
    )


def movement_flags(movement: Movement) -> tuple[QualityFlag, ...]:
    """Whether grains and boundaries stayed where they are looked for."""
    slide_A, migration_A = movement
    return (
        _flag(
            "grains_slid",
            slide_A > MAX_SLIDE_A,
            slide_A,
            MAX_SLIDE_A,
            passed=f"the grains slid {slide_A:.2f} A along each other in production.",
            failed=f"the grains slid {slide_A:.2f} A along each other in production: the "
            "boundaries are not the same throughout; lengthen md.npt_ps and md.nvt_ps.",
        ),
        _flag(
            "boundary_moved",
            migration_A > MAX_MIGRATION_A,
            migration_A,
            MAX_MIGRATION_A,
            passed=f"the boundaries moved {migration_A:.2f} A along the normal in production.",
            failed=f"a boundary moved {migration_A:.2f} A along the normal in production, away "
            "from where it is looked for; lengthen md.npt_ps and md.nvt_ps.",
        ),
    )


def width_flag(measured: Estimate, nominal_A: float) -> QualityFlag:
    """Whether the cores were disordered over about the width that was asked for."""
    ratio = measured.value / nominal_A
    return _flag(
        "width_realised",
        not MIN_WIDTH_RATIO <= ratio <= MAX_WIDTH_RATIO,
        ratio,
        MIN_WIDTH_RATIO,
        passed=f"the disordered slabs measure {ratio:.2f} of their nominal width.",
        failed=f"the disordered slabs measure {ratio:.2f} of their nominal width, so figures over "
        "that width mislead: compare area-specific resistances instead.",
    )


def _flag(
    name: str,
    bad: bool,
    measured: float,
    limit: float,
    *,
    passed: str,
    failed: str,
    level: Literal["warn", "fail"] = "warn",
) -> QualityFlag:
    return QualityFlag(
        name=name,
        level=level if bad else "ok",
        measured=measured,
        limit=limit,
        message=failed if bad else passed,
    )


def _hops(hops: float) -> QualityFlag:
    return _flag(
        "core_hops",
        hops < LEAST_HOPS,
        hops,
        LEAST_HOPS,
        level="fail",
        passed=f"Li made about {hops:.0f} hops or more in each boundary core, as D_z tells them.",
        failed=f"Li made only about {hops:.0f} hops in a boundary core, too few to measure "
        "its resistance: run production for longer or at a higher temperature.",
    )


def _long_lag(lag_ps: float) -> QualityFlag:
    return _flag(
        "lag",
        lag_ps < MIN_LAG_PS,
        lag_ps,
        MIN_LAG_PS,
        passed=f"a lag of {lag_ps:g} ps is longer than Li jumps back in at 1000 K and above.",
        failed=f"a lag of {lag_ps:g} ps counts jumps back as diffusion: raise analysis.lag_ps.",
    )


def _not_ballistic(exponent: float, lag_ps: float) -> QualityFlag:
    return _flag(
        "core_ballistic",
        exponent > MAX_EXPONENT,
        exponent,
        MAX_EXPONENT,
        level="fail",
        passed=f"Li in the cores no longer flies freely at a lag of {lag_ps:g} ps.",
        failed=f"at a lag of {lag_ps:g} ps Li still flies freely (exponent {exponent:.2f}), so "
        "no diffusivity was measured: raise analysis.lag_ps.",
    )


def _diffusive(exponent: float, lag_ps: float) -> QualityFlag:
    return _flag(
        "core_diffusive",
        exponent < MIN_EXPONENT,
        exponent,
        MIN_EXPONENT,
        level="fail" if exponent < LEAST_EXPONENT else "warn",
        passed=f"Li in the cores diffuses at a lag of {lag_ps:g} ps.",
        failed=f"a lag of {lag_ps:g} ps is too short for Li in the cores, whose squared "
        f"displacement grows only as time to the power {exponent:.2f}: raise analysis.lag_ps.",
    )


def _thick_grains(figures: BoundaryObservables, bulk: BulkTransport) -> QualityFlag:
    grain, crystal = figures.cell["D_grain_normal"], bulk.D_cm2_s
    ratio = grain.value / crystal.value
    error = math.hypot(grain.std_err, ratio * crystal.std_err) / crystal.value
    return _flag(
        "grain_thickness",
        ratio + 2 * error < MIN_GRAIN_RATIO,
        ratio,
        MIN_GRAIN_RATIO,
        passed=f"Li midway between boundaries diffuses {ratio:.2f} times as fast as in bulk.",
        failed=f"Li midway between boundaries diffuses only {ratio:.2f} times as fast as in "
        "bulk, so the grains are too thin to tell the boundaries apart: raise "
        "geometry.crystal_A.",
    )


def _equilibrated(profile: TransportProfile) -> QualityFlag:
    """Slope of log R over the segments against its scatter, in Student's t of equal chance."""
    log_resistance = np.log(profile.segment_resistances())
    fit = linregress(np.arange(len(log_resistance)), log_resistance)
    limit = float(student_t.ppf(1 - TREND_CHANCE / 2, len(log_resistance) - 2))
    # A perfect fit has no scatter to compare with; the difference shows only in synthetic data.
    score = abs(float(fit.slope)) / max(float(fit.stderr), 1e-12)
    return _flag(
        "equilibrated",
        score > limit,
        score,
        limit,
        passed="the resistance shows no trend over the run.",
        failed="not equilibrated: the resistance drifts over the run beyond its scatter; "
        "lengthen md.nvt_ps before production.",
    )


def _agreement(figures: BoundaryObservables, length_A: float, bulk: BulkTransport) -> QualityFlag:
    """Whether the two boundaries differ; what both subtract, as much bulk crystal, does not."""
    both = [each["area_specific_resistance"] for each in figures.each]
    low, high = sorted(each.value for each in both)
    shared = length_A * ANGSTROM_CM * bulk.resistivity_ohm_cm.std_err
    sigma = math.sqrt(sum(max(0.0, each.std_err**2 - shared**2) for each in both))
    apart = (high - low) / sigma if sigma > 0 else 0.0
    bad = apart > MAX_DISAGREEMENT_SIGMA and high > MAX_DISAGREEMENT_FACTOR * low
    return _flag(
        "boundaries_agree",
        bad,
        apart,
        MAX_DISAGREEMENT_SIGMA,
        passed="the two boundaries agree within their errors or a factor of two.",
        failed=f"the two boundaries of the cell differ by {apart:.1f} standard errors and more "
        "than a factor of two: average over more seeds of this geometry.",
    )
