"""The decoder of `photon.grouped`, in NumPy: of frames, and of single pixels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Packed", "unpack_frames", "unpack_places"]

STRETCH = 1 << 17  # bytes of a plane that lie together; a part of the stored format
TILE = 1 << 20  # codes that are unpacked at a time


class Packed(NamedTuple):
    """A packed chunk; pixels, and places, are in the order of the classes."""

    frames: int
    stored: NDArray[np.uint8]
    # Of each: the width of its field, and how many bits are below it; its first pixel, and how many
    # it has; where it begins in what is stored.
    planes: NDArray[np.uint64]
    base: NDArray[Any]  # of each pixel
    place: NDArray[np.uint32]  # of each group of the frame
    event_ends: NDArray[np.uint64]  # (kinds, frames + 1): events, of all kinds, before each frame
    events: NDArray[np.uint64]  # their places, counted through all frames
    excess: NDArray[Any]  # what they add
    values: NDArray[Any]  # if there are any, codes are indices into them


def unpack_frames(start: int, stop: int, *packed_and_codes: Any) -> None:
    """Unpack the codes of the frames from `start` to before `stop`, in the order of the frame."""
    packed, codes = Packed(*packed_and_codes[:-1]), packed_and_codes[-1]
    places, step = np.arange(packed.base.size), max(1, TILE // packed.base.size)
    for first in range(start, stop, step):
        tile = range(first, min(first + step, stop))
        by_class = unpack_places(places, tile, packed)
        groups = by_class.reshape(len(tile), packed.place.size, -1)
        codes[first - start :][: len(tile)] = groups[:, packed.place].reshape(by_class.shape)


def unpack_places(places: NDArray[np.intp], frames: range, packed: Packed) -> NDArray[Any]:
    """Return the codes, (frames, places), of some pixels, given by their places, which ascend."""
    codes = np.tile(packed.base[places], (len(frames), 1))
    for width, shift, first, pixels, begin in packed.planes.tolist():
        of_plane = slice(*np.searchsorted(places, (first, first + pixels)))
        rows = -(-packed.frames * width // 8)
        row, bit = np.divmod(np.array(frames)[:, np.newaxis] * width, 8)
        length = max(8, STRETCH // rows)
        stretch, column = np.divmod(places[of_plane] - first, length)
        row = row * np.minimum(length, pixels - stretch * length)  # the last stretch is shorter
        row += begin + stretch * length * rows + column
        bits = np.take(packed.stored, row, mode="clip") >> bit.astype(np.uint8)
        codes[:, of_plane] += (bits & ((1 << width) - 1)).astype(codes.dtype) << shift
    columns = np.full(packed.base.size, -1)
    columns[places] = np.arange(places.size)
    for ends in packed.event_ends[:, frames.start : frames.stop + 1].astype(np.intp):
        of_kind = slice(ends[0], ends[-1])
        frame, place = np.divmod(packed.events[of_kind].astype(np.intp), packed.base.size)
        column = columns[place]
        wanted = column >= 0
        codes[frame[wanted] - frames.start, column[wanted]] += packed.excess[of_kind][wanted]
    return np.take(packed.values, codes, mode="clip") if packed.values.size else codes
