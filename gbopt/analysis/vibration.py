"""Vibrational spectra: the power spectrum of the velocities of each element.

    S(f) = 2 int <v_x(0) v_x(t)> exp(-2 pi i f t) dt,    int_0^inf S(f) df = <v_x^2> = kT/m

(one-sided; mean over x, y, z and the ions of an element). Divided by its integral it is the
vibrational density of states of the element, where the motion is harmonic (Dickey and Paskin,
Phys. Rev. 188, 1407 (1969)); S(0)/4 is the tracer diffusivity, since S(0) is twice the integral
of the autocorrelation over all times.

The velocities must come from dynamics that no thermostat disturbs (NVE), every 5 to 10 fs: what is
faster than half the sampling rate is folded back into the spectrum, and nothing there tells.
From positions far apart in time there is no way back to a spectrum.

Spectra are those of Welch (IEEE Trans. Audio Electroacoust. 15, 70 (1967)): windows of Hann that
overlap by half, with nothing taken off but the motion of the centre of mass. A window as long as
1/df tells lines apart that differ by 1.5 df or more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import welch

from gbopt.analysis.frames import Sampler
from gbopt.analysis.statistics import Mask, jackknife, segment_estimate
from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import ELEMENT_MASSES_AMU, ELEMENTS
from gbopt.model.observables import Estimate
from gbopt.model.trajectory import TrajectoryInfo
from gbopt.units import A2_PS_TO_CM2_S, AMU_A2_PS2_EV, BOLTZMANN_EV_K, THZ_CM1, THZ_MEV

Array = NDArray[np.float64]

WINDOW = "hann"
_BATCH_BYTES = 16 * 2**20


class VibrationalSpectrum:
    """Turns velocities into the spectrum of each element, time segment by time segment.

    Held in memory are the velocities of one segment, 24 bytes for each ion and frame of it.

    Args:
        info: what the trajectory is; its frames are velocities.
        resolution_THz: spacing of the frequencies; windows are its inverse long.
        segments: disjoint time segments behind the error bars, two at least.
        window: of scipy.signal; a ``boxcar`` weighs all frames alike, but smears more.

    Raises:
        AnalysisError: frames that are no velocities, fewer than two segments, or segments shorter
            than a window.
    """

    def __init__(
        self,
        info: TrajectoryInfo,
        *,
        resolution_THz: float = 0.25,
        segments: int = 5,
        window: str = WINDOW,
    ) -> None:
        if info.content != "velocities":
            raise AnalysisError(
                f"a spectrum cannot be had from {info.content}",
                hint="take a production stage that sends velocities",
            )
        self._sampler = Sampler(info.n_frames, segments)
        # An even number, so that the last frequency is the highest there is.
        self._length = 2 * max(1, round(0.5 / (resolution_THz * info.frame_interval_ps)))
        if segments < 2 or self._sampler.per_segment < self._length:
            need_ps = 2 * self._length * info.frame_interval_ps
            raise AnalysisError(
                f"{info.n_frames} frames make no {max(2, segments)} segments of a window of "
                f"{need_ps / 2:g} ps",
                hint=f"run for {need_ps / 2 * segments:g} ps, or resolve less (two segments need "
                f"{need_ps:g} ps)",
            )
        self._info, self._window = info, window
        masses = np.asarray(ELEMENT_MASSES_AMU)[info.species]
        self._weights = masses / masses.sum()
        self._kinds = sorted(set(info.species.tolist()))
        self._velocities = np.empty((self._sampler.per_segment, len(masses), 3))
        self._spectra = np.zeros((segments, len(self._kinds), self._length // 2 + 1))

    def add(self, frame: Array) -> None:
        """Take the next frame of velocities, (n, 3) A/ps."""
        when = self._sampler.next()
        if when is None:
            return
        segment, sample = when
        self._velocities[sample] = frame - self._weights @ frame
        if sample == self._sampler.per_segment - 1:
            for row, kind in enumerate(self._kinds):
                ions = np.flatnonzero(self._info.species == kind)
                self._spectra[segment, row] = self._spectrum(ions)

    def _spectrum(self, ions: NDArray[np.intp]) -> Array:
        """(F,) spectrum of some ions, their mean; taken together as many as fit the cache."""
        size = max(1, _BATCH_BYTES // (24 * len(self._velocities)))
        total: Array = np.zeros(self._spectra.shape[-1])
        for first in range(0, len(ions), size):
            _, power = welch(
                self._velocities[:, ions[first : first + size]],
                fs=1 / self._info.frame_interval_ps,
                window=self._window,
                nperseg=self._length,
                detrend=False,
                axis=0,
            )
            total += power.sum(axis=(1, 2))
        # Folded to one side but for its ends, which the trapezoidal rule weighs by half.
        total[[0, -1]] *= 2
        return total / (3 * len(ions))

    def result(self, segments: int | None = None) -> SpectrumResult:
        """Return the spectra of the first segments, or of all announced.

        Raises:
            AnalysisError: fewer frames came than these need.
        """
        done = self._sampler.whole(segments)
        count = np.array([np.count_nonzero(self._info.species == kind) for kind in self._kinds])
        step_THz = 1 / (self._length * self._info.frame_interval_ps)
        return SpectrumResult(
            elements=tuple(ELEMENTS[kind] for kind in self._kinds),
            ions=count,
            masses_amu=np.asarray(ELEMENT_MASSES_AMU)[self._kinds],
            frequency_THz=step_THz * np.arange(self._length // 2 + 1, dtype=np.float64),
            spectra=self._spectra[:done].copy(),
            method=f"Welch, {self._window} windows of {1 / step_THz:.3g} ps; segments",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrumResult:
    """Power spectra of the velocities of each element of one system."""

    elements: tuple[str, ...]
    """Those present."""
    ions: NDArray[np.intp]
    """(E,) number of each."""
    masses_amu: Array
    """(E,) of one ion."""
    frequency_THz: Array
    """(F,) from 0 to half the sampling rate."""
    spectra: Array
    """(segments, E, F) (A/ps)^2/THz of one ion along one axis; trapezoidal integral <v^2>."""
    method: str

    def spectrum(self, element: str) -> tuple[Array, Array]:
        """Spectrum S(f) of an element and its standard error, (A/ps)^2/THz, (F,) each.

        Raises:
            AnalysisError: an element that the system does not hold.
        """
        return _mean_and_error(self.spectra[:, self._index(element)])

    def density(self, element: str) -> tuple[Array, Array]:
        """Share of the modes of an element for each THz, and its standard error, (F,) each.

        The trapezoidal integral over the frequency is one; ``modes`` says of how many.

        Raises:
            AnalysisError: an element that the system does not hold, or one at rest.
        """
        return self._normalised(self.spectra[:, self._index(element)], element)

    def total(self) -> tuple[Array, Array]:
        """The same of all elements, each weighted by its mass: equal for all modes at one T."""
        weighted = np.einsum("e,sef->sf", self.ions * self.masses_amu, self.spectra)
        return self._normalised(weighted, "system")

    def modes(self, element: str) -> float:
        """How many modes the spectrum of an element stands for.

        3N less its part of the three of the centre of mass: over all elements they are three
        times the ions less three.

        Raises:
            AnalysisError: an element that the system does not hold.
        """
        index = self._index(element)
        return 3 * float(self.ions[index]) * self._relative(index)

    def mean_square_velocity(self, element: str) -> float:
        """<v^2> along one axis relative to the centre of mass, (A/ps)^2.

        It is weighted in time as the windows are.

        Raises:
            AnalysisError: an element that the system does not hold.
        """
        return float(np.trapezoid(self.spectrum(element)[0], self.frequency_THz))

    def temperature(self, element: str) -> Estimate:
        """Kinetic temperature of an element, K: equal for all in equilibrium.

        Raises:
            AnalysisError: an element that the system does not hold, or the only ion.
        """
        index = self._index(element)
        squares = np.trapezoid(self.spectra[:, index], self.frequency_THz, axis=1)
        energy_eV = self.masses_amu[index] * squares * AMU_A2_PS2_EV
        kelvin = energy_eV / (BOLTZMANN_EV_K * self._relative(index))
        return self._estimate(kelvin, "K", f"m <v^2>/k of {element}")

    def diffusivity(self, element: str) -> Estimate:
        """Tracer diffusivity S(0)/4 relative to the centre of mass, cm2/s.

        It is what the windows resolve: of ions that jump back within a window's length, and of
        bound ones, it is too high. ``LiTransport`` looks at longer times.

        Raises:
            AnalysisError: an element that the system does not hold.
        """
        each = self.spectra[:, self._index(element), 0] / 4 * A2_PS_TO_CM2_S
        return self._estimate(each, "cm2/s", f"S(0)/4 of {element}")

    def rows(self) -> list[dict[str, float]]:
        """A row for each frequency, in three units, then the density of each and of all."""
        columns = {
            "THz": self.frequency_THz,
            "cm-1": self.frequency_THz * THZ_CM1,
            "meV": self.frequency_THz * THZ_MEV,
        }
        for element in self.elements:
            columns[element], columns[f"{element}_err"] = self.density(element)
        columns["all"], columns["all_err"] = self.total()
        return [
            dict(zip(columns, map(float, row), strict=True))
            for row in zip(*columns.values(), strict=True)
        ]

    def _normalised(self, each: Array, name: str) -> tuple[Array, Array]:
        """Mean of (segments, F) over its integral, and the standard error of that."""
        if not each.any():
            raise AnalysisError(f"{name} does not move", hint="look at a run with a temperature")

        def share(mask: Mask) -> Array:
            mean = each[mask].mean(axis=0)
            normalised: Array = mean / np.trapezoid(mean, self.frequency_THz)
            return normalised

        outcome = jackknife(share, len(each))
        return outcome.value, outcome.std_err

    def _estimate(self, each: Array, unit: str, what: str) -> Estimate:
        return segment_estimate(
            lambda mask: float(each[mask].mean()),
            len(each),
            unit=unit,
            method=f"{what}; {self.method}",
        )

    def _relative(self, index: int) -> float:
        """Part of <v^2> that is left relative to the centre of mass: 1 - m/M."""
        return 1 - float(self.masses_amu[index] / (self.ions @ self.masses_amu))

    def _index(self, element: str) -> int:
        if element not in self.elements:
            raise AnalysisError(
                f"there is no {element} among {', '.join(self.elements)}", hint="name one of them"
            )
        return self.elements.index(element)


def _mean_and_error(each: Array) -> tuple[Array, Array]:
    """Mean over the segments, (F,), and its standard error."""
    outcome = jackknife(lambda mask: each[mask].mean(axis=0), len(each))
    return outcome.value, outcome.std_err
