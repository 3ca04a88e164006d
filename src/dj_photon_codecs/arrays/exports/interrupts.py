"""Ctrl-C, which waits until a slab is written."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["Interrupts"]


class Interrupts:
    """Whether Ctrl-C was pressed while libraries write.

    HDF5 calls back from where Python ignores exceptions: an interrupt there would be lost, and what
    was to be written with it. Those of Zarr write in threads, which go on after an interrupt, and
    put files where those before were removed.
    """

    def __init__(self) -> None:
        self._came = False

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let Ctrl-C wait for `check`, or for the end; a second one does not wait."""
        main = threading.current_thread() is threading.main_thread()
        if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield  # another thread gets no signals, and another handler is not ours
            return
        signal.signal(signal.SIGINT, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self.check()

    def check(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed."""
        if self._came:
            raise KeyboardInterrupt

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.check()
        self._came = True
