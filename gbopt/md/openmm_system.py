"""The system of OpenMM: masses, charges, Buckingham terms, an applied field, a barostat."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.config import BuckinghamPotential
from gbopt.errors import ConfigError
from gbopt.md.engine import EngineSettings, System, masses_amu
from gbopt.provenance import derive_seed

KJ_MOL = 96.48533212331
"""One eV in kJ/mol."""
NM = 0.1
"""One A in nm."""
FIELD = "field"
"""Global parameter: the field along z, kJ/(mol nm e)."""
FIELD_GROUP, OTHERS = 1, {0}
"""Force groups: an applied field is counted neither in energies nor in forces."""
_BAROSTAT_STEPS = 10
# Random forces push the whole cell about; at this interval it moves by nothing that counts.
_MOMENTUM_STEPS = 10
# OpenMM's tolerance is on the error of either part of the sum; at half of LAMMPS's accuracy the
# rms error of the forces is the same (measured: 5.2e-5 against 4.5e-5 at 1e-4).
_TOLERANCE_PER_ACCURACY = 0.5


class Kind(NamedTuple):
    """What a system is made for."""

    ensemble: str
    free: str = "none"
    core_only: bool = False


def make_system(
    mm: Any,
    ions: System,
    potential: BuckinghamPotential,
    settings: EngineSettings,
    box_nm: NDArray[np.float64],
    kind: Kind,
) -> Any:
    """Make the system that a context runs.

    Args:
        mm: the ``openmm`` module.
        ions: what it holds.
        potential: how they interact.
        settings: cut-offs, accuracy and seed.
        box_nm: (3, 3) nm, in reduced form.
        kind: the stage that it is for.
    """
    system = mm.System()
    held = ~ions.core if kind.core_only else np.zeros(len(ions.species), dtype=bool)
    masses = np.array(masses_amu(ions.elements))[ions.species]
    for mass in np.where(held, 0.0, masses):  # no mass: it does not move
        system.addParticle(float(mass))
    system.setDefaultPeriodicBoxVectors(*box_nm)
    range_A, pressed = settings.buckingham_cutoff_A, kind.ensemble == "npt"
    cutoff_A = max(range_A, settings.coulomb_cutoff_A)
    charges = np.array([potential.charges_e[name] for name in ions.elements])[ions.species]
    system.addForce(_coulomb(mm, charges, cutoff_A, settings.accuracy))
    system.addForce(_buckingham(mm, potential, ions, (range_A, cutoff_A), shifted=pressed))
    system.addForce(_drive(mm, charges))
    if not kind.core_only:
        system.addForce(mm.CMMotionRemover(_MOMENTUM_STEPS))
    if pressed:
        every = kind.free == "all"
        barostat = mm.MonteCarloAnisotropicBarostat(
            mm.Vec3(1.0, 1.0, 1.0), 300.0, every, every, True, _BAROSTAT_STEPS, False
        )
        barostat.setRandomNumberSeed(random_seed(settings.seed, 2))
        system.addForce(barostat)
    return system


def _drive(mm: Any, charges: NDArray[np.float64]) -> Any:
    """The field along z on the charges of the potential."""
    drive = mm.CustomExternalForce(f"-q*{FIELD}*z")
    drive.addGlobalParameter(FIELD, 0.0)
    drive.addPerParticleParameter("q")
    for index, charge in enumerate(charges):
        drive.addParticle(index, [float(charge)])
    drive.setForceGroup(FIELD_GROUP)
    return drive


def _coulomb(mm: Any, charges: NDArray[np.float64], cutoff_A: float, accuracy: float) -> Any:
    force = mm.NonbondedForce()
    force.setNonbondedMethod(mm.NonbondedForce.PME)
    force.setCutoffDistance(cutoff_A * NM)
    force.setEwaldErrorTolerance(_TOLERANCE_PER_ACCURACY * accuracy)
    force.setUseDispersionCorrection(False)
    for charge in charges:
        force.addParticle(float(charge), 1.0, 0.0)
    return force


def _buckingham(
    mm: Any,
    potential: BuckinghamPotential,
    ions: System,
    cutoffs_A: tuple[float, float],
    *,
    shifted: bool,
) -> Any:
    """The terms, sharply cut as LAMMPS has them.

    A Monte Carlo barostat sees the energy that pairs win or lose where they cross the cut-off
    (some 300 bar for LLZO at 8.5 A), a virial does not. Shifted to zero there, both agree; the
    forces are the same.
    """
    names, n = ions.elements, len(ions.elements)
    range_A, cutoff_A = cutoffs_A
    tables = {key: np.zeros((n, n)) for key in "ABCS"}
    for pair, term in potential.pairs.items():
        first, second = pair.split("-")
        if first not in names or second not in names:
            continue
        where = names.index(first), names.index(second)
        at_cut_eV = term.A_eV * np.exp(-range_A / term.rho_A) - term.C_eV_A6 / range_A**6
        for i, j in (where, where[::-1]):
            tables["A"][i, j] = term.A_eV * KJ_MOL
            tables["B"][i, j] = 1 / (term.rho_A * NM)
            tables["C"][i, j] = term.C_eV_A6 * KJ_MOL * NM**6
            tables["S"][i, j] = at_cut_eV * KJ_MOL
    within = f"step({range_A * NM!r}-r)*" if range_A < cutoff_A else ""
    shift = "-S(t1,t2)" if shifted else ""
    force = mm.CustomNonbondedForce(f"{within}(A(t1,t2)*exp(-r*B(t1,t2))-C(t1,t2)/r^6{shift})")
    for key in "ABCS" if shifted else "ABC":
        function = mm.Discrete2DFunction(n, n, tables[key].T.ravel().tolist())
        force.addTabulatedFunction(key, function)
    force.addPerParticleParameter("t")
    for kind in ions.species:
        force.addParticle([float(kind)])
    force.setNonbondedMethod(mm.CustomNonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(cutoff_A * NM)
    return force


def random_seed(seed: int, branch: int) -> int:
    """Seed of one of the random sequences; OpenMM takes 0 for "draw one"."""
    return 1 + derive_seed(seed, branch) % (2**31 - 2)


def reduction(cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integer matrix that brings a cell to OpenMM's reduced form: R @ cell."""
    a, b, c = np.eye(3)
    b = b - np.round(cell[1, 0] / cell[0, 0]) * a
    c = c - np.round(cell[2, 1] / cell[1, 1]) * b
    c = c - np.round((c @ cell)[0] / cell[0, 0]) * a
    return np.array([a, b, c])


def require_wide(reduced: NDArray[np.float64], settings: EngineSettings) -> None:
    """Refuse a cell that a cut-off does not fit into.

    Args:
        reduced: (3, 3) A, in reduced form.
        settings: the cut-offs.

    Raises:
        ConfigError: it is narrower than two of them.
    """
    narrowest = float(np.diag(reduced).min())
    if narrowest < settings.least_edge_A:
        raise ConfigError(
            f"run.engine: openmm needs cells at least {settings.least_edge_A:g} A wide, twice the "
            f"cut-off, this one is {narrowest:.2f} A",
            hint="repeat the cell along its narrow edges, or run it with lammps",
        )
