"""The decoder of `photon.dense`, in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.layouts.dense.brightness import Brightness
from dj_photon_codecs.layouts.dense.levels import ESCAPE, brightness_keys
from dj_photon_codecs.layouts.layout import DamagedChunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SymbolReader", "decode_dense"]

SLOTS = 1 << 12  # of a table
LEAST = 1 << 16  # the least value of a coder


def decode_dense(
    frames: int,
    height: int,
    width: int,
    top: int,
    start: float,
    weights: NDArray[np.int32],
    first_slot: NDArray[np.uint32],
    base: NDArray[np.uint32],
    low: NDArray[np.uint8],
    slots: NDArray[np.uint32],
    coders: NDArray[np.uint32],
    words: NDArray[np.uint16],
    escapes: NDArray[np.uint32],
    numbers: NDArray[Any],
) -> None:
    """Decode the numbers of a chunk.

    Parameters
    ----------
    frames, height, width : int
        The shape of the chunk.
    top : int
        The largest number, below 2**24.
    start : float
        The prediction for the first frame.
    weights : ndarray of int32, shape (frames, FEATURES)
        The weights with which each frame is predicted.
    first_slot, base, low : ndarray, shape (KEYS,)
        Of each key: the first slot of its table, its base, its bits beside the symbol.
    slots : ndarray of uint32
        The slots of all tables, from `decoding_slots`.
    coders, words : ndarray
        For a `SymbolReader`; the coders are used up.
    escapes : ndarray of uint32
        The escapes, less the bases of their levels, modulo 2**32.
    numbers : ndarray of unsigned integers, shape (frames, height, width)
        Where to put the numbers.

    Raises
    ------
    DamagedChunk
        If these are not what an encoder has written.
    """
    reader = SymbolReader(coders, words, slots)
    brightness, any_low = Brightness((height, width), start=start), bool(low.any())
    for frame, weight in zip(numbers.reshape(frames, height, width), weights, strict=True):
        keys = brightness_keys(brightness.expect(weight)).ravel()
        symbols = reader.read(np.take(first_slot, keys, mode="clip"))
        codes = symbols.astype(np.uint32)
        escaped = np.flatnonzero(symbols == ESCAPE)
        if any_low:
            bits = np.take(low, keys, mode="clip").astype(np.uint32)
            bits[escaped] = 0
            codes = codes << bits | reader.read_bits(bits)
        codes[escaped], escapes = _next(escapes, escaped.size)
        codes += np.take(base, keys, mode="clip")
        if int(codes.max()) > top:
            raise DamagedChunk(f"damaged chunk: a code of {codes.max()} where {top} is the largest")
        frame[...] = codes.reshape(height, width)
        brightness.learn(frame)
    reader.finish()
    if escapes.size:
        raise DamagedChunk(f"damaged chunk: {escapes.size} escapes are left")


def _next(
    escapes: NDArray[np.uint32], number: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the next escapes, and those that are left."""
    if number > escapes.size:
        raise DamagedChunk(f"damaged chunk: {number} escapes where {escapes.size} are listed")
    return escapes[:number], escapes[number:]


class SymbolReader:
    """Reads symbols.

    Parameters
    ----------
    coders : ndarray of uint32
        The coders as they were written.
    stream : ndarray of uint16
        The words.
    tables : ndarray of uint32
        The slots of all tables, from `decoding_slots`.
    """

    def __init__(
        self, coders: NDArray[np.uint32], stream: NDArray[np.uint16], tables: NDArray[np.uint32]
    ) -> None:
        self._coders, self._stream, self._tables = coders.copy(), stream, tables
        self._taken = 0

    def read(self, table: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """Return the next symbols.

        Parameters
        ----------
        table : ndarray of uint32
            For each symbol, the first slot of its table.
        """
        entries = np.empty(table.size, np.uint32)
        width = self._coders.size
        for start in range(0, table.size, width):
            slots = table[start : start + width]
            found = entries[start : start + width]
            coders = self._coders[: slots.size]
            slots = (coders & np.uint32(SLOTS - 1)) + slots
            np.take(self._tables, slots, out=found, mode="clip")
            coders >>= np.uint32(12)
            coders *= (found >> np.uint32(20)) + np.uint32(1)
            coders += (found >> np.uint32(8)) & np.uint32(SLOTS - 1)
            self._refill(coders)
        return entries.astype(np.uint8)

    def read_bits(self, bits: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Return the next numbers, of 0 to 16 bits each."""
        numbers = np.empty(bits.size, np.uint32)
        width = self._coders.size
        for start in range(0, bits.size, width):
            widths = bits[start : start + width]
            coders = self._coders[: widths.size]
            numbers[start : start + width] = coders & ((np.uint32(1) << widths) - np.uint32(1))
            coders >>= widths
            self._refill(coders)
        return numbers

    def finish(self) -> None:
        """Make sure that nothing is left, and that all coders are what they were at first.

        Raises
        ------
        ValueError
            If not: then what was read is not what was written.
        """
        if self._taken != self._stream.size or (self._coders != LEAST).any():
            raise DamagedChunk(
                f"damaged chunk: its symbols took {self._taken} of {self._stream.size} words"
            )

    def _refill(self, coders: NDArray[np.uint32]) -> None:
        low = np.flatnonzero(coders < LEAST)
        words = self._stream[self._taken : self._taken + low.size]
        if words.size < low.size:
            raise DamagedChunk(f"damaged chunk: its {self._stream.size} words are too few")
        self._taken += low.size
        coders[low] = coders[low] << np.uint32(16) | words
