"""No cyclic garbage collection while a caller may hold a lock that finalizers need.

``h5dataset[:] = movie.raw`` asks for the whole movie while h5py holds its global lock. A thread
that fetches or decodes may run Python's garbage collector, and that the finalizers of open h5py
files, which wait for this lock: a deadlock. The collector cannot be paused for these threads only.
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

_lock = threading.RLock()  # also during a fork; a finalizer may pause within `collector_paused`
_pauses: dict[object, bool] = {}  # whether the collector ran before the first of them


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause Python's cyclic garbage collector, in all threads, for the duration of a block."""
    pause = object()
    try:
        with _lock:
            _pauses[pause] = next(iter(_pauses.values()), gc.isenabled())
            gc.disable()
        yield
    finally:
        _end(pause)


def _end(*pauses: object) -> None:
    with _lock:
        ran = [_pauses.pop(pause, False) for pause in pauses]
        if any(ran) and not _pauses:
            gc.enable()


def _after_in_child() -> None:
    _end(*_pauses)  # the threads that paused the collector are not in the child
    _lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_after_in_child
    )
