"""`gbopt sites`: the sites of Li in a trajectory, and how it jumps among them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gbopt.cli.analyze import Axis, TopologyOption, TrajectoryArgument, _ps
from gbopt.cli.read import Format, FormatOption
from gbopt.cli.read import _print as print_rows
from gbopt.errors import ConfigError

if TYPE_CHECKING:
    from gbopt.analysis.site_network import SiteNetwork

_RESOLVED_FRAMES = 10


def sites(
    trajectory: TrajectoryArgument,
    interval: Annotated[str, typer.Option(help="Time between two frames, such as '50 fs'.")],
    temperature: Annotated[float, typer.Option(min=1, max=1e5, help="Temperature, K.")],
    types: Annotated[
        str | None, typer.Option(help="Elements of a dump's types, such as 'Li La Zr O'.")
    ] = None,
    normal: Annotated[Axis, typer.Option(help="Axis of the file taken as z.")] = Axis.Z,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for tables and pictures.", metavar="DIR"),
    ] = None,
    core: Annotated[
        float, typer.Option(min=0.1, max=2, help="Li enters a site this close to it, A.")
    ] = 0.7,
    smoothing: Annotated[
        float, typer.Option(min=0.05, max=2, help="Width of the Gaussian on the Li density, A.")
    ] = 0.25,
    merge: Annotated[
        float, typer.Option(min=0.1, max=4, help="Sites closer than this are one, A.")
    ] = 1.2,
    segments: Annotated[
        int, typer.Option(min=4, max=50, help="Disjoint time segments behind the errors.")
    ] = 5,
    topology: TopologyOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Find the Li sites of a trajectory: residence, jumps, percolation, volumes, with errors."""
    from gbopt.analysis.li_sites import SiteSettings
    from gbopt.evaluate.foreign import read_trajectory
    from gbopt.evaluate.known_sites import li_site_network

    settings = SiteSettings(core_A=core, smoothing_A=smoothing, merge_A=merge, segments=segments)
    if out is not None:
        _require_folder(out)
    opened = read_trajectory(
        trajectory,
        frame_interval_ps=_ps("interval", interval),
        temperature_K=temperature,
        types=types.replace(",", " ").split() if types else None,
        normal=normal.value,
        topology=topology,
    )
    network = li_site_network(opened, settings)
    print_rows(_rows(network, fmt), fmt)
    _warn(network)
    if out is not None:
        from gbopt.report.site_network import write_site_network

        out.mkdir(exist_ok=True)
        for path in write_site_network(network, out):
            typer.echo(f"wrote {path}", err=True)


def _require_folder(out: Path) -> None:
    """Refuse what cannot become a folder, before anything is measured."""
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out} is a file", hint="name a folder, new or there")
    if not out.resolve().parent.is_dir():
        raise ConfigError(
            f"--out {out}: there is no folder {out.parent}", hint="make the folder above it first"
        )


def _warn(network: SiteNetwork) -> None:
    """Say on standard error where frames are too far apart to see the jumps."""
    from gbopt.model.observables import Estimate

    stay, interval_ps = network.figures().get("residence_all"), network.info.frame_interval_ps
    if isinstance(stay, Estimate) and stay.value < _RESOLVED_FRAMES * interval_ps:
        typer.echo(
            f"note: Li stays {stay.value:.2g} ps on a site, less than {_RESOLVED_FRAMES} frames "
            f"of {interval_ps:g} ps: jumps are missed; write frames more often",
            err=True,
        )


def _rows(network: SiteNetwork, fmt: Format) -> list[dict[str, Any]]:
    """Rows of the table: rounded to the error for reading, number and error apart for programs."""
    from gbopt.analysis.site_figures import SITE_QUANTITIES
    from gbopt.model.observables import Estimate

    rows: list[dict[str, Any]] = []
    for key, value in network.figures().items():
        label, unit, meaning = SITE_QUANTITIES[key]
        estimate = value if isinstance(value, Estimate) else None
        row: dict[str, Any] = {"quantity": label}
        if fmt is Format.TABLE:
            row["value"] = (
                str(estimate.model_copy(update={"unit": ""})) if estimate else f"{value:.6g}"
            )
        else:
            row |= {"key": key, "value": estimate.value if estimate else value}
            row |= {name: getattr(estimate, name, None) for name in ("std_err", "n_eff", "bound")}
        rows.append(row | {"unit": unit, "method": estimate.method if estimate else meaning})
    settings = network.settings
    depends = (
        f"core {settings.core_A:g} A, smoothing {settings.smoothing_A:g} A, merging "
        f"{settings.merge_A:g} A, {settings.segments} segments, {network.frames} frames of "
        f"{network.info.frame_interval_ps:g} ps"
    )
    empty = dict.fromkeys(rows[0])
    count = {"quantity": "Li sites in the cell", "value": len(network.positions)}
    return [empty | count | {"unit": "", "method": depends}, *rows]
