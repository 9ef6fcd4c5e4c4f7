"""Leases: who works on what, on whatever machine; what a dead process held, another takes over.

A lease is a file that its holder touches from a thread. It is free again when the holder lets go
of it, at once when the holder is seen to be dead on its own machine, and elsewhere when it has not
been touched for a minute by the clock of whoever waits: clocks of two machines are never compared.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

import psutil
from filelock import SoftFileLease, Timeout

DURATION_S = 60.0
_BEATS = 4  # in each duration


class LeaseLostError(BaseException):
    """Another process took over what this one works on: it was silent for too long.

    No ``Exception``, so that it is not taken for a failure of the work itself.
    """


class Lease:
    """The right to work on something.

    Args:
        file: stands for it.
        duration_s: silence after which it is taken over; the same for all who ask for it.
    """

    def __init__(self, file: Path, duration_s: float = DURATION_S) -> None:
        self.file = file
        self._lock = SoftFileLease(
            file, lease_duration=duration_s, heartbeat_interval=duration_s / _BEATS
        )

    def claim(self) -> bool:
        """Take it if it is free; whether it is now held by this object.

        Whose holder is on another machine counts as dead only when this object has seen it
        unchanged for its duration: ask again later.
        """
        if self.held:
            return True
        self._lock.release(force=True)  # one that was lost
        self.file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        return True

    @property
    def held(self) -> bool:
        """Whether it is held by this object, and was not taken over."""
        return self._lock.is_locked and self._lock.compromise is None

    def require(self) -> None:
        """Go on, unless another process took over.

        Raises:
            LeaseLostError: it did.
        """
        if not self.held:
            raise LeaseLostError(f"{self.file} is held by another process now")

    def release(self) -> None:
        """Let go of it, held or not."""
        self._lock.release(force=True)


def is_held(file: Path) -> bool:
    """Whether a lease looks held to somebody who only reads."""
    try:
        age_s = time.time() - file.stat().st_mtime
    except OSError:
        return False
    owner = SoftFileLease(file, lease_duration=DURATION_S).owner
    # The clocks of two machines may differ by a little.
    fresh = age_s < 2 * DURATION_S
    if owner is None or not owner.hostname.startswith(socket.gethostname()):
        return fresh
    return fresh and psutil.pid_exists(owner.pid)
