"""Which site each Li holds in each frame, and its jumps from site to site.

An ion enters a site when it comes within the core radius of its centre, and holds it until it
enters another (hysteresis): what it does in between, rattling over the edge or crossing over,
counts for the site it left. Without it every excursion would count as two jumps.

Residence times are those of exponential dwelling seen at intervals dt and cut off by the start
and the end of the run (censored): of n frame steps that begin on a site, x end on another, and
the likelihood is largest at tau = -dt / ln(1 - x/n). The mean of the complete stays would be too
short, for long stays are the ones that are cut off. Stays of a frame or so are missed: figures
are good where tau is ten frame intervals or more.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import chi2

from gbopt.analysis.li_density import batches
from gbopt.analysis.li_paths import Paths
from gbopt.analysis.statistics import jackknife
from gbopt.crystal.neighbours import with_images
from gbopt.errors import AnalysisError
from gbopt.model.observables import Estimate

_ION_BATCH = 64
_LEVEL = 0.95


class Jumps(NamedTuple):
    """Jumps in the order of ions, then frames; J jumps."""

    ion: NDArray[np.intp]
    """(J,) which Li, in the order of the trajectory's."""
    step: NDArray[np.intp]
    """(J,) frame before the one in which the ion is first seen in the new site's core."""
    origin: NDArray[np.intp]
    """(J,) site that was left."""
    target: NDArray[np.intp]
    """(J,) site that was entered."""
    offset: NDArray[np.intp]
    """(J, 3) cell vectors from the periodic image of the site left to that of the one entered."""


class Hops(NamedTuple):
    """What Li did on the sites; S disjoint time segments, n sites."""

    held: NDArray[np.int32]
    """(T, N) site held in each frame; -1 before the first one."""
    jumps: Jumps
    segment: NDArray[np.intp]
    """(J,) time segment of each jump; S for frames left over at the end."""
    steps: NDArray[np.int64]
    """(S, n) frame steps that began on each site."""
    exits: NDArray[np.int64]
    """(S, n) those that ended on another."""
    frame_ps: float

    @property
    def segments(self) -> int:
        """Number of time segments."""
        return len(self.steps)


def follow(paths: Paths, sites: NDArray[np.float64], *, core_A: float, segments: int) -> Hops:
    """Assign every Li in every frame to a site, and collect the jumps.

    Time and memory grow with ions x frames alone: one look-up in a tree and 4 bytes for each.

    Args:
        paths: the trajectory.
        sites: (n, 3) A, wrapped into the cell.
        core_A: core radius, at most half the distance of neighbouring sites.
        segments: disjoint time segments to count in.

    Raises:
        AnalysisError: fewer frame steps than segments, or no Li in any core.
    """
    frames = len(paths.li)
    per_segment = (frames - 1) // segments
    if per_segment < 1:
        raise AnalysisError(
            f"{frames} frames cannot be divided into {segments} segments",
            hint="analyse a longer run, or ask for fewer segments",
        )
    held = _in_cores(paths, sites, core_A)
    jumps = _hold(held, paths, sites)
    if (held[-1] < 0).all():
        raise AnalysisError(
            "no Li came into the core of a site", hint="give a larger core radius of the sites"
        )
    steps = np.zeros((segments, len(sites)), dtype=np.int64)
    for number in range(segments):
        stretch = held[number * per_segment : (number + 1) * per_segment]
        steps[number] = np.bincount(stretch.ravel() + 1, minlength=len(sites) + 1)[1:]
    segment = np.minimum(jumps.step // per_segment, segments)
    counted = segment < segments
    flat = segment[counted] * len(sites) + jumps.origin[counted]
    exits = np.bincount(flat, minlength=steps.size).reshape(steps.shape)
    return Hops(held, jumps, segment, steps, exits, paths.info.frame_interval_ps)


def _in_cores(paths: Paths, sites: NDArray[np.float64], core_A: float) -> NDArray[np.int32]:
    """(T, N) site whose core each Li is in; -1 in none."""
    cell, inverse = paths.info.cell, np.linalg.inv(paths.info.cell)
    cloud, source = with_images(sites, cell, core_A)
    tree = cKDTree(cloud)
    site_of = np.append(source, -1).astype(np.int32)  # the tree answers len(cloud) for none
    frames, ions = paths.li.shape[:2]
    held = np.empty((frames, ions), dtype=np.int32)
    for taken, positions in batches(paths.li):
        fractional = positions @ inverse
        fractional -= np.floor(fractional)
        _, found = tree.query(fractional @ cell, distance_upper_bound=core_A, workers=-1)
        held[taken] = site_of[found].reshape(-1, ions)
    return held


def _hold(held: NDArray[np.int32], paths: Paths, sites: NDArray[np.float64]) -> Jumps:
    """Fill in, in place, the site last entered for frames in no core; return the jumps."""
    frame = np.arange(len(held), dtype=np.int32)[:, None]
    inverse = np.linalg.inv(paths.info.cell)
    shares = sites @ inverse
    found: list[tuple[NDArray[np.intp], ...]] = []
    for first in range(0, held.shape[1], _ION_BATCH):
        part = held[:, first : first + _ION_BATCH]
        last = np.maximum.accumulate(np.where(part >= 0, frame, 0), axis=0)
        part[:] = np.take_along_axis(part, last, axis=0)
        changed = (part[1:] != part[:-1]) & (part[:-1] >= 0)
        column, step = np.nonzero(changed.T)  # by ion, then by frame
        origin, target = part[step, column], part[step + 1, column]
        ion = first + column
        before = _image(paths.li[last[step, column], ion] @ inverse, shares[origin])
        after = _image(paths.li[step + 1, ion] @ inverse, shares[target])
        found.append((ion, step, origin.astype(np.intp), target.astype(np.intp), after - before))
    return Jumps(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _image(position: NDArray[np.float64], site: NDArray[np.float64]) -> NDArray[np.intp]:
    """Cell in which the image of a site nearest to a position lies; both in shares of the cell."""
    cell: NDArray[np.intp] = np.rint(position - site).astype(np.intp)
    return cell


def residence_ps(
    steps: NDArray[np.int64], exits: NDArray[np.int64], frame_ps: float
) -> NDArray[np.float64]:
    """Most likely residence time, ps; inf where no ion left, nan where none was.

    Args:
        steps: frame steps that began on the site, any shape.
        exits: those that ended on another.
        frame_ps: interval dt of the frames.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        times: NDArray[np.float64] = -frame_ps / np.log1p(-exits / steps)
    return np.abs(np.where(exits == 0, np.where(steps > 0, np.inf, np.nan), times))


def residence_interval_ps(
    steps: NDArray[np.int64], exits: NDArray[np.int64], frame_ps: float, level: float = _LEVEL
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Confidence interval of residence times, ps, from the Poisson statistics of the exits.

    Exact for a rate in a given time (F. Garwood, Biometrika 28, 437 (1936)). Where no ion left,
    the upper end is infinite, and the lower one says how long the site was watched.

    Args:
        steps: frame steps that began on the site, any shape.
        exits: those that ended on another.
        frame_ps: interval of the frames.
        level: probability of covering the truth.
    """
    tail = (1 - level) / 2
    most = chi2.ppf(1 - tail, 2 * exits + 2) / 2
    least = np.where(exits > 0, chi2.ppf(tail, 2 * np.maximum(exits, 1)) / 2, 0.0)
    time = np.where(exits > 0, residence_ps(steps, np.maximum(exits, 1), frame_ps), 0.0)
    watched = np.where(exits > 0, time * exits, steps * frame_ps)
    with np.errstate(divide="ignore", invalid="ignore"):
        return watched / most, np.where(steps > 0, watched / least, np.nan)


def residence_estimate(
    steps: NDArray[np.int64], exits: NDArray[np.int64], frame_ps: float, *, method: str
) -> Estimate:
    """Residence time over some sites together, ps; its error from the time segments.

    The error is not below 1/sqrt(exits) of the time, which counting alone gives, and half a frame
    interval is added to it (in squares) for stays too short to be seen. Where no ion left, or all
    in one segment, the time is a lower bound at 95 %.

    Args:
        steps: (S,) frame steps that began on these sites, in each time segment.
        exits: (S,) those that ended elsewhere.
        frame_ps: interval of the frames.
        method: how it was got.

    Raises:
        AnalysisError: no Li was ever on these sites.
    """
    total, left = int(steps.sum()), int(exits.sum())
    if total == 0:
        raise AnalysisError(f"no Li was there for: {method}", hint="run longer")
    if np.count_nonzero(exits) < 2:
        low = residence_interval_ps(np.array(total), np.array(left), frame_ps, 0.9)[0]
        return Estimate(
            value=float(low), std_err=0.0, unit="ps", n_eff=len(steps), method=method, bound="lower"
        )
    outcome = jackknife(
        lambda mask: residence_ps(steps[mask].sum(), exits[mask].sum(), frame_ps), len(steps)
    )
    value = float(outcome.value)
    error = math.hypot(max(float(outcome.std_err), value / math.sqrt(left)), frame_ps / 2)
    return Estimate(value=value, std_err=error, unit="ps", n_eff=len(steps), method=method)


def share_estimate(
    hits: NDArray[np.int64],
    trials: NDArray[np.int64],
    *,
    unit: str,
    method: str,
    resolution: float = 0.0,
) -> Estimate | None:
    """Ratio of counts with its error from time segments, not below that of counting.

    Args:
        hits: (S,) counts in each time segment.
        trials: (S,) what they are counted in.
        unit: of the ratio.
        method: how it was got.
        resolution: part of the share that may be missed between frames, added to the error.

    Returns:
        None where there are not trials in two segments.
    """
    if np.count_nonzero(trials) < 2:
        return None
    outcome = jackknife(lambda mask: hits[mask].sum() / trials[mask].sum(), len(hits))
    floor = math.sqrt(max(float(hits.sum()), 1.0)) / float(trials.sum())
    share = float(outcome.value)
    floor *= math.sqrt(max(1 - share, 0.0))
    error = math.hypot(max(float(outcome.std_err), floor), resolution * share)
    return Estimate(value=share, std_err=error, unit=unit, n_eff=len(hits), method=method)


def back_jumps(hops: Hops) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Jumps that undo the one before, and jumps that have one before; (S,) each.

    A jump undoes the last one of the same ion if it leads back to where that began, the same
    periodic image of the site included.
    """
    jumps = hops.jumps
    follows = jumps.ion[1:] == jumps.ion[:-1]
    back = (
        follows
        & (jumps.target[1:] == jumps.origin[:-1])
        & (jumps.offset[1:] == -jumps.offset[:-1]).all(axis=1)
    )
    segment = hops.segment[1:]
    count = hops.segments
    return (
        np.bincount(segment[back], minlength=count)[:count],
        np.bincount(segment[follows], minlength=count)[:count],
    )
