"""Something done beside a command for as long as it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def followed(follow: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run a function in a thread of its own while the context lasts.

    Args:
        follow: it ends soon after the event that it is given is set.
    """
    ended = threading.Event()
    thread = threading.Thread(target=follow, args=(ended,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
