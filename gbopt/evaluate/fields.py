"""Charge that moves: which charges, over which lag, and the runs under a field."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.collective import SHORTEST_RUN_LAGS
from gbopt.analysis.field import FieldCurrent
from gbopt.analysis.frames import drift_corrected
from gbopt.analysis.potential import ChargeProfile, FieldRun
from gbopt.analysis.profile import TransportProfile
from gbopt.analysis.transport import LiTransport
from gbopt.config import LAGS_PER_SEGMENT, CampaignConfig
from gbopt.errors import ConfigError
from gbopt.md.run import MDRun
from gbopt.model.bicrystal import ELEMENT_CHARGES, ELEMENTS, LI, SPECIES
from gbopt.model.observables import Estimate
from gbopt.model.trajectory import TrajectoryInfo
from gbopt.potentials.library import get_potential

_PILE_UP_PS = 20.0
_SEGMENTS = 3


class FieldStage(NamedTuple):
    """What one run under a field gave."""

    conductivity: Estimate
    """Steady current over the field, S/cm."""
    run: FieldRun
    """Its charge profile."""
    temperature_K: float
    """Mean temperature of the run."""
    transport: TransportProfile | None = None
    """Motion of single ions in it; None where the run is too short for the lag."""


def formal_charges(species: NDArray[np.int8]) -> NDArray[np.float64]:
    """Formal charge of each ion, e: what a hop carries, whatever charges the potential has."""
    charges: NDArray[np.float64] = np.array(ELEMENT_CHARGES, dtype=float)[species]
    return charges


def acting_charges(config: CampaignConfig, species: NDArray[np.int8]) -> NDArray[np.float64]:
    """Charge of each ion in the potential, e: what makes the electrostatic potential."""
    known = get_potential(config.md.potential).charges_e
    # A learned potential has none: its ions are driven by their formal charges.
    charges: NDArray[np.float64] = np.array(
        [known.get(name, formal) for name, formal in zip(ELEMENTS, ELEMENT_CHARGES, strict=True)]
    )
    return charges[species]


def require_driven(config: CampaignConfig) -> None:
    """Refuse fields on a potential whose ions they would not drive as they drive formal charges.

    Raises:
        ConfigError: charges that are missing, vary in time, or are not all scaled alike.
    """
    potential = get_potential(config.md.potential)
    if not config.field.fields_V_A or potential.kind == "ase":
        return
    dopants = {d.element for listed in config.geometry.dopants for d in listed}
    scales = {
        potential.charges_e.get(name, 0.0) / formal
        for name, formal in zip(ELEMENTS, ELEMENT_CHARGES, strict=True)
        if name in (*SPECIES, *dopants)
    }
    if len({round(scale, 6) for scale in scales}) > 1 or min(scales) <= 0:
        raise ConfigError(
            f"field.fields_V_A: the charges of {potential.name} are not the formal ones, nor all "
            "the same part of them, so a current under a field cannot be counted",
            hint="leave field.fields_V_A empty",
        )
    if potential.kind == "lammps" and any(" qeq/" in line for line in potential.commands):
        raise ConfigError(
            f"field.fields_V_A: the charges of {potential.name} vary from step to step",
            hint="leave field.fields_V_A empty",
        )


def charge_scale(config: CampaignConfig) -> float:
    """Charges of the potential over the formal ones."""
    return float(acting_charges(config, np.array([LI], dtype=np.int8))[0]) / ELEMENT_CHARGES[LI]


def collective_lag_ps(config: CampaignConfig, run_ps: float) -> float:
    """Lag of the collective route: charge piles up against boundaries for some 20 ps.

    A run too short for that gets the longest lag that leaves a range to fit over.
    """
    return max(config.analysis.lag_ps, min(_PILE_UP_PS, run_ps / SHORTEST_RUN_LAGS))


def follow_fields(run: MDRun, config: CampaignConfig) -> tuple[FieldStage, ...]:
    """Follow the stages under a field, one after another."""
    found = []
    for strength in config.field.fields_V_A:
        trajectory = run.trajectory()
        info = trajectory.info
        current = FieldCurrent(info, formal_charges(info.species), field_V_A=strength)
        charge = ChargeProfile(info, acting_charges(config, info.species))
        motion = _motion(info, config)
        stage = run.stage
        for frame in drift_corrected(trajectory):
            current.add(frame)
            charge.add(frame)
            if motion is not None:
                motion.add(frame)
        response = current.result()
        acting_V_A = strength / charge_scale(config)
        found.append(
            FieldStage(
                conductivity=response.conductivity(),
                run=FieldRun(acting_V_A, charge.result(), response.dropped_ps),
                temperature_K=run.mean_temperature_K(stage),
                transport=motion.result() if motion is not None else None,
            )
        )
    return tuple(found)


def _motion(info: TrajectoryInfo, config: CampaignConfig) -> LiTransport | None:
    analysis = config.analysis
    needed_ps = _SEGMENTS * (LAGS_PER_SEGMENT * analysis.lag_ps + 2 * info.frame_interval_ps)
    if (info.n_frames - 1) * info.frame_interval_ps < needed_ps:
        return None
    return LiTransport(info, lag_ps=analysis.lag_ps, segments=_SEGMENTS, bin_A=analysis.bin_A)
