"""rANS in NumPy: steps of the lanes of many streams at a time."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.layouts.layout import DamagedChunk

__all__ = ["decoding_slots"]

SLOTS = 1 << 12  # what the frequencies of a table add up to
ESCAPE = 255
LEAST = 1 << 15  # of a state between symbols
# The code of a symbol: its frequency, what comes before it << 13, and whether it escapes << 31.
FREQUENCY = (1 << 13) - 1
# A state times these is a little more than the quotient, and has the same whole part.
RECIPROCALS = (1 + 2.0**-40) / np.maximum(np.arange(SLOTS + 1), 1)


def decoding_slots(frequencies: NDArray[np.uint16], slots: NDArray[np.uint32]) -> None:
    """Put of each slot its symbol | its place among those of it << 8 | (frequency - 1) << 20."""
    counts = frequencies.astype(np.uint32)
    if (counts.sum(axis=1) != SLOTS).any():
        raise damaged()
    entry = (counts - np.uint32(1)) << 20 | np.arange(256, dtype=np.uint32)
    first = np.cumsum(counts, dtype=np.uint32).reshape(counts.shape) - counts
    place = np.arange(slots.size, dtype=np.uint32) - np.repeat(first, counts.ravel())
    slots[...] = (np.repeat(entry, counts.ravel()) | place << 8).reshape(slots.shape)


class Cells(NamedTuple):
    """The parts of cells: the number of the first code, or slot, of the table; base."""

    table: NDArray[Any]
    base: NDArray[np.uint16]

    @classmethod
    def of(cls, cells: NDArray[np.uint32], bits: int = 8) -> Any:
        return cls(cells >> 24 << bits, cells.astype(np.uint16))

    def part(self, index: Any) -> Cells:
        return Cells(self.table[index], self.base[index])


def code_index(bins: NDArray[np.uint16], cells: Cells) -> NDArray[Any]:
    """Return the place of the code of bins."""
    return cells.table | np.minimum(bins - cells.base, ESCAPE)


def codes_of(frequencies: NDArray[np.uint16]) -> NDArray[np.uint32]:
    """Return the codes of all tables, and of one of a single symbol, which changes no state."""
    counts = frequencies.astype(np.uint32)
    before = np.cumsum(counts, axis=1, dtype=np.uint32) - counts
    refuse((before[:, -1] + counts[:, -1] != SLOTS).any())
    codes = counts | before << 13
    codes[:, ESCAPE] = np.where(counts[:, ESCAPE] > 0, codes[:, ESCAPE], 0) | np.uint32(1 << 31)
    codes = np.where(counts > 0, codes, codes[:, ESCAPE:])
    return np.append(codes, np.full(256, SLOTS, np.uint32))


class Streams:
    """States, (..., lanes), and words; `place` is where each stream is read or written next."""

    def __init__(self, state: NDArray[np.uint32], words: NDArray[np.uint16], place: Any) -> None:
        self.state, self.words, self.place = state, words, place
        self.bins = np.zeros(0, np.uint32)

    def low_bits(
        self, of: NDArray[np.uint16], cells: Cells, missing: int
    ) -> tuple[NDArray[np.uint16], NDArray[np.uint32]]:
        """Return what `bins` say of bins, or of numbers, and their low bits; of no missing lane."""
        entries = np.take(self.bins, of, mode="clip")
        low = np.where(cells.table == missing, np.uint32(0), entries >> 16 & 15)
        return entries.astype(np.uint16), low

    def places(self, lanes: NDArray[np.intp], width: int, *, backward: bool) -> NDArray[np.intp]:
        """Return places of a word of each of these lanes, in their order, and go on from them."""
        stream = lanes // width
        counts = np.bincount(stream, minlength=self.place.size)
        first = self.place - counts if backward else self.place
        self.place = first if backward else first + counts
        return (first - (np.cumsum(counts) - counts))[stream] + np.arange(lanes.size)


class Writer(Streams):
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
        cells: Cells,
        codes: NDArray[np.uint32],
    ) -> None:
        """Write a number to each lane."""
        if self.bins.size:
            bins, low = self.low_bits(numbers, cells, codes.size - 256)
            self._spill(state, state >> (31 - low) != 0)
            state <<= low
            state |= numbers & ((1 << low) - 1)
            numbers = bins
        code = np.take(codes, code_index(numbers, cells), mode="clip").reshape(state.shape)
        frequency = code & FREQUENCY
        escapes = np.flatnonzero(code >> 31)
        if escapes.size:
            refuse(not frequency.all())
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


class Reader(Streams):
    """Streams of words, from `begin` to `end` of each."""

    def __init__(
        self, words: NDArray[np.uint16], begin: NDArray[np.intp], end: NDArray[np.intp], lanes: int
    ) -> None:
        state = words[begin[..., None] + np.arange(2 * lanes)].view("<u4")
        if (state < LEAST).any() or (state >> 31).any():
            raise damaged()
        super().__init__(state, words, begin.ravel() + 2 * lanes)
        self._end = end.ravel()

    def read(
        self, state: NDArray[np.uint32], cells: Cells, slots: NDArray[np.uint32]
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
        numbers += cells.base
        numbers.reshape(-1)[escapes] = escaped
        if self.bins.size:
            numbers, low = self.low_bits(numbers, cells, slots.size - SLOTS)
            numbers += (state & ((1 << low) - 1)).astype(np.uint16)
            state >>= low
            self._refill(state)
        return numbers

    def finish(self, groups: slice = slice(None)) -> None:
        """Refuse streams that are not at their ends."""
        left = (self._end - self.place).reshape(self.state.shape[:-1])[groups]
        if left.any() or (self.state[groups] != LEAST).any():
            raise damaged()

    def _refill(self, state: NDArray[np.uint32]) -> None:
        flat = state.reshape(-1)
        lanes = np.flatnonzero(flat < LEAST)
        flat[lanes] = flat[lanes] << 16 | self._take(lanes, state.shape[-1])

    def _take(self, lanes: NDArray[np.intp], width: int) -> NDArray[np.uint16]:
        if not lanes.size:
            return self.words[:0]
        places = self.places(lanes, width, backward=False)
        if (self.place > self._end).any():
            raise damaged()
        return self.words.take(places)


def refuse(misfit: Any) -> None:
    if misfit:
        raise ValueError(
            "the sizes of the arrays do not fit each other, or a movie changed while it was "
            "encoded: let nothing write to it"
        )


def damaged() -> DamagedChunk:
    return DamagedChunk("damaged chunk: its bytes are not what an encoder writes")
