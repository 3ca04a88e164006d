"""One pool of threads for the whole process, and one limit on how many of them there are.

The limit is what `set_threads` says, else the environment variable ``DJ_PHOTON_THREADS``, else the
number of processors that the process may use; work that mostly waits for a store may have
`WAITING` threads where there are fewer processors.
"""

from __future__ import annotations

import operator
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Generic, SupportsIndex, TypeVar

from numcodecs import blosc

from dj_photon_codecs.layouts.processors import available_processors

__all__ = [
    "VARIABLE",
    "WAITING",
    "in_background",
    "in_threads",
    "processors_for",
    "set_threads",
    "thread_limit",
    "usable_processors",
]

VARIABLE = "DJ_PHOTON_THREADS"
WAITING = 8  # threads for requests to a store, if no limit was set; they mostly wait
SMALL = 1 << 20  # bytes of codes of a chunk, below which threads wait for each other

Item = TypeVar("Item")
Result = TypeVar("Result")


def set_threads(number: SupportsIndex | None) -> None:
    """Limit how many threads this library uses in this process.

    Parameters
    ----------
    number : int or None
        At least 1. With 1, everything runs in the thread that calls. None goes back to the
        environment variable ``DJ_PHOTON_THREADS``, or to the number of usable processors.

    Raises
    ------
    TypeError
        If `number` is not a whole number.
    ValueError
        If it is less than 1.

    Notes
    -----
    The limit holds for the threads that this library starts, and for those that Blosc starts for
    calls from the main thread, whoever makes these calls. Threads of your own that call this
    library come on top. A process that is forked has the limit of its parent.

    Examples
    --------
    >>> set_threads(2)
    >>> thread_limit()
    2
    >>> set_threads(None)
    """
    if number is None:
        _state.limit = None
    else:
        if isinstance(number, bool) or not hasattr(number, "__index__"):
            raise TypeError(
                f"the number of threads is {number!r}; it must be a whole number of 1 or more, or "
                "None for all usable processors"
            )
        if operator.index(number) < 1:
            raise ValueError(
                f"the number of threads is {number!r}; it must be 1 or more, or None for all "
                "usable processors"
            )
        _state.limit = operator.index(number)
    _limit_blosc(_limit_that_was_set())


def thread_limit() -> int:
    """Return how many threads this library may use at the same time.

    It is a `ValueError` if ``DJ_PHOTON_THREADS`` is not a whole number of 1 or more.
    """
    limit = _limit_that_was_set()
    _limit_blosc(limit)
    return max(available_processors(), WAITING) if limit is None else limit


def usable_processors() -> int:
    """Return how many threads may compute at the same time; see `thread_limit`."""
    return min(available_processors(), thread_limit())


def processors_for(chunk_bytes: int) -> int:
    """Return how many chunks, each of so many bytes of codes, to encode or decode at a time."""
    return usable_processors() if chunk_bytes >= SMALL else 1


def in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], *, most: int | None = None
) -> list[Result]:
    """Call a function with all items, in several threads, and return the results in order.

    With `most` threads, within `thread_limit`; by default `usable_processors`. For requests to a
    store, `WAITING`. If the function calls `in_threads` in turn, that call runs in the same thread.
    What it raises is raised, for the first item for which it does, or KeyboardInterrupt: no call
    begins after it, and all calls that had begun are over.
    """
    job = _Job(function, list(items))
    number = min(len(job.items), thread_limit(), usable_processors() if most is None else most)
    if number < 2 or getattr(_state.thread, "is_ours", False):
        return [function(item) for item in job.items]
    # The main thread only waits: for calls from it, Blosc would start threads of its own. Any other
    # thread works on the job itself, since all threads of the pool may be busy, or wait for it.
    waits = threading.current_thread() is threading.main_thread()
    try:
        _state.start(job, number if waits else number - 1)
        if waits and job.helpers:
            job.wait()
        else:
            job.work()
    finally:
        job.wait(stop=True)
        _state.finish(job)
    return job.result()


def in_background(function: Callable[[], Result]) -> Callable[[], Result] | None:
    """Call a function in another thread; return what waits for its result, or raises its error.

    If no thread has begun with it by then, that calls it itself. The function is forgotten once it
    was called. None where there may be no other thread.
    """
    if usable_processors() < 2 or getattr(_state.thread, "is_ours", False):
        return None
    state, calls = _state, [function]
    jobs: list[_Job[Any, Any]] = []  # emptied, too: jobs that refer to themselves stay for a while

    def call(_: None) -> Result:
        try:
            return calls.pop()()
        finally:
            state.finish(jobs.pop())

    def result() -> Result:
        job.work()
        job.wait()
        return job.result()[0]

    job = _Job(call, [None])
    jobs.append(job)
    state.start(job, 1)
    if not job.helpers:
        state.finish(job)
        return None
    return result


class _Job(Generic[Item, Result]):
    """The items of one call of `in_threads`, which threads take one by one, and the results."""

    def __init__(self, function: Callable[[Item], Result], items: list[Item]) -> None:
        self.items = items
        self.helpers: list[Future[None]] = []
        self._function = function
        self._results: dict[int, Result] = {}
        self._errors: dict[int, BaseException] = {}
        self._taken = 0
        self._running = 0
        self._changed = threading.Condition()

    def work(self) -> None:
        """Call the function with one item after the other, until none is left or a call failed."""
        before = getattr(_state.thread, "is_ours", False)
        _state.thread.is_ours = True
        try:
            while (place := self._begin()) is not None:
                try:
                    self._results[place] = self._function(self.items[place])
                except BaseException as error:  # noqa: BLE001 - it is raised where the caller is
                    self._errors[place] = error
                finally:
                    self._end()
        finally:
            _state.thread.is_ours = before

    def wait(self, *, stop: bool = False) -> None:
        """Wait until all calls are over; with `stop`, those that have begun."""
        with self._changed:
            if stop:
                self._taken = len(self.items)
            self._changed.wait_for(lambda: self._is_over() and not self._running)

    def result(self) -> list[Result]:
        """Return the results in the order of the items, or raise the first error."""
        if self._errors:
            raise self._errors[min(self._errors)]
        return [self._results[place] for place in range(len(self.items))]

    def _is_over(self) -> bool:
        return bool(self._errors) or self._taken >= len(self.items)

    def _begin(self) -> int | None:
        with self._changed:
            if self._is_over():
                self._changed.notify_all()
                return None
            self._taken += 1
            self._running += 1
            return self._taken - 1

    def _end(self) -> None:
        with self._changed:
            self._running -= 1
            self._changed.notify_all()


class _State:
    """The limit and the pool of this process; a process that is forked gets its own."""

    def __init__(self, limit: int | None = None, blosc_threads: int | None = None) -> None:
        self.limit = limit
        self.blosc_threads = blosc_threads  # before they were limited
        self.thread = threading.local()
        # reentrant, since a signal may come, and its handler read a movie, while it is held
        self.lock = threading.RLock()
        self._pool: ThreadPoolExecutor | None = None
        self._size = 0
        self._jobs: set[_Job[Any, Any]] = set()

    def start(self, job: _Job[Any, Any], number: int) -> None:
        """Let `number` threads of the pool work on a job, or as many as can be started."""
        with self.lock:
            self._jobs.add(job)
            pool = self._pool_of(thread_limit())
            try:
                for _ in range(number):
                    job.helpers.append(pool.submit(copy_context().run, job.work))
            except BaseException as error:
                # An interrupt may have left a thread that the pool does not know of: end all.
                pool.shutdown(wait=False)
                self._pool = None
                # RuntimeError: the interpreter ends, or the system allows no more threads
                if not isinstance(error, RuntimeError):
                    raise

    def finish(self, job: _Job[Any, Any]) -> None:
        """Forget a job that is over, also in threads that have not begun with it."""
        with self.lock:
            self._jobs.discard(job)
            for helper in job.helpers:
                helper.cancel()

    def end_idle_pool(self) -> None:
        """End the threads of the pool if no job is under way; the next job starts others."""
        if self._pool is not None and not self._jobs:
            self._pool.shutdown()
            self._pool = None

    def _pool_of(self, size: int) -> ThreadPoolExecutor:
        if self._pool is None or self._size != size:
            if self._pool is not None:
                self._pool.shutdown(wait=False)
            self._pool = ThreadPoolExecutor(size, thread_name_prefix="photon")
            self._size = size
        return self._pool


_state = _State()


def _limit_that_was_set() -> int | None:
    if _state.limit is not None:
        return _state.limit
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(
            f"the environment variable {VARIABLE} is {text!r}; it must be a whole number of 1 or "
            "more. Unset it to use all processors"
        )
    return int(text)


def _limit_blosc(limit: int | None) -> None:
    """Limit Blosc's own threads, which it uses for calls from the main thread, too."""
    if threading.current_thread() is not threading.main_thread():
        return  # the main thread may be using them
    if _state.blosc_threads is None:
        if limit is None:
            return
        _state.blosc_threads = blosc.get_nthreads()
    before = _state.blosc_threads
    wanted = before if limit is None else min(before, limit)
    if blosc.get_nthreads() != wanted:
        blosc.set_nthreads(wanted)
    if limit is None:
        _state.blosc_threads = None


def _before_fork() -> None:
    # Python 3.12 warns of a fork beside threads, so idle ones end. The child has no others.
    _state.lock.acquire()
    _state.end_idle_pool()


def _in_parent() -> None:
    _state.lock.release()


def _in_child() -> None:
    global _state  # noqa: PLW0603 - locks and threads of the parent are of no use here
    _state = _State(_state.limit, _state.blosc_threads)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_in_parent,
        after_in_child=_in_child,
    )
