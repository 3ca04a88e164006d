"""The decoder of `photon.dense`, in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.layouts.dense.brightness import Brightness
from dj_photon_codecs.layouts.dense.levels import ESCAPE, brightness_keys
from dj_photon_codecs.layouts.dense.rans import SymbolReader
from dj_photon_codecs.layouts.layout import DamagedChunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["decode_dense"]


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
