"""A study from start to end: what there is to do, doing it side by side, and what came of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from filelock import FileLock

from gbopt.config import copy_potential, is_potential_file
from gbopt.config.study import StudyConfig
from gbopt.disorder.dynamics import do_run
from gbopt.disorder.glass import make_glass
from gbopt.disorder.measure import Measured
from gbopt.disorder.records import GlassRecord, RunRecord
from gbopt.disorder.setup import RESULT, Setup, choose_engines
from gbopt.disorder.stages import dynamics_stages, glass_stages, loosen_stages
from gbopt.disorder.structures import crystal_cell
from gbopt.disorder.systems import Glass, Kind, Run, System, all_runs, glasses, runs, systems
from gbopt.errors import EnvironmentProblem
from gbopt.evaluate.engines import on_its_gpu
from gbopt.evaluate.workers import become_worker, in_workers, place
from gbopt.md.bench import as_request
from gbopt.md.probe import probe
from gbopt.md.sample import sample_system
from gbopt.md.select import Choice
from gbopt.potentials.library import get_potential
from gbopt.store.files import write_atomic

STUDY = "study.toml"
Item = TypeVar("Item")
Record = TypeVar("Record", GlassRecord, RunRecord)

_IONS_PER_CELL = 192
_TIMED_S = 2.0


class Cost(NamedTuple):
    """What a part of a study takes."""

    potential: str
    """Label of the potential."""
    runs: int
    ion_steps: float
    gigabytes: float
    """Of frames, while a run is measured; kept where the study says so."""


def start(
    folder: Path, config: StudyConfig, text: str, kind: Kind, say: Callable[[str], None]
) -> tuple[Setup, dict[str, Choice]]:
    """Open the folder of a study, or make it; copy its potentials; choose its engines.

    Args:
        folder: of the study.
        config: what is to be done; it may have grown since the folder was made.
        text: the study file as given.
        kind: what is to be run now.
        say: called with a line of text when an engine has to be tried.

    Raises:
        ConfigError: a potential cannot be used, or a composition has no whole ions.
        EnvironmentProblem: the engine that the study was begun with is not here.
    """
    config = config.model_copy(
        update={
            "potentials": {
                label: str(copy_potential(Path(name), folder / "potentials" / label).absolute())
                if is_potential_file(name)
                else name
                for label, name in config.potentials.items()
            }
        }
    )
    write_atomic(folder / STUDY, text)
    labels = sorted(needed(config, kind))
    choices = choose_engines(config, labels, folder, say)
    engines = {label: choice.settings for label, choice in choices.items()}
    return Setup(config, folder, engines), choices


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
    for system in systems(config, kind):
        if kind == "crystal":
            crystal_cell(system, config.cells, 0)
        else:
            shrunk = replace(system, kind="crystal", li=min(system.li, 7.0))
            crystal_cell(shrunk, config.cells, 0)
    if kind == "glass":
        crystal_cell(System(kind="crystal", run_with="", li=config.melt.li), config.cells, 0)


def costs(config: StudyConfig, kind: Kind) -> list[Cost]:
    """What each potential has to do in a part of a study."""
    ions = _IONS_PER_CELL * config.cells**3
    todo: dict[str, list[tuple[int, float]]] = {}
    if kind == "glass":
        for glass in glasses(config):
            stages = glass_stages(config, 0)
            if glass.made_with in config.melt.loosen:
                stages += loosen_stages(config, config.melt.loosen[glass.made_with], 0)
            todo.setdefault(glass.made_with, []).append((sum(s.steps for s in stages), 0.0))
    for run in runs(config, kind):
        label = run.system.run_with
        stages = dynamics_stages(config, label, run.temperature_K, 0)
        frames = config.lengths(label).production_ps / config.dynamics.frame_ps
        todo.setdefault(label, []).append((sum(s.steps for s in stages), 12e-9 * ions * frames))
    return [
        Cost(label, len(each), ions * sum(n for n, _ in each), sum(g for _, g in each))
        for label, each in todo.items()
    ]


def speed(config: StudyConfig, label: str, choice: Choice) -> float:
    """Microseconds per ion and step of one run, as measured here for an instant.

    Args:
        config: the study.
        label: of the potential.
        choice: its engine.

    Raises:
        EnvironmentProblem: the engine does not run.
    """
    if choice.us_per_ion_step is not None:
        return choice.us_per_ion_step
    potential = get_potential(config.potentials[label])
    request = as_request(sample_system(potential), potential, choice.settings)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        trial = probe(request, [choice.settings], folder=folder, seconds=_TIMED_S)[0][0]
    if not trial.works:
        raise EnvironmentProblem(
            f"{choice.settings.label} does not run {potential.name}: {trial.why}",
            hint=trial.hint or "`gbopt doctor` shows what works here",
        )
    return trial.us_per_ion_step


def run_part(
    setup: Setup,
    kind: Kind,
    publish: Callable[[Measured, Path], None],
    on_death: Callable[[int], None],
) -> tuple[list[GlassRecord], list[RunRecord]]:
    """Run all systems of a kind that have not been run, side by side.

    Args:
        setup: the study.
        kind: crystals or glasses.
        publish: given what a run measured and its folder; it draws what is to be drawn.
        on_death: told the number of the attempt in which a worker died.

    Raises:
        EnvironmentProblem: no MD is possible on this machine, or workers die again and again.
    """
    made: list[GlassRecord] = []
    if kind == "glass":
        made = _all(setup, glasses(setup.config), _glass_task, on_death)
    task = partial(_run_task, publish=publish)
    return made, _all(setup, runs(setup.config, kind), task, on_death)


def _all(
    setup: Setup,
    items: Sequence[Item],
    task: Callable[[Setup, Item, int], Record],
    on_death: Callable[[int], None],
) -> list[Record]:
    from joblib import delayed

    workers = setup.config.run.workers
    return in_workers(
        lambda: [delayed(task)(setup, item, os.getpid()) for item in items],
        max(1, min(workers, len(items))),
        on_death,
    )


def _glass_task(setup: Setup, glass: Glass, main_pid: int) -> GlassRecord:
    become_worker(main_pid)
    folder = setup.glass_folder(glass)
    folder.mkdir(parents=True, exist_ok=True)
    # A worker of a study that was killed a moment ago may still be ending.
    with FileLock(folder / ".lock"), place(setup.folder, setup.config.run.workers) as slot:
        return make_glass(setup, glass, on_its_gpu(setup.engines[glass.made_with], slot))


def _run_task(
    setup: Setup, run: Run, main_pid: int, *, publish: Callable[[Measured, Path], None]
) -> RunRecord:
    become_worker(main_pid)
    folder = setup.run_folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"), place(setup.folder, setup.config.run.workers) as slot:
        settings = on_its_gpu(setup.engines[run.system.run_with], slot)
        return do_run(setup, run, settings, publish)


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
        if (file := setup.run_folder(run) / RESULT).exists()
    ]
    return made, done
