"""Transport figures of the boundaries of a cell, from its profile and the bulk reference."""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy.stats import chi2
from scipy.stats import t as student_t

from gbopt.analysis.bulk import BulkTransport, require_comparable
from gbopt.analysis.local import LEAST_HOPS
from gbopt.analysis.profile import TransportProfile
from gbopt.analysis.slabs import Planes, Window, boundary_windows, core_windows, grain_centres
from gbopt.analysis.statistics import PerBoundary, propagate, widened
from gbopt.model.observables import Estimate
from gbopt.units import ANGSTROM_CM

SURE = 0.99
"""One-sided confidence of that bound by Poisson; effective hops scatter more than counts do, and
on media of known resistance it holds in some 82 to 100 % of runs."""
LEAST_WIDTH_A = 3.0
"""About one atomic layer: the least measured width that a resistivity is given over."""
UNRESOLVED_DEX = 0.43
"""log10(e): the error in decades of a value that equals its standard error."""

Observables = dict[str, Estimate]


class BoundaryObservables(NamedTuple):
    """Estimates by the names of ``QUANTITIES``: of the cell, and of each boundary."""

    cell: Observables
    each: tuple[Observables, Observables]


class _Slab(NamedTuple):
    """What holds one boundary: its resistance times area, and its length along z."""

    resistance_ohm_cm2: Estimate
    length_A: float


def boundary_observables(
    profile: TransportProfile,
    bulk: BulkTransport,
    *,
    boundaries_A: Planes,
    core_width_A: float,
    measured_width: PerBoundary | None = None,
) -> BoundaryObservables:
    """Resistance, resistivity and diffusivities of the boundaries.

    Area-specific resistance is what a boundary adds to bulk crystal of the same length,
    ASR = R A - length * rho_bulk: for each boundary over its window from mid-grain to
    mid-grain, for the cell half of the whole. It may come out at or below zero and is reported
    so. The boundary's resistivity over a width w is ASR/w + rho_bulk.

    Args:
        profile: the cell.
        bulk: the bulk crystal at the same temperature and lag.
        boundaries_A: z of the two boundary planes.
        core_width_A: nominal width w of the core slab.
        measured_width: width from the structure, A; figures over a width below
            ``LEAST_WIDTH_A`` are left out, since a coherent boundary has none to divide by.

    Raises:
        AnalysisError: bulk of another temperature or lag, or a slab without Li.
    """
    require_comparable(profile, bulk.temperature_K, bulk.lag_ps)
    length_A = profile.length_A
    cores = core_windows(boundaries_A, core_width_A)
    windows = boundary_windows(boundaries_A, length_A)
    widths = (None, None) if measured_width is None else measured_width.each

    halves = (
        _resistance(profile, (cores[0],), windows[0]),
        _resistance(profile, (cores[1],), windows[1]),
    )
    cell = _excess(
        _Slab(widened(_half(_resistance(profile, cores)), halves), length_A / 2),
        bulk,
        core_width_A,
        None if measured_width is None else measured_width.mean,
    )
    cell |= _whole_cell(profile, bulk) | _core(profile, *cores)
    cell["D_grain_normal"] = profile.series_diffusivity(*grain_centres(boundaries_A, length_A))

    first, second = (
        _excess(_Slab(half, window[1] - window[0]), bulk, core_width_A, width)
        | _core(profile, core)
        for half, window, core, width in zip(halves, windows, cores, widths, strict=True)
    )
    return BoundaryObservables(cell, (first, second))


def over_time(
    profile: TransportProfile,
    bulk: BulkTransport,
    *,
    boundaries_A: Planes,
    core_width_A: float,
) -> Observables:
    """The figures of the whole cell with the error over time alone.

    What its two boundaries differ by is left out: no longer run would lower it.
    """
    total = _resistance(profile, core_windows(boundaries_A, core_width_A))
    return _excess(_Slab(_half(total), profile.length_A / 2), bulk, core_width_A, None)


def log_objective(estimate: Estimate) -> Estimate:
    """log10 of a positive quantity, with its error in decades, for the optimiser.

    A value below its own standard error is not resolved: log10 of the upper end of its one-sided
    95 % interval then stands as an upper bound, with an error of ``UNRESOLVED_DEX``. A lower bound
    stays one. One that is not even positive bounds nothing: a thousandth of its error stands for
    it, which is as good as none, since it must pass neither for a small value nor for a floor.
    """
    is_least = estimate.bound == "lower"
    if estimate.value > 0 and (estimate.value >= estimate.std_err or is_least):
        value, bound = estimate.value, estimate.bound
        error = estimate.std_err / (estimate.value * math.log(10))
    elif is_least:
        value, bound = max(estimate.std_err / 1000, math.ulp(0.0)), "lower"
        error = UNRESOLVED_DEX
    else:
        quantile = float(student_t.ppf(0.95, max(estimate.n_eff - 1, 1.0)))
        highest = max(estimate.value, 0.0) + quantile * estimate.std_err
        value, bound = max(highest, math.ulp(0.0)), "upper"
        error = UNRESOLVED_DEX
    return Estimate(
        value=math.log10(value),
        std_err=error,
        unit=f"log10({estimate.unit})",
        n_eff=estimate.n_eff,
        method=estimate.method,
        bound=bound,
    )


def _resistance(profile: TransportProfile, cores: tuple[Window, ...], *windows: Window) -> Estimate:
    """Resistance times area of the windows (none: the whole cell), which hold these cores.

    With few hops in a core, that of this core is taken as low as the hops allow: n hops show
    a mean of at most chi2(SURE; 2 n + 2)/2 (Garwood 1936). Core by core: the hops of one say
    nothing of the other.
    """
    total = profile.resistance(*windows)
    few = [(core, hops) for core in cores if (hops := profile.n_hops(core)) < LEAST_HOPS]
    if not few:
        return total
    missing = 0.0
    for core, hops in few:
        most = float(chi2.ppf(SURE, 2 * hops + 2)) / 2
        missing += profile.resistance(core).value * (1 - hops / most)
    fewest = min(hops for _, hops in few)
    method = f"{total.method}; lower bound by {fewest:.0f} hops in a core"
    changes = {"value": total.value - missing, "bound": "lower", "method": method}
    return total.model_copy(update=changes)


def _core(profile: TransportProfile, *cores: Window) -> Observables:
    hops = profile.n_hops(*cores)
    return {
        "D_core_normal": profile.series_diffusivity(*cores),
        "conductivity_core_in_plane": profile.in_plane_conductivity(*cores),
        "core_hops": Estimate(
            value=hops,
            std_err=math.sqrt(hops),
            unit="",
            n_eff=profile.segments,
            method="6 D_z times ion time over the squared hop; Poisson error",
        ),
    }


def _excess(
    slab: _Slab, bulk: BulkTransport, core_width_A: float, measured_width_A: Estimate | None
) -> Observables:
    """The figures of one boundary that follow from the resistance of the slab around it."""
    rho = bulk.resistivity_ohm_cm
    length_cm = slab.length_A * ANGSTROM_CM
    total = slab.resistance_ohm_cm2
    asr = propagate(
        total.value - length_cm * rho.value,
        [(1.0, total), (-length_cm, rho)],
        unit="ohm cm2",
        method="series resistance less that of bulk crystal; segments and bulk replicas",
        bound=total.bound,
    )
    nominal = Estimate(
        value=core_width_A, std_err=0.0, unit="A", n_eff=total.n_eff, method="nominal"
    )
    resistivity = _resistivity(slab, bulk, asr, nominal)
    factor = resistivity.value / rho.value
    width_cm = core_width_A * ANGSTROM_CM
    figures = {
        "area_specific_resistance": asr,
        "gb_resistivity": resistivity,
        "blocking_factor": propagate(
            factor,
            [
                (1 / (width_cm * rho.value), total),
                (-total.value / (width_cm * rho.value**2), rho),
            ],
            unit="",
            method="GB resistivity over bulk resistivity",
            bound=total.bound,
        ),
    }
    if measured_width_A is not None and measured_width_A.value >= LEAST_WIDTH_A:
        figures["gb_resistivity_measured_width"] = _resistivity(slab, bulk, asr, measured_width_A)
    return figures


def _resistivity(slab: _Slab, bulk: BulkTransport, asr: Estimate, width_A: Estimate) -> Estimate:
    """ASR/w + rho_bulk; rho_bulk enters with weight 1 - length/w, since ASR holds it too."""
    width_cm = width_A.value * ANGSTROM_CM
    return propagate(
        asr.value / width_cm + bulk.resistivity_ohm_cm.value,
        [
            (1 / width_cm, slab.resistance_ohm_cm2),
            (1 - slab.length_A / width_A.value, bulk.resistivity_ohm_cm),
            (-asr.value / (width_cm * width_A.value), width_A),
        ],
        unit="ohm cm",
        method=f"ASR over the width ({width_A.method}), plus bulk resistivity",
        bound=slab.resistance_ohm_cm2.bound,
    )


def _whole_cell(profile: TransportProfile, bulk: BulkTransport) -> Observables:
    return {
        "D_cell_x": profile.cell_diffusivity(0),
        "D_cell_y": profile.cell_diffusivity(1),
        "D_cell_z": profile.cell_diffusivity(2),
        "conductivity_through_plane": profile.through_plane_conductivity(),
        "conductivity_in_plane": profile.in_plane_conductivity(),
        "bulk_resistivity": bulk.resistivity_ohm_cm,
    }


def _half(resistance: Estimate) -> Estimate:
    return resistance.model_copy(
        update={"value": resistance.value / 2, "std_err": resistance.std_err / 2}
    )
