"""When a campaign starts no further evaluation."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from gbopt.errors import ConfigError

# A run goes on to its next checkpoint for a while; then its processes are ended.
_TO_STOP_S = 60.0


class Moment(NamedTuple):
    """A moment, and what is said when it has come."""

    at_s: float
    """As ``time.time()`` counts."""
    reason: str

    def comes_within(self, seconds: float) -> bool:
        """Whether it comes within so many seconds, or has come."""
        return time.time() + seconds > self.at_s


class Deadline(NamedTuple):
    """When no evaluation is begun any more, and when those that run are ended."""

    start: Moment | None = None
    """After it none is begun; those that run are finished."""
    end: Moment | None = None
    """Then those that run are ended, at a checkpoint."""

    def reached(self, needed_s: float = 0.0) -> str | None:
        """Why nothing is begun now that takes so long; None where something may be.

        Args:
            needed_s: how long it takes.
        """
        if self.start is not None and self.start.comes_within(0.0):
            return self.start.reason
        if self.end is not None and self.end.comes_within(needed_s):
            return self.end.reason
        return None


NO_LIMIT = Deadline()


def after_hours(hours: float) -> Moment:
    """So many hours from now."""
    return Moment(time.time() + 3600 * hours, f"the time limit of {hours:g} h was reached")


def at_clock(clock: str, now: datetime | None = None) -> Moment:
    """The next time that local clocks show this.

    Args:
        clock: such as 08:00.
        now: the present, by default that of this machine.

    Raises:
        ConfigError: it is no time of day.
    """
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", clock.strip())
    if found is None:
        raise ConfigError(
            f"--until: '{clock}' is no time of day", hint="give it as HH:MM, such as 08:00 or 17:30"
        )
    now = now or datetime.now()
    hour, minute = map(int, found.groups())
    at = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if at <= now:
        at += timedelta(days=1)  # by the calendar, not by 24 h: clocks change
    return Moment(at.timestamp(), f"it is past {at:%H:%M}, the time limit")


def at_walltime(environment: Mapping[str, str]) -> Moment:
    """The end of the job of SLURM that this process is part of, less the time to stop in.

    Args:
        environment: of the process.

    Raises:
        ConfigError: it is in none, or SLURM does not say when it ends.
    """
    job = environment.get("SLURM_JOB_ID")
    if job is None:
        raise ConfigError(
            "--until-walltime: this is not a job of SLURM",
            hint="leave it out, or give the time of day with --until",
        )
    end_s = environment.get("SLURM_JOB_END_TIME") or _asked_of_slurm(job)
    return Moment(float(end_s) - _TO_STOP_S, f"the end of job {job} is near")


def _asked_of_slurm(job: str) -> float:
    """When a job ends, by `squeue`: older SLURM does not tell the job itself."""
    command = ["squeue", "--noheader", "--jobs", job, "--format", "%e"]
    try:
        said = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True
        ).stdout
        return datetime.fromisoformat(said.strip()).timestamp()
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ConfigError(
            f"--until-walltime: SLURM does not say when job {job} ends ({error})",
            hint="give the time of day with --until",
        ) from None
