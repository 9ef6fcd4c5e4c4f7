"""The accumulators of one boundary run, and what they come to."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.boundary import boundary_observables, log_objective, over_time
from gbopt.analysis.collective import ChargeDisplacement
from gbopt.analysis.composition import Composition
from gbopt.analysis.quality import transport_flags, width_flag
from gbopt.analysis.statistics import PerBoundary
from gbopt.analysis.structure import BoundaryWidth, OxygenVacancies
from gbopt.analysis.transport import LiTransport
from gbopt.config import CampaignConfig
from gbopt.evaluate.adaptive import LEAST_SEGMENTS, Incumbent, ending
from gbopt.evaluate.bulk import BulkReference
from gbopt.evaluate.routes import (
    Route,
    collective_lag_ps,
    compare,
    field_route,
    formal_charges,
    haven_ratio,
)
from gbopt.model.bicrystal import SPECIES, ZR, Bicrystal
from gbopt.model.evaluation import Ending, QualityFlag
from gbopt.model.observables import Estimate
from gbopt.model.trajectory import TrajectoryInfo

_Z = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything measured on one run."""

    cell: dict[str, Estimate]
    each: tuple[dict[str, Estimate], dict[str, Estimate]]
    boundaries_A: tuple[float, float]
    flags: tuple[QualityFlag, ...]


class Meters:
    """Feed every production frame to ``add``, then ask for ``result``."""

    def __init__(self, structure: Bicrystal, info: TrajectoryInfo, config: CampaignConfig) -> None:
        analysis = config.analysis
        # NPT scaled the normal: planes and crystal sites move with the cell.
        scale = info.length_A / structure.length_A
        first, second = (z * scale for z in structure.boundaries_A)
        sites = structure.sites @ np.linalg.inv(structure.cell) @ info.cell
        self._structure, self._info = structure, info
        self._boundaries = (first, second)
        self._transport = LiTransport(
            info, lag_ps=analysis.lag_ps, segments=analysis.segments, bin_A=analysis.bin_A
        )
        self._charge = ChargeDisplacement(
            info,
            formal_charges(info.species),
            lag_ps=collective_lag_ps(config, config.md.production_ps),
        )
        self._config = config
        self._segments = analysis.segments
        self._composition = Composition(
            info,
            boundaries_A=self._boundaries,
            core_width_A=structure.core_width_A,
            segments=analysis.segments,
            bin_A=analysis.bin_A,
        )
        self._oxygen = OxygenVacancies(
            info,
            boundaries_A=self._boundaries,
            core_width_A=structure.core_width_A,
            segments=analysis.segments,
        )
        self._width = BoundaryWidth(
            info,
            sites=sites,
            grain=structure.grain,
            core=structure.core,
            boundaries_A=self._boundaries,
            lattice_A=structure.lattice_A,
            segments=analysis.segments,
        )

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, free of drift."""
        meters = (self._transport, self._charge, self._composition, self._oxygen, self._width)
        for meter in meters:
            meter.add(frame)

    def ending(self, bulk: BulkReference, segments: int, best: Incumbent | None) -> Ending | None:
        """Why production may end after its first segments; None to go on.

        Args:
            bulk: the reference crystal.
            segments: whole segments so far.
            best: the best boundary known.
        """
        if segments < LEAST_SEGMENTS:
            return None
        profile, name = self._transport.result(segments), self._config.search.objective
        core_width_A = self._structure.core_width_A
        whole = boundary_observables(
            profile, bulk.transport, boundaries_A=self._boundaries, core_width_A=core_width_A
        ).cell
        timed = over_time(profile, bulk.transport, core_width_A=core_width_A)
        return ending(
            log_objective(whole[name]), log_objective(timed[name]), self._config.adaptive, best
        )

    def result(
        self, bulk: BulkReference, at_fields: tuple[Estimate, ...], segments: int
    ) -> Measured:
        """Turn the sums into estimates and flags.

        Args:
            bulk: the reference crystal.
            at_fields: conductivity of the cell under each field of the campaign, S/cm.
            segments: whole segments that production had.
        """
        self._segments = segments
        width = self._width.result(segments)
        profile = self._transport.result(segments)
        transport = boundary_observables(
            profile,
            bulk.transport,
            boundaries_A=self._boundaries,
            core_width_A=self._structure.core_width_A,
            measured_width=width,
        )
        composition = self._composition.result(segments)
        others: dict[str, PerBoundary] = {
            "boundary_width": width,
            "li_enrichment_ratio": composition.li_enrichment_ratio(),
            "li_enrichment_volumetric": composition.li_enrichment_volumetric(
                bulk.transport.li_density_per_A3
            ),
            "o_vacancy_fraction": self._oxygen.result(segments),
        }
        cell = transport.cell | {name: pair.mean for name, pair in others.items()}
        cell["excess_length"] = self._excess_length(bulk)
        first, second = (
            transport.each[side] | {name: pair.each[side] for name, pair in others.items()}
            for side in (0, 1)
        )
        flags = transport_flags(
            profile,
            bulk.transport,
            transport,
            boundaries_A=self._boundaries,
            core_width_A=self._structure.core_width_A,
        )
        correlated, more = self._correlated(cell, bulk, at_fields)
        cell |= correlated
        flags = (*flags, width_flag(width.mean, self._structure.core_width_A), *more)
        return Measured(cell, (first, second), self._boundaries, flags)

    def _correlated(
        self, tracer: dict[str, Estimate], bulk: BulkReference, at_fields: tuple[Estimate, ...]
    ) -> Route:
        """Figures of the collective and the field route."""
        collective = self._charge.result(
            ended_early=self._segments < self._config.analysis.segments
        ).conductivity(_Z)
        driven = field_route(
            self._config,
            at_fields,
            bulk.at_fields,
            length_A=self._info.length_A,
            core_width_A=self._structure.core_width_A,
        )
        figures = {"conductivity_collective": collective} | driven.observables
        haven = haven_ratio(tracer["conductivity_through_plane"], collective)
        if haven is not None:
            figures["haven_ratio"] = haven
        return Route(figures, (*driven.flags, *compare(figures)))

    def _excess_length(self, bulk: BulkReference) -> Estimate:
        """Cell volume less that of bulk crystal with the same zirconium, over two areas."""
        a, zirconium = bulk.lattice_A, int((self._info.species == ZR).sum())
        crystal_A = zirconium * a.value**3 / 16 / self._info.area_A2
        return Estimate(
            value=(self._info.length_A - crystal_A) / 2,
            # In plane the cell has the bulk lattice, so a enters the crystal's length once.
            std_err=math.hypot(self._info.length_err_A, crystal_A * a.std_err / a.value) / 2,
            unit="A",
            n_eff=a.n_eff,
            method="mean NPT length less bulk crystal of the same Zr; NPT blocks, bulk lattice",
        )

    def write_profiles(self, path: Path) -> None:
        """Write densities (1/A^3) and Li diffusivities (cm2/s) along the normal as CSV."""
        profile = self._transport.result(self._segments)
        composition = self._composition.result(self._segments)
        density, density_err = composition.density()
        diffusivity, diffusivity_err = profile.diffusivity()
        header = ["z_A"]
        columns = [profile.bins.centres_A]
        for index, name in enumerate(SPECIES):
            header += [f"n_{name}_per_A3", f"n_{name}_err"]
            columns += [density[index], density_err[index]]
        for axis, name in enumerate("xyz"):
            header += [f"D_{name}_cm2_s", f"D_{name}_err"]
            columns += [diffusivity[:, axis], diffusivity_err[:, axis]]
        with path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle)
            writer.writerow(header)
            writer.writerows([f"{x:.6g}" for x in row] for row in zip(*columns, strict=True))
