"""LAMMPS through its Python module, with whatever accelerator its build has."""

from __future__ import annotations

import ctypes
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbopt.config import BuckinghamPotential, LammpsPotential, Potential
from gbopt.md.engine import EngineSettings, System, Thermo, masses_amu
from gbopt.md.lammps_commands import (
    UNITS,
    header_lines,
    minimise_line,
    setup_lines,
    start_arguments,
    teardown_lines,
)
from gbopt.md.libmpi import load_lammps
from gbopt.md.protocol import Stage
from gbopt.potentials.lammps import lammps_lines, quoted

_THERMO_STEPS = 50
# To write, read and set up again takes as long as some 3 steps on CPUs, more by far on GPUs.
_RENEWAL_STEPS, _RENEWAL_STEPS_GPU = 500, 50_000
_PACKAGES = {"omp": "OPENMP", "intel": "INTEL", "kokkos": "KOKKOS", "gpu": "GPU", "opt": "OPT"}


class LammpsEngine:
    """One system in LAMMPS. With several MPI ranks, every rank makes every call."""

    def __init__(
        self,
        system: System,
        potential: Potential,
        settings: EngineSettings,
        folder: Path | None = None,
        kspace: str = "pppm",
    ) -> None:
        assert isinstance(potential, BuckinghamPotential | LammpsPotential)  # noqa: S101
        self._system, self._settings = system, settings
        self._units = potential.units if isinstance(potential, LammpsPotential) else "metal"
        self._kspace = kspace
        self._potential = potential
        log = str(folder / "lammps.log") if folder else "none"
        arguments = ["-log", log, "-screen", "none", *start_arguments(settings)]
        self._lmp: Any = load_lammps().lammps(cmdargs=arguments)
        package = _PACKAGES.get(settings.accelerator, "plain")
        self.version = f"LAMMPS {self._lmp.version()}, {package}"
        on_device = settings.accelerator in ("kokkos", "gpu")
        self.renewal_steps = _RENEWAL_STEPS_GPU if on_device else _RENEWAL_STEPS
        self._first_step = 0
        self._stage: Stage | None = None
        self._started = self._evaluated = False
        self._lmp.commands_list(header_lines(self._units, settings, _THERMO_STEPS))
        self._make_box()
        self._interact()

    def _make_box(self) -> None:
        system, cell = self._system, self._system.cell
        order = self._potential.elements
        edges = f"0 {cell[0, 0]:.15g} 0 {cell[1, 1]:.15g} 0 {cell[2, 2]:.15g}"
        tilts = cell[1, 0], cell[2, 0], cell[2, 1]
        tilted = any(abs(tilt) > 1e-9 for tilt in tilts)
        tilt = " {:.15g} {:.15g} {:.15g}".format(*tilts) if tilted else ""
        self._lmp.commands_list(
            [
                f"region cell {'prism' if tilted else 'block'} {edges}{tilt}",
                f"create_box {len(order)} cell",
            ]
        )
        n = len(system.species)
        kinds = np.array([order.index(name) + 1 for name in system.elements])[system.species]
        ids = np.arange(1, n + 1)
        made = self._lmp.create_atoms(
            n, ids.tolist(), kinds.tolist(), system.positions.ravel().tolist()
        )
        if made != n:
            raise RuntimeError(f"LAMMPS took {made} of {n} ions")
        for index, mass in enumerate(masses_amu(order)):  # for every type, even one without ions
            self._lmp.command(f"mass {index + 1} {mass}")
        if core := ids[system.core].tolist():
            self._lmp.command("group core id " + " ".join(map(str, core)))

    def _interact(self) -> None:
        settings = self._settings
        self._lmp.commands_list(
            lammps_lines(
                self._potential,
                buckingham_cutoff_A=settings.buckingham_cutoff_A,
                coulomb_cutoff_A=settings.coulomb_cutoff_A,
                accuracy=settings.accuracy,
                kspace=self._kspace,
                mesh_order=settings.mesh_order,
            )
        )

    def begin(self, stage: Stage, *, fresh: bool = True) -> None:
        """See ``Engine``."""
        self._stage, self._started = stage, False
        self._lmp.commands_list(setup_lines(stage, self._units, fresh=fresh))
        if fresh:
            self._first_step = self._lmp.extract_global("ntimestep")

    def run(self, steps: int) -> None:
        """See ``Engine``."""
        assert self._stage is not None  # noqa: S101 - begin came before
        # A temperature ramp must span the stage, not each piece of it.
        span = f"start {self._first_step} stop {self._first_step + self._stage.steps}"
        again = "no" if self._started else "yes"
        self._lmp.command(f"run {steps} {span} pre {again} post no")
        self._started = self._evaluated = True

    def minimise(self, iterations: int) -> bool:
        """See ``Engine``."""
        assert self._stage is not None  # noqa: S101
        before = self._lmp.extract_global("ntimestep")
        self._lmp.command(minimise_line(self._stage, iterations, self._units))
        self._evaluated = True
        return bool(self._lmp.extract_global("ntimestep") - before < iterations)

    def end(self) -> None:
        """See ``Engine``."""
        assert self._stage is not None  # noqa: S101
        self._lmp.commands_list(teardown_lines(self._stage))
        self._stage = None

    def thermo(self) -> Thermo:
        """See ``Engine``."""
        if not self._evaluated:
            self._evaluate()
        energy = self._lmp.get_thermo("pe") * UNITS[self._units].eV
        return Thermo(self._lmp.get_thermo("temp"), energy)

    def pressure_bar(self) -> float:
        """See ``Engine``."""
        self._evaluate()
        return float(self._lmp.get_thermo("press")) * UNITS[self._units].bar

    def cell(self) -> NDArray[np.float64]:
        """See ``Engine``."""
        low, high, xy, yz, xz, *_ = self._lmp.extract_box()
        lx, ly, lz = np.subtract(high, low)
        return np.array([[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]])

    def set_cell(self, cell: NDArray[np.float64]) -> None:
        """See ``Engine``."""
        now, change = self.cell(), []
        for axis, name in enumerate("xyz"):
            if abs(cell[axis, axis] - now[axis, axis]) > 0:
                change.append(f"{name} final 0 {cell[axis, axis]:.15g}")
        for name, (row, column) in {"xy": (1, 0), "xz": (2, 0), "yz": (2, 1)}.items():
            if abs(cell[row, column] - now[row, column]) > 0:
                change.append(f"{name} final {cell[row, column]:.15g}")
        if change:
            self._lmp.command(f"change_box all {' '.join(change)} remap units box")
            self._started = self._evaluated = False

    def positions(self) -> NDArray[np.float64]:
        """See ``Engine``."""
        wrapped = self._gather("x")
        images = np.frombuffer(self._lmp.gather_atoms("image", 0, 3), dtype=np.intc)
        return wrapped + images.reshape(-1, 3) @ self.cell()

    def velocities(self) -> NDArray[np.float64]:
        """See ``Engine``."""
        return self._gather("v") / UNITS[self._units].ps

    def forces(self) -> NDArray[np.float64]:
        """See ``Engine``."""
        self._evaluate()
        forces = self._gather("f") * UNITS[self._units].eV
        if self._stage is not None and self._stage.field_V_A:
            known = self._potential.charges_e
            charges = np.array([known.get(name, 0.0) for name in self._system.elements])
            forces[:, 2] -= charges[self._system.species] * self._stage.field_V_A
        return forces

    def _gather(self, name: str) -> NDArray[np.float64]:
        flat = np.frombuffer(self._lmp.gather_atoms(name, 1, 3), dtype=np.float64)
        return flat.reshape(-1, 3).copy()

    def _evaluate(self) -> None:
        self._lmp.command("run 0 post no")
        self._started, self._evaluated = False, True

    def save(self, file: Path) -> None:
        """See ``Engine``."""
        self._lmp.command(f"write_restart {quoted(str(file))}")
        self._started = False
        if os.environ.get("PMI_RANK", "0") == "0":  # LAMMPS itself writes from the first rank too
            file.with_suffix(".json").write_text(json.dumps({"first_step": self._first_step}))

    def load(self, file: Path) -> None:
        """See ``Engine``."""
        self._lmp.command("clear")
        self._started = self._evaluated = False
        # Header and potential anew: a restart file holds neither the skin nor every style.
        header = header_lines(self._units, self._settings, _THERMO_STEPS)
        self._lmp.commands_list(header)
        self._lmp.command(f"read_restart {quoted(str(file))}")
        self._lmp.commands_list([f"timestep {self._settings.timestep_ps / UNITS[self._units].ps}"])
        self._interact()
        self._first_step = json.loads(file.with_suffix(".json").read_text())["first_step"]

    def broadcast(self, value: int) -> int:
        """Give all ranks the value of rank 0."""
        if self._settings.ranks == 1:
            return value
        buffer = ctypes.c_int(value)
        # Handles of MPICH's ABI, which libmpi.so.12 means: MPI_INT and MPI_COMM_WORLD.
        ctypes.CDLL(None).MPI_Bcast(ctypes.byref(buffer), 1, 0x4C000405, 0, 0x44000000)
        return buffer.value

    def close(self, *, last: bool = False) -> None:
        """See ``Engine``."""
        if last:
            self._lmp.finalize()  # MPI too, or its shared memory outlives the process
        else:
            self._lmp.close()
