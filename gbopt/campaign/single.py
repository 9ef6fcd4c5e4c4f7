"""One boundary, evaluated outside of any search by the road that the trials of a campaign take.

Its folder goes on where it was killed:

resolved.toml   the campaign whose settings it has   request.json      what was asked, which engine
bulk.json       the reference crystal                evaluation.json   written last: the record
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from gbopt.campaign.boundaries import CRYSTAL
from gbopt.campaign.record import keep
from gbopt.campaign.reference import Melt
from gbopt.config import CampaignConfig, to_toml
from gbopt.errors import ConfigError, RunFolderError
from gbopt.evaluate.bulk import bulk_reference
from gbopt.evaluate.candidate import Job, evaluate
from gbopt.evaluate.engines import choose_engine, on_its_gpu, pin, pinned_engine
from gbopt.md import stopping
from gbopt.md.protocol import boundary_stages
from gbopt.md.run import Progress
from gbopt.md.select import Choice
from gbopt.model.evaluation import Evaluation
from gbopt.model.spec import GBSpec
from gbopt.potentials.library import get_potential
from gbopt.store.files import write_atomic
from gbopt.store.folders import EVALUATION_LOCK, REQUEST
from gbopt.store.progress import ProgressFile
from gbopt.store.rundir import EVALUATION, read_evaluation

# What a folder holds whose making was interrupted.
_BEGINNINGS = {"resolved.toml"}
_LOCK_PATIENCE_S = 1.0


@dataclass(frozen=True)
class Single:
    """One boundary with its folder. Make one with ``open_single``."""

    folder: Path
    config: CampaignConfig
    """As this evaluation sees it."""
    spec: GBSpec
    engine: Choice

    @property
    def steps(self) -> int:
        """MD steps of a run of full length."""
        stages = boundary_stages(self.config.md, self.spec.seed, self.config.field)
        return sum(stage.steps for stage in stages)


def default_fields(config: CampaignConfig) -> dict[str, Any]:
    """Fields of a specification that a name leaves open, as the campaign has them.

    The width is three atomic layers, or the nearest that the campaign allows.
    """
    geometry = config.geometry
    low, high = geometry.width_layers
    return {
        "width_layers": min(max(3, low), high),
        "crystal_A": geometry.crystal_A,
        "gap_A": geometry.gap_A[0],
        "relax_translations": geometry.relax_translations,
        "orderings": geometry.orderings,
        "seed": config.seed,
    }


def finished_single(config: CampaignConfig, spec: GBSpec, folder: Path) -> Evaluation | None:
    """Read the record of an evaluation that was brought to its end; None where it was not.

    No engine is needed for that.

    Args:
        config: the campaign whose settings are used.
        spec: the boundary.
        folder: where everything was written.

    Raises:
        ConfigError: the boundary cannot be evaluated.
        RunFolderError: something else lies in the folder.
    """
    config = _as_run(config.in_search(), spec)
    file = folder / EVALUATION
    begun = _pinned(folder, _asked(config, spec)) is not None
    return read_evaluation(file) if begun and file.exists() else None


def open_single(
    config: CampaignConfig, spec: GBSpec, folder: Path, say: Callable[[str], None]
) -> Single:
    """Make the folder of an evaluation, or open it where the same was begun before.

    Args:
        config: the campaign whose settings are used; its search is not.
        spec: the boundary.
        folder: where everything is written.
        say: called with a line of text where something has to be tried first.

    Raises:
        ConfigError: the boundary is of another crystal than the reference, or the potential does
            not describe it.
        RunFolderError: something else lies in the folder.
        EnvironmentProblem: nothing on this machine runs the potential.
    """
    config = _as_run(config.in_search(), spec)
    asked = _asked(config, spec)
    pinned = _pinned(folder, asked)
    if pinned is not None:
        return Single(folder, config, spec, pinned_engine(config, pinned, say))
    chosen = choose_engine(config, say)
    write_atomic(folder / "resolved.toml", to_toml(config))
    request = json.dumps(asked | {"engine": pin(chosen.settings)}, indent=1)
    write_atomic(folder / REQUEST, request)  # last: a folder that has it is complete
    return Single(folder, config, spec, chosen)


def read_request(folder: Path) -> GBSpec:
    """The boundary that the evaluation in a folder is of.

    Raises:
        RunFolderError: what was asked cannot be read.
    """
    file = folder / REQUEST
    try:
        return GBSpec.model_validate(json.loads(file.read_text(encoding="utf-8"))["spec"])
    except (OSError, ValueError, KeyError):
        raise RunFolderError(
            f"{file} cannot be read", hint="evaluate the boundary anew, in another folder"
        ) from None


def run_single(
    single: Single, say: Callable[[str], None], on_progress: Callable[[Progress], None]
) -> Evaluation:
    """Evaluate the boundary, from where an earlier attempt was interrupted.

    Args:
        single: what ``open_single`` gave.
        say: called with a line of text when something happens.
        on_progress: called with every report of the MD.

    Raises:
        RunFolderError: another process evaluates it.
        Stopped: it was asked to end what runs.
        GboptError: the bulk reference or this machine does not work.
    """
    config, settings = single.config, single.engine.settings
    with _held(single.folder):
        if (single.folder / EVALUATION).exists():
            return read_evaluation(single.folder / EVALUATION)
        stopping.begin(single.folder)
        bulk = bulk_reference(config, settings, workers=config.run.workers, on_progress=say)
        write_atomic(single.folder / "bulk.json", bulk.model_dump_json(indent=1))
        progress = ProgressFile(single.folder)

        def report(at: Progress) -> None:
            progress.write(at.stage, at.step, at.steps)
            on_progress(at)

        evaluation = evaluate(
            Job(number=0, replicate=0, requested={}, params={}, spec=single.spec),
            config,
            bulk,
            settings=on_its_gpu(settings, 0),
            folder=single.folder,
            on_progress=report,
        )
        keep(evaluation, single.folder)
        return evaluation


def _as_run(config: CampaignConfig, spec: GBSpec) -> CampaignConfig:
    """The campaign with the melt and quench of [confirm] where the boundary has a film."""
    if spec.crystal != CRYSTAL:
        raise ConfigError(
            f"the boundary is of {spec.crystal}, the reference crystal of an evaluation is "
            f"{CRYSTAL}",
            hint="`gbopt build` writes boundaries of other crystals, to be run elsewhere",
        )
    get_potential(config.md.potential).require(tuple(d.element for d in spec.composition.dopants))
    if spec.film is None:
        return config
    confirm = config.confirm
    if confirm.melt_temperature_K <= config.md.temperature_K:
        raise ConfigError(
            f"confirm.melt_temperature_K = {confirm.melt_temperature_K:g}: a film that is run at "
            f"{config.md.temperature_K:g} K must be melted above that",
            hint="raise it in the campaign file",
        )
    melt = Melt(confirm.melt_temperature_K, confirm.melt_ps, confirm.quench_K_per_ps)
    return melt.of(config)


def _asked(config: CampaignConfig, spec: GBSpec) -> dict[str, Any]:
    """What an evaluation depends on, as JSON has it."""
    asked = {"spec": spec.model_dump(mode="json"), "settings": config.settings}
    return dict(json.loads(json.dumps(asked)))


def _pinned(folder: Path, asked: dict[str, Any]) -> dict[str, str | int | float] | None:
    """The engine that the same evaluation was begun with; None in a new or an empty folder."""
    file = folder / REQUEST
    if not file.exists():
        if folder.exists() and not _only_beginnings(folder):
            raise RunFolderError(
                f"{folder} exists already and holds no evaluation of one boundary",
                hint="name another folder with --out",
            )
        return None
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
        pinned: dict[str, str | int | float] = before.pop("engine")
    except (ValueError, KeyError):
        raise RunFolderError(
            f"{file} cannot be read", hint="name another folder with --out, or remove this one"
        ) from None
    for part in ("spec", "settings"):
        for name, value in asked[part].items():
            if (old := before.get(part, {}).get(name)) != value:
                raise RunFolderError(
                    f"{folder} was begun with {name} = {json.dumps(old)}, now it is "
                    f"{json.dumps(value)}",
                    hint="undo the change, or name another folder with --out",
                )
    return pinned


def _only_beginnings(folder: Path) -> bool:
    """Whether a folder is empty, or holds only what an interrupted beginning leaves."""
    names = {entry.name for entry in folder.iterdir()} if folder.is_dir() else {str(folder)}
    return {name for name in names if not name.startswith(".")} <= _BEGINNINGS


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the folder: only one process may work in it."""
    lock = FileLock(folder / EVALUATION_LOCK)
    try:
        lock.acquire(timeout=_LOCK_PATIENCE_S)
    except Timeout:
        raise RunFolderError(
            f"another gbopt process evaluates the boundary in {folder}",
            hint="wait for it, or stop it first (Ctrl-C)",
        ) from None
    try:
        yield
    finally:
        lock.release()
