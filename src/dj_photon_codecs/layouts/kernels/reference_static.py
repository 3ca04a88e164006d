"""The static layout in NumPy, which advances the lanes of all streams of a call at a time.

The arguments are the same in all functions. They are arrays but for widths, sizes and starts.

=================== ============================================================================
numbers             uint16 (frames, pixels); frames may be apart in memory, as also those of `out`
frame_class         uint8 (frames,): frames of a class share their models of pixels
level               uint16 (pixels,): pixels of a level share their models; `width` are in a row
rows, cells         uint32 (classes, levels), (classes, pixels): the models, which are base | shift
                    << 16 | table << 24. A number is, modulo 2**16, base + (symbol << shift) + low
                    bits; symbol 255 is an escape: the number is stored as it is
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

import math
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.layout import DamagedChunk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = [
    "LANES",
    "MAP_CONTEXTS",
    "count_map",
    "count_symbols",
    "decode_map",
    "decode_streams",
    "decoding_slots",
    "encode_map",
    "encode_streams",
    "sum_pixels",
]

LANES = 32  # of a stream; also the rows of a map whose words are neighbours
SLOTS = 1 << 12  # what the frequencies of a table add up to
ESCAPE = 255
LEAST = 1 << 15  # of a state between symbols
MAP_CONTEXTS = 6
SLOPES = (1, 2, 4, 7, 14)  # of levels around a pixel, at which the next context begins
# The code of a symbol: its frequency, what comes before it << 13, and whether it escapes << 31.
FREQUENCY = (1 << 13) - 1
# A state times these is a little more than the quotient, and has the same whole part.
RECIPROCALS = (1 + 2.0**-40) / np.maximum(np.arange(SLOTS + 1), 1)


def sum_pixels(
    numbers: NDArray[np.uint16], sums: NDArray[np.uint32], squares: NDArray[np.uint64]
) -> None:
    """Put the sums of the numbers of each pixel, and of their squares, of at most 2**16 frames."""
    np.sum(numbers, axis=0, out=sums, dtype=np.uint32)
    squares[...] = 0
    for frame in numbers:
        squares += np.multiply(frame, frame, dtype=np.uint64)


def count_symbols(
    numbers: NDArray[np.uint16],
    frame_class: NDArray[np.uint8],
    level: NDArray[np.uint16],
    rows: NDArray[np.uint32],
    counts: NDArray[np.uint32],
) -> None:
    """Add to `counts`, (classes, levels, 256), how often each symbol occurs."""
    classes, levels = rows.shape
    _refuse(levels <= level.max(initial=0) or classes <= frame_class.max(initial=0))
    for frame, kind in zip(numbers, frame_class, strict=True):
        _, base, shift = _Cells.of(rows[kind][level])
        symbols = np.minimum((frame - base) >> shift, ESCAPE)
        counted = np.bincount(level.astype(np.intp) << 8 | symbols, minlength=256 * levels)
        counts[kind] += counted.reshape(levels, 256).astype(np.uint32)


def decoding_slots(frequencies: NDArray[np.uint16], slots: NDArray[np.uint32]) -> None:
    """Put of each slot its symbol | its place among those of it << 8 | (frequency - 1) << 20."""
    counts = frequencies.astype(np.uint32)
    if (counts.sum(axis=1) != SLOTS).any():
        raise _damaged()
    entry = (counts - np.uint32(1)) << 20 | np.arange(256, dtype=np.uint32)
    first = np.cumsum(counts, dtype=np.uint32).reshape(counts.shape) - counts
    place = np.arange(slots.size, dtype=np.uint32) - np.repeat(first, counts.ravel())
    slots[...] = (np.repeat(entry, counts.ravel()) | place << 8).reshape(slots.shape)


def encode_streams(
    numbers: NDArray[np.uint16],
    frame_class: NDArray[np.uint8],
    cells: NDArray[np.uint32],
    frequencies: NDArray[np.uint16],
    frames_per_stream: int,
    pixels_per_stream: int,
    lengths: NDArray[np.uint32],
    payload: NDArray[np.uint8],
) -> int:
    """Encode frames; return how many bytes of the payload are used, or 0 if it is too small.

    An escape where it has no frequency is refused with a `ValueError`.
    """
    codes = _codes(frequencies)
    cut = frames_per_stream, pixels_per_stream
    grid = _Grid(cells, frame_class, 8, frequencies.size, cut)
    _refuse(grid.groups * grid.bands != lengths.size or frame_class.size != len(numbers))
    writer = _Writer((grid.groups, grid.bands, LANES), grid.frames * grid.blocks * LANES)
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
    frames_per_stream: int,
    pixels_per_stream: int,
    start_frame: int,
    start_pixel: int,
    out: NDArray[np.uint16],
) -> None:
    """Decode the frames and pixels that `out` has room for, from some frame and pixel on."""
    cut = frames_per_stream, pixels_per_stream
    grid = _Grid(cells, frame_class, 12, slots.size, cut)
    stop, stop_pixel = start_frame + len(out), start_pixel + out.shape[1]
    _refuse(grid.groups * grid.bands != lengths.size)
    _refuse(stop > frame_class.size or stop_pixel > cells.shape[1])
    ends = np.cumsum(lengths.astype(np.intp) + 2 * LANES)
    if payload.size != 2 * ends[-1:].sum():
        raise _damaged()
    if not out.size:
        return
    groups = slice(start_frame // grid.frames, -(-stop // grid.frames))
    bands = slice(start_pixel // grid.width, -(-stop_pixel // grid.width))
    streams = np.arange(ends.size).reshape(grid.groups, grid.bands)[groups, bands]
    begins = ends - lengths - 2 * LANES
    reader = _Reader(payload.view("<u2"), begins[streams], ends[streams], LANES)
    grid.leave_out(stop)
    slots = np.append(slots, np.arange(SLOTS, dtype=np.uint32) << 8 | (SLOTS - 1) << 20)
    left = start_pixel - bands.start * grid.width
    for frame in range(grid.frames):
        at = np.arange(groups.start, groups.stop) * grid.frames + frame
        wanted = (at >= start_frame) & (at < stop)
        rows = [
            reader.read(reader.state, grid.cells(frame, block, groups, bands), slots)
            for block in range(grid.blocks)
        ]
        found = grid.unfold(np.stack(rows, axis=2))
        out[at[wanted] - start_frame] = found[wanted, left : left + out.shape[1]]
    reader.finish(slice(-1 if stop < min(groups.stop * grid.frames, frame_class.size) else None))


def count_map(level: NDArray[np.uint16], width: int, counts: NDArray[np.uint32]) -> None:
    """Add to `counts`, (MAP_CONTEXTS, 256), how levels differ from those of their neighbours."""
    image = _image(level, width)
    cells = _map_cells(image, *np.indices(image.shape))
    at = _code_index(image.astype(np.uint16) - cells.base, cells)
    counts += np.bincount(at.ravel(), minlength=counts.size).reshape(counts.shape).astype("u4")


def encode_map(
    level: NDArray[np.uint16],
    width: int,
    frequencies: NDArray[np.uint16],
    payload: NDArray[np.uint8],
) -> int:
    """Encode levels, with a lane for each row; return as `encode_streams` does."""
    image, codes = _image(level, width), _codes(frequencies)
    writer = _Writer((1, len(image)), image.size)
    for rows, columns in reversed(list(_diagonals(*image.shape))):
        cells = _map_cells(image, rows, columns)
        numbers = image[rows, columns].astype(np.uint16)
        escapes = codes[_code_index(numbers - cells.base, cells)] >> 31
        for block in reversed(_blocks(escapes)):
            state = writer.state[:, rows[0] : rows[-1] + 1][:, block]
            writer.write(state, numbers[block], cells.part(block), codes)
    return writer.store(np.zeros(1, np.uint32), payload)


def decode_map(
    payload: NDArray[np.uint8], width: int, slots: NDArray[np.uint32], level: NDArray[np.uint16]
) -> None:
    """Decode levels."""
    image, slots = _image(level, width), slots.ravel()
    if payload.size % 2 or payload.size < 4 * len(image):
        raise _damaged()
    nothing, end = np.zeros(1, np.intp), np.array([payload.size // 2])
    reader = _Reader(payload.view("<u2"), nothing, end, len(image))
    for rows, columns in _diagonals(*image.shape):
        cells, states = _map_cells(image, rows, columns, 12), reader.state[:, rows]
        entries = slots[cells.table | states[0] & (SLOTS - 1)]
        for block in _blocks((entries & 255) == ESCAPE):
            state = reader.state[:, rows[0] : rows[-1] + 1][:, block]
            image[rows[block], columns[block]] = reader.read(state, cells.part(block), slots)[0]
    reader.finish()
    level[...] = image.ravel()


# ------------------------------------------------------------------------------ steps


class _Cells(NamedTuple):
    """The parts of cells: the number of the first code, or slot, of the table; base; shift."""

    table: NDArray[Any]
    base: NDArray[np.uint16]
    shift: NDArray[np.uint16] | None

    @classmethod
    def of(cls, cells: NDArray[np.uint32], bits: int = 8) -> Any:
        shift = (cells >> 16 & 15).astype(np.uint16)
        return cls(cells >> 24 << bits, cells.astype(np.uint16), shift)

    def part(self, index: Any) -> _Cells:
        shift = self.shift if self.shift is None else self.shift[index]
        return _Cells(self.table[index], self.base[index], shift)


def _code_index(above: NDArray[np.uint16], cells: _Cells) -> NDArray[Any]:
    """Return the place of the code of what exceeds the bases of cells."""
    symbols = above if cells.shift is None else above >> cells.shift
    return cells.table | np.minimum(symbols, ESCAPE)


def _codes(frequencies: NDArray[np.uint16]) -> NDArray[np.uint32]:
    """Return the codes of all tables, and of one of a single symbol, which changes no state."""
    counts = frequencies.astype(np.uint32)
    before = np.cumsum(counts, axis=1, dtype=np.uint32) - counts
    _refuse((before[:, -1] + counts[:, -1] != SLOTS).any())
    codes = counts | before << 13
    codes[:, ESCAPE] = np.where(counts[:, ESCAPE] > 0, codes[:, ESCAPE], 0) | np.uint32(1 << 31)
    codes = np.where(counts > 0, codes, codes[:, ESCAPE:])
    return np.append(codes, np.full(256, SLOTS, np.uint32))


def _low_bits(shift: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return (np.uint16(1) << shift) - np.uint16(1)


class _Streams:
    """States, (..., lanes), and words; `place` is where each stream is read or written next."""

    def __init__(self, state: NDArray[np.uint32], words: NDArray[np.uint16], place: Any) -> None:
        self.state, self.words, self.place = state, words, place

    def places(self, lanes: NDArray[np.intp], width: int, *, backward: bool) -> NDArray[np.intp]:
        """Return places of a word of each of these lanes, in their order, and go on from them."""
        stream = lanes // width
        counts = np.bincount(stream, minlength=self.place.size)
        first = self.place - counts if backward else self.place
        self.place = first if backward else first + counts
        return (first - (np.cumsum(counts) - counts))[stream] + np.arange(lanes.size)


class _Writer(_Streams):
    """Streams, written from their ends to their beginnings, of at most so many numbers."""

    def __init__(self, shape: tuple[int, ...], numbers: int) -> None:
        streams, self._room = math.prod(shape[:-1]), 3 * numbers
        words = np.empty(streams * self._room, np.uint16)
        ends = np.arange(1, streams + 1) * self._room
        super().__init__(np.full(shape, LEAST, np.uint32), words, ends)

    def write(
        self,
        state: NDArray[np.uint32],
        numbers: NDArray[np.uint16],
        cells: _Cells,
        codes: NDArray[np.uint32],
    ) -> None:
        """Write a number to each lane."""
        above = numbers - cells.base
        code = np.take(codes, _code_index(above, cells), mode="clip").reshape(state.shape)
        if cells.shift is not None:
            self._spill(state, state >> (31 - cells.shift.astype(np.uint32)) != 0)
            state <<= cells.shift
            state |= above & _low_bits(cells.shift)
        frequency = code & FREQUENCY
        escapes = np.flatnonzero(code >> 31)
        if escapes.size:
            _refuse(not frequency.all())
            places = self.places(escapes, state.shape[-1], backward=True)
            self.words[places] = numbers.reshape(-1)[escapes]
        self._spill(state, state >> 19 >= frequency)
        quotient = state.view(np.int32) * np.take(RECIPROCALS, frequency, mode="clip")
        frequency -= np.uint32(SLOTS)
        state -= quotient.astype(np.int32).view(np.uint32) * frequency
        state += code >> 13 & (SLOTS - 1)

    def store(self, lengths: NDArray[np.uint32], payload: NDArray[np.uint8]) -> int:
        """Put states and words into a payload, and say how many bytes of it are used."""
        states = self.state.reshape(lengths.size, -1).view(np.uint8)
        ends = np.arange(1, lengths.size + 1) * self._room
        lengths[...] = ends - self.place
        parts = []
        for state, start, end in zip(states, self.place, ends, strict=True):
            parts += [state, self.words[start:end].view(np.uint8)]
        used = states.size + 2 * int(lengths.sum())
        if used > payload.size:
            return 0
        np.concatenate(parts, out=payload[:used])
        return used

    def _spill(self, state: NDArray[np.uint32], full: NDArray[np.bool_]) -> None:
        lanes, flat = np.flatnonzero(full), state.reshape(-1)
        spilt = flat[lanes]
        places = self.places(lanes, state.shape[-1], backward=True)
        self.words[places] = spilt.astype(np.uint16)
        flat[lanes] = spilt >> 16


class _Reader(_Streams):
    """Streams of words, from `begin` to `end` of each."""

    def __init__(
        self, words: NDArray[np.uint16], begin: NDArray[np.intp], end: NDArray[np.intp], lanes: int
    ) -> None:
        state = words[begin[..., None] + np.arange(2 * lanes)].view("<u4")
        super().__init__(state, words, begin.ravel() + 2 * lanes)
        self._end = end.ravel()

    def read(
        self, state: NDArray[np.uint32], cells: _Cells, slots: NDArray[np.uint32]
    ) -> NDArray[np.uint16]:
        """Read a number of each lane."""
        entry = np.take(slots, cells.table | state & (SLOTS - 1), mode="clip")
        state >>= 12
        state *= (entry >> 20) + np.uint32(1)
        state += entry >> 8 & (SLOTS - 1)
        self._refill(state)
        symbols = entry.astype(np.uint8)
        escapes = np.flatnonzero(symbols == ESCAPE)
        escaped = self._take(escapes, state.shape[-1])
        numbers = symbols.astype(np.uint16)
        if cells.shift is not None:
            numbers <<= cells.shift
            numbers |= state.astype(np.uint16) & _low_bits(cells.shift)
            state >>= cells.shift
            self._refill(state)
        numbers += cells.base
        numbers.reshape(-1)[escapes] = escaped
        return numbers

    def finish(self, groups: slice = slice(None)) -> None:
        """Refuse streams that are not at their ends."""
        left = (self._end - self.place).reshape(self.state.shape[:-1])[groups]
        if left.any() or (self.state[groups] != LEAST).any():
            raise _damaged()

    def _refill(self, state: NDArray[np.uint32]) -> None:
        flat = state.reshape(-1)
        lanes = np.flatnonzero(flat < LEAST)
        flat[lanes] = flat[lanes] << 16 | self._take(lanes, state.shape[-1])

    def _take(self, lanes: NDArray[np.intp], width: int) -> NDArray[np.uint16]:
        if not lanes.size:
            return self.words[:0]
        places = self.places(lanes, width, backward=False)
        if (self.place > self._end).any():
            raise _damaged()
        return self.words.take(places)


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
        _refuse(0 in cut or len(cells) <= frame_class.max(initial=0))
        self.frames, self.width = min(cut[0], max(frames, 1)), min(cut[1], max(pixels, 1))
        self.groups, self.bands = -(-frames // cut[0]), -(-pixels // cut[1])
        self.blocks = -(-self.width // LANES)
        self._kind = np.full((self.groups, self.frames), len(cells))
        self._kind.reshape(-1)[:frames] = frame_class
        table, base, shift = _Cells.of(cells, bits)
        if int(table.max(initial=0)) >= missing:
            raise _damaged()
        fold = partial(self.fold, rows=len(cells) + 1)
        low = fold(shift) if shift.any() else None
        self._cells = _Cells(fold(table, fill=missing), fold(base), low)

    def leave_out(self, stop: int) -> None:
        """Let the frames from `stop` on be missing."""
        self._kind.reshape(-1)[stop:] = len(self._cells.base) - 1

    def cells(self, frame: int, block: int, groups: slice, bands: slice) -> _Cells:
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


# ------------------------------------------------------------------------------ maps


def _image(level: NDArray[np.uint16], width: int) -> NDArray[np.int32]:
    _refuse(not level.size or not width or level.size % width != 0)
    return level.reshape(-1, width).astype(np.int32)


def _map_cells(
    image: NDArray[np.int32], y: NDArray[np.intp], x: NDArray[np.intp], bits: int = 8
) -> _Cells:
    """Return the cells of pixels of a map, from their neighbours to the left and above.

    A missing neighbour has the level of another one.
    """
    above, before, after = np.maximum(y - 1, 0), np.maximum(x - 1, 0), (x + 1) % image.shape[1]
    up = image[above, x]
    left = np.where(x > 0, image[y, before], np.where(y > 0, up, 0))
    up = np.where(y > 0, up, left)
    up_left = np.where((y > 0) & (x > 0), image[above, before], up)
    up_right = np.where((y > 0) & (after > x), image[above, after], up)
    slope = np.abs(left - up_left) + np.abs(up - up_left) + np.abs(up - up_right)
    context = np.searchsorted(SLOPES, slope, "right").astype(np.uint32)
    predicted = (4 * left + 3 * up + 2 * up_right - up_left + 4) >> 3
    return _Cells(context << bits, (predicted - 127).astype(np.uint16), None)


def _diagonals(height: int, width: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the rows and columns of pixels where column + 2 * row is 0, 1, 2 and so on.

    Their neighbours are in earlier ones, so that they are coded at a time.
    """
    for place in range(width + 2 * (height - 1)):
        rows = np.arange(max(0, (place - width) // 2 + 1), min(height, place // 2 + 1))
        if rows.size:
            yield rows, place - 2 * rows


def _blocks(escapes: NDArray[Any]) -> list[slice]:
    """Return the parts of a diagonal whose words are neighbours: one if there is no escape."""
    step = LANES if escapes.any() else escapes.size
    return [slice(start, start + step) for start in range(0, escapes.size, step)]


def _refuse(misfit: Any) -> None:
    if misfit:
        raise ValueError("the sizes of the arrays do not fit each other")


def _damaged() -> DamagedChunk:
    return DamagedChunk("damaged chunk: its bytes are not what an encoder writes")
