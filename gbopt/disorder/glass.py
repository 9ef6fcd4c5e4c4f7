"""Making a glass: melt a crystal, make sure that it melted, quench it."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from gbopt.analysis.frames import drift_corrected
from gbopt.analysis.framework import NEAREST_CATIONS, Framework, FrameworkMotion
from gbopt.analysis.li_paths import LiPaths
from gbopt.analysis.li_sites import find_sites
from gbopt.config.study import StudyConfig
from gbopt.crystal.neighbours import wrap
from gbopt.disorder.frames import engine_of, open_frames, record_run, remove_frames
from gbopt.disorder.records import GlassRecord
from gbopt.disorder.setup import (
    RESULT,
    Setup,
    describe,
    now,
    progress_writer,
    put_aside,
    unwritable,
)
from gbopt.disorder.stages import (
    EXPLORE,
    LOOSEN,
    MELT,
    QUENCH,
    explore_stages,
    glass_stages,
    loosen_stages,
)
from gbopt.disorder.structures import crystal_cell, scaled
from gbopt.disorder.systems import Glass, System
from gbopt.errors import AnalysisError, GeometryError, MDError
from gbopt.evaluate.engines import fitted
from gbopt.geometry.files import write_structure
from gbopt.md.engine import EngineSettings
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.evaluation import Failure
from gbopt.potentials.library import get_potential
from gbopt.provenance import make_provenance
from gbopt.store.files import write_atomic

_GLASS = "glass.npz"


class _Made(NamedTuple):
    """A glass, and what its cations did while it was made."""

    structure: Bicrystal
    hot: FrameworkMotion
    """During loosening or melt, whichever took them farther."""
    quenched: FrameworkMotion


def make_glass(setup: Setup, glass: Glass, settings: EngineSettings) -> None:
    """Make a glass, unless that has been done; one that failed is tried again.

    Trouble with this glass (MD, a crystal that did not melt) becomes part of its record, which is
    written last.

    Raises:
        EnvironmentProblem: no MD is possible on this machine at all, or the disk is full.
    """
    folder = setup.glass_folder(glass)
    done = folder / RESULT
    if done.exists():
        record = GlassRecord.model_validate_json(done.read_text(encoding="utf-8"))
        if record.failure is None:
            return
        put_aside(done)
    folder.mkdir(parents=True, exist_ok=True)
    setup.note("started", name=f"glass {glass.name}")
    started, started_utc = time.monotonic(), now()
    made, failure = None, None
    try:
        made = _melt_and_quench(setup, glass, settings, folder)
    except (MDError, GeometryError, AnalysisError) as error:
        failure = failure_of(error)
    except OSError as error:
        raise unwritable(folder, error) from error
    seconds = time.monotonic() - started
    record = _record(setup, glass, settings, (made, failure), (seconds, started_utc))
    write_atomic(done, record.model_dump_json(indent=1))
    setup.note("finished", name=f"glass {glass.name}", result=_says(record))
    if not setup.config.keep_trajectories and failure is None:
        for name in (MELT, QUENCH):
            remove_frames(folder, name)
        remove_frames(folder / LOOSEN, LOOSEN)


def failure_of(error: MDError | GeometryError | AnalysisError) -> Failure:
    """An error as it is kept in a record."""
    return Failure(
        stage=error.stage if isinstance(error, MDError) else "analysis",
        cause=error.message,
        hint=error.hint,
        log_tail=error.log_tail if isinstance(error, MDError) else "",
    )


def _record(
    setup: Setup,
    glass: Glass,
    settings: EngineSettings,
    outcome: tuple[_Made | None, Failure | None],
    times: tuple[float, str],
) -> GlassRecord:
    made, failure = outcome
    melt = setup.config.melt
    loosen = melt.loosen.get(glass.made_with)
    potential = get_potential(setup.config.potentials[glass.made_with])
    return GlassRecord(
        name=glass.name,
        made_with=glass.made_with,
        potential=potential.name,
        replica=glass.replica,
        cell=describe(made.structure) if made else None,
        loosened=f"{loosen.time_ps:g} ps at {loosen.temperature_K:g} K, {loosen.volume:.0%} volume"
        if loosen
        else "",
        melt_K=melt.temperature_K,
        melt_ps=melt.melt_ps,
        rate_K_ps=melt.rate_K_ps,
        quench_to_K=melt.quench_to_K,
        rms_La_A=made.hot.rms_La_A if made else None,
        rms_Zr_A=made.hot.rms_Zr_A if made else None,
        ordered_share=made.quenched.ordered_share if made else None,
        failure=failure,
        seconds=round(times[0], 1),
        provenance=make_provenance(
            engine=engine_of(setup.glass_folder(glass), MELT) if made else settings.label,
            engine_settings=asdict(settings),
            potential_key=potential.key,
            settings_key=setup.glass_key(glass),
            seed=setup.glass_seed(glass),
            started_utc=times[1],
            finished_utc=now(),
        ),
    )


def read_glass(setup: Setup, glass: Glass) -> Bicrystal:
    """The glass as it was quenched.

    Raises:
        GeometryError: it could not be made.
    """
    file = setup.glass_folder(glass) / _GLASS
    start = _crystal(setup.config, glass, setup.glass_seed(glass))
    start = fitted(start, setup.engines[glass.made_with])
    if not file.exists():
        raise GeometryError(
            f"the glass {glass.name} was not made",
            hint=f"{file.parent / RESULT} says why",
        )
    with np.load(file) as stored:
        return replace(start, positions=stored["positions"], cell=stored["cell"])


def free_sites(setup: Setup, glass: Glass, settings: EngineSettings) -> NDArray[np.float64]:
    """Sites, (s, 3) A, that Li visits in a short run of a glass under the potential that made it.

    Args:
        setup: the study.
        glass: which one.
        settings: the engine of that potential.

    Raises:
        MDError: the run failed.
    """
    config, folder = setup.config, setup.explore_folder(glass)
    structure = read_glass(setup, glass)
    folder.mkdir(exist_ok=True)
    with FileLock(folder / ".lock"):  # several runs may ask at once
        record_run(
            structure,
            get_potential(config.potentials[glass.made_with]),
            explore_stages(config, setup.glass_seed(glass)),
            config.md(glass.made_with, config.melt.explore_K),
            settings=settings,
            folder=folder,
            stall_s=config.run.stall_s,
            checkpoint_s=config.run.checkpoint_s,
            on_progress=progress_writer(folder, f"sites of glass {glass.name}"),
        )
    trajectory = open_frames(folder, EXPLORE)
    paths = LiPaths(trajectory.info)
    for frame in drift_corrected(trajectory):
        paths.add(frame)
    return find_sites(paths.result()).positions_A


def _crystal(config: StudyConfig, glass: Glass, seed: int) -> Bicrystal:
    """The crystal that is melted."""
    start = System(
        kind="crystal", run_with=glass.made_with, volume=config.melt.volume, li=config.melt.li
    )
    return crystal_cell(start, config.cells, seed)


def _melt_and_quench(setup: Setup, glass: Glass, settings: EngineSettings, folder: Path) -> _Made:
    config, seed = setup.config, setup.glass_seed(glass)
    crystal = fitted(_crystal(config, glass, seed), settings)
    start, hot = crystal, None
    if glass.made_with in config.melt.loosen:
        start, hot = _loosened(setup, glass, crystal, settings, folder)
    record_run(
        start,
        get_potential(config.potentials[glass.made_with]),
        glass_stages(config, seed),
        config.md(glass.made_with, config.melt.temperature_K),
        settings=settings,
        folder=folder,
        stall_s=config.run.stall_s,
        checkpoint_s=config.run.checkpoint_s,
        on_progress=progress_writer(folder, f"glass {glass.name}"),
    )
    melt, quenched = (_motion(folder, name, crystal) for name in (MELT, QUENCH))
    if hot is None or not hot.molten(crystal.lattice_A):
        hot = melt
    _require_molten(config, glass, hot, melt, crystal.lattice_A)
    if quenched.crystalline:
        raise AnalysisError(
            f"the melt crystallised: {quenched.ordered_share:.0%} of Zr are in crystalline "
            "surroundings after the quench",
            hint="raise melt.rate_K_ps or melt.melt_ps",
        )
    made = replace(crystal, positions=wrap(_last_frame(folder, QUENCH), crystal.cell))
    write_structure(made, folder / "glass.extxyz")
    np.savez(folder / _GLASS, positions=made.positions, cell=made.cell)
    return _Made(made, hot, quenched)


def _require_molten(
    config: StudyConfig,
    glass: Glass,
    hot: FrameworkMotion,
    melt: FrameworkMotion,
    lattice_A: float,
) -> None:
    """Refuse what did not melt: ions that kept their places, or a crystal at the end of the melt.

    Raises:
        AnalysisError: it did not.
    """
    if hot.molten(lattice_A) and not melt.crystalline:
        return
    raise AnalysisError(
        f"the crystal did not melt in {config.melt.melt_ps:g} ps at "
        f"{config.melt.temperature_K:g} K: La moved by {hot.rms_La_A:.2f} A and Zr by "
        f"{hot.rms_Zr_A:.2f} A (root mean square; to the next cation it is "
        f"{NEAREST_CATIONS * lattice_A:.2f} A), {melt.ordered_share:.0%} of Zr are in crystalline "
        "surroundings at the end",
        hint="raise melt.temperature_K or melt.melt_ps, or break the crystal up first by "
        f"[melt.loosen.{glass.made_with}]",
    )


def _loosened(
    setup: Setup, glass: Glass, crystal: Bicrystal, settings: EngineSettings, folder: Path
) -> tuple[Bicrystal, FrameworkMotion]:
    """The crystal broken up at a larger volume and brought back to its own, and what moved."""
    config, loosen = setup.config, setup.config.melt.loosen[glass.made_with]
    factor = (loosen.volume / config.melt.volume) ** (1 / 3)
    wide = scaled(crystal, factor)
    record_run(
        wide,
        get_potential(config.potentials[glass.made_with]),
        loosen_stages(config, loosen, setup.glass_seed(glass)),
        config.md(glass.made_with, loosen.temperature_K),
        settings=settings,
        folder=folder / LOOSEN,
        stall_s=config.run.stall_s,
        checkpoint_s=config.run.checkpoint_s,
        on_progress=progress_writer(folder, f"glass {glass.name}"),
    )
    broken = _last_frame(folder / LOOSEN, LOOSEN) / factor
    motion = _motion(folder / LOOSEN, LOOSEN, wide)
    return replace(crystal, positions=wrap(broken, crystal.cell)), motion


def _last_frame(folder: Path, name: str) -> NDArray[np.float64]:
    last = np.empty((0, 3))
    for frame in open_frames(folder, name).frames:
        last = frame
    return last


def _motion(folder: Path, name: str, crystal: Bicrystal) -> FrameworkMotion:
    trajectory = open_frames(folder, name)
    framework = Framework(trajectory.info, crystal.sites)
    for frame in drift_corrected(trajectory):
        framework.add(frame)
    return framework.result()


def _says(record: GlassRecord) -> str:
    if record.failure:
        return f"failed: {record.failure.cause}"
    return (
        f"melted (La moved by {record.rms_La_A:.1f} A, Zr by {record.rms_Zr_A:.1f} A), "
        f"{record.ordered_share:.0%} of Zr in crystalline surroundings after the quench"
    )
