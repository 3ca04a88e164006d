"""What a dense chunk predicts of its pixels: the brightness of each, from the frames before.

All of it is float32 arithmetic, element by element in a fixed order and without subnormal results,
so that every IEEE machine predicts the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Image = NDArray[np.float32]

__all__ = ["FEATURES", "KEYS", "UNIT", "Brightness", "brightness_keys"]

# All of these are parts of the stored format.
FEATURES = 7  # three of each running mean, and a constant
UNIT = 1 << 14  # a stored weight of this is a weight of 1
LONG, SHORT = 64, 2  # frames of the running means
SCALES = (1, 16, 256, 1, 16, 256, 1)  # weights are for features divided by these
DARKEST, BRIGHTEST = np.float32(0.5), np.float32(1 << 25)
DROPPED = 13  # low bits of a float32 that a key is without, so that a key is a range of 0.1 %
FIRST_KEY = int(DARKEST.view(np.int32)) >> DROPPED
KEYS = (int(BRIGHTEST.view(np.int32)) >> DROPPED) - FIRST_KEY + 1


def brightness_keys(expected: Image) -> NDArray[np.int32]:
    """Return the keys of brightnesses: their float32 bits, without the last 13, from 0 on."""
    return (expected.view(np.int32) >> np.int32(DROPPED)) - np.int32(FIRST_KEY)


class Brightness:
    """The running means of each pixel, in numbers plus one, and the prediction from them."""

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
        """Update the running means with the next frame, of numbers below 2**24."""
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
