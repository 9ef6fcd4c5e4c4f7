"""What leaves a run folder for other programs: structures, the trace as a table of numbers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from gbopt.campaign.view import CampaignView
from gbopt.crystal.charges import FORMAL_CHARGES_E
from gbopt.errors import EnvironmentProblem, RunFolderError
from gbopt.model.evaluation import Evaluation
from gbopt.report.boundaries import boundaries, recommended
from gbopt.report.series import csv_text
from gbopt.report.tables import Rows
from gbopt.store.files import write_atomic
from gbopt.store.rundir import RunFolder

STRUCTURES = ("start", "final")
"""Artifacts that are structures: as built, and the last frame of production."""


def best_trials(view: CampaignView, count: int) -> list[Evaluation]:
    """Return the finished evaluations of the best boundaries, the recommended one first."""
    chosen = recommended(view)
    others = [b for b in boundaries(view) if b != chosen]
    first = [chosen] if chosen else []
    return [e for b in (*first, *others)[:count] for e in b.evaluations]


def trials(view: CampaignView, numbers: Sequence[int]) -> list[Evaluation]:
    """Return the evaluations of these numbers.

    Raises:
        RunFolderError: one has not finished.
    """
    found = {e.trial: e for e in view.evaluations}
    if missing := [n for n in numbers if n not in found]:
        raise RunFolderError(
            f"{view.path} has no finished trial {missing[0]}",
            hint=f"`gbopt trace {view.path}` lists the finished ones",
        )
    return [found[n] for n in numbers]


def write_structures(
    view: CampaignView, chosen: Iterable[Evaluation], folder: Path, suffix: str
) -> list[Path]:
    """Write the structures of trials, as built and as production left them.

    Args:
        view: the campaign.
        chosen: the trials; those without structures are passed over.
        folder: where; it is made.
        suffix: ``extxyz`` copies the records, with grain and core labels; ``cif``; ``data`` for
            LAMMPS, types named by element.

    Raises:
        RunFolderError: none of them has a structure.
    """
    written = []
    for e in chosen:
        home = RunFolder(view.path).trial_folder(e.trial, e.spec.key)
        for name in STRUCTURES:
            # The name alone: a record that came by mail must not point elsewhere.
            source = home / Path(e.artifacts.get(name, f"{name}.extxyz")).name
            if source.is_file():
                folder.mkdir(parents=True, exist_ok=True)
                target = folder / f"{e.trial:04d}-{e.spec.key}-{name}.{suffix}"
                _convert(source, target)
                written.append(target)
    if not written:
        raise RunFolderError(
            f"{view.path} holds no structure of the chosen trials",
            hint=f"`gbopt trace {view.path}` lists the trials; choose some with --number",
        )
    return written


def _convert(source: Path, target: Path) -> None:
    from ase.io import read, write

    from gbopt.geometry.files import lammps_data
    from gbopt.geometry.read import read_unlabelled

    if target.suffix == ".extxyz":
        shutil.copyfile(source, target)
        return
    atoms = read(source)
    if target.suffix == ".data":
        found = read_unlabelled(source)
        charges = tuple(FORMAL_CHARGES_E.get(name, 0) for name in found.elements)
        text = lammps_data(replace(found, formal_charges_e=charges))
        labels = "".join(f"{i + 1} {name}\n" for i, name in enumerate(found.elements))
        write_atomic(target, text.replace("Masses\n", f"Atom Type Labels\n\n{labels}\nMasses\n"))
    else:
        write(target, atoms, format="cif")
    # How it was built stands in the header of the record alone.
    built = atoms.info.get("gbopt")
    if built is not None:
        built = json.loads(built) if isinstance(built, str) else built
        write_atomic(target.with_name(target.name + ".json"), json.dumps(built, indent=1) + "\n")


def write_table(rows: Rows, target: Path) -> None:
    """Write rows of equal keys as CSV, JSON or Parquet, by the ending of the name.

    Raises:
        EnvironmentProblem: Parquet is asked for, and pandas or pyarrow is missing.
        RunFolderError: there are no rows.
    """
    if not rows:
        raise RunFolderError(
            "no evaluation has finished yet: there is no trace to write",
            hint="`gbopt status DIR` shows how far the campaign is",
        )
    if target.suffix == ".parquet":
        _parquet(rows, target)
    elif target.suffix == ".json":
        write_atomic(target, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    else:
        write_atomic(target, csv_text(rows))


def _parquet(rows: Rows, target: Path) -> None:
    try:
        pandas: Any = import_module("pandas")
        import_module("pyarrow")  # what pandas writes it with
    except ImportError as error:
        raise EnvironmentProblem(
            f"Parquet needs {error.name}, which is not installed beside this Python",
            hint='pip install "gbopt-llzo[tables]", or take --format csv',
        ) from None
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    pandas.DataFrame(rows).to_parquet(temporary, index=False)
    temporary.replace(target)
