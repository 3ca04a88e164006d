"""Codes of pixels that nearly always hold the same value, as a list of the exceptions.

Below about .3 photon a pixel, more than three quarters of the codes are zero. What is random is
when a photon comes: each event is a byte, of how many codes to skip before it and whether it
is by more than one. A byte of this list holds 4 to 6 bits of information at any brightness.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["EventReader", "Events", "list_events", "mark_counts"]

LONG = 127  # a gap that is as long, or longer, goes on in a list


class Events(NamedTuple):
    """Codes that are not zero, in the order of the classes, their frames, and their pixels.

    Attributes
    ----------
    counts : ndarray of integers
        How many there are in each class.
    bytes : ndarray of uint8
        Of each event twice the gap before it, at most `LONG`, plus whether the code is not 1.
    gaps : ndarray of unsigned integers
        By how much gaps are longer than `LONG`, where they are at least that.
    jumps : ndarray of unsigned integers
        By how much codes exceed 2, where they are not 1.
    """

    counts: NDArray[Any]
    bytes: NDArray[np.uint8]
    gaps: NDArray[Any]
    jumps: NDArray[Any]


def list_events(
    codes: NDArray[Any], sizes: NDArray[np.intp], *, order: NDArray[np.intp], base: NDArray[Any]
) -> Events:
    """List the codes that differ from the base of their pixel.

    Parameters
    ----------
    codes : ndarray of unsigned integers, shape (frames, pixels)
        Codes.
    sizes : ndarray of integers
        The number of pixels of each class.
    order, base : ndarray of integers
        The pixels by class, and their bases in this order.

    Examples
    --------
    >>> codes = np.array([[0, 1, 0, 0], [0, 0, 5, 0]], "u2")
    >>> list_events(codes, np.array([2, 2]), order=np.arange(4), base=np.zeros(4, "u2"))
    Events(counts=array([1, 1]), bytes=array([2, 5], dtype=uint8),
           gaps=array([], dtype=uint64), jumps=array([3], dtype=uint16))
    """
    edges = np.append(0, np.cumsum(sizes))
    found = [_exceptions(frame[order] - base, edges) for frame in codes] if order.size else []
    by_class = list(zip(*found, strict=True)) if found else [()] * len(sizes)
    gap, value = [np.zeros(0, np.intp)], [np.zeros(0, codes.dtype)]
    for size, frames in zip(sizes.tolist(), by_class, strict=True):
        at = [column + frame * size for frame, (column, _) in enumerate(frames)]
        gap.append(np.diff(np.concatenate(at), prepend=-1) - 1)
        value += [values for _, values in frames]
    counts = np.array([len(each) for each in gap[1:]], np.intp)
    return _coded(counts, gap=np.concatenate(gap), value=np.concatenate(value))


def _exceptions(
    relative: NDArray[Any], edges: NDArray[np.intp]
) -> list[tuple[NDArray[np.intp], NDArray[Any]]]:
    """Place and size of the codes of each class in a frame that are not zero."""
    at = np.flatnonzero(relative != 0)
    value, cuts = relative[at], np.searchsorted(at, edges).tolist()
    return [
        (at[start:stop] - edge, value[start:stop])
        for (start, stop), edge in zip(pairwise(cuts), edges.tolist(), strict=False)
    ]


def _coded(counts: NDArray[np.intp], *, gap: NDArray[np.intp], value: NDArray[Any]) -> Events:
    symbols = (np.minimum(gap, LONG) * 2 + (value > 1)).astype(np.uint8)
    left = (gap[gap >= LONG] - LONG).astype(np.uint64)
    return Events(counts, symbols, left, value[value > 1] - value.dtype.type(2))


def mark_counts(symbols: NDArray[np.uint8]) -> tuple[int, int]:
    """Return how many of the bytes of events say that `gaps` and `jumps` go on."""
    return int(np.count_nonzero(symbols >= 2 * LONG)), int(np.count_nonzero(symbols & 1))


class EventReader:
    """Events, to be added to codes frame by frame.

    Parameters
    ----------
    events : Events
        As `list_events` returned them.
    sizes, order : ndarray of integers
        As in `list_events`.
    frames : int
        Of the chunk.

    Raises
    ------
    ValueError
        If an event lies beyond the end of the chunk.
    """

    def __init__(
        self, events: Events, sizes: NDArray[np.intp], *, order: NDArray[np.intp], frames: int
    ) -> None:
        gap, self._value = _gaps(events), _values(events)
        self._sizes, self._order = sizes.tolist(), order
        self._stops, self._edges = np.cumsum(events.counts).tolist(), np.cumsum(sizes).tolist()
        self._at = np.empty(gap.size, np.int64)
        self._rows = []
        for count, stop, size in zip(events.counts.tolist(), self._stops, self._sizes, strict=True):
            at = np.cumsum(gap[stop - count : stop], out=self._at[stop - count : stop])
            at -= 1
            if count and not at[-1] < frames * size:
                raise ValueError(f"damaged chunk: an event at {at[-1]} of {frames * size} codes")
            rows = np.searchsorted(at, np.arange(frames + 1) * size) + (stop - count)
            self._rows.append(rows.tolist())

    def add(self, frames: range, *, target: NDArray[Any]) -> None:
        """Add the events of consecutive frames to their codes."""
        codes = target.reshape(-1)
        for size, edge, rows in zip(self._sizes, self._edges, self._rows, strict=True):
            some = slice(rows[frames.start], rows[frames.stop])
            at = self._at[some] - frames.start * size
            row = at // max(size, 1) if len(frames) > 1 else 0
            pixel = self._order[edge - size : edge][at - row * size]
            codes[pixel + row * target.shape[1]] += self._value[some]


def _gaps(events: Events) -> NDArray[np.int64]:
    """The distance of each event from the one before it."""
    gap = (events.bytes >> 1).astype(np.int64) + 1
    # more than the codes of any chunk are as good as too many, and their sum cannot overflow
    left = np.minimum(events.gaps.astype(np.uint64), 1 << 31)
    gap[np.flatnonzero(events.bytes >= 2 * LONG)] += left.astype(np.int64)
    return gap


def _values(events: Events) -> NDArray[Any]:
    value = np.ones(events.bytes.size, events.jumps.dtype)
    value[np.flatnonzero(events.bytes & 1)] += events.jumps
    value += events.bytes & 1
    return value
