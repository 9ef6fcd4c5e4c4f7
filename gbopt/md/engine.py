"""What an MD engine is: the small interface that LAMMPS, OpenMM and ASE's calculators fill.

An engine holds one system in its process. The child process (``gbopt.md.child``) takes it
through the stages of a protocol; everything that is the same for all engines (chunks, checks,
frames, checkpoints, messages) is done there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gbopt.errors import ConfigError

if TYPE_CHECKING:
    from gbopt.config import Potential
    from gbopt.md.protocol import Stage

EngineName = Literal["lammps", "openmm", "ase"]
Precision = Literal["single", "mixed", "double"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Which engine runs, on what, and how finely."""

    engine: EngineName
    accelerator: str = "none"
    """LAMMPS: none, opt, omp, intel, kokkos or gpu. OpenMM: its platform, such as CUDA.
    ASE: cpu or cuda."""
    precision: Precision = "double"
    device: str = ""
    """Number of the GPU as the driver counts them; empty: the first, or no GPU."""
    threads: int = 1
    ranks: int = 1
    """MPI ranks of LAMMPS."""
    timestep_ps: float = 0.002
    buckingham_cutoff_A: float = 8.5
    """Cut-off of the short-ranged terms: part of the model, never tuned."""
    coulomb_cutoff_A: float = 8.5
    """Where the Coulomb sum is split into its two parts: speed alone depends on it."""
    mesh_order: int = 5
    """Order of LAMMPS's charge assignment to the mesh of PPPM: speed alone depends on it."""
    skin_A: float = 1.0
    """How far beyond the cut-off LAMMPS lists neighbours: speed alone depends on it."""
    seed: int = 0
    """Seed of random forces, where the thermostat has such."""
    accuracy: float = 1e-4
    """Error of the long-ranged forces over the force of two unit charges 1 A apart."""

    @property
    def label(self) -> str:
        """Such as ``openmm/CUDA/mixed``."""
        parts = [self.engine, self.accelerator]
        if self.engine == "openmm":
            parts.append(self.precision)
        if self.ranks > 1:
            parts.append(f"{self.ranks} ranks")
        if self.threads > 1:
            parts.append(f"{self.threads} threads")
        return "/".join(parts)

    @property
    def least_edge_A(self) -> float:
        """Narrowest cell that the engine takes, A; 0: any."""
        if self.engine != "openmm":
            return 0.0
        return 2 * max(self.buckingham_cutoff_A, self.coulomb_cutoff_A)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The ions that an engine is given."""

    positions: NDArray[np.float64]
    """(n, 3) A."""
    cell: NDArray[np.float64]
    """(3, 3) A, rows a along x, b in the xy plane, c."""
    species: NDArray[np.int8]
    """(n,) index into ``elements``."""
    elements: tuple[str, ...]
    core: NDArray[np.bool_]
    """(n,) True for the ions that move while the grains are held."""

    @property
    def symbols(self) -> NDArray[np.str_]:
        """(n,) element of each ion."""
        return np.array(self.elements)[self.species]


def masses_amu(elements: tuple[str, ...]) -> list[float]:
    """Mass of each element."""
    from ase.data import atomic_masses, atomic_numbers

    return [float(atomic_masses[atomic_numbers[name]]) for name in elements]


class Thermo(NamedTuple):
    """The state of a run."""

    temperature_K: float
    """Of the ions that move."""
    energy_eV: float
    """Potential energy of the cell, without that of an applied field."""


class Engine(Protocol):
    """One system in one engine. Make one with ``make_engine``."""

    version: str
    """Name and version, such as ``LAMMPS 20250722, OPENMP``."""
    renewal_steps: int
    """Steps after which the engine must go on from what it saves, so that a run comes to the same
    whether or not it is taken up there: what is in memory alone, such as the order of ions and the
    age of neighbour lists, shows in the rounding. 0: nothing is."""

    def begin(self, stage: Stage, *, fresh: bool = True) -> None:
        """Prepare a stage: velocities, thermostat, barostat, field, held ions.

        Args:
            stage: what comes.
            fresh: False where the stage is taken up from a checkpoint in its middle.
        """

    def run(self, steps: int) -> None:
        """Integrate, within the stage that was begun."""

    def minimise(self, iterations: int) -> bool:
        """Minimise for at most so many iterations; return whether the minimum is reached."""

    def end(self) -> None:
        """End the stage."""

    def thermo(self) -> Thermo:
        """Temperature and energy now."""

    def pressure_bar(self) -> float:
        """Instantaneous pressure, the kinetic part included, bar."""

    def cell(self) -> NDArray[np.float64]:
        """(3, 3) A."""

    def set_cell(self, cell: NDArray[np.float64]) -> None:
        """Change the cell, ions scaled along with it."""

    def positions(self) -> NDArray[np.float64]:
        """(n, 3) A, unwrapped: continuous in time while the cell is constant."""

    def velocities(self) -> NDArray[np.float64]:
        """(n, 3) A/ps; those of OpenMM, which leaps, are of half a step before the positions."""

    def forces(self) -> NDArray[np.float64]:
        """(n, 3) eV/A, without those of an applied field."""

    def save(self, file: Path) -> None:
        """Write everything that the rest of the run depends on."""

    def load(self, file: Path) -> None:
        """Take up what ``save`` wrote; ``begin(stage, fresh=False)`` must follow."""

    def close(self, *, last: bool = False) -> None:
        """Let go of device and memory; ``last``: this process makes no other engine."""


def agreed(engine: Engine, value: int) -> int:
    """The value that the first MPI rank has: ranks that decide by the clock would part ways."""
    broadcast = getattr(engine, "broadcast", None)
    return value if broadcast is None else int(broadcast(value))


def make_engine(
    system: System, potential: Potential, settings: EngineSettings, folder: Path | None = None
) -> Engine:
    """Start an engine in this process.

    Args:
        system: the ions.
        potential: how they interact.
        settings: which engine, on what, how finely.
        folder: where logs go; None: nowhere.

    Raises:
        ConfigError: the engine has no means for this potential or this cell.
        EnvironmentProblem: this machine lacks it.
    """
    if settings.engine not in potential.engines:
        raise ConfigError(
            f"run.engine: {settings.engine} cannot run the potential {potential.name}",
            hint=f"choose {' or '.join(potential.engines)}, or leave it at auto",
        )
    if settings.engine == "lammps":
        from gbopt.md.lammps_engine import LammpsEngine

        return LammpsEngine(system, potential, settings, folder)
    if settings.engine == "openmm":
        from gbopt.md.openmm_engine import OpenMMEngine

        return OpenMMEngine(system, potential, settings)
    from gbopt.md.ase_engine import AseEngine

    return AseEngine(system, potential, settings)
