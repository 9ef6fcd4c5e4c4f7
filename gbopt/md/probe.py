"""A throw-away process that tries engines: ``python -m gbopt.md.probe FOLDER``.

Kokkos starts once in a process, and a broken driver may end the process it is called in: so what
an engine does is found out where nothing can be lost. The request in FOLDER is tried with each of
the settings in ``trials.json``; what is found goes to ``found.jsonl``, a line each as it comes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from gbopt.errors import GboptError
from gbopt.md.engine import Engine, EngineSettings, agreed, make_engine
from gbopt.md.libmpi import child_environment, mpiexec
from gbopt.md.protocol import Stage
from gbopt.md.request import Request, read_request

_TRIALS, _FOUND, _FORCES = "trials.json", "found.jsonl", "forces-{}.npy"
_WARM_UP, _BATCH, _SLOW_S, _LEAST_BURSTS = 20, 10, 0.3, 3
_TEMPERATURE_K = 1100.0
_TIMEOUT_S = 180.0
_BARRIER_S = 90.0


class Trial(BaseModel):
    """What one engine did with a structure."""

    model_config = ConfigDict(frozen=True)

    settings: dict[str, str | int | float]
    works: bool
    why: str = ""
    """Why it does not work."""
    hint: str = ""
    version: str = ""
    n_ions: int = 0
    energy_eV: float | None = None
    """Potential energy of the structure as given; None where it was not computed."""
    steps_per_s: float = 0.0
    """NVT steps per second of wall time; 0 where they were not timed."""

    @property
    def engine_settings(self) -> EngineSettings:
        """The settings that were tried."""
        return EngineSettings(**self.settings)  # type: ignore[arg-type]

    @property
    def us_per_ion_step(self) -> float:
        """Microseconds per ion and step."""
        return 1e6 / (self.steps_per_s * self.n_ions) if self.steps_per_s else float("inf")

    @property
    def ns_per_day(self) -> float:
        """Nanoseconds of MD in a day."""
        return self.steps_per_s * float(self.settings["timestep_ps"]) * 86.4


def probe(
    request: Request,
    trials: Sequence[EngineSettings],
    *,
    folder: Path,
    seconds: float,
    together: int = 1,
    race: bool = False,
    timeout_s: float = _TIMEOUT_S,
) -> list[tuple[Trial, NDArray[np.float64] | None]]:
    """Try settings one after another in one process; return what came and the forces, eV/A.

    Args:
        request: the ions and how they interact; its own settings and stages are not used.
        trials: the settings, all of one engine and accelerator.
        folder: an empty folder to work in.
        seconds: how long each is timed; 0: forces alone.
        together: how many such processes, in folders of one folder, are to be timed side by side.
        race: time them in turns, a burst each, so that a machine that slows down slows all alike.
        timeout_s: time that one of them may take before the process is given up.
    """
    request.write(folder)
    (folder / _TRIALS).write_text(
        json.dumps(
            {
                "seconds": seconds,
                "together": together,
                "race": race,
                "settings": [asdict(trial) for trial in trials],
            }
        )
    )
    first = trials[0]
    command = [*mpiexec(first.ranks), sys.executable, "-m", "gbopt.md.probe", str(folder)]
    ending = _run(command, child_environment(first.threads, first.device), timeout_s * len(trials))
    found = _read_found(folder)
    # What the process did not come to say, it died of.
    missing = [Trial(settings=asdict(t), works=False, why=ending) for t in trials[len(found) :]]
    return [*found, *((trial, None) for trial in missing)]


def _run(command: list[str], environment: dict[str, str], timeout_s: float) -> str:
    """Run to the end, or to the time limit; return what there is to say of it."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        _, said = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return f"it did not answer within {timeout_s:g} s"
    finally:
        # The whole session: with several MPI ranks there is more than one process.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    lines = [line for line in said.strip().splitlines() if line.strip()]
    return lines[-1] if lines else f"its process ended with exit code {process.returncode}"


def _read_found(folder: Path) -> list[tuple[Trial, NDArray[np.float64] | None]]:
    file = folder / _FOUND
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    found = []
    for index, line in enumerate(lines):
        forces = folder / _FORCES.format(index)
        trial = Trial.model_validate_json(line)
        found.append((trial, np.load(forces) if forces.exists() else None))
    return found


def main() -> None:
    """Try everything that ``trials.json`` asks for."""
    folder = Path(sys.argv[1])
    request = read_request(folder)
    asked = json.loads((folder / _TRIALS).read_text(encoding="utf-8"))
    every = [EngineSettings(**settings) for settings in asked["settings"]]
    writes = os.environ.get("PMI_RANK", "0") == "0"
    if asked["race"]:
        for trial in _race(request, every, asked["seconds"]):
            _write(folder, trial)
        return
    for index, settings in enumerate(every):
        one = replace(request, settings=settings)
        ready = _wait_for_all(folder.parent, asked["together"]) if asked["together"] > 1 else _go
        trial, forces = _try(one, asked["seconds"], ready, last=settings == every[-1])
        if not writes:
            continue
        if forces is not None:
            np.save(folder / _FORCES.format(index), forces)
        _write(folder, trial)


def _write(folder: Path, trial: Trial) -> None:
    with (folder / _FOUND).open("a", encoding="utf-8") as found:
        found.write(trial.model_dump_json() + "\n")


def _try(
    request: Request, seconds: float, ready: Callable[[], None], *, last: bool
) -> tuple[Trial, NDArray[np.float64] | None]:
    settings = asdict(request.settings)
    try:
        engine = make_engine(request.system, request.potential, request.settings)
        forces = engine.forces()
        energy_eV = engine.thermo().energy_eV
        speed = steps_per_second(engine, seconds, ready) if seconds > 0 else 0.0
        version = engine.version
        engine.close(last=last)
    except GboptError as error:
        return Trial(settings=settings, works=False, why=error.message, hint=error.hint), None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is asked for
        cause = (str(error).strip() or type(error).__name__).splitlines()[0]
        return Trial(settings=settings, works=False, why=cause), None
    trial = Trial(
        settings=settings,
        works=bool(np.isfinite(forces).all()),
        why="" if np.isfinite(forces).all() else "its forces are not numbers",
        version=version,
        n_ions=len(request.system.species),
        energy_eV=energy_eV if np.isfinite(energy_eV) else None,
        steps_per_s=speed,
    )
    return trial, forces


def _go() -> None:
    """Nobody to wait for."""


def _wait_for_all(folder: Path, count: int) -> Callable[[], None]:
    """Wait until so many processes are warm: they are to be timed side by side."""

    def ready() -> None:
        (folder / f"ready-{os.getpid()}").touch()
        end = time.monotonic() + _BARRIER_S
        while len(list(folder.glob("ready-*"))) < count and time.monotonic() < end:
            time.sleep(0.005)

    return ready


def _race(request: Request, every: list[EngineSettings], seconds: float) -> list[Trial]:
    """Time engines in turns; the median burst of each counts."""
    engines = [make_engine(request.system, request.potential, settings) for settings in every]
    for engine in engines:
        _warm(engine)
    bursts: list[list[float]] = [[] for _ in engines]
    end = time.perf_counter() + seconds * len(engines)
    while time.perf_counter() < end or len(bursts[0]) < _LEAST_BURSTS:
        for engine, spent in zip(engines, bursts, strict=True):
            started = time.perf_counter()
            engine.run(_BATCH)
            engine.thermo()
            spent.append(time.perf_counter() - started)
    for engine in engines[:-1]:
        engine.close()
    versions = [engine.version for engine in engines]
    engines[-1].close(last=True)
    return [
        Trial(
            settings=asdict(settings),
            works=True,
            version=version,
            n_ions=len(request.system.species),
            steps_per_s=_BATCH / float(np.median(spent)),
        )
        for version, settings, spent in zip(versions, every, bursts, strict=True)
    ]


def _warm(engine: Engine) -> int:
    """Relax a little, begin NVT at 1100 K and run some steps; return how many."""
    started = time.perf_counter()
    engine.forces()
    # A learned potential on one core takes a second for a step: it is not kept warming up.
    warm_up = _WARM_UP if agreed(engine, int(time.perf_counter() - started < _SLOW_S)) else 1
    engine.begin(Stage(name="relax", kind="minimise", steps=warm_up, max_move_A=0.05))
    engine.minimise(warm_up)
    engine.end()
    engine.begin(
        Stage(
            name="speed",
            kind="dynamics",
            steps=10**9,
            start_K=_TEMPERATURE_K,
            end_K=_TEMPERATURE_K,
            velocity_seed=1,
        )
    )
    engine.run(warm_up)
    engine.thermo()
    return warm_up


def steps_per_second(engine: Engine, seconds: float, ready: Callable[[], None] = _go) -> float:
    """Time NVT steps at 1100 K, at least for so many seconds.

    Args:
        engine: with the structure to run.
        seconds: how long to measure.
        ready: called between warming up and measuring.
    """
    warm_up = _warm(engine)
    ready()
    steps, batch, spent, started = 0, min(_BATCH, warm_up), 0.0, time.perf_counter()
    while batch:
        engine.run(batch)
        engine.thermo()  # a GPU has done its steps when it must answer
        steps += batch
        spent = time.perf_counter() - started
        longer = max(1, min(2 * batch, int(0.25 * steps * seconds / spent)))
        batch = agreed(engine, longer if spent < seconds else 0)
    engine.end()
    return steps / spent


if __name__ == "__main__":
    main()
