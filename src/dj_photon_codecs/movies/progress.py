"""How far an insert, an export or another task is: for a callback, or as a bar of tqdm."""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["VARIABLE", "Callback", "Progress", "Task", "advance", "set_progress"]

VARIABLE = "DJ_PHOTON_PROGRESS"
AFTER = 2.0  # seconds until a task shows anything, by default
PAUSE = 0.1  # seconds between two calls, at least
BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} frames [{elapsed}<{remaining}{postfix}]"

Callback = Callable[["Progress"], object]


@dataclass(frozen=True)
class Progress:
    """How far a task is, as the callback of `set_progress` gets it.

    Attributes
    ----------
    task : str
        ``"check"`` (the first pass of an insert over its movie), ``"insert"``, ``"export"``,
        ``"verify"``, ``"calibrate"``, ``"migrate"``.
    frames, total : int
        Frames that are done, and those that there are.
    bytes_in, bytes_out : int
        Bytes of the frames as they were read; bytes that were written, compressed (0 where nothing
        is).
    seconds : float
        Since the task began.
    finished : bool
        Whether this is the last call for the task. If it failed, `frames` is less than `total`.
    """

    task: str
    frames: int
    total: int
    bytes_in: int
    bytes_out: int
    seconds: float
    finished: bool

    @property
    def rate(self) -> float:
        """Megabytes (1e6 bytes) of `bytes_in` per second."""
        return self.bytes_in / 1e6 / self.seconds if self.seconds else 0.0

    @property
    def ratio(self) -> float | None:
        """How many times as large as what was written the frames are; None if nothing was."""
        return self.bytes_in / self.bytes_out if self.bytes_out else None

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take at the speed until now; None before the first frame."""
        return self.seconds * (self.total - self.frames) / self.frames if self.frames else None

    def __str__(self) -> str:
        smaller = "" if self.ratio is None else f", {self.ratio:.1f} times smaller"
        return f"{self.rate:.0f} MB/s{smaller}"


def set_progress(callback: Callback | Literal["auto"] | None, *, after: float = AFTER) -> None:
    """Say what shows how far long tasks are, in this process.

    Parameters
    ----------
    callback : callable, "auto" or None
        Called with a `Progress`, at most ten times a second (less often if it is slow: for a tenth
        of the time) and once at the end, by whichever thread has just finished a part, by one at a
        time. "auto" shows a bar where tqdm is installed and standard error is a terminal or a
        notebook, unless the environment variable ``DJ_PHOTON_PROGRESS`` is ``off``. None shows
        nothing.
    after : float
        Seconds, 0 or more, until a task shows anything; one that is over before never does.

    Raises
    ------
    TypeError
        If `callback` is none of these.
    ValueError
        If `after` is negative, or not finite.

    Notes
    -----
    What the callback raises is logged, once for each task, and harms nothing. KeyboardInterrupt
    alone is raised, and ends the task: an insert or an export then leaves nothing behind.
    Tasks inside another one, such as the inserts of `migrate`, are a part of it.

    Examples
    --------
    >>> import numpy as np
    >>> from dj_photon_codecs import report
    >>> seen = []
    >>> set_progress(seen.append, after=0)
    >>> costs = report(np.ones((50, 8, 8), "u2"))
    >>> seen[-1].task, seen[-1].frames, seen[-1].total, seen[-1].finished
    ('check', 50, 50, True)
    >>> set_progress("auto")
    """
    if not (callback is None or callback == "auto" or callable(callback)):
        raise TypeError(
            f"callback is {callback!r}; it must be a function that takes a Progress, 'auto' for a "
            "bar in terminals and notebooks, or None for nothing"
        )
    if not 0 <= after < math.inf:
        raise ValueError(f"after is {after!r}; it must be a number of seconds of 0 or more")
    _choice.callback, _choice.after = callback, after


@dataclass
class _Choice:
    """What `set_progress` said."""

    callback: Callback | str | None = "auto"
    after: float = AFTER

    def display(self) -> Callback | None:
        """Return what to call for one task."""
        if not isinstance(self.callback, str):
            return self.callback
        said = os.environ.get(VARIABLE, "").strip().lower()
        if said not in ("", "auto", "off"):
            LOG.warning("%s is %r; it may be 'off' or 'auto', and counts as 'off'", VARIABLE, said)
        return _bar() if said in ("", "auto") and _is_watched() else None


LOG = logging.getLogger(__name__)
_choice = _Choice()
_current: ContextVar[Task | None] = ContextVar("task", default=None)


class Task:
    """A task that shows its progress while a ``with`` block runs.

    One that begins in the block of another, in the same thread or in one that works for it, shows
    nothing itself, and counts for the other; unless it is a `rehearsal`, which reads frames that
    will be counted later. Any number of threads may call `advance`.

    Examples
    --------
    >>> with Task("insert", (200, 64, 64), itemsize=2) as task:
    ...     task.advance(100, bytes_out=30_000)
    ...     advance(100, bytes_out=30_000)  # the same
    """

    def __init__(
        self, what: str, shape: Sequence[int], *, itemsize: int = 0, rehearsal: bool = False
    ) -> None:
        self.total = int(shape[0])  # frames
        self._what, self._rehearsal = what, rehearsal
        self._frame_bytes = math.prod(shape[1:]) * itemsize
        self._process = os.getpid()  # a forked child has locks of its parent that nobody opens
        self._counting, self._showing = Lock(), Lock()
        self._frames = self._bytes_in = 0.0
        self._bytes_out = 0
        self._show: Callback | None = None
        self._outer: Task | None = None

    def __enter__(self) -> Self:
        self._outer = _current.get()
        self._token = _current.set(self)
        self._start = time.monotonic()
        self._due = self._start + _choice.after if self._outer is None else math.inf
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        _current.reset(self._token)
        if kind is None:
            self._frames = self.total
        if self._show is not None or (kind is None and time.monotonic() >= self._due):
            self._report(finished=True)

    def advance(self, frames: float, *, bytes_in: int | None = None, bytes_out: int = 0) -> None:
        """Count so many more frames, or a share of one, and what was read and written for them."""
        read = frames * self._frame_bytes if bytes_in is None else bytes_in
        self._count(frames, read, bytes_out)

    def _count(self, frames: float, read: float, written: int) -> None:
        if self._process != os.getpid():
            return
        if self._outer is not None:
            if not self._rehearsal:
                self._outer._count(frames, read, written)  # noqa: SLF001 - of the same class
            return
        with self._counting:
            self._frames += frames
            self._bytes_in += read
            self._bytes_out += written
        if time.monotonic() >= self._due and self._showing.acquire(blocking=False):
            try:
                self._report(finished=False)
            finally:
                self._showing.release()

    def _report(self, *, finished: bool) -> None:
        """Call what shows the progress; by one thread at a time."""
        now = time.monotonic()
        try:
            self._show = self._show or _choice.display()
            if self._show is not None:
                self._show(self._progress(now - self._start, finished=finished))
        except BaseException as error:
            if not isinstance(error, Exception):
                raise  # an interrupt
            self._show = None
            LOG.warning("the progress of %r is shown no more", self._what, exc_info=True)
        slow = 10 * (time.monotonic() - now)
        self._due = math.inf if self._show is None else now + max(PAUSE, slow)

    def _progress(self, seconds: float, *, finished: bool) -> Progress:
        done, read = min(round(self._frames), self.total), round(self._bytes_in)
        return Progress(self._what, done, self.total, read, self._bytes_out, seconds, finished)


def advance(frames: float, *, bytes_in: int | None = None, bytes_out: int = 0) -> None:
    """Call `Task.advance` of the task in whose block this runs; outside of one, do nothing."""
    if (task := _current.get()) is not None:
        task.advance(frames, bytes_in=bytes_in, bytes_out=bytes_out)


def _is_watched() -> bool:
    """Whether standard error is a terminal, or this is a notebook."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel") or (sys.stderr is not None and sys.stderr.isatty())


def _bar() -> Callback | None:
    """Return what draws a bar of tqdm, or None where that is not installed."""
    try:
        from tqdm.auto import tqdm  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    kind: Any = type("Bar", (tqdm,), {"monitor_interval": 0})  # without a thread of its own
    bars: list[Any] = []

    def draw(progress: Progress) -> None:
        if not bars:
            bars.append(kind(desc=progress.task, total=progress.total, leave=None, bar_format=BAR))
            bars[0].start_t -= progress.seconds
        bars[0].n, bars[0].total = progress.frames, progress.total
        bars[0].set_postfix_str(str(progress))
        if progress.finished:
            bars[0].close()

    return draw
