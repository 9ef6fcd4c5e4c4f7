from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from gbopt.analysis.field import BATCHES, BLOCKS, FieldCurrent
from gbopt.analysis.potential import (
    ChargeBatches,
    ChargeProfile,
    FieldRun,
    VoltageDivider,
    voltage_divider,
)
from gbopt.analysis.slabs import boundary_windows
from gbopt.analysis.statistics import interval
from gbopt.errors import AnalysisError
from gbopt.model.observables import Estimate
from gbopt.model.trajectory import TrajectoryInfo
from gbopt.units import BOLTZMANN_EV_K, VACUUM_PERMITTIVITY_E_V_A
from gbopt.validate.media import EDGE_A, TEMPERATURE_K, info_of

LENGTH_A = 40.0
PLANES = (10.0, 30.0)
N_FRAMES = 2 * BATCHES + 1
FIELD_V_A = 0.02
THERMAL_EV = BOLTZMANN_EV_K * TEMPERATURE_K
SEEDS = 20

Floats = NDArray[np.float64]


def profile(
    frames: Iterable[Floats], info: TrajectoryInfo, charges: Floats, bin_A: float = 0.25
) -> ChargeBatches:
    accumulator = ChargeProfile(info, charges, bin_A=bin_A)
    for frame in frames:
        accumulator.add(frame)
    return accumulator.result()


def values(estimates: tuple[Estimate, Estimate]) -> list[float]:
    return [estimate.value for estimate in estimates]


def rise_A(moment_A2: Floats) -> Floats:
    """Step of the potential across a dipole layer, V per V/A."""
    return moment_A2 / (VACUUM_PERMITTIVITY_E_V_A * EDGE_A**2)


class Polarised:
    """Frozen ions, but for two cations on either side of each boundary that the field displaces.

    They go against the field, which makes the dipole of charge piled up against a boundary.
    """

    moment_A2 = np.array([-4.0, -10.0])
    """Dipole moment at each boundary over the field, e A per V/A."""

    def __init__(self, shift_A: float = 0.0, structure: int = 0) -> None:
        rng = np.random.default_rng(structure)
        self.frozen = rng.random(50) * LENGTH_A + shift_A
        self.planes = np.add(PLANES, shift_A)
        self.charges = np.append(rng.normal(0.0, 2.0, 50), np.ones(4))
        self.charges[:50] -= self.charges.sum() / 50

    def run(self, field_V_A: float, bin_A: float = 0.25) -> FieldRun:
        moved = self.moment_A2 * field_V_A / 2
        frame = np.zeros((54, 3))
        frame[:, 2] = np.r_[self.frozen, self.planes - 2 + moved, self.planes + 2 + moved]
        info = info_of(np.zeros(54, dtype=np.int8), LENGTH_A, N_FRAMES)
        return FieldRun(field_V_A, profile([frame] * N_FRAMES, info, self.charges, bin_A), 0.0)

    @property
    def uniform(self) -> float:
        """Field away from the dipoles over the applied one: the mean field is the applied one."""
        return float(1 + rise_A(self.moment_A2).sum() / LENGTH_A)

    @property
    def shares(self) -> Floats:
        return self.uniform / 2 - rise_A(self.moment_A2) / LENGTH_A


def assert_divided(found: VoltageDivider, cell: Polarised) -> None:
    assert values(found.shares) == pytest.approx(cell.shares, abs=1e-9)
    assert sum(values(found.shares)) == pytest.approx(1.0, abs=1e-15)
    assert values(found.grain_field) == pytest.approx([cell.uniform] * 2, abs=1e-9)


@pytest.mark.parametrize("bin_A", [0.25, 0.7])
@pytest.mark.parametrize("fields", [(0.0, 0.02), (-0.01, 0.01), (0.0, 0.01, 0.02, -0.02)])
def test_dipoles_divide_the_voltage_exactly(fields: tuple[float, ...], bin_A: float) -> None:
    cell = Polarised()
    assert cell.shares == pytest.approx([0.364, 0.636], abs=1e-3)
    assert cell.uniform == pytest.approx(0.367, abs=1e-3)
    assert_divided(voltage_divider([cell.run(field, bin_A) for field in fields], PLANES), cell)


def test_potential_falls_evenly_between_the_dipoles() -> None:
    cell = Polarised()
    z_A, found, std_err = voltage_divider([cell.run(0.0), cell.run(0.02)], PLANES).potential
    assert z_A[[0, -1]] == pytest.approx([0.0, LENGTH_A])
    assert found[-1] - found[0] == pytest.approx(-LENGTH_A)
    clear = (np.abs(z_A - PLANES[0]) > 3) & (np.abs(z_A - PLANES[1]) > 3)
    below, above = (z_A < PLANES[0]).astype(float), (z_A > PLANES[1]).astype(float)
    first, second = rise_A(cell.moment_A2)
    expected = -cell.uniform * (z_A - 20.0) - first * below + second * above
    assert found[clear] == pytest.approx(expected[clear], abs=1e-9)
    assert std_err == pytest.approx(0.0, abs=1e-9)


def test_without_a_response_the_windows_share_by_length() -> None:
    planes = (6.0, 31.0)
    cell = Polarised()
    run = cell.run(0.0)
    found = voltage_divider([run, run._replace(field_V_A=0.02)], planes)
    lengths = [high - low for low, high in boundary_windows(planes, LENGTH_A)]
    assert values(found.shares) == pytest.approx(np.divide(lengths, LENGTH_A))
    assert values(found.grain_field) == pytest.approx([1.0, 1.0])
    assert found.shares[0].std_err == pytest.approx(0.0, abs=1e-12)
    assert np.diff(found.potential.per_field_A) == pytest.approx(-0.25)


@pytest.mark.parametrize("shift_A", [0.1, 0.137, 12.0, 33.3, -51.7])
def test_origin_does_not_matter(shift_A: float) -> None:
    cell = Polarised(shift_A)
    first, second = cell.planes
    found = voltage_divider([cell.run(-0.01), cell.run(0.02)], (first, second))
    assert_divided(found, cell)
    z_A, potential, _ = found.potential
    zero_A = (first + second) / 2 % LENGTH_A
    assert np.interp(zero_A, z_A, potential) == pytest.approx(0.0, abs=1e-9)


def test_order_of_the_planes_is_that_of_the_shares() -> None:
    cell = Polarised()
    found = voltage_divider([cell.run(0.0), cell.run(0.02)], (30.0, 10.0))
    assert values(found.shares) == pytest.approx(cell.shares[::-1], abs=1e-9)


def test_a_pair_of_fields_cancels_the_age_of_the_run_without_one() -> None:
    cell, younger = Polarised(), Polarised(structure=1).run(0.0)
    assert_divided(voltage_divider([younger, cell.run(0.02), cell.run(-0.02)], PLANES), cell)
    mistaken = voltage_divider([younger, cell.run(0.02)], PLANES)
    assert abs(mistaken.shares[0].value - cell.shares[0]) > 1.0


def test_a_steady_change_with_time_is_taken_out_of_four_runs() -> None:
    """The dipole at the first boundary grows from run to run besides following the field."""
    fields, growth = (0.02, -0.02, -0.01, 0.01), 0.01

    def run(index: int, field: float) -> FieldRun:
        moment = 0.1 * field / FIELD_V_A + growth * index
        return FieldRun(field, varying(np.full(BATCHES, moment)), 0.0)

    aged = [run(index, field) for index, field in enumerate(fields)]
    still = [run(0, field) for field in fields]
    expected = values(voltage_divider(still, PLANES).shares)
    assert values(voltage_divider(aged, PLANES).shares) == pytest.approx(expected, abs=1e-9)
    two = values(voltage_divider(aged[:2], PLANES).shares)
    assert abs(two[0] - expected[0]) > 0.005


def varying(moments_e_A: Floats) -> ChargeBatches:
    """Charges that make a dipole at the first boundary, one moment in each batch."""
    charge_e = np.zeros((BATCHES, 40))
    charge_e[:, 12], charge_e[:, 8] = moments_e_A / 4, -moments_e_A / 4
    return ChargeBatches(charge_e=charge_e, length_A=LENGTH_A, area_A2=EDGE_A**2, batch_ps=0.3)


def share_of(moment_e_A: Floats) -> Floats:
    """Of the first boundary, when it alone has a dipole in a run at the field."""
    return 0.5 - rise_A(moment_e_A / FIELD_V_A) / (2 * LENGTH_A)


def test_error_is_that_of_the_steady_blocks() -> None:
    moments = np.random.default_rng(0).normal(0.1, 0.02, BATCHES)
    still = FieldRun(0.0, varying(np.zeros(BATCHES)), 0.0)
    found = voltage_divider([still, FieldRun(FIELD_V_A, varying(moments), 0.0)], PLANES)
    blocks = share_of(moments.reshape(BLOCKS, -1).mean(axis=1))
    for share in found.shares:
        assert share.std_err == pytest.approx(blocks.std(ddof=1) / np.sqrt(BLOCKS))
        assert share.n_eff == pytest.approx(BLOCKS)
    assert found.shares[0].value == pytest.approx(blocks.mean())
    z_A, potential, std_err = found.potential
    assert potential[-1] - potential[0] == pytest.approx(-LENGTH_A)
    assert std_err[z_A == 20.0] == pytest.approx(0.0, abs=1e-12)
    assert std_err[z_A == 0.0] == pytest.approx(found.shares[0].std_err * LENGTH_A)


def test_errors_of_a_pair_add_up() -> None:
    rng = np.random.default_rng(1)
    up, down = (
        FieldRun(sign * FIELD_V_A, varying(sign * rng.normal(0.1, 0.02, BATCHES)), 0.0)
        for sign in (1, -1)
    )
    still = FieldRun(0.0, varying(np.zeros(BATCHES)), 0.0)
    alone = [voltage_divider([run, still], PLANES).shares[0] for run in (up, down)]
    pair = voltage_divider([up, down], PLANES).shares[0]
    assert pair.value == pytest.approx(np.mean([e.value for e in alone]))
    assert pair.std_err == pytest.approx(np.hypot(*(e.std_err for e in alone)) / 2)
    assert BLOCKS < pair.n_eff < 2 * BLOCKS


@pytest.mark.parametrize(("cut", "dropped_ps"), [(0, 0.0), (4, 4 * 0.3), (4, 1.0), (18, 5.4)])
def test_the_transient_is_cut_in_whole_batches(cut: int, dropped_ps: float) -> None:
    moments = np.full(BATCHES, 0.1)
    moments[:cut] = 10.0
    runs = [
        FieldRun(0.0, varying(np.zeros(BATCHES)), 0.0),
        FieldRun(FIELD_V_A, varying(moments), dropped_ps),
    ]
    found = voltage_divider(runs, PLANES).shares[0]
    assert found.value == pytest.approx(float(share_of(np.array(0.1))))
    assert found.std_err == pytest.approx(0.0, abs=1e-12)


def pair_at(z_A: float) -> Floats:
    """A cation there and an anion at the origin."""
    return np.array([[0.0, 0.0, z_A], [0.0, 0.0, 0.0]])


PAIR = np.array([1.0, -1.0])


def pair_info(n_frames: int) -> TrajectoryInfo:
    return info_of(np.zeros(2, dtype=np.int8), LENGTH_A, n_frames)


def test_batches_hold_their_frames() -> None:
    """The first frame is in no batch; the second and the third make the first one."""
    n_frames = 2 * BATCHES + 4
    frames = [pair_at(1.0 + frame) for frame in range(n_frames)]
    found = profile(frames, pair_info(n_frames), PAIR, bin_A=1.0)
    assert found.charge_e.shape == (BATCHES, 40)
    assert found.batch_ps == pytest.approx(0.2)
    assert (found.length_A, found.area_A2) == pytest.approx((LENGTH_A, EDGE_A**2))
    assert found.charge_e[:, 0] == pytest.approx(np.r_[np.full(19, -1.0), -0.5])
    for batch in range(BATCHES - 1):
        assert found.charge_e[batch, 2 * batch + 2 : 2 * batch + 4] == pytest.approx([0.5, 0.5])
    assert found.charge_e.sum(axis=1) == pytest.approx(0.0)


def test_dipole_is_kept_within_a_bin_and_across_the_cell() -> None:
    for z_A, node in ((3.2, 3), (-3.8 - LENGTH_A, 36), (39.2, 39)):
        found = profile([pair_at(z_A)] * N_FRAMES, pair_info(N_FRAMES), PAIR, bin_A=1.0)
        expected = np.zeros(40)
        expected[0] = -1.0
        expected[node] += 0.8
        expected[(node + 1) % 40] += 0.2
        assert found.charge_e[0] == pytest.approx(expected)


def test_a_run_ended_early_keeps_its_whole_batches() -> None:
    accumulator = ChargeProfile(pair_info(N_FRAMES), PAIR)
    for _ in range(8):
        accumulator.add(pair_at(3.0))
    with pytest.raises(AnalysisError, match="ended after 8 frames of the 41 needed"):
        accumulator.result()
    found = accumulator.result(ended_early=True)
    assert found.charge_e.shape == (3, 160)
    assert found.charge_e[:, 12] == pytest.approx(1.0)


def test_memory_does_not_grow_with_the_run() -> None:
    held = []
    for n_frames in (100, 100_000):
        arrays = vars(ChargeProfile(pair_info(n_frames), PAIR)).values()
        held.append(sum(a.nbytes for a in arrays if isinstance(a, np.ndarray)))
    assert held == [8 * (160 * BATCHES + 2)] * 2


def test_refuses_what_it_cannot_measure() -> None:
    with pytest.raises(AnalysisError, match="3 charges were given for 2 ions"):
        ChargeProfile(pair_info(N_FRAMES), np.zeros(3))
    with pytest.raises(AnalysisError, match="add up to 2 e"):
        ChargeProfile(pair_info(N_FRAMES), np.ones(2))
    with pytest.raises(AnalysisError, match="20 frames cannot be divided"):
        ChargeProfile(pair_info(20), PAIR)
    still = FieldRun(0.0, varying(np.zeros(BATCHES)), 0.0)
    driven = still._replace(field_V_A=FIELD_V_A)
    with pytest.raises(AnalysisError, match="with one field") as error:
        voltage_divider([driven, driven], PLANES)
    assert "reversed" in error.value.hint
    for change in ({"length_A": 41.0}, {"area_A2": 90.0}, {"charge_e": np.zeros((BATCHES, 80))}):
        other = driven._replace(batches=replace(driven.batches, **change))
        with pytest.raises(AnalysisError, match="differ in their cell"):
            voltage_divider([still, other], PLANES)
    with pytest.raises(AnalysisError, match="less than two batches"):
        voltage_divider([still, driven._replace(dropped_ps=19 * 0.3)], PLANES)


class Plasma:
    """Charged sheets in a medium of layered mobility: drift, diffusion and Coulomb forces.

    N mobile sheets of charge 1 in a uniform background feel the periodic field of all others and
    the applied one. The medium is slower by 1 + s_i cos^2(pi u/w) at a distance u < w/2 from
    boundary i, so its half of the cell has the resistance of L/2 + s_i w/2 of grain. Layers are
    far wider than the screening length, and far from the probes, so the series law holds.
    """

    n = 120
    grid = 40
    """Sheets at rest that stand for the background in the charge profile."""
    screening_A = 0.7
    D_A2_ps = 0.2
    slower = np.array([8.0, 2.0])
    width_A = 8.0
    resistance_A = LENGTH_A / 2 + slower * width_A / 2
    """Of each boundary, mid-grain to mid-grain, in lengths of grain."""
    step_ps = 0.1
    steps_per_frame = 10
    n_frames = 501

    def __init__(self, fields_V_A: Floats, seed: int) -> None:
        self.fields_V_A = fields_V_A[:, None]
        density = VACUUM_PERMITTIVITY_E_V_A * THERMAL_EV / self.screening_A**2
        self.area_A2 = self.n / (density * LENGTH_A)
        self._rng = np.random.default_rng(seed)

    @property
    def info(self) -> TrajectoryInfo:
        info = info_of(np.zeros(self.n + self.grid, dtype=np.int8), LENGTH_A, self.n_frames)
        edge_A = np.sqrt(self.area_A2)
        interval_ps = self.step_ps * self.steps_per_frame
        return replace(
            info, cell=np.diag([edge_A, edge_A, LENGTH_A]), frame_interval_ps=interval_ps
        )

    @property
    def charges(self) -> Floats:
        return np.append(np.ones(self.n), np.full(self.grid, -self.n / self.grid))

    def positions(self) -> Iterator[Floats]:
        """(runs, n) z of the mobile sheets, unwrapped, one run for each field."""
        runs = len(self.fields_V_A)
        z = (np.arange(self.n) + self._rng.random((runs, self.n))) * LENGTH_A / self.n
        for frame in range(self.n_frames):
            for _ in range(self.steps_per_frame if frame else 0):
                D, gradient = self._diffusivity(z)
                noise = self._rng.normal(0.0, np.sqrt(2 * D * self.step_ps))
                # Ito: without the gradient of D, sheets would gather where it is low.
                z = z + (D * self._field(z) / THERMAL_EV + gradient) * self.step_ps + noise
            yield z

    def _field(self, z: Floats) -> Floats:
        wrapped = z % LENGTH_A
        rank = np.argsort(np.argsort(wrapped, axis=1), axis=1)
        below = rank + 0.5 - self.n * wrapped / LENGTH_A
        mean = self.n / 2 - wrapped.sum(axis=1, keepdims=True) / LENGTH_A
        return self.fields_V_A + (below - mean) / (VACUUM_PERMITTIVITY_E_V_A * self.area_A2)

    def _diffusivity(self, z: Floats) -> tuple[Floats, Floats]:
        """D and dD/dz; the boundaries are half a cell apart."""
        half = LENGTH_A / 2
        slower = self.slower[((z - PLANES[0] + half / 2) % LENGTH_A > half).astype(int)]
        u = (z - PLANES[0] + half / 2) % half - half / 2
        slower = np.where(np.abs(u) < self.width_A / 2, slower, 0.0)
        phase = 2 * np.pi * u / self.width_A
        resistance = 1 + slower * (1 + np.cos(phase)) / 2
        D = self.D_A2_ps / resistance
        return D, D / resistance * slower * np.pi / self.width_A * np.sin(phase)


Trio = tuple[FieldRun, FieldRun, FieldRun]


@pytest.fixture(scope="module")
def plasma() -> list[Trio]:
    """For each seed a run without a field, up and down; transients as the current shows them."""
    fields = np.tile([0.0, 0.04, -0.04], SEEDS)
    medium = Plasma(fields, seed=1)
    info, charges = medium.info, medium.charges
    profiles = [ChargeProfile(info, charges) for _ in fields]
    currents = [FieldCurrent(info, charges, field_V_A=field or 1.0) for field in fields]
    frame = np.zeros((len(charges), 3))
    frame[medium.n :, 2] = np.arange(medium.grid) * LENGTH_A / medium.grid
    for positions in medium.positions():
        for z, charge, current in zip(positions, profiles, currents, strict=True):
            frame[: medium.n, 2] = z
            charge.add(frame)
            current.add(frame)
    runs = [
        FieldRun(field, charge.result(), current.result().dropped_ps if field else 0.0)
        for field, charge, current in zip(fields, profiles, currents, strict=True)
    ]
    return [(runs[i], runs[i + 1], runs[i + 2]) for i in range(0, len(runs), 3)]


def assert_honest(estimates: list[Estimate], truth: float, bias: float) -> None:
    assert np.mean([e.value for e in estimates]) == pytest.approx(truth, abs=bias)
    hits = [low <= truth <= high for low, high in (interval(e, 0.95) for e in estimates)]
    assert 0.85 <= np.mean(hits) <= 1.0, f"covered {np.mean(hits)}"


@pytest.mark.parametrize(
    ("first", "second", "bias"), [(1, 2, 0.01), (0, 1, 0.02)], ids=["up and down", "none and up"]
)
def test_plasma_obeys_the_series_law(
    plasma: list[Trio], first: int, second: int, bias: float
) -> None:
    found = [voltage_divider([trio[first], trio[second]], PLANES) for trio in plasma]
    resistance_A = Plasma.resistance_A
    share = float(resistance_A[0] / resistance_A.sum())
    assert share == pytest.approx(0.65)
    assert_honest([divider.shares[0] for divider in found], share, bias)
    fields = [field for divider in found for field in divider.grain_field]
    assert_honest(fields, LENGTH_A / float(resistance_A.sum()), 3 * bias)


def test_error_is_what_the_shares_scatter_by(plasma: list[Trio]) -> None:
    shares = [voltage_divider(trio, PLANES).shares[0] for trio in plasma]
    scatter = np.std([e.value for e in shares], ddof=1)
    assert 0.6 < np.mean([e.std_err for e in shares]) / scatter < 1.6


def test_dropped_time_is_a_whole_number_of_batches(plasma: list[Trio]) -> None:
    dropped = np.array([run.dropped_ps / run.batches.batch_ps for trio in plasma for run in trio])
    assert dropped == pytest.approx(dropped.round())
    assert dropped.max() > 0


def test_a_grain_that_shifts_a_little_makes_no_field() -> None:
    """Planes of 12 charges, 2 A apart, volts of ripple: one grain is 0.05 A off in one run."""
    z = np.arange(0.5, LENGTH_A, 1.0)
    charges = 12.0 * (-1.0) ** np.arange(len(z))
    second = (z > PLANES[0]) & (z < PLANES[1])
    info = info_of(np.zeros(len(z), dtype=np.int8), LENGTH_A, N_FRAMES)

    def run(field_V_A: float, shift_A: float) -> FieldRun:
        frame = np.zeros((len(z), 3))
        frame[:, 2] = z + np.where(second, shift_A, 0.0)
        return FieldRun(field_V_A, profile([frame] * N_FRAMES, info, charges), 0.0)

    found = voltage_divider([run(FIELD_V_A, 0.05), run(-FIELD_V_A, 0.0)], PLANES)
    assert values(found.grain_field) == pytest.approx([1.0, 1.0], abs=0.1)
