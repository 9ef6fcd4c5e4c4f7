"""Figures of the whole site network, each with its error and what it depends on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.hops import Hops, back_jumps, residence_estimate, share_estimate
from gbopt.analysis.jump_network import JumpNetwork, components, network_diffusivity, percolation
from gbopt.analysis.li_paths import Paths
from gbopt.analysis.li_sites import KINDS, LiSites
from gbopt.analysis.order_parameter import graph_order_parameter
from gbopt.analysis.site_volumes import FreeVolumes, VisitedVolumes
from gbopt.analysis.statistics import Mask, propagate, segment_estimate
from gbopt.analysis.super_basins import super_basins
from gbopt.model.observables import Estimate, Quantity
from gbopt.units import A2_PS_TO_CM2_S

Figures = dict[str, Estimate | float]

SITE_QUANTITIES = {
    "sites_per_formula_unit": Quantity("Li sites", "per f.u.", "sites visited"),
    **{
        f"sites_per_formula_unit_{kind}": Quantity(f"Li sites, {kind}", "per f.u.", "of that kind")
        for kind in KINDS
    },
    "jumps": Quantity("jumps", "", "from site to site, all Li together"),
    "residence_all": Quantity("residence time", "ps", "mean stay of Li on a site"),
    **{
        f"residence_{kind}": Quantity(f"residence time, {kind}", "ps", "of sites of that kind")
        for kind in KINDS
    },
    "jump_rate": Quantity("jump rate", "1/ps", "jumps of one Li"),
    "back_jump_fraction": Quantity(
        "back-jump fraction", "", "jumps that lead back to where the one before came from"
    ),
    "li_on_tetrahedral": Quantity("Li on tetrahedral sites", "", "share of the Li"),
    "percolates_a": Quantity("percolates along a", "", "1 where jumps lead on without end"),
    "percolates_b": Quantity("percolates along b", "", "1 where jumps lead on without end"),
    "percolates_c": Quantity("percolates along c", "", "1 where jumps lead on without end"),
    "percolation_dimension": Quantity("percolation dimension", "", "independent directions"),
    "largest_component": Quantity("largest component", "", "share of the sites"),
    "super_basin_share": Quantity(
        "sites in super-basins", "", "share of the sites that Li exchanges among before it escapes"
    ),
    "super_basins": Quantity("super-basins", "", "of two sites or more"),
    "super_basin_escape": Quantity("escape from super-basins", "ps", "mean stay in one"),
    **{
        f"network_D_{axis}": Quantity(
            f"memoryless D along {axis}",
            "cm2/s",
            "effective conductance of the network: D if jumps back were no more likely than others",
        )
        for axis in "xyz"
    },
    "graph_order_k1": Quantity("graph order parameter, k = 1", "", "of the jump probabilities"),
    "graph_order_k3": Quantity("graph order parameter, k = 3", "", "of the jump probabilities"),
    "hull_volume": Quantity("accessible volume", "A3", "convex hull of a site's Li positions"),
    "covariance_volume": Quantity("covariance volume", "A3", "ellipsoid of a site's Li positions"),
    **{
        f"{what}_volume_{kind}": Quantity(f"{label} volume, {kind}", "A3", "of sites of that kind")
        for what, label in (("hull", "accessible"), ("covariance", "covariance"), ("free", "free"))
        for kind in KINDS
    },
    "free_volume": Quantity("free volume", "A3", "of a site in the static framework"),
    "free_fraction": Quantity("free fraction", "", "of the cell, in the static framework"),
}
"""Every figure of a site network by its key."""


def network_figures(
    paths: Paths,
    sites: LiSites,
    hops: Hops,
    network: JumpNetwork,
    visited: VisitedVolumes,
    free: FreeVolumes,
) -> Figures:
    """Figures of the whole cell; those that the run does not hold are left out.

    Errors of what is counted in time are from disjoint time segments, those of volumes from the
    scatter over the sites, which is larger than that in time.
    """
    found: Figures = {}
    units, kinds = paths.formula_units, sites.kind
    if units > 0:
        found["sites_per_formula_unit"] = len(kinds) / units
        for number, kind in enumerate(KINDS):
            found[f"sites_per_formula_unit_{kind}"] = float((kinds == number).sum()) / units
    found |= _times(hops, kinds)
    found |= _topology(network, hops)
    found |= _conduction(paths, sites, network, hops)
    found |= _volumes(kinds, visited, free)
    return found


def _times(hops: Hops, kinds: NDArray[np.int8]) -> Figures:
    what = "censored exponential; time segments"
    found: dict[str, Estimate] = {}
    everywhere = np.ones(len(kinds), dtype=bool)
    chosen = {"all": everywhere} | {name: kinds == k for k, name in enumerate(KINDS)}
    for name, which in chosen.items():
        steps, exits = hops.steps[:, which].sum(axis=1), hops.exits[:, which].sum(axis=1)
        if steps.sum() > 0:
            found[f"residence_{name}"] = residence_estimate(
                steps, exits, hops.frame_ps, method=what
            )
    steps, stay = hops.steps.sum(axis=1), found["residence_all"]
    if stay.bound is None:
        rate = 1 / stay.value
        found["jump_rate"] = propagate(
            rate, [(rate**2, stay)], unit="1/ps", method="1/residence time of all; time segments"
        )
    missed = hops.frame_ps / (2 * stay.value)
    method = "of jumps after a first; time segments"
    back = share_estimate(*back_jumps(hops), unit="", method=method, resolution=missed)
    if back is not None:
        found["back_jump_fraction"] = back
    on = hops.steps[:, kinds == 0].sum(axis=1)
    held = share_estimate(on, steps, unit="", method="share of Li time; time segments")
    if held is not None:
        found["li_on_tetrahedral"] = held
    return {"jumps": float(len(hops.jumps.ion)), **found}


def _topology(network: JumpNetwork, hops: Hops) -> Figures:
    label = components(network.counts())
    lasting = percolation(network, label)
    found: Figures = {
        f"percolates_{x}": float(y) for x, y in zip("abc", lasting.along, strict=True)
    }
    found["percolation_dimension"] = float(lasting.dimension)
    basin = super_basins(network)
    size = np.bincount(basin)
    found["super_basins"] = float((size > 1).sum())
    found |= _escape(hops, basin, size)
    parts = "time segments left out in turn"
    order = f"Chapman 2022, degree: sum of jump probabilities in; grows with sites; {parts}"
    for name, function, method in (
        ("largest_component", _largest, f"connected by jumps; {parts}"),
        ("super_basin_share", _merged, f"more exchange than escape; {parts}"),
        ("graph_order_k1", partial(_order, k=1), order),
        ("graph_order_k3", partial(_order, k=3), order),
    ):
        found[name] = segment_estimate(
            partial(function, network), hops.segments, unit="", method=method
        )
    return found


def _order(network: JumpNetwork, mask: Mask, *, k: int) -> float:
    return graph_order_parameter(network.probabilities(mask), k=k)


def _largest(network: JumpNetwork, mask: Mask) -> float:
    """Share of the sites in the largest component."""
    return float((components(network.counts(mask)) == 0).mean())


def _merged(network: JumpNetwork, mask: Mask) -> float:
    """Share of the sites in super-basins of two sites or more."""
    size = np.bincount(super_basins(network, mask))
    return float(size[size > 1].sum() / size.sum())


def _escape(hops: Hops, basin: NDArray[np.intp], size: NDArray[np.intp]) -> Figures:
    """Mean stay in super-basins."""
    within = size[basin] > 1
    if not within.any():
        return {}
    jumps, count = hops.jumps, hops.segments
    out = within[jumps.origin] & (basin[jumps.origin] != basin[jumps.target])
    exits = np.bincount(hops.segment[out], minlength=count)[:count]
    steps = hops.steps[:, within].sum(axis=1)
    if steps.sum() == 0:
        return {}
    method = "censored exponential; time segments"
    return {"super_basin_escape": residence_estimate(steps, exits, hops.frame_ps, method=method)}


def _conduction(paths: Paths, sites: LiSites, network: JumpNetwork, hops: Hops) -> Figures:
    """D of walkers without memory on the network; none where nothing jumped."""
    if len(hops.jumps.ion) == 0:
        return {}
    segment_ps = (len(paths.li) - 1) // hops.segments * hops.frame_ps

    def along(axis: int) -> Callable[[Mask], float]:
        def diffusivity(mask: Mask) -> float:
            found = network_diffusivity(
                network,
                sites.positions_A,
                paths.info.cell,
                ions=paths.li.shape[1],
                segment_ps=segment_ps,
                axis=axis,
                mask=mask,
            )
            return found * A2_PS_TO_CM2_S

        return diffusivity

    method = "resistor network of the jumps; time segments"
    return {
        f"network_D_{name}": segment_estimate(
            along(axis), hops.segments, unit="cm2/s", method=method
        )
        for axis, name in enumerate("xyz")
    }


def _volumes(kinds: NDArray[np.int8], visited: VisitedVolumes, free: FreeVolumes) -> Figures:
    """Mean volumes over all sites and over those of each kind."""
    most = int(visited.samples.max(initial=0))
    hull = f"hull of at most {most} positions a site, grows with them; scatter of the sites"
    scatter = "scatter of the sites"
    columns = {
        "hull_volume": (visited.hull_A3, hull),
        "covariance_volume": (visited.covariance_A3, f"(4 pi/3) sqrt(det 5 C); {scatter}"),
        "free_volume": (free.site_A3, f"Shannon radii, mean framework, nearest site; {scatter}"),
    }
    found: Figures = {}
    for name, (values, method) in columns.items():
        chosen = {name: np.ones(len(kinds), dtype=bool)}
        chosen |= {f"{name}_{kind}": kinds == k for k, kind in enumerate(KINDS)}
        for key, which in chosen.items():
            known = values[which & np.isfinite(values)]
            if len(known) > 1:
                found[key] = Estimate(
                    value=float(known.mean()),
                    std_err=float(known.std(ddof=1) / np.sqrt(len(known))),
                    unit="A3",
                    n_eff=len(known),
                    method=method,
                )
    return found | {"free_fraction": free.fraction}
