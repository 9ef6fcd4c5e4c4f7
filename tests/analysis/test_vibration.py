"""Spectra of oscillators, of noise, of diffusion and of crystalline LLZO."""

import numpy as np
import pytest

from gbopt.analysis.vibration import VibrationalSpectrum
from gbopt.config import MDConfig
from gbopt.errors import AnalysisError
from gbopt.geometry.bulk import build_bulk
from gbopt.md.engine import EngineSettings
from gbopt.md.protocol import Stage
from gbopt.md.run import run_md
from gbopt.model.bicrystal import ELEMENT_MASSES_AMU, LA, LI, ZR, O
from gbopt.model.trajectory import TrajectoryInfo
from gbopt.potentials.library import get_potential
from gbopt.units import AMU_A2_PS2_EV, BOLTZMANN_EV_K

STEP_PS = 0.01


def info_of(species, n_frames, content="velocities"):
    return TrajectoryInfo(
        species=np.asarray(species, dtype=np.int8),
        cell=10 * np.eye(3),
        frame_interval_ps=STEP_PS,
        n_frames=n_frames,
        temperature_K=1000.0,
        content=content,
    )


def measured(species, velocities, **settings):
    spectrum = VibrationalSpectrum(info_of(species, len(velocities)), **settings)
    for frame in velocities:
        spectrum.add(frame)
    return spectrum.result()


def relative(species, velocities):
    """Relative to the centre of mass."""
    weights = np.asarray(ELEMENT_MASSES_AMU)[species]
    return velocities - np.einsum("i,tix->tx", weights / weights.sum(), velocities)[:, None]


def oscillating(frequencies_THz, frames, seed=3):
    """Velocities of oscillators, phases and amplitudes drawn along every axis."""
    rng = np.random.default_rng(seed)
    n = len(frequencies_THz)
    phase = rng.random((n, 3)) * 2 * np.pi
    size = rng.rayleigh(size=(n, 3))
    t = STEP_PS * np.arange(frames)[:, None, None]
    return size * np.cos(2 * np.pi * np.asarray(frequencies_THz)[:, None] * t + phase)


def test_the_integral_is_the_mean_squared_velocity():
    """To rounding where all frames weigh alike; that of Hann's window weighs them by its square."""
    species = [LI] * 5 + [O] * 7
    velocities = np.random.default_rng(1).normal(size=(2000, 12, 3)) + 0.3
    for window in ("boxcar", "hann"):
        found = measured(species, velocities, resolution_THz=0.25, window=window)
        assert len(found.frequency_THz) == 201
        v = relative(species, velocities)
        hann = np.sin(np.pi * np.arange(400) / 400) ** 4
        weight = hann if window == "hann" else np.ones(400)
        expected = np.average((v**2).reshape(5, 400, 12, 3).mean(axis=(0, 3)), 0, weight)
        for element, ions in (("Li", slice(5)), ("O", slice(5, 12))):
            mean = found.mean_square_velocity(element)
            assert mean == pytest.approx(expected[ions].mean(), rel=1e-10), window


def test_an_oscillator_is_found_at_its_frequency():
    species = [LI] * 30 + [O] * 30
    velocities = oscillating([5.0] * 30 + [18.3] * 30, 4000)
    found = measured(species, velocities, resolution_THz=0.25, segments=4)
    f = found.frequency_THz
    assert f[1] == pytest.approx(0.25)
    assert f[-1] == pytest.approx(50.0)
    for element, at in (("Li", 5.0), ("O", 18.3)):
        value, error = found.density(element)
        assert np.trapezoid(value, f) == pytest.approx(1.0, rel=1e-12)
        assert f[value.argmax()] == pytest.approx(at, abs=0.125)
        near = np.abs(f - at) < 1.0
        # What Hann's window leaves farther away, and the recoil of the other element.
        assert np.trapezoid(np.where(near, value, 0.0), f) > 0.95
        assert error.max() < 0.1 * value.max()
    rows = found.rows()
    assert len(rows) == len(f)
    assert rows[4]["cm-1"] == pytest.approx(33.356, abs=1e-3)
    assert rows[4]["meV"] == pytest.approx(4.1357, abs=1e-4)


def test_modes_and_the_spectrum_of_all():
    """At one temperature each mode counts once, whatever it weighs."""
    rng = np.random.default_rng(2)
    species = np.array([LI] * 20 + [ZR] * 10 + [O] * 30)
    size = np.sqrt(BOLTZMANN_EV_K * 700 / AMU_A2_PS2_EV / np.asarray(ELEMENT_MASSES_AMU)[species])
    velocities = rng.normal(size=(8000, 60, 3)) * size[:, None]
    found = measured(species, velocities, resolution_THz=1.0, segments=5)
    modes = {element: found.modes(element) for element in found.elements}
    assert sum(modes.values()) == pytest.approx(3 * 60 - 3)
    for element in found.elements:
        estimate = found.temperature(element)
        assert estimate.value == pytest.approx(700, rel=0.01)
        assert abs(estimate.value - 700) < 4 * estimate.std_err
    mixed = sum(modes[e] * found.density(e)[0] for e in found.elements) / 177
    assert found.total()[0] == pytest.approx(mixed, rel=0.01)


def test_white_noise_is_flat_and_its_errors_cover_that():
    velocities = np.random.default_rng(6).normal(size=(6000, 20, 3))
    found = measured([O] * 20, velocities, resolution_THz=1.0, segments=10)
    value, error = found.density("O")
    assert value == pytest.approx(1 / 50, rel=0.1)
    off = (value - 1 / 50) / error
    assert np.median(np.abs(off)) == pytest.approx(0.70, abs=0.3)


def test_a_common_motion_is_taken_off():
    velocities = oscillating([8.0] * 10 + [14.0] * 10, 2000)
    species = [LI] * 10 + [LA] * 10
    moved = velocities + np.array([3.0, -1.0, 0.5])
    still, moving = (measured(species, v).spectra for v in (velocities, moved))
    assert moving == pytest.approx(still, abs=1e-12)


def test_the_value_at_zero_is_the_diffusivity():
    """Langevin: S(f) = 4 D / (1 + (2 pi f / gamma)^2), D = <v^2> / gamma."""
    rng, gamma, frames, n = np.random.default_rng(4), 8.0, 20000, 50
    keep = np.exp(-gamma * STEP_PS)
    v = rng.normal(size=(n, 3))
    velocities = np.empty((frames, 2 * n, 3))
    for frame in velocities:
        v = keep * v + np.sqrt(1 - keep**2) * rng.normal(size=(n, 3))
        frame[:n] = v
        frame[n:] = -v * 6.94 / 138.90547  # the centre of mass at rest
    found = measured([LI] * n + [LA] * n, velocities, resolution_THz=0.1, segments=5)
    # The sampled process, whose sum over times is that of a geometric series.
    D_A2_ps = STEP_PS * (0.5 + keep / (1 - keep))
    assert D_A2_ps == pytest.approx(1 / gamma, rel=1e-3)
    estimate = found.diffusivity("Li")
    assert estimate.unit == "cm2/s"
    assert estimate.value == pytest.approx(1e-4 * D_A2_ps, rel=0.08)
    assert abs(estimate.value - 1e-4 * D_A2_ps) < 4 * estimate.std_err
    value, _ = found.spectrum("Li")
    f = found.frequency_THz
    low = f < 3
    expected = 4 / gamma / (1 + (2 * np.pi * f / gamma) ** 2)
    assert value[low] == pytest.approx(expected[low], rel=0.12)


def test_a_run_of_llzo(tmp_path):
    """Set C, 192 ions, NVE: every element at the temperature, O faster than La and Zr."""
    settings = EngineSettings(
        engine="lammps",
        accelerator="omp",
        buckingham_cutoff_A=6.3,
        coulomb_cutoff_A=6.3,
    )
    warm = {"start_K": 700.0, "end_K": 700.0}
    stages = (
        Stage(name="minimise", kind="minimise", steps=50, max_move_A=0.05),
        Stage(name="nvt", kind="dynamics", steps=400, velocity_seed=3, **warm),
        Stage(
            name="spectrum",
            kind="production",
            ensemble="nve",
            steps=1000,
            frame_steps=4,
            sends="velocities",
            **warm,
        ),
    )
    kelvin = []
    with run_md(
        build_bulk(1, 13.0, 0),
        get_potential("llzo-buckingham-c"),
        stages,
        MDConfig(),
        settings=settings,
        folder=tmp_path,
        stall_s=60,
        on_progress=lambda p: kelvin.append(p.temperature_K) if p.stage == "spectrum" else None,
    ) as run:
        trajectory = run.trajectory()
        spectrum = VibrationalSpectrum(
            trajectory.info, resolution_THz=1.0, segments=2, window="boxcar"
        )
        for frame in trajectory.frames:
            spectrum.add(frame)
    found = spectrum.result()
    assert found.elements == ("Li", "La", "Zr", "O")
    # <v^2> of each is kT/m: together exactly the kinetic energy that LAMMPS reports.
    modes = np.array([found.modes(element) for element in found.elements])
    assert modes.sum() == pytest.approx(3 * 191)
    each_K = np.array([found.temperature(element).value for element in found.elements])
    assert modes @ each_K / modes.sum() == pytest.approx(np.mean(kelvin), rel=0.005)
    # 48 modes of Zr over 2 ps, which are some ten independent moments: 6 %.
    assert each_K == pytest.approx(np.mean(kelvin), rel=0.25)
    f = found.frequency_THz
    high = {e: np.trapezoid(np.where(f > 14, found.density(e)[0], 0), f) for e in found.elements}
    assert high["O"] > 0.1
    assert high["O"] > 2 * max(high["La"], high["Zr"])
    assert high["La"] < 0.05
    mean = {e: np.trapezoid(f * found.density(e)[0], f) for e in found.elements}
    assert mean["La"] < mean["Zr"] < mean["O"]


def test_refusals():
    with pytest.raises(AnalysisError, match="cannot be had from positions"):
        VibrationalSpectrum(info_of([LI], 1000, "positions"))
    with pytest.raises(AnalysisError, match="no 5 segments of a window of 4 ps") as caught:
        VibrationalSpectrum(info_of([LI], 1000))
    assert "run for 20 ps" in caught.value.hint
    with pytest.raises(AnalysisError, match="no 2 segments"):
        VibrationalSpectrum(info_of([LI], 1000), segments=1)
    still = measured([LI, O], np.zeros((1000, 2, 3)), resolution_THz=1.0)
    with pytest.raises(AnalysisError, match="Li does not move"):
        still.density("Li")
    with pytest.raises(AnalysisError, match="no Zr among Li, O"):
        still.spectrum("Zr")
    spectrum = VibrationalSpectrum(info_of([LI], 1000), resolution_THz=1.0)
    with pytest.raises(AnalysisError, match="ended after 0 frames"):
        spectrum.result()
