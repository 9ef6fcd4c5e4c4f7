"""What the parent asks the child for: plain JSON and arrays in the run's folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from gbopt.config import Potential
from gbopt.md.engine import EngineSettings, System
from gbopt.md.protocol import Stage, frames_of
from gbopt.md.room import needed_bytes
from gbopt.provenance import content_key

_POTENTIAL: TypeAdapter[Potential] = TypeAdapter(Potential)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A run: the ions, how they interact, on which engine, through which stages."""

    system: System
    potential: Potential
    settings: EngineSettings
    stages: tuple[Stage, ...]
    frame_steps: int
    """Steps between two frames, where a stage has no number of its own."""

    @property
    def room_bytes(self) -> int:
        """Room that the run needs on the disk."""
        return needed_bytes(len(self.system.species), frames_of(self.stages, self.frame_steps))

    @property
    def key(self) -> str:
        """Content key: a checkpoint of another request is of no use."""
        system = self.system
        # By content, not by place: a run folder may have moved, a file may have changed; the next
        # worker that takes the run up may have another GPU.
        settings = replace(self.settings, device="", threads=1)
        plain = {**self._plain(), "potential": self.potential.key, "settings": asdict(settings)}
        return content_key({"system": _digest(system), **plain})

    def _plain(self) -> dict[str, object]:
        return {
            "potential": self.potential.model_dump(mode="json"),
            "settings": asdict(self.settings),
            "elements": list(self.system.elements),
            "stages": [_plain_stage(stage) for stage in self.stages],
            "frame_steps": self.frame_steps,
        }

    def write(self, folder: Path) -> None:
        """Write ``request.json`` and ``start.npz``."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "request.json").write_text(json.dumps(self._plain(), indent=1), encoding="utf-8")
        system = self.system
        np.savez(
            folder / "start.npz",
            positions=system.positions,
            cell=system.cell,
            species=system.species,
            core=system.core,
        )


def _plain_stage(stage: Stage) -> dict[str, object]:
    """A stage without what it leaves to the request: its key is that of before there was such."""
    plain = asdict(stage)
    if not stage.frame_steps:
        del plain["frame_steps"]
    if stage.sends == "positions":
        del plain["sends"]
    return plain


def _digest(system: System) -> str:
    arrays = (system.positions, system.cell, system.species, system.core)
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()


def read_request(folder: Path) -> Request:
    """Read what ``Request.write`` wrote."""
    plain = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    start = np.load(folder / "start.npz")
    return Request(
        system=System(
            positions=start["positions"],
            cell=start["cell"],
            species=start["species"],
            elements=tuple(plain["elements"]),
            core=start["core"],
        ),
        potential=_POTENTIAL.validate_python(plain["potential"]),
        settings=EngineSettings(**plain["settings"]),
        stages=tuple(Stage(**stage) for stage in plain["stages"]),
        frame_steps=plain["frame_steps"],
    )
