"""Nose-Hoover dynamics of a periodic cell: constant energy, temperature, or pressure along axes.

The equations of Martyna, Tobias and Klein, J. Chem. Phys. 101, 4177 (1994), in the order of the
time-reversible splitting of Tuckerman et al., J. Phys. A 39, 5629 (2006), each free axis with a
strain of its own. ASE's integrators solve the same equations, and the tests compare the two; but
they know neither the degrees of freedom lost to the total momentum and to held ions, nor how to
ramp the temperature, nor how to be taken up in mid-run.

Units are ASE's: A, eV, amu, and the time that makes amu A^2 / time^2 an eV (10.18 fs).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import exprel

_LINKS = 3
# Weights of the fourth-order splitting of a step: H. Yoshida, Phys. Lett. A 150, 262 (1990).
_OUTER = 1 / (2 - 2 ** (1 / 3))
_YOSHIDA = (_OUTER, 1 - 2 * _OUTER, _OUTER)

Array = NDArray[np.float64]


@dataclass(slots=True, kw_only=True)
class Motion:
    """All that moves, and so all that a run depends on."""

    positions: Array
    """(n, 3) A, unwrapped."""
    velocities: Array
    """(n, 3) A per ASE's unit of time."""
    cell: Array
    """(3, 3) A."""
    strain_rate: Array = field(default_factory=lambda: np.zeros(3))
    """(3,) of the cell along x, y and z."""
    thermostat: Array = field(default_factory=lambda: np.zeros(_LINKS))
    """Rates of the chain that takes heat from the ions."""
    barostat: Array = field(default_factory=lambda: np.zeros(_LINKS))
    """Rates of the chain that takes heat from the strain."""

    def reset(self) -> None:
        """Start thermostat and barostat anew."""
        for rates in (self.strain_rate, self.thermostat, self.barostat):
            rates[:] = 0.0


@dataclass(frozen=True, slots=True)
class Pull:
    """What the ions feel at one moment."""

    energy_eV: float
    forces: Array
    """(n, 3) eV/A."""
    virial_eV: Array | None = None
    """(3,) diagonal of minus volume times static stress; None where no axis is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """What is held constant, and which ions move."""

    masses: Array
    """(n, 1) amu."""
    moving: NDArray[np.bool_]
    """(n, 1) False for ions that stay where they are."""
    dof: int
    """Degrees of freedom of the moving ions."""
    timestep: float
    thermostat_time: float = 0.0
    """Damping time; 0: none."""
    barostat_time: float = 0.0
    free: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(3, dtype=bool))
    """(3,) axes along which the cell is under the barostat."""
    pressure: float = 0.0
    """eV/A^3."""

    def twice_kinetic(self, velocities: Array) -> Array:
        """(3,) sum of m v^2 of the moving ions along x, y and z, eV."""
        total: Array = np.sum(self.moving * self.masses * velocities**2, axis=0)
        return total


def step(
    motion: Motion,
    pull: Pull,
    ensemble: Ensemble,
    kT: float,
    evaluate: Callable[[Motion], Pull],
) -> Pull:
    """Go one time step.

    Args:
        motion: changed in place.
        pull: on the ions now.
        ensemble: what is held constant.
        kT: target of the thermostat, eV.
        evaluate: gives the pull at new positions.

    Returns:
        The pull at the end of the step.
    """
    half = ensemble.timestep / 2
    _exchange_heat(motion, ensemble, kT, half)
    _strain(motion, pull, ensemble, kT, half)
    _kick(motion, pull, ensemble, half)
    _drift(motion, ensemble)
    pull = evaluate(motion)
    _kick(motion, pull, ensemble, half)
    _strain(motion, pull, ensemble, kT, half)
    _exchange_heat(motion, ensemble, kT, half)
    return pull


def _kick(motion: Motion, pull: Pull, ensemble: Ensemble, time: float) -> None:
    """Forces change velocities; a strain of the cell damps them."""
    damping = motion.strain_rate + motion.strain_rate.sum() / ensemble.dof
    push = ensemble.moving * pull.forces / ensemble.masses
    motion.velocities *= np.exp(ensemble.moving * -damping * time)
    motion.velocities += time * push * exprel(-damping * time)


def _drift(motion: Motion, ensemble: Ensemble) -> None:
    """Velocities change positions; a strain of the cell takes them along."""
    time = ensemble.timestep
    growth = motion.strain_rate * time
    motion.positions *= np.exp(growth)
    motion.positions += time * ensemble.moving * motion.velocities * exprel(growth)
    motion.cell *= np.exp(growth)


def _strain(motion: Motion, pull: Pull, ensemble: Ensemble, kT: float, time: float) -> None:
    """Pressure beyond the target changes the strain rate of the free axes."""
    if pull.virial_eV is None or not ensemble.free.any():
        return
    kinetic = ensemble.twice_kinetic(motion.velocities)
    volume = abs(np.linalg.det(motion.cell))
    excess = kinetic + pull.virial_eV - volume * ensemble.pressure
    excess += kinetic.sum() / ensemble.dof
    motion.strain_rate += ensemble.free * excess * time / _cell_mass(ensemble, kT)


def _cell_mass(ensemble: Ensemble, kT: float) -> float:
    return (len(ensemble.masses) + 1) * kT * ensemble.barostat_time**2


def _exchange_heat(motion: Motion, ensemble: Ensemble, kT: float, time: float) -> None:
    """Let the chains act on the velocities of the ions and on the strain rate."""
    if ensemble.thermostat_time:
        twice = float(ensemble.twice_kinetic(motion.velocities).sum())
        motion.velocities *= np.where(
            ensemble.moving,
            _chain(motion.thermostat, twice, ensemble.dof, kT, ensemble.thermostat_time, time),
            1.0,
        )
    if axes := int(ensemble.free.sum()):
        twice = _cell_mass(ensemble, kT) * float(np.sum(motion.strain_rate**2))
        motion.strain_rate *= _chain(motion.barostat, twice, axes, kT, ensemble.barostat_time, time)


def _chain(
    rates: Array, twice_kinetic: float, dof: int, kT: float, damping: float, time: float
) -> float:
    """Advance a chain, and return the factor by which it scales the velocities."""
    masses = kT * damping**2 * np.array([dof, *[1] * (_LINKS - 1)])
    scale = 1.0
    for weight in _YOSHIDA:
        part = weight * time
        for link in reversed(range(_LINKS)):
            excess = scale**2 * twice_kinetic - dof * kT
            _push_link(rates, link, excess, kT, masses, part)
        scale *= float(np.exp(-part * rates[0]))
        for link in range(_LINKS):
            excess = scale**2 * twice_kinetic - dof * kT
            _push_link(rates, link, excess, kT, masses, part)
    return scale


def _push_link(
    rates: Array, link: int, excess: float, kT: float, masses: Array, time: float
) -> None:
    """Half a step of one link, driven by what is before it and damped by the link after it."""
    if link > 0:
        excess = masses[link - 1] * rates[link - 1] ** 2 - kT
    damping = float(np.exp(-time / 4 * rates[link + 1])) if link + 1 < _LINKS else 1.0
    rates[link] = (rates[link] * damping + time / 2 * excess / masses[link]) * damping
