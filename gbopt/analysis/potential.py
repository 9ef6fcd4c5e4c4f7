"""How an applied voltage divides over the two boundaries of a cell: the four-probe measurement.

Under a constant field E along z, in a neutral cell with tinfoil Ewald sums, the field averaged
over a plane is

    E(z) = E + [C(z) - <C>] / (eps0 A)

with C(z) the charge between 0 and z and <C> its mean over the cell: the induced field averages
to zero, so the cell drops E L. Most of C is the structure's own; the response is the slope of
the charge profile in the field over several runs of one structure.

Like an electrode, a probe has a finite size: a line is fitted to the potential around the centre
of a grain, with the weights of a raised cosine of twice the length of the central third. Its value
at the centre is the potential of the probe and its slope the field in the grain, both free of the
ripple of the lattice, which is volts high: weights that end sharply make a field of 0.02 V/A out of
a grain that shifts by a twentieth of an Angstrom. From the one probe to the other across each
boundary the two drops make up E L.

The current follows the electrochemical potential. Its drop is the electrostatic one where the
Li density is the same at both probes, as it is a few A away from a boundary: the screening
length of LLZO is some 0.5 A. Grains whose central third is not that far from their boundaries
are too thin. What is left of the time before charge has piled up pulls the shares towards 1/2.

A structure that ages between runs changes its own profile, which is then taken for a response.
Of four runs or more a change in proportion to time is fitted beside the field and taken out; of
fewer, runs at +E and -E one after the other keep what changes between them, a field run against the
production before it keeps all of it, and no error bar shows either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.collective import Z
from gbopt.analysis.field import BATCHES, BLOCKS
from gbopt.analysis.slabs import Bins, Planes, Window, grain_centres
from gbopt.analysis.statistics import propagate
from gbopt.errors import AnalysisError
from gbopt.model.observables import Estimate
from gbopt.model.trajectory import TrajectoryInfo
from gbopt.units import VACUUM_PERMITTIVITY_E_V_A

_METHOD = "probes mid-grain; regression of the charge profile on the field; disjoint blocks"


class ChargeProfile:
    """Accumulates the charge along z in ``BATCHES`` disjoint batches of a run.

    The batches are those of ``FieldResponse``; the first frame, from before the first step, is in
    none. A charge is shared between the two nearest nodes such that its dipole is kept, so that
    shifts much smaller than a bin count and the potential at the nodes is exact.

    Args:
        info: what the trajectory is.
        charges_e: (n,) charges in e, of a neutral cell, with which the ions of the potential
            interact: scaled ones where the potential scales them.
        bin_A: distance of the nodes, nearly.

    Raises:
        AnalysisError: charges that do not fit the cell, or fewer frames than batches.
    """

    def __init__(
        self, info: TrajectoryInfo, charges_e: NDArray[np.float64], *, bin_A: float = 0.25
    ) -> None:
        self._charges = charges = np.asarray(charges_e, dtype=float)
        if charges.shape != info.species.shape:
            raise AnalysisError(
                f"{charges.size} charges were given for {info.species.size} ions",
                hint="give one charge for each ion, in the order of the trajectory",
            )
        if abs(charges.sum()) > 1e-6 * np.abs(charges).sum():
            raise AnalysisError(
                f"the charges add up to {charges.sum():g} e",
                hint="give the charges of all ions of a neutral cell",
            )
        if info.n_frames <= BATCHES:
            raise AnalysisError(
                f"{info.n_frames} frames cannot be divided into {BATCHES} batches",
                hint="run longer, or store frames more often",
            )
        self._info = info
        self._bins = Bins.fit(info.length_A, bin_A)
        self._frames_per_batch = (info.n_frames - 1) // BATCHES
        self._sum = np.zeros((BATCHES, self._bins.count))
        self._seen = 0

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, unwrapped, with the drift of the framework removed.

        Frames beyond those announced are not used.
        """
        batch = (self._seen - 1) // self._frames_per_batch
        if 0 <= batch < BATCHES:
            self._sum[batch] += self._charge_at_nodes(frame[:, Z])
        self._seen += 1

    def result(self, *, ended_early: bool = False) -> ChargeBatches:
        """Return the mean charge profile of each batch.

        Args:
            ended_early: the frames that came are all there will be; only whole batches count.

        Raises:
            AnalysisError: fewer frames came than were announced, and not on purpose.
        """
        needed = self._info.n_frames
        if self._seen < needed and not ended_early:
            raise AnalysisError(
                f"the trajectory ended after {self._seen} frames of the {needed} needed",
                hint="continue the run that was cut short, or announce fewer frames",
            )
        whole = max(0, self._seen - 1) // self._frames_per_batch
        return ChargeBatches(
            charge_e=self._sum[:whole] / self._frames_per_batch,
            length_A=self._info.length_A,
            area_A2=self._info.area_A2,
            batch_ps=self._frames_per_batch * self._info.frame_interval_ps,
        )

    def _charge_at_nodes(self, z_A: NDArray[np.float64]) -> NDArray[np.float64]:
        """(B,) charge at each node."""
        node, beyond = np.divmod(z_A / self._bins.width_A, 1.0)
        nodes = np.concatenate([node, node + 1]).astype(np.intp) % self._bins.count
        shared = np.concatenate([self._charges * (1 - beyond), self._charges * beyond])
        return np.asarray(np.bincount(nodes, shared, self._bins.count), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeBatches:
    """Mean charge along z in successive batches of a run."""

    charge_e: NDArray[np.float64]
    """(batches, B) charge at the nodes z = i L/B; ``BATCHES``, or fewer of a run ended early."""
    length_A: float
    """Cell length along z."""
    area_A2: float
    """Area normal to z."""
    batch_ps: float
    """Duration of a batch."""

    @property
    def bins(self) -> Bins:
        """The nodes are the centres of these bins."""
        return Bins(self.charge_e.shape[1], self.length_A)


class FieldRun(NamedTuple):
    """One run of a structure, with or without a field."""

    field_V_A: float
    """Along z, signed: the force on an ion over its charge, as it enters the profile."""
    batches: ChargeBatches
    dropped_ps: float
    """Time to cut off at the start, such as ``FieldResponse.dropped_ps``."""


class PotentialResponse(NamedTuple):
    """The potential along the cell per applied field; zero is the probe of the first grain."""

    z_A: NDArray[np.float64]
    """(B + 1,) from one end of the cell to the other."""
    per_field_A: NDArray[np.float64]
    """(B + 1,) V per V/A; falls by the cell length over the cell."""
    std_err_A: NDArray[np.float64]
    """(B + 1,) its standard error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoltageDivider:
    """How the voltage over a cell divides, in the limit that the response is linear."""

    shares: tuple[Estimate, Estimate]
    """Of the voltage E L, what drops from probe to probe across each boundary; sum 1."""
    grain_field: tuple[Estimate, Estimate]
    """Field in the middle over the applied one, for the grain after each boundary."""
    potential: PotentialResponse


def voltage_divider(runs: Sequence[FieldRun], boundaries_A: Planes) -> VoltageDivider:
    """Divide the applied voltage over the two boundaries.

    Runs weigh the same, whatever their length. The error is that of the blocks of each run.

    Args:
        runs: of one structure in one cell, one after another, at two fields or more, of which one
            may be zero.
        boundaries_A: z of the boundary planes.

    Raises:
        AnalysisError: fewer than two different fields, runs that do not share cell and bins, or a
            run with less than two batches left.
    """
    fields = np.array([run.field_V_A for run in runs])
    if len(np.unique(fields)) < 2:
        raise AnalysisError(
            "the response to a field cannot be told from the structure with one field",
            hint="add the production run as the field zero, or a run with the field reversed",
        )
    if len({(run.batches.bins, run.batches.area_A2) for run in runs}) > 1:
        raise AnalysisError(
            "the runs differ in their cell or their bins",
            hint="give runs of one structure, continued at constant volume",
        )
    weights = _weights(fields, np.array([_duration_ps(run) for run in runs]))
    bins = runs[0].batches.bins
    probes = [_probe(bins, window) for window in grain_centres(boundaries_A, bins.length_A)]
    induced = [_induced_V(run) for run in runs]
    gained = (probes[1].potential - probes[0].potential) / bins.length_A
    # The centres of the two grains lie half a cell apart, so the field itself makes one half.
    first = _response(0.5, gained, induced, weights)
    second = first.model_copy(update={"value": 1 - first.value})
    one, two = (_response(1.0, probe.field_per_A, induced, weights) for probe in probes)
    whole = _profile(bins, probes[0], induced, weights)
    return VoltageDivider(shares=(first, second), grain_field=(one, two), potential=whole)


def _duration_ps(run: FieldRun) -> float:
    return len(run.batches.charge_e) * run.batches.batch_ps


def _weights(fields: NDArray[np.float64], durations_ps: NDArray[np.float64]) -> NDArray[np.float64]:
    """(runs,) weights of the slope in the field beside a constant and, of four runs, the age."""
    age = np.cumsum(durations_ps) - durations_ps / 2
    centred, scaled = fields / np.abs(fields).max(), age / age.max()
    design = np.column_stack([np.ones(len(fields)), centred, scaled])
    if len(fields) <= design.shape[1] or np.linalg.matrix_rank(design) < design.shape[1]:
        design = design[:, :2]
    slope: NDArray[np.float64] = np.linalg.pinv(design)[1] / np.abs(fields).max()
    return slope


class _Probe(NamedTuple):
    """Centre of a window, and weights (B,) of the node potentials for potential and field there."""

    centre_A: float
    potential: NDArray[np.float64]
    field_per_A: NDArray[np.float64]


def _probe(bins: Bins, window: Window) -> _Probe:
    """Least squares with the weights of a raised cosine of twice the length of the window."""
    centre_A, half_A = sum(window) / 2, bins.length_A / 2
    from_centre = (bins.centres_A - centre_A + half_A) % bins.length_A - half_A
    reach_A = window[1] - window[0]
    bell = np.where(np.abs(from_centre) < reach_A, 1 + np.cos(np.pi * from_centre / reach_A), 0.0)
    design = np.column_stack([np.ones(bins.count), from_centre])
    weighted = design.T * bell
    value, slope = np.linalg.solve(weighted @ design, weighted)
    return _Probe(centre_A % bins.length_A, value, -slope)


def _steady_blocks(run: FieldRun) -> NDArray[np.float64]:
    """(blocks, B) mean charge of at most ``BLOCKS`` blocks of what is left of a run, e."""
    # A ratio meant to be whole may be off by rounding.
    steady = run.batches.charge_e[math.ceil(run.dropped_ps / run.batches.batch_ps - 1e-6) :]
    if len(steady) < 2:
        raise AnalysisError(
            f"less than two batches are left of the run at {run.field_V_A:g} V/A",
            hint="run longer, so that less of the run is cut off at its start",
        )
    blocks = np.array_split(steady, min(BLOCKS, len(steady)))
    return np.array([block.mean(axis=0) for block in blocks])


def _induced_V(run: FieldRun) -> NDArray[np.float64]:
    """(blocks, B + 1) potential from one end of the cell to the other, less the applied one, V."""
    charge_e, bins = _steady_blocks(run), run.batches.bins
    below = np.cumsum(charge_e, axis=1)
    between = below - below.mean(axis=1, keepdims=True)
    field_V_A = between / (VACUUM_PERMITTIVITY_E_V_A * run.batches.area_A2)
    potential = np.zeros((len(charge_e), bins.count + 1))
    potential[:, 1:] = -bins.width_A * np.cumsum(field_V_A, axis=1)
    return potential


def _response(
    applied: float,
    functional: NDArray[np.float64],
    induced: Sequence[NDArray[np.float64]],
    weights: NDArray[np.float64],
) -> Estimate:
    """What the applied field makes by itself plus the slope of a functional of the potential."""
    terms, value = [], applied
    for weight, potential in zip(weights, induced, strict=True):
        blocks = potential[:, :-1] @ functional
        run = Estimate(
            value=float(blocks.mean()),
            std_err=float(blocks.std(ddof=1)) / math.sqrt(len(blocks)),
            unit="V/A",
            n_eff=len(blocks),
            method=_METHOD,
        )
        terms.append((float(weight), run))
        value += weight * run.value
    return propagate(float(value), terms, unit="", method=_METHOD)


def _profile(
    bins: Bins,
    zero: _Probe,
    induced: Sequence[NDArray[np.float64]],
    weights: NDArray[np.float64],
) -> PotentialResponse:
    """The whole potential per field, from one probe."""
    z_A = np.append(bins.centres_A, bins.length_A)
    response, variance = zero.centre_A - z_A, np.zeros(len(z_A))
    for weight, potential in zip(weights, induced, strict=True):
        blocks = potential - (potential[:, :-1] @ zero.potential)[:, None]
        response += weight * blocks.mean(axis=0)
        variance += weight**2 * blocks.var(axis=0, ddof=1) / len(blocks)
    return PotentialResponse(z_A, response, np.sqrt(variance))
