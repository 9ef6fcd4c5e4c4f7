"""One trial made again: its geometry bit for bit, its evaluation elsewhere, and what differs."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from gbopt.campaign.campaign import read_bulk
from gbopt.campaign.record import keep
from gbopt.config import CampaignConfig
from gbopt.errors import ConfigError, EnvironmentProblem, GeometryError, RunFolderError
from gbopt.evaluate.adaptive import Incumbent
from gbopt.evaluate.bulk import BulkReference
from gbopt.evaluate.candidate import Job, evaluate
from gbopt.evaluate.engines import fitted, on_its_gpu
from gbopt.evaluate.record import structure_key
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.files import write_structure
from gbopt.md.engine import EngineSettings
from gbopt.md.run import Progress
from gbopt.md.select import candidates
from gbopt.model.evaluation import Evaluation, Status
from gbopt.model.observables import Estimate
from gbopt.potentials.library import get_potential
from gbopt.store.rundir import RunFolder

_START = "start.extxyz"
_HEADER_LINES = 2
_COMPARED = (
    *("host", "cpu_count", "engine", "gbopt_version", "commit", "source_key", "python_version"),
    *("potential_key", "settings_key", "structure_key"),
)


@dataclass(frozen=True)
class Original:
    """A finished trial with what is needed to make it again."""

    folder: Path
    config: CampaignConfig
    bulk: BulkReference
    evaluation: Evaluation
    engine: EngineSettings
    """The engine that it was run with; the GPU is that of this machine."""


class Figure(NamedTuple):
    """One figure of a trial, before and again; None where one of them lacks it."""

    name: str
    before: Estimate | None
    again: Estimate | None

    @property
    def same(self) -> bool:
        """Whether value and error are the same, bit for bit."""
        return self.before == self.again

    @property
    def apart(self) -> float:
        """Difference over the joint standard error; nan where there is none."""
        if self.before is None or self.again is None:
            return math.nan
        joint = math.hypot(self.before.std_err, self.again.std_err)
        return (self.again.value - self.before.value) / joint if joint > 0 else math.nan


def original(path: Path, trial: int) -> Original:
    """Open a finished trial; nothing is written in its run folder.

    Raises:
        RunFolderError: it is no run folder, or has no such finished trial or no bulk reference.
    """
    folder = RunFolder.open_(path)
    config, bulk = folder.config.in_search(), read_bulk(folder)
    found = next((e for e in folder.evaluations() if e.trial == trial), None)
    if found is None or bulk is None:
        what = "bulk reference" if found else f"finished trial {trial}"
        raise RunFolderError(
            f"{path} has no {what}", hint=f"`gbopt trace {path}` lists the finished trials"
        )
    known = {field.name for field in fields(EngineSettings)}
    stored: Any = {n: v for n, v in found.provenance.engine_settings.items() if n in known}
    if "engine" not in stored:
        raise RunFolderError(
            f"trial {trial} of {path} does not say which engine it was run with",
            hint="its gbopt was older than that record: use the version that its provenance names",
        )
    engine = EngineSettings(**stored | {"device": ""})
    place = folder.trial_folder(trial, found.spec.key)
    return Original(place, config, bulk, found, engine)


def geometry_differences(trial: Original) -> list[str]:
    """Build the geometry of a trial again and hold it against the stored one.

    Returns:
        What differs, a sentence each; none: it is the same bit for bit.

    Raises:
        RunFolderError: the stored structure is gone.
    """
    evaluation, stored = trial.evaluation, trial.folder / _START
    rejected = evaluation.status is Status.GEOMETRY_REJECTED and evaluation.failure is not None
    try:
        built = build_bicrystal(evaluation.spec, trial.bulk.lattice_A.value)
        structure = fitted(built, trial.engine)
    except GeometryError as error:
        before = evaluation.failure.cause if rejected and evaluation.failure else "it was built"
        return [] if error.message == before else [f"now: {error.message}; then: {before}"]
    if rejected:
        return ["the geometry was rejected then, and is built now"]
    if not stored.is_file():
        raise RunFolderError(
            f"the structure {stored} is gone", hint="without it there is nothing to compare with"
        )
    found = []
    key = evaluation.provenance.structure_key
    if key and key != structure_key(structure):
        found.append(f"the key of ions and cell is {structure_key(structure)}, it was {key}")
    with tempfile.TemporaryDirectory() as scratch:
        again = Path(scratch) / _START
        write_structure(structure, again)
        return found + _lines_apart(_read(stored), _read(again))


def _read(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").splitlines()


def _lines_apart(before: list[str], again: list[str]) -> list[str]:
    """What two structure files differ by."""
    found = []
    if before[:1] != again[:1]:
        found.append(f"{' '.join(again[:1])} ions, there were {' '.join(before[:1])}")
    if before[1:_HEADER_LINES] != again[1:_HEADER_LINES]:
        found.append("the header (cell, provenance, version of gbopt) is another")
    pairs = zip(before[_HEADER_LINES:], again[_HEADER_LINES:], strict=False)
    if moved := sum(one != other for one, other in pairs):
        found.append(f"{moved} ions are elsewhere, or of another element")
    return found


def require_engine(trial: Original) -> EngineSettings:
    """The engine that a trial was run with, on this machine.

    Raises:
        EnvironmentProblem: it is not here.
    """
    config, wanted = trial.config, trial.engine
    potential = get_potential(config.md.potential)
    run = config.run.model_copy(
        update={"engine": wanted.engine, "accelerator": wanted.accelerator, "ranks": wanted.ranks}
    )
    here = candidates(potential, config.md, run, every=True)
    if not any(s.accelerator == wanted.accelerator for s in here):
        raise EnvironmentProblem(
            f"trial {trial.evaluation.trial} was run on {wanted.label}, which this machine has not",
            hint="--geometry-only builds its structure alone; or run it on a machine that has",
        )
    return on_its_gpu(wanted, 0)


def require_elsewhere(out: Path, run: Path) -> None:
    """Refuse a folder in which something could be overwritten.

    Raises:
        ConfigError: it lies in the run folder, or is not empty.
    """
    if out.resolve().is_relative_to(run.resolve()):
        raise ConfigError(
            f"--out {out} lies in the run folder {run}", hint="name a folder outside of it"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"--out {out} exists already", hint="name a new folder")


def evaluate_anew(
    trial: Original, out: Path, on_progress: Callable[[Progress], None]
) -> Evaluation:
    """Evaluate a trial again, with the engine that it was run with, in a folder of its own.

    Args:
        trial: the trial.
        out: the new folder; its record is ``evaluation.json``.
        on_progress: called with every report of the MD.

    Raises:
        EnvironmentProblem: this machine does not have that engine.
    """
    before, settings = trial.evaluation, require_engine(trial)
    best = before.provenance.best_known
    job = Job(
        number=before.trial,
        replicate=before.replicate,
        requested=before.requested,
        params=before.params,
        spec=before.spec,
        best=None if best is None else Incumbent(*best),
    )
    again = evaluate(
        job, trial.config, trial.bulk, settings=settings, folder=out, on_progress=on_progress
    )
    keep(again, out)
    return again


def figures(before: Evaluation, again: Evaluation) -> list[Figure]:
    """Every figure of a trial before and again: the objective, the cell, each boundary."""
    pairs = [("objective (log10)", before.objective, again.objective)]
    cells = before.observables, again.observables
    pairs += [(n, cells[0].get(n), cells[1].get(n)) for n in sorted({*cells[0], *cells[1]})]
    for number, (one, other) in enumerate(zip(before.boundaries, again.boundaries, strict=False)):
        mine, others = one.observables, other.observables
        for name in sorted({*mine, *others}):
            pairs.append((f"{name}, boundary {number}", mine.get(name), others.get(name)))
    return [Figure(*pair) for pair in pairs if pair[1] is not None or pair[2] is not None]


def surroundings(before: Evaluation, again: Evaluation) -> list[str]:
    """What differs of outcome, host, engine and versions, a line each."""
    then, now = before.provenance, again.provenance
    named: list[tuple[str, Any, Any]] = [
        ("status", before.status.value, again.status.value),
        ("ending", before.ending, again.ending),
        ("preparation", _preparation(before), _preparation(again)),
    ]
    named += [(n.replace("_", " "), getattr(then, n), getattr(now, n)) for n in _COMPARED]
    for kind, one, other in (
        ("", then.packages, now.packages),
        ("engine ", then.engine_settings, now.engine_settings),
    ):
        names = sorted({*one, *other} - {"device"})
        named += [(f"{kind}{n}", one.get(n), other.get(n)) for n in names]
    return [f"{name}: then {a or 'not said'}, now {b or 'none'}" for name, a, b in named if a != b]


def _preparation(evaluation: Evaluation) -> str:
    return evaluation.conditions.preparation if evaluation.conditions else ""
