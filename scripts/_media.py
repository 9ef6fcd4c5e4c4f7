"""Media whose through-plane resistance is known exactly, and two practices to compare with.

A medium is walkers on a ring of planes, each a reversible Markov chain: its states stand at
planes, and pairs of them are joined by rates in detailed balance. Such a chain is a network of
resistors, so planes are in series whatever hidden states it has, and a weak field that biases the
rates of a move by exp(+-q E d/2kT) drives the current that the same resistance allows.

The practices: the diffusivity of Li that start in a slab on the boundary, by a line through
their MSD in three dimensions at lags of 10 to 50 ps; and that of all Li, by a line through the
MSD along z at lags of 10 to 50 % of the run. Lines are ordinary least squares.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import linregress

from gbopt.analysis.msd import mean_squared_displacement
from gbopt.analysis.slabs import Window, inside
from gbopt.units import ANGSTROM_CM, BOLTZMANN_EV_K, ohm_cm_from_metal

TEMPERATURE_K = 1100.0
EDGE_A, LENGTH_A, LAYER_A = 10.0, 40.0, 8.0
RATTLE_A = 0.3
HOP_PLANES = 4
THERMAL_EV = BOLTZMANN_EV_K * TEMPERATURE_K
SLAB_LAGS_PS = (10.0, 50.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """S states on P planes, each with up to K moves."""

    name: str
    plane: np.ndarray
    """(S,) plane of each state."""
    weight: np.ndarray
    """(S,) equilibrium probability."""
    rates: np.ndarray
    """(S, K) of the moves, 1/ps."""
    target: np.ndarray
    """(S, K + 1) state after each move; the last one is to stay."""
    moved: np.ndarray
    """(S, K + 1) planes moved along z."""
    conductance: np.ndarray
    """(P,) of the bond to the next plane: relative density times D, mean density 1, A^2/ps."""
    D_across: np.ndarray
    """(P,) D along x and y, A^2/ps."""

    @property
    def spacing_A(self) -> float:
        return LENGTH_A / len(self.conductance)

    def resistance_ohm_cm2(self, n: int) -> float:
        """R A of n walkers in the cell: the bonds in series."""
        per_A3 = n / (EDGE_A**2 * LENGTH_A)
        integral = float(np.sum(self.spacing_A / self.conductance)) / per_A3
        return ohm_cm_from_metal(THERMAL_EV * integral) * ANGSTROM_CM

    @property
    def bulk_density(self) -> float:
        """Relative density far from the layer."""
        return float(self.weight[self.plane == 0].sum() * len(self.conductance))

    @property
    def bulk_D(self) -> float:
        """D_z far from the layer, A^2/ps."""
        return float(self.conductance[0] / self.bulk_density)

    def relaxation_ps(self) -> float:
        """Time in which a disturbance of the density dies out: the slowest mode of the chain."""
        states = len(self.plane)
        generator = np.zeros((states, states))
        for rate, target in zip(self.rates.T, self.target.T[:-1], strict=True):
            np.add.at(generator, (np.arange(states), target), rate)
            generator[np.arange(states), np.arange(states)] -= rate
        modes = np.linalg.eigvals(generator).real
        return float(-1 / modes[modes < -1e-9].max())

    def start(self, rng: np.random.Generator, runs: int, n: int) -> np.ndarray:
        """(runs, n) states in equilibrium.

        They are filled evenly: ions repel, so the density of a layer does not fluctuate as that
        of independent walkers would, and no run is long enough to average over that.
        """
        order = np.argsort(self.plane, kind="stable")
        share = np.cumsum(self.weight[order])
        draw = (np.arange(n) + rng.random((runs, 1))) / n
        return order[np.minimum(np.searchsorted(share, draw), len(order) - 1)]

    def walk(
        self, rng: np.random.Generator, state: np.ndarray, step_ps: float, field_V_A: float = 0.0
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield for each step the states and the planes moved."""
        bias = np.exp(self.moved[:, :-1] * self.spacing_A * field_V_A / (2 * THERMAL_EV))
        edges = np.cumsum(self.rates * bias * step_ps, axis=1).astype(np.float32).T.copy()
        while True:
            draw = rng.random(state.shape, dtype=np.float32)
            choice = sum((draw >= edge[state]).astype(np.int64) for edge in edges)
            moved, state = self.moved[state, choice], self.target[state, choice]
            yield state, moved

    def charge(
        self, rng: np.random.Generator, runs: int, n: int, steps: int, step_ps: float, field: float
    ) -> np.ndarray:
        """(steps + 1, runs) sum of the displacements along z, A."""
        walk = self.walk(rng, self.start(rng, runs, n), step_ps, field)
        moved = [next(walk)[1].sum(axis=1) for _ in range(steps)]
        return self.spacing_A * np.cumsum(np.vstack([np.zeros(runs), moved]), axis=0)

    def positions(
        self, rng: np.random.Generator, n: int, frames: int, step_ps: float
    ) -> np.ndarray:
        """(frames, n, 3) float32 A of one run."""
        state = self.start(rng, 1, n)[0]
        plane, across = self.plane[state], np.zeros((n, 2))
        walk, found = self.walk(rng, state, step_ps), np.empty((frames, n, 3), dtype=np.float32)
        for frame in found:
            state, moved = next(walk)
            plane = plane + moved
            width = np.sqrt(2 * step_ps * self.D_across[self.plane[state]])
            across = across + width[:, None] * rng.standard_normal((n, 2))
            frame[:, :2] = across
            frame[:, 2] = plane * self.spacing_A + RATTLE_A * rng.standard_normal(n)
        return found


def _in_layer(planes: int, *, bonds: bool) -> np.ndarray:
    """(planes,) whether each plane, or the bond after it, lies in the layer around L/2."""
    z = (np.arange(planes) + (0.5 if bonds else 0.0)) * LENGTH_A / planes
    return np.abs(z - LENGTH_A / 2) < LAYER_A / 2 + (0.0 if bonds else 1e-9)


def hopping(name: str, density: np.ndarray, conductance: np.ndarray, D: np.ndarray) -> Medium:
    """Walkers without memory; density and D at the planes, conductance of the bonds."""
    planes = len(density)
    here = np.arange(planes)
    density = density / density.mean()
    per_ps = (planes / LENGTH_A) ** 2 / density
    zero = np.zeros(planes, dtype=np.int64)
    return Medium(
        name=name,
        plane=here,
        weight=density / planes,
        rates=np.column_stack([conductance * per_ps, np.roll(conductance, 1) * per_ps]),
        target=np.column_stack([(here + 1) % planes, (here - 1) % planes, here]),
        moved=np.column_stack([zero + 1, zero - 1, zero]),
        conductance=conductance,
        D_across=D,
    )


def slow_layer(factor: float = 10.0, D: float = 0.2) -> Medium:
    """Uniform density; the layer is slower by the factor."""
    bonds, planes = (_in_layer(80, bonds=b) for b in (True, False))
    conductance = np.where(bonds, D / factor, D)
    local = np.where(planes, D / factor, D)
    return hopping(f"{factor:g}x slower layer", np.ones(80), conductance, local)


def density_step(share: float = 0.5, D: float = 0.2) -> Medium:
    """The layer holds a share of the density; D is the same."""
    density = np.where(_in_layer(80, bonds=False), share, 1.0)
    density = density / density.mean()
    bond = 2 / (1 / density + 1 / np.roll(density, -1))
    return hopping(f"{share:.0%} of density in layer", density, D * bond, np.full(80, D))


def jumps_back(
    factor: float = 10.0, back: float = 0.6, memory_ps: float = 1.0, D: float = 0.2
) -> Medium:
    """Jumps of 2 A that go back with a probability within the memory; the layer is slower.

    A walker at plane i is at rest (state 0) or not yet settled after the jump over the bond below
    it (state -) or above it (state +). At rest it jumps at the rate k of the bond and arrives
    unsettled; then it jumps back with probability b or settles, after ``memory_ps`` in the mean.
    Detailed balance adds the reverse: from rest it comes loose at the rate k (1-b)/b. Rest and
    rest are joined by two such paths, so the bond conducts as 2 k (1-b): D at long times is 1-b
    of that of the single jumps, in every layer. A jump passes ``HOP_PLANES`` planes: as many
    lattices, each out of step with the others, conduct side by side, all alike.
    """
    planes, here = 80, np.arange(80)
    centre_A = (here + HOP_PLANES / 2) * LENGTH_A / planes
    slow = (centre_A >= (LENGTH_A - LAYER_A) / 2) & (centre_A < (LENGTH_A + LAYER_A) / 2)
    unit = 2 * (1 - back) * (HOP_PLANES * LENGTH_A / planes) ** 2
    k = np.where(slow, 1 / factor, 1.0) * 1.25 * D / unit  # a fifth of the walkers is unsettled
    down = np.roll(k, HOP_PLANES)
    loose = np.array([k, down]) * memory_ps / back  # of states + and -, over that of 0
    rest = 1 / (1 + loose.sum(axis=0)).sum()
    leave, settle = np.full(planes, back / memory_ps), np.full(planes, (1 - back) / memory_ps)
    still, none = np.zeros(planes, dtype=np.int64), np.zeros(planes)
    plus, minus = here + planes, here + 2 * planes
    above, below = (here + HOP_PLANES) % planes, (here - HOP_PLANES) % planes
    wake = (1 - back) / back
    rates = [[k, down, wake * k, wake * down], [leave, settle, none, none]]
    targets = [[above + 2 * planes, below + planes, plus, minus, here]]
    targets += [[above, here, plus, plus, plus], [below, here, minus, minus, minus]]
    moves = [[still + HOP_PLANES, still - HOP_PLANES, still, still, still]]
    moves += [[still + sign * HOP_PLANES, still, still, still, still] for sign in (1, -1)]
    return Medium(
        name=f"{back:.0%} jump back, {factor:g}x slower",
        plane=np.tile(here, 3),
        weight=rest * np.concatenate([np.ones(planes), *loose]),
        rates=np.concatenate([np.column_stack(r) for r in (*rates, rates[1])]),
        target=np.concatenate([np.column_stack(t) for t in targets]),
        moved=np.concatenate([np.column_stack(m) for m in moves]),
        conductance=planes * rest * k * unit,
        D_across=np.where(_in_layer(planes, bonds=False), D / factor, D),
    )


class SlabMSD:
    """MSD of the ions that start in a window, for any length of a run.

    Args:
        walk: (frames, n, 3) A, unwrapped.
        window: of the periodic cell.
        length_A: of the cell.
        frame_ps: time between two frames.
    """

    def __init__(self, walk: np.ndarray, window: Window, length_A: float, frame_ps: float) -> None:
        stride = round(2.0 / frame_ps)
        starts = np.arange(0, len(walk) - round(SLAB_LAGS_PS[0] / frame_ps), stride)
        within = inside(walk[starts, :, 2], window, length_A)
        self.thickness_A = window[1] - window[0]
        self._frame_ps, self._starts = frame_ps, starts
        self._ions = within.sum(axis=1)
        last = min(round(SLAB_LAGS_PS[1] / frame_ps), len(walk) - 1)
        self._lags = np.arange(round(SLAB_LAGS_PS[0] / frame_ps), last + 1, stride)
        self._squares = np.full((len(self._lags), len(starts)), np.nan)
        for row, lag in enumerate(self._lags):
            held = starts + lag < len(walk)
            moved = walk[starts[held] + lag] - walk[starts[held]]
            self._squares[row, held] = np.einsum("onx,onx,on->o", moved, moved, within[held])

    def diffusivity(self, run_ps: float) -> tuple[float, float]:
        """D and the standard error of the line, A^2/ps, from the first part of the run."""
        lag_ps, msd = [], []
        for lag, squares in zip(self._lags, self._squares, strict=True):
            held = (self._starts + lag) * self._frame_ps <= run_ps + 1e-6
            if held.any():
                lag_ps.append(lag * self._frame_ps)
                msd.append(squares[held].sum() / self._ions[held].sum())
        line = linregress(lag_ps, msd)
        return line.slope / 6, line.stderr / 6

    def ions(self, run_ps: float) -> float:
        """Mean number of ions in the window."""
        return float(self._ions[self._starts * self._frame_ps <= run_ps].mean())


def line_through_msd_z(walk: np.ndarray, frame_ps: float) -> tuple[float, float]:
    """D_z of all ions and the error of the line, A^2/ps, from lags of 10 to 50 % of the run."""
    last = (len(walk) - 1) // 2
    msd = mean_squared_displacement(walk, longest_lag=last, axes=(2,))[:, 0]
    lags = np.arange(max(1, last // 5), last + 1)
    line = linregress(lags * frame_ps, msd[lags])
    return line.slope / 2, line.stderr / 2


def resistance(length_A: float, density_per_A3: float, D_A2_ps: float, thermal_eV: float) -> float:
    """R A of a slab by Nernst-Einstein, ohm cm2."""
    metal = thermal_eV * length_A / (density_per_A3 * D_A2_ps)
    return ohm_cm_from_metal(metal) * ANGSTROM_CM
