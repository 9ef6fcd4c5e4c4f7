"""When a campaign starts no further evaluation."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from typing import NamedTuple

from gbopt.errors import ConfigError


class Deadline(NamedTuple):
    """A moment, and what is said when it has passed."""

    at_s: float
    """As ``time.time()`` counts."""
    reason: str

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        return time.time() > self.at_s


def after_hours(hours: float) -> Deadline:
    """So many hours from now."""
    return Deadline(time.time() + 3600 * hours, f"the time limit of {hours:g} h was reached")


def at_clock(clock: str, now: datetime | None = None) -> Deadline:
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
    return Deadline(at.timestamp(), f"it is past {at:%H:%M}, the time limit")


def earliest(*limits: Deadline | None) -> Deadline | None:
    """The one that comes first; None where there is none."""
    return min((limit for limit in limits if limit is not None), default=None)
