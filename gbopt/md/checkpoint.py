"""Where a run stands on disk: the engine's own file, and what the child counts beside it."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gbopt.md.engine import Engine
from gbopt.md.frames import frames_bytes, frames_file

_NAME = "checkpoint.json"
_PASSED = "checkpoint-passed.state"


@dataclass(slots=True, kw_only=True)
class Production:
    """A production stage that has begun."""

    stage: int
    """Its index."""
    cell: list[list[float]]
    """A."""
    length_err_A: float
    frames: int = 0
    """How many have been taken."""
    temperature_sum_K: float = 0.0
    """Sum over them, the first one apart."""

    @property
    def mean_temperature_K(self) -> float:
        """Mean over the frames; nan before the second one."""
        return self.temperature_sum_K / (self.frames - 1) if self.frames > 1 else math.nan


@dataclass(slots=True, kw_only=True)
class Checkpoint:
    """How far a run has come."""

    stage: int = 0
    """Index of the stage that is next or in progress."""
    done: int = 0
    """Steps of it that are done."""
    length_err_A: float = 0.0
    """Standard error of the cell length, from the last NPT stage."""
    edges_A: list[list[float]] = field(default_factory=list)
    """Cell edges sampled in the stage."""
    productions: list[Production] = field(default_factory=list)
    """Production stages that have begun, finished ones too."""
    steps: dict[str, int] = field(default_factory=dict)
    """Steps that were done in each stage, by its name."""

    def next_stage(self) -> None:
        """Come to the beginning of the next stage."""
        self.stage, self.done, self.edges_A = self.stage + 1, 0, []


def write_checkpoint(
    folder: Path, engine: Engine, at: Checkpoint, key: str, *, writer: bool = True
) -> Path:
    """Save the engine, then say so: a checkpoint is there whole or not at all; return its file.

    Args:
        folder: of the run.
        engine: in it.
        at: how far it has come.
        key: content key of the request.
        writer: False on all MPI ranks but the first: they only take part in the saving.
    """
    name = f"checkpoint-{at.stage}-{at.done}.state"
    engine.save(folder / name)
    if not writer:
        return folder / name
    for file in folder.glob(f"{name.removesuffix('.state')}.*"):
        _sync(file)
    temporary = folder / f"{_NAME}.tmp"
    temporary.write_text(json.dumps({"key": key, "file": name, **asdict(at)}), encoding="utf-8")
    _sync(temporary)
    temporary.replace(folder / _NAME)
    for old in folder.glob("checkpoint-*"):
        if not old.name.startswith(name.removesuffix(".state") + "."):
            old.unlink()
    return folder / name


def pass_through_file(folder: Path, engine: Engine) -> Path:
    """Save the engine for nobody but itself; return its file."""
    engine.save(folder / _PASSED)
    return folder / _PASSED


def _sync(file: Path) -> None:
    """Make sure that a file survives this machine."""
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def read_checkpoint(folder: Path, engine: Engine, key: str, n_ions: int) -> Checkpoint | None:
    """Bring the engine to the checkpoint of an equal request; None where there is none.

    Args:
        folder: of the run.
        engine: to load it into.
        key: content key of the request.
        n_ions: of the cell: a checkpoint whose frames are gone is none.
    """
    try:
        found = json.loads((folder / _NAME).read_text(encoding="utf-8"))
        name, owner = found.pop("file"), found.pop("key")
        if owner != key or not (folder / name).exists():
            return None
        found["productions"] = [Production(**each) for each in found["productions"]]
        for each in found["productions"]:
            there = frames_file(folder, each.stage).stat().st_size
            if there < frames_bytes(n_ions, each.frames):
                return None
    except (OSError, ValueError, KeyError):
        return None  # never written, or cut short by whatever ended the run
    engine.load(folder / name)
    return Checkpoint(**found)


def clear_checkpoints(folder: Path) -> None:
    """Take the checkpoints of a run away; its frames stay."""
    for file in folder.glob("checkpoint*"):
        file.unlink()


def clear_run(folder: Path) -> None:
    """Take everything away that a run could be taken up from. Call when its outcome is on disk."""
    clear_checkpoints(folder)
    for file in folder.glob("frames-*"):
        file.unlink()
