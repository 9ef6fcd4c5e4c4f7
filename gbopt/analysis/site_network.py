"""The site network of Li: sites, how long they are held, how jumps connect them, their room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.hops import follow, residence_interval_ps, residence_ps
from gbopt.analysis.jump_network import JumpNetwork, Percolation, components, jump_network
from gbopt.analysis.jump_network import percolation as percolation_of
from gbopt.analysis.li_density import Density
from gbopt.analysis.li_paths import Paths
from gbopt.analysis.li_sites import DEFAULTS, KINDS, KnownSites, SiteSettings, find_sites
from gbopt.analysis.site_figures import network_figures
from gbopt.analysis.site_volumes import FreeVolumes, VisitedVolumes, free_volumes, visited_volumes
from gbopt.analysis.super_basins import super_basins
from gbopt.model.observables import Estimate
from gbopt.model.trajectory import TrajectoryInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteNetwork:
    """What ``site_network`` found; n sites, all arrays in their order."""

    settings: SiteSettings
    """What all of this depends on."""
    info: TrajectoryInfo
    frames: int
    """Frames that were looked at."""
    formula_units: float
    positions: NDArray[np.float64]
    """(n, 3) A, wrapped into the cell."""
    kind: NDArray[np.int8]
    """(n,) index into KINDS."""
    coordination: NDArray[np.intp]
    """(n,) O around the site."""
    off_known_A: NDArray[np.float64]
    """(n,) distance from the nearest site known of the crystal; nan where there is none."""
    occupancy: NDArray[np.float64]
    """(n,) mean number of Li on the site."""
    residence_ps: NDArray[np.float64]
    """(n,) residence time; inf where Li never left."""
    residence_low_ps: NDArray[np.float64]
    """(n,) lower end of its 95 % interval."""
    residence_high_ps: NDArray[np.float64]
    """(n,) upper end; inf where Li never left."""
    exits: NDArray[np.int64]
    """(n,) jumps away from the site."""
    component: NDArray[np.int32]
    """(n,) part of the network, the largest 0."""
    basin: NDArray[np.intp]
    """(n,) super-basin."""
    percolation: Percolation
    visited: VisitedVolumes
    free: FreeVolumes
    network: JumpNetwork
    density: Density
    summary: dict[str, Estimate | float]
    """Figures of the whole cell."""

    def figures(self) -> dict[str, Estimate | float]:
        """Figures of the whole cell by name; labels and meanings are in ``SITE_QUANTITIES``."""
        return dict(self.summary)

    @property
    def kinds(self) -> list[str]:
        """(n,) kind of each site."""
        return [KINDS[number] for number in self.kind.tolist()]


def site_network(
    paths: Paths, settings: SiteSettings = DEFAULTS, known: KnownSites | None = None
) -> SiteNetwork:
    """Find the sites of Li in a trajectory, and measure how it uses them.

    Args:
        paths: positions from ``LiPaths``.
        settings: of the filter; they are kept with the result.
        known: Li sites of the crystal where the cell holds one; kinds follow them.

    Raises:
        AnalysisError: no sites, or too short a run for the time segments.
    """
    sites = find_sites(paths, settings, known)
    hops = follow(paths, sites.positions_A, core_A=settings.core_A, segments=settings.segments)
    network = jump_network(hops)
    label = components(network.counts())
    basin = super_basins(network)
    visited = visited_volumes(paths, hops.held, sites.positions_A, samples=settings.hull_samples)
    free = free_volumes(paths, sites.positions_A)
    steps, exits = hops.steps.sum(axis=0), hops.exits.sum(axis=0)
    low, high = residence_interval_ps(steps, exits, hops.frame_ps)
    held = np.bincount(hops.held.ravel() + 1, minlength=steps.size + 1)[1:]
    return SiteNetwork(
        settings=settings,
        info=paths.info,
        frames=len(paths.li),
        formula_units=paths.formula_units,
        positions=sites.positions_A,
        kind=sites.kind,
        coordination=sites.coordination,
        off_known_A=sites.off_known_A,
        component=label,
        basin=basin,
        percolation=percolation_of(network, label),
        visited=visited,
        free=free,
        network=network,
        density=sites.density,
        summary=network_figures(paths, sites, hops, network, visited, free),
        occupancy=held / len(hops.held),
        residence_ps=residence_ps(steps, exits, hops.frame_ps),
        residence_low_ps=low,
        residence_high_ps=high,
        exits=exits,
    )
