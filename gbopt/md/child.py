"""The process that holds an engine: ``python -m gbopt.md.child FOLDER FD``.

It reads ``request.json`` and ``start.npz`` in FOLDER, runs the stages one after another, and
writes messages to the pipe FD: a JSON header each, a frame followed by its numbers. Whatever
happens to it (error, segmentation fault, hang) happens to this process alone.

Where it finds a checkpoint of the same request it goes on from there, and sends what came before
once more, from the frames on disk. Where checkpoints may lie is fixed in steps, by the engine, and
there a run always goes on from what it has saved, as one that is taken up does: so the clock, and
kills, have no part in what it comes to. Whether such a moment is kept as a checkpoint is for the
parent to say, which has the clock.

Where LAMMPS runs on several MPI ranks, each is such a process; the first one talks.
"""

from __future__ import annotations

import json
import math
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from gbopt.errors import ConfigError, EnvironmentProblem
from gbopt.md.checkpoint import (
    Checkpoint,
    Production,
    clear_run,
    pass_through_file,
    read_checkpoint,
    write_checkpoint,
)
from gbopt.md.engine import Engine, agreed, make_engine
from gbopt.md.frames import FrameWriter, frames_file, read_frames
from gbopt.md.protocol import Stage
from gbopt.md.request import Request, read_request
from gbopt.md.room import FULL, unwritable

_CHUNK_STEPS, _CHUNK_S = 50, 20.0
_RENEWAL_ITERATIONS = 200
"""As ``Engine.renewal_steps``, in minimisations: all optimisers have a memory."""
_LEAST_ITERATIONS = 20
"""In one iteration nothing is seen to converge, however slow the machine."""
_BLOCKS = 4
_ORPHANED = 9


class BlowUpError(Exception):
    """The dynamics went wrong without the engine noticing."""


def main() -> None:
    """Run the request, and report an error as a message rather than a traceback."""
    # A scheduler signals every process of a job. This one ends when its parent says so.
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    folder, rank = Path(sys.argv[1]), int(os.environ.get("PMI_RANK", "0"))
    pipe = Connection(int(sys.argv[2]), readable=False) if rank == 0 else None
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()
    if rank == 0:
        threading.Thread(target=_listen, args=(answers,), daemon=True).start()
    else:
        os.close(int(sys.argv[2]))
    run = _Run(folder, pipe, answers)
    try:
        run.all_stages()
    except (EnvironmentProblem, ConfigError) as problem:
        run.give_up(problem)
    except Exception as error:  # noqa: BLE001 - reported to the parent, never swallowed
        cause = str(error).strip() or type(error).__name__
        if isinstance(error, OSError) and error.errno in FULL:
            run.give_up(unwritable(folder, error, run.request.room_bytes))
        else:
            run.send({"type": "error", "kind": "md", "message": cause})
    else:
        run.send({"type": "done"})


def _listen(answers: queue.SimpleQueue[str]) -> None:
    """Pass on the parent's answers; end this process when its end closes: no orphans."""
    with os.fdopen(0, encoding="ascii") as lines:
        for line in lines:
            answers.put(line.strip())
    os._exit(_ORPHANED)


class _Run:
    """One request in progress."""

    def __init__(
        self, folder: Path, pipe: Connection | None, answers: queue.SimpleQueue[str]
    ) -> None:
        self.pipe, self.answers, self.folder = pipe, answers, folder
        self.request: Request = read_request(folder)
        self.stage = "start"
        self.engine: Engine | None = None
        self.at = Checkpoint()
        self.frames: FrameWriter | None = None
        """Of the production stage in progress, on the first rank."""
        self.temperature_K = 0.0
        """As last reported."""
        self.chunk_steps = _CHUNK_STEPS
        """Steps between two reports."""

    def send(self, header: dict[str, Any], payload: bytes | None = None) -> None:
        """Write one message."""
        if self.pipe is None:
            return
        self.pipe.send_bytes(json.dumps({**header, "stage": self.stage}).encode())
        if payload is not None:
            self.pipe.send_bytes(payload)

    def give_up(self, problem: EnvironmentProblem | ConfigError) -> None:
        """Tell the parent of trouble that it has a remedy for."""
        kind = "environment" if isinstance(problem, EnvironmentProblem) else "md"
        told = {"message": problem.message, "hint": problem.hint}
        self.send({"type": "error", "kind": kind, **told})

    def all_stages(self) -> None:
        """Set up and run every stage in turn, from the last checkpoint on."""
        request = self.request
        self.engine = make_engine(request.system, request.potential, request.settings, self.folder)
        n_ions = len(request.system.species)
        found = read_checkpoint(self.folder, self.engine, request.key, n_ions)
        self.at = found or self.at
        told = {"version": self.engine.version, "steps_done": self.at.steps}
        self.send({"type": "engine", **told})
        for production in self.at.productions:
            if production.stage < self.at.stage:
                self._repeat(production)
        while self.at.stage < len(request.stages):
            stage = request.stages[self.at.stage]
            self.stage = stage.name
            self.engine.begin(stage, fresh=self.at.done == 0)
            getattr(self, f"_{stage.kind}")(stage)
            self.engine.end()
            self.at.next_stage()
            self._save()
        self.engine.close(last=True)

    def _save(self, *, keep: bool = True) -> None:
        """Write where the run stands, and go on from it; keep it as a checkpoint."""
        assert self.engine is not None  # noqa: S101 - made before any stage
        first_rank = self.pipe is not None
        if keep:
            if self.frames is not None:
                self.frames.sync()
            key = self.request.key
            file = write_checkpoint(self.folder, self.engine, self.at, key, writer=first_rank)
        else:
            file = pass_through_file(self.folder, self.engine)
        agreed(self.engine, 0)  # no rank reads before the first one has written
        if keep:
            self.send({"type": "checkpoint"})
        self.engine.load(file)

    def _point(self, stage: Stage, done: int, *, renew: bool) -> None:
        """Pass a moment of a stage that may be kept; ``renew``: go on from a file in any case."""
        assert self.engine is not None  # noqa: S101
        self.at.done = done
        keep = self._told_yes("point")
        if keep or renew:
            self._save(keep=keep)
            self.engine.begin(stage, fresh=False)

    def _told_yes(self, question: str) -> bool:
        """Ask the parent."""
        self.send({"type": question})
        assert self.engine is not None  # noqa: S101
        yes = self.pipe is not None and self.answers.get() == "yes"
        return bool(agreed(self.engine, int(yes)))

    def _minimise(self, stage: Stage) -> None:
        assert self.engine is not None  # noqa: S101
        done = self.at.done
        while done < stage.steps:
            to_point = _RENEWAL_ITERATIONS - done % _RENEWAL_ITERATIONS
            chunk = max(self.chunk_steps, _LEAST_ITERATIONS)
            count = min(chunk, to_point, stage.steps - done)
            started = time.monotonic()
            converged = self.engine.minimise(count)
            self._pace(started)
            done += count
            self._report(stage, done)
            if converged:
                break
            if count == to_point and done < stage.steps:
                self._point(stage, done, renew=True)

    def _dynamics(self, stage: Stage) -> None:
        self._advance(stage, _CHUNK_STEPS, self._sample_cell)
        if not self.at.edges_A:  # a stage shorter than an interval
            self._sample_cell(0)
        if stage.free != "none":
            self._set_mean_cell(stage)

    def _production(self, stage: Stage) -> None:
        assert self.engine is not None  # noqa: S101
        at = self.at
        if not at.done:
            cell = self.engine.cell().tolist()
            begun = Production(stage=at.stage, cell=cell, length_err_A=at.length_err_A)
            at.productions.append(begun)
        production = at.productions[-1]
        if self.pipe is not None:
            file, n_ions = frames_file(self.folder, at.stage), len(self.request.system.species)
            self.frames = FrameWriter(file, n_ions, production.frames)
        if self._announce(production):
            if not at.done:
                self._take_frame(stage, production)
            interval = self._interval(stage)
            self._advance(stage, interval, lambda done: self._take_frame(stage, production, done))
        if self.frames is not None:
            self.frames.sync()
            self.frames.close()
            self.frames = None

    def _interval(self, stage: Stage) -> int:
        """Steps between two frames."""
        return stage.frame_steps or self.request.frame_steps

    def _announce(self, production: Production) -> bool:
        """Say that a stage begins, and send the frames it has; whether the parent wants more."""
        stage = self.request.stages[production.stage]
        interval = self._interval(stage)
        self.send(
            {
                "type": "production",
                "cell": production.cell,
                "n_frames": stage.steps // interval + 1,
                "frame_steps": interval,
                "content": stage.sends,
                "temperature_K": stage.end_K,
                "length_err_A": production.length_err_A,
            }
        )
        file, n_ions = frames_file(self.folder, production.stage), len(self.request.system.species)
        kept = read_frames(file, n_ions, production.frames)
        for index in range(production.frames):
            # All ranks take part in the questions, one has the pipe.
            self._send_frame(production, next(kept) if self.pipe is not None else b"")
            if not self._wanted(stage, index * interval):
                return False
        return True

    def _repeat(self, production: Production) -> None:
        """Send a stage that is finished once more."""
        stage = self.request.stages[production.stage]
        self.stage = stage.name
        whole = production.frames == stage.steps // self._interval(stage) + 1
        if self._announce(production) and not whole:
            if self.pipe is not None:
                clear_run(self.folder)
            raise EnvironmentProblem(
                f"{self.folder}: {stage.name} was ended early, and the analysis now asks for more",
                hint="another version of gbopt began it; resume once more: it is run anew",
            )

    def _take_frame(self, stage: Stage, production: Production, done: int = 0) -> bool:
        """Keep and send the present frame; return whether the parent wants more."""
        assert self.engine is not None  # noqa: S101
        moving = stage.sends == "velocities"
        frame = self.engine.velocities() if moving else self.engine.positions()
        if not np.isfinite(frame).all():
            raise BlowUpError(f"one of the {stage.sends} is not a number")
        production.frames += 1
        if done:
            production.temperature_sum_K += self.temperature_K
        self._send_frame(production, self.frames.add(frame) if self.frames is not None else b"")
        return self._wanted(stage, done)

    def _send_frame(self, production: Production, frame: bytes) -> None:
        self.send({"type": "frame", "mean_temperature_K": production.mean_temperature_K}, frame)

    def _wanted(self, stage: Stage, done: int) -> bool:
        """Whether the parent wants more of a production stage; it is asked after each chunk."""
        last = stage.steps - stage.steps % self._interval(stage)
        ask = stage.chunk_steps and 0 < done < last and done % stage.chunk_steps == 0
        return self._told_yes("ask") if ask else True

    def _advance(self, stage: Stage, interval: int, at_interval: Callable[[int], bool]) -> None:
        """Run the stage in pieces of at most 50 steps, calling back at every whole interval.

        It ends early where the callback, given the steps done, says so.
        """
        assert self.engine is not None  # noqa: S101
        steps, done, renewal = stage.steps, self.at.done, self.engine.renewal_steps
        if stage.kind == "production":
            steps -= steps % interval  # frames come at whole intervals only
        while done < steps:
            count = min(self.chunk_steps, interval - done % interval, steps - done)
            if renewal:
                count = min(count, renewal - done % renewal)
            started = time.monotonic()
            self.engine.run(count)
            self._pace(started)
            done += count
            self._report(stage, done)
            if done % interval == 0 and not at_interval(done):
                return
            if done < steps and not (renewal and done % renewal):
                self._point(stage, done, renew=renewal > 0)

    def _pace(self, started: float) -> None:
        """Report more often where steps take seconds: silence is taken for a hang."""
        assert self.engine is not None  # noqa: S101
        if agreed(self.engine, int(time.monotonic() - started > _CHUNK_S)):
            self.chunk_steps = max(1, self.chunk_steps // 4)

    def _report(self, stage: Stage, done: int) -> None:
        assert self.engine is not None  # noqa: S101
        temperature, energy = self.engine.thermo()
        self.temperature_K, self.at.steps[stage.name] = temperature, done
        if not (math.isfinite(energy) and temperature < stage.max_temperature_K):
            raise BlowUpError(
                f"the dynamics blew up: temperature {temperature:.0f} K, energy {energy:.4g} eV"
            )
        self.send(
            {
                "type": "progress",
                "step": done,
                "steps": stage.steps,
                "temperature_K": temperature,
                "energy_eV": energy,
            }
        )

    def _sample_cell(self, _: int) -> bool:
        assert self.engine is not None  # noqa: S101
        self.at.edges_A.append(np.diag(self.engine.cell()).tolist())
        return True

    def _set_mean_cell(self, stage: Stage) -> None:
        """Fix the free edges at their mean over the second half, positions scaled along."""
        assert self.engine is not None  # noqa: S101
        half = np.array(self.at.edges_A[len(self.at.edges_A) // 2 :])
        x, y, z = half.mean(axis=0)
        blocks = [block.mean() for block in np.array_split(half[:, 2], _BLOCKS) if len(block)]
        if len(blocks) > 1:
            self.at.length_err_A = float(np.std(blocks, ddof=1) / math.sqrt(len(blocks)))
        cell = self.engine.cell()
        if stage.free == "all":
            # The reference crystal is cubic: one edge for all three.
            cell = np.eye(3) * (x * y * z) ** (1 / 3)
        else:
            cell[2, 2] = z
        self.engine.set_cell(cell)


if __name__ == "__main__":
    main()
