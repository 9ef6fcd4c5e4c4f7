"""Li that hops on the sites of cubic LLZO with residence times and memory that are known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.li_paths import LiPaths, Paths
from gbopt.crystal.llzo import CUBIC_A, cubic_sites
from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.model.bicrystal import LI
from gbopt.model.trajectory import TrajectoryInfo

# 24d and the centre of a 96h pair are 1.99 A apart; the next pair is at 3 A.
_LINKED_A = 2.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Sites that are linked; tetrahedra have four neighbours, octahedra two."""

    cell: NDArray[np.float64]
    sites: NDArray[np.float64]
    octahedral: NDArray[np.bool_]
    links: list[NDArray[np.intp]]
    """Neighbours of each site."""
    vectors: list[NDArray[np.float64]]
    """Vectors to them."""
    framework: NDArray[np.float64]
    species: NDArray[np.int8]


def llzo_network(cells: int, shear: float = 0.0) -> Network:
    """Cubic LLZO, sheared into an oblique cell where asked for."""
    crystal = cubic_sites()
    grid = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    sheared = CUBIC_A * np.array([[1, 0, 0], [shear, 1, 0], [0, 0, 1]])

    def spread(sites):
        return (sites[:, None] + grid).reshape(-1, 3) @ sheared

    cell = cells * sheared
    tetrahedral, octahedral = crystal.tetrahedral, crystal.octahedral.mean(axis=1)
    sites = wrap(spread(np.concatenate([tetrahedral, octahedral])), cell)
    kind = np.repeat([False, True], [len(tetrahedral) * len(grid), len(octahedral) * len(grid)])
    pairs = pairs_within(sites, cell, _LINKED_A, sites)
    linked = kind[pairs.i] != kind[pairs.j]
    i, j, vector = pairs.i[linked], pairs.j[linked], pairs.vector[linked]
    return Network(
        cell=cell,
        sites=sites,
        octahedral=kind,
        links=[j[i == site] for site in range(len(sites))],
        vectors=[vector[i == site] for site in range(len(sites))],
        framework=spread(crystal.framework),
        species=np.repeat(crystal.species, len(grid)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What the ions really did."""

    paths: Paths
    jumps: int
    back: int
    """Jumps that undid the one before."""
    followed: int
    """Jumps with one before."""
    visited: NDArray[np.intp]
    """Sites that held an ion."""


def hop(
    network: Network,
    rng: np.random.Generator,
    *,
    ions: int,
    frames: int,
    frame_ps: float = 0.05,
    tau_ps: tuple[float, float] = (1.5, 3.0),
    memory: float = 0.0,
    rattle_A: float = 0.25,
) -> Truth:
    """Let ions hop in continuous time, independently of each other.

    Args:
        network: where.
        rng: randomness.
        ions: number of Li.
        frames: positions that are kept.
        frame_ps: their interval.
        tau_ps: residence times on tetrahedra and octahedra.
        memory: chance that a jump goes back for certain; else all neighbours are as likely.
        rattle_A: vibration along each axis, drawn anew in every frame.
    """
    end, tally = frames * frame_ps, np.zeros(3, dtype=int)
    where = np.zeros((frames, ions, 3), dtype=np.float32)
    visited = np.zeros(len(network.sites), dtype=bool)
    # Occupied as time is spent there: octahedra have half the links, so they are half as often
    # jumped to, and there are two for each tetrahedron.
    weight = np.where(network.octahedral, tau_ps[1], 2 * tau_ps[0])
    starts = rng.choice(len(weight), ions, p=weight / weight.sum())
    for ion, start in enumerate(starts.tolist()):
        times, places = _walk(network, rng, start, end, tau_ps, memory, tally, visited)
        stay = np.searchsorted(times, np.arange(frames) * frame_ps, side="right") - 1
        where[:, ion] = places[stay]
    for number in range(frames):
        where[number] += rng.normal(0.0, rattle_A, (ions, 3)).astype(np.float32)
    return Truth(
        paths=paths_of(network, where, frame_ps),
        jumps=int(tally[0]),
        back=int(tally[1]),
        followed=int(tally[2]),
        visited=np.flatnonzero(visited),
    )


def _walk(network, rng, site, end, tau_ps, memory, tally, visited):
    """Times at which stays begin, and where; counts jumps, those back, those that follow one."""
    clock, place, came = 0.0, network.sites[site], None
    times, places = [0.0], [place]
    while True:
        visited[site] = True
        clock += rng.exponential(tau_ps[int(network.octahedral[site])])
        if clock >= end:
            return np.array(times), np.array(places)
        if came is not None and rng.random() < memory:
            way = came
        else:
            way = int(rng.integers(len(network.links[site])))
        tally += (1, int(came == way), int(came is not None))
        vector, target = network.vectors[site][way], int(network.links[site][way])
        back = np.linalg.norm(network.vectors[target] + vector, axis=1)
        came, site, place = int(back.argmin()), target, place + vector
        times.append(clock)
        places.append(place)


def info_of(network: Network, ions: int, frames: int, frame_ps: float) -> TrajectoryInfo:
    """What the trajectory is: Li first, then the framework."""
    species = np.concatenate([np.full(ions, LI, dtype=np.int8), network.species])
    return TrajectoryInfo(
        species=species,
        cell=network.cell,
        frame_interval_ps=frame_ps,
        n_frames=frames,
        temperature_K=1100.0,
    )


def paths_of(network: Network, where: NDArray[np.float32], frame_ps: float) -> Paths:
    """The paths as ``LiPaths`` would give them, from Li positions (T, N, 3) at once."""
    info = info_of(network, where.shape[1], len(where), frame_ps)
    return Paths(
        info=info, li=where, framework=network.framework, framework_species=network.species
    )


def collected(network: Network, where: NDArray[np.float32], frame_ps: float) -> Paths:
    """The same, frame by frame."""
    meter = LiPaths(info_of(network, where.shape[1], len(where), frame_ps))
    for frame in where:
        meter.add(np.concatenate([frame, network.framework]))
    return meter.result()
