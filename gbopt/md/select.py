"""Which engine runs a potential here: what is found, what works, what is fastest, and why.

Nothing is believed before it was seen: each engine that might run on a GPU computes the forces
of a small LLZO crystal in a throw-away process, they are held against plain LAMMPS, and its speed
is measured. What was found is remembered, by the content of everything it depends on.
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from gbopt.cache import cache_folder, write_whole
from gbopt.config import AsePotential, MDConfig, Potential
from gbopt.config.sections import AseDevice, LammpsAccelerator, OpenMMPlatform, RunConfig
from gbopt.errors import ConfigError, EnvironmentProblem
from gbopt.md.bench import as_request
from gbopt.md.engine import EngineSettings, System
from gbopt.md.lammps_builds import lammps_accelerators
from gbopt.md.openmm_platform import GPU_PLATFORMS, platforms
from gbopt.md.placement import gpu_names, gpus, on_gpu
from gbopt.md.probe import Trial, probe
from gbopt.md.sample import sample_system
from gbopt.provenance import content_key

_SECONDS = 0.5
# Two codes of the same force accuracy differ by some 5e-4 of the rms force at 1e-4.
_FORCES_AGREE = 5e-3
# Real-space cut-offs, A, and orders of the mesh that may be fastest at a given accuracy.
_SPLITS: dict[str, tuple[tuple[float, int], ...]] = {
    "lammps": ((8.0, 7), (8.5, 6), (8.5, 7), (9.0, 6), (9.0, 7), (10.0, 5)),
    "openmm": ((8.5, 5), (10.0, 5)),
}
_DEFAULT_COULOMB_A = 8.5
# Distributions that the speed of an engine, or its working at all, depends on.
_PACKAGES = (
    *("lammps", "mpich", "openmm", "OpenMM-CUDA-12", "OpenMM-CUDA-13", "OpenMM-HIP-6"),
    *("nvidia-cuda-nvrtc", "torch", "chgnet", "nep-adapters", "mace-torch", "sevenn"),
)
_ACCELERATORS = {
    "lammps": get_args(LammpsAccelerator),
    "openmm": get_args(OpenMMPlatform),
    "ase": get_args(AseDevice),
}

Say = Callable[[str], None]


class Survey(BaseModel):
    """What was tried on this machine for one potential."""

    model_config = ConfigDict(frozen=True)

    trials: tuple[Trial, ...]
    force_errors: tuple[float | None, ...]
    """Rms difference of the forces from plain LAMMPS over their rms; None where not compared."""

    @property
    def usable(self) -> list[Trial]:
        """Trials that work and whose forces agree, the fastest first."""
        good = [trial for trial in self.trials if trial.works]
        return sorted(good, key=lambda trial: -trial.steps_per_s)


class Choice(NamedTuple):
    """The engine that runs, and the sentence that says why."""

    settings: EngineSettings
    why: str
    us_per_ion_step: float | None = None
    """Its speed on a small cell, us per ion and step; None where it was not measured."""


def base_settings(md: MDConfig, run: RunConfig) -> EngineSettings:
    """What a campaign says of every engine: time step, cut-offs, accuracy, threads."""
    coulomb_A = _DEFAULT_COULOMB_A if md.coulomb_cutoff_A == "auto" else md.coulomb_cutoff_A
    return EngineSettings(
        engine="lammps",
        precision=run.precision,
        threads=run.threads,
        timestep_ps=md.timestep_ps,
        buckingham_cutoff_A=md.buckingham_cutoff_A,
        coulomb_cutoff_A=coulomb_A,
        accuracy=md.pppm_accuracy,
    )


def candidates(
    potential: Potential, md: MDConfig, run: RunConfig, *, every: bool = False
) -> list[EngineSettings]:
    """Engines worth trying for a potential, by what is installed and what the campaign allows.

    Args:
        potential: what is to be run.
        md: the run's settings.
        run: the machine's; its engine and accelerator narrow the list.
        every: those too that are known to be slower, such as OpenMM on CPUs.
    """
    base = base_settings(md, run)
    found: list[EngineSettings] = []
    if "lammps" in potential.engines and run.engine in ("auto", "lammps"):
        ranked = replace(base, ranks=run.ranks)
        found += [replace(ranked, accelerator=name) for name in _lammps(run, every=every)]
    if "openmm" in potential.engines and run.engine in ("auto", "openmm") and run.ranks == 1:
        wide = replace(base, engine="openmm")
        found += [replace(wide, accelerator=name) for name in _openmm(run, every=every)]
    if "ase" in potential.engines and run.engine in ("auto", "ase"):
        devices = ("cuda", "cpu") if gpu_names() else ("cpu",)
        found += [replace(base, engine="ase", accelerator=device) for device in devices]
    if run.accelerator != "auto":
        found = [settings for settings in found if settings.accelerator == run.accelerator]
    first_gpu = gpus()[:1]
    return [replace(s, device="".join(first_gpu)) if on_gpu(s) else s for s in found]


def _lammps(run: RunConfig, *, every: bool) -> tuple[str, ...]:
    have = lammps_accelerators()
    on_cpu = [name for name in ("intel", "omp", "opt", "none") if name in have]
    named = run.accelerator in have
    cpu = on_cpu if every or named else on_cpu[:1] if "intel" not in have else on_cpu[:2]
    return (*(name for name in ("kokkos", "gpu") if name in have), *cpu)


def _openmm(run: RunConfig, *, every: bool) -> tuple[str, ...]:
    try:
        have = platforms()
    except EnvironmentProblem:
        return ()
    on_gpu_too = tuple(name for name in GPU_PLATFORMS if name in have)
    # On CPUs LAMMPS is several times as fast: OpenMM runs there only where it is asked for.
    asked = every or run.accelerator == "CPU" or (run.engine == "openmm" and not on_gpu_too)
    return (*on_gpu_too, "CPU") if asked and "CPU" in have else on_gpu_too


def survey(
    potential: Potential, settings: list[EngineSettings], *, say: Say, fresh: bool = False
) -> Survey:
    """Try engines on a small LLZO crystal. What works is remembered, what fails is tried again.

    Args:
        potential: how the ions interact.
        settings: the engines.
        say: called with a line of text when one is tried.
        fresh: try again what is remembered.
    """
    found = [_remembered(potential, [one], fresh) for one in settings]
    missing = [one for one, known in zip(settings, found, strict=True) if known is None]
    system = sample_system(potential) if missing else None
    reference = None if system is None else _reference_forces(system, potential, missing)
    trials: list[Trial] = []
    errors: list[float | None] = []
    for one, known in zip(settings, found, strict=True):
        tried = known
        if tried is None:
            assert system is not None  # noqa: S101 - something is missing
            say(f"trying {one.label}")
            tried = _try(system, potential, one, reference)
            _remember(potential, [one], tried)
        trials += tried.trials
        errors += tried.force_errors
    return Survey(trials=tuple(trials), force_errors=tuple(errors))


def _try(
    system: System,
    potential: Potential,
    settings: EngineSettings,
    reference: NDArray[np.float64] | None,
) -> Survey:
    with tempfile.TemporaryDirectory() as folder:
        request = as_request(system, potential, settings)
        trial, forces = probe(request, [settings], folder=Path(folder), seconds=_SECONDS)[0]
    if forces is None or reference is None:
        return Survey(trials=(trial,), force_errors=(None,))
    off = float(np.sqrt(((forces - reference) ** 2).mean() / (reference**2).mean()))
    if off >= _FORCES_AGREE:
        why = f"its forces differ from those of plain LAMMPS by {off:.1g} of their size"
        trial = trial.model_copy(update={"works": False, "why": why})
    return Survey(trials=(trial,), force_errors=(off,))


def _remembered(
    potential: Potential, settings: list[EngineSettings], fresh: bool = False
) -> Survey | None:
    """What the cache holds of these settings on this machine; None where they must be tried."""
    try:
        text = _file(potential, settings).read_text(encoding="utf-8")
        return None if fresh else Survey.model_validate_json(text)
    except (OSError, ValueError):
        return None  # never tried, or written by another version


def _remember(potential: Potential, settings: list[EngineSettings], found: Survey) -> None:
    """Keep what worked; a failure may be mended by the next installation."""
    if not all(trial.works for trial in found.trials):
        return
    file = _file(potential, settings)
    # A cache that cannot be written costs a second of trying each time.
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, found.model_dump_json(indent=1))


def _file(potential: Potential, settings: list[EngineSettings]) -> Path:
    content = {
        "machine": _machine(),
        "potential": potential.key,
        "settings": [asdict(one) for one in settings],
    }
    return cache_folder() / "engines" / f"{content_key(content)}.json"


def _reference_forces(
    system: System, potential: Potential, settings: list[EngineSettings]
) -> NDArray[np.float64] | None:
    """Forces of LAMMPS without accelerator; None where there is nothing to compare with them."""
    accelerated = [s for s in settings if s.engine != "ase" and s.accelerator != "none"]
    if not accelerated:
        return None
    plain = replace(accelerated[0], engine="lammps", accelerator="none", ranks=1, device="")
    with tempfile.TemporaryDirectory() as folder:
        request = as_request(system, potential, plain)
        return probe(request, [plain], folder=Path(folder), seconds=0.0)[0][1]


def choose(
    potential: Potential, md: MDConfig, run: RunConfig, *, say: Say, fresh: bool = False
) -> Choice:
    """Decide what runs a potential here, its cut-off tuned.

    Raises:
        ConfigError: the engine or accelerator that was asked for cannot run this potential.
        EnvironmentProblem: nothing here can run it.
    """
    tried = candidates(potential, md, run)
    if not tried:
        raise _nothing(potential, run)
    if len(tried) == 1 and not on_gpu(tried[0]):
        why = f"{tried[0].label}: no GPU engine was found here"
        if run.engine != "auto" or run.accelerator != "auto" or isinstance(potential, AsePotential):
            why = f"{tried[0].label}: the only one that was asked for and runs this potential"
        settings, fastest = _tuned(tried[0], potential, md, say, fresh=fresh)
        return Choice(settings, why, fastest.us_per_ion_step if fastest else None)
    found = survey(potential, tried, say=say, fresh=fresh)
    if not found.usable:
        reasons = "; ".join(f"{t.engine_settings.label}: {t.why}" for t in found.trials)
        hints = [trial.hint for trial in found.trials if trial.hint]
        raise EnvironmentProblem(
            f"no engine runs {potential.name} here: {reasons}",
            hint=hints[0] if hints else "`gbopt doctor` shows what was tried",
        )
    best = found.usable[0]
    others = ", ".join(f"{t.engine_settings.label} {t.steps_per_s:.0f}" for t in found.usable[1:])
    why = f"{best.engine_settings.label}: the fastest here, {best.steps_per_s:.0f} steps/s" + (
        f" (then {others})" if others else ""
    )
    settings, fastest = _tuned(best.engine_settings, potential, md, say, fresh=fresh)
    return Choice(settings, why, (fastest or best).us_per_ion_step)


def speed_us_per_ion_step(potential: Potential, choice: Choice, *, say: Say) -> float:
    """Speed of one run of a choice, measured here for an instant where the choice did not need to.

    Args:
        potential: what is run.
        choice: the engine.
        say: called with a line of text where something has to be tried.

    Raises:
        ConfigError: the potential does not describe LLZO.
        EnvironmentProblem: the engine does not run.
    """
    if choice.us_per_ion_step is not None:
        return choice.us_per_ion_step
    trial = survey(potential, [choice.settings], say=say).trials[0]
    if not trial.works:
        raise EnvironmentProblem(
            f"{trial.engine_settings.label} does not run {potential.name}: {trial.why}",
            hint=trial.hint or "`gbopt doctor` shows what works here",
        )
    return trial.us_per_ion_step


def _nothing(potential: Potential, run: RunConfig) -> ConfigError | EnvironmentProblem:
    engines = [name for name in potential.engines if run.engine in ("auto", name)]
    if not engines:
        return ConfigError(
            f"run.engine = {run.engine!r} cannot run the potential {potential.name}",
            hint=f"choose {' or '.join(potential.engines)}, or auto",
        )
    allowed = [name for engine in engines for name in _ACCELERATORS[engine]]
    if run.accelerator not in ("auto", *allowed):
        return ConfigError(
            f"run.accelerator = {run.accelerator!r} is none of {' or '.join(engines)}, which run "
            f"{potential.name}",
            hint=f"choose one of {', '.join(allowed)}, or auto",
        )
    if run.ranks > 1 and "lammps" not in engines:
        return ConfigError(
            f"run.ranks = {run.ranks}, but {' or '.join(engines)} runs on one rank",
            hint="set run.ranks to 1",
        )
    asked = f"run.accelerator = {run.accelerator!r}" if run.accelerator != "auto" else engines[0]
    return EnvironmentProblem(
        f"this machine does not have what {potential.name} needs: {asked}",
        hint="`gbopt doctor` shows what works here; auto takes the fastest of it",
    )


def _tuned(
    settings: EngineSettings, potential: Potential, md: MDConfig, say: Say, *, fresh: bool
) -> tuple[EngineSettings, Trial | None]:
    """The settings with the fastest split at the same accuracy, and how fast that is."""
    if md.coulomb_cutoff_A != "auto" or potential.kind != "buckingham" or settings.ranks > 1:
        return settings, None
    splits = _SPLITS[settings.engine]
    tried = [replace(settings, coulomb_cutoff_A=A, mesh_order=order) for A, order in splits]
    found = _remembered(potential, tried, fresh)
    if found is None:
        say(f"tuning the Coulomb cut-off of {settings.label}")
        with tempfile.TemporaryDirectory() as scratch:
            request = as_request(sample_system(potential), potential, settings)
            raced = probe(request, tried, folder=Path(scratch), seconds=_SECONDS, race=True)
        trials = tuple(trial for trial, _ in raced)
        found = Survey(trials=trials, force_errors=(None,) * len(trials))
        _remember(potential, tried, found)
    if not found.usable:
        return settings, None
    fastest = found.usable[0]
    best = fastest.engine_settings
    tuned = replace(settings, coulomb_cutoff_A=best.coulomb_cutoff_A, mesh_order=best.mesh_order)
    return tuned, fastest


def engine_version(engine: str) -> str:
    """Version of the distribution that an engine comes in."""
    return metadata.version("lammps" if engine == "lammps" else engine)


def _machine() -> dict[str, object]:
    """What the speed of an engine depends on."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "host": platform.node(),
        "gpus": list(gpu_names()),
        "visible": list(gpus()),
        "packages": versions,
    }
