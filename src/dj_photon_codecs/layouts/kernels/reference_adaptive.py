"""The adaptive layout in NumPy, which reads it, slowly: the lanes of a step at a time.

The first ten arguments are the model:

===================== ==========================================================================
frames, height, width of the chunk; frames are 16 to 65536 wide
values                float32 (bins,): what numbers of a bin are taken for, plus 1
start                 the mean of the first frame, plus 1
offset, slope, least  of the variance of a change that is noise
weights               int32 (6, 45), in units of 2**-10: of features, in each epoch
dropped               bits that keys are without, 12 to 14
===================== ==========================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.layouts.kernels.reference_rans import damaged, decoding_slots, refuse

__all__ = ["WITHIN", "decode_predicted"]

Image = NDArray[np.float32]

LANES, DELAY, EPOCHS, FEATURES = 16, 4, 6, 45
LEAST_WIDTH, MOST_WIDTH = 16, 1 << 16
ESCAPE, SLOT_BITS, LEAST_STATE = 255, 12, 1 << 15
FIRST_KEY, LAST_KEY = 0x3F000000, 0x48000000
# Rows up and columns right of the pixels of a frame whose innovations are its last features.
WITHIN = (
    (3, 0), (2, -2), (2, -1), (2, 0), (2, 1), (2, 2), (1, -3), (1, -2),
    (1, -1), (1, 0), (1, 1), (1, 2), (1, 3), (0, -3), (0, -2), (0, -1),
)  # fmt: skip


class Model(NamedTuple):
    """The first ten arguments."""

    frames: int
    height: int
    width: int
    values: Image
    start: float
    offset: float
    slope: float
    least: float
    weights: NDArray[np.int32]
    dropped: int


def decode_predicted(*given: Any) -> int:
    """Put the numbers of some frames into an array.

    After the model come: for each key of the first frame, and of the others, the base | table <<
    16, uint32 (2 * keys,); the frequencies of symbols, uint16 (tables, 256); the lanes, uint32
    (16,); the words, uint8, two for each; the bins of escapes in their order, uint16; of each bin
    its first number | how many low bits tell which of its numbers it is << 16, uint32, or nothing
    where bins are numbers; these low bits, from the lowest of the first byte on, uint8; the first
    frame that is wanted, and the one after the last; and where to put their numbers, uint16, or
    uint8 where there are at most 256 bins and no low bits. What no encoder writes is a
    `DamagedChunk`.
    """
    model = Model(*given[:10])
    entries, frequencies, states, words, escapes, of_bin, payload, start, stop, numbers = given[10:]
    keys = (LAST_KEY - FIRST_KEY) >> model.dropped
    refuse(not start <= stop <= model.frames)
    refuse(numbers.size != (stop - start) * model.height * model.width)
    refuse(entries.size != 2 * keys or model.values.size - 1 > np.iinfo(numbers.dtype).max)
    refuse(words.size % 2 or of_bin.size not in (0, model.values.size))
    refuse(of_bin.size and numbers.itemsize == 1)
    _check(model.height > 0 and 12 <= model.dropped <= 14)
    _check(LEAST_WIDTH <= model.width <= MOST_WIDTH)
    _check(np.abs(model.weights.astype(np.int64)).max() < 1 << 24)
    _check((entries >> 16).max() < len(frequencies))
    slots = np.empty((len(frequencies), 1 << SLOT_BITS), np.uint32)
    decoding_slots(frequencies, slots)
    _check((states >= LEAST_STATE).all() and not (states >> 31).any())
    _check(((of_bin & 0xFFFF) + (1 << (of_bin >> 16).astype(np.int64)) <= 1 << 16).all())
    coded = words.copy().view("<u2").tolist()
    reader = _Reader(model, slots.reshape(-1), states.copy(), coded, escapes.tolist())
    past = _Past(model)
    bins = np.empty((stop, model.height, model.width), np.uint16)
    for number, frame in enumerate(bins if start < stop else bins[:0]):
        reader.read(frame, *past.expect(number), entries[keys if number else 0 :][:keys])
        past.learn(model.values[frame], number)
    used = _join_numbers(bins, of_bin, payload) if of_bin.size and start < stop else 0
    whole = start < stop == model.frames
    _check(not whole or (reader.is_finished() and used == payload.size))
    numbers.reshape(-1)[...] = bins[start:].reshape(-1)
    return 0


def _join_numbers(
    numbers: NDArray[np.uint16], bins: NDArray[np.uint32], payload: NDArray[np.uint8]
) -> int:
    """Turn bins into numbers, in place, and return how many bytes of low bits that takes."""
    flat = numbers.reshape(-1)
    found = bins[flat]
    bits = (found >> np.uint32(16) & np.uint32(15)).astype(np.int64)
    ends = np.cumsum(bits)
    used = -(-int(ends[-1]) // 8) if flat.size else 0
    _check(used <= payload.size)
    starts = ends - bits
    room = np.append(payload[:used], np.zeros(4, np.uint8)).astype(np.uint32)
    at = starts >> 3
    window = room[at] | room[at + 1] << np.uint32(8) | room[at + 2] << np.uint32(16)
    low = window >> (starts & 7).astype(np.uint32) & ((1 << bits) - 1).astype(np.uint32)
    flat[...] = (found + low).astype(np.uint16)
    return used


def _check(holds: Any) -> None:
    if not holds:
        raise damaged()


def _blurred(image: Image, distance: int) -> Image:
    """Weigh 1 2 1 along the height, then the width; at an edge, its pixels go on."""
    padded = np.pad(image, distance, mode="edge")
    sums = (padded[: -2 * distance] + padded[2 * distance :]) + (
        padded[distance:-distance] + padded[distance:-distance]
    )
    middle = sums[:, distance:-distance]
    ends = sums[:, : -2 * distance] + sums[:, 2 * distance :]
    return (ends + (middle + middle)) * np.float32(0.0625)


def _around(image: Image) -> list[Image]:
    """Return an image moved to the nine neighbours, row by row from above and left."""
    height, width = image.shape
    padded = np.pad(image, 1, mode="edge")
    return [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]


class _Past:
    """What is known of a pixel and its neighbours before a frame."""

    def __init__(self, model: Model) -> None:
        self._model = model
        image = np.full((model.height, model.width), model.start, np.float32)
        self._means, self._last = [image, image.copy()], image.copy()

    def learn(self, values: Image, number: int) -> None:
        rates = np.float32(1) / np.float32(min(number + 1, 64)), np.float32(0.5 if number else 1)
        self._means = [
            mean + (values - mean) * rate for mean, rate in zip(self._means, rates, strict=True)
        ]
        self._last = values

    def expect(self, number: int) -> tuple[Image, Image, NDArray[np.float32]]:
        """Return what is expected of a frame, its reference, and the weights within it."""
        features, reference = self._features()
        epoch = min(number.bit_length(), EPOCHS - 1)
        weights = self._model.weights[epoch].astype(np.float32) * np.float32(2**-10)
        expected = np.full(reference.shape, weights[0] * np.float32(16), np.float32)
        for weight, feature in zip(weights[1:], features, strict=False):
            if weight:
                expected += weight * feature
        return expected, reference, weights[-len(WITHIN) :]

    def _features(self) -> tuple[list[Image], Image]:
        near = [_blurred(mean, 1) for mean in self._means]
        far = [_blurred(image, 2) for image in near]
        reference = np.float32(0.5) * (near[0] + far[1])
        features = [self._means[0], near[0], far[0], self._means[1], near[1], far[1]]
        around = _around(self._means[0])
        features += [*_around(self._last), *around[:4], *around[5:]]
        change = far[1] - far[0]
        noise = np.float32(self._model.offset) + np.float32(self._model.slope) * near[0]
        noise = np.where(noise > self._model.least, noise, np.float32(self._model.least))
        square = change * change
        gate = square / (square + noise)
        for image in (self._means[0], far[0], self._means[1], far[1]):
            features.append(gate * (image - reference))
        return [*features, gate], reference


class _Reader:
    """Sixteen lanes of rANS, which share words and escapes."""

    def __init__(
        self,
        model: Model,
        slots: NDArray[np.uint32],
        states: NDArray[np.uint32],
        words: list[int],
        escapes: list[int],
    ) -> None:
        self._model, self._slots, self._states = model, slots, states
        self._words, self._escapes = iter(words), iter(escapes)

    def is_finished(self) -> bool:
        rest = [*self._words, *self._escapes]
        return not rest and bool((self._states == LEAST_STATE).all())

    def read(
        self,
        frame: NDArray[np.uint16],
        expected: Image,
        reference: Image,
        weights: NDArray[np.float32],
        entries: NDArray[np.uint32],
    ) -> None:
        """Read the bins of a frame, in which pixels are known in the order of their steps."""
        height, width = frame.shape
        innovation = np.zeros((height + 3, width + 6), np.float32)  # 3 more above, left and right
        terms = [(weight, *place) for weight, place in zip(weights, WITHIN, strict=True) if weight]
        for y, x in self._steps():
            total = expected[y, x]
            for weight, up, right in terms:
                total = total + weight * innovation[y + 3 - up, x + 3 + right]
            bits = np.where(total > np.float32(0.5), total, np.float32(0.5)).view(np.uint32)
            keys = (np.minimum(bits, LAST_KEY - 1) - FIRST_KEY) >> self._model.dropped
            found = self._take(y % LANES, entries[keys])
            _check(found.max() < self._model.values.size)
            frame[y, x] = found
            innovation[y + 3, x + 3] = self._model.values[found] - reference[y, x]

    def _steps(self) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the rows and columns of the pixels of each step."""
        _, height, width, *_ = self._model
        period = max(width + DELAY, LANES * DELAY)
        lane = np.arange(LANES)
        for step in range((height - 1) // LANES * period + (LANES - 1) * DELAY + width):
            rounds, x = np.divmod(step - DELAY * lane, period)
            y = rounds * LANES + lane
            active = (rounds >= 0) & (y < height) & (x < width)
            if active.any():
                yield y[active], x[active]

    def _take(self, lanes: NDArray[np.intp], entries: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Take a symbol from each lane, and return its bin."""
        states, mask = self._states[lanes], np.uint32((1 << SLOT_BITS) - 1)
        slots = self._slots[entries >> 16 << SLOT_BITS | states & mask]
        states = ((slots >> 20) + 1) * (states >> SLOT_BITS) + (slots >> 8 & mask)
        for lane in np.flatnonzero(states < LEAST_STATE):
            states[lane] = states[lane] << 16 | self._next(self._words)
        self._states[lanes] = states
        symbols = slots & 0xFF
        found = (entries & 0xFFFF) + symbols
        for lane in np.flatnonzero(symbols == ESCAPE):
            found[lane] = self._next(self._escapes)
        return found

    @staticmethod
    def _next(numbers: Iterator[int]) -> np.uint32:
        number = next(numbers, None)
        _check(number is not None)
        return np.uint32(number or 0)
