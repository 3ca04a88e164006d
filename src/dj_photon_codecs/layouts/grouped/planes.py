"""Planes: a field of the differences of all pixels of a kind, several frames in a byte.

A plane of 1, 2, 4 or 8 bits has those of 8, 4, 2 or 1 consecutive frames in each byte, at different
*places* of it. One byte of each pixel is a *row*, so that a row is packed and unpacked by shifts.
The pixels are cut into *stretches* of 128 kB, as much as zstd codes with one table; all rows of a
stretch come before the next stretch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dj_photon_codecs.layouts.grouped.grouping import Kind

__all__ = ["ROW", "Plane", "planes_of", "planes_size", "whole_rows"]

STRETCH = 1 << 17  # bytes; a part of the stored format
ROW = 8  # frames; 8 fill whole rows of planes of any width


@dataclass(frozen=True)
class Plane:
    """A field of the differences of all pixels of a kind.

    Attributes
    ----------
    bits, shift : int
        The width of the field, and how many bits of a difference are below it.
    stored : ndarray of uint8, shape (rows * pixels,)
        The rows, stretch by stretch.
    rows : int
        The number of rows.
    """

    bits: int
    shift: int
    stored: NDArray[np.uint8]
    rows: int

    @property
    def frames(self) -> int:
        """Frames in a row."""
        return 8 // self.bits

    @property
    def mask(self) -> int:
        """The largest number in the field."""
        return (1 << self.bits) - 1

    def pack(self, codes: NDArray[Any], *, start: int) -> None:
        """Store the field of consecutive frames, of which the first begins a row.

        Parameters
        ----------
        codes : ndarray of unsigned integers, shape (frames, pixels)
            Differences.
        start : int
            The first frame.
        """
        rows = self._rows(codes)
        first = start // self.frames
        whole, rest = self._stretches(first, first + len(rows))
        split = whole[0].size
        whole[...] = rows[:, :split].reshape(whole.shape)
        rest[...] = rows[:, split:]

    def _rows(self, codes: NDArray[Any]) -> NDArray[Any]:
        """Return the rows, shape (rows, pixels); with higher bits, too, if the field is a byte."""
        above = codes >> self.shift if self.shift else codes
        if self.bits == 8:
            return above
        rows = above[:: self.frames].astype(np.uint8)
        rows &= self.mask
        for place in range(1, min(self.frames, len(codes))):
            bits = above[place :: self.frames].astype(np.uint8)
            bits &= self.mask
            bits *= 1 << place * self.bits  # numpy shifts bytes to the left many times slower
            rows[: len(bits)] |= bits
        return rows

    def unpack(self, start: int, stop: int, *, target: NDArray[Any], first: bool) -> None:
        """Add the field of consecutive frames to their differences.

        Parameters
        ----------
        start, stop : int
            The first frame, and the one after the last.
        target : ndarray of unsigned integers, shape (frames, pixels)
            Differences, of which the field is still zero.
        first : bool
            Whether `target` is not set yet: then the other bits become zero.
        """
        frame = start
        while frame < stop:
            rows, places = self._together(frame, stop)
            codes = target[frame - start :][: rows * places].reshape(rows, places, -1)
            self._spread(frame, codes, first=first)
            frame += rows * places

    def pick(self, pixels: NDArray[np.intp], frames: range) -> NDArray[np.uint8]:
        """Return the field of single pixels in consecutive frames.

        Parameters
        ----------
        pixels : ndarray of intp, shape (pixels,)
            Pixels of the kind, counted from its first.
        frames : range
            The frames; at least one.

        Returns
        -------
        ndarray of uint8, shape (frames, pixels)
            The field, shifted to the lowest bits.
        """
        row, place = np.divmod(np.array(frames), self.frames)
        whole, rest = self._stretches(int(row[0]), int(row[-1]) + 1)
        split = whole[0].size
        in_stretch = pixels < split
        stretch, column = np.divmod(pixels[in_stretch], whole.shape[2])
        rows = np.empty((len(whole), pixels.size), np.uint8)
        rows[:, in_stretch] = whole[:, stretch, column]
        rows[:, ~in_stretch] = rest[:, pixels[~in_stretch] - split]
        down = (place * self.bits).astype(np.uint8)[:, np.newaxis]
        return rows[row - row[0]] >> down & np.uint8(self.mask)

    def _together(self, frame: int, stop: int) -> tuple[int, int]:
        """Return how many rows to unpack at once from a frame on, and how many frames of each."""
        place, left = frame % self.frames, stop - frame
        if place == 0 and left >= self.frames:
            return left // self.frames, self.frames
        return 1, min(left, self.frames - place)

    def _spread(self, frame: int, codes: NDArray[Any], *, first: bool) -> None:
        """Add the field to codes, shape (rows, frames of a row, pixels), from a frame on."""
        row, place = divmod(frame, self.frames)
        rows = self._read(row, row + len(codes))
        for number in range(codes.shape[1]):
            self._put(rows, place + number, codes[:, number], first=first)

    def _put(self, rows: NDArray[Any], place: int, codes: NDArray[Any], *, first: bool) -> None:
        """Add what is in one place of all rows to codes, shape (rows, pixels)."""
        bits, room = rows, codes if first and codes.itemsize == 1 else None
        if place:
            bits = room = np.right_shift(bits, np.uint8(place * self.bits), out=room)
        if place < self.frames - 1:
            bits = room = np.bitwise_and(bits, np.uint8(self.mask), out=room)
        if self.shift:
            # numpy shifts to the left many times slower than it multiplies
            wide = None if codes.itemsize > 1 else room
            bits = np.multiply(bits, codes.dtype.type(1 << self.shift), out=wide)
        if not first:
            codes |= bits
        elif bits is not codes:
            codes[...] = bits

    def _read(self, first: int, last: int) -> NDArray[np.uint8]:
        whole, rest = self._stretches(first, last)
        split = whole[0].size
        rows = np.empty((last - first, split + rest.shape[1]), np.uint8)
        rows[:, :split].reshape(whole.shape)[...] = whole
        rows[:, split:] = rest
        return rows

    def _stretches(self, first: int, last: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return rows of all whole stretches, and of the shorter one at the end."""
        length = max(8, STRETCH // self.rows)
        whole, rest = divmod(self.stored.size // self.rows, length)
        split = whole * length * self.rows
        stretches = self.stored[:split].reshape(whole, self.rows, length)
        return (
            stretches[:, first:last].swapaxes(0, 1),
            self.stored[split:].reshape(self.rows, rest)[first:last],
        )


def whole_rows(size: int, *, frame: int) -> int:
    """Return how many frames to pack or unpack at a time: whole rows, of about `size` bytes.

    Examples
    --------
    >>> whole_rows(1 << 20, frame=1 << 16), whole_rows(1 << 20, frame=1 << 30)
    (16, 8)
    """
    return max(1, size // max(frame, 1) // ROW) * ROW


def planes_of(kind: Kind, frames: int, *, stored: NDArray[np.uint8]) -> list[Plane]:
    """Return the planes of a kind.

    Parameters
    ----------
    kind : Kind
        Says the widths of the fields, and how many pixels there are.
    frames : int
        Frames of the chunk.
    stored : ndarray of uint8
        Where they are stored, at least `planes_size` bytes.
    """
    planes, begin = [], 0
    for bits, shift in _widths(kind):
        rows = -(-frames * bits // 8)
        end = begin + rows * (kind.stop - kind.start)
        planes.append(Plane(bits, shift, stored[begin:end], rows))
        begin = end
    return planes


def planes_size(kind: Kind, frames: int) -> int:
    """Return how many bytes the planes of a kind take."""
    return sum(-(-frames * bits // 8) for bits, _ in _widths(kind)) * (kind.stop - kind.start)


def _widths(kind: Kind) -> Iterator[tuple[int, int]]:
    """Yield the width and the shift of each plane: that of `bits`, then those of `low`."""
    if kind.bits:
        yield kind.bits, kind.low
    left = kind.low
    for bits in (8, 4, 2, 1):
        while left >= bits:
            left -= bits
            yield bits, left
