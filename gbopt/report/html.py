"""The report page: one HTML file that needs no network, for a screen, a phone or paper."""

from __future__ import annotations

import shlex
from pathlib import Path

import jinja2
from plotly.offline import get_plotlyjs
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from gbopt.campaign.view import CampaignView
from gbopt.errors import RunFolderError
from gbopt.report import health, scenes, search, sections, tables
from gbopt.report.campaign_charts import campaign_charts
from gbopt.report.influence import findings
from gbopt.report.verdict import headline
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
    # Hundreds of small matrices: threads of the linear algebra would wait for each other.
    with threadpool_limits(1):
        found = findings(view)
        learnt = search.insights(view, _NEXT)
    charts = campaign_charts(view, found, learnt)
    shown = scenes.sides(view)
    drawn = [scenes.structure_scene(shown), scenes.density_scene(shown)]
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
            health=health,
            headline=headline,
            scenes={scene.key: scene for scene in drawn if scene},
            header=lambda key: _HEADERS.get(key, key.replace("_", " ")),
            path=shlex.quote(str(view.path)),
            as_of=view.events[-1]["time_utc"] if view.events else None,
            plotly_js=get_plotlyjs() if charts else "",
        )
    )
