"""The collective and the field route to the resistance, beside the tracer one of the profile.

Both hold the correlation between ions, which the tracer route leaves out; where they were run,
their figures stand beside its own, and flags say whether they agree and which is the objective.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import combinations
from typing import NamedTuple

import numpy as np

from gbopt.analysis.collective import CollectiveMotion, Z
from gbopt.analysis.field import linear_response, resistance_times_area
from gbopt.analysis.green_kubo import conductivity_of
from gbopt.analysis.potential import ChargeBatches, FieldRun, VoltageDivider, voltage_divider
from gbopt.analysis.slabs import Planes
from gbopt.analysis.statistics import combine, propagate
from gbopt.config import LAGS_PER_SEGMENT, CampaignConfig
from gbopt.errors import AnalysisError
from gbopt.evaluate.bulk import BulkReference
from gbopt.evaluate.fields import FieldStage
from gbopt.model.evaluation import QualityFlag
from gbopt.model.observables import Estimate
from gbopt.units import ANGSTROM_CM

_AGREE_SIGMAS = 3.0
_GREEN_KUBO_SEGMENTS = 4
_TOO_HOT = 0.02
_RATIOS = {
    "tracer": "resistance_ratio_tracer",
    "collective": "resistance_ratio_collective",
    "field": "resistance_ratio_field",
}
_HALF = Estimate(value=0.5, std_err=0.0, unit="", n_eff=2, method="two boundaries in a cell")
Observables = dict[str, Estimate]


class Cell(NamedTuple):
    """What the figures of a route refer to."""

    length_A: float
    core_width_A: float
    boundaries_A: Planes


class Route(NamedTuple):
    """Figures of a route for the cell and for each boundary, and the checks of them."""

    cell: Observables
    each: tuple[Observables, Observables]
    flags: tuple[QualityFlag, ...]
    divider: VoltageDivider | None = None


NOT_RUN = Route({}, ({}, {}), ())


def collective_route(
    motion: CollectiveMotion, tracer: Observables, bulk: BulkReference, cell: Cell
) -> Route:
    """Einstein-Helfand and Green-Kubo conductivity of the cell, and the series law against bulk.

    Args:
        motion: charge displacement of production.
        tracer: figures of the tracer route.
        bulk: the reference crystal.
        cell: what they refer to.
    """
    sigma = motion.conductivity(Z)
    figures = {"conductivity_collective": sigma, "conductivity_green_kubo": _green_kubo(motion)}
    haven = haven_ratio(tracer["conductivity_through_plane"], sigma)
    if haven is not None:
        figures["haven_ratio"] = haven
    # Where one of the two is not resolved from zero, its conductivity and error say so.
    with suppress(AnalysisError):
        asr, _ = _boundary(_HALF, sigma, bulk.collective, cell, "Einstein-Helfand")
        figures["area_specific_resistance_collective"] = asr
        figures[_RATIOS["collective"]] = _ratio(bulk.collective, sigma)
    return Route(figures, ({}, {}), ())


def _green_kubo(motion: CollectiveMotion) -> Estimate:
    """At the lag of the Einstein-Helfand fit, or the longest that the run has segments for."""
    run_ps = (len(motion.displaced_e_A) - 1) * motion.sample_ps
    longest_ps = run_ps / _GREEN_KUBO_SEGMENTS / LAGS_PER_SEGMENT - 2 * motion.sample_ps
    cutoff_ps = min(motion.lag_samples * motion.sample_ps, longest_ps)
    return conductivity_of(motion, cutoff_ps=cutoff_ps, segments=_GREEN_KUBO_SEGMENTS).plateau


def field_route(
    config: CampaignConfig,
    stages: Sequence[FieldStage],
    at_rest: ChargeBatches,
    bulk: BulkReference,
    cell: Cell,
) -> Route:
    """Resistance of cell and boundaries from the steady currents under fields.

    Args:
        config: the campaign.
        stages: the runs under each field; none: the route was not run.
        at_rest: charge profile of production.
        bulk: the reference crystal, at the same fields.
        cell: what the figures refer to.
    """
    if not stages:
        return NOT_RUN
    sigma, flag = zero_field(config, [stage.conductivity for stage in stages])
    sigma_bulk, flag_bulk = zero_field(config, bulk.at_fields)
    flags = (
        flag,
        flag_bulk.model_copy(update={"name": "field_linear_bulk"}),
        _temperature(config, stages),
    )
    divider = voltage_divider(
        [FieldRun(0.0, at_rest, 0.0), *(stage.run for stage in stages)], cell.boundaries_A
    )
    figures = {"conductivity_field": sigma}
    try:
        halves, *each = (
            _by_field(share, sigma, sigma_bulk, cell) for share in (_HALF, *divider.shares)
        )
    except AnalysisError as error:
        unresolved = _flag(
            "field_resolved", ok=False, measured=0, limit=2, message=f"{error.message}."
        )
        shares = [{"voltage_share": share} for share in divider.shares]
        return Route(figures, (shares[0], shares[1]), (*flags, unresolved), divider)
    figures |= halves | {_RATIOS["field"]: _ratio(sigma_bulk, sigma)}
    figures["resistivity_grain_field"] = _grain_resistivity(divider, sigma)
    first, second = (
        found | {"voltage_share": share} for found, share in zip(each, divider.shares, strict=True)
    )
    return Route(figures, (first, second), flags, divider)


def _by_field(share: Estimate, sigma: Estimate, sigma_bulk: Estimate, cell: Cell) -> Observables:
    asr, resistivity = _boundary(share, sigma, sigma_bulk, cell, "steady current under a field")
    return {"area_specific_resistance_field": asr, "gb_resistivity_field": resistivity}


def _grain_resistivity(divider: VoltageDivider, sigma: Estimate) -> Estimate:
    """Field mid-grain over the current, which is that of the whole cell."""
    field = combine(divider.grain_field, method="field mid-grain over the current")
    value = field.value / sigma.value
    return propagate(
        value,
        [(1 / sigma.value, field), (-value / sigma.value, sigma)],
        unit="ohm cm",
        method=field.method,
    )


def zero_field(
    config: CampaignConfig, at_fields: Sequence[Estimate]
) -> tuple[Estimate, QualityFlag]:
    """Conductivity in the limit of zero field, and whether the response was linear."""
    fields = config.field.fields_V_A
    if len({abs(field) for field in fields}) == 1:
        return combine(at_fields, method=f"mean of: {at_fields[0].method}"), _flag(
            "field_linear",
            ok=False,
            measured=1,
            limit=2,
            message="fields of one magnitude cannot show that the response is linear: give "
            "field.fields_V_A two.",
        )
    response = linear_response(list(zip(fields, at_fields, strict=True)))
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


def _boundary(
    share: Estimate, sigma: Estimate, sigma_bulk: Estimate, cell: Cell, method: str
) -> tuple[Estimate, Estimate]:
    """Area-specific resistance and resistivity of a boundary that takes a share of the voltage.

    Raises:
        AnalysisError: a conductivity that is not resolved from zero.
    """
    total = resistance_times_area(sigma, cell.length_A)
    crystal = resistance_times_area(sigma_bulk, cell.length_A)
    asr = propagate(
        share.value * total.value - crystal.value / 2,
        [(total.value, share), (share.value, total), (-0.5, crystal)],
        unit="ohm cm2",
        method=f"{method}, cell less bulk crystal of its length",
    )
    width_cm = cell.core_width_A * ANGSTROM_CM
    per_length = 1 / (cell.length_A * ANGSTROM_CM)
    resistivity = propagate(
        asr.value / width_cm + crystal.value * per_length,
        [
            (total.value / width_cm, share),
            (share.value / width_cm, total),
            (per_length - 0.5 / width_cm, crystal),
        ],
        unit="ohm cm",
        method=f"ASR over the nominal width, plus bulk resistivity; {method}",
    )
    return asr, resistivity


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


def tracer_ratio(tracer: Observables) -> Observables:
    """Resistance of the cell over that of bulk crystal of its length, by the tracer route."""
    rho, sigma = tracer["bulk_resistivity"], tracer["conductivity_through_plane"]
    value = 1 / (rho.value * sigma.value)
    ratio = propagate(
        value,
        [(-value / rho.value, rho), (-value / sigma.value, sigma)],
        unit="",
        method="bulk over cell conductivity, tracer",
        bound="lower" if sigma.bound == "upper" else None,
    )
    return {_RATIOS["tracer"]: ratio}


def _ratio(sigma_bulk: Estimate, sigma: Estimate) -> Estimate:
    value = sigma_bulk.value / sigma.value
    return propagate(
        value,
        [(1 / sigma.value, sigma_bulk), (-value / sigma.value, sigma)],
        unit="",
        method=f"bulk over cell conductivity, {sigma.method}",
    )


def agreement(observables: Observables) -> QualityFlag:
    """Which routes were run, whether they agree, which one is the objective, and why.

    Each gives the resistance of the cell over that of bulk crystal of its length, from which the
    correlation between ions cancels as far as it is the same in both.
    """
    found = {
        name: observables[key]
        for name, key in _RATIOS.items()
        if key in observables and observables[key].bound is None
    }
    said = ", ".join(f"{name} {estimate}" for name, estimate in found.items())
    apart = max((_apart(a, b) for a, b in combinations(found.values(), 2)), default=0.0)
    agree = apart < _AGREE_SIGMAS
    verdict = "they agree" if agree else f"they lie {apart:.1f} standard errors apart"
    return _flag(
        "routes_agree",
        ok=agree,
        measured=apart,
        limit=_AGREE_SIGMAS,
        message=f"resistance of the cell over bulk crystal: {said or 'not resolved'}; "
        + (verdict if len(found) > 1 else "no second route to compare with")
        + ". The tracer route is the objective, since it has the smallest error for a given run "
        "and needs no run of its own.",
    )


def _apart(one: Estimate, other: Estimate) -> float:
    joint = float(np.hypot(one.std_err, other.std_err))
    return abs(one.value - other.value) / joint if joint > 0 else 0.0


def _temperature(config: CampaignConfig, stages: Sequence[FieldStage]) -> QualityFlag:
    """A field does work on the ions; the thermostat must carry it off."""
    target = config.md.temperature_K
    hottest = max(stages, key=lambda stage: abs(stage.temperature_K - target)).temperature_K
    ok = abs(hottest / target - 1) < _TOO_HOT
    return _flag(
        "field_temperature",
        ok=ok,
        measured=round(hottest, 1),
        limit=target,
        message=f"mean temperature under a field {hottest:.0f} K, target {target:g} K"
        + ("." if ok else ": lower field.fields_V_A."),
    )


def _flag(name: str, *, ok: bool, measured: float, limit: float, message: str) -> QualityFlag:
    return QualityFlag(
        name=name,
        level="ok" if ok else "warn",
        measured=round(float(measured), 3),
        limit=limit,
        message=message,
    )
