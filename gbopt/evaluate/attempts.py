"""A second, more careful attempt at a run that failed.

What died, hung or blew up once is tried once more (what was killed goes on at its checkpoint
first): minimised for longer, disordered and brought to pressure with half the time step. NVT,
production and the runs under fields are as always, so that the figures compare with those of all
other runs. What the first attempt left is set aside.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gbopt.config import CampaignConfig, MDConfig
from gbopt.errors import MDError
from gbopt.evaluate.agreement import route_flag
from gbopt.md.checkpoint import clear_run
from gbopt.md.engine import EngineSettings
from gbopt.md.protocol import Stage, boundary_stages, frame_steps
from gbopt.md.run import Progress, run_md
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.evaluation import Failure, QualityFlag
from gbopt.model.trajectory import Trajectory
from gbopt.potentials.library import get_potential
from gbopt.provenance import derive_seed

AS_CONFIGURED = "as configured"
_FIRST, _START = "first-attempt.json", "second-start.npz"
_SET_ASIDE, PREPARED = "md-first", "md-prepare"
EARLIER = "earlier-"
"""Beginning of the folders of what a trial came to before it was evaluated again."""
_MORE_ITERATIONS, _SHORTER_STEP = 4, 2
_SETTLE_BRANCH = 3  # spawn key of the velocities that NVT begins with
_AFTER = "nvt"  # the first stage that is as always


def times_before(folder: Path) -> int:
    """How often the trial in a folder had been evaluated before it was to be evaluated again."""
    return len(list(folder.glob(f"{EARLIER}*")))


class Start(NamedTuple):
    """What a run starts from."""

    structure: Bicrystal
    """Ions, unwrapped, and cell."""
    stages: tuple[Stage, ...]
    """What is to be done with it."""
    length_err_A: float | None = None
    """Error of the cell length, where that was found before."""
    steps: int = 0
    """MD steps that led to it."""

    def known(self, trajectory: Trajectory) -> Trajectory:
        """A trajectory that began here, with what was found before."""
        if self.length_err_A is None:
            return trajectory
        info = replace(trajectory.info, length_err_A=self.length_err_A)
        return replace(trajectory, info=info)


def first_failure(folder: Path) -> Failure | None:
    """How the first attempt failed; None where there was none, or it is the one to be made."""
    file = folder / _FIRST
    try:
        return Failure.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:  # cut short by whatever ended the process
        return None


def set_first_aside(folder: Path, error: MDError) -> Failure:
    """Keep what the first attempt left in the folder of a trial, and say how it failed."""
    failure = Failure(
        stage=error.stage, cause=error.message, hint=error.hint, log_tail=error.log_tail
    )
    aside = folder / _SET_ASIDE
    shutil.rmtree(aside, ignore_errors=True)
    if (folder / "md").exists():
        clear_run(folder / "md")
        (folder / "md").rename(aside)
    temporary = folder / f"{_FIRST}.tmp"
    temporary.write_text(failure.model_dump_json(indent=1), encoding="utf-8")
    temporary.replace(folder / _FIRST)
    return failure


def preparation(md: MDConfig) -> str:
    """What the second attempt does otherwise, in words."""
    return (
        f"second attempt: up to {_MORE_ITERATIONS * md.minimise_iterations} iterations of "
        f"minimisation, {md.timestep_ps / _SHORTER_STEP * 1000:g} fs a step before NVT"
    )


def retried_flag(first: Failure, md: MDConfig) -> QualityFlag:
    """That the figures are of a second attempt, and why."""
    message = (
        f"the first attempt failed in {first.stage} ({first.cause}); {preparation(md)}, "
        "NVT and production as always."
    )
    return route_flag("second_attempt", ok=False, measured=2, limit=1, message=message)


def careful_start(
    structure: Bicrystal,
    stages: tuple[Stage, ...],
    config: CampaignConfig,
    seed: int,
    *,
    settings: EngineSettings,
    folder: Path,
    on_progress: Callable[[Progress], None],
) -> Start:
    """Bring a structure to where NVT begins, carefully, or read where that was done before.

    Args:
        structure: as it was built.
        stages: what the first attempt was to do.
        config: the campaign.
        seed: of the structure.
        settings: the engine.
        folder: of the trial.
        on_progress: called with every report of the MD.

    Raises:
        MDError: this fails too.
    """
    names = [stage.name for stage in stages]
    first, *others = stages[names.index(_AFTER) :]
    later = (replace(first, velocity_seed=derive_seed(seed, _SETTLE_BRANCH)), *others)
    file = folder / _START
    if not file.exists():
        _prepare(structure, config, seed, settings, folder, on_progress)
    with np.load(file) as found:
        ready = replace(structure, positions=found["positions"], cell=found["cell"])
        return Start(ready, later, float(found["length_err_A"]), int(found["steps"]))


def _prepare(
    structure: Bicrystal,
    config: CampaignConfig,
    seed: int,
    settings: EngineSettings,
    folder: Path,
    on_progress: Callable[[Progress], None],
) -> None:
    md = config.md.model_copy(
        update={
            "timestep_ps": config.md.timestep_ps / _SHORTER_STEP,
            "minimise_iterations": config.md.minimise_iterations * _MORE_ITERATIONS,
        }
    )
    stages = boundary_stages(md, seed)
    before = stages[: [stage.name for stage in stages].index(_AFTER)]
    # The frame that tells where the ions are is the first of a production of no length.
    look = replace(stages[-1], name="look", steps=frame_steps(md), chunk_steps=0)
    with run_md(
        structure,
        get_potential(config.md.potential),
        (*before, look),
        md,
        settings=replace(settings, timestep_ps=md.timestep_ps),
        folder=folder / PREPARED,
        stall_s=config.run.stall_s,
        checkpoint_s=config.run.checkpoint_s,
        on_progress=on_progress,
    ) as run:
        trajectory = run.trajectory()
        positions = next(trajectory.frames).copy()
        run.finish()
        steps = sum(run.steps_done.values())
    temporary = folder / f"{_START}.tmp"
    with temporary.open("wb") as handle:
        np.savez(
            handle,
            positions=positions,
            cell=trajectory.info.cell,
            length_err_A=trajectory.info.length_err_A,
            steps=steps,
        )
    temporary.replace(folder / _START)


def second_progress(on_progress: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """Report the stages of a second attempt as such."""
    return lambda now: on_progress(replace(now, stage=f"{now.stage}, 2nd attempt"))


def both(first: Failure, second: MDError) -> MDError:
    """The error of a candidate whose two attempts failed."""
    return MDError(
        f"{second.message}; the first attempt failed in {first.stage}: {first.cause}",
        hint=second.hint,
        stage=second.stage,
        log_tail=f"first attempt:\n{first.log_tail}\n\nsecond attempt:\n{second.log_tail}",
    )
