"""The accumulators of structure and composition of one boundary run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.charge import ChargeDensity
from gbopt.analysis.composition import Composition, CompositionProfile
from gbopt.analysis.excess import InterfacialExcess
from gbopt.analysis.film import FilmGlass, film_flags
from gbopt.analysis.quality import movement_flags, width_flag
from gbopt.analysis.sites import OxygenSites
from gbopt.analysis.slabs import Planes
from gbopt.analysis.statistics import PerBoundary
from gbopt.analysis.structure import BoundaryWidth, OxygenVacancies
from gbopt.config import CampaignConfig
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.evaluation import QualityFlag
from gbopt.model.observables import Estimate
from gbopt.model.trajectory import TrajectoryInfo


class Makeup:
    """Feed every production frame to ``add``.

    Args:
        structure: what was built.
        info: what the trajectory is.
        boundaries_A: z of the boundary planes, scaled to the cell of ``info``.
        config: the campaign.
    """

    def __init__(
        self,
        structure: Bicrystal,
        info: TrajectoryInfo,
        boundaries_A: Planes,
        config: CampaignConfig,
    ) -> None:
        segments, core_A = config.analysis.segments, structure.core_width_A
        sites = structure.sites @ np.linalg.inv(structure.cell) @ info.cell
        self._core_width_A = core_A
        self._composition = Composition(
            info,
            boundaries_A=boundaries_A,
            core_width_A=core_A,
            segments=segments,
            bin_A=config.analysis.bin_A,
        )
        self._oxygen = OxygenVacancies(
            info, boundaries_A=boundaries_A, core_width_A=core_A, segments=segments
        )
        self._sites = OxygenSites(
            info,
            sites=sites,
            grain=structure.grain,
            core=structure.core,
            boundaries_A=boundaries_A,
            segments=segments,
        )
        self._width = BoundaryWidth(
            info,
            sites=sites,
            grain=structure.grain,
            core=structure.core,
            boundaries_A=boundaries_A,
            lattice_A=structure.lattice_A,
            segments=segments,
        )
        self._film = _film(structure, info, boundaries_A, segments)
        self._excess = InterfacialExcess(info, boundaries_A=boundaries_A, segments=segments)
        self._charge = ChargeDensity(info, segments=segments)

    def add(self, frame: NDArray[np.float64]) -> None:
        """Take the next frame, (n, 3) A, unwrapped and free of drift."""
        for meter in (self._composition, self._oxygen, self._sites, self._width):
            meter.add(frame)
        self._excess.add(frame)
        self._charge.add(frame)
        if self._film is not None:
            self._film.add(frame)

    def width(self, segments: int) -> PerBoundary:
        """Measured width of each boundary, A."""
        return self._width.result(segments)

    def of_both(self, segments: int, bulk_li_per_A3: Estimate) -> dict[str, PerBoundary]:
        """Figures that mean something for the two boundaries together and for each."""
        composition = self._composition.result(segments)
        return {
            "boundary_width": self.width(segments),
            "li_enrichment_ratio": composition.li_enrichment_ratio(),
            "li_enrichment_volumetric": composition.li_enrichment_volumetric(bulk_li_per_A3),
            "o_vacancy_fraction": self._oxygen.result(segments),
            "la_undercoordination": self._oxygen.lanthanum(segments),
            "o_site_vacancies": self._sites.result(segments).vacancies,
        }

    def of_each(self, segments: int) -> dict[str, PerBoundary]:
        """Figures of each boundary whose sum is the composition of the cell, as it was built."""
        ions = self._excess.result(segments)
        return {
            "li_excess": ions.lithium(),
            "o_excess": ions.oxygen(),
            "sheet_charge": ions.sheet_charge(),
        }

    def flags(self, segments: int) -> tuple[QualityFlag, ...]:
        """Checks of the structure."""
        return (
            width_flag(self.width(segments).mean, self._core_width_A),
            *movement_flags(self._width.movement(segments)),
            *(film_flags(self._film.result(segments)) if self._film is not None else ()),
        )

    def composition(self, segments: int) -> CompositionProfile:
        """Densities along the normal."""
        return self._composition.result(segments)

    def charge_profile(self, segments: int) -> dict[str, NDArray[np.float64]]:
        """Smoothed charge density along the normal, as columns of a table."""
        profile = self._charge.result(segments)
        density, error = profile.density()
        return {
            "z_A": profile.bins.centres_A,
            "charge_density_e_per_A3": density,
            "charge_density_err": error,
        }


def _film(
    structure: Bicrystal, info: TrajectoryInfo, boundaries_A: Planes, segments: int
) -> FilmGlass | None:
    """The meter of a film of glass, where there is one."""
    if not structure.has_film:
        return None
    scale = np.linalg.inv(structure.cell) @ info.cell
    return FilmGlass(
        info,
        start=structure.positions @ scale,
        sites=structure.sites @ scale,
        grain=structure.grain,
        core=structure.core,
        boundaries_A=boundaries_A,
        width_A=structure.core_width_A,
        lattice_A=structure.lattice_A,
        segments=segments,
    )
