"""The decoder of `photon.grouped`, in NumPy: of frames, and of single pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["unpack_frames", "unpack_places"]

STRETCH = 1 << 17  # bytes of a plane that lie together; a part of the stored format
TILE = 1 << 20  # codes that are unpacked at a time


def unpack_frames(
    start: int,
    stop: int,
    frames: int,
    stored: NDArray[np.uint8],
    planes: NDArray[np.uint64],
    base: NDArray[Any],
    place: NDArray[np.uint32],
    event_ends: NDArray[np.uint64],
    events: NDArray[np.uint64],
    excess: NDArray[Any],
    values: NDArray[Any],
    codes: NDArray[Any],
) -> None:
    """Unpack the codes of the frames from `start` to before `stop`, in the order of the frame.

    Of each of the `planes`: the width of its field, and how many bits are below it; its first
    pixel, and how many it has; where it begins in `stored`. `base` is of each pixel, and `place` of
    each group of the frame. `event_ends`, (kinds, frames + 1), says how many events, of all kinds,
    come before each frame of a kind; `events` are their places, counted through all frames, and
    `excess` what they add. Codes are indices into `values` if there are any. Pixels, and places,
    are in the order of the classes.
    """
    places, step = np.arange(base.size), max(1, TILE // base.size)
    packed = frames, stored, planes, base, place, event_ends, events, excess, values
    for first in range(start, stop, step):
        tile = range(first, min(first + step, stop))
        by_class = unpack_places(places, tile, *packed)
        groups = by_class.reshape(len(tile), place.size, -1)
        codes[first - start :][: len(tile)] = groups[:, place].reshape(by_class.shape)


def unpack_places(
    places: NDArray[np.intp],
    frames: range,
    number: int,
    stored: NDArray[np.uint8],
    planes: NDArray[np.uint64],
    base: NDArray[Any],
    _place: NDArray[np.uint32],
    event_ends: NDArray[np.uint64],
    events: NDArray[np.uint64],
    excess: NDArray[Any],
    values: NDArray[Any],
) -> NDArray[Any]:
    """Return the codes, (frames, places), of some pixels, given by their places, which ascend."""
    codes = np.tile(base[places], (len(frames), 1))
    for width, shift, first, pixels, begin in planes.tolist():
        of_plane = slice(*np.searchsorted(places, (first, first + pixels)))
        rows = -(-number * width // 8)
        row, bit = np.divmod(np.array(frames)[:, np.newaxis] * width, 8)
        length = max(8, STRETCH // rows)
        stretch, column = np.divmod(places[of_plane] - first, length)
        row = row * np.minimum(length, pixels - stretch * length)  # the last stretch is shorter
        row += begin + stretch * length * rows + column
        bits = np.take(stored, row, mode="clip") >> bit.astype(np.uint8)
        codes[:, of_plane] += (bits & ((1 << width) - 1)).astype(codes.dtype) << shift
    columns = np.full(base.size, -1)
    columns[places] = np.arange(places.size)
    for ends in event_ends[:, frames.start : frames.stop + 1].astype(np.intp):
        of_kind = slice(ends[0], ends[-1])
        frame, place = np.divmod(events[of_kind].astype(np.intp), base.size)
        column = columns[place]
        wanted = column >= 0
        codes[frame[wanted] - frames.start, column[wanted]] += excess[of_kind][wanted]
    return np.take(values, codes, mode="clip") if values.size else codes
