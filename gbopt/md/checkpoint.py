"""Where a run stands on disk: the engine's own file, and what the child counts beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gbopt.md.engine import Engine

_NAME = "checkpoint.json"


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
    temporary = folder / f"{_NAME}.tmp"
    temporary.write_text(json.dumps({"key": key, "file": name, **asdict(at)}), encoding="utf-8")
    temporary.replace(folder / _NAME)
    for old in folder.glob("checkpoint-*"):
        if not old.name.startswith(name.removesuffix(".state") + "."):
            old.unlink()
    return folder / name


def read_checkpoint(folder: Path, engine: Engine, key: str) -> Checkpoint | None:
    """Bring the engine to the checkpoint of an equal request; None where there is none."""
    try:
        found = json.loads((folder / _NAME).read_text(encoding="utf-8"))
        name, owner = found.pop("file"), found.pop("key")
    except (OSError, ValueError, KeyError):
        return None  # never written, or cut short by whatever ended the run
    if owner != key or not (folder / name).exists():
        return None
    engine.load(folder / name)
    return Checkpoint(**found)


def clear_checkpoints(folder: Path) -> None:
    """Take the checkpoints of a run away."""
    for file in folder.glob("checkpoint*"):
        file.unlink()
