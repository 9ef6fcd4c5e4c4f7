"""`gbopt analyze`: transport figures of a trajectory that another program made."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import typer

from gbopt.cli.curves import require_new, write_msd, write_rdf
from gbopt.cli.read import Format, FormatOption
from gbopt.cli.read import _print as print_rows
from gbopt.errors import AnalysisError, ConfigError

if TYPE_CHECKING:
    from gbopt.analysis.composition import Composition, CompositionProfile
    from gbopt.analysis.msd import MSDCurve
    from gbopt.analysis.pairs import PairResult
    from gbopt.analysis.profile import TransportProfile
    from gbopt.analysis.slabs import Planes
    from gbopt.analysis.transport import LiTransport
    from gbopt.model.observables import Estimate
    from gbopt.model.trajectory import Trajectory, TrajectoryInfo


class Axis(StrEnum):
    """An axis of the file."""

    X = "x"
    Y = "y"
    Z = "z"


class _Cores(NamedTuple):
    """Where the boundaries are."""

    planes_A: Planes
    width_A: float


class _Wanted(NamedTuple):
    """What the frames are asked for."""

    lag_ps: float
    segments: int
    cores: _Cores | None
    msd: bool
    rdf_to_A: float | None


class _Measured(NamedTuple):
    """What the frames gave; None what was not asked for."""

    profile: TransportProfile
    composition: CompositionProfile | None
    curve: MSDCurve | None
    pairs: PairResult | None


class _Figure(NamedTuple):
    """What is printed: an estimate, or a plain number with its unit and method."""

    quantity: str
    value: Estimate | float
    method: str = ""
    unit: str = ""


TrajectoryArgument = Annotated[
    Path,
    typer.Argument(
        help="NVT run of Li, La, Zr, O: LAMMPS text dump, extended XYZ, what ASE reads; with "
        "--topology also DCD, XTC, NetCDF.",
        metavar="TRAJ",
    ),
]
TopologyOption = Annotated[
    Path | None,
    typer.Option(
        help="File that names the ions of a trajectory that does not; MDAnalysis reads the two.",
        metavar="FILE",
    ),
]
MsdOption = Annotated[
    Path | None,
    typer.Option(
        help="Write the tracer MSD of Li to this CSV file; holds 12 bytes for each Li and frame.",
        metavar="FILE",
    ),
]
RdfOption = Annotated[
    Path | None,
    typer.Option(
        help="Write g(r) and running coordination numbers of all pairs of elements to this CSV "
        "file.",
        metavar="FILE",
    ),
]


def analyze(
    trajectory: TrajectoryArgument,
    interval: Annotated[str, typer.Option(help="Time between two frames, such as '0.1 ps'.")],
    temperature: Annotated[float, typer.Option(min=1, max=1e5, help="Temperature, K.")],
    normal: Annotated[Axis, typer.Option(help="Axis the slabs are stacked along.")] = Axis.Z,
    types: Annotated[
        str | None, typer.Option(help="Elements of a dump's types, such as 'Li La Zr O'.")
    ] = None,
    lag: Annotated[
        str, typer.Option(help="Lag t of D = [M(2t)-M(t)]/2t; three residence times or more.")
    ] = "5 ps",
    segments: Annotated[
        int, typer.Option(min=4, max=50, help="Disjoint time segments behind the errors.")
    ] = 5,
    boundaries: Annotated[
        str | None, typer.Option(help="Normal positions of two boundaries, A: '0 25.3'.")
    ] = None,
    width: Annotated[
        float | None, typer.Option(min=0.1, help="Width of a boundary's core, A.")
    ] = None,
    msd: MsdOption = None,
    rdf: RdfOption = None,
    rdf_to: Annotated[
        float, typer.Option(min=1, max=50, help="Longest distance of --rdf, A.")
    ] = 8.0,
    topology: TopologyOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Measure Li diffusion and conductivity, with errors, in any LLZO trajectory."""
    from gbopt.evaluate.foreign import read_trajectory

    for option, target, other in (("--msd", msd, None), ("--rdf", rdf, msd)):
        if target is not None:
            require_new(option, target, [trajectory, topology, other])
    opened = read_trajectory(
        trajectory,
        frame_interval_ps=_ps("interval", interval),
        temperature_K=temperature,
        types=types.replace(",", " ").split() if types else None,
        normal=normal.value,
        topology=topology,
    )
    cores = _cores(boundaries, width, opened.info.length_A)
    wanted = _Wanted(_ps("lag", lag), segments, cores, msd is not None, rdf_to if rdf else None)
    measured = _measure(opened, wanted)
    figures = _cell_figures(measured.profile, normal)
    if cores is not None and measured.composition is not None:
        figures += _core_figures(measured.profile, measured.composition, cores)
    print_rows([_row(figure, fmt) for figure in figures], fmt)
    if msd is not None and measured.curve is not None:
        write_msd(msd, measured.curve, _file_axes(normal))
    if rdf is not None and measured.pairs is not None:
        write_rdf(rdf, measured.pairs)


def _ps(option: str, text: str) -> float:
    """A time in ps from text with its unit."""
    from gbopt.units import parse_quantity

    try:
        return cast("float", parse_quantity(text, "ps"))
    except ValueError as error:
        raise ConfigError(
            f"--{option}: {error}", hint=f"such as --{option} '2 ps' or --{option} '200 fs'"
        ) from None


def _cores(boundaries: str | None, width_A: float | None, length_A: float) -> _Cores | None:
    """Check and return the boundary planes and their width; None where neither is given."""
    from gbopt.analysis.slabs import grains

    if boundaries is None and width_A is None:
        return None
    if boundaries is None or width_A is None:
        raise ConfigError(
            "--boundaries and --width only make sense together",
            hint="such as --boundaries '0 25.3' --width 10",
        )
    try:
        first, second = (float(part) for part in boundaries.replace(",", " ").split())
    except ValueError:
        raise ConfigError(
            f"--boundaries: {boundaries!r} is not two positions in A",
            hint="such as --boundaries '0 25.3'",
        ) from None
    thinnest_A = min(end - start for start, end in grains((first, second), length_A))
    if not width_A < 2 / 3 * thinnest_A:
        raise ConfigError(
            f"cores of {width_A:g} A at {first:g} and {second:g} A reach into the middle third of "
            f"the grain between them, {thinnest_A:.1f} A thick",
            hint=f"give a smaller --width; the cell is {length_A:.2f} A long along the normal",
        )
    return _Cores((first, second), width_A)


def _measure(trajectory: Trajectory, wanted: _Wanted) -> _Measured:
    from gbopt.analysis.frames import drift_corrected
    from gbopt.analysis.msd import LiDisplacement
    from gbopt.analysis.pairs import PairFunctions

    info = trajectory.info
    transport = _transport(info, wanted)
    composition = _composition(info, wanted)
    displacement = LiDisplacement(info) if wanted.msd else None
    pairs = None
    if wanted.rdf_to_A is not None:
        pairs = PairFunctions(info, r_max_A=wanted.rdf_to_A, segments=wanted.segments)
    meters = [m for m in (transport, composition, displacement, pairs) if m is not None]
    for frame in drift_corrected(trajectory):
        for meter in meters:
            meter.add(frame)
    return _Measured(
        transport.result(),
        composition.result() if composition is not None else None,
        displacement.result() if displacement is not None else None,
        pairs.result() if pairs is not None else None,
    )


def _transport(info: TrajectoryInfo, wanted: _Wanted) -> LiTransport:
    from gbopt.analysis.transport import LiTransport
    from gbopt.config import AnalysisConfig

    lag_ps, segments = wanted.lag_ps, wanted.segments
    if lag_ps < info.frame_interval_ps:
        raise ConfigError(
            f"a lag of {lag_ps:g} ps is shorter than the frame interval",
            hint="give a longer --lag, of several frames",
        )
    try:
        return LiTransport(info, lag_ps=lag_ps, segments=segments, bin_A=AnalysisConfig().bin_A)
    except AnalysisError as error:
        raise AnalysisError(
            error.message, hint="give a longer trajectory, a shorter --lag or fewer --segments"
        ) from None


def _composition(info: TrajectoryInfo, wanted: _Wanted) -> Composition | None:
    from gbopt.analysis.composition import Composition
    from gbopt.config import AnalysisConfig

    if wanted.cores is None:
        return None
    return Composition(
        info,
        boundaries_A=wanted.cores.planes_A,
        core_width_A=wanted.cores.width_A,
        segments=wanted.segments,
        bin_A=AnalysisConfig().bin_A,
    )


def _file_axes(normal: Axis) -> list[int]:
    """Which axis of the analysis, where the normal is the last, each of the file's is."""
    last = "xyz".index(normal)
    return [(axis - last - 1) % 3 for axis in range(3)]


def _cell_figures(profile: TransportProfile, normal: Axis) -> list[_Figure]:
    """Figures of the whole cell; axes are named as in the file."""
    hops, exponent = round(profile.n_hops()), round(profile.msd_exponent(), 3)
    return [
        *(
            _Figure(f"Li tracer D along {name}", profile.cell_diffusivity(axis))
            for axis, name in zip(_file_axes(normal), "xyz", strict=True)
        ),
        _Figure("Nernst-Einstein conductivity in plane", profile.in_plane_conductivity()),
        _Figure("Nernst-Einstein conductivity through plane", profile.through_plane_conductivity()),
        _Figure(f"least D along {normal} of a slab", _slowest_slab(profile)),
        _Figure("Li hops", hops, "as D along the normal tells; a slab wants 50 or more"),
        _Figure("MSD exponent", exponent, "log2 of M(2t)/M(t): diffusion 1, rattling 0, flight 2"),
        _Figure("lag t", profile.lag_ps, "whole frames", "ps"),
    ]


def _slowest_slab(profile: TransportProfile) -> Estimate:
    from gbopt.model.observables import Estimate

    value, error = (array[:, 2] for array in profile.diffusivity())
    slowest = int(value.argmin())
    centre_A, quarter_A = profile.bins.centres_A[slowest], profile.bins.width_A / 4
    floored = profile.on_floor((centre_A - quarter_A, centre_A + quarter_A))
    return Estimate(
        value=float(value[slowest]),
        std_err=float(error[slowest]),
        unit="cm2/s",
        n_eff=profile.segments,
        method=f"bin of {4 * quarter_A:.2f} A at {centre_A:.1f} A; least of many, so partly chance",
        bound="upper" if floored else None,
    )


def _core_figures(
    profile: TransportProfile, composition: CompositionProfile, cores: _Cores
) -> list[_Figure]:
    """Figures of the two boundaries together."""
    from gbopt.analysis.slabs import core_windows, grain_centres
    from gbopt.model.observables import QUANTITIES

    core = core_windows(cores.planes_A, cores.width_A)
    grain = grain_centres(cores.planes_A, profile.length_A)
    estimates = {
        "D_core_normal": profile.series_diffusivity(*core),
        "D_grain_normal": profile.series_diffusivity(*grain),
        "li_enrichment_ratio": composition.li_enrichment_ratio().mean,
    }
    return [_Figure(QUANTITIES[name].label, estimate) for name, estimate in estimates.items()]


def _row(figure: _Figure, fmt: Format) -> dict[str, Any]:
    """One row: rounded to the error for reading, number and error apart for programs."""
    from gbopt.model.observables import Estimate

    value = figure.value
    if isinstance(value, Estimate):
        number, shown = value.value, str(value.model_copy(update={"unit": ""}))
        unit, method = value.unit, value.method
    else:
        number, shown, unit, method = value, f"{value:g}", figure.unit, figure.method
    row: dict[str, Any] = {"quantity": figure.quantity}
    if fmt is Format.TABLE:
        row["value"] = shown
    else:
        row["value"] = number
        row |= {name: getattr(value, name, None) for name in ("std_err", "n_eff", "bound")}
    return row | {"unit": unit, "method": method}
