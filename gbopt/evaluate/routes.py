"""The collective and the field route to the resistance, beside the tracer one of the profile.

Both hold the correlation between ions, which the tracer route leaves out; where they were run,
their figures stand beside its own, and flags say whether they agree and which is the objective.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from gbopt.analysis.collective import CollectiveMotion, Z
from gbopt.analysis.field import linear_response, resistance_times_area
from gbopt.analysis.green_kubo import conductivity_of
from gbopt.analysis.potential import ChargeBatches, FieldRun, VoltageDivider, voltage_divider
from gbopt.analysis.slabs import Planes, core_windows
from gbopt.analysis.statistics import combine, propagate
from gbopt.config import LAGS_PER_SEGMENT, CampaignConfig
from gbopt.errors import AnalysisError
from gbopt.evaluate.agreement import AGREE_SIGMAS, RATIOS, haven_ratio, ratio, route_flag
from gbopt.evaluate.bulk import BulkReference
from gbopt.evaluate.fields import FieldStage
from gbopt.model.evaluation import QualityFlag
from gbopt.model.observables import Estimate
from gbopt.units import ANGSTROM_CM

_GREEN_KUBO_SEGMENTS = 4
_TOO_HOT = 0.02
_FASTER = 1.2
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
        figures[RATIOS["collective"]] = ratio(bulk.collective, sigma)
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
    in_plane: Estimate,
    bulk: BulkReference,
    cell: Cell,
) -> Route:
    """Resistance of cell and boundaries from the steady currents under fields.

    Args:
        config: the campaign.
        stages: the runs under each field; none: the route was not run.
        at_rest: charge profile of production.
        in_plane: tracer conductivity along the boundary of the cores in production.
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
        *_mobility(stages, in_plane, cell),
    )
    runs = [stage.run for stage in stages]
    if len({run.field_V_A for run in runs}) < 2:
        # Only where it must serve: the structure has aged since.
        runs = [FieldRun(0.0, at_rest, 0.0), *runs]
    divider = voltage_divider(runs, cell.boundaries_A)
    figures = {"conductivity_field": sigma}
    try:
        halves, *each = (
            _by_field(share, sigma, sigma_bulk, cell) for share in (_HALF, *divider.shares)
        )
    except AnalysisError as error:
        unresolved = route_flag(
            "field_resolved", ok=False, measured=0, limit=2, message=f"{error.message}."
        )
        shares = [{"voltage_share": share} for share in divider.shares]
        return Route(figures, (shares[0], shares[1]), (*flags, unresolved), divider)
    figures |= halves | {RATIOS["field"]: ratio(sigma_bulk, sigma)}
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
    found = _by_magnitude(config.field.fields_V_A, at_fields)
    if len(found) == 1:
        return found[0][1], route_flag(
            "field_linear",
            ok=False,
            measured=1,
            limit=2,
            message="fields of one magnitude cannot show that the response is linear: give "
            "field.fields_V_A two.",
        )
    response = linear_response(found)
    sigmas = f"curvature {response.nonlinearity:.1f} standard errors from zero"
    linear = "shows no curvature" if response.ok else "is not linear: lower field.fields_V_A"
    flag = route_flag(
        "field_linear",
        ok=response.ok,
        measured=response.nonlinearity,
        limit=2.0,
        message=f"the response to the fields {linear} ({sigmas}).",
    )
    # The extrapolation, not the pooled mean: fields that pass the check may still read high.
    return response.conductivity, flag


def _by_magnitude(
    fields: Sequence[float], at_fields: Sequence[Estimate]
) -> list[tuple[float, Estimate]]:
    """Mean over +E and -E: what they differ by, odd in E or slow in time, goes into its error."""
    sizes = sorted({abs(field) for field in fields})
    groups = [
        [e for field, e in zip(fields, at_fields, strict=True) if abs(field) == size]
        for size in sizes
    ]
    return [
        (size, combine(group, method=group[0].method))
        for size, group in zip(sizes, groups, strict=True)
    ]


def _mobility(
    stages: Sequence[FieldStage], at_rest: Estimate, cell: Cell
) -> tuple[QualityFlag, ...]:
    """Whether single ions move along the boundary as they do without a field.

    The sharpest sign of a field that is too strong: current and field rise together, but motion
    across the field must not change. At 0.03 V/A a Sigma5 boundary had 1.5 times the mobility.
    """
    cores = core_windows(cell.boundaries_A, cell.core_width_A)
    found = [s.transport.in_plane_conductivity(*cores) for s in stages if s.transport is not None]
    if not found:
        return ()
    excess = [(e.value - at_rest.value) / np.hypot(e.std_err, at_rest.std_err) for e in found]
    worst = int(np.argmax(excess))
    ratio = found[worst].value / at_rest.value
    ok = excess[worst] < AGREE_SIGMAS or ratio < _FASTER
    flag = route_flag(
        "field_weak",
        ok=ok,
        measured=ratio,
        limit=_FASTER,
        message=f"under the fields Li moves along the cores {ratio:.2f} times as fast as without"
        + ("." if ok else ": they are too strong, lower field.fields_V_A."),
    )
    return (flag,)


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


def _temperature(config: CampaignConfig, stages: Sequence[FieldStage]) -> QualityFlag:
    """A field does work on the ions; the thermostat must carry it off."""
    target = config.md.temperature_K
    hottest = max(stages, key=lambda stage: abs(stage.temperature_K - target)).temperature_K
    ok = abs(hottest / target - 1) < _TOO_HOT
    return route_flag(
        "field_temperature",
        ok=ok,
        measured=round(hottest, 1),
        limit=target,
        message=f"mean temperature under a field {hottest:.0f} K, target {target:g} K"
        + ("." if ok else ": lower field.fields_V_A."),
    )
