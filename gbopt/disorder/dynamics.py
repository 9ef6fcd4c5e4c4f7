"""One run of a study: a system at a temperature, from its cell to its record."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gbopt.disorder.frames import engine_of, record_run, remove_frames
from gbopt.disorder.glass import failure_of, free_sites, read_glass
from gbopt.disorder.measure import Measured, measure
from gbopt.disorder.records import RunRecord
from gbopt.disorder.setup import (
    Setup,
    describe,
    now,
    progress_writer,
    put_aside,
    unwritable,
)
from gbopt.disorder.stages import NETWORK, PRODUCTION, VIBRATION, dynamics_stages
from gbopt.disorder.structures import crystal_cell, glass_cell
from gbopt.disorder.systems import Glass, Run
from gbopt.errors import AnalysisError, GboptError, GeometryError, MDError
from gbopt.evaluate.engines import fitted
from gbopt.geometry.files import write_structure
from gbopt.md.engine import EngineSettings
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.evaluation import Failure
from gbopt.potentials.library import get_potential
from gbopt.provenance import make_provenance
from gbopt.store.files import write_atomic


def do_run(
    setup: Setup, run: Run, settings: EngineSettings, publish: Callable[[Measured, Path], None]
) -> None:
    """Run a system at a temperature and measure it, unless that has been done.

    A run that failed is tried again: where its frames are there, only measured. Trouble with this
    run becomes part of its record, which is written last.

    Args:
        setup: the study.
        run: which run.
        settings: the engine.
        publish: given what was measured and the folder of the run; it draws what is to be drawn.

    Raises:
        EnvironmentProblem: no MD is possible on this machine at all, or the disk is full.
    """
    folder, done = setup.run_folder(run), setup.run_result(run)
    if done.exists():
        record = RunRecord.model_validate_json(done.read_text(encoding="utf-8"))
        if record.failure is None:
            return
        put_aside(done)
    folder.mkdir(parents=True, exist_ok=True)
    setup.note("started", name=run.name)
    started, started_utc = time.monotonic(), now()
    structure, found, failure = None, None, None
    try:
        structure = fitted(_cell(setup, run, settings), settings)
        write_structure(structure, folder / "start.extxyz")
        _simulate(setup, run, structure, settings, folder)
        found = measure(setup.config, run, structure, folder)
        publish(found, folder)
    except (MDError, GeometryError, AnalysisError) as error:
        failure = failure_of(error)
    except OSError as error:
        raise unwritable(folder, error) from error
    except GboptError:
        raise
    except Exception as error:  # noqa: BLE001 - recorded with its traceback, the study goes on
        failure = Failure(
            stage="unexpected",
            cause=f"{type(error).__name__}: {error}",
            hint="this is a defect of gbopt: report the traceback below",
            log_tail=traceback.format_exc(),
        )
    seconds = time.monotonic() - started
    record = _record(setup, run, settings, (structure, found, failure), (seconds, started_utc))
    write_atomic(done, record.model_dump_json(indent=1))
    setup.note("finished", name=run.name, result=_says(record))
    if not setup.config.keep_trajectories and failure is None:
        for name in (PRODUCTION, NETWORK, VIBRATION):
            remove_frames(folder, name)


def _cell(setup: Setup, run: Run, settings: EngineSettings) -> Bicrystal:
    """The cell of a run before it is fitted to an engine."""
    system, seed = run.system, setup.run_seed(run)
    if system.kind == "crystal":
        return crystal_cell(system, setup.config.cells, seed)
    glass = Glass(system.made_with, run.replica)
    free: NDArray[np.float64] = np.empty((0, 3))
    if setup.adds_li(run):
        maker = replace(setup.engines[glass.made_with], device=settings.device)
        free = free_sites(setup, glass, maker)
    return glass_cell(read_glass(setup, glass), system, seed, free)


def _simulate(
    setup: Setup, run: Run, structure: Bicrystal, settings: EngineSettings, folder: Path
) -> None:
    config = setup.config
    record_run(
        structure,
        get_potential(config.potentials[run.system.run_with]),
        dynamics_stages(config, run.system.run_with, run.temperature_K, setup.run_seed(run)),
        config.md(run.system.run_with, run.temperature_K),
        settings=settings,
        folder=folder,
        stall_s=config.run.stall_s,
        checkpoint_s=config.run.checkpoint_s,
        on_progress=progress_writer(folder, run.name),
    )


def _record(
    setup: Setup,
    run: Run,
    settings: EngineSettings,
    outcome: tuple[Bicrystal | None, Measured | None, Failure | None],
    times: tuple[float, str],
) -> RunRecord:
    structure, found, failure = outcome
    system, lengths = run.system, setup.config.lengths(run.system.run_with)
    potential = get_potential(setup.config.potentials[system.run_with])
    folder = setup.run_folder(run)
    diffusion = found.diffusion if found else None
    return RunRecord(
        name=run.name,
        **{k: v for k, v in asdict(system).items() if k != "phase"},
        label=system.label,
        phase=system.phase,
        potential=potential.name,
        temperature_K=run.temperature_K,
        replica=run.replica,
        cell=describe(structure) if structure else None,
        production_ps=lengths.production_ps,
        equilibrate_ps=lengths.equilibrate_ps,
        D_cm2_s=diffusion.D_cm2_s if diffusion else None,
        lag_ps=diffusion.lag_ps if diffusion else None,
        exponent=round(diffusion.exponent, 4) if diffusion else None,
        steadiness=diffusion.steadiness if diffusion else None,
        hops_per_ion=diffusion.hops_per_ion if diffusion else None,
        ordered_share=found.framework.ordered_share if found else None,
        displaced_share=found.framework.displaced_share if found else None,
        rms_La_A=found.framework.rms_La_A if found else None,
        rms_Zr_A=found.framework.rms_Zr_A if found else None,
        network=found.network.figures() if found and found.network else {},
        flags=found.flags if found else (),
        failure=failure,
        seconds=round(times[0], 1),
        provenance=make_provenance(
            engine=engine_of(folder, PRODUCTION) if found else settings.label,
            engine_settings=asdict(settings),
            potential_key=potential.key,
            settings_key=setup.run_key(run),
            seed=setup.run_seed(run),
            started_utc=times[1],
            finished_utc=now(),
        ),
    )


def _says(record: RunRecord) -> str:
    if record.failure:
        return f"failed: {record.failure.cause}"
    bad = [flag.name for flag in record.flags if flag.level != "ok"]
    return f"D = {record.D_cm2_s}" + (f" ({', '.join(bad)})" if bad else "")
