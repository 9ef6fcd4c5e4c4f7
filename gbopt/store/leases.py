"""Leases: who works on what, on whatever machine; what a dead process held, another takes over.

A lease is a file that its holder touches from a thread. It is free again when the holder lets go
of it, at once when the holder is seen to be dead on its own machine, and elsewhere when it has not
been touched for a minute by the clock of whoever waits: clocks of two machines are never compared.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import psutil
from filelock import SoftFileLease, Timeout

from gbopt.cache import naming

DURATION_S = 60.0
_BEATS = 4  # in each duration
_LOOK_S = 0.5


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
        return self._try() or (not self.file.exists() and self._try())

    def _try(self) -> bool:
        """One try; older filelock takes a stale file away in it, and only that."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        except OSError as error:
            raise naming(self.file, error) from None
        return True

    def claim_patiently(self) -> bool:
        """Take it if it is free, or its holder turns out to be dead; whether it is held now.

        A holder on another machine is watched until it is seen alive: a minute at most.
        """
        seen = None
        while not self.claim():
            beat = _beat(self.file)
            seen = beat if seen is None else seen
            if beat != seen or _is_here(self.file):
                return False
            time.sleep(_LOOK_S)
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
    beat = _beat(file)
    # The clocks of two machines may differ by a little.
    fresh = beat is not None and time.time() - beat < 2 * DURATION_S
    # After a reboot another process may have the holder's number: only a fresh one is it.
    return fresh and _is_here(file) is not False


def _beat(file: Path) -> float | None:
    """When it was last touched; None where there is none."""
    try:
        with file.open("rb") as handle:  # opened: a network file system looks anew then
            return os.fstat(handle.fileno()).st_mtime
    except OSError:
        return None


def _is_here(file: Path) -> bool | None:
    """Whether its holder runs on this machine; None where that cannot be seen from here."""
    owner = SoftFileLease(file, lease_duration=DURATION_S).owner
    # The name of a container's host is followed by a mark.
    if owner is None or owner.hostname.partition("?")[0] != socket.gethostname():
        return None
    return bool(psutil.pid_exists(owner.pid))
