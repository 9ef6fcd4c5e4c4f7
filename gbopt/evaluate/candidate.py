"""One candidate: build, run, measure, and record whatever happened."""

from __future__ import annotations

import json
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.frames import drift_corrected
from gbopt.cache import write_whole
from gbopt.config import CampaignConfig
from gbopt.crystal.neighbours import wrap
from gbopt.errors import AnalysisError, EnvironmentProblem, GeometryError, MDError
from gbopt.evaluate.adaptive import Incumbent
from gbopt.evaluate.agreement import route_flag
from gbopt.evaluate.attempts import (
    PREPARED,
    Start,
    both,
    careful_start,
    first_failure,
    preparation,
    retried_flag,
    second_progress,
    set_first_aside,
    times_before,
)
from gbopt.evaluate.bulk import BulkReference
from gbopt.evaluate.energies import gb_energy, inherent_energy
from gbopt.evaluate.engines import fitted
from gbopt.evaluate.fields import FieldStage, charge_scale, follow_fields
from gbopt.evaluate.kills import survive
from gbopt.evaluate.meters import Meters
from gbopt.evaluate.record import Job, Notes, conditions, now, record, temperature_flag
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.files import write_structure
from gbopt.md.checkpoint import clear_run
from gbopt.md.engine import EngineSettings
from gbopt.md.protocol import Stage, boundary_stages, frame_steps, frames_of
from gbopt.md.room import needed_bytes, unwritable
from gbopt.md.run import MDRun, Progress, run_md
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.evaluation import (
    Evaluation,
    Failure,
    QualityFlag,
    Status,
)
from gbopt.model.observables import Estimate
from gbopt.model.trajectory import TrajectoryInfo
from gbopt.potentials.library import get_potential

__all__ = ["Job", "evaluate", "tidy"]

_NPY_HEADER = 128
_INCUMBENT = "incumbent.json"


def evaluate(
    job: Job,
    config: CampaignConfig,
    bulk: BulkReference,
    *,
    settings: EngineSettings,
    folder: Path,
    on_progress: Callable[[Progress], None],
) -> Evaluation:
    """Evaluate one boundary.

    Trouble with this candidate (geometry, MD, analysis) becomes part of the returned record. One
    that was interrupted goes on from the last checkpoint in its folder and comes to the same
    figures; when the record is on disk, ``tidy`` removes what that takes.

    Args:
        job: the candidate.
        config: the campaign.
        bulk: the reference crystal.
        settings: the engine that runs it.
        folder: the trial's folder.
        on_progress: called with every report of the MD.

    Raises:
        EnvironmentProblem: no MD is possible on this machine at all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    notes = Notes(started_utc=now(), settings=settings, retry=times_before(folder))
    status, failure = Status.OK, None
    try:
        job = _as_begun(job, folder)
        _build(job, bulk, folder, notes)
        _attempt(job, config, bulk, folder, notes, on_progress)
    except EnvironmentProblem:
        raise
    except OSError as error:
        # A full disk or a lost file system is no fault of this candidate: it stays unfinished
        # and is run again on resume.
        raise unwritable(folder, error, _needed(config, notes)) from error
    except GeometryError as error:
        status, failure = Status.GEOMETRY_REJECTED, _failure("geometry", error)
    except MDError as error:
        status = Status.MD_FAILED
        failure = _failure(error.stage, error, error.log_tail)
    except AnalysisError as error:
        status, failure = Status.ANALYSIS_FAILED, _failure("analysis", error)
    except Exception as error:  # noqa: BLE001 - recorded with its traceback, campaign goes on
        status = Status.ANALYSIS_FAILED
        failure = Failure(
            stage="unexpected",
            cause=f"{type(error).__name__}: {error}",
            hint="this is a defect of gbopt: report the traceback below",
            log_tail=traceback.format_exc(),
        )
    return record(job, config, notes, status, failure)


def _as_begun(job: Job, folder: Path) -> Job:
    """The job with the best boundary that was known when it was first begun.

    On that depends when production ends, so a job that is taken up must not see another.
    """
    file = folder / _INCUMBENT
    try:
        best = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        write_whole(file, json.dumps(job.best))
        return job
    return replace(job, best=Incumbent(*best) if best else None)


def tidy(folder: Path) -> None:
    """Delete what an evaluation is taken up from. Call when its record is on disk."""
    for name in ("md", PREPARED):
        clear_run(folder / name)
    (folder / _INCUMBENT).unlink(missing_ok=True)


def _needed(config: CampaignConfig, notes: Notes) -> int:
    """Room on the disk that the evaluation needs, bytes."""
    n_ions = notes.structure.n_ions if notes.structure else config.geometry.max_ions
    stages = _stages(config, 0)
    frames = frames_of(stages, frame_steps(config.md))
    if config.run.keep_trajectory:
        frames += next(s.steps for s in stages if s.kind == "production") // frame_steps(config.md)
    return needed_bytes(n_ions, frames)


def _failure(
    stage: str, error: GeometryError | MDError | AnalysisError, log_tail: str = ""
) -> Failure:
    return Failure(stage=stage, cause=error.message, hint=error.hint, log_tail=log_tail)


def _build(job: Job, bulk: BulkReference, folder: Path, notes: Notes) -> None:
    started = time.monotonic()
    notes.structure = fitted(build_bicrystal(job.spec, bulk.lattice_A.value), notes.settings)
    write_structure(notes.structure, folder / "start.extxyz")
    notes.artifacts["start"] = "start.extxyz"
    notes.seconds["geometry"] = round(time.monotonic() - started, 3)


def _attempt(
    job: Job,
    config: CampaignConfig,
    bulk: BulkReference,
    folder: Path,
    notes: Notes,
    on_progress: Callable[[Progress], None],
) -> None:
    """Run a candidate; once more, and more carefully, if its MD fails.

    MD that was killed is no failure of the candidate: it goes on at its checkpoint, but not for
    ever, for it may be too large for the memory.
    """
    structure, stages = notes.structure, _stages(config, job.spec.seed)
    assert structure is not None  # noqa: S101 - _build came before

    def as_configured(report: Callable[[Progress], None]) -> None:
        notes.begin_again()
        _run(Start(structure, stages), job, config, bulk, folder, notes, report)

    first = first_failure(folder)
    if first is None:
        try:
            survive(as_configured, on_progress)
        except MDError as error:
            first = set_first_aside(folder, error)
        else:
            return
    failure = first

    def carefully(report: Callable[[Progress], None]) -> None:
        started = time.monotonic()
        notes.begin_again()
        notes.more_flags = (retried_flag(failure, config.md),)
        notes.preparation = preparation(config.md)
        start = careful_start(
            structure,
            stages,
            config,
            job.spec.seed,
            settings=notes.settings,
            folder=folder,
            on_progress=report,
        )
        notes.seconds["careful_start"] = round(time.monotonic() - started, 2)
        _run(start, job, config, bulk, folder, notes, report)

    try:
        survive(carefully, second_progress(on_progress))
    except MDError as error:
        raise both(first, error) from None


def _run(
    start: Start,
    job: Job,
    config: CampaignConfig,
    bulk: BulkReference,
    folder: Path,
    notes: Notes,
    on_progress: Callable[[Progress], None],
) -> None:
    structure = notes.structure
    assert structure is not None  # noqa: S101 - _build came before
    started = time.monotonic()
    with run_md(
        start.structure,
        get_potential(config.md.potential),
        start.stages,
        config.md,
        settings=notes.settings,
        folder=folder / "md",
        stall_s=config.run.stall_s,
        checkpoint_s=config.run.checkpoint_s,
        on_progress=on_progress,
    ) as run:

        def go_on() -> bool:
            quenched.append(frame)
            notes.segments += 1
            notes.ending = meters.ending(bulk, notes.segments, job.best)
            meters.tell(folder)
            return notes.ending is None

        trajectory = start.known(run.trajectory(go_on))
        notes.engine = run.engine
        notes.seconds["equilibration"] = round(time.monotonic() - started, 2)
        meters = Meters(structure, trajectory.info, config)
        quenched: deque[NDArray[np.float64]] = deque(maxlen=config.analysis.energy_frames)
        frame = np.empty((0, 3))
        for frame in _kept(drift_corrected(trajectory), trajectory.info, config, folder, notes):
            meters.add(frame)
            notes.frames += 1
        if notes.ending is None:
            quenched.append(frame)
            notes.ending, notes.segments = "budget", config.analysis.segments
        # A pruned boundary is not worth its runs under a field.
        stages = () if notes.ending == "inferior" else _fields(run, config, notes)
        notes.md_steps = start.steps + sum(run.steps_done.values())
        notes.seconds["md"] = round(time.monotonic() - started, 2)
        notes.more_flags += (temperature_flag(run.mean_temperature_K(), config.md.temperature_K),)
    _write_final(structure, trajectory.info.cell, frame, folder, notes)
    notes.conditions = conditions(config, bulk, structure, trajectory.info.length_A, notes)
    notes.measured = meters.result(bulk, stages, notes.segments)
    notes.artifacts |= meters.write_profiles(folder)
    if quenched and bulk.inherent_eV is not None:
        started = time.monotonic()
        _measure_energy(quenched, trajectory.info.cell, bulk.inherent_eV, config, folder, notes)
        notes.seconds["energy"] = round(time.monotonic() - started, 2)
    elif quenched:
        why = bulk.energy_failure or "the bulk reference was made without quenched energies"
        notes.more_flags += (_no_energy(why),)


def _stages(config: CampaignConfig, seed: int) -> tuple[Stage, ...]:
    scale, chunks = charge_scale(config), config.analysis.segments
    return boundary_stages(config.md, seed, config.field, chunks=chunks, charge_scale=scale)


def _fields(run: MDRun, config: CampaignConfig, notes: Notes) -> tuple[FieldStage, ...]:
    """Follow the runs under fields; one that fails costs only the field route, and is flagged."""
    try:
        return follow_fields(run, config)
    except (MDError, AnalysisError) as error:
        notes.more_flags += (
            route_flag(
                "field_run",
                ok=False,
                measured=0,
                limit=1,
                message=f"no figures under a field: {error.message}.",
            ),
        )
        return ()


def _measure_energy(
    frames: Sequence[NDArray[np.float64]],
    cell: NDArray[np.float64],
    crystal_eV: Estimate,
    config: CampaignConfig,
    folder: Path,
    notes: Notes,
) -> None:
    """Add the boundary energy; without one the other figures stand, and it is flagged."""
    structure, measured = notes.structure, notes.measured
    assert structure is not None  # noqa: S101 - the run came before
    assert measured is not None  # noqa: S101
    try:
        where = folder / "energy"
        energy = inherent_energy(structure, frames, cell, config, notes.settings, where)
        measured.cell["gb_energy"] = gb_energy(
            energy, structure, crystal_eV, config, notes.settings
        )
    except (MDError, AnalysisError) as error:
        notes.more_flags += (_no_energy(f"{error.message} ({folder / 'energy'})"),)


def _no_energy(why: str) -> QualityFlag:
    message = f"no boundary energy: {why}."
    return route_flag("energy", ok=False, measured=0, limit=1, message=message)


def _kept(
    frames: Iterator[NDArray[np.float64]],
    info: TrajectoryInfo,
    config: CampaignConfig,
    folder: Path,
    notes: Notes,
) -> Iterator[NDArray[np.float64]]:
    """Pass the frames on, writing each to ``trajectory.npy`` where the campaign keeps them."""
    if not config.run.keep_trajectory:
        yield from frames
        return
    shape = len(info.species), 3
    # Plain writes: a full disk is an error here, where it would be a fatal signal with a memmap.
    with (folder / "trajectory.npy").open("wb") as handle:
        handle.write(_npy_header((info.n_frames, *shape)))
        for frame in frames:
            handle.write(frame.astype("<f4").tobytes())
            yield frame
        count = (handle.tell() - _NPY_HEADER) // (12 * shape[0])
        handle.seek(0)  # production may have ended early
        handle.write(_npy_header((count, *shape)))
    notes.artifacts["trajectory"] = "trajectory.npy"


def _npy_header(shape: tuple[int, int, int]) -> bytes:
    """Header of an npy file of float32, version 1.0, of the same size whatever the shape."""
    layout = {"descr": "<f4", "fortran_order": False, "shape": shape}
    text = f"{layout}".ljust(_NPY_HEADER - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode("ascii")


def _write_final(
    structure: Bicrystal,
    cell: NDArray[np.float64],
    last_frame: NDArray[np.float64],
    folder: Path,
    notes: Notes,
) -> None:
    final = replace(structure, positions=wrap(last_frame, cell), cell=cell)
    write_structure(final, folder / "final.extxyz")
    notes.artifacts["final"] = "final.extxyz"
