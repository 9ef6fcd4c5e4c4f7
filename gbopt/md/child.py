"""The process that holds LAMMPS: ``python -m gbopt.md.child FOLDER FD``.

It reads ``request.json`` and ``start.npz`` in FOLDER, runs the stages one after another, and
writes messages to the pipe FD: a JSON header each, a frame followed by its positions. Whatever
happens to it (error, segmentation fault, hang) happens to this process alone.
"""

from __future__ import annotations

import json
import math
import os
import queue
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbopt.errors import EnvironmentProblem
from gbopt.md.libmpi import load_lammps

_CHUNK_STEPS = 50
_BLOCKS = 4
_ORPHANED = 9


class BlowUpError(Exception):
    """The dynamics went wrong without LAMMPS noticing."""


def main() -> None:
    """Run the request, and report an error as a message rather than a traceback."""
    folder, pipe = Path(sys.argv[1]), Connection(int(sys.argv[2]), readable=False)
    answers: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(answers,), daemon=True).start()
    run = _Run(folder, pipe, answers)
    try:
        run.all_stages()
    except EnvironmentProblem as problem:
        run.send({"type": "error", "kind": "environment", "message": problem.message})
    except Exception as error:  # noqa: BLE001 - reported to the parent, never swallowed
        run.send({"type": "error", "kind": "md", "message": str(error).strip()})
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

    def __init__(self, folder: Path, pipe: Connection, answers: queue.SimpleQueue[str]) -> None:
        self.pipe = pipe
        self.answers = answers
        self.folder = folder
        self.request: dict[str, Any] = json.loads((folder / "request.json").read_text())
        self.stage = "start"
        self.lmp: Any = None
        self.cell_samples: list[NDArray[np.float64]] = []
        self.length_err_A = 0.0

    def send(self, header: dict[str, Any], payload: bytes | None = None) -> None:
        """Write one message."""
        self.pipe.send_bytes(json.dumps({**header, "stage": self.stage}).encode())
        if payload is not None:
            self.pipe.send_bytes(payload)

    def all_stages(self) -> None:
        """Set up and run every stage in turn."""
        self._create()
        for stage in self.request["stages"]:
            self.stage = stage["name"]
            self.lmp.commands_list(stage["setup"])
            getattr(self, f"_{stage['kind']}")(stage)
            self.lmp.commands_list(stage["teardown"])
        self.lmp.finalize()  # MPI too, or its shared memory outlives the process

    def _create(self) -> None:
        lammps = load_lammps()
        start = np.load(self.folder / "start.npz")
        log = str(self.folder / "lammps.log")
        self.lmp = lammps.lammps(cmdargs=["-log", log, "-screen", "none", *self.request["args"]])
        n, cell = len(start["species"]), start["cell"]
        self.lmp.commands_list(self.request["header"])
        edges = f"0 {cell[0, 0]:.15g} 0 {cell[1, 1]:.15g} 0 {cell[2, 2]:.15g}"
        tilted = abs(cell[1, 0]) > 1e-9
        tilt = f" {cell[1, 0]:.15g} 0 0" if tilted else ""
        self.lmp.commands_list(
            [f"region cell {'prism' if tilted else 'block'} {edges}{tilt}", "create_box 4 cell"]
        )
        ids = np.arange(1, n + 1)
        kinds = (start["species"] + 1).astype(int)
        made = self.lmp.create_atoms(
            n, ids.tolist(), kinds.tolist(), start["positions"].ravel().tolist()
        )
        if made != n:
            raise BlowUpError(f"LAMMPS took {made} of {n} ions")
        self.lmp.commands_list(self.request["potential"])
        core = ids[start["core"]]
        if len(core):
            self.lmp.command("group core id " + " ".join(map(str, core)))

    def _minimise(self, stage: dict[str, Any]) -> None:
        done = 0
        while done < stage["steps"]:
            count = min(_CHUNK_STEPS, stage["steps"] - done)
            before = self.lmp.extract_global("ntimestep")
            tolerance = stage["energy_tolerance"]
            self.lmp.command(f"minimize {tolerance} 1.0e-3 {count} {20 * count}")
            done += count
            self._report(stage, done)
            if self.lmp.extract_global("ntimestep") - before < count:
                break  # converged

    def _dynamics(self, stage: dict[str, Any]) -> None:
        self.cell_samples = []
        self._advance(stage, _CHUNK_STEPS, self._sample_cell)
        if not self.cell_samples:  # a stage shorter than an interval
            self._sample_cell(0)
        if stage["average_cell"] != "none":
            self._set_mean_cell(stage["average_cell"])

    def _production(self, stage: dict[str, Any]) -> None:
        frame_steps = self.request["frame_steps"]
        self.lmp.command("run 0 post no")
        header = {"type": "production", "cell": self._cell().tolist()}
        n_frames = stage["steps"] // frame_steps + 1
        self.send({**header, "n_frames": n_frames, "length_err_A": self.length_err_A})
        self._send_frame()
        chunk = stage["chunk_steps"]
        last = stage["steps"] - stage["steps"] % frame_steps

        def frame(done: int) -> bool:
            self._send_frame()
            ask = chunk and done % chunk == 0 and done < last
            return self._wanted() if ask else True

        self._advance(stage, frame_steps, frame)

    def _wanted(self) -> bool:
        """Ask the parent whether to go on with the stage."""
        self.send({"type": "ask"})
        return self.answers.get() == "go"

    def _advance(
        self, stage: dict[str, Any], interval: int, at_interval: Callable[[int], bool]
    ) -> None:
        """Run the stage in pieces of at most 50 steps, calling back at every whole interval.

        It ends early where the callback, given the steps done, says so.
        """
        steps, done = stage["steps"], 0
        if stage["kind"] == "production":
            steps -= steps % interval  # frames come at whole intervals only
        # A temperature ramp must span the stage, not each piece of it.
        first = self.lmp.extract_global("ntimestep")
        span = f"start {first} stop {first + steps}"
        while done < steps:
            to_interval = interval - done % interval
            count = min(_CHUNK_STEPS, to_interval, steps - done)
            self.lmp.command(f"run {count} {span} pre {'no' if done else 'yes'} post no")
            done += count
            self._report(stage, done)
            if done % interval == 0 and not at_interval(done):
                return

    def _report(self, stage: dict[str, Any], done: int) -> None:
        temperature = self.lmp.get_thermo("temp")
        energy = self.lmp.get_thermo("pe")
        if not (math.isfinite(energy) and temperature < stage["max_temperature_K"]):
            raise BlowUpError(
                f"the dynamics blew up: temperature {temperature:.0f} K, energy {energy:.4g} eV"
            )
        self.send(
            {
                "type": "progress",
                "step": done,
                "steps": stage["steps"],
                "temperature_K": temperature,
                "energy_eV": energy,
            }
        )

    def _cell(self) -> NDArray[np.float64]:
        low, high, xy, yz, xz, *_ = self.lmp.extract_box()
        (lx, ly, lz) = np.subtract(high, low)
        return np.array([[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]])

    def _sample_cell(self, _: int) -> bool:
        self.cell_samples.append(np.diag(self._cell()))
        return True

    def _set_mean_cell(self, edges: str) -> None:
        """Fix the free edges at their mean over the second half, positions scaled along."""
        half = np.array(self.cell_samples[len(self.cell_samples) // 2 :])
        x, y, z = half.mean(axis=0)
        blocks = [block.mean() for block in np.array_split(half[:, 2], _BLOCKS) if len(block)]
        if len(blocks) > 1:
            self.length_err_A = float(np.std(blocks, ddof=1) / math.sqrt(len(blocks)))
        if edges == "all":
            # The reference crystal is cubic: one edge for all three.
            x = y = z = (x * y * z) ** (1 / 3)
        final = f"z final 0 {z:.15g}"
        if edges == "all":
            final = f"x final 0 {x:.15g} y final 0 {y:.15g} {final}"
        self.lmp.command(f"change_box all {final} remap units box")

    def _send_frame(self) -> None:
        n = self.lmp.get_natoms()
        flat = self.lmp.gather_atoms("x", 1, 3)
        images = np.frombuffer(self.lmp.gather_atoms("image", 0, 3), dtype=np.intc)
        wrapped = np.frombuffer(flat, dtype=np.float64).reshape(n, 3)
        frame = wrapped + images.reshape(n, 3) @ self._cell()
        if not np.isfinite(frame).all():
            raise BlowUpError("a position is not a number")
        self.send({"type": "frame"}, frame.tobytes())


if __name__ == "__main__":
    main()
