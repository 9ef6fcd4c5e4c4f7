"""Transport in grain boundaries: Li diffusivity in bulk over that in low-energy boundaries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gbopt.analysis.frames import drift_corrected
from gbopt.analysis.profile import TransportProfile
from gbopt.analysis.slabs import Window, core_windows
from gbopt.analysis.statistics import Mask, combine, segment_estimate
from gbopt.analysis.transport import LiTransport
from gbopt.config import MDConfig
from gbopt.disorder.frames import engine_of, open_frames, record_run
from gbopt.evaluate.engines import fitted
from gbopt.geometry.build import build_bicrystal
from gbopt.md.engine import EngineSettings
from gbopt.md.protocol import boundary_stages
from gbopt.model.observables import Estimate
from gbopt.model.spec import GBSpec
from gbopt.potentials.library import get_potential
from gbopt.provenance import derive_seed
from gbopt.units import A2_PS_TO_CM2_S
from gbopt.validate.check import Bench, Measured, plain
from gbopt.validate.diffusion import Crystals, diffusivities, ratio
from gbopt.validate.findings import Finding
from gbopt.validate.lattice import silent

_BIN_A = 1.0
_SEGMENTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """A symmetric tilt boundary without disorder on purpose, and its bulk crystal."""

    name: str
    potential: str
    bulk: Crystals
    temperature_K: float = 1100.0
    crystal_A: float = 20.0
    window_A: float = 10.0
    """Slab around each boundary whose Li counts as its own."""
    translations: int = 32
    """Of which the lowest in energy is taken."""
    replicas: int = 1
    npt_ps: float
    nvt_ps: float
    production_ps: float
    lag_ps: float
    seed: int = 1


def measure_boundary(spec: Boundary, bench: Bench) -> Measured:
    """D of bulk over D of the boundary, mean of three axes; mean of boundaries and replicas."""
    md = MDConfig(
        potential=spec.potential,
        temperature_K=spec.temperature_K,
        anneal_ps=0.0,
        npt_ps=spec.npt_ps,
        nvt_ps=spec.nvt_ps,
        production_ps=spec.production_ps,
    )
    settings = bench.engine(md)
    each: list[Estimate] = []
    for replica in range(spec.replicas):
        profile, engine, n_ions = _profile(spec, replica, md, settings, bench)
        each += _core_diffusivities(profile, spec.window_A)
    core = combine(each, method="[M(2t)-M(t)]/2t at the boundaries; boundaries and replicas")
    ((bulk, bulk_note),) = diffusivities(spec.bulk, bench)[0].values()
    size = f"{n_ions} ions, {spec.replicas} x {spec.production_ps:g} ps"
    found = (
        Finding(
            key=f"D boundary/{spec.name}",
            quantity=f"D of Li at {spec.name}, {spec.temperature_K:g} K, {spec.bulk.label}",
            ours=core,
            note=f"{size}, slabs of {spec.window_A:g} A",
        ),
        Finding(
            key=f"D ratio/{spec.name}",
            quantity=f"D of bulk over D at {spec.name}, {spec.temperature_K:g} K, "
            f"{spec.bulk.label}",
            ours=ratio(bulk, core),
            note=f"bulk: {bulk_note}",
        ),
    )
    return Measured(found, engine, plain(settings))


def _profile(
    spec: Boundary, replica: int, md: MDConfig, settings: EngineSettings, bench: Bench
) -> tuple[TransportProfile, str, int]:
    """What Li did in one cell, the engine, and how many ions there are."""
    potential, seed = get_potential(spec.potential), derive_seed(spec.seed, replica)
    gb = GBSpec.named(
        spec.name,
        width_layers=0,
        crystal_A=spec.crystal_A,
        relax_translations=spec.translations,
        seed=seed,
    )
    structure = fitted(build_bicrystal(gb, potential.lattice_A), settings)
    folder = bench.folder / f"replica-{replica}"
    folder.mkdir(parents=True, exist_ok=True)
    record_run(
        structure,
        potential,
        boundary_stages(md, seed),
        md,
        settings=settings,
        folder=folder,
        stall_s=bench.run.stall_s,
        on_progress=silent,
    )
    trajectory = open_frames(folder, "production")
    transport = LiTransport(trajectory.info, lag_ps=spec.lag_ps, segments=_SEGMENTS, bin_A=_BIN_A)
    for frame in drift_corrected(trajectory):
        transport.add(frame)
    return transport.result(), engine_of(folder, "production"), structure.n_ions


def _core_diffusivities(profile: TransportProfile, window_A: float) -> list[Estimate]:
    """D of the Li around each of the two boundaries, at 0 and at half the length, cm2/s."""
    windows = core_windows((0.0, profile.length_A / 2), window_A)
    return [_local(profile, window) for window in windows]


def _local(profile: TransportProfile, window: Window) -> Estimate:
    """D of displacements whose midpoint lies in the window, mean of the axes, cm2/s."""
    share = profile.bins.overlap(window) / profile.bins.width_A

    def D(mask: Mask) -> float:
        short, long = (
            np.einsum("sbx,b->", profile.sum_sq[lag, mask], share)
            / (profile.counts[lag, mask] @ share).sum()
            for lag in (0, 1)
        )
        return float(A2_PS_TO_CM2_S * (long - short) / (6 * profile.lag_ps))

    return segment_estimate(
        D,
        profile.segments,
        unit="cm2/s",
        method="[M(2t)-M(t)]/2t by midpoint in the slab; jackknife over segments",
    )
