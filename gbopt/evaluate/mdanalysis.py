"""Trajectories that MDAnalysis reads by the side of a topology: DCD, XTC, TRR, NetCDF and others.

MDAnalysis is an optional dependency (Michaud-Agrawal et al., J. Comput. Chem. 32, 2319 (2011)).
It gives the cell by lengths and angles, so an oblique cell is taken to have its first vector along
x and its second in the xy plane, as LAMMPS writes it. Beside XTC and TRR files it keeps a hidden
index of their frames.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gbopt.errors import AnalysisError, ConfigError, EnvironmentProblem
from gbopt.evaluate.dump import Snapshot


def snapshots(path: Path, topology: Path) -> Iterator[Snapshot]:
    """The frames of a trajectory; positions in single precision, wrapped or not.

    Args:
        path: the trajectory.
        topology: a file that names the elements of the same ions in their order.

    Raises:
        EnvironmentProblem: MDAnalysis is not installed.
        ConfigError: a file that does not exist.
        AnalysisError: a topology that names no elements.
    """
    universe = _opened(path, topology)
    elements = np.array(getattr(universe.atoms, "elements", [""]), dtype=np.str_)
    if "" in elements:
        raise AnalysisError(
            f"{topology} names no elements",
            hint="give a topology that does, such as PDB or XYZ; ASE converts others to these",
        )
    for frame in universe.trajectory:
        cell = frame.triclinic_dimensions
        yield Snapshot(
            ids=np.arange(len(elements)),
            elements=elements,
            positions=frame.positions.astype(np.float64),
            cell=np.zeros((3, 3)) if cell is None else cell.astype(np.float64),
            step=frame.frame,
            periodic=cell is not None,
            unwrapped=False,
        )


def _opened(path: Path, topology: Path) -> Any:
    try:
        import MDAnalysis
    except ImportError:
        raise EnvironmentProblem(
            "a trajectory with a --topology is read by MDAnalysis, which is not installed",
            hint='install it with: pip install "gbopt-llzo[analysis]"',
        ) from None
    for file in (path, topology):
        if not file.is_file():
            raise ConfigError(f"cannot read {file}: no such file", hint="give the path of a file")
    with warnings.catch_warnings():  # of what it could not guess, and of what it will change
        warnings.simplefilter("ignore")
        return MDAnalysis.Universe(str(topology), str(path), to_guess=())
