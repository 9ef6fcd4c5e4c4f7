"""Trajectories of other programs: LAMMPS text dumps, extended XYZ, what ASE or MDAnalysis reads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gbopt.errors import AnalysisError, ConfigError, GboptError
from gbopt.evaluate import mdanalysis
from gbopt.evaluate.dump import ADVICE, Snapshot, blocks, open_text, snapshot
from gbopt.geometry.read import require_whole_xyz
from gbopt.model.bicrystal import LI, SPECIES
from gbopt.model.trajectory import Trajectory, TrajectoryInfo

Normal = Literal["x", "y", "z"]

CELL_TOLERANCE_A = 1e-3
"""Rounding of printed cells; thermal fluctuation in NPT is a hundred times as much."""
FARTHEST_A = 1e6
"""No ion diffuses as far as this from the origin, and no cell is as long."""
LARGEST_STEP = 1 / 3
"""Of the shortest cell width: a larger step between frames may as well be one the other way."""


def read_trajectory(
    path: Path,
    *,
    frame_interval_ps: float,
    temperature_K: float,
    types: Sequence[str] | None = None,
    normal: Normal = "z",
    topology: Path | None = None,
) -> Trajectory:
    """Open a trajectory of an NVT run of Li, La, Zr and O; frames are read as they are asked for.

    The file is gone through twice, first to count its frames. Positions that it does not give
    as unwrapped are unwrapped by the minimum image between frames. They stay in the coordinates
    of the file, the axes permuted cyclically so that the normal comes last.

    Args:
        path: the file, which may be compressed (.gz, .bz2, .xz).
        frame_interval_ps: time between two frames.
        temperature_K: temperature of the run.
        types: elements of types 1, 2, ... of a LAMMPS dump; needed where it names no elements.
        normal: the axis of the file that is to be analysed as z.
        topology: a file that names the ions of a trajectory that does not (DCD, XTC, NetCDF);
            both are then read by MDAnalysis.

    Raises:
        EnvironmentProblem: a topology, but no MDAnalysis.
        ConfigError: the file cannot be opened, or an argument cannot be used.
        AnalysisError: a file that cannot be analysed; for later frames it is raised with them.
    """
    for name, value in (("frame interval", frame_interval_ps), ("temperature", temperature_K)):
        if not 0 < value < math.inf:
            raise ConfigError(f"the {name} is {value:g}", hint=f"give a {name} above zero")
    plain = topology is None and _is_dump(path)
    n_frames = sum(1 for _ in (blocks(path) if plain else _snapshots(path, types, topology)))
    if n_frames < 2:
        raise AnalysisError(
            f"{path} holds {n_frames} complete frame{'' if n_frames == 1 else 's'}",
            hint="give a trajectory: motion needs two frames or more",
        )
    frames = _consistent(_snapshots(path, types, topology), frame_interval_ps)
    first = next(frames)
    axes = np.roll(np.arange(3), -1 - "xyz".index(normal))
    info = TrajectoryInfo(
        species=_species(first.elements),
        cell=_upright(first, axes, normal),
        frame_interval_ps=frame_interval_ps,
        n_frames=n_frames,
        temperature_K=temperature_K,
    )
    return Trajectory(info, (frame[:, axes] for frame in _unwrapped(chain([first], frames))))


def _species(elements: NDArray[np.str_]) -> NDArray[np.int8]:
    """(n,) index into SPECIES."""
    present = sorted(set(elements.tolist()))
    if unknown := [name for name in present if name not in SPECIES]:
        raise AnalysisError(
            f"the trajectory holds {', '.join(unknown)}, but only Li, La, Zr and O are known",
            hint="if the names in a LAMMPS dump are wrong, give --types 'Li La Zr O'",
        )
    if SPECIES[LI] not in present:
        raise AnalysisError("the trajectory holds no Li", hint="analyse an LLZO trajectory")
    return np.array([SPECIES.index(name) for name in elements.tolist()], dtype=np.int8)


def _upright(first: Snapshot, axes: NDArray[np.intp], normal: Normal) -> NDArray[np.float64]:
    """The cell, (3, 3) A, with vectors and axes permuted; the last vector must lie along z."""
    if not first.periodic or abs(np.linalg.det(first.cell)) < CELL_TOLERANCE_A:
        raise AnalysisError(
            "the trajectory has no cell that is periodic along x, y and z",
            hint="write the cell with the frames, as extended XYZ and LAMMPS dumps do",
        )
    cell = first.cell[axes][:, axes]
    if np.abs([*cell[2, :2], *cell[:2, 2]]).max() > CELL_TOLERANCE_A or cell[2, 2] < 0:
        raise AnalysisError(
            f"cell vector {'abc'['xyz'.index(normal)]} is not along {normal} and perpendicular to "
            "the two others",
            hint="choose another --normal, or write the run with its boundary normal along z",
        )
    return cell


def _require_interval(first: Snapshot, second: Snapshot, given_ps: float) -> None:
    """Refuse another interval than the file's own, where it tells time and unit."""
    if first.time is None or second.time is None or first.time_unit_ps is None:
        return
    found_ps = (second.time - first.time) * first.time_unit_ps
    if not math.isclose(found_ps, given_ps, rel_tol=1e-3):
        raise AnalysisError(
            f"the file says that its frames are {found_ps:g} ps apart, not {given_ps:g} ps",
            hint=f"give --interval '{found_ps:g} ps'",
        )


def _consistent(frames: Iterator[Snapshot], frame_interval_ps: float) -> Iterator[Snapshot]:
    """Sort the ions of each frame by id, and refuse frames that do not continue the first."""
    checked = (_sorted(_plausible(frame, n)) for n, frame in enumerate(frames, start=1))
    first, stride = next(checked), 0
    yield first
    for number, frame in enumerate(checked, start=1):
        if number == 1:
            _require_interval(first, frame, frame_interval_ps)
        stride = stride or frame.step - first.step
        if stride <= 0 or frame.step != first.step + number * stride:
            raise AnalysisError(
                f"the frames are not evenly spaced: frame {number + 1} is of step {frame.step}",
                hint="drop frames written twice at a restart; keep one dump interval per file",
            )
        same_ids = np.array_equal(first.ids, frame.ids)
        if not same_ids or not np.array_equal(first.elements, frame.elements):
            raise AnalysisError(
                f"frame {number + 1} does not hold the ions of the first one in their order",
                hint=f"write ids to sort by: {ADVICE}",
            )
        if not np.allclose(first.cell, frame.cell, rtol=0.0, atol=CELL_TOLERANCE_A):
            raise AnalysisError(
                f"the cell changes: frame {number + 1} has another than the first (an NPT run?)",
                hint="analyse a run at constant volume (NVT or NVE), made in the mean NPT cell",
            )
        yield frame


def _plausible(frame: Snapshot, number: int) -> Snapshot:
    """Refuse a frame in which ions or cell are nowhere, or two ions are one."""
    for what, values in (("cell", frame.cell), ("position", frame.positions)):
        if not np.isfinite(values).all():
            raise AnalysisError(
                f"frame {number} has a {what} that is no number",
                hint="the run blew up, or the file is damaged: analyse what comes before",
            )
        if (farthest_A := float(np.abs(values).max(initial=0.0))) > FARTHEST_A:
            raise AnalysisError(
                f"frame {number} has a {what} of {farthest_A:.3g} A, more than {FARTHEST_A:g} A",
                hint="lengths must be in Angstrom; if they are, the run blew up",
            )
    if len(np.unique(frame.ids)) < len(frame.ids):
        raise AnalysisError(
            f"frame {number} has two ions of one id", hint="write each ion once, with its own id"
        )
    return frame


def _sorted(frame: Snapshot) -> Snapshot:
    order = np.argsort(frame.ids)
    return frame._replace(
        ids=frame.ids[order], elements=frame.elements[order], positions=frame.positions[order]
    )


def _unwrapped(frames: Iterator[Snapshot]) -> Iterator[NDArray[np.float64]]:
    """Unwrapped positions, (n, 3) A."""
    last: Snapshot | None = None
    position: NDArray[np.float64] = np.zeros(3)
    for number, frame in enumerate(frames, start=1):
        if frame.unwrapped or last is None:
            position = frame.positions
        else:
            position = position + _step(frame.positions - last.positions, frame.cell, number)
        last = frame
        yield position


def _step(
    change: NDArray[np.float64], cell: NDArray[np.float64], number: int
) -> NDArray[np.float64]:
    """Minimum image of the steps (n, 3), A, into frame ``number``.

    For steps below half the shortest cell width, rounding the shares of the cell vectors finds
    it however oblique the cell is.
    """
    inverse = np.linalg.inv(cell)
    share = change @ inverse
    step: NDArray[np.float64] = (share - np.round(share)) @ cell
    width_A = float((1 / np.linalg.norm(inverse, axis=0)).min())
    longest_A = float(np.linalg.norm(step, axis=1).max())
    if longest_A > LARGEST_STEP * width_A:
        raise AnalysisError(
            f"an ion moves {longest_A:.1f} A into frame {number}, more than a third of the "
            f"shortest cell width ({width_A:.1f} A), so it cannot be told where it went",
            hint=f"write frames more often, or unwrapped with ids: {ADVICE}",
        )
    return step


def _is_dump(path: Path) -> bool:
    with open_text(path) as lines:
        try:
            return lines.readline().startswith("ITEM:")
        except (UnicodeDecodeError, EOFError, OSError):  # binary, or compressed in name only
            return False


def _snapshots(
    path: Path, types: Sequence[str] | None, topology: Path | None
) -> Iterator[Snapshot]:
    """The frames of a file, whatever its kind."""
    try:
        if topology is None and _is_dump(path):
            yield from (snapshot(block, types) for block in blocks(path))
        else:
            _refuse_types(path, types)
            yield from mdanalysis.snapshots(path, topology) if topology else _from_ase(path)
    except GboptError:
        raise
    except Exception as error:  # the readers of ASE and MDAnalysis raise what they like
        raise AnalysisError(
            f"{path} cannot be read ({type(error).__name__}: {' '.join(str(error).split())})",
            hint=ADVICE if topology else f"{ADVICE}, or name its ions by --topology (PDB, XYZ)",
        ) from error


def _refuse_types(path: Path, types: Sequence[str] | None) -> None:
    if types is not None:
        raise ConfigError(
            f"{path} is no LAMMPS text dump, so it has no types to name",
            hint="leave out --types: files of other kinds name their elements",
        )


def _from_ase(path: Path) -> Iterator[Snapshot]:
    from ase.io import iread

    if {".xyz", ".extxyz"} & {suffix.lower() for suffix in path.suffixes[-2:]}:
        with open_text(path) as lines:
            require_whole_xyz(lines)
    for step, atoms in enumerate(iread(path, index=":", do_not_split_by_at_sign=True)):
        yield Snapshot(
            ids=atoms.arrays.get("id", np.arange(len(atoms))),
            elements=np.array(atoms.get_chemical_symbols()),
            positions=atoms.positions,
            cell=atoms.cell.array,
            step=step,
            periodic=bool(atoms.pbc.all()),
            unwrapped=False,
        )
