"""How often the intervals of the estimators hold the truth, on media whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gbopt.analysis.arrhenius import fit_arrhenius
from gbopt.analysis.collective import ChargeDisplacement
from gbopt.analysis.statistics import interval
from gbopt.md import stopping
from gbopt.model.bicrystal import LI, O
from gbopt.model.observables import Estimate
from gbopt.units import A2_PS_TO_CM2_S, BOLTZMANN_EV_K, ohm_cm_from_metal
from gbopt.validate.check import Bench, Measured
from gbopt.validate.findings import Finding
from gbopt.validate.media import (
    EDGE_A,
    TEMPERATURE_K,
    Medium,
    brownian,
    info_of,
    measure,
    slow_layer,
)

Estimator = Literal["D", "R slow layer", "R density step", "Einstein-Helfand", "Ea"]
LEVEL = 0.95
_LENGTH_A, _D_A2_PS = 40.0, 0.27
_LADDER_K = (1000.0, 1100.0, 1200.0, 1300.0)
_EA_EV, _D0_CM2_S, _D_ERROR = 0.30, 3e-4, 0.05
_WHAT: dict[Estimator, str] = {
    "D": "D of free walkers",
    "R slow layer": "R A through a layer ten times slower, by the series law",
    "R density step": "R A through a layer of half the density, by the series law",
    "Einstein-Helfand": "collective conductivity of free walkers (Einstein-Helfand)",
    "Ea": "activation energy of a ladder of four temperatures",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Independent runs of a medium, each measured with one estimator."""

    estimator: Estimator
    runs: int
    seed: int = 1


def measure_coverage(spec: Coverage, bench: Bench) -> Measured:  # noqa: ARG001 - needs no engine
    """Share of 95 % intervals that hold the truth, and the mean of the estimates over it."""
    run, truth = _MEDIA[spec.estimator]
    estimates = []
    for number in range(spec.runs):
        stopping.heed()
        estimates.append(run(np.random.default_rng([spec.seed, number])))
    ends = [interval(estimate, LEVEL) for estimate in estimates]
    share = float(np.mean([low <= truth <= high for low, high in ends]))
    ratio = np.array([estimate.value for estimate in estimates]) / truth
    what = _WHAT[spec.estimator]
    found = (
        Finding(
            key=f"coverage/{spec.estimator}",
            quantity=f"share of 95 % intervals that hold the truth: {what}",
            ours=Estimate(
                value=share,
                # Of a share of 95 %: that of the share itself is 0 where all intervals hold it.
                std_err=math.sqrt(LEVEL * (1 - LEVEL) / spec.runs),
                unit="",
                n_eff=spec.runs,
                method="binomial",
            ),
            note=f"{spec.runs} runs",
        ),
        Finding(
            key=f"bias/{spec.estimator}",
            quantity=f"mean over the truth: {what}",
            ours=Estimate(
                value=float(ratio.mean()),
                std_err=float(ratio.std(ddof=1)) / math.sqrt(spec.runs),
                unit="",
                n_eff=spec.runs,
                method="scatter of the runs",
            ),
            note=f"{spec.runs} runs",
        ),
    )
    return Measured(found)


def _diffusivity(rng: np.random.Generator) -> Estimate:
    frames = brownian(rng, 100, 0.3, 20.0, 500)
    return measure(frames, 100, 20.0, 500, lag_ps=2.0).cell_diffusivity(0, 1, 2)


def _density_step() -> Medium:
    z = np.arange(80) * 0.5
    density = np.where(np.abs(z - 20.0) <= 4.0, 0.5, 1.0)
    density = density / density.mean()
    return Medium(density, 0.1 * 2 / (1 / density + 1 / np.roll(density, -1)), 0.5)


def _resistance(medium: Medium) -> Callable[[np.random.Generator], Estimate]:
    def run(rng: np.random.Generator) -> Estimate:
        return measure(medium.frames(rng, 700, 600), 700, medium.length_A, 600).resistance()

    return run


def _collective(rng: np.random.Generator) -> Estimate:
    """Twenty ions and one at rest that takes the opposite charge."""
    n, n_frames = 20, 1000
    species = np.append(np.full(n, LI), O).astype(np.int8)
    charges = np.append(np.ones(n), -float(n))
    motion = ChargeDisplacement(info_of(species, _LENGTH_A, n_frames), charges, lag_ps=1.0)
    for frame in brownian(rng, n, _D_A2_PS, _LENGTH_A, n_frames):
        motion.add(np.vstack([frame, np.zeros(3)]))
    return motion.result().conductivity(2)


def _nernst_einstein() -> float:
    """S/cm of the same ions: free walkers are not correlated."""
    volume_A3 = EDGE_A**2 * _LENGTH_A
    return 1 / ohm_cm_from_metal(BOLTZMANN_EV_K * TEMPERATURE_K * volume_A3 / (20 * _D_A2_PS))


def _activation(rng: np.random.Generator) -> Estimate:
    points = []
    for T in _LADDER_K:
        true_D = _D0_CM2_S * math.exp(-_EA_EV / (BOLTZMANN_EV_K * T))
        D = true_D * (1 + _D_ERROR * rng.normal())
        error = _D_ERROR * D
        points.append(
            (T, Estimate(value=D, std_err=error, unit="cm2/s", n_eff=100, method="drawn"))
        )
    return fit_arrhenius(points, quantity="diffusivity").Ea_eV


_MEDIA: dict[Estimator, tuple[Callable[[np.random.Generator], Estimate], float]] = {
    "D": (_diffusivity, 0.3 * A2_PS_TO_CM2_S),
    "R slow layer": (_resistance(slow_layer(10.0)), slow_layer(10.0).resistance_ohm_cm2(700)),
    "R density step": (_resistance(_density_step()), _density_step().resistance_ohm_cm2(700)),
    "Einstein-Helfand": (_collective, _nernst_einstein()),
    "Ea": (_activation, _EA_EV),
}
