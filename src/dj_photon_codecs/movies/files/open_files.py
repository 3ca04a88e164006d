"""Files that are open in this process, and are opened again in another."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["OpenFiles"]

MOST = 32  # files of one movie that are open at a time


class OpenFiles:
    """Files of a movie, opened when they are read for the first time, one reader at a time.

    After a fork or after pickling they are opened anew: processes that share an open file share
    its position, too. Of more than 32 files, that which was opened first is closed.

    Parameters
    ----------
    opener : callable
        Opens a path. What it returns is closed by its ``close``, if it has one.
    """

    def __init__(self, opener: Callable[[Path], Any]) -> None:
        self._opener = opener
        self._opened: dict[Path, Any] = {}
        self._renew()

    def _renew(self) -> None:
        self._lock, self._process = threading.RLock(), os.getpid()
        self._close(leave=0)

    def _close(self, *, leave: int) -> None:
        while len(self._opened) > leave:
            file = self._opened.pop(next(iter(self._opened)))
            getattr(file, "close", lambda: None)()  # which an array has not

    @contextmanager
    def reading(self, path: Path) -> Iterator[Any]:
        """Yield an open file, which no other thread reads until that is over."""
        if self._process != os.getpid():
            self._renew()
        with self._lock:
            if path not in self._opened:
                self._close(leave=MOST - 1)
                self._opened[path] = self._opener(path)
            yield self._opened[path]

    def __del__(self) -> None:
        self._close(leave=0)

    def __reduce__(self) -> tuple[Any, ...]:
        return OpenFiles, (self._opener,)
