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

from dj_photon_codecs.layouts.grouped.unpacking import plane_fields
from dj_photon_codecs.layouts.kernels.reference_grouped import STRETCH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.layouts.grouped.grouping import Kind

__all__ = ["ROW", "Plane", "planes_of", "planes_size", "whole_rows"]

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
    for bits, shift in plane_fields(kind):
        rows = -(-frames * bits // 8)
        end = begin + rows * (kind.stop - kind.start)
        planes.append(Plane(bits, shift, stored[begin:end], rows))
        begin = end
    return planes


def planes_size(kind: Kind, frames: int) -> int:
    """Return how many bytes the planes of a kind take."""
    return sum(-(-frames * bits // 8) for bits, _ in plane_fields(kind)) * (kind.stop - kind.start)
