"""The decoder of dense chunks, which earlier versions wrote: from their bytes to numbers.

A *level* is a range of predicted brightness: its first key, its table of symbol frequencies, and
its base.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.columns import cut, inflated, numbers_of
from dj_photon_codecs.layouts.dense.prediction import FEATURES, KEYS, Brightness, brightness_keys
from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.layout import DamagedChunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["ESCAPE", "LEVEL", "SECTIONS_HEADER", "SLOTS", "TABLE", "fewest_coders", "unpack_dense"]

# All of these are parts of the stored format.
MOST_CODES = 1 << 24  # above, float32 does not hold every whole number
MOST_CODERS = 1 << 12
MOST_TURNS = 1 << 10  # of a coder in a frame, unless there are `MOST_CODERS`; they bound the time
MOST_BITS, MOST_TABLES = 16, 256
SLOTS = 1 << 12  # of a table; what its frequencies add up to
ESCAPE = 255  # the symbol of a number that is listed apart
LEAST = 1 << 16  # of a coder
LEVEL = np.dtype([("key", "<u2"), ("table", "u1"), ("base", "<u4")])
TABLE = np.dtype([("low", "u1"), ("frequencies", "<u2", (256,))])
SECTIONS_HEADER = np.dtype(
    [(name, "<u4") for name in ("frames", "height", "width", "top")]
    + [("start", "<f4"), ("levels", "<u2"), ("tables", "<u2")]
    + [(name, "<u4") for name in ("escapes", "values", "coders", "model")]
)


class Sections(NamedTuple):
    """What a dense chunk holds."""

    top: int  # the largest number
    start: float  # the prediction for the first frame
    weights: NDArray[np.int32]  # (frames, FEATURES)
    level: Array
    table: Array
    escapes: NDArray[np.uint32]  # above the bases of their levels
    values: NDArray[np.uint32]  # empty if numbers are not indices
    coders: NDArray[np.uint32]
    words: NDArray[np.uint16]


def fewest_coders(pixels: int) -> int:
    """Return the least number of coders for frames of so many pixels."""
    return max(1, min(MOST_CODERS, pixels // MOST_TURNS))


def unpack_dense(
    packed: NDArray[np.uint8], shape: tuple[int, int, int], *, out: Array
) -> NDArray[np.uint32]:
    """Put the numbers of a chunk into `out`, unsigned, and return the values of which, if any.

    Bytes that are no chunk of this shape, (frames, height, width), are a `DamagedChunk`.
    """
    found = split_sections(packed, shape)
    if found.top > np.iinfo(out.dtype).max:
        raise DamagedChunk(f"damaged chunk: {out.dtype} codes up to {found.top}")
    last = np.searchsorted(found.level["key"], np.arange(KEYS), "right") - 1
    level = found.level[np.maximum(last, 0)]  # of each key; below the first level, that
    slots = np.empty((len(found.table), SLOTS), np.uint32)
    kernel().decoding_slots(found.table["frequencies"].astype(np.uint16), slots)
    low = found.table["low"][level["table"]] if found.table["low"].any() else None
    symbols = _Symbols(found, slots)
    brightness = Brightness(shape[1:], start=found.start)
    for frame, weights in zip(out, found.weights, strict=True):
        key = brightness_keys(brightness.expect(weights)).ravel()
        first_slot, bits = level["table"][key] * np.uint32(SLOTS), None if low is None else low[key]
        numbers = symbols.read(first_slot, bits) + level["base"][key]
        if int(numbers.max()) > found.top:
            raise DamagedChunk(
                f"damaged chunk: a code of {numbers.max()} where {found.top} is the largest"
            )
        frame[...] = numbers.reshape(frame.shape)
        brightness.learn(frame)
    symbols.finish()
    return found.values


class _Symbols:
    """Interleaved rANS: thousands of coders take turns, and share the words.

    A coder is a number from 2**16 to 2**32; it takes a word where it falls below.
    """

    def __init__(self, found: Sections, slots: NDArray[np.uint32]) -> None:
        self._coders, self._words, self._escapes = found.coders, found.words, found.escapes
        self._slots, self._taken = slots.reshape(-1), 0

    def read(
        self, first_slot: NDArray[np.uint32], low: NDArray[np.uint8] | None
    ) -> NDArray[np.uint32]:
        """Return what the pixels of a frame are above their bases.

        From the first slot of the table of each, and how many bits it has beside the symbol.
        """
        symbols = np.empty(first_slot.size, np.uint32)
        for turn in self._turns(symbols.size):
            coders = self._coders[: turn.stop - turn.start]
            slot = (coders & np.uint32(SLOTS - 1)) + first_slot[turn]
            entry = np.take(self._slots, slot, mode="clip")
            symbols[turn] = entry & np.uint32(255)
            coders >>= np.uint32(12)
            coders *= (entry >> np.uint32(20)) + np.uint32(1)
            coders += (entry >> np.uint32(8)) & np.uint32(SLOTS - 1)
            self._refill(coders)
        escaped = np.flatnonzero(symbols == ESCAPE)
        if low is not None:
            bits = np.where(symbols == ESCAPE, 0, low).astype(np.uint32)
            for turn in self._turns(symbols.size):
                coders = self._coders[: turn.stop - turn.start]
                mask = (np.uint32(1) << bits[turn]) - np.uint32(1)
                symbols[turn] = symbols[turn] << bits[turn] | coders & mask
                coders >>= bits[turn]
                self._refill(coders)
        if escaped.size > self._escapes.size:
            raise DamagedChunk(
                f"damaged chunk: {escaped.size} escapes where {self._escapes.size} are listed"
            )
        symbols[escaped], self._escapes = np.split(self._escapes, [escaped.size])
        return symbols

    def finish(self) -> None:
        """Refuse words and escapes that are left, and coders that are not what they began as."""
        if self._taken != self._words.size or (self._coders != LEAST).any():
            raise DamagedChunk(
                f"damaged chunk: its symbols took {self._taken} of {self._words.size} words"
            )
        if self._escapes.size:
            raise DamagedChunk(f"damaged chunk: {self._escapes.size} escapes are left")

    def _turns(self, size: int) -> list[slice]:
        width = self._coders.size
        return [slice(start, min(start + width, size)) for start in range(0, size, width)]

    def _refill(self, coders: NDArray[np.uint32]) -> None:
        low = np.flatnonzero(coders < LEAST)
        words = self._words[self._taken : self._taken + low.size]
        if words.size < low.size:
            raise DamagedChunk(f"damaged chunk: its {self._words.size} words are too few")
        self._taken += low.size
        coders[low] = coders[low] << np.uint32(16) | words


def split_sections(packed: NDArray[np.uint8], shape: tuple[int, int, int]) -> Sections:
    """Return the sections of a chunk of this shape, checked."""
    header = _header(packed, shape)
    sizes = int(header["model"]), 4 * int(header["coders"])
    left = packed.size - SECTIONS_HEADER.itemsize - sum(sizes)
    if left < 0 or left % 2:
        raise DamagedChunk(f"damaged chunk: {packed.size} bytes are not what its header says")
    model, coders, words = cut(packed[SECTIONS_HEADER.itemsize :], (*sizes, left), all_of_it=True)
    return Sections(
        int(header["top"]),
        float(header["start"]),
        *_model(header, model),
        coders.view("<u4").astype(np.uint32),
        words.view("<u2").astype(np.uint16),
    )


def _header(packed: NDArray[np.uint8], shape: tuple[int, int, int]) -> Any:
    if packed.size < SECTIONS_HEADER.itemsize:
        raise DamagedChunk(f"damaged chunk: {packed.size} bytes are too few for its header")
    header = packed[: SECTIONS_HEADER.itemsize].view(SECTIONS_HEADER)[0]
    given = tuple(int(header[name]) for name in ("frames", "height", "width"))
    legal = (
        given == shape
        and fewest_coders(shape[1] * shape[2]) <= header["coders"] <= MOST_CODERS
        and header["top"] < MOST_CODES
        and header["levels"] > 0
        and header["tables"] <= MOST_TABLES
        and header["escapes"] <= math.prod(shape)
        and header["values"] in (0, int(header["top"]) + 1)
        and 0.5 <= header["start"] <= 2 * MOST_CODES
    )
    if not legal:
        raise DamagedChunk(f"damaged chunk: {shape} codes with the header {header}")
    return header


def _model(header: Any, stored: NDArray[np.uint8]) -> tuple[Array, Array, Array, Array, Array]:
    """Return weights, levels, tables, escapes and values."""
    frames, levels, tables, escapes, values = (
        int(header[name]) for name in ("frames", "levels", "tables", "escapes", "values")
    )
    sizes = [frames] * FEATURES + [levels] * 3 + [tables, tables * 256, escapes, values]
    sizes = [4 * size for size in sizes]
    parts = cut(inflated(stored, sum(sizes)), sizes, all_of_it=True)
    *changing, low, frequencies, escaped, changes = (numbers_of(part, "u4") for part in parts)
    *weights, key, of_level, base, values_in_use = (
        np.cumsum(each, dtype=np.uint32) for each in (*changing, changes)
    )
    level, table = np.empty(levels, LEVEL), np.empty(tables, TABLE)
    level["key"], level["table"], level["base"] = key, of_level, base
    table["low"], table["frequencies"] = low, frequencies.reshape(tables, 256)
    _check_levels(level, table)
    return np.stack(weights, axis=1).view(np.int32), level, table, escaped, values_in_use


def _check_levels(level: Array, table: Array) -> None:
    """Refuse what cannot be levels and tables."""
    if (
        int(level["table"].max()) >= table.size
        or (table["low"] > MOST_BITS).any()
        or (table["frequencies"].sum(axis=1, dtype=np.int64) != SLOTS).any()
        or (np.diff(level["key"].astype(int)) <= 0).any()
        or int(level["base"].max()) >= MOST_CODES
    ):
        raise DamagedChunk(f"damaged chunk: {level.size} levels with {table.size} tables")
