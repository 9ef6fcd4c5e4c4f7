"""How fast engines are on this machine: one run, or several side by side."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from gbopt.config import Potential
from gbopt.md.engine import EngineSettings, System
from gbopt.md.placement import device_of
from gbopt.md.probe import Trial, probe
from gbopt.md.request import Request

_FRAME_STEPS = 50  # of no consequence here: a probe streams no frames


class Load(NamedTuple):
    """Several runs of one structure at once."""

    trial: Trial
    """The first that failed, else the first of all."""
    total_steps_per_s: float
    """Steps per second of all together; 0 where one of them failed."""


def as_request(system: System, potential: Potential, settings: EngineSettings) -> Request:
    """A request that a probe takes."""
    return Request(
        system=system, potential=potential, settings=settings, stages=(), frame_steps=_FRAME_STEPS
    )


def side_by_side(
    system: System, potential: Potential, settings: EngineSettings, replicas: int, *, seconds: float
) -> Load:
    """Run so many processes at once, each with its own copy of the structure, and time them.

    Args:
        system: the ions.
        potential: how they interact.
        settings: the engine of all of them.
        replicas: how many.
        seconds: how long to measure.
    """
    request = as_request(system, potential, settings)
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(replicas) as pool:

        def one(index: int) -> Trial:
            folder = Path(scratch) / str(index)
            own = replace(settings, device=device_of(index, settings))
            found = probe(request, [own], folder=folder, seconds=seconds, together=replicas)
            return found[0][0]

        trials = list(pool.map(one, range(replicas)))
    works = all(trial.works for trial in trials)
    failed = next((trial for trial in trials if not trial.works), trials[0])
    return Load(failed, sum(t.steps_per_s for t in trials) if works else 0.0)
