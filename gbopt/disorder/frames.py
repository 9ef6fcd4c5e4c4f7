"""Frames on disk: those that a run keeps to be taken up from, left for the analysis."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gbopt.config import MDConfig, Potential
from gbopt.md.checkpoint import clear_checkpoints
from gbopt.md.engine import EngineSettings
from gbopt.md.frames import as_frame, frames_file, read_frames
from gbopt.md.protocol import Stage
from gbopt.md.run import Progress, run_md
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.trajectory import Trajectory, TrajectoryInfo
from gbopt.store.files import write_atomic

_MD = "md"


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
    checkpoint_s: float = math.inf,
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
        checkpoint_s: wall time between two checkpoints.

    Raises:
        MDError: the run failed.
        OSError: the folder cannot be written.
    """
    productions = {
        stage.name: frames_file(Path(_MD), index)
        for index, stage in enumerate(stages)
        if stage.kind == "production"
    }
    if all(is_whole(folder, name) for name in productions):
        return
    with run_md(
        structure,
        potential,
        stages,
        md,
        settings=settings,
        folder=folder / _MD,
        stall_s=stall_s,
        on_progress=on_progress,
        checkpoint_s=checkpoint_s,
    ) as run:
        found = {}
        for name in productions:
            trajectory = run.trajectory()
            found[name] = trajectory.info
            for _ in trajectory.frames:
                pass  # they are on disk
        run.finish()
    for name, file in productions.items():
        _describe(found[name], folder, name, {"engine": run.engine, "file": str(file)})
    clear_checkpoints(folder / _MD)


def _describe(info: TrajectoryInfo, folder: Path, name: str, more: dict[str, str]) -> None:
    plain = asdict(info) | {"species": info.species.tolist(), "cell": info.cell.tolist()}
    write_atomic(folder / f"{name}.json", json.dumps(plain | more))


def _description(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return found


def is_whole(folder: Path, name: str) -> bool:
    """Whether a stage has all its frames, and they have not been removed since."""
    described = (folder / f"{name}.json").exists()
    return described and (folder / _description(folder, name)["file"]).exists()


def engine_of(folder: Path, name: str) -> str:
    """Engine and version that the frames of a stage come from."""
    return str(_description(folder, name)["engine"])


def open_frames(folder: Path, name: str) -> Trajectory:
    """Open the frames of a stage; they are read as they are asked for."""
    plain = _description(folder, name)
    del plain["engine"]
    file = folder / plain.pop("file")
    plain["species"] = np.array(plain["species"], dtype=np.int8)
    plain["cell"] = np.array(plain["cell"])
    info = TrajectoryInfo(**plain)
    n_ions = len(info.species)
    stored = read_frames(file, n_ions, info.n_frames)
    return Trajectory(info, (as_frame(frame, n_ions) for frame in stored))


def remove_frames(folder: Path, name: str) -> None:
    """Delete the frames of a stage, if it has any; its description stays."""
    if is_whole(folder, name):
        (folder / _description(folder, name)["file"]).unlink()
