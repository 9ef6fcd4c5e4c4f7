"""The engine for ASE's calculators, machine-learned potentials among them.

The calculator gives energy, forces and stress; the dynamics are those of
``gbopt.md.nose_hoover``, with the damping times that every engine has.
"""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gbopt.config import AsePotential, Potential
from gbopt.crystal.charges import FORMAL_CHARGES_E
from gbopt.errors import ConfigError
from gbopt.md.calculators import calculator_version, make_calculator
from gbopt.md.engine import EngineSettings, System, Thermo, masses_amu
from gbopt.md.nose_hoover import Ensemble, Motion, Pull, step
from gbopt.md.protocol import BAROSTAT_PS, THERMOSTAT_PS, Edges, Stage
from gbopt.md.relax import Relaxation
from gbopt.units import BOLTZMANN_EV_K, ELEMENTARY_CHARGE_C

_BAR_EV_A3 = 1e5 * 1e-30 / ELEMENTARY_CHARGE_C
_FREE_AXES: dict[Edges, tuple[bool, bool, bool]] = {
    "none": (False, False, False),
    "normal": (False, False, True),
    "all": (True, True, True),
}


class AseEngine:
    """One system under an ASE calculator."""

    renewal_steps = 0

    def __init__(self, system: System, potential: Potential, settings: EngineSettings) -> None:
        import ase
        from ase.units import fs

        assert isinstance(potential, AsePotential)  # noqa: S101
        device = "cpu" if settings.accelerator == "none" else settings.accelerator
        self._name, self._ps = potential.name, 1000 * fs
        self._system, self._settings = system, settings
        self._atoms = ase.Atoms(list(system.symbols), system.positions, cell=system.cell, pbc=True)
        self._atoms.calc = make_calculator(potential, device)
        self.version = f"ASE {ase.__version__}, {calculator_version(potential)}, {device}"
        self._motion = Motion(
            positions=system.positions.copy(),
            velocities=np.zeros_like(system.positions),
            cell=system.cell.copy(),
        )
        self._masses = np.array(masses_amu(system.elements))[system.species][:, None]
        self._drive: NDArray[np.float64] = np.zeros((len(system.species), 1))
        self._ensemble = self._still()
        self._stage: Stage | None = None
        self._done = 0
        self._pull: Pull | None = None
        self._relaxation: Relaxation | None = None
        self._start_cell = system.cell

    def _still(self) -> Ensemble:
        """What holds before any stage."""
        n = len(self._masses)
        return Ensemble(
            masses=self._masses,
            moving=np.ones((n, 1), dtype=bool),
            dof=max(1, 3 * n - 3),
            timestep=self._settings.timestep_ps * self._ps,
        )

    def begin(self, stage: Stage, *, fresh: bool = True) -> None:
        """See ``Engine``."""
        self._stage, self._pull = stage, None
        if stage.free != "none":
            self._require_stress(stage)
        if stage.kind == "minimise":
            self._begin_minimisation(stage)
            return
        self._ensemble = self._of_stage(stage)
        self._drive = self._field_forces(stage.field_V_A)
        if fresh:
            self._done = 0
            self._motion.reset()
            if stage.velocity_seed is not None:
                self._draw_velocities(stage.start_K, stage.velocity_seed)

    def _begin_minimisation(self, stage: Stage) -> None:
        self._ensemble = self._still()
        start = self._motion.positions.copy()
        if stage.free == "all":
            start = np.vstack([start, np.zeros(3)])
        self._start_cell = self._motion.cell.copy()
        self._relaxation = Relaxation(start, self._slopes, stage)

    def _of_stage(self, stage: Stage) -> Ensemble:
        moving = self._system.core if stage.core_only else np.ones(len(self._masses), dtype=bool)
        count = int(moving.sum())
        return Ensemble(
            masses=self._masses,
            moving=moving[:, None],
            # Held ions take up momentum, so that none is conserved.
            dof=max(1, 3 * count - (0 if stage.core_only else 3)),
            timestep=self._settings.timestep_ps * self._ps,
            thermostat_time=0.0 if stage.ensemble == "nve" else THERMOSTAT_PS * self._ps,
            barostat_time=BAROSTAT_PS * self._ps,
            free=np.array(_FREE_AXES[stage.free]) & (stage.ensemble == "npt"),
            pressure=stage.pressure_bar * _BAR_EV_A3,
        )

    def _field_forces(self, field_V_A: float) -> NDArray[np.float64]:
        """(n, 1) force along z on the formal charges, eV/A: a model has no charges of its own."""
        elements = self._system.elements
        if not field_V_A:
            return np.zeros((len(self._masses), 1))
        if unknown := [name for name in elements if name not in FORMAL_CHARGES_E]:
            raise ConfigError(
                f"field: no formal charge is known for {', '.join(unknown)}",
                hint="leave [field] out: the potential has no charges for it to act on",
            )
        charges = np.array([FORMAL_CHARGES_E[name] for name in elements], dtype=np.float64)
        forces: NDArray[np.float64] = field_V_A * charges[self._system.species][:, None]
        return forces

    def _draw_velocities(self, temperature_K: float, seed: int) -> None:
        """Maxwell-Boltzmann, at rest as a whole, at exactly the temperature."""
        moving, masses = self._ensemble.moving[:, 0], self._masses[self._ensemble.moving[:, 0]]
        drawn = np.random.default_rng(seed).normal(size=(len(masses), 3)) / np.sqrt(masses)
        drawn -= (masses * drawn).sum(axis=0) / masses.sum()
        twice = float((masses * drawn**2).sum())
        target = self._ensemble.dof * BOLTZMANN_EV_K * temperature_K
        self._motion.velocities[moving] = drawn * math.sqrt(target / twice) if twice else 0.0

    def run(self, steps: int) -> None:
        """See ``Engine``."""
        assert self._stage is not None  # noqa: S101 - begin came before
        stage, pull = self._stage, self._now()
        for _ in range(steps):
            self._done += 1
            # A ramp spans the stage: it ends at its last step.
            part = min(1.0, self._done / stage.steps)
            kT = BOLTZMANN_EV_K * (stage.start_K + part * (stage.end_K - stage.start_K))
            pull = step(self._motion, pull, self._ensemble, kT, self._felt)
        self._pull = pull

    def minimise(self, iterations: int) -> bool:
        """See ``Engine``."""
        assert self._relaxation is not None  # noqa: S101
        converged = self._relaxation.run(iterations)
        self._deform(self._relaxation.positions)
        return converged

    def end(self) -> None:
        """See ``Engine``."""
        self._relaxation = None
        self._drive = np.zeros_like(self._drive)
        self._pull = None

    def thermo(self) -> Thermo:
        """See ``Engine``."""
        twice = float(self._ensemble.twice_kinetic(self._motion.velocities).sum())
        return Thermo(twice / (self._ensemble.dof * BOLTZMANN_EV_K), self._now().energy_eV)

    def pressure_bar(self) -> float:
        """See ``Engine``."""
        self._evaluate(self._motion.positions, self._motion.cell, stress=True)
        static = -float(self._stress()[:3].sum())
        kinetic = float((self._masses * self._motion.velocities**2).sum()) / self._volume()
        return (kinetic + static) / 3 / _BAR_EV_A3

    def cell(self) -> NDArray[np.float64]:
        """See ``Engine``."""
        return self._motion.cell.copy()

    def set_cell(self, cell: NDArray[np.float64]) -> None:
        """See ``Engine``."""
        motion = self._motion
        motion.positions = motion.positions @ np.linalg.solve(motion.cell, cell)
        motion.cell = np.array(cell, dtype=np.float64)
        self._pull = None

    def positions(self) -> NDArray[np.float64]:
        """See ``Engine``."""
        return self._motion.positions.copy()

    def velocities(self) -> NDArray[np.float64]:
        """See ``Engine``."""
        velocities: NDArray[np.float64] = self._motion.velocities * self._ps
        return velocities

    def forces(self) -> NDArray[np.float64]:
        """See ``Engine``."""
        return self._evaluate(self._motion.positions, self._motion.cell)[1]

    def save(self, file: Path) -> None:
        """See ``Engine``."""
        arrays = {item.name: getattr(self._motion, item.name) for item in fields(Motion)}
        with file.open("wb") as handle:
            np.savez(handle, **arrays)
        file.with_suffix(".json").write_text(json.dumps({"done": self._done}), encoding="utf-8")

    def load(self, file: Path) -> None:
        """See ``Engine``."""
        with np.load(file) as arrays:
            self._motion = Motion(**{item.name: arrays[item.name] for item in fields(Motion)})
        self._done = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))["done"]
        self._pull = None

    def close(self, *, last: bool = False) -> None:
        """See ``Engine``."""
        del last
        self._atoms.calc = None

    def _now(self) -> Pull:
        if self._pull is None:
            self._pull = self._felt(self._motion)
        return self._pull

    def _felt(self, motion: Motion) -> Pull:
        """Forces on the ions, those of a field included, and the virial where the cell is free."""
        free = bool(self._ensemble.free.any())
        energy, forces = self._evaluate(motion.positions, motion.cell, stress=free)
        known = free and math.isfinite(energy)
        virial = -self._volume() * self._stress()[:3] if known else None
        driven = forces.copy()
        driven[:, 2:] += self._drive
        return Pull(energy, driven, virial)

    def _evaluate(
        self, positions: NDArray[np.float64], cell: NDArray[np.float64], *, stress: bool = False
    ) -> tuple[float, NDArray[np.float64]]:
        """Energy, eV, and forces, eV/A, of the calculator; it keeps the stress where asked."""
        if not np.isfinite(positions).all():
            # Neighbour lists of calculators may crash on these; the child reports the energy.
            return math.nan, np.full_like(positions, math.nan)
        # Wrapped: single precision keeps its digits, however far an ion has come.
        images = np.floor(np.linalg.solve(cell.T, positions.T).T)
        self._atoms.set_cell(cell)
        self._atoms.set_positions(positions - images @ cell)
        if stress:  # first: energy and forces come with it, but not it with them
            self._stress()
        forces = np.array(self._atoms.get_forces(), dtype=np.float64)
        return float(self._atoms.get_potential_energy()), forces

    def _stress(self) -> NDArray[np.float64]:
        """(6,) stress of what was evaluated last, eV/A^3, in the order of Voigt."""
        return np.asarray(self._atoms.get_stress(), dtype=np.float64)

    def _volume(self) -> float:
        return float(abs(np.linalg.det(self._motion.cell)))

    def _require_stress(self, stage: Stage) -> None:
        try:
            self._evaluate(self._motion.positions, self._motion.cell, stress=True)
        except NotImplementedError:
            raise ConfigError(
                f"md.potential: {self._name} gives no stress, which the stage {stage.name} needs",
                hint="choose a calculator that implements stress",
            ) from None

    def _slopes(self, point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Energy and its downward slopes; a row beyond the ions holds the strain of the edges."""
        growth = self._deform(point)
        edges = len(point) > len(self._masses)
        energy, forces = self._evaluate(self._motion.positions, self._motion.cell, stress=edges)
        if not edges:
            return energy, forces
        along = -self._volume() * self._stress()[:3] / math.sqrt(len(self._masses))
        return energy, np.vstack([forces * growth, along])

    def _deform(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take up positions in the cell of the start, and its strain; return the growth."""
        n = len(self._masses)
        # In these units the cell is about as stiff as an ion is.
        growth: NDArray[np.float64] = np.exp(point[n:].sum(axis=0) / math.sqrt(n))
        self._motion.positions = point[:n] * growth
        self._motion.cell = self._start_cell * growth
        self._pull = None
        return growth
