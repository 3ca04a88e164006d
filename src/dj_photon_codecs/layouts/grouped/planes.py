"""Bits of the codes of like pixels, packed so that a byte holds 4 to 7 bits of information.

A plane is 1, 2, 4 or 8 bits of the codes of some pixels, of 8, 4, 2 or 1 consecutive frames in a
byte: so whole rows of pixels are packed and unpacked by a shift. 128 kB of like pixels lie
together, as much as zstd codes with one table.
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

STRETCH = 1 << 17  # bytes
ROW = 8  # frames; any number of these fills whole rows of all planes


@dataclass(frozen=True)
class Plane:
    """Some bits of the codes of some pixels.

    Attributes
    ----------
    bits, shift : int
        How many bits there are, and how many of a code are below them.
    stored : ndarray of uint8, shape (rows * pixels,)
        One byte of each pixel a row; of `STRETCH` bytes of pixels all rows, then of the next.
    rows : int
        How many there are.
    """

    bits: int
    shift: int
    stored: NDArray[np.uint8]
    rows: int

    @property
    def frames(self) -> int:
        """The number of frames in a row."""
        return 8 // self.bits

    @property
    def mask(self) -> int:
        """The largest number of these bits."""
        return (1 << self.bits) - 1

    def pack(self, codes: NDArray[Any], *, start: int) -> None:
        """Store these bits of consecutive frames, of which the first begins a row.

        Parameters
        ----------
        codes : ndarray of unsigned integers, shape (frames, pixels)
            Codes less their bases.
        start : int
            The number of the first frame.
        """
        rows = self._rows(codes)
        first = start // self.frames
        whole, rest = self._stretches(first, first + len(rows))
        split = whole[0].size
        whole[...] = rows[:, :split].reshape(whole.shape)
        rest[...] = rows[:, split:]

    def _rows(self, codes: NDArray[Any]) -> NDArray[Any]:
        """Bytes of these bits, shape (rows, pixels); if a byte holds one code, what has them."""
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
        """Add these bits of some frames to their codes.

        Parameters
        ----------
        start, stop : int
            The first frame, and the one after the last.
        target : ndarray of unsigned integers, shape (frames, pixels)
            Codes to add to, which do not have these bits.
        first : bool
            Whether the codes are not yet set, and are to be, rather than added to.
        """
        frame = start
        while frame < stop:
            rows, places = self._together(frame, stop)
            codes = target[frame - start :][: rows * places].reshape(rows, places, -1)
            self._spread(frame, codes, first=first)
            frame += rows * places

    def pick(self, pixels: NDArray[np.intp], frames: range) -> NDArray[np.uint8]:
        """Return these bits of some pixels in consecutive frames.

        Parameters
        ----------
        pixels : ndarray of intp, shape (pixels,)
            Which of the pixels.
        frames : range
            The frames; at least one.

        Returns
        -------
        ndarray of uint8, shape (frames, pixels)
            Numbers of as many bits, without those of the code that are below them.
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
        """How many rows are unpacked at once from a frame on, and how many frames of each."""
        place, left = frame % self.frames, stop - frame
        if place == 0 and left >= self.frames:
            return left // self.frames, self.frames
        return 1, min(left, self.frames - place)

    def _spread(self, frame: int, codes: NDArray[Any], *, first: bool) -> None:
        """Add these bits to codes, shape (rows, frames of a row, pixels), from a frame on."""
        row, place = divmod(frame, self.frames)
        rows = self._read(row, row + len(codes))
        for each in range(codes.shape[1]):
            self._put(rows, place + each, codes[:, each], first=first)

    def _put(self, rows: NDArray[Any], place: int, codes: NDArray[Any], *, first: bool) -> None:
        """Add the bits that are in one place of all rows to codes, shape (rows, pixels)."""
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
        """Some rows of all whole stretches of pixels, and of the pixels left."""
        length = max(8, STRETCH // self.rows)
        whole, rest = divmod(self.stored.size // self.rows, length)
        split = whole * length * self.rows
        stretches = self.stored[:split].reshape(whole, self.rows, length)
        return (
            stretches[:, first:last].swapaxes(0, 1),
            self.stored[split:].reshape(self.rows, rest)[first:last],
        )


def whole_rows(size: int, *, frame: int) -> int:
    """Return how many frames of so many bytes to pack or unpack at a time, in about so many bytes.

    Examples
    --------
    >>> whole_rows(1 << 20, frame=1 << 16), whole_rows(1 << 20, frame=1 << 30)
    (16, 8)
    """
    return max(1, size // max(frame, 1) // ROW) * ROW


def planes_of(kind: Kind, frames: int, *, stored: NDArray[np.uint8]) -> list[Plane]:
    """Return the planes of a kind of classes.

    Parameters
    ----------
    kind : Kind
        Its classes.
    frames : int
        How many there are.
    stored : ndarray of uint8
        At least as many bytes as they take.
    """
    planes, begin = [], 0
    for bits, shift in _widths(kind):
        rows = -(-frames * bits // 8)
        end = begin + rows * (kind.stop - kind.start)
        planes.append(Plane(bits, shift, stored[begin:end], rows))
        begin = end
    return planes


def planes_size(kind: Kind, frames: int) -> int:
    """Return how many bytes the planes of a kind of classes take."""
    return sum(-(-frames * bits // 8) for bits, _ in _widths(kind)) * (kind.stop - kind.start)


def _widths(kind: Kind) -> Iterator[tuple[int, int]]:
    """The bits and shift of each plane: that of `bits`, then those of the low ones."""
    if kind.bits:
        yield kind.bits, kind.low
    left = kind.low
    for bits in (8, 4, 2, 1):
        while left >= bits:
            left -= bits
            yield bits, left
