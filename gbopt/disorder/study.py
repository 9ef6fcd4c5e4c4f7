"""A study from start to end: what there is to do, doing it side by side, and what came of it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from filelock import FileLock, Timeout

from gbopt.config import copy_potential, is_potential_file, to_toml
from gbopt.config.study import StudyConfig
from gbopt.disorder.dynamics import do_run
from gbopt.disorder.glass import make_glass
from gbopt.disorder.measure import Measured
from gbopt.disorder.records import GlassRecord, RunRecord
from gbopt.disorder.setup import RESULT, Setup, unwritable
from gbopt.disorder.stages import (
    dynamics_stages,
    explore_stages,
    glass_stages,
    loosen_stages,
)
from gbopt.disorder.structures import EXPERIMENTAL_A3, require_whole_ions
from gbopt.disorder.systems import Glass, Kind, Run, all_runs, glasses, runs, systems
from gbopt.errors import RunFolderError
from gbopt.evaluate.engines import on_its_gpu
from gbopt.evaluate.workers import become_worker, in_workers, place
from gbopt.md.engine import EngineSettings
from gbopt.md.protocol import Stage
from gbopt.store.files import write_atomic
from gbopt.store.folders import STUDY, STUDY_LOCK

RESOLVED, POTENTIALS = "resolved.toml", "potentials"
Item = TypeVar("Item")

_IONS_PER_CELL, _UNITS_PER_CELL = 192, 8
_PATIENCE_S = 1.0


class Cost(NamedTuple):
    """What a part of a study takes."""

    potential: str
    """Label of the potential."""
    runs: int
    ion_steps: float
    gigabytes: float
    """Of frames, while a run is measured; kept where the study says so."""


def keep_files(folder: Path, config: StudyConfig, text: str) -> StudyConfig:
    """Copy the study file and its potentials into the folder; return the study with the copies.

    ``resolved.toml`` there has every default written out, and paths that move with the folder.

    Args:
        folder: of the study, made if need be.
        config: what is to be done; it may have grown since the folder was made.
        text: the study file as given.

    Raises:
        ConfigError: a potential cannot be used.
        EnvironmentProblem: the folder cannot be written.
    """
    try:
        copies = {
            label: copy_potential(Path(name), folder / POTENTIALS / label)
            for label, name in config.potentials.items()
            if is_potential_file(name)
        }
        within = {label: str(copy.relative_to(folder)) for label, copy in copies.items()}
        resolved = config.model_copy(update={"potentials": config.potentials | within})
        write_atomic(folder / STUDY, text)
        write_atomic(folder / RESOLVED, to_toml(resolved))
    except OSError as error:
        raise unwritable(folder, error) from error
    absolute = {label: str(copy.absolute()) for label, copy in copies.items()}
    return config.model_copy(update={"potentials": config.potentials | absolute})


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the folder of a study: places and engines are for one command at a time.

    Raises:
        RunFolderError: another command holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / STUDY_LOCK, timeout=_PATIENCE_S):
            yield
    except Timeout:
        raise RunFolderError(
            f"another gbopt process is at work in {folder}",
            hint="wait for it, or stop it with Ctrl-C; or give another folder with --out",
        ) from None


def pending(setup: Setup, kind: Kind) -> bool:
    """Whether something of a part of a study is left to do: not begun, in progress or failed."""
    records = [setup.glass_folder(g) / RESULT for g in glasses(setup.config) if kind == "glass"]
    records += [setup.run_result(run) for run in runs(setup.config, kind)]
    return any(not file.exists() or _failed(file) for file in records)


def _failed(file: Path) -> bool:
    return json.loads(file.read_text(encoding="utf-8"))["failure"] is not None


def needed(config: StudyConfig, kind: Kind) -> set[str]:
    """Labels of the potentials that a part of a study runs."""
    found = {system.run_with for system in systems(config, kind)}
    if kind == "glass":
        found |= {glass.made_with for glass in glasses(config)}
    return found


def require_whole(config: StudyConfig, kind: Kind) -> None:
    """Refuse compositions that have no whole ions, before anything is run.

    Raises:
        ConfigError: naming the content and the cell.
    """
    units = _UNITS_PER_CELL * config.cells**3
    for system in systems(config, kind):
        require_whole_ions(system.li, system.compensation, units)
    if kind == "glass":
        require_whole_ions(config.melt.li, "none", units)


def costs(config: StudyConfig, kind: Kind, engines: dict[str, EngineSettings]) -> list[Cost]:
    """What each potential has to do in a part of a study.

    Args:
        config: the study.
        kind: crystals or glasses.
        engines: by label of the potential; some repeat cells that are too narrow for them.
    """
    todo: dict[str, list[tuple[float, float]]] = {}

    def add(label: str, stages: tuple[Stage, ...], wide: int = 1) -> None:
        ions = wide * _ions(config, engines[label])
        frames = sum(s.steps / (s.frame_steps or usual) for s in stages if s.kind == "production")
        steps = sum(stage.steps for stage in stages)
        todo.setdefault(label, []).append((ions * steps, 12e-9 * ions * frames))

    usual = round(config.dynamics.frame_ps / config.dynamics.timestep_ps)
    if kind == "glass":
        for glass in glasses(config):
            stages = glass_stages(config, 0)
            if glass.made_with in config.melt.loosen:
                stages += loosen_stages(config, config.melt.loosen[glass.made_with], 0)
            if any(s.li > config.melt.li for s in systems(config, kind)):
                stages += explore_stages(config, 0)
            add(glass.made_with, stages)
    for run in runs(config, kind):
        label, maker = run.system.run_with, run.system.made_with
        # A glass is as large as the engine that made it wanted it.
        wide = _ions(config, engines[maker]) // _ions(config, engines[label]) if maker else 1
        add(label, dynamics_stages(config, label, run.temperature_K, 0), max(1, wide))
    return [
        Cost(label, len(each), sum(n for n, _ in each), sum(g for _, g in each))
        for label, each in todo.items()
    ]


def _ions(config: StudyConfig, settings: EngineSettings) -> int:
    """Ions of a cell at the experimental volume as an engine takes it."""
    edge_A = config.cells * EXPERIMENTAL_A3["c-LLZO"] ** (1 / 3)
    repeats = max(1, math.ceil(settings.least_edge_A / edge_A))
    ions: int = _IONS_PER_CELL * config.cells**3 * repeats**3
    return ions


def run_part(
    setup: Setup,
    kind: Kind,
    publish: Callable[[Measured, Path], None],
    on_death: Callable[[], None],
) -> None:
    """Run all systems of a kind that have not been run, side by side; ``finished`` reads them.

    Args:
        setup: the study.
        kind: crystals or glasses.
        publish: given what a run measured and its folder; it draws what is to be drawn.
        on_death: told when a worker died.

    Raises:
        EnvironmentProblem: no MD is possible on this machine, or workers die again and again.
    """
    if kind == "glass":
        _all(setup, glasses(setup.config), _glass_task, on_death)
    task = partial(_run_task, publish=publish)
    _all(setup, runs(setup.config, kind), task, on_death)


def _all(
    setup: Setup,
    items: Sequence[Item],
    task: Callable[[Setup, Item, int], None],
    on_death: Callable[[], None],
) -> None:
    from joblib import delayed

    workers = setup.config.run.workers
    in_workers(
        lambda: [delayed(task)(setup, item, os.getpid()) for item in items],
        max(1, min(workers, len(items))),
        finished=lambda: sum(len(each) for each in finished(setup)),
        on_death=on_death,
    )


def _glass_task(setup: Setup, glass: Glass, main_pid: int) -> None:
    become_worker(main_pid)
    folder = setup.glass_folder(glass)
    folder.mkdir(parents=True, exist_ok=True)
    # A worker of a study that was killed a moment ago may still be ending.
    with FileLock(folder / ".lock"), place(setup.folder, setup.config.run.workers) as slot:
        make_glass(setup, glass, on_its_gpu(setup.engines[glass.made_with], slot))


def _run_task(
    setup: Setup, run: Run, main_pid: int, *, publish: Callable[[Measured, Path], None]
) -> None:
    become_worker(main_pid)
    folder = setup.run_folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"), place(setup.folder, setup.config.run.workers) as slot:
        settings = on_its_gpu(setup.engines[run.system.run_with], slot)
        do_run(setup, run, settings, publish)


def finished(setup: Setup) -> tuple[list[GlassRecord], list[RunRecord]]:
    """Everything of a study that has been done so far, crystals and glasses."""
    made = [
        GlassRecord.model_validate_json(file.read_text(encoding="utf-8"))
        for glass in glasses(setup.config)
        if (file := setup.glass_folder(glass) / RESULT).exists()
    ]
    done = [
        RunRecord.model_validate_json(file.read_text(encoding="utf-8"))
        for run in all_runs(setup.config)
        if (file := setup.run_result(run)).exists()
    ]
    return made, done
