"""What every run of a study needs: its folder, seeds, engines and the books that are kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gbopt.config import MDConfig
from gbopt.config.sections import RunConfig
from gbopt.config.study import StudyConfig
from gbopt.disorder.records import Cell
from gbopt.disorder.structures import density_g_cm3, formula_units, stoichiometry
from gbopt.disorder.systems import Glass, Run, all_runs, glasses
from gbopt.errors import EnvironmentProblem
from gbopt.evaluate.engines import choose_engine, pin, pinned_engine
from gbopt.md.engine import EngineSettings
from gbopt.md.run import Progress
from gbopt.md.select import Choice
from gbopt.model.bicrystal import Bicrystal
from gbopt.potentials.library import get_potential
from gbopt.provenance import content_key, derive_seed
from gbopt.store.files import append_line, write_atomic
from gbopt.store.folders import TRACE

FORMAT = 1
RESULT = "result.json"
ENGINES = "engines.json"
_GLASS_BRANCH, _RUN_BRANCH = 8_001, 8_002  # spawn keys of the seeds
# Written where a progress line is worth reading, not at every report of the MD.
_PROGRESS_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The two sections of a campaign file that an engine is chosen by."""

    md: MDConfig
    run: RunConfig


@dataclass(frozen=True, slots=True)
class Setup:
    """A study, where it is kept, and which engine runs each of its potentials."""

    config: StudyConfig
    folder: Path
    engines: dict[str, EngineSettings]
    """By label of the potential."""

    def glass_folder(self, glass: Glass) -> Path:
        """Folder of a glass; another when anything that it depends on is another."""
        return self.folder / "glasses" / f"{glass.name}-{self.glass_key(glass)}"

    def explore_folder(self, glass: Glass) -> Path:
        """Folder of the run that finds free Li sites in a glass."""
        return self.glass_folder(glass) / f"explore-{content_key(self._explored(), 8)}"

    def run_folder(self, run: Run) -> Path:
        """Folder of a run; another when anything that its frames depend on is another."""
        return self.folder / "runs" / f"{run.name}-{self.run_key(run)}"

    def run_result(self, run: Run) -> Path:
        """Record of a run; another when it is to be analysed in another way."""
        dynamics = self.config.dynamics
        analysis = {"format": FORMAT, "lag_ps": dynamics.lag_ps, "segments": dynamics.segments}
        return self.run_folder(run) / f"result-{content_key(analysis, 8)}.json"

    def glass_key(self, glass: Glass) -> str:
        """Content key of everything that a glass depends on, but the machine."""
        others = {"explore_K", "explore_ps", "loosen"}
        loosen = self.config.melt.loosen.get(glass.made_with)
        return content_key(
            {
                "format": FORMAT,
                "potential": get_potential(self.config.potentials[glass.made_with]).key,
                "melt": self.config.melt.model_dump(mode="json", exclude=others),
                "loosen": loosen.model_dump(mode="json") if loosen else None,
                "md": self._md_settings(),
                "cells": self.config.cells,
                "seed": self.glass_seed(glass),
            },
            8,
        )

    def run_key(self, run: Run) -> str:
        """Content key of everything that the frames of a run depend on, but the machine."""
        config, T, system = self.config, run.temperature_K, run.system
        lengths = config.lengths(system.run_with).model_dump(mode="json")
        after = {
            name: section.model_dump(mode="json", exclude={"temperatures_K"})
            for name, section in (("network", config.network), ("vibration", config.vibration))
            if T in section.temperatures_K
        }
        glass = None
        if system.kind == "glass":
            glass = [self.glass_key(Glass(system.made_with, run.replica))]
            glass += [self._explored()] if self.adds_li(run) else []
        return content_key(
            {
                "format": FORMAT,
                "system": asdict(system),
                "temperature_K": T,
                "potential": get_potential(config.potentials[system.run_with]).key,
                "glass": glass,
                "lengths": lengths | {"frame_ps": config.dynamics.frame_ps},
                "after": after,
                "md": self._md_settings(),
                "cells": config.cells,
                "seed": self.run_seed(run),
            },
            8,
        )

    def adds_li(self, run: Run) -> bool:
        """Whether a glass is given more Li than it was melted with."""
        return run.system.kind == "glass" and run.system.li > self.config.melt.li

    def _explored(self) -> Any:
        melt, frame_ps = self.config.melt, self.config.network.frame_ps
        return {"K": melt.explore_K, "ps": melt.explore_ps, "frame_ps": frame_ps}

    def glass_seed(self, glass: Glass) -> int:
        """Seed of the Li ordering and the velocities of a melt."""
        return derive_seed(self.config.seed, _GLASS_BRANCH, glass.replica)

    def run_seed(self, run: Run) -> int:
        """Seed of the Li ordering and the velocities of a run: one for all temperatures."""
        return derive_seed(self.config.seed, _RUN_BRANCH, run.replica)

    def _md_settings(self) -> dict[str, Any]:
        names = {"timestep_ps", "minimise_iterations", "buckingham_cutoff_A", "pppm_accuracy"}
        return self.config.dynamics.model_dump(mode="json", include=names)

    def note(self, event: str, **details: Any) -> None:
        """Append an event to the trace."""
        append_line(self.folder / TRACE, {"time_utc": now(), "event": event, **details})


def choose_engines(
    config: StudyConfig, labels: list[str], folder: Path | None, say: Callable[[str], None]
) -> dict[str, Choice]:
    """The engine of each potential, as it was pinned in the folder, or the fastest here.

    Args:
        config: the study.
        labels: of the potentials.
        folder: of the study; None: nothing is pinned yet.
        say: called with a line of text when something has to be tried first.

    Raises:
        EnvironmentProblem: this machine has not the engine that the study was begun with.
    """
    pinned = _pinned(folder) if folder else {}
    found = {}
    for label in labels:
        asked = EngineChoice(config.md(label, 1000.0), config.run)
        known = pinned.get(label)
        found[label] = pinned_engine(asked, known, say) if known else choose_engine(asked, say)
    if folder:
        pins = pinned | {label: pin(choice.settings) for label, choice in found.items()}
        write_atomic(folder / ENGINES, json.dumps(pins, indent=1))
    return found


def _pinned(folder: Path) -> dict[str, Any]:
    path = folder / ENGINES
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def describe(structure: Bicrystal) -> Cell:
    """Size and composition for the record."""
    return Cell(
        n_ions=structure.n_ions,
        composition=structure.formula,
        stoichiometry=stoichiometry(structure),
        charge_e=structure.charge_e,
        volume_A3=structure.volume_A3,
        volume_per_unit_A3=structure.volume_A3 / formula_units(structure),
        density_g_cm3=density_g_cm3(structure),
    )


def progress_writer(folder: Path, name: str) -> Callable[[Progress], None]:
    """Keep a file in the folder that says how far a run is."""
    last = ("", -1.0)

    def write(progress: Progress) -> None:
        nonlocal last
        share = progress.step / max(1, progress.steps)
        if progress.stage == last[0] and share - last[1] < _PROGRESS_SHARE and share < 1:
            return
        last = progress.stage, share
        plain = {"name": name, "stage": progress.stage, "share": round(share, 3)}
        write_atomic(folder / "progress.json", json.dumps(plain))

    return write


def progress_of(setup: Setup) -> list[str]:
    """A line for each glass and run of a study that is at work, as it last reported."""
    places = [(f := setup.glass_folder(glass), f / RESULT) for glass in glasses(setup.config)]
    places += [(setup.run_folder(run), setup.run_result(run)) for run in all_runs(setup.config)]
    lines = []
    for folder, result in places:
        if result.exists():
            continue
        with suppress(OSError, ValueError):  # not begun, or written this very moment
            found = json.loads((folder / "progress.json").read_text(encoding="utf-8"))
            lines.append(f"{found['name']}: {found['stage']} {found['share']:.0%}")
    return lines


def put_aside(result: Path) -> None:
    """Keep the record of a failure under another name: what failed is tried again."""
    number = len(list(result.parent.glob(f"{result.stem}.failed-*.json")))
    result.rename(result.with_name(f"{result.stem}.failed-{number}.json"))


def unwritable(folder: Path, error: OSError) -> EnvironmentProblem:
    """What to say where the disk is full or the file system gone: no fault of the run."""
    return EnvironmentProblem(
        f"{folder} cannot be written: {error.strerror or error}",
        hint="free space or restore access there, then call the same command again",
    )


def now() -> str:
    """The time, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
