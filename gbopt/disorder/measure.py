"""Frames of a run -> its figures, flags and tables."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gbopt.analysis.frames import drift_corrected
from gbopt.analysis.framework import (
    AMORPHOUS_SHARE,
    NEAREST_CATIONS,
    Framework,
    FrameworkMotion,
)
from gbopt.analysis.li_sites import DEFAULTS as SITE_DEFAULTS
from gbopt.analysis.pairs import PairFunctions, PairResult
from gbopt.analysis.site_network import SiteNetwork
from gbopt.analysis.tracer import FEW_HOPS, TracerDiffusion, tracer_diffusion
from gbopt.analysis.vibration import SpectrumResult, VibrationalSpectrum
from gbopt.config.study import StudyConfig
from gbopt.disorder.curves import save_curves
from gbopt.disorder.frames import is_whole, open_frames
from gbopt.disorder.stages import NETWORK, PRODUCTION, VIBRATION
from gbopt.disorder.systems import Run
from gbopt.evaluate.known_sites import li_site_network
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.evaluation import QualityFlag
from gbopt.store.files import write_atomic

# Below this exponent of the MSD, ions are still on their way out of their cages.
_DIFFUSIVE = 0.8
_FEW_HOPS_PER_ION = 1.0
_SPECTRUM_SEGMENTS = 5
_RESOLUTION_THZ = 0.25


class Measured(NamedTuple):
    """What the frames of a run gave."""

    diffusion: TracerDiffusion
    framework: FrameworkMotion
    flags: tuple[QualityFlag, ...]
    network: SiteNetwork | None = None
    """Li sites and jumps; None where they were not followed."""
    pairs: PairResult | None = None
    """Pair functions, where the network was followed."""
    spectrum: SpectrumResult | None = None
    """Vibrations; None where they were not followed."""


def measure(config: StudyConfig, run: Run, structure: Bicrystal, folder: Path) -> Measured:
    """Analyse the frames of a run; its curves go into the folder.

    Args:
        config: the study.
        run: which one.
        structure: the cell that it started from.
        folder: of the run.

    Raises:
        AnalysisError: the frames do not give what is asked for.
    """
    dynamics = config.dynamics
    diffusion = tracer_diffusion(
        lambda: open_frames(folder, PRODUCTION), lag_ps=dynamics.lag_ps, segments=dynamics.segments
    )
    _write_msd(diffusion, folder)
    followed = is_whole(folder, NETWORK)
    motion, pairs = _framework(structure, folder, with_pairs=followed)
    network = li_site_network(open_frames(folder, NETWORK), SITE_DEFAULTS) if followed else None
    spectrum = _spectrum(folder) if is_whole(folder, VIBRATION) else None
    for curves in (pairs, spectrum):
        if curves is not None:
            save_curves(curves, folder)
    flags = (*_diffusion_flags(diffusion), _framework_flag(run, motion, structure))
    return Measured(diffusion, motion, flags, network, pairs, spectrum)


def _framework(
    structure: Bicrystal, folder: Path, *, with_pairs: bool
) -> tuple[FrameworkMotion, PairResult | None]:
    trajectory = open_frames(folder, PRODUCTION)
    framework = Framework(trajectory.info, structure.sites)
    pairs = PairFunctions(trajectory.info) if with_pairs else None
    for frame in drift_corrected(trajectory):
        framework.add(frame)
        if pairs is not None:
            pairs.add(frame)
    return framework.result(), pairs.result() if pairs is not None else None


def _spectrum(folder: Path) -> SpectrumResult:
    trajectory = open_frames(folder, VIBRATION)
    info = trajectory.info
    # As fine as a segment is long, but no finer than lines are apart.
    segment_ps = info.n_frames // _SPECTRUM_SEGMENTS * info.frame_interval_ps
    spectrum = VibrationalSpectrum(
        info,
        resolution_THz=max(_RESOLUTION_THZ, 1.05 / segment_ps),
        segments=_SPECTRUM_SEGMENTS,
    )
    for frame in trajectory.frames:
        spectrum.add(frame)
    return spectrum.result()


def _write_msd(diffusion: TracerDiffusion, folder: Path) -> None:
    lines = ["lag_ps,msd_A2"]
    for lag_ps, msd in zip(diffusion.curve.lag_ps, diffusion.curve.msd_A2, strict=True):
        lines.append(f"{lag_ps:.8g},{msd.sum():.8g}")
    write_atomic(folder / "msd.csv", "\n".join(lines) + "\n")


def _diffusion_flags(diffusion: TracerDiffusion) -> tuple[QualityFlag, ...]:
    bound = diffusion.D_cm2_s.bound is not None
    few = diffusion.hops_per_ion < _FEW_HOPS_PER_ION
    slow = diffusion.exponent < _DIFFUSIVE
    hops = (
        f"fewer than {FEW_HOPS} hops in the run: D is an upper bound"
        if bound
        else f"{diffusion.hops_per_ion:.2g} hops an ion"
    )
    return (
        QualityFlag(
            name="hops",
            level="warn" if few else "ok",
            measured=diffusion.hops_per_ion,
            limit=_FEW_HOPS_PER_ION,
            message=f"{hops}" + (": lengthen production_ps." if few else "."),
        ),
        QualityFlag(
            name="exponent",
            level="warn" if slow else "ok",
            measured=round(diffusion.exponent, 3),
            limit=_DIFFUSIVE,
            message=f"log2 M(2t)/M(t) is {diffusion.exponent:.2f} at {diffusion.lag_ps:g} ps"
            + (": Li is not yet diffusive, so D may still fall with the lag." if slow else "."),
        ),
    )


def _framework_flag(run: Run, motion: FrameworkMotion, structure: Bicrystal) -> QualityFlag:
    """A crystal must stay one; a glass must not flow."""
    if run.system.kind == "crystal":
        share = motion.displaced_share
        return QualityFlag(
            name="amorphous",
            level="fail" if motion.amorphous else "ok",
            measured=share,
            limit=AMORPHOUS_SHARE,
            message=f"{share:.1%} of La and Zr off their crystal sites at the end"
            + (": the crystal has become amorphous or molten." if motion.amorphous else "."),
        )
    molten = motion.molten(structure.lattice_A)
    return QualityFlag(
        name="framework",
        level="fail" if molten else "ok",
        measured=max(motion.rms_La_A, motion.rms_Zr_A),
        limit=NEAREST_CATIONS * structure.lattice_A,
        message=f"La moved by {motion.rms_La_A:.2f} A and Zr by {motion.rms_Zr_A:.2f} A during "
        "production" + (": the glass has melted." if molten else "."),
    )
