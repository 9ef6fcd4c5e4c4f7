"""Bulk reference: what the same potential gives for the crystal without boundaries."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from gbopt.analysis.local import LEAST_HOPS
from gbopt.analysis.profile import TransportProfile
from gbopt.analysis.statistics import combine, propagate
from gbopt.errors import AnalysisError
from gbopt.model.observables import Estimate
from gbopt.units import A2_PS_TO_CM2_S, BOLTZMANN_EV_K, ohm_cm_from_metal


class BulkTransport(BaseModel):
    """Transport of the bulk crystal; JSON round trip through ``model_dump_json``."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    resistivity_ohm_cm: Estimate
    """Nernst-Einstein, mean of the replicas."""
    D_cm2_s: Estimate
    """Tracer D, mean over the three axes and the replicas."""
    li_density_per_A3: Estimate
    """Li ions per volume."""
    temperature_K: float
    """Temperature of the runs."""
    lag_ps: float
    """Lag t of the slope form; a boundary must be measured with the same."""
    replicas: int
    """Independent runs."""


def bulk_transport(profiles: Sequence[TransportProfile]) -> BulkTransport:
    """Average independent replicas of an isotropic bulk crystal.

    Whole-cell mean-squared displacements serve, not the series law: a crystal is uniform beyond
    its unit cell, and nothing noisy is inverted. Errors hold the scatter over segments and what
    the replicas differ by beyond it.

    Raises:
        AnalysisError: no profiles, profiles of different temperature or lag, or fewer hops in all
            than ``LEAST_HOPS``: every boundary would have that chance figure subtracted.
    """
    if not profiles:
        raise AnalysisError("there is no bulk profile", hint="run the bulk reference first")
    first = profiles[0]
    for profile in profiles[1:]:
        require_comparable(profile, first.temperature_K, first.lag_ps)
    hops = sum(profile.n_hops() for profile in profiles)
    if hops < LEAST_HOPS:
        raise AnalysisError(
            f"no diffusion is resolved in the bulk crystal at {first.temperature_K:g} K: Li made "
            f"only about {hops:.0f} hops in all, {LEAST_HOPS:g} are needed",
            hint="raise bulk.production_ps or bulk.cells, or the temperature",
        )
    D = combine(
        [profile.cell_diffusivity(0, 1, 2) for profile in profiles],
        method="[M(2t)-M(t)]/2t, mean of three axes; segments and replicas",
    )
    if D.value <= 0:
        raise AnalysisError(
            f"no diffusion is resolved in the bulk crystal at {first.temperature_K:g} K: D = {D}",
            hint="raise bulk.production_ps or bulk.cells, or the temperature",
        )
    density = _density(profiles)
    return BulkTransport(
        resistivity_ohm_cm=_resistivity(first.temperature_K, density, D),
        D_cm2_s=D,
        li_density_per_A3=density,
        temperature_K=first.temperature_K,
        lag_ps=first.lag_ps,
        replicas=len(profiles),
    )


def require_comparable(profile: TransportProfile, temperature_K: float, lag_ps: float) -> None:
    """Raise AnalysisError unless the profile has this temperature and this lag (within 2 %)."""
    same_lag = math.isclose(profile.lag_ps, lag_ps, rel_tol=0.02)
    if not same_lag or not math.isclose(profile.temperature_K, temperature_K, abs_tol=0.5):
        raise AnalysisError(
            f"profiles at {profile.temperature_K:g} K, lag {profile.lag_ps:g} ps and at "
            f"{temperature_K:g} K, lag {lag_ps:g} ps cannot be compared",
            hint="analyse both with the same lag, at the same temperature",
        )


def _resistivity(temperature_K: float, density_per_A3: Estimate, D_cm2_s: Estimate) -> Estimate:
    """kT/(q^2 c D), ohm cm, of the mean D: one over a D that a replica missed would be anything."""
    conductance = density_per_A3.value * D_cm2_s.value / A2_PS_TO_CM2_S
    value = ohm_cm_from_metal(BOLTZMANN_EV_K * temperature_K / conductance)
    return propagate(
        value,
        [(-value / D_cm2_s.value, D_cm2_s), (-value / density_per_A3.value, density_per_A3)],
        unit="ohm cm",
        method="Nernst-Einstein of bulk tracer D; segments and replicas",
    )


def _density(profiles: Sequence[TransportProfile]) -> Estimate:
    values = np.array([profile.li_density_per_A3 for profile in profiles])
    n = len(values)
    return Estimate(
        value=float(values.mean()),
        std_err=float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0,
        unit="A-3",
        n_eff=n,
        method="Li ions over cell volume; replicas",
    )
