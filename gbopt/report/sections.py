"""Tables and notes of the page: settings, ranking, effects, health, reference, provenance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import fmean, pvariance
from typing import Any

from gbopt.analysis.regression import Regression
from gbopt.campaign.space import GBSpace
from gbopt.campaign.view import CampaignView
from gbopt.config import AdaptiveConfig, FieldConfig
from gbopt.model.observables import QUANTITIES, format_with_error
from gbopt.model.orientation import digits
from gbopt.potentials.library import get_potential
from gbopt.report.boundaries import boundaries, finished, recommended
from gbopt.report.influence import STRUCTURE, Findings
from gbopt.report.tables import Rows, number
from gbopt.search.space import Dimension

_SHOWN = 5
# Variables that are named with the boundaries themselves.
_CLASSIC = {"misorientation_deg", "width_layers", "kind", "axis"}
_SIGNIFICANT = 0.05
# Variance inflation, and share of a column's variance that is measurement error.
_HARDLY_APART, _NOISY = 10.0, 0.2


def settings_rows(view: CampaignView) -> Rows:
    """What was searched, under which conditions, and how it was measured."""
    config = view.config
    geometry, md, search, analysis = config.geometry, config.md, config.search, config.analysis
    quantity, space = QUANTITIES[search.objective], GBSpace(config)
    dimensions = {d.name: d for d in space.search_space.dimensions}
    planes = dimensions.pop("mean_plane").choices
    others = [d for name, d in dimensions.items() if name not in _CLASSIC]
    return _items(
        {
            "minimised": f"log10 of the {quantity.label} ({quantity.unit})",
            "boundaries": f"{', '.join(geometry.kinds)} about "
            f"{', '.join(f'[{digits(axis)}]' for axis in geometry.axes)}, misorientation "
            f"{_range(geometry.misorientation_deg)} deg, mean planes "
            f"{', '.join(f'({p})' for p in planes)}, disordered slab "
            f"{_range(geometry.width_layers)} layers, crystal {geometry.crystal_A:g} A or more; "
            f"{len(space.geometries)} of these can be built with at most "
            f"{geometry.max_ions:,} ions{_also(others)}",
            "conditions": f"{md.temperature_K:g} K, {md.pressure_atm:g} atm, "
            f"{get_potential(md.potential).name}",
            "cores": f"disordered at {md.anneal_temperature_K:g} K for {md.anneal_ps:g} ps, "
            f"cooled in {md.quench_ps:g} ps",
            "run of each": f"NPT {md.npt_ps:g} ps, NVT {md.nvt_ps:g} ps, production "
            f"{md.production_ps:g} ps in steps of {1000 * md.timestep_ps:g} fs"
            + _endings(config.adaptive)
            + _fields(config.field),
            "analysis": f"lag {analysis.lag_ps:g} ps, bins of {analysis.bin_A:g} A, "
            f"{analysis.segments} segments behind every error bar",
            "search": f"{search.evaluations} evaluations at most, the first {search.initial} "
            f"space-filling; patience {search.patience}",
        }
    )


def _also(others: list[Dimension]) -> str:
    """The variables beside plane, angle and width."""
    listed = [
        f"{label(d.name)} {', '.join(map(str, d.choices)) or _range((d.low, d.high))}"
        for d in others
    ]
    return f". Also searched: {'; '.join(listed)}" if listed else ""


def _endings(adaptive: AdaptiveConfig) -> str:
    ends = [f"at an error of {adaptive.target_dex:g} decades"] if adaptive.target_dex else []
    ends += ["when surely worse than the best"] if adaptive.prune else []
    return f", ended early {' or '.join(ends)}" if ends else ""


def _fields(field: FieldConfig) -> str:
    if not field.fields_V_A:
        return ""
    strengths = ", ".join(f"{strength:g}" for strength in field.fields_V_A)
    return f"; then {field.run_ps:g} ps under each of {strengths} V/A"


def _items(items: dict[str, str]) -> Rows:
    return [{"item": item, "value": value} for item, value in items.items()]


def _range(pair: tuple[float, float]) -> str:
    return f"{pair[0]:g} to {pair[1]:g}"


def best_rows(view: CampaignView) -> Rows:
    """The boundaries of lowest value, and the recommended one wherever it stands."""
    chosen, found = recommended(view), boundaries(view)
    shown = [b for rank, b in enumerate(found) if rank < _SHOWN or b == chosen]
    return [
        {
            "boundary": b.label,
            "recommended": "yes" if b == chosen else "",
            "trials": b.trials,
            "log10_objective": number(b.objective),
            "gb_ohm_cm": number(b.mean("gb_resistivity")),
            "asr_ohm_cm2": number(b.mean("area_specific_resistance")),
            "LER": number(b.mean("li_enrichment_ratio")),
            "OVC": number(b.mean("o_vacancy_fraction")),
            "flags": ", ".join([*(f"{f} (fail)" for f in b.flagged("fail")), *b.flagged("warn")]),
        }
        for b in shown
    ]


def effect_rows(found: Findings) -> Rows:
    """What goes with the objective; intervals are of 95 %, p-values adjusted after Holm."""
    return [
        {
            "column": label(row["column"]),
            "decades per unit": _with_error(row, "coefficient"),
            "per standard deviation": _with_interval(row, "per_sd"),
            "p": _p(row["p_holm"]),
            "Spearman": _with_interval(row, "rho"),
            "p (Spearman)": _p(row["rho_p_holm"]),
            "Spearman, others held": _with_interval(row, "partial_rho"),
            "importance": _with_error(row, "importance"),
            "with structure": _with_error(row, "joint_importance"),
        }
        for row in found.rows
    ]


def label(column: str) -> str:
    """Name of a column of the regression for reading."""
    quantity = QUANTITIES.get(column)
    if quantity is None:
        return column.replace("_", " ")
    return quantity.label + (f" ({quantity.unit})" if quantity.unit else "")


def _with_error(row: dict[str, Any], stem: str) -> str | None:
    value = row[stem]
    return None if value is None else format_with_error(value, row[f"{stem}_std_err"])


def _with_interval(row: dict[str, Any], stem: str) -> str | None:
    value, low, high = (row[key] for key in (stem, f"{stem}_low", f"{stem}_high"))
    return None if value is None else f"{value:.2f} ({low:.2f} to {high:.2f})"


def _p(p: float | None) -> str | None:
    return None if p is None else f"{p:.2g}" if p >= 1e-4 else "below 1e-4"


def effect_notes(view: CampaignView, found: Findings) -> list[str]:
    """What was found and what to distrust about it, a sentence each."""
    notes = [found.refused] if found.refused else []
    if found.effects:
        notes += [*_fit_notes(found), *_model_notes(found), *_column_notes(view, found)]
    return notes


def _fit_notes(found: Findings) -> Iterator[str]:
    fit = found.regression
    if fit is not None:
        yield (
            f"A linear regression on {fit.points} evaluations of {found.boundaries} boundaries "
            f"explains {100 * max(0.0, fit.r2_adjusted):.0f} % of the variance (adjusted R²) and "
            f"leaves {fit.scatter:.2g} decades of scatter beyond the error bars."
        )
        yield _clear_of_chance(fit)
        yield from (sentence.replace("_", " ") for sentence in fit.dropped)
        alike = [label(c.name) for c in fit.coefficients if c.vif > _HARDLY_APART]
        if alike:
            yield f"Hardly told apart from the other columns: {', '.join(alike)}."
    if found.seeds is not None:
        low, high = found.seeds.interval
        yield (
            f"Other seeds of one geometry differ by {found.seeds.std_dev:.2g} decades beyond their "
            f"error bars (95 % interval {low:.2g} to {high:.2g})."
        )


def _clear_of_chance(fit: Regression) -> str:
    clear = [
        f"{label(c.name)} ({c.standardised.value:+.2f} decades per standard deviation, "
        f"p {_p(c.p_holm)})"
        for c in fit.coefficients
        if c.p_holm < _SIGNIFICANT
    ]
    adjusted = "with p-values adjusted for the number of columns"
    return f"Clear of chance, {adjusted}: {'; '.join(clear) or 'nothing'}."


def _model_notes(found: Findings) -> Iterator[str]:
    if found.geometry is not None:
        skill = found.geometry.skill
        yield (
            f"The search's surrogate predicts {100 * max(0.0, skill):.0f} % of the variance of "
            "boundaries it has not seen"
            + ("." if skill > 0 else ": its curves and importances mean nothing yet.")
        )
    if found.structure is not None:
        yield (
            "Li enrichment, O vacancies and width came out of the same runs as the objective: what "
            "goes with them is association, not effect. Held in the regression, they take from "
            "geometry what it does by way of them; its curves and plain ranks keep that."
        )


def _column_notes(view: CampaignView, found: Findings) -> Iterator[str]:
    left_out = len(finished(view)) - len(found.evaluations)
    if left_out:
        yield f"Left out of regression and ranks as bounds or without an error bar: {left_out}."
    for name in STRUCTURE:
        known = [e.observables[name] for e in found.evaluations if name in e.observables]
        if len(known) < len(found.evaluations):
            yield f"The {label(name)} is not known of all evaluations and was left out."
        elif _NOISY * pvariance([k.value for k in known]) < fmean([k.std_err**2 for k in known]):
            yield (
                f"Much of the {label(name)} is measurement error, which draws its coefficient "
                "towards 0."
            )
    if view.config.search.objective == "gb_resistivity":
        yield "The resistivity is over the nominal width, so the width of the slab is part of it."


def bulk_rows(view: CampaignView) -> Rows:
    """The crystal without boundaries under the same conditions."""
    bulk = view.bulk
    if bulk is None:
        return []
    transport = bulk.transport
    return _items(
        {
            "resistivity": str(transport.resistivity_ohm_cm),
            "tracer D of Li": str(transport.D_cm2_s),
            "lattice parameter": str(bulk.lattice_A),
            "Li density": str(transport.li_density_per_A3),
            "conditions": f"{bulk.temperature_K:g} K, {bulk.potential}, lag "
            f"{transport.lag_ps:g} ps",
            "runs": f"{transport.replicas} replicas of {bulk.n_ions:,} ions, "
            f"{bulk.production_ps:g} ps each",
            "key": bulk.key,
        }
    )


def definition_rows() -> Rows:
    """What each reported number means."""
    return _items(
        {q.label + (f" ({q.unit})" if q.unit else ""): q.meaning for q in QUANTITIES.values()}
    )


def provenance_rows(view: CampaignView) -> Rows:
    """What the numbers were made with; several values show that it changed on the way."""
    potential = get_potential(view.config.md.potential)
    made = [e.provenance for e in view.evaluations]
    packages = list(dict.fromkeys(name for p in made for name in p.packages))
    return _items(
        {
            "potential": f"{potential.name} (parameters {potential.key}). {potential.citation}.",
            "its validity": potential.validity,
            "root seed": str(view.config.seed),
            "settings key": view.config.key,
            "settings of the trials": _distinct(p.settings_key for p in made),
            "gbopt": _distinct(p.gbopt_version for p in made),
            "engine": _distinct(p.engine for p in made),
            "Python": _distinct(p.python_version for p in made),
        }
        | {name: _distinct(p.packages.get(name, "none") for p in made) for name in packages}
    )


def _distinct(values: Iterable[Any]) -> str:
    return "; ".join(sorted({str(value) for value in values})) or "no evaluation yet"
