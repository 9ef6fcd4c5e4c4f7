"""The parent's side of an MD run: start the child, relay its frames, and survive its death."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbopt.config import MDConfig, Potential
from gbopt.errors import EnvironmentProblem, GboptError, MDError
from gbopt.md import stopping
from gbopt.md.engine import EngineSettings, System
from gbopt.md.frames import as_frame
from gbopt.md.libmpi import child_environment, mpiexec
from gbopt.md.protocol import Stage, energy_stage, frame_steps
from gbopt.md.request import Request
from gbopt.md.room import is_full, unwritable
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.trajectory import Trajectory, TrajectoryInfo

_LOG_LINES = 40
_LOOK_S = 0.5
# No engine sends itself these.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands."""

    stage: str
    step: int
    steps: int
    temperature_K: float


class MDRun:
    """A child process at work. Use through ``run_md``."""

    def __init__(
        self,
        folder: Path,
        info: tuple[Bicrystal, MDConfig],
        request: Request,
        stall_s: float,
        on_progress: Callable[[Progress], None],
        checkpoint_s: float,
    ) -> None:
        self._folder, self._request = folder, request
        self._structure, self._md = info
        self._stall_s, self._checkpoint_s = stall_s, checkpoint_s
        self._saved = time.monotonic()
        self._on_progress = on_progress
        self._stage = "start"
        self._mean_K: dict[str, float] = {}
        self._begun: dict[str, Any] | None = None
        self._ended = False
        self.steps_done: dict[str, int] = {}
        """Steps of each stage, those of before an interruption included."""
        self.energies_eV: dict[str, float] = {}
        """Potential energy at the last report of each stage."""
        self.engine = ""
        """Engine and version, once it has started."""
        self._process, self._pipe = _spawn(folder, request.settings)

    def mean_temperature_K(self, stage: str = "production") -> float:
        """Mean temperature of a production stage at its frames so far; nan before the second."""
        return self._mean_K.get(stage, math.nan)

    @property
    def ended(self) -> bool:
        """Whether the run has come to its end."""
        return self._ended

    @property
    def stage(self) -> str:
        """The stage that the last message came from."""
        return self._stage

    def trajectory(self, go_on: Callable[[], bool] = lambda: True) -> Trajectory:
        """Wait for the next production stage to begin, and return its frames as they come.

        Their interval and temperature are those of the stage; it says whether they are positions
        or velocities.

        Call again for the stage after it, once the frames have been consumed. Those of a run that
        is taken up come from the first one on.

        Args:
            go_on: asked after each chunk of the stage, when its frames have been consumed; the
                stage ends where the answer is no.

        Raises:
            MDError: the run failed, hung or blew up.
        """
        message = self._begun or self._receive()
        while message["type"] != "production":
            message = self._receive()
        self._begun = None
        info = TrajectoryInfo(
            species=self._structure.element_numbers,
            cell=np.array(message["cell"]),
            frame_interval_ps=message["frame_steps"] * self._md.timestep_ps,
            n_frames=message["n_frames"],
            temperature_K=message["temperature_K"] or self._md.temperature_K,
            length_err_A=message["length_err_A"],
            content=message["content"],
        )
        return Trajectory(info, self._frames(go_on))

    def _frames(self, go_on: Callable[[], bool]) -> Iterator[NDArray[np.float64]]:
        while (message := self._receive())["type"] != "done":
            if message["type"] == "production":  # of the next stage
                self._begun = message
                return
            if message["type"] == "frame":
                yield as_frame(self._read(), self._structure.n_ions)
            elif message["type"] == "ask":
                self._answer(go_on())

    def finish(self) -> None:
        """Follow the run to its end, frames of further stages unread.

        Raises:
            MDError: the run failed, hung or blew up.
        """
        while not self._ended:
            message = self._receive()
            if message["type"] == "frame":
                self._read()
            elif message["type"] == "ask":
                self._answer(True)

    def _answer(self, yes: bool) -> None:
        assert self._process.stdin is not None  # noqa: S101 - opened in _spawn
        try:
            self._process.stdin.write(b"yes\n" if yes else b"no\n")
            self._process.stdin.flush()
        except OSError:
            raise self._death() from None

    def _receive(self) -> dict[str, Any]:
        """Read the next message for others, keep the books, and turn trouble into an error."""
        while (message := self._next())["type"] == "point":
            due = time.monotonic() - self._saved >= self._checkpoint_s
            self._answer(due or stopping.asked_to_end() is not None)
        return message

    def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._read())
        self._stage = message["stage"]
        self._heed(at_checkpoint=message["type"] == "checkpoint")
        if message["type"] == "error":
            self._raise(message)
        self._ended = message["type"] == "done"
        if message["type"] == "engine":
            self.engine, self.steps_done = message["version"], message["steps_done"]
        if message["type"] == "checkpoint":
            self._saved = time.monotonic()
        if message["type"] == "frame":
            self._mean_K[self._stage] = message["mean_temperature_K"]
        if message["type"] == "progress":
            self.steps_done[self._stage] = message["step"]
            self.energies_eV[self._stage] = message["energy_eV"]
            progress = Progress(
                self._stage, message["step"], message["steps"], message["temperature_K"]
            )
            self._on_progress(progress)
        return message

    def _read(self) -> bytes:
        end = time.monotonic() + self._stall_s
        while not self._pipe.poll(min(_LOOK_S, self._stall_s)):
            self._heed()
            if time.monotonic() >= end:
                raise self._failure(
                    f"the MD process reported nothing for {self._stall_s:g} s and was ended",
                    f"the logs are in {self._folder}; where steps are that slow, raise run.stall_s",
                )
        try:
            return self._pipe.recv_bytes()
        except (EOFError, OSError):
            raise self._death() from None

    def _heed(self, *, at_checkpoint: bool = False) -> None:
        """End the run where that is asked for: at a checkpoint, if one comes soon."""
        if stopping.asked_to_end() is None:
            return
        if at_checkpoint or stopping.patience_left_s() <= 0:
            stopping.heed()

    def _death(self) -> GboptError:
        stopping.heed_late()
        code = self._process.wait()
        cause = f"the MD process died ({_ending(code)})"
        return self._failure(cause, killed=-code in _FROM_OUTSIDE)

    def _raise(self, message: dict[str, Any]) -> None:
        if message["kind"] == "environment":
            raise EnvironmentProblem(message["message"], hint=message["hint"])
        raise self._failure(message["message"], message.get("hint", ""))

    def _failure(self, cause: str, hint: str = "", *, killed: bool = False) -> GboptError:
        if is_full(self._folder):  # no fault of the run, whatever it says
            return unwritable(self._folder, None, self._request.room_bytes)
        hint = hint or f"the logs are in {self._folder}; a smaller md.timestep_ps often helps"
        tail = _tail(self._folder)
        return MDError(cause, hint=hint, stage=self._stage, log_tail=tail, killed=killed)

    def close(self) -> None:
        """End the child, whatever it is doing."""
        self._pipe.close()
        if self._process.poll() is None:
            # The whole session: with several MPI ranks there is more than one process.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            with suppress(OSError):  # an answer that the child did not live to read
                self._process.stdin.close()
        # What MPICH leaves of a process that was ended before it could finalise.
        Path(f"/dev/shm/mpich_shm_{self._process.pid:x}_0").unlink(missing_ok=True)  # noqa: S108


@contextmanager
def run_md(
    structure: Bicrystal,
    potential: Potential,
    stages: tuple[Stage, ...],
    md: MDConfig,
    *,
    settings: EngineSettings,
    folder: Path,
    stall_s: float,
    on_progress: Callable[[Progress], None],
    checkpoint_s: float = math.inf,
) -> Iterator[MDRun]:
    """Run the stages on a structure in a child process; the child ends with the context.

    A run that was interrupted is taken up at the checkpoint in its folder, if that is of the same
    request: after the last finished stage, or within one. It then sends all frames once more, and
    what comes after them is what would have come without a break. Frames and checkpoints stay when
    the run has ended: call ``clear_run`` when what was made of them is on disk.

    Args:
        structure: the ions and their cell.
        potential: how they interact.
        stages: what to do, one after another.
        md: temperature and frame interval, where a stage has none of its own.
        settings: the engine, its accelerator, time step and cut-offs.
        folder: where request, start, log, frames and checkpoints are written (made if need be).
        stall_s: silence after which the child is given up.
        on_progress: called with every report of the child.
        checkpoint_s: wall time between two checkpoints within a stage; there is one, too, when the
            run is to end.

    Raises:
        ConfigError: the structure holds an element that the potential does not describe.
    """
    potential.require(structure.elements)
    if settings.timestep_ps != md.timestep_ps:
        raise ValueError(f"time steps of {settings.timestep_ps} and {md.timestep_ps} ps in one run")
    request = Request(
        system=system_of(structure),
        potential=potential,
        settings=replace(settings, seed=_seed(stages)),
        stages=stages,
        frame_steps=frame_steps(md),
    )
    request.write(folder)
    run = MDRun(folder, (structure, md), request, stall_s, on_progress, checkpoint_s)
    try:
        yield run
    finally:
        run.close()


def _seed(stages: tuple[Stage, ...]) -> int:
    """Seed of the run: that of its first velocities."""
    return next((s.velocity_seed for s in stages if s.velocity_seed is not None), 0)


def system_of(structure: Bicrystal) -> System:
    """What an engine needs to know of a structure; elements without ions left out."""
    return System(
        positions=structure.positions,
        cell=structure.cell,
        species=structure.species,
        elements=structure.elements,
        core=structure.core,
    )


def minimum_energy(
    structure: Bicrystal,
    potential: Potential,
    md: MDConfig,
    *,
    settings: EngineSettings,
    folder: Path,
    stall_s: float,
    relax_cell: bool,
    checkpoint_s: float = math.inf,
) -> float:
    """Potential energy of a structure relaxed to its nearest minimum, eV per cell.

    Args:
        structure: the ions and their cell.
        potential: how they interact.
        md: the settings of the run.
        settings: the engine and its cut-offs.
        folder: where request, start and log are written (made if need be).
        stall_s: silence after which the child is given up.
        relax_cell: whether the edges are relaxed to zero pressure too.
        checkpoint_s: wall time between two checkpoints, from which it is taken up.

    Raises:
        MDError: the engine failed.
    """
    stage = energy_stage(relax_cell=relax_cell)
    with run_md(
        structure,
        potential,
        (stage,),
        md,
        settings=settings,
        folder=folder,
        stall_s=stall_s,
        on_progress=_silent,
        checkpoint_s=checkpoint_s,
    ) as run:
        run.finish()
    return run.energies_eV[stage.name]


def _silent(progress: Progress) -> None:
    """A relaxation takes seconds: nothing is shown."""


def _spawn(folder: Path, settings: EngineSettings) -> tuple[subprocess.Popen[bytes], Connection]:
    """Start ``gbopt.md.child`` with one end of a pipe, its own threads, and its own session."""
    read_end, write_end = os.pipe()
    python = [*mpiexec(settings.ranks), sys.executable]
    with (folder / "child.log").open("wb") as log:
        process = subprocess.Popen(
            [*python, "-m", "gbopt.md.child", str(folder), str(write_end)],
            stdin=subprocess.PIPE,  # its closing tells the child that we are gone
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(write_end,),
            start_new_session=True,  # Ctrl-C goes to the campaign, which ends its children
            env=child_environment(settings.threads, settings.device),
        )
    os.close(write_end)
    return process, Connection(read_end, writable=False)


def _ending(code: int) -> str:
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def _tail(folder: Path) -> str:
    """Last lines of LAMMPS's log and of what the child printed."""
    lines: list[str] = []
    for name in ("lammps.log", "child.log"):
        path = folder / name
        if path.exists():
            lines += path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
    return "\n".join(lines)
