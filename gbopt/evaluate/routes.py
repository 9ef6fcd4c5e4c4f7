"""The collective and the field route to the through-plane conductivity, beside the tracer one.

Both hold the correlation between ions, which the tracer route leaves out; where they were run,
their figures stand beside its own, and the flags say whether they agree.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.collective import SHORTEST_RUN_LAGS
from gbopt.analysis.field import FieldCurrent, linear_response, resistance_times_area
from gbopt.analysis.statistics import propagate
from gbopt.config import CampaignConfig
from gbopt.errors import AnalysisError
from gbopt.md.engine import MDRun
from gbopt.model.bicrystal import FORMAL_CHARGES
from gbopt.model.evaluation import QualityFlag
from gbopt.model.observables import Estimate
from gbopt.units import ANGSTROM_CM

_AGREE_SIGMAS = 3.0
_PILE_UP_PS = 20.0


class Route(NamedTuple):
    """Figures of a route, and the checks of them."""

    observables: dict[str, Estimate]
    flags: tuple[QualityFlag, ...]


def formal_charges(species: NDArray[np.int8]) -> NDArray[np.float64]:
    """Formal charge of each ion, e: what a hop carries, whatever charges the potential has."""
    charges: NDArray[np.float64] = np.array(FORMAL_CHARGES, dtype=float)[species]
    return charges


def collective_lag_ps(config: CampaignConfig, run_ps: float) -> float:
    """Lag of the collective route: charge piles up against boundaries for some 20 ps.

    A run too short for that gets the longest lag that leaves a range to fit over.
    """
    return max(config.analysis.lag_ps, min(_PILE_UP_PS, run_ps / SHORTEST_RUN_LAGS))


def conductivities_at_fields(run: MDRun, config: CampaignConfig) -> tuple[Estimate, ...]:
    """Follow the stages under a field that come after production: one conductivity for each."""
    found = []
    for strength in config.field.fields_V_A:
        trajectory = run.trajectory()
        charges = formal_charges(trajectory.info.species)
        current = FieldCurrent(trajectory.info, charges, field_V_A=strength)
        for frame in trajectory.frames:
            current.add(frame)
        found.append(current.result().conductivity())
    return tuple(found)


def zero_field(
    config: CampaignConfig, at_fields: tuple[Estimate, ...]
) -> tuple[Estimate, QualityFlag]:
    """Conductivity in the limit of zero field, and whether the response was linear."""
    if len(at_fields) == 1:
        return at_fields[0], _flag(
            "field_linear",
            ok=False,
            measured=1,
            limit=2,
            message="one field cannot show that the response is linear: give field.fields_V_A two.",
        )
    response = linear_response(list(zip(config.field.fields_V_A, at_fields, strict=True)))
    linear = "is linear" if response.ok else "is not linear: lower field.fields_V_A"
    flag = _flag(
        "field_linear",
        ok=response.ok,
        measured=response.nonlinearity,
        limit=2.0,
        message=f"the response to the fields {linear}.",
    )
    # The extrapolation, not the pooled mean: fields that pass the check may still read high.
    return response.conductivity, flag


def field_route(
    config: CampaignConfig,
    cell: tuple[Estimate, ...],
    bulk: tuple[Estimate, ...],
    *,
    length_A: float,
    core_width_A: float,
) -> Route:
    """Resistance of the boundaries from the conductivities of cell and bulk under fields.

    Args:
        config: the campaign.
        cell: conductivity of the cell along the normal at each field, S/cm.
        bulk: the same of the bulk crystal.
        length_A: length of the cell along the normal.
        core_width_A: nominal width of a boundary.
    """
    if not cell:
        return Route({}, ())
    sigma, flag = zero_field(config, cell)
    sigma_bulk, flag_bulk = zero_field(config, bulk)
    flag_bulk = flag_bulk.model_copy(update={"name": "field_linear_bulk"})
    figures = {"conductivity_field": sigma}
    try:
        total = resistance_times_area(sigma, length_A)
        crystal = resistance_times_area(sigma_bulk, length_A)
    except AnalysisError as error:
        unresolved = _flag(
            "field_resolved", ok=False, measured=0, limit=2, message=f"{error.message}."
        )
        return Route(figures, (flag, flag_bulk, unresolved))
    asr = propagate(
        (total.value - crystal.value) / 2,
        [(0.5, total), (-0.5, crystal)],
        unit="ohm cm2",
        method="steady current under a field, cell less bulk crystal of its length",
    )
    width_cm = core_width_A * ANGSTROM_CM
    share = 1 / (length_A * ANGSTROM_CM)
    figures["area_specific_resistance_field"] = asr
    figures["gb_resistivity_field"] = propagate(
        asr.value / width_cm + crystal.value * share,
        [(0.5 / width_cm, total), (share - 0.5 / width_cm, crystal)],
        unit="ohm cm",
        method="ASR under a field over the nominal width, plus bulk resistivity under a field",
    )
    return Route(figures, (flag, flag_bulk))


def compare(observables: dict[str, Estimate]) -> tuple[QualityFlag, ...]:
    """Whether the field and the collective route agree, where both were run."""
    collective = observables.get("conductivity_collective")
    driven = observables.get("conductivity_field")
    if collective is None or driven is None:
        return ()
    joint = float(np.hypot(collective.std_err, driven.std_err))
    apart = abs(collective.value - driven.value) / joint if joint > 0 else 0.0
    agree = apart < _AGREE_SIGMAS
    flag = _flag(
        "routes_agree",
        ok=agree,
        measured=apart,
        limit=_AGREE_SIGMAS,
        message=f"collective and field conductivity lie {apart:.1f} standard errors apart"
        + ("." if agree else ": lengthen md.production_ps and field.run_ps."),
    )
    return (flag,)


def haven_ratio(tracer: Estimate, correlated: Estimate) -> Estimate | None:
    """Nernst-Einstein over correlated conductivity; None where the latter is not resolved."""
    if correlated.value < 2 * correlated.std_err or correlated.value <= 0:
        return None
    ratio = tracer.value / correlated.value
    return propagate(
        ratio,
        [(1 / correlated.value, tracer), (-ratio / correlated.value, correlated)],
        unit="",
        method=f"Nernst-Einstein over: {correlated.method}",
    )


def _flag(name: str, *, ok: bool, measured: float, limit: float, message: str) -> QualityFlag:
    return QualityFlag(
        name=name,
        level="ok" if ok else "warn",
        measured=round(float(measured), 3),
        limit=limit,
        message=message,
    )
