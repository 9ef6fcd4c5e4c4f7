"""Every figure of a campaign's page, with its words."""

from __future__ import annotations

from collections.abc import Iterator

from gbopt.campaign.view import CampaignView
from gbopt.model.observables import QUANTITIES
from gbopt.report import figures, insight_figures, sections, series
from gbopt.report.arrhenius import arrhenius
from gbopt.report.charts import Chart, insight_charts
from gbopt.report.influence import Findings
from gbopt.report.search import Insights
from gbopt.report.trends import trend

_TITLES = {"LER": "Li enrichment ratio (LER)", "OVC": "O-vacancy descriptor (OVC)"}


def campaign_charts(view: CampaignView, found: Findings, learnt: Insights) -> dict[str, Chart]:
    """All figures by key; none before an evaluation has finished.

    Args:
        view: the campaign.
        found: what goes with its objective.
        learnt: what its search has learnt.
    """
    rows = series.landscape(view)
    if not rows:
        return {}
    quantity = QUANTITIES[view.config.search.objective]
    axis = f"log<sub>10</sub>({quantity.label} / {quantity.unit})"
    charts = [
        _convergence(view, axis),
        *_geometry(rows, axis, quantity.label),
        *(_composition(view, key, rows, axis) for key in _TITLES),
        _effects(found),
        _dependence(found, axis),
        *insight_charts(learnt, axis),
        *_profiles(view),
        _arrhenius(view),
    ]
    return {chart.key: chart for chart in charts if chart}


def _convergence(view: CampaignView, axis: str) -> Chart:
    rows = series.convergence(view)
    failed = sum(r["log10_objective"] is None for r in rows)
    pruned = sum(r["status"] == "pruned" for r in rows)
    return Chart(
        "convergence",
        "Every evaluation with its standard error. Open circles are suspect: a check failed. "
        "Open triangles were ended early as surely worse than the best one. "
        "Crosses above are failed evaluations, which have no value; ≤ and ≥ mark bounds. "
        "The green line is what the model believes now of the best boundary by then, with one "
        "standard deviation.",
        f"{len(rows)} evaluations in order of completion, {failed} of them failed, {pruned} "
        f"ended early; log10 objective {_span(rows, 'log10_objective')}.",
        figures.convergence(rows, axis),
        rows,
    )


def _geometry(rows: series.Rows, axis: str, label: str) -> Iterator[Chart]:
    yield Chart(
        "geometry",
        "Objective against misorientation. Symbols show the mean plane, colours the width "
        "of the disordered slab; bars are one standard error, ≤ and ≥ mark bounds.",
        f"Scatter plot of {len(rows)} evaluations: log10 {label} against the "
        f"misorientation angle, {_span(rows, 'misorientation_deg')} deg.",
        figures.misorientation(rows, axis),
        rows,
    )
    for key, name in (("width_layers", "width"), ("mean_plane", "plane")):
        values = sorted({r[key] for r in rows})
        yield Chart(
            name,
            f"Objective against the {key.replace('_', ' ')}; within each, small misorientations "
            "on the left and large ones on the right.",
            f"Scatter plot of the log10 {label} for the {key.replace('_', ' ')} "
            f"{', '.join(map(str, values))}; {len(rows)} evaluations.",
            figures.spread_out(rows, key, axis),
            rows,
        )


def _composition(view: CampaignView, key: str, rows: series.Rows, axis: str) -> Chart | None:
    known = [r for r in rows if r[key] is not None]
    if not known:
        return None
    title, line = _TITLES[key], trend(view, key)
    return Chart(
        key,
        f"Objective against {title} of the core; bars are one standard error. {line.sentence}",
        f"Scatter plot of the log10 objective against the {title}, {_span(rows, key)}. "
        f"{line.sentence}",
        figures.composition(known, key, title, axis, line.rows),
        known,
    )


def _effects(found: Findings) -> Chart | None:
    rows = [r for r in found.rows if r["coefficient"] is not None]
    if not rows:
        return None
    return Chart(
        "effects",
        "Coefficients of the linear regression of the log10 objective, for each column the change "
        "that goes with one standard deviation of it while the others are held. Bars are 95 % "
        "intervals, which hold the scatter of seeds.",
        "Coefficients with 95 % intervals: "
        + "; ".join(
            f"{sections.label(r['column'])} {r['per_sd']:.2f} ({r['per_sd_low']:.2f} to "
            f"{r['per_sd_high']:.2f})"
            for r in rows
        ),
        insight_figures.effects(rows),
        rows,
    )


def _dependence(found: Findings, axis: str) -> Chart | None:
    rows = found.dependence_rows
    if not rows:
        return None
    names = [sections.label(p.name) for p in found.partial]
    return Chart(
        "dependence",
        "Partial dependence: what the search's surrogate expects along one variable, averaged over "
        "the evaluated boundaries in all others; for Li enrichment, O vacancies and width what the "
        "same model expects when it knows them too. Bands and bars are one standard deviation.",
        f"Partial dependence of the log10 objective on {', '.join(names)}, "
        f"{_span(rows, 'log10_objective')}.",
        insight_figures.dependence(rows, axis),
        rows,
    )


def _profiles(view: CampaignView) -> Iterator[Chart]:
    """Of the best boundary: densities and diffusivity, charge and potential."""
    evaluation = series.profiled(view)
    rows = series.profiles(view, evaluation) if evaluation else []
    if evaluation is None or not rows:
        return
    of = f"Trial {evaluation.trial}, {evaluation.spec.label}"
    around = "Bands are one standard error, dashed lines the two boundary planes, shades the cores."
    yield Chart(
        "profiles",
        f"{of}: number densities and Li diffusivity along the normal. {around}",
        f"Profiles of trial {evaluation.trial} across both boundaries: density of O "
        f"{_span(rows, 'O_per_A3')}, Li {_span(rows, 'Li_per_A3')} and La+Zr "
        f"{_span(rows, 'LaZr_per_A3')} per cubic angstrom; D_z of Li "
        f"{_span(rows, 'D_z_cm2_s')} cm2/s.",
        figures.profiles(rows, evaluation),
        rows,
    )
    rows = series.electric(view, evaluation)
    if rows:
        fell = any(r["what"] == "potential_per_field_A" for r in rows)
        said = (
            "the potential that falls along the cell under a field, over the field"
            if fell
            else "no field was applied, so how the potential falls is not known ([field])"
        )
        yield Chart(
            "potential",
            f"{of}: charge density, smoothed over lattice planes; {said}. {around}",
            f"Charge density of trial {evaluation.trial} along the normal, "
            f"{_span([r for r in rows if r['what'] == rows[0]['what']], 'value')} e per cubic "
            f"angstrom; {said}.",
            figures.electric(rows, evaluation),
            rows,
        )


def _arrhenius(view: CampaignView) -> Chart | None:
    rows = (view.confirmation or {}).get("arrhenius", [])
    if not any(r["value"] > 0 for r in rows):
        return None
    at_K = view.config.confirm.extrapolate_to_K
    measured = [r for r in rows if r["what"] == "measured"]
    return Chart(
        "arrhenius",
        "The best, the reference and bulk crystal at the temperatures of the confirmation; bars "
        "are one standard error. Lines are Arrhenius fits with their 95 % intervals, drawn on to "
        f"{at_K:g} K (dotted).",
        f"Arrhenius plot of {len(measured)} values at {_span(measured, 'T_K')} K"
        + ("." if len(measured) == len(rows) else f", with fits down to {at_K:g} K."),
        arrhenius(rows, at_K),
        rows,
    )


def _span(rows: series.Rows, key: str) -> str:
    values = [r[key] for r in rows if r[key] is not None]
    return f"{min(values):.3g} to {max(values):.3g}"
