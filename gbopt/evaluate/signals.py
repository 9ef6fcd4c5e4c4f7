"""What the main process does when it is signalled: stop soon, cleanly, and without orphans."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from gbopt.md import stopping

ANSWERED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Ctrl-C, and what a scheduler sends before it ends a job."""
# SLURM kills 30 s after SIGTERM; ending the workers takes a second or two of them.
_LIMIT_S = stopping.CHECKPOINT_WAIT_S + 10.0


class Signals:
    """The signals that have come. Made by ``stoppable``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._first = 0

    @property
    def exit_code(self) -> int:
        """128 and the number of the signal, as shells have it; 130 where there was none."""
        return 128 + (self._first or signal.SIGINT)

    def answer(self, number: int, _: FrameType | None) -> None:
        """Ask everything to stop; at once when Ctrl-C comes again or it has taken too long."""
        if self._first:
            # Schedulers signal more than once: only an impatient person means more by it.
            if number in (signal.SIGINT, signal.SIGALRM):
                raise KeyboardInterrupt
            return
        self._first = number
        name = signal.Signals(number).name
        try:
            stopping.ask(self._folder, now=True, by=name)
        except OSError:
            raise KeyboardInterrupt from None  # the workers cannot be told: they are ended
        signal.setitimer(signal.ITIMER_REAL, _LIMIT_S)
        # No print: it may be one that was interrupted.
        text = (
            f"\n{name}: stopping within {_LIMIT_S:g} s; "
            "MD that is near a checkpoint goes on to it (Ctrl-C again: at once)\n"
        )
        with suppress(OSError):
            os.write(2, text.encode())

    def forget(self) -> None:
        """Take away the request that a signal made: it was for this process."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self._first:
            with suppress(OSError):
                (self._folder / stopping.FILE).unlink(missing_ok=True)


@contextmanager
def stoppable(folder: Path) -> Iterator[Signals]:
    """Stop what runs in this context when a signal, or a file in the folder, asks for it.

    ``KeyboardInterrupt`` is raised in it then; ``stopping.Stopped`` where runs came to their end.

    Args:
        folder: of the campaign or the study; it must exist.
    """
    signals = Signals(folder)
    before: dict[signal.Signals, Any] = {}
    stopping.watch(folder)
    try:
        if threading.current_thread() is threading.main_thread():
            for number in (*ANSWERED, signal.SIGALRM):
                # Whoever made us ignore one, such as nohup, meant it.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    before[number] = signal.signal(number, signals.answer)
        yield signals
    finally:
        signals.forget()
        for number, handler in before.items():
            signal.signal(number, handler)
        stopping.watch(None)


def ignore_signals() -> None:
    """Leave them to the main process: they reach every process of a terminal or of a job."""
    for number in ANSWERED:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def withheld() -> Iterator[None]:
    """Keep signals from this process while the context lasts, and from what it starts for good."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ANSWERED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
