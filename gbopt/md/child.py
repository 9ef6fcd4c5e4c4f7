"""The process that holds an engine: ``python -m gbopt.md.child FOLDER FD``.

It reads ``request.json`` and ``start.npz`` in FOLDER, runs the stages one after another, and
writes messages to the pipe FD: a JSON header each, a frame followed by its numbers. Whatever
happens to it (error, segmentation fault, hang) happens to this process alone.

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
from gbopt.md.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from gbopt.md.engine import Engine, agreed, make_engine
from gbopt.md.protocol import Stage
from gbopt.md.request import Request, read_request
from gbopt.md.room import FULL, needed_bytes, unwritable

_CHUNK_STEPS, _CHUNK_S = 50, 20.0
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
            run.give_up(unwritable(folder, error, needed_bytes(len(run.request.system.species))))
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
        self.send({"type": "engine", "version": self.engine.version})
        resumed = read_checkpoint(self.folder, self.engine, request.key)
        if resumed is not None:
            self.at = resumed
        while self.at.stage < len(request.stages):
            stage = request.stages[self.at.stage]
            self.stage = stage.name
            self.engine.begin(stage, fresh=self.at.done == 0)
            getattr(self, f"_{stage.kind}")(stage)
            self.engine.end()
            self.at = Checkpoint(stage=self.at.stage + 1, length_err_A=self.at.length_err_A)
            self._save_between_stages()
        self.engine.close(last=True)

    def _save_between_stages(self) -> None:
        """Checkpoint after every stage before production; after it frames would be missed."""
        stages = self.request.stages
        if self.at.stage == len(stages):
            return
        done = stages[: self.at.stage]
        if self.request.checkpoint_steps or all(stage.kind != "production" for stage in done):
            self._save()

    def _save(self) -> None:
        """Write a checkpoint and go on from it, as a run that is taken up does: both are one."""
        assert self.engine is not None  # noqa: S101 - made before any stage
        file = write_checkpoint(
            self.folder, self.engine, self.at, self.request.key, writer=self.pipe is not None
        )
        agreed(self.engine, 0)  # no rank reads before the first one has written
        self.send({"type": "checkpoint"})
        self.engine.load(file)

    def _minimise(self, stage: Stage) -> None:
        assert self.engine is not None  # noqa: S101
        done = 0
        while done < stage.steps:
            count = min(self.chunk_steps, stage.steps - done)
            started = time.monotonic()
            converged = self.engine.minimise(count)
            self._pace(started)
            done += count
            self._report(stage, done)
            if converged:
                break

    def _dynamics(self, stage: Stage) -> None:
        self._advance(stage, _CHUNK_STEPS, self._sample_cell)
        if not self.at.edges_A:  # a stage shorter than an interval
            self._sample_cell(0)
        if stage.free != "none":
            self._set_mean_cell(stage)

    def _production(self, stage: Stage) -> None:
        assert self.engine is not None  # noqa: S101
        frame_steps, first = stage.frame_steps or self.request.frame_steps, self.at.done
        self.send(
            {
                "type": "production",
                "cell": self.engine.cell().tolist(),
                "n_frames": stage.steps // frame_steps + 1,
                "frame_steps": frame_steps,
                "content": stage.sends,
                "temperature_K": stage.end_K,
                "first_frame": first // frame_steps + (1 if first else 0),
                "length_err_A": self.at.length_err_A,
            }
        )
        if not first:
            self._send_frame(stage)
        last = stage.steps - stage.steps % frame_steps

        def frame(done: int) -> bool:
            self._send_frame(stage)
            ask = stage.chunk_steps and done % stage.chunk_steps == 0 and done < last
            return self._wanted() if ask else True

        self._advance(stage, frame_steps, frame)

    def _wanted(self) -> bool:
        """Ask the parent whether to go on with the stage."""
        self.send({"type": "ask"})
        assert self.engine is not None  # noqa: S101
        yes = self.pipe is not None and self.answers.get() == "go"
        return bool(agreed(self.engine, int(yes)))

    def _advance(self, stage: Stage, interval: int, at_interval: Callable[[int], bool]) -> None:
        """Run the stage in pieces of at most 50 steps, calling back at every whole interval.

        It ends early where the callback, given the steps done, says so.
        """
        assert self.engine is not None  # noqa: S101
        steps, done = stage.steps, self.at.done
        if stage.kind == "production":
            steps -= steps % interval  # frames come at whole intervals only
        saved = done
        while done < steps:
            to_interval = interval - done % interval
            count = min(self.chunk_steps, to_interval, steps - done)
            started = time.monotonic()
            self.engine.run(count)
            self._pace(started)
            done += count
            self._report(stage, done)
            if done % interval == 0 and not at_interval(done):
                return
            every = self.request.checkpoint_steps
            if every and done % interval == 0 and done - saved >= every:
                self.at.done = saved = done
                self._save()
                self.engine.begin(stage, fresh=False)

    def _pace(self, started: float) -> None:
        """Report more often where steps take seconds: silence is taken for a hang."""
        assert self.engine is not None  # noqa: S101
        if agreed(self.engine, int(time.monotonic() - started > _CHUNK_S)):
            self.chunk_steps = max(1, self.chunk_steps // 4)

    def _report(self, stage: Stage, done: int) -> None:
        assert self.engine is not None  # noqa: S101
        temperature, energy = self.engine.thermo()
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

    def _send_frame(self, stage: Stage) -> None:
        assert self.engine is not None  # noqa: S101
        moving = stage.sends == "velocities"
        frame = self.engine.velocities() if moving else self.engine.positions()
        if not np.isfinite(frame).all():
            raise BlowUpError(f"one of the {stage.sends} is not a number")
        frame = np.ascontiguousarray(frame, dtype=np.float64)
        self.send({"type": "frame"}, frame.tobytes())


if __name__ == "__main__":
    main()
