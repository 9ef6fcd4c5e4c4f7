"""The report page: one HTML file that needs no network, for a screen, a phone or paper."""

from __future__ import annotations

import shlex
from pathlib import Path

import jinja2
from plotly.offline import get_plotlyjs

from gbopt.campaign.view import CampaignView
from gbopt.errors import RunFolderError
from gbopt.model.observables import QUANTITIES
from gbopt.report import figures, search, sections, series, tables
from gbopt.report.charts import Chart, insight_charts
from gbopt.report.influence import Findings, findings
from gbopt.store.files import write_atomic

_NEXT = 5
_HEADERS = {
    "log10_objective": "log10 objective",
    "gb_ohm_cm": "GB resistivity (ohm cm)",
    "asr_ohm_cm2": "ASR (ohm cm2)",
    "width_A": "measured width (A)",
}


def write_report(view: CampaignView, target: Path) -> None:
    """Write the report of a campaign as one HTML file.

    Args:
        view: the campaign, running or not.
        target: the file; an old one is replaced.

    Raises:
        RunFolderError: the file cannot be written.
    """
    problem = "it is a folder" if target.is_dir() else None
    if problem is None:
        page = render(view)
        try:
            write_atomic(target, page)
        except OSError as error:
            problem = error.strerror or str(error)
    if problem is not None:
        raise RunFolderError(
            f"cannot write the report {target}: {problem}",
            hint="name a file in a folder you may write to with --out",
        )


def environment() -> jinja2.Environment:
    """What pages are made with: text is escaped, and a name that is missing is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("gbopt.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(view: CampaignView) -> str:
    """Return the page as text."""
    found = findings(view)
    learnt = search.insights(view, _NEXT)
    charts = _charts(view, found, learnt)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            view=view,
            tables=tables,
            sections=sections,
            charts=charts,
            found=found,
            learnt=learnt,
            search=search,
            header=lambda key: _HEADERS.get(key, key.replace("_", " ")),
            path=shlex.quote(str(view.path)),
            as_of=view.events[-1]["time_utc"] if view.events else None,
            plotly_js=get_plotlyjs() if charts else "",
        )
    )


def _charts(view: CampaignView, found: Findings, learnt: search.Insights) -> dict[str, Chart]:
    """All figures by key; none before an evaluation has finished."""
    rows = series.landscape(view)
    if not rows:
        return {}
    quantity = QUANTITIES[view.config.search.objective]
    axis = f"log<sub>10</sub>({quantity.label} / {quantity.unit})"
    charts = [
        _convergence(view, axis),
        Chart(
            "geometry",
            "Objective against misorientation. Symbols show the mean plane, colours the width "
            "of the disordered slab; bars are one standard error, ≤ and ≥ mark bounds.",
            f"Scatter plot of {len(rows)} evaluations: log10 {quantity.label} against the "
            f"misorientation angle, {_span(rows, 'misorientation_deg')} deg.",
            figures.misorientation(rows, axis),
            rows,
        ),
        _composition("LER", "Li enrichment ratio (LER)", rows, axis),
        _composition("OVC", "O-vacancy descriptor (OVC)", rows, axis),
        _effects(found),
        _dependence(found, axis),
        *insight_charts(learnt, axis),
        _profiles(view),
    ]
    return {chart.key: chart for chart in charts if chart}


def _convergence(view: CampaignView, axis: str) -> Chart:
    rows = series.convergence(view)
    failed = sum(r["log10_objective"] is None for r in rows)
    return Chart(
        "convergence",
        "Every evaluation with its standard error. Open circles are suspect: a check failed. "
        "Open triangles were ended early as surely worse than the best one. "
        "Crosses above are failed evaluations, which have no value; ≤ and ≥ mark bounds.",
        f"{len(rows)} evaluations in order of completion, {failed} of them failed; log10 "
        f"objective {_span(rows, 'log10_objective')}.",
        figures.convergence(rows, axis),
        rows,
    )


def _composition(key: str, title: str, rows: series.Rows, axis: str) -> Chart | None:
    if all(r[key] is None for r in rows):
        return None
    return Chart(
        key,
        f"Objective against {title} of the core; bars are one standard error.",
        f"Scatter plot of the log10 objective against the {title}, {_span(rows, key)}.",
        figures.composition(rows, key, title, axis),
        rows,
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
        figures.effects(rows),
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
        figures.dependence(rows, axis),
        rows,
    )


def _profiles(view: CampaignView) -> Chart | None:
    evaluation = series.profiled(view)
    rows = series.profiles(view, evaluation) if evaluation else []
    if evaluation is None or not rows:
        return None
    return Chart(
        "profiles",
        f"Trial {evaluation.trial}, {evaluation.spec.label}: number densities and Li "
        "diffusivity along the normal. Bands are one standard error, dashed lines the two "
        "boundary planes, shades the nominal cores.",
        f"Profiles of trial {evaluation.trial} across both boundaries: density of O "
        f"{_span(rows, 'O_per_A3')}, Li {_span(rows, 'Li_per_A3')} and La+Zr "
        f"{_span(rows, 'LaZr_per_A3')} per cubic angstrom; D_z of Li "
        f"{_span(rows, 'D_z_cm2_s')} cm2/s.",
        figures.profiles(rows, evaluation),
        rows,
    )


def _span(rows: series.Rows, key: str) -> str:
    values = [r[key] for r in rows if r[key] is not None]
    return f"{min(values):.3g} to {max(values):.3g}"
