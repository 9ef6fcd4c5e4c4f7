"""Gibbs excess of Li and O at each boundary: ions per area beyond those of crystal.

Gibbs's dividing scheme with the crystal's cations as reference (J. W. Cahn, in Interfacial
Segregation, ASM 1979) needs neither a volume nor a width of the boundary:

    Gamma_X = [N_X - r_X (N_La + N_Zr)] / A,    r_Li = 7/5,  r_O = 12/5,

where r_X is X per cation of Li7La3Zr2O12, so that crystal adds nothing however much of it is
counted. N are the ions that belong to one boundary: each ion counts with a weight w(z), 1 around
the boundary and 0 around the other, and with 1 - w for the other, so that both boundaries add up
to the whole cell exactly.

The mean of the two is therefore the composition of the cell, put in when it was built: zero in a
stoichiometric cell. What is measured is how the boundaries share it. O, La and Zr do not migrate in
nanoseconds; lithium follows them until both boundaries are neutral (``sheet_charge``).

Between them, in the central third of each grain, w falls as a raised cosine. A sharp cut in
mid-grain would count or miss part of the crystal's repeat: over all positions of the cut this is
an error of 0.2-0.8 Li and 0.7-2.5 e per nm2 (root mean square, boundaries tilted by 5-30 deg),
more than most boundaries hold. A linear ramp leaves up to 0.03 Li and 0.13 e; the raised cosine,
whose slope has no jumps, below 0.004 Li and 0.015 e.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.frames import Sampler
from gbopt.analysis.slabs import Planes
from gbopt.analysis.statistics import Mask, PerBoundary, over_boundaries
from gbopt.model.bicrystal import (
    ELEMENT_CHARGES,
    ELEMENTS,
    LA,
    LI,
    ON_ZR_SITES,
    SPECIES,
    O,
)
from gbopt.model.trajectory import TrajectoryInfo

IONS_PER_FORMULA_UNIT = (7, 3, 2, 12, 0, 0, 0, 0)
"""Li7La3Zr2O12, in the order of ELEMENTS."""
A2_PER_NM2 = 100.0

References = tuple[int, ...]
"""Elements, as indices into ELEMENTS, whose ions stand for the amount of crystal."""
CATIONS: References = (LA, *ON_ZR_SITES)
"""La and Zr, which Ta and Nb take the place of. Al and Ga take that of lithium: they count as
neither."""


def boundary_weight(
    z_A: NDArray[np.float64], boundaries_A: Planes, length_A: float
) -> NDArray[np.float64]:
    """Share, 0 to 1, in which each z, A, wrapped or not, belongs to the first boundary.

    The second boundary has the rest: 1 - w. Between its values of 1 and 0 it is a raised cosine
    over the central third of each grain.
    """
    first, second = boundaries_A
    grain_A = (second - first) % length_A
    beyond = (z_A - first) % length_A
    into_first, into_second = beyond / grain_A, (beyond - grain_A) / (length_A - grain_A)
    return np.where(beyond < grain_A, 1.0 - _ramp(into_first), _ramp(into_second))


def _ramp(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rise from 0 to 1 over the central third of a grain; ``depth`` is 0 to 1 across it."""
    rise: NDArray[np.float64] = 0.5 - 0.5 * np.cos(np.pi * np.clip(3.0 * depth - 1.0, 0.0, 1.0))
    return rise


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundaryIons:
    """Mean numbers of ions of each boundary in S time segments."""

    ions: NDArray[np.float64]
    """(S, 2, 8) weighted ions of each of ELEMENTS; both boundaries make up the whole cell."""
    area_A2: float

    def lithium(self, reference: References = CATIONS) -> PerBoundary:
        """Excess of Li, ions/nm2, over crystal with as many reference cations.

        Relative to La and Zr together by default: a core may be off in La/Zr, where one of them
        alone would take the place of the other for lithium. Relative to La it is
        [N_Li - (7/3) N_La]/A.

        Args:
            reference: species that stand for the amount of crystal.
        """
        return self._per_area(*_beyond_crystal(LI, reference), "nm-2")

    def oxygen(self, reference: References = CATIONS) -> PerBoundary:
        """Excess of O, ions/nm2, over crystal with as many reference cations.

        Args:
            reference: species that stand for the amount of crystal.
        """
        return self._per_area(*_beyond_crystal(O, reference), "nm-2")

    def o_vacancy_excess(self) -> PerBoundary:
        """O missing, ions/nm2, from crystal with as many La and Zr: the oxygen excess negated.

        It counts ions, where the share of missing bonds tells of coordination. Negative where a
        boundary holds more O than crystal.
        """
        coefficients, what = _beyond_crystal(O, CATIONS)
        return self._per_area(-coefficients, f"minus {what}", "nm-2")

    def sheet_charge(self) -> PerBoundary:
        """Formal charge of each boundary, e/nm2: the integral of w times the charge density.

        By Gauss's law it is the jump of the electric displacement from one grain to the other.
        Grains that conduct hold no field, so lithium brings it to zero: at 1100 K it fluctuates
        by 0.05 e/nm2 in a cell of 7 nm2, around a mean below 0.01 e/nm2. A charge that lasts
        tells of lithium that has not come to equilibrium.
        """
        charges = np.array(ELEMENT_CHARGES, dtype=float)
        return self._per_area(charges, "formal charge of a boundary", "e/nm2")

    def _per_area(self, coefficients: NDArray[np.float64], what: str, unit: str) -> PerBoundary:
        """Sum the ions of each boundary with a coefficient for each species, per nm2."""
        area_nm2 = self.area_A2 / A2_PER_NM2

        def density(mask: Mask) -> NDArray[np.float64]:
            sums: NDArray[np.float64] = self.ions[mask].mean(axis=0) @ coefficients
            return sums / area_nm2

        return over_boundaries(density, len(self.ions), unit=unit, method=f"{what}; segments")


def _beyond_crystal(species: int, reference: References) -> tuple[NDArray[np.float64], str]:
    """Coefficient of each element in the excess of one, (8,), and what the excess is."""
    units = np.array(IONS_PER_FORMULA_UNIT, dtype=float)
    coefficients = np.zeros(len(ELEMENTS))
    coefficients[list(reference)] = -units[species] / units[list(reference)].sum()
    coefficients[species] += 1.0
    names = "+".join(ELEMENTS[index] for index in reference if index < len(SPECIES))
    return coefficients, f"{ELEMENTS[species]} beyond crystal of as many {names}"


class InterfacialExcess:
    """Accumulates the ions of each species that belong to each boundary.

    Args:
        info: what the trajectory is.
        boundaries_A: z of the two boundary planes.
        segments: disjoint time segments behind the error bars.
    """

    def __init__(self, info: TrajectoryInfo, *, boundaries_A: Planes, segments: int) -> None:
        self._info = info
        self._boundaries_A = boundaries_A
        self._sampler = Sampler(info.n_frames, segments)
        self._species = info.species.astype(np.intp)
        self._total = np.bincount(self._species, minlength=len(ELEMENTS))
        self._first = np.zeros((segments, len(ELEMENTS)))

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, free of drift."""
        when = self._sampler.next()
        if when is None:
            return
        weight = boundary_weight(frame[:, 2], self._boundaries_A, self._info.length_A)
        self._first[when[0]] += np.bincount(self._species, weight, len(ELEMENTS))

    def result(self, segments: int | None = None) -> BoundaryIons:
        """Return the mean ions of the first segments, or of all announced.

        Raises:
            AnalysisError: fewer frames came than these need.
        """
        done = self._sampler.whole(segments)
        first = self._first[:done] / self._sampler.per_segment
        return BoundaryIons(
            ions=np.stack([first, self._total - first], axis=1), area_A2=self._info.area_A2
        )
