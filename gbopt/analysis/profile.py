"""TransportProfile: what Li did in each slab of the cell, and the transport figures it gives.

All figures are of tracer (Nernst-Einstein) kind: the correlation between the motions of
different ions (the Haven ratio) is not in them. It cancels in ratios to a bulk crystal as far
as it is the same in both.

The local diffusivity is of slope form,

    D_i(z) = [M_i(2t) - M_i(t)] / (2t),

with M_i(t) the mean squared displacement along axis i in lag t of displacements whose midpoint
lies in the bin. The difference removes vibration and the jumps forth and back that are over
within t. The midpoint is the choice that is symmetric in time; binning by the start lets ions
run out of a slow slab and makes it look fast. The density c(z) in the series law is that of the
same midpoints: between the planes of a crystal hardly an ion rests, yet all current passes.

Through-plane resistance is a series quantity: R A = integral of kT/(q^2 K_z) dz. The usual
whole-cell MSD along z instead averages the slabs as if in parallel until ions have crossed the
whole cell (nanoseconds), and is the further off the worse a boundary blocks.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.local import HOP_A, MAX_GROUP_A, LocalMotion, local_motion, merge_bins
from gbopt.analysis.slabs import Bins, Window
from gbopt.analysis.statistics import Mask, jackknife, propagate, segment_estimate
from gbopt.model.observables import Estimate
from gbopt.units import A2_PS_TO_CM2_S, ANGSTROM_CM, BOLTZMANN_EV_K, ohm_cm_from_metal

Z = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportProfile:
    """Sums over disjoint time segments (S) and bins along z (B); indices 0, 1 are lags t, 2t.

    Methods take windows along z; without any they speak of the whole cell.
    """

    sum_sq: NDArray[np.float64]
    """(2, S, B, 3) sum of squared Li displacements along x, y, z, by midpoint, A^2."""
    counts: NDArray[np.float64]
    """(2, S, B) displacements with midpoint in the bin."""
    starts: NDArray[np.float64]
    """(2, S) time origins summed over."""
    ions: NDArray[np.float64]
    """(S, B) mean number of Li ions in the bin."""
    lag_ps: float
    """The shorter lag t."""
    segment_ps: float
    """Length of a segment."""
    length_A: float
    area_A2: float
    temperature_K: float

    def save(self, path: Path) -> None:
        """Write all fields to a compressed ``.npz`` file."""
        np.savez_compressed(path, **asdict(self))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what ``save`` wrote."""
        with np.load(path) as stored:
            fields: dict[str, Any] = {
                name: stored[name] if stored[name].ndim else float(stored[name])
                for name in stored.files
            }
        return cls(**fields)

    @property
    def segments(self) -> int:
        """Number of time segments."""
        return len(self.ions)

    @property
    def bins(self) -> Bins:
        """The bins along z."""
        return Bins(self.ions.shape[1], self.length_A)

    @property
    def n_li(self) -> float:
        """Li ions in the cell."""
        return float(self.ions[0].sum())

    @property
    def li_density_per_A3(self) -> float:
        """Li ions per volume, whole cell, 1/A^3."""
        return self.n_li / (self.area_A2 * self.length_A)

    def density(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Li density profile and its standard error, (B,) each, 1/A^3."""
        outcome = jackknife(self._density, self.segments)
        return outcome.value, outcome.std_err

    def diffusivity(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """D_x, D_y, D_z profile and standard error, (B, 3) each, cm2/s."""
        groups = self._groups()
        outcome = jackknife(lambda mask: self._local(mask, groups).bounded, self.segments)
        return A2_PS_TO_CM2_S * outcome.value, A2_PS_TO_CM2_S * outcome.std_err

    def resistance(self, *windows: Window) -> Estimate:
        """Through-plane resistance times area, R A = integral kT/(q^2 c D_z) dz, ohm cm2.

        Where Li hops are few, neighbouring bins share one D_z. Where even then it is below one
        hop of ``HOP_A`` in the whole ion time, HOP_A^2/(2 ion time) stands for it, the largest
        that such a run may have missed, and the resistance is marked as a lower bound. Else the
        bias from inverting a noisy D_z is removed from 1/R, by the jackknife to first order: on
        media of known resistance that is as good as removing it from R where hops are many, and
        half as wrong where they are few.
        """
        conductance = self._conductance(*windows)
        value = 1 / conductance.value
        return propagate(
            value,
            [(-(value**2), conductance)],
            unit="ohm cm2",
            method=conductance.method,
            bound="lower" if conductance.bound else None,
        )

    def segment_resistances(self) -> NDArray[np.float64]:
        """(S,) through-plane resistance times area of each segment alone, ohm cm2."""
        groups = self._groups()
        single = np.eye(self.segments, dtype=bool)
        return np.array([self._resistance(row, groups) for row in single])

    def through_plane_conductivity(self) -> Estimate:
        """Conductivity of the whole cell in series along z, S/cm: its length over R A."""
        return self._scaled(self._conductance(), self.length_A * ANGSTROM_CM, "S/cm")

    def series_diffusivity(self, *windows: Window) -> Estimate:
        """D_z of slabs in series, <c>^-1 <1/(c D_z)>^-1, cm2/s."""
        overlap = self.bins.overlap(*windows)
        density = float(overlap @ self._local(self._all, self._groups()).density / overlap.sum())
        # R A = kT L / (q^2 c D), so D is the R A of unit D over R A.
        unit_D = self._resistivity(density) * overlap.sum() * ANGSTROM_CM * A2_PS_TO_CM2_S
        return self._scaled(self._conductance(*windows), unit_D, "cm2/s")

    def cell_diffusivity(self, *axes: int) -> Estimate:
        """Tracer D of the whole cell, mean over the axes given (0, 1, 2 for x, y, z), cm2/s."""
        return segment_estimate(
            lambda mask: A2_PS_TO_CM2_S * self.masked_diffusivity(mask, axes),
            self.segments,
            unit="cm2/s",
            method="[M(2t)-M(t)]/2t over all Li; jackknife over segments",
        )

    def in_plane_conductivity(self, *windows: Window) -> Estimate:
        """Nernst-Einstein conductivity along the slabs, mean of x and y, S/cm.

        Slabs conduct in parallel along the plane: the mean of c D_xy over the windows. Within
        the lag ions must not leave a window in numbers, or it is averaged with its neighbours.
        """
        overlap = self.bins.overlap(*windows)
        alone = np.arange(self.bins.count)

        def conductivity(mask: Mask) -> float:
            local = self._local(mask, alone)
            conductance = local.density * local.diffusivity[:, :Z].mean(axis=1)
            # Not one over a resistivity: a slab without Li has none.
            mean = float(overlap @ conductance) / float(overlap.sum())
            return mean / self._resistivity(1.0)

        return segment_estimate(
            conductivity,
            self.segments,
            unit="S/cm",
            method="Nernst-Einstein of in-plane tracer D by midpoint; jackknife over segments",
        )

    def n_hops(self, *windows: Window) -> float:
        """Effective Li hops in the whole run: 6 D_z times ion time over HOP_A^2, not below 0.

        D_z alone counts: hops along a boundary say nothing about the passage through it.
        """
        return max(0.0, float(self._share(*windows) @ self._hops()))

    def msd_exponent(self, *windows: Window) -> float:
        """log2 of M(2t)/M(t) over all three axes: 1 for diffusion, 0 for ions that only rattle.

        Also 0 where nothing moved at all. Not along the normal alone: there it falls below 1 in a
        slow layer for no other reason than that the layer is thin (0.7 and 0.4 where 6 A are 5 and
        20 times slower than the rest).
        """
        share = self._share(*windows)
        squares = self.sum_sq.sum(axis=(1, 3)) @ share
        short, long = squares / np.maximum(self.counts.sum(axis=1) @ share, 1.0)
        return float(np.log2(long / short)) if short > 0 else 0.0

    def on_floor(self, *windows: Window) -> bool:
        """Whether Li in a part of the windows moved less than one hop along z in the run."""
        local = self._local(self._all, self._groups())
        slow = local.diffusivity[:, Z] <= local.floor
        return bool(np.any(slow & (self.bins.overlap(*windows) > 0)))

    @property
    def _all(self) -> Mask:
        return np.ones(self.segments, dtype=bool)

    @property
    def _bin_volume_A3(self) -> float:
        return self.area_A2 * self.bins.width_A

    def _share(self, *windows: Window) -> NDArray[np.float64]:
        """(B,) part of each bin inside the windows."""
        return self.bins.overlap(*windows) / self.bins.width_A

    def _density(self, mask: Mask) -> NDArray[np.float64]:
        density: NDArray[np.float64] = self.ions[mask].mean(axis=0) / self._bin_volume_A3
        return density

    def _local(self, mask: Mask, groups: NDArray[np.intp]) -> LocalMotion:
        return local_motion(
            self.sum_sq[:, mask].sum(axis=1),
            self.counts[:, mask].sum(axis=1),
            self.starts[:, mask].sum(axis=1),
            groups,
            lag_ps=self.lag_ps,
            observed_ps=float(mask.sum()) * self.segment_ps,
            bin_volume_A3=self._bin_volume_A3,
        )

    def _hops(self) -> NDArray[np.float64]:
        """(B,) effective hops in each bin, as D_z tells them."""
        local = self._local(self._all, np.arange(self.bins.count))
        hops: NDArray[np.float64] = local.diffusivity[:, Z] * local.ion_time
        return 6 / HOP_A**2 * hops

    def _groups(self) -> NDArray[np.intp]:
        """(B,) group of each bin: fixed by the whole run, so no error hides in the choice."""
        return merge_bins(self._hops(), int(MAX_GROUP_A / self.bins.width_A))

    def _resistance(self, mask: Mask, groups: NDArray[np.intp], *windows: Window) -> float:
        local = self._local(mask, groups)
        integral = float(self.bins.overlap(*windows) @ (1 / local.density / local.bounded[:, Z]))
        return self._resistivity(1.0) * integral * ANGSTROM_CM

    def _resistivity(self, conductance: float) -> float:
        """Nernst-Einstein kT/(q^2 c D), ohm cm, of c D in 1/(A ps)."""
        return ohm_cm_from_metal(BOLTZMANN_EV_K * self.temperature_K / conductance)

    def masked_diffusivity(self, mask: Mask, axes: tuple[int, ...]) -> float:
        """D of the whole cell from the segments of a mask, mean over axes, A^2/ps."""
        short, long = (
            self.sum_sq[lag, mask].sum(axis=(0, 1)) / self.counts[lag, mask].sum() for lag in (0, 1)
        )
        return float((long - short)[list(axes)].mean() / (2 * self.lag_ps))

    def _conductance(self, *windows: Window) -> Estimate:
        """1/(R A) of the windows, S/cm2; an upper bound where Li is on the floor."""
        on_floor, groups = self.on_floor(*windows), self._groups()
        plain, corrected = (
            segment_estimate(
                lambda mask: 1 / self._resistance(mask, groups, *windows),
                self.segments,
                unit="S/cm2",
                method="series law over [M(2t)-M(t)]/2t by midpoint bin; jackknife over segments",
                correct_bias=correct,
                bound="upper" if on_floor else None,
            )
            for correct in (False, True)
        )
        # A correction of half the value is no longer one of first order: it is noise itself.
        return plain if on_floor or corrected.value < plain.value / 2 else corrected

    @staticmethod
    def _scaled(estimate: Estimate, factor: float, unit: str) -> Estimate:
        value = factor * estimate.value
        return propagate(
            value, [(factor, estimate)], unit=unit, method=estimate.method, bound=estimate.bound
        )
