"""Frames of a run -> its figures, flags and tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from gbopt.analysis.frames import drift_corrected
from gbopt.analysis.framework import (
    NEAREST_CATIONS,
    Framework,
    FrameworkMotion,
)
from gbopt.analysis.li_sites import DEFAULTS as SITE_DEFAULTS
from gbopt.analysis.pairs import PairFunctions, PairResult
from gbopt.analysis.site_network import SiteNetwork
from gbopt.analysis.tracer import FEW_HOPS, STEADY, TracerDiffusion, tracer_diffusion
from gbopt.analysis.vibration import SpectrumResult, VibrationalSpectrum
from gbopt.config.study import StudyConfig
from gbopt.disorder.curves import save_curves
from gbopt.disorder.frames import is_whole, open_frames
from gbopt.disorder.stages import NETWORK, PRODUCTION, VIBRATION
from gbopt.disorder.systems import Run
from gbopt.errors import AnalysisError
from gbopt.evaluate.known_sites import li_site_network
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.evaluation import QualityFlag
from gbopt.store.files import write_atomic

_FEW_HOPS_PER_ION = 1.0
_DEFECTS = 0.1
_AGES_A = 1.0
"""A glass whose cations move farther than this during production changes while it is measured."""
_SPECTRUM_SEGMENTS = 5
_RESOLUTION_THZ = 0.25


Found = TypeVar("Found")


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

    What stands beside the diffusivity (site network, pairs, vibrations) may fail without it.

    Args:
        config: the study.
        run: which one.
        structure: the cell that it started from.
        folder: of the run.

    Raises:
        AnalysisError: the frames do not give a diffusivity.
    """
    dynamics = config.dynamics
    diffusion = tracer_diffusion(
        lambda: open_frames(folder, PRODUCTION), lag_ps=dynamics.lag_ps, segments=dynamics.segments
    )
    _write_msd(diffusion, folder)
    followed = is_whole(folder, NETWORK)
    motion, pairs = _framework(structure, folder, with_pairs=followed)
    failed: list[QualityFlag] = []
    network = _tried("network", lambda: _network(folder), failed) if followed else None
    vibrated = is_whole(folder, VIBRATION)
    spectrum = _tried("spectrum", lambda: _spectrum(folder), failed) if vibrated else None
    for curves in (pairs, spectrum):
        if curves is not None:
            save_curves(curves, folder)
    flags = (*_diffusion_flags(diffusion), *_framework_flags(run, motion, structure), *failed)
    return Measured(diffusion, motion, flags, network, pairs, spectrum)


def _tried(name: str, find: Callable[[], Found], failed: list[QualityFlag]) -> Found | None:
    try:
        return find()
    except AnalysisError as error:
        message = f"no {name}: {error.message} ({error.hint})."
        failed.append(QualityFlag(name=name, level="warn", measured=0, limit=1, message=message))
        return None


def _network(folder: Path) -> SiteNetwork:
    return li_site_network(open_frames(folder, NETWORK), SITE_DEFAULTS)


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
    few = diffusion.hops_per_ion < _FEW_HOPS_PER_ION
    steady, falling = diffusion.steadiness, diffusion.falling
    text = f"{diffusion.hops_per_ion:.2g} hops an ion"
    if diffusion.D_cm2_s.bound and not falling:
        text = f"fewer than {FEW_HOPS} hops in the run: D is an upper bound"
    return (
        QualityFlag(
            name="hops",
            level="warn" if few else "ok",
            measured=diffusion.hops_per_ion,
            limit=_FEW_HOPS_PER_ION,
            message=text + (": lengthen production_ps." if few else "."),
        ),
        QualityFlag(
            name="steady",
            level="warn" if falling else "ok",
            measured=round(steady.value, 3),
            limit=STEADY,
            message=f"D at a lag of {diffusion.lag_ps:.3g} ps is {steady} of "
            "that at half of it" + (": it still falls, and is an upper bound." if falling else "."),
        ),
    )


def _framework_flags(
    run: Run, motion: FrameworkMotion, structure: Bicrystal
) -> tuple[QualityFlag, ...]:
    """A crystal must stay one; a glass must neither crystallise nor flow."""
    ordered = motion.ordered_share
    if run.system.kind == "crystal":
        lost = not motion.crystalline
        defects = motion.displaced_share > _DEFECTS
        return (
            QualityFlag(
                name="amorphous",
                level="fail" if lost else "ok",
                measured=ordered,
                limit=0.5,
                message=f"{ordered:.0%} of Zr in crystalline surroundings at the end"
                + (": the crystal has become amorphous or molten." if lost else "."),
            ),
            QualityFlag(
                name="defects",
                level="warn" if defects and not lost else "ok",
                measured=motion.displaced_share,
                limit=_DEFECTS,
                message=f"{motion.displaced_share:.0%} of La and Zr off their crystal sites.",
            ),
        )
    farthest = max(motion.rms_La_A, motion.rms_Zr_A)
    limit = NEAREST_CATIONS * structure.lattice_A
    level: Literal["ok", "warn", "fail"] = (
        "fail" if farthest > limit else "warn" if farthest > _AGES_A else "ok"
    )
    remark = {"fail": ": the glass has melted.", "warn": ": the glass ages.", "ok": "."}[level]
    return (
        QualityFlag(
            name="crystallised",
            level="fail" if motion.crystalline else "ok",
            measured=ordered,
            limit=0.5,
            message=f"{ordered:.0%} of Zr in crystalline surroundings at the end"
            + (": the glass has crystallised." if motion.crystalline else "."),
        ),
        QualityFlag(
            name="framework",
            level=level,
            measured=farthest,
            limit=limit,
            message=f"La moved by {motion.rms_La_A:.2f} A and Zr by {motion.rms_Zr_A:.2f} A during "
            f"production{remark}",
        ),
    )
