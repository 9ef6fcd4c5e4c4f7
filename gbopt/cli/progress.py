"""Progress of a running campaign: bars on a terminal, one plain line per event in a log."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TextIO

from gbopt.store.rundir import RunFolder

_POLL_S = 0.5
_PLAIN_EVERY_S = 60.0


class Display:
    """Follows a run folder from a thread of its own while the campaign runs.

    Args:
        path: the run folder.
        plain_to: where plain lines go, also if it is a terminal; without it standard output gets
            bars if it is a terminal, else plain lines.
    """

    def __init__(self, path: Path, *, plain_to: TextIO | None = None) -> None:
        self._bars_wanted = plain_to is None and sys.stdout.isatty()
        self._lines_to = plain_to or sys.stdout
        self._folder = RunFolder.open_(path)
        self._seen = len(self._folder.events())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        try:
            if self._bars_wanted:
                self._bars()
            else:
                self._lines()
        except BrokenPipeError:
            # The reader of our output has left; the campaign goes on, the trace has it all.
            return

    def _bars(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
        )
        budget = self._folder.config.search.evaluations
        with Progress(*columns, transient=True) as bars:
            overall = bars.add_task("evaluations", total=budget)
            tasks: dict[tuple[int, str], Any] = {}
            while True:
                last = self._stop.wait(_POLL_S)
                for line in self._news():
                    bars.console.print(line, highlight=False, markup=False)
                bars.update(overall, completed=self._finished())
                self._update(bars, tasks)
                if last:
                    return

    def _update(self, bars: Any, tasks: dict[tuple[int, str], Any]) -> None:
        running = {(r["trial"], r["stage"]): r for r in self._folder.progress()}
        for key in [key for key in tasks if key not in running]:
            bars.remove_task(tasks.pop(key))
        for key, report in running.items():
            if key not in tasks:
                text = f"trial {report['trial']} {report['label']}: {report['stage']}"
                tasks[key] = bars.add_task(text, total=report["steps"])
            bars.update(tasks[key], completed=report["step"])

    def _lines(self) -> None:
        spoken = time.monotonic()
        while True:
            last = self._stop.wait(_POLL_S)
            for line in self._news():
                print(line, file=self._lines_to, flush=True)
                spoken = time.monotonic()
            if last:
                return
            if time.monotonic() - spoken > _PLAIN_EVERY_S:
                spoken = time.monotonic()
                for report in self._folder.progress():
                    line = _running_line(report)
                    print(line, file=self._lines_to, flush=True)

    def _news(self) -> list[str]:
        events = self._folder.events()
        fresh, self._seen = events[self._seen :], len(events)
        return [line for event in fresh if (line := event_line(event))]

    def _finished(self) -> int:
        return sum(1 for event in self._folder.events() if event["event"] == "finished")


def event_line(event: dict[str, Any]) -> str | None:
    """Say an event of the trace in one line; None for those that need no line."""
    clock = event["time_utc"][11:19]
    say = _LINES.get(event["event"])
    return f"{clock} {say(event)}" if say else None


_LINES: dict[str, Callable[[dict[str, Any]], str]] = {
    "bulk": lambda e: str(e["message"]),
    "engine": lambda e: f"engine {e['message']}",
    "proposed": lambda e: (
        f"trial {e['trial']}: {e['attributes']['label']} ({e['attributes']['reason']})"
    ),
    "restarted": lambda e: f"trial {e['trial']}: goes on, it was interrupted",
    "handed_over": lambda e: f"trial {e['trial']}: left to the worker that has taken it over",
    "joined": lambda e: f"{e['workers']} worker(s) of {e['host']} joined",
    "finished": lambda e: f"trial {e['trial']}: {e['status']}, {e['objective'] or e['cause']}",
    "beside": lambda e: str(e["message"]),
    "confirming": lambda e: str(e["message"]),  # as it was called before
    "worker_died": lambda _: "a worker process was killed: its trials are run again",
    "rebuilt": lambda e: f"the study was rebuilt from {e['trials']} trials",
}


def _running_line(report: dict[str, Any]) -> str:
    share = 100 * report["step"] / max(1, report["steps"])
    return f"  trial {report['trial']} {report['label']}: {report['stage']} {share:.0f} %"
