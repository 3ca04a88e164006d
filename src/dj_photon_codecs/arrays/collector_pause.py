"""No cyclic garbage collection while a caller may hold a lock that finalizers need.

``h5dataset[:] = movie.raw`` asks for the whole movie while h5py holds its global lock. The threads
that decode would run Python's garbage collector, and that the finalizers of open h5py files, which
wait for this lock: a deadlock.
"""

from __future__ import annotations

import gc
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["collector_paused"]


class _Pauses:
    """How many pauses there are at the moment, and whether the collector ran before the first."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.number = 0
        self.was_enabled = True

    def begin(self) -> None:
        with self.lock:
            if not self.number:
                self.was_enabled = gc.isenabled()
                gc.disable()
            self.number += 1

    def end(self) -> None:
        with self.lock:
            self.number -= 1
            if not self.number and self.was_enabled:
                gc.enable()

    def after_fork(self) -> None:
        """Begin anew in a child: threads that paused the collector are not in it."""
        paused, was_enabled = self.number, self.was_enabled
        self.__init__()  # type: ignore[misc]
        if paused and was_enabled:
            gc.enable()


_pauses = _Pauses()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pauses.after_fork)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause Python's cyclic garbage collector, in all threads, for the duration of a block."""
    _pauses.begin()
    try:
        yield
    finally:
        _pauses.end()
