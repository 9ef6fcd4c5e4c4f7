"""Arrhenius fit of a temperature ladder: activation energy, and what it says of other T.

Weighted least squares of ln D, or of ln(sigma T), against 1/kT with the errors of the points.
The covariance is that of these errors to first order (delta method), widened by the Birge ratio
max(1, chi2/dof) where the points scatter more than they allow (Birge 1932). Ordinary least
squares with 1.96 standard errors would cover the truth in only 70 to 85 % of ladders of three
to five temperatures. Replicas that are each one structure at all temperatures are fitted each by
itself (``fit_replicas``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.statistics import combine, interval, propagate
from gbopt.errors import AnalysisError
from gbopt.model.observables import Estimate
from gbopt.units import BOLTZMANN_EV_K

Quantity = Literal["diffusivity", "conductivity"]
Point = tuple[float, Estimate]
"""Temperature, K, and what was measured there."""

FEW_TEMPERATURES = 4
"""With fewer temperatures a curved ladder passes for a straight one."""
FAR_FACTOR = 2.0
"""Extrapolation by more than this factor in 1/T is warned of."""
TRANSITION_K = (873.0, 898.0)
"""Undoped LLZO turns from tetragonal to cubic between these temperatures (neutron diffraction)."""
METHOD = "weighted least squares in 1/kT, errors widened by the Birge ratio"
METHOD_OF_REPLICAS = f"mean of replicas' {METHOD}"


@dataclass(frozen=True, slots=True)
class _Line:
    """A straight line through the logarithms, in which its two parameters are linear."""

    logs: tuple[Estimate, ...]
    """The n logarithms."""
    solver: NDArray[np.float64]
    """(2, n) what turns them into ln prefactor and Ea, eV."""
    birge: float
    """Factor on the variances."""

    def estimate(self, row: tuple[float, float], unit: str, offset: float = 0.0) -> Estimate:
        """The offset plus the row times (ln prefactor, Ea)."""
        slopes = (np.array(row) @ self.solver).tolist()
        terms = list(zip(slopes, self.logs, strict=True))
        value = offset + sum(slope * log.value for slope, log in terms)
        plain = propagate(value, terms, unit=unit, method=METHOD)
        return plain.model_copy(update={"std_err": plain.std_err * math.sqrt(self.birge)})


@dataclass(frozen=True, slots=True)
class _Lines:
    """The same line through the logarithms of each replica, which is one structure throughout.

    What structures differ by is much the same at all temperatures, so it moves a whole ladder and
    hardly its slope: taken for independent errors of the points it would blur the slope. So each
    replica has its own prefactor and Ea, and what these differ by is the error of their mean.
    """

    replicas: tuple[tuple[Estimate, ...], ...]
    """The n logarithms of each, with the error that is its own."""
    shared: tuple[Estimate, ...]
    """At each of the n temperatures an error of zero that all replicas have in common."""
    solver: NDArray[np.float64]
    """(2, n) what turns n logarithms into ln prefactor and Ea, eV."""
    birge: float
    """Factor on the variances."""

    def estimate(self, row: tuple[float, float], unit: str, offset: float = 0.0) -> Estimate:
        """The offset plus the row times (ln prefactor, Ea)."""
        slopes = (np.array(row) @ self.solver).tolist()
        each = []
        for logs in self.replicas:
            terms = list(zip(slopes, logs, strict=True))
            value = offset + sum(slope * log.value for slope, log in terms)
            each.append(propagate(value, terms, unit=unit, method=METHOD))
        own = combine(each, method=METHOD_OF_REPLICAS)
        parts = [(1.0, own), *zip(slopes, self.shared, strict=True)]
        plain = propagate(own.value, parts, unit=unit, method=METHOD_OF_REPLICAS)
        return plain.model_copy(update={"std_err": plain.std_err * math.sqrt(self.birge)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrheniusFit:
    """D = D0 exp(-Ea/kT), or sigma T = A exp(-Ea/kT), fitted to a ladder."""

    quantity: Quantity
    unit: str
    """Unit of the points, and of what ``at`` takes the logarithm of."""
    temperatures_K: tuple[float, ...]
    """Temperatures of the points that were fitted."""
    Ea_eV: Estimate
    """Activation energy."""
    ln_prefactor: Estimate
    """ln of D0, or of A in the unit of conductivity times K."""
    chi2: float
    """Squared residuals over squared errors, summed over the points."""
    dof: int
    """Points less two."""
    warnings: tuple[str, ...]
    """What to distrust about the fit, a sentence each."""
    _line: _Line | _Lines = field(repr=False, compare=False)

    def at(self, temperature_K: float) -> Estimate:
        """log10 of D or sigma at a temperature; value and error are in decades."""
        _require_positive(temperature_K)
        decade = math.log(10)
        row = 1 / decade, -1 / (BOLTZMANN_EV_K * temperature_K * decade)
        offset = -math.log10(temperature_K) if self.quantity == "conductivity" else 0.0
        return self._line.estimate(row, f"log10({self.unit})", offset)

    def interval_at(self, temperature_K: float, level: float) -> tuple[float, float]:
        """Confidence interval of ``at``, decades, by Student's t."""
        return interval(self.at(temperature_K), level)

    def warnings_at(self, temperature_K: float) -> tuple[str, ...]:
        """What to distrust about the value at a temperature: the fit's warnings and more."""
        low, high = min(self.temperatures_K), max(self.temperatures_K)
        found = list(self.warnings)
        factor = max(low / temperature_K, temperature_K / high)
        if factor > FAR_FACTOR:
            found.append(
                f"{temperature_K:g} K is {factor:.1f} times beyond {low:g}-{high:g} K in 1/T: "
                "the interval holds only if one mechanism rules all the way."
            )
        if _crosses((low, high, temperature_K)) and not _crosses((low, high)):
            found.append(
                f"{temperature_K:g} K and {low:g}-{high:g} K lie on two sides of the tetragonal-"
                "cubic transition of undoped LLZO (873-898 K): the value is that of the phase "
                "that was fitted, not of the stable one."
            )
        return tuple(found)


def fit_arrhenius(points: Sequence[Point], *, quantity: Quantity) -> ArrheniusFit:
    """Fit the activation energy of a diffusivity or a conductivity.

    Points that are only bounds, or not above their own standard error, are left out with a
    warning.

    Args:
        points: temperature, K, and value of each point, all in one unit.
        quantity: a diffusivity is fitted as ln D, a conductivity as ln(sigma T).

    Raises:
        AnalysisError: fewer than two temperatures left, mixed units, or a point without error.
    """
    kept = [(T, estimate) for T, estimate in points if is_resolved(estimate)]
    _require_usable(kept)
    temperatures, unit = tuple(T for T, _ in kept), kept[0][1].unit
    line, chi2 = _fit([_log(T, estimate, quantity) for T, estimate in kept], temperatures)
    return _told(line, chi2, temperatures, unit, quantity, points)


def fit_replicas(
    points: Sequence[Point],
    replicas: Sequence[Mapping[float, Estimate]],
    shared: Mapping[float, Estimate],
    *,
    quantity: Quantity,
) -> ArrheniusFit:
    """Fit a ladder of which every replica is one structure at all temperatures.

    Args:
        points: see ``fit_arrhenius``; the means of the replicas.
        replicas: for each of two or more its values by temperature, with the errors that are its
            own.
        shared: by temperature an estimate with the relative error that all replicas have in common.
        quantity: see ``fit_arrhenius``.

    Raises:
        AnalysisError: see ``fit_arrhenius``; or a replica without a resolved value at a point that
            is fitted.
    """
    kept = [(T, estimate) for T, estimate in points if is_resolved(estimate)]
    _require_usable(kept)
    temperatures = tuple(T for T, _ in kept)
    if not all(T in of_one and is_resolved(of_one[T]) for of_one in replicas for T in temperatures):
        raise AnalysisError(
            "a replica has no resolved value at a temperature that the others have",
            hint="fit the means alone, or run this replica longer",
        )
    logs = tuple(tuple(_log(T, of_one[T], quantity) for T in temperatures) for of_one in replicas)
    common = tuple(shared[T].model_copy(update={"value": 0.0}) for T in temperatures)
    # The weights, and how straight the line is, by what is not the same along a ladder.
    means = [
        propagate(
            float(np.mean([log.value for log in column])),
            [*((1 / len(column), log) for log in column), (1.0, bulk)],
            unit="ln",
            method=METHOD,
        )
        for column, bulk in zip(zip(*logs, strict=True), common, strict=True)
    ]
    line, chi2 = _fit(means, temperatures)
    lines = _Lines(logs, common, line.solver, line.birge)
    return _told(lines, chi2, temperatures, kept[0][1].unit, quantity, points)


def _told(
    line: _Line | _Lines,
    chi2: float,
    temperatures: tuple[float, ...],
    unit: str,
    quantity: Quantity,
    points: Sequence[Point],
) -> ArrheniusFit:
    times = " K" if quantity == "conductivity" else ""
    return ArrheniusFit(
        quantity=quantity,
        unit=unit,
        temperatures_K=temperatures,
        Ea_eV=line.estimate((0.0, 1.0), "eV"),
        ln_prefactor=line.estimate((1.0, 0.0), f"ln({unit}{times})"),
        chi2=chi2,
        dof=len(temperatures) - 2,
        warnings=(*_left_out(points), *_ladder_warnings(temperatures)),
        _line=line,
    )


def _fit(logs: list[Estimate], temperatures: tuple[float, ...]) -> tuple[_Line, float]:
    """The line through the logarithms, and its chi2."""
    design = np.array([[1.0, -1 / (BOLTZMANN_EV_K * T)] for T in temperatures])
    value = np.array([log.value for log in logs])
    weight = np.array([log.std_err for log in logs]) ** -2
    weighted = design.T * weight
    solver = np.linalg.solve(weighted @ design, weighted)
    chi2 = float(weight @ (value - design @ solver @ value) ** 2)
    dof = len(logs) - 2
    return _Line(tuple(logs), solver, max(1.0, chi2 / dof) if dof else 1.0), chi2


def _log(temperature_K: float, estimate: Estimate, quantity: Quantity) -> Estimate:
    """Logarithm of D or of sigma T, its error to first order."""
    factor = temperature_K if quantity == "conductivity" else 1.0
    return propagate(
        math.log(estimate.value * factor),
        [(1 / estimate.value, estimate)],
        unit="ln",
        method=estimate.method,
    )


def is_resolved(estimate: Estimate) -> bool:
    """Whether a point can be fitted: no bound, and above its own standard error."""
    return estimate.bound is None and estimate.value > estimate.std_err


def _require_usable(kept: Sequence[Point]) -> None:
    for temperature_K, estimate in kept:
        _require_positive(temperature_K)
        if estimate.std_err == 0:
            raise AnalysisError(
                f"the point at {temperature_K:g} K has no error to weight it by",
                hint="give each point its standard error",
            )
    if len({temperature_K for temperature_K, _ in kept}) < 2:
        raise AnalysisError(
            "an Arrhenius fit needs resolved values at two temperatures or more",
            hint="run further temperatures, or run longer where diffusion was not resolved",
        )
    if len(units := {estimate.unit for _, estimate in kept}) > 1:
        raise AnalysisError(
            f"the points are in different units: {', '.join(sorted(units))}",
            hint="convert all points to one unit",
        )


def _require_positive(temperature_K: float) -> None:
    if not 0 < temperature_K < math.inf:
        raise AnalysisError(
            f"{temperature_K:g} K is no temperature", hint="give temperatures in K, above zero"
        )


def _left_out(points: Sequence[Point]) -> list[str]:
    return [
        f"the point at {T:g} K ({estimate}) is "
        + ("only a bound" if estimate.bound else "not above its error")
        + " and was left out."
        for T, estimate in points
        if not is_resolved(estimate)
    ]


def _ladder_warnings(temperatures: tuple[float, ...]) -> list[str]:
    found = []
    if (distinct := len(set(temperatures))) < FEW_TEMPERATURES:
        found.append(
            f"{distinct} temperatures cannot show whether the line is straight: "
            f"measure {FEW_TEMPERATURES} or more."
        )
    if _crosses(temperatures):
        found.append(
            "the ladder crosses the tetragonal-cubic transition of undoped LLZO (873-898 K): "
            "fit each phase alone."
        )
    return found


def _crosses(temperatures: tuple[float, ...]) -> bool:
    """Whether not all temperatures lie on one side of the transition."""
    low, high = TRANSITION_K
    return min(temperatures) < high and max(temperatures) > low
