"""`gbopt status --watch`: a campaign as it runs, drawn anew on a terminal, a line each in a log."""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gbopt.campaign.view import CampaignView

_NEXT = 3


@dataclass(frozen=True)
class Belief:
    """What the search believes after so many evaluations: it takes seconds to ask."""

    evaluations: int = -1
    best: str = "..."
    next: tuple[dict[str, Any], ...] = ()


class Watch:
    """Follows a run folder; what the search believes is asked once for each new evaluation."""

    def __init__(self, path: Path) -> None:
        from gbopt.campaign.view import CampaignView

        self.view: CampaignView = CampaignView.of(path)
        self.belief = Belief()
        self._asking: threading.Thread | None = None

    def look(self) -> None:
        """Read the folder again; ask the search where an evaluation has finished since."""
        from gbopt.campaign.view import CampaignView

        self.view = CampaignView.of(self.view.path)
        self.ask()

    def ask(self, *, wait: bool = False) -> None:
        """Ask what is best and what is next, in a thread of its own."""
        known = len(self.view.evaluations)
        idle = self._asking is None or not self._asking.is_alive()
        if idle and self.belief.evaluations != known:
            self._asking = threading.Thread(target=self._ask, args=(self.view,), daemon=True)
            self._asking.start()
        if wait and self._asking is not None:
            self._asking.join()

    def _ask(self, view: CampaignView) -> None:
        from gbopt.report.search import next_rows, upcoming
        from gbopt.report.tables import best_text

        found = next_rows(upcoming(view, _NEXT))
        self.belief = Belief(len(view.evaluations), best_text(view), tuple(found))


def watch(path: Path, interval_s: float | None, *, as_json: bool) -> None:
    """Show a campaign until it stops or Ctrl-C.

    Args:
        path: the run folder.
        interval_s: time between two looks; None: 2 s on a terminal, else 60 s.
        as_json: print a JSON object each time.
    """
    watching = Watch(path)
    try:
        if sys.stdout.isatty() and not as_json:
            _draw(watching, interval_s or 2.0)
        else:
            _print(watching, interval_s or 60.0, as_json=as_json)
    except KeyboardInterrupt:
        typer.echo("the campaign goes on; only the watching has ended", err=True)


def _print(watching: Watch, interval_s: float, *, as_json: bool) -> None:
    say = _json_line if as_json else line
    while True:
        watching.ask(wait=True)
        typer.echo(say(watching))
        sys.stdout.flush()
        if not watching.view.is_running:
            return
        time.sleep(interval_s)
        watching.look()


def _draw(watching: Watch, interval_s: float) -> None:
    from rich.live import Live

    watching.ask()
    with Live(screen(watching), auto_refresh=False) as live:
        while watching.view.is_running:
            time.sleep(interval_s)
            watching.look()
            live.update(screen(watching), refresh=True)
        watching.ask(wait=True)
        live.update(screen(watching), refresh=True)


def line(watching: Watch) -> str:
    """The state of a campaign in one plain line."""
    from gbopt.report.live import running

    view, clock = watching.view, time.strftime("%H:%M:%S")
    now = [f"trial {r.trial} {r.text}" for r in running(view.config, view.running)]
    parts = [_progress(view), f"best {watching.belief.best}", *now, *_all_done(view)]
    if not view.is_running:
        parts.append(_state(view))
    return f"{clock} {'; '.join(parts)}"


def _json_line(watching: Watch) -> str:
    from gbopt.report.live import left_of_all_s, running

    view, now = watching.view, running(watching.view.config, watching.view.running)
    left_s = left_of_all_s(view, now) if view.is_running else None
    found = {
        "campaign": view.config.name,
        "state": _state(view),
        "finished": len(view.evaluations),
        "failed": _failed(view),
        "budget": view.config.search.evaluations,
        "best_so_far": watching.belief.best,
        "running": [r.as_dict() for r in now],
        "next": list(watching.belief.next),
        "left_s": None if left_s is None else round(left_s),
    }
    return json.dumps(found, ensure_ascii=False)


def screen(watching: Watch) -> RenderableType:
    """The state of a campaign for a terminal."""
    from rich.console import Group
    from rich.text import Text

    view = watching.view
    head = Text.assemble((view.config.name, "bold"), f"   {_progress(view)}   {_state(view)}")
    parts: list[RenderableType] = [head, Text(f"best  {watching.belief.best}")]
    if view.running:
        parts += [Text(), _running_table(view)]
    if watching.belief.next:
        parts += [Text(), _next_table(watching.belief.next)]
    parts += [Text(text) for text in _all_done(view)]
    return Group(*parts)


def _running_table(view: CampaignView) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    from gbopt.report.live import duration, running

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("trial", overflow="fold", min_width=14)
    for name in ("stage", "", "", "steps/s", "log10", "left"):
        table.add_column(name, no_wrap=True)
    for r in running(view.config, view.running):
        table.add_row(
            Text(f"{r.trial} {r.label}"),
            f"{r.stage} {100 * r.stage_share:.0f} %",
            ProgressBar(total=1.0, completed=r.share, width=8),
            f"{100 * r.share:.0f} %",
            "" if r.steps_per_s is None else f"{r.steps_per_s:.3g}",
            "" if r.estimate is None else str(r.estimate.model_copy(update={"unit": ""})),
            "" if r.left_s is None else f"< {duration(r.left_s)}",
        )
    return table


def _next_table(rows: tuple[dict[str, Any], ...]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim", title="next", title_justify="left")
    # A variable that is the same in all says nothing here.
    shown = [name for name in rows[0] if len(rows) == 1 or len({r[name] for r in rows}) > 1]
    for name in shown:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if row[name] is None else str(row[name])) for name in shown))
    return table


def _progress(view: CampaignView) -> str:
    failed = _failed(view)
    but = f" ({failed} failed)" if failed else ""
    return f"{len(view.evaluations)}/{view.config.search.evaluations} evaluations{but}"


def _failed(view: CampaignView) -> int:
    return sum(not e.status.finished for e in view.evaluations)


def _state(view: CampaignView) -> str:
    from gbopt.report.tables import state

    return state(view)


def _all_done(view: CampaignView) -> list[str]:
    from gbopt.report.live import duration, left_of_all_s, running

    left_s = left_of_all_s(view, running(view.config, view.running)) if view.is_running else None
    if left_s is None:
        return []
    clock = time.strftime("%a %H:%M", time.localtime(time.time() + left_s))
    return [f"the whole budget in about {duration(left_s)}, {clock}; patience may end it earlier"]
