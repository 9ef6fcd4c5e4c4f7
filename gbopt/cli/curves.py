"""Curves that `gbopt analyze` writes to CSV files: the MSD of Li, pair functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gbopt.errors import ConfigError

if TYPE_CHECKING:
    from gbopt.analysis.msd import MSDCurve
    from gbopt.analysis.pairs import PairResult


def require_new(option: str, target: Path, taken: Sequence[Path | None]) -> None:
    """Refuse to write onto a folder, into one that is not there, or over a file.

    Args:
        option: such as ``--msd``.
        target: what it names.
        taken: files that are read or that another option writes.

    Raises:
        ConfigError: saying which of these it is.
    """
    problem = None
    if any(file is not None and target.resolve() == file.resolve() for file in taken):
        problem = "it is what is analysed, or another curve"
    elif target.is_dir():
        problem = "it is a folder"
    elif not target.resolve().parent.is_dir():
        problem = f"there is no folder {target.parent}"
    if problem is not None:
        raise ConfigError(f"{option} cannot write {target}: {problem}", hint="name a new CSV file")


def write_msd(path: Path, curve: MSDCurve, axes: Sequence[int]) -> None:
    """Write the MSD at each lag; ``axes`` are those of the analysis for x, y, z of the file."""
    along = curve.msd_A2[:, list(axes)]
    rows = zip(curve.lag_ps, along, strict=True)
    _write(
        path,
        ["lag_ps", "msd_x_A2", "msd_y_A2", "msd_z_A2", "msd_A2"],
        [[lag_ps, *row, row.sum()] for lag_ps, row in rows],
    )


def write_rdf(path: Path, found: PairResult) -> None:
    """Write g(r) and the running coordination number of every pair of elements, with errors."""
    rows = found.rows()
    _write(path, list(rows[0]), [list(row.values()) for row in rows])


def _write(path: Path, names: list[str], rows: list[list[float]]) -> None:
    from gbopt.store.files import write_atomic

    lines = [",".join(names), *(",".join(f"{value:.8g}" for value in row) for row in rows)]
    write_atomic(path, "\n".join(lines) + "\n")
