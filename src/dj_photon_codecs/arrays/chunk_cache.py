"""One cache of opened chunks for all movies of the process, bounded in bytes.

It also holds frames that were decoded ahead of a loop. The least recently used entry is dropped
first; the entries of a movie are dropped when the movie is deleted.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from itertools import count
from typing import Any
from weakref import finalize

__all__ = ["CACHE", "VARIABLE", "ChunkCache", "set_cache"]

VARIABLE = "DJ_PHOTON_CACHE_MB"
NEWEST = 2  # entries that stay whatever their size
MEGABYTES = 256.0  # unless that variable says otherwise


class ChunkCache:
    """A least-recently-used cache of values by owner and key, up to a number of bytes.

    The two newest entries stay even if they are larger than the limit, since a loop over the
    frames of a large chunk needs the chunk, and the frames of it that were decoded ahead; without
    them it would decompress the chunk for each frame.

    Examples
    --------
    >>> class Movie: pass
    >>> movie, cache = Movie(), ChunkCache(limit=100)
    >>> for number, name in enumerate("abc"):
    ...     cache.put(movie, number, name, size=40)
    >>> cache.get(movie, 0), cache.get(movie, 1), cache.size
    (None, 'b', 80)
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._owners = count()
        self._gone: deque[int] = deque()  # owners that no longer exist
        self.clear()

    def clear(self) -> None:
        """Drop all entries, and the lock, which another thread may have held during a fork."""
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[int, Any], tuple[Any, int]] = OrderedDict()
        self.size = 0

    @property
    def limit(self) -> int:
        """How many bytes may be held."""
        return _limit_of_environment() if self._limit is None else self._limit

    @limit.setter
    def limit(self, limit: int | None) -> None:
        self._limit = limit
        with self._lock:
            self._shrink(keep=0)

    def get(self, owner: Any, key: Any) -> Any:
        """Return an entry, or None if there is none."""
        place = self._number(owner), key
        with self._lock:
            self._drop_gone()
            if place not in self._entries:
                return None
            self._entries.move_to_end(place)
            return self._entries[place][0]

    def put(self, owner: Any, key: Any, value: Any, *, size: int) -> None:
        """Keep a value of `size` bytes, in place of one with the same owner and key."""
        place = self._number(owner), key
        with self._lock:
            self._drop_gone()
            # most frames take the place of others, and to ask the environment takes time
            grows = size > self._entries.get(place, (None, 0))[1]
            limit = self.limit if grows else self.size
            self._drop(place)
            self._entries[place] = value, size
            self.size += size
            self._shrink(keep=NEWEST, limit=limit)

    def discard(self, owner: Any, key: Any) -> None:
        """Drop an entry, if there is one."""
        with self._lock:
            self._drop((self._number(owner), key))

    def _number(self, owner: Any) -> int:
        """Return the number of an owner, whose entries vanish when it does."""
        number: int | None = getattr(owner, "_cache_number", None)
        if number is None:
            number = owner._cache_number = next(self._owners)  # noqa: SLF001 - a mark for this cache
            finalize(owner, self._forget, number).atexit = False
        return number

    def _forget(self, number: int) -> None:
        # Python's garbage collector may call this while this thread holds the lock.
        self._gone.append(number)
        if self._lock.acquire(blocking=False):
            try:
                self._drop_gone()
            finally:
                self._lock.release()

    def _drop_gone(self) -> None:
        gone = set()
        while self._gone:
            gone.add(self._gone.popleft())
        if gone:
            for place in [place for place in self._entries if place[0] in gone]:
                self._drop(place)

    def _drop(self, place: tuple[int, Any]) -> None:
        _, size = self._entries.pop(place, (None, 0))
        self.size -= size

    def _shrink(self, *, keep: int, limit: int | None = None) -> None:
        limit = self.limit if limit is None else limit
        while self.size > limit and len(self._entries) > keep:
            self._drop(next(iter(self._entries)))


def set_cache(megabytes: float | None) -> None:
    """Limit how much of the chunks that were read this process keeps, for all movies together.

    Parameters
    ----------
    megabytes : float or None
        At least 0, in units of 2**20 bytes. None goes back to the environment variable
        ``DJ_PHOTON_CACHE_MB``, or to 256.

    Raises
    ------
    TypeError
        If it is not a number.
    ValueError
        If it is negative or not finite.

    Notes
    -----
    The chunk that was read last is kept even where it alone exceeds the limit, and so are some
    frames, decoded ahead of a loop.

    Examples
    --------
    >>> set_cache(64)
    >>> set_cache(None)
    """
    if megabytes is None:
        CACHE.limit = None
        return
    if isinstance(megabytes, bool) or not isinstance(megabytes, int | float):
        raise TypeError(
            f"the cache is to hold {megabytes!r} megabytes; it must be a number of 0 or more, or "
            "None for the default"
        )
    CACHE.limit = _in_bytes(megabytes, what="the cache is to hold")


def _limit_of_environment() -> int:
    text = os.environ.get(VARIABLE, "").strip()
    what = f"the environment variable {VARIABLE} asks for"
    try:
        return _in_bytes(float(text) if text else MEGABYTES, what=what)
    except ValueError:
        raise ValueError(
            f"{what} {text!r} megabytes; it must be a number of 0 or more. Unset it for "
            f"{MEGABYTES:g}"
        ) from None


def _in_bytes(megabytes: float, *, what: str) -> int:
    if not 0 <= megabytes < float("inf"):
        raise ValueError(f"{what} {megabytes!r} megabytes; it must be a number of 0 or more")
    return int(megabytes * (1 << 20))


CACHE = ChunkCache()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=CACHE.clear)
