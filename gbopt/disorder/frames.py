"""Frames on disk: written as they come, so that a run that is killed goes on where it was.

Numbers are kept as float32: positions within 1e-5 A, less than any noise in them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gbopt.config import MDConfig, Potential
from gbopt.md.checkpoint import clear_checkpoints
from gbopt.md.engine import EngineSettings
from gbopt.md.protocol import Stage
from gbopt.md.run import MDRun, Progress, run_md
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.trajectory import Trajectory, TrajectoryInfo
from gbopt.store.files import write_atomic

_CHECKPOINTS = 20
"""Of the longest stage of a run."""


class _FramesLostError(Exception):
    """The engine goes on later than the frames on disk reach."""


def record_run(
    structure: Bicrystal,
    potential: Potential,
    stages: tuple[Stage, ...],
    md: MDConfig,
    *,
    settings: EngineSettings,
    folder: Path,
    stall_s: float,
    on_progress: Callable[[Progress], None],
) -> None:
    """Run the stages and keep the frames of every production stage in the folder.

    A run that was interrupted is taken up at its last checkpoint; one that has all its frames is
    not run again.

    Args:
        structure: the ions and their cell.
        potential: how they interact.
        stages: what to do.
        md: temperature and frame interval.
        settings: the engine.
        folder: where frames, logs and checkpoints go.
        stall_s: silence after which the MD process is given up.
        on_progress: called with every report of the MD.

    Raises:
        MDError: the run failed.
        OSError: the folder cannot be written.
    """
    wanted = [stage.name for stage in stages if stage.kind == "production"]
    longest = max(stage.steps for stage in stages)

    def go() -> None:
        with run_md(
            structure,
            potential,
            stages,
            md,
            settings=settings,
            folder=folder / "md",
            stall_s=stall_s,
            on_progress=on_progress,
            checkpoint_steps=max(1, longest // _CHECKPOINTS),
        ) as run:
            _record(run, wanted, folder)

    if all(is_whole(folder, name) for name in wanted):
        return
    try:
        go()
    except _FramesLostError:  # killed between a checkpoint and the frames before it
        clear_checkpoints(folder / "md")
        go()


def _record(run: MDRun, wanted: list[str], folder: Path) -> None:
    while not all(is_whole(folder, name) for name in wanted):
        trajectory = run.trajectory()
        before = wanted[: wanted.index(run.stage)]
        if not all(is_whole(folder, name) for name in before):
            raise _FramesLostError
        _write(trajectory, folder, run.stage, run.engine)
    run.finish()


def _write(trajectory: Trajectory, folder: Path, name: str, engine: str) -> None:
    info = trajectory.info
    path, size = folder / f"{name}.f32", 12 * len(info.species)
    there = path.stat().st_size if path.exists() else 0
    if there < info.first_frame * size:
        raise _FramesLostError
    # Unbuffered: what has been taken from the engine survives a kill of this process.
    with path.open("r+b" if there else "wb", buffering=0) as handle:
        handle.truncate(info.first_frame * size)
        handle.seek(info.first_frame * size)
        for frame in trajectory.frames:
            handle.write(frame.astype("<f4").tobytes())
    plain = asdict(info) | {
        "species": info.species.tolist(),
        "cell": info.cell.tolist(),
        "first_frame": 0,
        "engine": engine,
    }
    write_atomic(folder / f"{name}.json", json.dumps(plain))


def is_whole(folder: Path, name: str) -> bool:
    """Whether a stage has all its frames, and they have not been removed since."""
    return (folder / f"{name}.json").exists() and (folder / f"{name}.f32").exists()


def engine_of(folder: Path, name: str) -> str:
    """Engine and version that the frames of a stage come from."""
    return str(json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["engine"])


def open_frames(folder: Path, name: str) -> Trajectory:
    """Open the frames of a stage; they are read as they are asked for."""
    plain = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    del plain["engine"]
    plain["species"] = np.array(plain["species"], dtype=np.int8)
    plain["cell"] = np.array(plain["cell"])
    info = TrajectoryInfo(**plain)
    shape = (info.n_frames, len(info.species), 3)
    stored: NDArray[np.float32] = np.memmap(folder / f"{name}.f32", "<f4", mode="r", shape=shape)
    return Trajectory(info, (np.asarray(frame, dtype=np.float64) for frame in stored))


def remove_frames(folder: Path, name: str) -> None:
    """Delete the frames of a stage; its description stays."""
    (folder / f"{name}.f32").unlink(missing_ok=True)
