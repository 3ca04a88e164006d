"""The decoder of `photon.dense`, in NumPy.

All of the prediction is float32 arithmetic, element by element in a fixed order and without
subnormal results, so that every IEEE machine predicts the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.layouts.kernels.reference_rans import ESCAPE, SLOTS, damaged

__all__ = ["FEATURES", "KEYS", "UNIT", "Brightness", "SymbolReader", "brightness_keys"]
__all__ += ["decode_dense"]

Image = NDArray[np.float32]

# All of these are parts of the stored format.
FEATURES = 7  # three of each running mean, and a constant
UNIT = 1 << 14  # a stored weight of this is a weight of 1
LONG, SHORT = 64, 2  # frames of the running means
SCALES = (1, 16, 256, 1, 16, 256, 1)  # weights are for features divided by these
DARKEST, BRIGHTEST = np.float32(0.5), np.float32(1 << 25)
DROPPED = 13  # low bits of a float32 that a key is without, so that a key is a range of 0.1 %
FIRST_KEY = int(DARKEST.view(np.int32)) >> DROPPED
KEYS = (int(BRIGHTEST.view(np.int32)) >> DROPPED) - FIRST_KEY + 1
LEAST = 1 << 16  # of a coder


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
    """Decode the numbers of a chunk, of which `top` is the largest.

    `start` is the prediction for the first frame, and `weights`, (frames, FEATURES), are those of
    each. `first_slot`, `base` and `low` are of each key: the first slot of its table, its base, its
    bits beside the symbol. The coders are used up.
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
        if escaped.size > escapes.size:
            raise damaged()
        codes[escaped], escapes = np.split(escapes, [escaped.size])
        codes += np.take(base, keys, mode="clip")
        if int(codes.max()) > top:
            raise damaged()
        frame[...] = codes.reshape(height, width)
        brightness.learn(frame)
    reader.finish()
    if escapes.size:
        raise damaged()


def brightness_keys(expected: Image) -> NDArray[np.int32]:
    """Return the keys of brightnesses: their float32 bits, without the last 13, from 0 on."""
    return (expected.view(np.int32) >> np.int32(DROPPED)) - np.int32(FIRST_KEY)


class Brightness:
    """The running means of each pixel, in codes plus one, and the prediction from them."""

    def __init__(self, shape: tuple[int, int], *, start: float) -> None:
        self._learned = 0
        self._means = np.full((2, *shape), start, np.float32)

    @property
    def features(self) -> Iterator[Image]:
        """The long mean, its sums over 3 x 3 and 7 x 7 pixels, and those of the short mean."""
        for mean in self._means:
            near = _sums(_sums(mean, axis=0, distance=1), axis=1, distance=1)
            yield from (mean, near, _sums(_sums(near, axis=0, distance=2), axis=1, distance=2))

    def expect(self, weights: NDArray[Any]) -> Image:
        """Return the predicted brightness of each pixel of the next frame, from 0.5 to 2**25."""
        factors = [
            np.float32(weight / (UNIT * scale))
            for weight, scale in zip(weights.tolist(), SCALES, strict=True)
        ]
        expected = np.full(self._means.shape[1:], factors[-1], np.float32)
        for factor, feature in zip(factors, self.features, strict=False):
            expected += factor * feature
        return np.minimum(np.maximum(expected, DARKEST), BRIGHTEST)

    def learn(self, frame: NDArray[Any]) -> None:
        """Update the running means with the next frame, of codes below 2**24."""
        self._learned += 1
        values = frame.astype(np.float32) + np.float32(1)
        for mean, length in zip(self._means, (LONG, SHORT), strict=True):
            rate = np.float32(1) / np.float32(min(self._learned, length))
            mean[...] = mean + (values - mean) * rate


def _sums(image: Image, *, axis: int, distance: int) -> Image:
    """Return twice each pixel plus those at a distance before and behind it along an axis.

    The pixel itself takes the place of one that is outside the image.
    """
    if image.shape[axis] <= 2 * distance:
        return image * np.float32(4)
    lines = np.moveaxis(image, axis, 0)
    pairs = lines[:-distance] + lines[distance:]
    first, last = (lines[edge] + lines[edge] for edge in np.s_[:distance, -distance:])
    before, after = np.concatenate([first, pairs]), np.concatenate([pairs, last])
    return np.moveaxis(before + after, 0, axis)


class SymbolReader:
    """Reads the symbols of interleaved rANS: thousands of coders take turns, and share the words.

    A coder is a number from 2**16 to 2**32; it takes a word where it falls below.
    """

    def __init__(
        self, coders: NDArray[np.uint32], words: NDArray[np.uint16], slots: NDArray[np.uint32]
    ) -> None:
        self._coders, self._words, self._slots = coders.copy(), words, slots.reshape(-1)
        self._taken = 0

    def read(self, first_slot: NDArray[np.uint32]) -> NDArray[np.uint8]:
        """Return the next symbols, of tables that begin at these slots."""
        symbols = np.empty(first_slot.size, np.uint8)
        for turn in self._turns(first_slot.size):
            coders = self._coders[: turn.stop - turn.start]
            place = first_slot[turn] + (coders & np.uint32(SLOTS - 1))
            entry = np.take(self._slots, place, mode="clip")
            symbols[turn] = entry
            coders >>= np.uint32(12)
            coders *= (entry >> np.uint32(20)) + np.uint32(1)
            coders += (entry >> np.uint32(8)) & np.uint32(SLOTS - 1)
            self._refill(coders)
        return symbols

    def read_bits(self, bits: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Return the next numbers, of 0 to 16 bits each."""
        numbers = np.empty(bits.size, np.uint32)
        for turn in self._turns(bits.size):
            coders = self._coders[: turn.stop - turn.start]
            numbers[turn] = coders & ((np.uint32(1) << bits[turn]) - np.uint32(1))
            coders >>= bits[turn]
            self._refill(coders)
        return numbers

    def finish(self) -> None:
        """Refuse words that are left, and coders that are not what they were at first."""
        if self._taken != self._words.size or (self._coders != LEAST).any():
            raise damaged()

    def _turns(self, size: int) -> list[slice]:
        width = self._coders.size
        return [slice(start, min(start + width, size)) for start in range(0, size, width)]

    def _refill(self, coders: NDArray[np.uint32]) -> None:
        low = np.flatnonzero(coders < LEAST)
        words = self._words[self._taken : self._taken + low.size]
        if words.size < low.size:
            raise damaged()
        self._taken += low.size
        coders[low] = coders[low] << np.uint32(16) | words
