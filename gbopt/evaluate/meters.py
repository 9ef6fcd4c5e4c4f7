"""The accumulators of one boundary run, and what they come to."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.boundary import boundary_observables, log_objective, over_time
from gbopt.analysis.collective import ChargeDisplacement
from gbopt.analysis.li_density import LiMap
from gbopt.analysis.potential import ChargeProfile, VoltageDivider
from gbopt.analysis.quality import transport_flags
from gbopt.analysis.transport import LiTransport
from gbopt.config import CampaignConfig
from gbopt.errors import AnalysisError
from gbopt.evaluate.adaptive import LEAST_SEGMENTS, Incumbent, ending
from gbopt.evaluate.agreement import agreement, route_flag, tracer_ratio
from gbopt.evaluate.bulk import BulkReference
from gbopt.evaluate.fields import (
    FieldStage,
    acting_charges,
    collective_lag_ps,
    formal_charges,
)
from gbopt.evaluate.makeup import Makeup
from gbopt.evaluate.routes import (
    NOT_RUN,
    Cell,
    Route,
    collective_route,
    field_route,
)
from gbopt.model.bicrystal import ELEMENTS, ON_ZR_SITES, SPECIES, Bicrystal
from gbopt.model.evaluation import SO_FAR, Ending, QualityFlag
from gbopt.model.observables import Estimate
from gbopt.model.trajectory import TrajectoryInfo

# Fine enough to tell Li sites, 1.6 A apart, and coarse enough for a few 100 kB a trial.
_VOXEL_A = 0.8


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
        self._structure, self._info, self._config = structure, info, config
        self._boundaries = (first, second)
        self._makeup = Makeup(structure, info, self._boundaries, config)
        self._transport = LiTransport(
            info, lag_ps=analysis.lag_ps, segments=analysis.segments, bin_A=analysis.bin_A
        )
        self._charge = ChargeDisplacement(
            info,
            formal_charges(info.species),
            lag_ps=collective_lag_ps(config, config.md.production_ps),
        )
        acting = acting_charges(config, info.species)
        self._li_map = LiMap(info, _VOXEL_A)
        self._at_rest = ChargeProfile(info, acting) if config.field.fields_V_A else None
        self._divider: VoltageDivider | None = None
        self._segments = analysis.segments
        self._so_far: Estimate | None = None

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, free of drift."""
        self._transport.add(frame)
        self._charge.add(frame)
        self._makeup.add(frame)
        self._li_map.add(frame)
        if self._at_rest is not None:
            self._at_rest.add(frame)

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
        where: Any = {
            "boundaries_A": self._boundaries,
            "core_width_A": self._structure.core_width_A,
        }
        whole = boundary_observables(profile, bulk.transport, **where).cell
        timed = over_time(profile, bulk.transport, **where)
        self._so_far = log_objective(whole[name])
        return ending(self._so_far, log_objective(timed[name]), self._config.adaptive, best)

    def tell(self, folder: Path) -> None:
        """Write log10 of the objective as of the last question; nothing before it has an error."""
        if self._so_far is not None:
            temporary = folder / f".{SO_FAR}.tmp"
            temporary.write_text(self._so_far.model_dump_json() + "\n", encoding="utf-8")
            temporary.replace(folder / SO_FAR)

    def result(self, bulk: BulkReference, stages: Sequence[FieldStage], segments: int) -> Measured:
        """Turn the sums into estimates and flags.

        Args:
            bulk: the reference crystal.
            stages: the runs under each field of the campaign.
            segments: whole segments that production had.
        """
        self._segments = segments
        profile = self._transport.result(segments)
        transport = boundary_observables(
            profile,
            bulk.transport,
            boundaries_A=self._boundaries,
            core_width_A=self._structure.core_width_A,
            measured_width=self._makeup.width(segments),
        )
        both = self._makeup.of_both(segments, bulk.transport.li_density_per_A3)
        pairs = both | self._makeup.of_each(segments)
        first, second = (
            transport.each[side] | {name: pair.each[side] for name, pair in pairs.items()}
            for side in (0, 1)
        )
        cell = transport.cell | {name: pair.mean for name, pair in both.items()}
        cell |= tracer_ratio(cell) | {"excess_length": self._excess_length(bulk)}
        flags = transport_flags(
            profile,
            bulk.transport,
            transport,
            boundaries_A=self._boundaries,
            core_width_A=self._structure.core_width_A,
        )
        routes = self._correlated(cell, bulk, stages)
        for route in routes:
            cell |= route.cell
            first, second = first | route.each[0], second | route.each[1]
            flags += route.flags
        self._divider = routes[1].divider
        compared = agreement(cell)
        flags = (*flags, compared, *self._makeup.flags(segments))
        return Measured(cell, (first, second), self._boundaries, flags)

    def _correlated(
        self, tracer: dict[str, Estimate], bulk: BulkReference, stages: Sequence[FieldStage]
    ) -> tuple[Route, Route]:
        """Figures of the collective and of the field route."""
        ended_early = self._segments < self._config.analysis.segments
        cell = Cell(self._info.length_A, self._structure.core_width_A, self._boundaries)
        motion = self._charge.result(ended_early=ended_early)
        collective = _or_flag("collective", lambda: collective_route(motion, tracer, bulk, cell))
        rest = self._at_rest
        if not stages or rest is None:
            return collective, NOT_RUN
        driven = _or_flag(
            "field",
            lambda: field_route(
                self._config,
                stages,
                rest.result(ended_early=ended_early),
                tracer["conductivity_core_in_plane"],
                bulk,
                cell,
            ),
        )
        return collective, driven

    def _excess_length(self, bulk: BulkReference) -> Estimate:
        """Cell volume less that of bulk crystal with the same zirconium, over two areas.

        Ta and Nb count as zirconium.
        """
        a, zirconium = bulk.lattice_A, int(np.isin(self._info.species, ON_ZR_SITES).sum())
        crystal_A = zirconium * a.value**3 / 16 / self._info.area_A2
        return Estimate(
            value=(self._info.length_A - crystal_A) / 2,
            # In plane the cell has the bulk lattice, so a enters the crystal's length once.
            std_err=math.hypot(self._info.length_err_A, crystal_A * a.std_err / a.value) / 2,
            unit="A",
            n_eff=a.n_eff,
            method="mean NPT length less bulk crystal of the same Zr; NPT blocks, bulk lattice",
        )

    def write_profiles(self, folder: Path) -> dict[str, str]:
        """Write what was found along the normal and in space; return names and files.

        ``profiles.csv`` holds densities (1/A^3) and Li diffusivities (cm2/s); ``charge.csv`` the
        charge density (e/A^3), smoothed over lattice planes; ``potential.csv``,
        where fields were applied, the potential that falls along the cell per field (A);
        ``li_density.npz`` how often Li was in each voxel of a grid over the cell.
        """
        profile = self._transport.result(self._segments)
        composition = self._makeup.composition(self._segments)
        density, density_err = composition.density()
        diffusivity, diffusivity_err = profile.diffusivity()
        columns = {"z_A": profile.bins.centres_A}
        present = {*SPECIES, *(name for name, n in self._structure.counts.items() if n)}
        for index, name in enumerate(ELEMENTS):
            if name not in present:
                continue
            columns[f"n_{name}_per_A3"] = density[index]
            columns[f"n_{name}_err"] = density_err[index]
        for axis, name in enumerate("xyz"):
            columns[f"D_{name}_cm2_s"] = diffusivity[:, axis]
            columns[f"D_{name}_err"] = diffusivity_err[:, axis]
        _write_csv(folder / "profiles.csv", columns)
        _write_csv(folder / "charge.csv", self._makeup.charge_profile(self._segments))
        np.savez_compressed(
            folder / "li_density.npz",
            counts=self._li_map.counts,
            cell_A=self._info.cell,
            frames=np.array(self._li_map.frames),
        )
        files = {"profiles": "profiles.csv", "charge": "charge.csv"}
        files |= {"li_density": "li_density.npz"}
        if self._divider is None:
            return files
        z_A, potential_A, potential_err_A = self._divider.potential
        _write_csv(
            folder / "potential.csv",
            {"z_A": z_A, "potential_per_field_A": potential_A, "err_A": potential_err_A},
        )
        return files | {"potential": "potential.csv"}


def _or_flag(name: str, route: Callable[[], Route]) -> Route:
    """A route beside the objective's that cannot be analysed costs only its own figures."""
    try:
        return route()
    except AnalysisError as error:
        message = f"the {name} route gives no figures: {error.message}."
        flag = route_flag(f"{name}_route", ok=False, measured=0, limit=1, message=message)
        return NOT_RUN._replace(flags=(flag,))


def _write_csv(path: Path, columns: dict[str, NDArray[np.float64]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(columns)
        rows = zip(*columns.values(), strict=True)
        writer.writerows([f"{x:.6g}" for x in row] for row in rows)
