"""Media whose transport is known exactly: walkers that diffuse, or hop from plane to plane."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.profile import TransportProfile
from gbopt.analysis.transport import LiTransport
from gbopt.model.bicrystal import LI
from gbopt.model.trajectory import TrajectoryInfo
from gbopt.units import ANGSTROM_CM, BOLTZMANN_EV_K, ohm_cm_from_metal

FRAME_PS = 0.1
TEMPERATURE_K = 1100.0
EDGE_A = 10.0
"""Of every cell, along x and y."""


def info_of(
    species: NDArray[np.int8], length_A: float, n_frames: int, tilt_A: float = 0.0
) -> TrajectoryInfo:
    """Describe a run of so many frames in a cell of this length, sheared by a tilt along x."""
    cell = np.array([[EDGE_A, 0, 0], [tilt_A, EDGE_A, 0], [0, 0, length_A]])
    return TrajectoryInfo(
        species=species,
        cell=cell,
        frame_interval_ps=FRAME_PS,
        n_frames=n_frames,
        temperature_K=TEMPERATURE_K,
    )


def brownian(
    rng: np.random.Generator, n: int, D_A2_ps: float, length_A: float, n_frames: int
) -> Iterator[NDArray[np.float64]]:
    """Frames, (n, 3) A each, of ions that diffuse freely."""
    x = rng.random((n, 3)) * [EDGE_A, EDGE_A, length_A]
    for _ in range(n_frames):
        x = x + rng.normal(0.0, np.sqrt(2 * D_A2_ps * FRAME_PS), (n, 3))
        yield x


class Medium:
    """Hopping on a ring of planes: exact, with c_i k_ij = c_j k_ji = c D of the bond / h^2.

    Args:
        density: (planes,) relative density of each plane.
        conductance: (planes,) relative density times D of the bond to the next plane, A^2/ps;
            with mean density 1.
        spacing_A: distance of the planes.
    """

    def __init__(
        self, density: NDArray[np.float64], conductance: NDArray[np.float64], spacing_A: float
    ) -> None:
        self.density = density / density.mean()
        self.conductance = conductance
        self.spacing_A = spacing_A
        self.length_A = spacing_A * len(density)

    def resistance_ohm_cm2(self, n: int) -> float:
        """R A of n walkers in the cell: the bonds in series."""
        per_A3 = n / (EDGE_A**2 * self.length_A)
        integral = float(np.sum(self.spacing_A / self.conductance)) / per_A3
        return ohm_cm_from_metal(BOLTZMANN_EV_K * TEMPERATURE_K * integral) * ANGSTROM_CM

    def frames(
        self, rng: np.random.Generator, n: int, n_frames: int, rattle_A: float = 0.3
    ) -> Iterator[NDArray[np.float64]]:
        """Frames (n, 3); D is 0.2 A^2/ps along x and y.

        Planes are filled evenly: ions repel, so the density of a layer does not fluctuate as
        that of independent walkers would, and no run is long enough to average over that.
        """
        rate = FRAME_PS / self.spacing_A**2 / self.density
        up, down = self.conductance * rate, np.roll(self.conductance, 1) * rate
        share = np.cumsum(self.density / self.density.sum())
        plane = np.searchsorted(share, (np.arange(n) + rng.random()) / n)
        across = np.zeros((n, 2))
        for _ in range(n_frames):
            draw, here = rng.random(n), plane % len(self.density)
            plane = plane + (draw < up[here]) - (draw > 1 - down[here])
            across = across + rng.normal(0.0, np.sqrt(2 * 0.2 * FRAME_PS), (n, 2))
            z = plane * self.spacing_A + rng.normal(0.0, rattle_A, n)
            yield np.column_stack([across, z])


def slow_layer(factor: float, length_A: float = 40.0, width_A: float = 8.0) -> Medium:
    """Uniform density, D = 0.2 A^2/ps, slower by the factor in a layer around L/2."""
    spacing_A = 0.5
    bonds = np.arange(round(length_A / spacing_A)) * spacing_A + spacing_A / 2
    slow = np.abs(bonds - length_A / 2) < width_A / 2
    return Medium(np.ones(len(bonds)), np.where(slow, 0.2 / factor, 0.2), spacing_A)


def measure(
    frames: Iterator[NDArray[np.float64]],
    n: int,
    length_A: float,
    n_frames: int,
    *,
    lag_ps: float = 3.0,
    bin_A: float = 1.0,
    segments: int = 5,
    tilt_A: float = 0.0,
) -> TransportProfile:
    """Measure n Li ions of a run, as a trajectory of MD is measured."""
    info = info_of(np.full(n, LI, dtype=np.int8), length_A, n_frames, tilt_A)
    transport = LiTransport(info, lag_ps=lag_ps, segments=segments, bin_A=bin_A)
    for frame in frames:
        transport.add(frame)
    return transport.result()
