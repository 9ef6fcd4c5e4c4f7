"""The stages of a study's runs: pure functions of its settings."""

from __future__ import annotations

from dataclasses import replace

from gbopt.config.study import LoosenConfig, StudyConfig
from gbopt.md.protocol import Kind, Stage

PRODUCTION, NETWORK, VIBRATION = "production", "network", "vibration"
LOOSEN, MELT, QUENCH, EXPLORE = "loosen", "melt", "quench", "explore"
_MELT_FRAMES = 200
_BLOW_UP = 3.0


def dynamics_stages(
    config: StudyConfig, label: str, temperature_K: float, seed: int
) -> tuple[Stage, ...]:
    """Minimise, equilibrate, production; where asked for, Li network and vibrations after it.

    Args:
        config: the study.
        label: of the potential.
        temperature_K: of all stages.
        seed: of the velocities.
    """
    lengths = config.lengths(label)
    stages = [
        _minimise(config),
        _nvt(config, "equilibrate", "dynamics", lengths.equilibrate_ps, temperature_K, seed),
        _nvt(config, PRODUCTION, "production", lengths.production_ps, temperature_K),
    ]
    if temperature_K in config.network.temperatures_K:
        network = config.network
        following = _nvt(config, NETWORK, "production", network.time_ps, temperature_K)
        stages.append(replace(following, frame_steps=_steps(config, network.frame_ps)))
    if temperature_K in config.vibration.temperatures_K:
        vibration = config.vibration
        free = _nvt(config, VIBRATION, "production", vibration.time_ps, temperature_K)
        every = _steps(config, vibration.frame_ps)
        stages.append(replace(free, ensemble="nve", frame_steps=every, sends="velocities"))
    return tuple(stages)


def loosen_stages(config: StudyConfig, loosen: LoosenConfig, seed: int) -> tuple[Stage, ...]:
    """Minimise a crystal and break it up; the last frame is what is melted."""
    hot = _nvt(config, LOOSEN, "production", loosen.time_ps, loosen.temperature_K, seed)
    return _minimise(config), _even(hot)


def glass_stages(config: StudyConfig, seed: int) -> tuple[Stage, ...]:
    """Minimise, melt, quench at a constant rate; the last frame is the glass."""
    melt = config.melt
    hot, cold = melt.temperature_K, melt.quench_to_K
    melting = _even(_nvt(config, MELT, "production", melt.melt_ps, hot, seed))
    cooling_ps = abs(hot - cold) / melt.rate_K_ps
    cooling = _nvt(config, QUENCH, "production", cooling_ps, hot)
    return (
        _minimise(config),
        melting,
        _even(replace(cooling, end_K=cold)),
    )


def explore_stages(config: StudyConfig, seed: int) -> tuple[Stage, ...]:
    """Minimise a glass, warm it up, and follow Li for a while."""
    T, ps = config.melt.explore_K, config.melt.explore_ps
    following = _nvt(config, EXPLORE, "production", ps, T)
    return (
        _minimise(config),
        _nvt(config, "equilibrate", "dynamics", ps / 4, T, seed),
        replace(following, frame_steps=_steps(config, config.network.frame_ps)),
    )


def _even(stage: Stage) -> Stage:
    """The stage with frames that divide its length evenly, so that the last one is its end."""
    every = max(1, stage.steps // _MELT_FRAMES)
    return replace(stage, steps=stage.steps // every * every, frame_steps=every)


def _minimise(config: StudyConfig) -> Stage:
    # A short reach per iteration keeps ions out of the Buckingham well at tiny distances.
    steps = config.dynamics.minimise_iterations
    return Stage(name="minimise", kind="minimise", steps=steps, max_move_A=0.05)


def _nvt(
    config: StudyConfig,
    name: str,
    kind: Kind,
    time_ps: float,
    temperature_K: float,
    seed: int | None = None,
) -> Stage:
    return Stage(
        name=name,
        kind=kind,
        steps=_steps(config, time_ps),
        start_K=temperature_K,
        end_K=temperature_K,
        velocity_seed=seed,
        max_temperature_K=_BLOW_UP * temperature_K,
    )


def _steps(config: StudyConfig, time_ps: float) -> int:
    return max(1, round(time_ps / config.dynamics.timestep_ps))
