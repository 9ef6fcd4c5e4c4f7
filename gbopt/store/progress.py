"""Where a trial stands, for those who watch."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from gbopt.model.evaluation import SO_FAR

PROGRESS = "progress.json"


class ProgressFile:
    """Writes a trial's progress for `gbopt status`, at most twice a second."""

    _INTERVAL_S = 0.5

    def __init__(self, folder: Path, **fixed: Any) -> None:
        self._file = folder / PROGRESS
        self._fixed = fixed
        self._last = 0.0
        self._stage, self._began_s, self._from_step = "", 0.0, 0
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SO_FAR).unlink(missing_ok=True)  # of a run that was interrupted

    def write(self, stage: str, step: int, steps: int) -> None:
        """Report a stage and the steps done in it; their speed is that since its first report."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began_s, self._from_step = stage, now, step
        if now - self._last < self._INTERVAL_S:
            return
        self._last = now
        record = {**self._fixed, "stage": stage, "step": step, "steps": steps}
        if now > self._began_s and step > self._from_step:
            speed = (step - self._from_step) / (now - self._began_s)
            record["steps_per_s"] = float(f"{speed:.4g}")
        temporary = self._file.with_suffix(".tmp")
        temporary.write_text(json.dumps(record) + "\n", encoding="utf-8")
        temporary.replace(self._file)
