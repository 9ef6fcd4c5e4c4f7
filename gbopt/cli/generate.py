"""`gbopt generate`: a library of boundaries."""

from __future__ import annotations

import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gbopt.config.library import LibraryConfig
    from gbopt.geometry.archive import Archive

INTERRUPTED = 130
_LINE_EVERY_S = 15.0


def generate(
    file: Annotated[Path, typer.Argument(help="Library file (TOML).", metavar="SPEC")],
    count: Annotated[
        int,
        typer.Option("-n", min=1, help="Structures in all; refused and repeated ones count."),
    ] = 1000,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Structures at once.")] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder (default: runs/NAME).")
    ] = None,
    gallery: Annotated[
        bool, typer.Option("--gallery", help="Build nothing, only draw the gallery anew.")
    ] = False,
) -> None:
    """Build a library of boundaries, or go on with one; ends with a gallery of it."""
    from gbopt.config.library import parse_library, read_library
    from gbopt.geometry.archive import Archive
    from gbopt.geometry.library import candidates

    text = read_library(file)
    config = parse_library(text, str(file))
    folder = out or Path("runs") / config.name
    if gallery:
        with Archive.open_(folder) as archive:
            archive.require_same(config)
            _draw(archive)
        return
    with Archive.begin(folder, config, text, lambda: candidates(config)) as archive:
        _fill(archive, config, count, jobs, _again(file, count, jobs, folder))
        _draw(archive)


def _fill(archive: Archive, config: LibraryConfig, count: int, jobs: int, again: str) -> None:
    from gbopt.campaign.library import fill

    typer.echo(again)
    sys.stdout.flush()
    try:
        with _progress(count, count - len(archive.missing(count))) as on_batch:
            fill(archive, config, count, jobs, on_batch)
    except KeyboardInterrupt:
        left = len(archive.missing(count))
        typer.echo(f"\ninterrupted: {count - left:,} of {count:,} structures are kept")
        typer.echo(again)
        raise typer.Exit(INTERRUPTED) from None
    counts = archive.counts()
    parts = [f"{counts[status]:,} {status}" for status in sorted(counts)]
    typer.echo(f"{archive.folder}: {', '.join(parts)}")


def _again(file: Path, count: int, jobs: int, folder: Path) -> str:
    words = ["gbopt", "generate", file, "-n", count, "--jobs", jobs, "--out", folder]
    return f"resume with: {shlex.join(map(str, words))}"


def _draw(archive: Archive) -> None:
    from gbopt.report.gallery import write_gallery

    for path in write_gallery(archive):
        typer.echo(f"wrote {path}")


@contextmanager
def _progress(count: int, done: int) -> Iterator[Callable[[dict[str, int]], None]]:
    """Show progress: a bar on a terminal, now and then a plain line in a log."""
    if not sys.stdout.isatty():
        yield _lines(count, done)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (
        TextColumn("structures"),
        BarColumn(),
        MofNCompleteColumn(),
        Remaining(),
        TextColumn("{task.description}", markup=False),
    )
    seen: Counter[str] = Counter()
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("", total=count, completed=done)

        def advance(new: dict[str, int]) -> None:
            seen.update(new)
            bar.update(task, advance=sum(new.values()), description=_others(seen))

        yield advance


def _lines(count: int, done: int) -> Callable[[dict[str, int]], None]:
    seen: Counter[str] = Counter()
    begun = spoken = time.monotonic()

    def advance(new: dict[str, int]) -> None:
        nonlocal spoken
        seen.update(new)
        now = time.monotonic()
        if now - spoken >= _LINE_EVERY_S:
            spoken = now
            made = sum(seen.values())
            left_min = (count - done - made) * (now - begun) / made / 60
            typer.echo(
                f"{done + made:,} of {count:,} structures, {made / (now - begun):.1f} per s, "
                f"{left_min:.1f} min left{_others(seen)}"
            )
            sys.stdout.flush()

    return advance


def _others(seen: Counter[str]) -> str:
    return "".join(f", {n:,} {status}" for status, n in sorted(seen.items()) if status != "ok")
