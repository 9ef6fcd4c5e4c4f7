"""OpenMM: the engine that any user can install with pip and that keeps a whole GPU busy.

The Buckingham terms are a custom non-bonded force, the Coulomb sum is OpenMM's particle-mesh
Ewald, the thermostat is Langevin's in the middle scheme: Nose-Hoover chains of OpenMM wait for the
GPU in every step. An integrator cannot be exchanged in a context, and a barostat is a force, so
there is one context for each kind of stage (see ``Kind``); positions and velocities are handed on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbopt.config import BuckinghamPotential, Potential
from gbopt.errors import ConfigError
from gbopt.md.engine import EngineSettings, System, Thermo, masses_amu
from gbopt.md.openmm_platform import load_openmm, start_failure
from gbopt.md.openmm_system import (
    FIELD,
    KJ_MOL,
    NM,
    OTHERS,
    Kind,
    make_system,
    random_seed,
    reduction,
    require_wide,
)
from gbopt.md.protocol import Stage
from gbopt.md.relax import Relaxation
from gbopt.units import BOLTZMANN_EV_K

# Friction of the thermostat. That of Li with its lattice, kT/(m D), is some 500/ps at 1100 K, so
# what 1/ps does to a diffusivity is lost in its error; where no figure is taken, heat that cores
# release is better carried off fast.
_FRICTION_PER_PS, _FRICTION_MEASURED_PER_PS = 10.0, 1.0

_PLAIN = Kind("nvt")


class OpenMMEngine:
    """One system in OpenMM."""

    renewal_steps = 0

    def __init__(self, system: System, potential: Potential, settings: EngineSettings) -> None:
        assert isinstance(potential, BuckinghamPotential)  # noqa: S101 - make_engine saw to it
        self._mm: Any = load_openmm()
        self._system, self._potential, self._settings = system, potential, settings
        self._to_reduced = reduction(system.cell)
        require_wide(self._to_reduced @ system.cell, settings)
        self._contexts: dict[Kind, Any] = {}
        self._kind = _PLAIN
        self._stage: Stage | None = None
        self._done = 0
        self._relaxation: Relaxation | None = None
        self._positions, self._cell = system.positions, system.cell
        self._velocities = np.zeros_like(system.positions)
        self._use(self._kind)
        self.version = (
            f"OpenMM {self._mm.version.version}, {settings.accelerator} {settings.precision}"
        )

    # -- the stages ---------------------------------------------------------------------------

    def begin(self, stage: Stage, *, fresh: bool = True) -> None:
        """See ``Engine``."""
        self._stage = stage
        if fresh:
            self._done = 0
        self._relaxation = None
        if stage.kind == "minimise":
            if stage.free != "none":
                raise ConfigError(
                    "run.engine: openmm cannot relax the cell of a minimisation",
                    hint="leave run.engine at auto: LAMMPS does it",
                )
            self._hand_on(_PLAIN)
            return
        wanted = Kind(stage.ensemble, stage.free, stage.core_only)
        if wanted != self._kind:
            self._hand_on(wanted)
        context = self._context
        context.setParameter(FIELD, stage.field_V_A * KJ_MOL / NM)
        if stage.ensemble != "nve":
            context.getIntegrator().setFriction(_friction_per_ps(stage))
        if fresh and stage.velocity_seed is not None:
            self._draw_velocities(stage)
        if stage.ensemble == "npt":
            barostat = self._mm.MonteCarloAnisotropicBarostat
            context.setParameter(barostat.Temperature(), stage.start_K)
            for pressure in (barostat.PressureX, barostat.PressureY, barostat.PressureZ):
                context.setParameter(pressure(), stage.pressure_bar)

    def run(self, steps: int) -> None:
        """See ``Engine``."""
        assert self._stage is not None  # noqa: S101 - begin came before
        integrator = self._context.getIntegrator()
        if self._stage.ensemble != "nve":
            middle = min(1.0, (self._done + steps / 2) / self._stage.steps)
            target_K = self._stage.start_K + middle * (self._stage.end_K - self._stage.start_K)
            if _plain(integrator.getTemperature()) != target_K:
                integrator.setTemperature(target_K)
        integrator.step(steps)
        self._done += steps

    def minimise(self, iterations: int) -> bool:
        """See ``Engine``."""
        assert self._stage is not None  # noqa: S101
        if self._relaxation is None:
            self._relaxation = Relaxation(self.positions(), self._energy_and_forces, self._stage)
        done = self._relaxation.run(iterations)
        self._set_positions(self._relaxation.positions)
        return done

    def end(self) -> None:
        """See ``Engine``."""
        self._context.setParameter(FIELD, 0.0)

    def _energy_and_forces(
        self, positions: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64]]:
        self._set_positions(positions)
        state = self._context.getState(energy=True, forces=True, groups=OTHERS)
        return _energy_eV(state), _forces_eV_A(state)

    # -- what is asked for --------------------------------------------------------------------

    def thermo(self) -> Thermo:
        """See ``Engine``."""
        state = self._context.getState(energy=True, groups=OTHERS)
        kinetic_eV = _plain(state.getKineticEnergy()) / KJ_MOL
        degrees = 3 * self._moving - 3
        return Thermo(2 * kinetic_eV / (degrees * BOLTZMANN_EV_K), _energy_eV(state))

    @property
    def _moving(self) -> int:
        return int(self._system.core.sum()) if self._kind.core_only else len(self._system.species)

    def pressure_bar(self) -> float:
        """See ``Engine``."""
        kind = self._kind
        self._hand_on(Kind("npt", "all"))  # only a barostat can be asked
        barostat = next(
            force
            for force in self._context.getSystem().getForces()
            if isinstance(force, self._mm.MonteCarloAnisotropicBarostat)
        )
        axes = barostat.computeCurrentPressure(self._context)
        self._hand_on(kind)
        return float(np.mean(axes.value_in_unit(self._mm.unit.bar)))

    def cell(self) -> NDArray[np.float64]:
        """See ``Engine``."""
        vectors = _plain(self._context.getState().getPeriodicBoxVectors(asNumpy=True)) / NM
        cell: NDArray[np.float64] = np.linalg.inv(self._to_reduced) @ np.asarray(vectors)
        return cell

    def set_cell(self, cell: NDArray[np.float64]) -> None:
        """See ``Engine``."""
        fractional = np.linalg.solve(self.cell().T, self.positions().T).T
        self._set_box(cell)
        self._set_positions(fractional @ cell)

    def positions(self) -> NDArray[np.float64]:
        """See ``Engine``."""
        state = self._context.getState(positions=True)
        return np.asarray(_plain(state.getPositions(asNumpy=True)), dtype=np.float64) / NM

    def velocities(self) -> NDArray[np.float64]:
        """See ``Engine``."""
        state = self._context.getState(velocities=True)
        return np.asarray(_plain(state.getVelocities(asNumpy=True)), dtype=np.float64) / NM

    def forces(self) -> NDArray[np.float64]:
        """See ``Engine``."""
        return _forces_eV_A(self._context.getState(forces=True, groups=OTHERS))

    def save(self, file: Path) -> None:
        """See ``Engine``."""
        file.write_bytes(self._context.createCheckpoint())
        np.savez(
            file.with_suffix(".npz"),
            positions=self.positions(),
            velocities=self.velocities(),
            cell=self.cell(),
        )
        beside = {"kind": list(self._kind), "done": self._done}
        file.with_suffix(".json").write_text(json.dumps(beside), encoding="utf-8")

    def load(self, file: Path) -> None:
        """See ``Engine``. On another device the random forces are others from here on."""
        beside = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        self._use(Kind(*beside["kind"]))
        self._done = beside["done"]
        try:
            self._context.loadCheckpoint(file.read_bytes())
        except self._mm.OpenMMException:  # made on another device or by another version
            state = np.load(file.with_suffix(".npz"))
            self._set_box(state["cell"])
            self._set_positions(state["positions"])
            self._context.setVelocities(state["velocities"] * NM)

    def close(self, *, last: bool = False) -> None:
        """See ``Engine``."""
        del last
        self._contexts.clear()

    # -- contexts -----------------------------------------------------------------------------

    @property
    def _context(self) -> Any:
        return self._contexts[self._kind]

    def _hand_on(self, kind: Kind) -> None:
        """Go on in the context of another kind."""
        if kind == self._kind:
            return
        positions, velocities, cell = self.positions(), self.velocities(), self.cell()
        self._use(kind)
        self._set_box(cell)
        self._set_positions(positions)
        self._context.setVelocities(velocities * NM)

    def _use(self, kind: Kind) -> None:
        self._kind = kind
        if kind not in self._contexts:
            # Two at most, the plain one and another: each holds memory of the GPU.
            self._contexts = {k: c for k, c in self._contexts.items() if k == _PLAIN}
            self._contexts[kind] = self._make_context(kind)

    def _set_positions(self, positions: NDArray[np.float64]) -> None:
        self._context.setPositions(positions * NM)

    def _set_box(self, cell: NDArray[np.float64]) -> None:
        self._context.setPeriodicBoxVectors(*(self._to_reduced @ cell * NM))

    def _draw_velocities(self, stage: Stage) -> None:
        """Maxwell-Boltzmann, without total momentum, scaled to exactly the temperature."""
        rng = np.random.default_rng(stage.velocity_seed)
        moves = self._system.core if stage.core_only else np.ones(len(self._system.species), bool)
        masses = np.array(masses_amu(self._system.elements))[self._system.species][moves, None]
        drawn = rng.standard_normal((len(masses), 3)) / np.sqrt(masses)
        drawn -= (masses * drawn).sum(axis=0) / masses.sum()
        velocities = np.zeros((len(moves), 3))
        velocities[moves] = drawn
        self._context.setVelocities(velocities * NM)
        now_K = self.thermo().temperature_K
        self._context.setVelocities(velocities * np.sqrt(stage.start_K / now_K) * NM)

    def _make_context(self, kind: Kind) -> Any:
        settings = self._settings
        box_nm = self._to_reduced @ self._cell * NM
        system = make_system(self._mm, self._system, self._potential, settings, box_nm, kind)
        step_ps = settings.timestep_ps
        if kind.ensemble == "nve":
            integrator = self._mm.VerletIntegrator(step_ps)
        else:
            integrator = self._mm.LangevinMiddleIntegrator(300.0, 1.0, step_ps)
            integrator.setRandomNumberSeed(random_seed(settings.seed, 1))
        properties: dict[str, str] = {"Precision": settings.precision}
        if settings.accelerator == "CPU":
            properties = {"Threads": str(settings.threads)}
        try:
            platform = self._mm.Platform.getPlatformByName(settings.accelerator)
            context = self._mm.Context(system, integrator, platform, properties)
        except self._mm.OpenMMException as error:
            if self._contexts:  # it works here; this run met a limit, such as memory
                raise
            raise start_failure(settings.accelerator, str(error)) from None
        context.setPositions(self._positions * NM)
        return context


def _friction_per_ps(stage: Stage) -> float:
    """A ramp must be followed; only at constant temperature is a diffusivity measured."""
    measured = stage.kind == "production" and stage.start_K == stage.end_K
    return _FRICTION_MEASURED_PER_PS if measured else _FRICTION_PER_PS


def _plain(quantity: Any) -> Any:
    """The number of a quantity in OpenMM's own units: nm, ps, kJ/mol, K."""
    from openmm.unit import md_unit_system

    return quantity.value_in_unit_system(md_unit_system)


def _energy_eV(state: Any) -> float:
    return float(_plain(state.getPotentialEnergy()) / KJ_MOL)


def _forces_eV_A(state: Any) -> NDArray[np.float64]:
    forces = _plain(state.getForces(asNumpy=True))
    return np.asarray(forces, dtype=np.float64) * (NM / KJ_MOL)
