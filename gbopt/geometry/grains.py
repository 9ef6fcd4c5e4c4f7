"""Grains of a structure that was not built here, stacked between parallel boundaries.

The lattice around a well ordered cation is followed along the boundary normal for as long as ions
lie on its sites. A grain thus ends where its own lattice does: at another orientation, a rigid
shift, a fault of one sublattice, a disordered slab or a surface.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from gbopt.geometry.lattice_fit import (
    FEWEST_IONS,
    Framework,
    Lattice,
    Sample,
    Seed,
    Surroundings,
    fit_lattice,
    grow,
    nearest_sites,
    periods_of,
    seeds_of,
)
from gbopt.geometry.reference import Reference

# A cation of which fewer neighbours are in place is no seed.
_SEED_SCORE = 0.5
# Seeds that may fail to become a grain before the rest of the cell is given up.
_TRIES = 6
# Of the distance of second neighbours: the thinnest grain, and the window (sigma) along the normal.
_THINNEST, _SMOOTHING = 0.6, 0.2
_ORDERED = 0.5  # share of a sublattice on its sites at which a grain ends
_EMPTY = 0.02  # share of the densest layer below which there are no ions to speak of
_BIN_A = 0.1


class Grain(NamedTuple):
    """A grain: its lattice, and from where to where along the normal ions lie on it."""

    lattice: Lattice
    low_A: float
    """Height of its lower end; its middle is in [0, length of the stack)."""
    high_A: float
    """Height of its upper end."""
    on_site: NDArray[np.intp]
    """Indices of the framework's ions on its sites."""
    sound: float
    """Share of the framework's ions between its ends that are on its sites."""

    @property
    def thickness_A(self) -> float:
        """From end to end, A."""
        return self.high_A - self.low_A


class Stack(NamedTuple):
    """The grains stacked between one pair of cell faces."""

    axis: int
    """The cell vector that leads from face to face."""
    length_A: float
    """Distance between the two faces."""
    grains: tuple[Grain, ...]
    """In order of height."""
    on_site: float
    """Share of the framework's ions that lie on a site of their own grain."""

    @property
    def endless(self) -> bool:
        """Whether one crystal fills the cell from face to face."""
        return len(self.grains) == 1 and self.grains[0].thickness_A >= self.length_A - 1e-6


class _Climb(NamedTuple):
    """The framework with its images below and above, by height over one pair of cell faces."""

    images: NDArray[np.float64]
    kinds: NDArray[np.int8]
    heights_A: NDArray[np.float64]
    source: NDArray[np.intp]
    """The ion that each is an image of."""
    step: NDArray[np.float64]
    """The cell vector from face to face."""
    sides: NDArray[np.float64]
    """(2, 3) A, the cell vectors of the faces."""
    normal: NDArray[np.float64]
    length_A: float


def find_stacks(
    framework: Framework, reference: Reference, axes: Sequence[int] = (0, 1, 2)
) -> list[Stack]:
    """Look for grains stacked along each of some cell vectors.

    Returns:
        A stack for each. Across the true normal most ions are on sites of their grains.
    """
    seeds = [seed for seed in seeds_of(framework, reference) if seed.score >= _SEED_SCORE]
    around = Surroundings.of(framework, reference)

    @cache
    def lattice(n: int) -> Lattice | None:
        return grow(seeds[n], around, reference)

    return [_stack(framework, reference, axis, seeds, lattice) for axis in axes]


def _stack(
    framework: Framework,
    reference: Reference,
    axis: int,
    seeds: list[Seed],
    lattice: Callable[[int], Lattice | None],
) -> Stack:
    """Grains along one cell vector, each from the best ordered cation outside those before."""
    climb = _climb(framework, axis)
    grains: list[Grain] = []
    tries = 0
    for n, seed in enumerate(seeds):
        height = float(seed.position @ climb.normal)
        if tries == _TRIES or any(_holds(g, height, climb.length_A) for g in grains):
            continue
        start = lattice(n)
        grain = None if start is None else _follow(start, height, climb, reference)
        if grain is None or any(_nested(grain, g, climb.length_A) for g in grains):
            tries += 1
        else:
            grains.append(grain)
    on_site = {int(n) for grain in grains for n in grain.on_site}
    return Stack(
        axis=axis,
        length_A=climb.length_A,
        grains=tuple(sorted(grains, key=lambda grain: grain.low_A)),
        on_site=len(on_site) / len(framework.kinds),
    )


def _climb(framework: Framework, axis: int) -> _Climb:
    step = framework.cell[axis]
    normal = np.cross(framework.cell[axis - 2], framework.cell[axis - 1])
    normal = normal / np.linalg.norm(normal) * np.sign(normal @ step)
    images = np.concatenate([framework.positions + k * step for k in (-1, 0, 1)])
    source = np.tile(np.arange(len(framework.kinds)), 3)
    return _Climb(
        images=images,
        kinds=framework.kinds[source],
        heights_A=images @ normal,
        source=source,
        step=step,
        sides=framework.cell[[axis - 2, axis - 1]],
        normal=normal,
        length_A=float(step @ normal),
    )


def _holds(grain: Grain, height_A: float, length_A: float) -> bool:
    return (height_A - grain.low_A) % length_A <= grain.thickness_A


def _nested(one: Grain, other: Grain, length_A: float) -> bool:
    """Whether the middle of either grain lies inside the other."""
    return any(
        _holds(a, b.low_A + b.thickness_A / 2, length_A) for a, b in ((one, other), (other, one))
    )


def _follow(lattice: Lattice, start_A: float, climb: _Climb, reference: Reference) -> Grain | None:
    """Follow a lattice up and down from a height while most ions lie on its sites.

    It is fitted again to all that it meets. None: too thin, or too few ions, for a grain.
    """
    smoothing = _SMOOTHING * reference.reach_A
    for _ in range(3):
        ideal, distance = nearest_sites(lattice, reference, climb.images, climb.kinds)
        on = distance < reference.tolerance_A
        low, high = _extent(climb, on, start_A, smoothing)
        between = (climb.heights_A >= low) & (climb.heights_A < high)
        taken = between & on
        if taken.sum() < FEWEST_IONS or high - low < _THINNEST * reference.reach_A:
            return None
        positions, kinds = climb.images[taken], climb.kinds[taken]
        periods = periods_of(lattice, reference, positions, kinds, climb.sides)
        lattice = fit_lattice(Sample(ideal[taken], positions), periods)
    cells = np.floor((low + high) / 2 / climb.length_A)
    shift = cells * climb.length_A
    return Grain(
        lattice=lattice._replace(origin_A=lattice.origin_A - cells * climb.step),
        low_A=float(low - shift),
        high_A=float(high - shift),
        on_site=np.unique(climb.source[taken]),
        sound=float(on[between].mean()),
    )


def _extent(
    climb: _Climb, on: NDArray[np.bool_], start_A: float, smoothing_A: float
) -> tuple[float, float]:
    """Lowest and highest height to which each sublattice is mostly on sites, from the start on.

    They are one length of the cell apart where no end is found on one of the two ways.
    """
    bins = int(np.ceil(climb.length_A / _BIN_A))
    width = climb.length_A / bins
    edges = start_A + width * np.arange(-bins, bins + 1)

    def density(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        counts = np.histogram(climb.heights_A[chosen], edges)[0].astype(float)
        smooth: NDArray[np.float64] = gaussian_filter1d(counts, smoothing_A / width, mode="nearest")
        return smooth

    total = density(np.ones(len(on), dtype=bool))
    ordered = total > _EMPTY * total.max()
    for kind in range(int(climb.kinds.max()) + 1):
        own = climb.kinds == kind
        every, good = density(own), density(own & on)
        # Where a sublattice has no layer it says nothing.
        ordered &= (good > _ORDERED * every) | (every < _EMPTY * every.max())
    up, down = np.flatnonzero(~ordered[bins:]), np.flatnonzero(~ordered[:bins][::-1])
    if not len(up) or not len(down):
        return start_A, start_A + climb.length_A
    return start_A - width * float(down[0]), start_A + width * float(up[0])
