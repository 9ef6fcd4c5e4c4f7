"""Campaigns on a recorded landscape: everything is real but the MD, whose figures are looked up.

The record is the CSV that ``gbopt export DIR --format csv`` writes. An evaluation of a boundary in
it takes as long as the recorded one, or a share of that, and comes to the recorded value with noise
of the recorded error, drawn by the seed of its structure: the same trial always to the same figure.
"""

import csv
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gbopt.evaluate.candidate import Job
from gbopt.evaluate.record import Notes, now, record
from gbopt.md import stopping
from gbopt.md.engine import EngineSettings
from gbopt.md.run import Progress
from gbopt.model.evaluation import Evaluation, Failure, Status
from gbopt.model.observables import Estimate

RECORD = Path(__file__).parents[1] / "campaigns/reference/catalogue-scan/evaluations.csv"
_LOOK_S = 0.02
_STEPS = 1000
# Read by every Python process that is started with the environment below.
_SITE = """\
import sys
sys.path.insert(0, {scripts!r})
from _looked_up import LookedUp
sys.meta_path.insert(0, LookedUp({table!r}, {faster!r}, {deadly!r}))
"""

# The space of the catalogue scan; its MD is never run.
_CAMPAIGN = """\
name = "landscape"
question = "What do campaigns do on a recorded landscape?"
seed = 11
[geometry]
axes = [[0, 0, 1], [1, 1, 0]]
width_layers = [2, 5]
crystal_A = 10
max_ions = 4000
[md]
npt_ps = 0.1
nvt_ps = 0.1
production_ps = 1
frame_ps = 0.01
[bulk]
cells = 1
npt_ps = 0.1
production_ps = 3
[analysis]
lag_ps = 0.05
segments = 4
energy_frames = 0
[search]
evaluations = {evaluations}
initial = {initial}
patience = {evaluations}
[run]
"""

Table = dict[str, dict[str, str]]


def campaign(evaluations: int, initial: int, run: str = "") -> str:
    """Text of a campaign file over the recorded landscape.

    Args:
        evaluations: all of them are made, whatever they bring.
        initial: those before the first proposal.
        run: further lines of the file, of its table ``run``.
    """
    return _CAMPAIGN.format(evaluations=evaluations, initial=initial) + run


def environment(folder: Path, table: Path, faster: float, deadly: tuple[str, ...] = ()) -> dict:
    """Environment in which the command evaluates by looking up.

    Args:
        folder: for what the processes read when they start.
        table: the record.
        faster: how many times faster than recorded.
        deadly: boundaries whose evaluation ends its process, as one that is too large does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scripts = str(Path(__file__).resolve().parent)
    text = _SITE.format(scripts=scripts, table=str(table.resolve()), faster=faster, deadly=deadly)
    (folder / "sitecustomize.py").write_text(text, encoding="utf-8")
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def require(file: Path) -> None:
    """End the script where there is no record."""
    if not file.exists():
        sys.exit(
            f"no record {file}: make it with scripts/reference FOLDER reduced, or name another"
        )


def read(file: Path) -> Table:
    """Recorded evaluations by boundary."""
    with file.open(encoding="utf-8", newline="") as handle:
        return {row["boundary"]: row for row in csv.DictReader(handle)}


def player(table: Table, faster: float, deadly: tuple[str, ...]) -> Callable[..., Evaluation]:
    """What takes the place of ``gbopt.evaluate.candidate.evaluate``."""

    def evaluate(
        job: Job,
        config: Any,
        bulk: Any,  # noqa: ARG001 - the signature is that of what it replaces
        *,
        settings: EngineSettings,
        folder: Path,
        on_progress: Callable[[Progress], None],
    ) -> Evaluation:
        folder.mkdir(parents=True, exist_ok=True)
        notes = Notes(started_utc=now(), settings=settings)
        row = table.get(job.spec.label)
        if job.spec.label in deadly:
            os._exit(9)
        if row is None:
            why = Failure(stage="geometry", cause="not in the record", hint="", log_tail="")
            return record(job, config, notes, Status.GEOMETRY_REJECTED, why)
        duration_s = 60 * float(row["minutes"]) / faster
        began = time.monotonic()
        while (share := (time.monotonic() - began) / duration_s) < 1:
            stopping.heed()
            step = int(share * _STEPS)
            on_progress(Progress("production", step, _STEPS, config.md.temperature_K))
            time.sleep(min(_LOOK_S, duration_s))
        notes.seconds = {"md": duration_s}
        if not row["log10_objective"]:
            why = Failure(stage="production", cause=row["cause"], hint="", log_tail="")
            return record(job, config, notes, Status.MD_FAILED, why)
        found = record(job, config, notes, Status(row["status"]), None)
        noise = np.random.default_rng(job.spec.seed).normal()
        objective = _estimate(row, "log10_objective")
        return found.model_copy(
            update={
                "objective": objective.model_copy(
                    update={"value": objective.value + noise * objective.std_err}
                ),
                "observables": {
                    name.removesuffix("_unit"): _estimate(row, name.removesuffix("_unit"))
                    for name, value in row.items()
                    if name.endswith("_unit") and row[name.removesuffix("_unit")]
                },
            }
        )

    return evaluate


def _estimate(row: dict[str, str], name: str) -> Estimate:
    return Estimate(
        value=float(row[name]),
        std_err=float(row[f"{name}_err"]),
        unit=row.get(f"{name}_unit", "log10(ohm cm)"),
        n_eff=1.0,
        method="recorded",
        bound=row[f"{name}_bound"] or None,
    )
