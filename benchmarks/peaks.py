"""The memory that processes take at their peak, above what they had before."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Growth", "Peaks"]


class Growth(NamedTuple):
    """Bytes that a process had at its peak beyond those at the start."""

    private: int  # without pages of mapped files: the system takes them back when it needs them
    resident: int


class Peaks:
    """The memory of processes, of which this one is the first, from now on."""

    def __init__(self, others: Iterable[int] = ()) -> None:
        self._processes = [psutil.Process(), *map(psutil.Process, others)]
        self._start = self._most = self._now()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> list[Growth]:
        """Return how much each process had more at its peak."""
        self._stopped.set()
        self._thread.join()
        return [
            Growth(*(peak - start for peak, start in zip(most, first, strict=True)))
            for most, first in zip(self._most, self._start, strict=True)
        ]

    def _watch(self) -> None:
        while not self._stopped.wait(0.005):
            self._most = [
                Growth(*map(max, most, now))
                for most, now in zip(self._most, self._now(), strict=True)
            ]

    def _now(self) -> list[Growth]:
        found = [process.memory_info() for process in self._processes]
        return [Growth(each.rss - getattr(each, "shared", 0), each.rss) for each in found]
