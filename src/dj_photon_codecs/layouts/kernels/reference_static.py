"""The static layout in NumPy, which advances the lanes of all streams of a call at a time.

The arguments are the same in all functions. They are arrays but for widths, sizes and starts.

=================== ============================================================================
numbers             uint8 or uint16 (frames, pixels); frames may be apart in memory, as those of
                    `out` may be
frame_class         uint8 (frames,): frames of a class share their models of pixels
level               uint16 (pixels,): pixels of a level share their models; `width` are in a row
rows, cells         uint32 (classes, levels), (classes, pixels): the models, base | table << 24. A
                    bin is, modulo 2**16, base + symbol; 255 is an escape, the bin stored as it is
bins                uint32. To encode, the bin of each number; to decode, the first number of each
                    bin; and how many low bits say which number of the bin it is, << 16, 15 at most;
                    of what is beyond the last, the same. Empty: each number is its bin
frequencies         uint16 (tables, 256): of symbols; those of a table add up to 2**12
slots               uint32 (tables, 2**12): from `decoding_slots`
frames_per_stream,  the sizes of streams, which are smaller at the end. Streams of the same frames
pixels_per_stream   are neighbours
lengths             uint32 (streams,): the words of each stream
payload             uint8: each stream's states, 4 bytes for each lane, and words, 2 bytes each
=================== ============================================================================

Arrays that do not fit each other are refused with a `ValueError`; bytes that no encoder writes with
`DamagedChunk`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.layouts.kernels.reference_rans import (
    ESCAPE,
    SLOTS,
    Cells,
    Reader,
    Writer,
    codes_of,
    damaged,
    refuse,
)

__all__ = [
    "LANES",
    "count_symbols",
    "decode_streams",
    "encode_streams",
    "fill_cells",
    "sum_pixels",
]

LANES = 32  # of a stream


def sum_pixels(
    numbers: NDArray[Any], sums: NDArray[np.uint32], squares: NDArray[np.uint64]
) -> None:
    """Put the sums of the numbers of each pixel, and of their squares, of at most 2**16 frames."""
    refuse(len(numbers) > 1 << 16)
    np.sum(numbers, axis=0, out=sums, dtype=np.uint32)
    squares[...] = 0
    for frame in numbers:
        squares += np.multiply(frame, frame, dtype=np.uint64)


def count_symbols(
    numbers: NDArray[Any],
    bins: NDArray[np.uint32],
    frame_class: NDArray[np.uint8],
    level: NDArray[np.uint16],
    rows: NDArray[np.uint32],
    counts: NDArray[np.uint32],
) -> int:
    """Add to `counts`, (groups, 256), how often symbols occur; return all low bits.

    Rows, here, are base | group << 16: where their symbols are counted.
    """
    classes, levels = rows.shape
    refuse(levels <= level.max(initial=0) or classes <= frame_class.max(initial=0))
    refuse(len(counts) <= rows.max(initial=0) >> 16)
    low = 0
    for frame, kind in zip(numbers, frame_class, strict=True):
        entries = np.take(bins, frame, mode="clip") if bins.size else frame.astype(np.uint32)
        low += int((entries >> 16).sum())
        row = rows[kind][level]
        symbols = np.minimum(entries.astype(np.uint16) - row.astype(np.uint16), ESCAPE)
        counted = np.bincount((row >> 16).astype(np.intp) << 8 | symbols, minlength=counts.size)
        counts += counted.reshape(counts.shape).astype(np.uint32)
    return low


def fill_cells(
    level: NDArray[np.uint16], rows: NDArray[np.uint32], cells: NDArray[np.uint32]
) -> None:
    """Put the row of the level of each pixel, of each class."""
    refuse(cells.shape != (len(rows), level.size))
    if level.max(initial=0) >= rows.shape[1]:
        raise damaged()
    np.take(rows, level, axis=1, out=cells, mode="clip")


def encode_streams(
    numbers: NDArray[Any],
    frame_class: NDArray[np.uint8],
    cells: NDArray[np.uint32],
    frequencies: NDArray[np.uint16],
    bins: NDArray[np.uint32],
    frames_per_stream: int,
    pixels_per_stream: int,
    lengths: NDArray[np.uint32],
    payload: NDArray[np.uint8],
) -> int:
    """Encode frames; return how many bytes of the payload are used, or 0 if it is too small.

    An escape where it has no frequency is refused with a `ValueError`.
    """
    codes = codes_of(frequencies)
    cut = frames_per_stream, pixels_per_stream
    grid = _Grid(cells, frame_class, 8, frequencies.size, cut)
    refuse(grid.groups * grid.bands != lengths.size or frame_class.size != len(numbers))
    writer = Writer((grid.groups, grid.bands, LANES), grid.frames * grid.blocks * LANES)
    writer.bins = bins
    for frame in reversed(range(grid.frames)):
        rows = grid.fold(numbers[frame :: grid.frames], grid.groups)
        for block in reversed(range(grid.blocks)):
            here = grid.cells(frame, block, slice(None), slice(None))
            writer.write(writer.state, rows[:, :, block], here, codes)
    return writer.store(lengths, payload)


def decode_streams(
    payload: NDArray[np.uint8],
    lengths: NDArray[np.uint32],
    frame_class: NDArray[np.uint8],
    cells: NDArray[np.uint32],
    slots: NDArray[np.uint32],
    bins: NDArray[np.uint32],
    frames_per_stream: int,
    pixels_per_stream: int,
    start_frame: int,
    pixels: NDArray[np.uint32],
    out: NDArray[Any],
) -> None:
    """Decode the frames that `out` has room for, from some frame on.

    All `pixels` or, if there are any, these, in ascending order. `out` is of uint16, or of uint8
    for the lowest 8 bits of numbers.
    """
    cut = frames_per_stream, pixels_per_stream
    grid = _Grid(cells, frame_class, 12, slots.size, cut)
    places, stop = pixels.astype(np.intp), start_frame + len(out)
    if not places.size:
        places = np.arange(cells.shape[1])
    refuse(grid.groups * grid.bands != lengths.size or out.shape[1] != places.size)
    refuse(stop > frame_class.size or places.max(initial=0) >= max(cells.shape[1], 1))
    refuse((np.diff(places) <= 0).any())
    ends = np.cumsum(lengths.astype(np.intp) + 2 * LANES)
    if payload.size != 2 * ends[-1:].sum():
        raise damaged()
    if not out.size:
        return
    groups = slice(start_frame // grid.frames, -(-stop // grid.frames))
    bands = slice(places[0] // grid.width, places[-1] // grid.width + 1)
    streams = np.arange(ends.size).reshape(grid.groups, grid.bands)[groups, bands]
    begins = ends - lengths - 2 * LANES
    reader = Reader(payload.view("<u2"), begins[streams], ends[streams], LANES)
    reader.bins = bins
    grid.leave_out(stop)
    slots = np.append(slots, np.arange(SLOTS, dtype=np.uint32) << 8 | (SLOTS - 1) << 20)
    places -= bands.start * grid.width
    for frame in range(grid.frames):
        at = np.arange(groups.start, groups.stop) * grid.frames + frame
        wanted = (at >= start_frame) & (at < stop)
        rows = [
            reader.read(reader.state, grid.cells(frame, block, groups, bands), slots)
            for block in range(grid.blocks)
        ]
        found = grid.unfold(np.stack(rows, axis=2))
        out[at[wanted] - start_frame] = found[wanted][:, places]
    reader.finish(slice(-1 if stop < min(groups.stop * grid.frames, frame_class.size) else None))


class _Grid:
    """How frames and pixels are cut: groups of frames, bands of pixels, blocks of lanes in a band.

    Where a frame, a pixel or a lane is missing, there is a cell whose table has a single symbol.
    """

    def __init__(
        self,
        cells: NDArray[np.uint32],
        frame_class: NDArray[np.uint8],
        bits: int,
        missing: int,
        cut: tuple[int, int],
    ) -> None:
        frames, pixels = frame_class.size, cells.shape[1]
        refuse(0 in cut or len(cells) <= frame_class.max(initial=0))
        self.frames, self.width = min(cut[0], max(frames, 1)), min(cut[1], max(pixels, 1))
        self.groups, self.bands = -(-frames // cut[0]), -(-pixels // cut[1])
        self.blocks = -(-self.width // LANES)
        self._kind = np.full((self.groups, self.frames), len(cells))
        self._kind.reshape(-1)[:frames] = frame_class
        table, base = Cells.of(cells, bits)
        if int(table.max(initial=0)) >= missing:
            raise damaged()
        fold = partial(self.fold, rows=len(cells) + 1)
        self._cells = Cells(fold(table, fill=missing), fold(base))

    def leave_out(self, stop: int) -> None:
        """Let the frames from `stop` on be missing."""
        self._kind.reshape(-1)[stop:] = len(self._cells.base) - 1

    def cells(self, frame: int, block: int, groups: slice, bands: slice) -> Cells:
        """Return the cells of a block in the same frame of each group: (groups or 1, bands, 32)."""
        kind = self._kind[groups, frame]
        kind = kind[: 1 if (kind == kind[0]).all() else None]
        return self._cells.part((slice(None), bands, block)).part(kind)

    def fold(self, values: NDArray[Any], rows: int, fill: int = 0) -> NDArray[Any]:
        """Return values of pixels, shape (rows, pixels), as (rows, bands, blocks, 32)."""
        whole, lanes = self.bands * self.width, self.blocks * LANES
        if values.shape != (rows, whole):
            values = _larger(values, (rows, whole), fill)
        bands = values.reshape(rows, self.bands, self.width)
        if lanes > self.width:
            bands = _larger(bands, (rows, self.bands, lanes), fill)
        return bands.reshape(rows, self.bands, self.blocks, LANES)

    def unfold(self, folded: NDArray[Any]) -> NDArray[Any]:
        """Return what was folded, and what was filled in at the end of its last band."""
        rows, bands, _, _ = folded.shape
        return folded.reshape(rows, bands, -1)[:, :, : self.width].reshape(rows, -1)


def _larger(values: NDArray[Any], shape: tuple[int, ...], fill: int) -> NDArray[Any]:
    larger = np.full(shape, fill, values.dtype)
    larger[tuple(map(slice, values.shape))] = values
    return larger
