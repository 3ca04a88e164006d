"""The prediction of each pixel's brightness in the next frame, from the frames before it.

It is a weighted sum of *features*: two running means of the pixel, over many frames and over few,
and the sums of both over its neighbours. All of it is float32 arithmetic, element by element in a
fixed order and without subnormal results, so that every IEEE machine predicts the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.float32]

__all__ = ["FEATURES", "UNIT", "Brightness"]

# All of these are parts of the stored format.
FEATURES = 7  # three of each running mean, and a constant
UNIT = 1 << 14  # a stored weight of this is a weight of 1
LONG, SHORT = 64, 2  # frames of the running means
SCALES = (1, 16, 256, 1, 16, 256, 1)  # weights are for features divided by these
DARKEST, BRIGHTEST = np.float32(0.5), np.float32(1 << 25)


class Brightness:
    """The running means of each pixel, in codes plus one, and the prediction from them.

    Parameters
    ----------
    shape : tuple of int
        Height and width of a frame.
    start : float
        The prediction for the first frame, 1 or more.

    Examples
    --------
    >>> brightness = Brightness((4, 5), start=1.0)
    >>> for _ in range(10):
    ...     brightness.learn(np.full((4, 5), 7, np.uint8))
    >>> weights = np.array([UNIT // 2, 0, 0, 0, 0, UNIT // 2, 0])
    >>> float(brightness.expect(weights)[2, 2])
    8.0
    """

    def __init__(self, shape: tuple[int, int], *, start: float) -> None:
        self._learned = 0
        self._means = np.full((2, *shape), start, np.float32)
        self._features: list[Image] | None = None

    @property
    def features(self) -> list[Image]:
        """The long mean, its sums over 3 x 3 and 7 x 7 pixels, and those of the short mean.

        The last feature, a constant, is not among them.
        """
        if self._features is None:
            self._features = [image for mean in self._means for image in _surroundings(mean)]
        return self._features

    def expect(self, weights: NDArray[Any]) -> Image:
        """Return the predicted brightness of each pixel of the next frame.

        Parameters
        ----------
        weights : ndarray of integers, shape (FEATURES,)
            The weight of each feature, in units of 1 / `UNIT`; below 2**31.

        Returns
        -------
        ndarray of float32, shape (height, width)
            Codes plus one; from 0.5 to 2**25.
        """
        factors = [
            np.float32(weight / (UNIT * scale))
            for weight, scale in zip(weights.tolist(), SCALES, strict=True)
        ]
        expected = np.full(self._means.shape[1:], factors[-1], np.float32)
        for factor, feature in zip(factors, self.features, strict=False):
            if factor:
                expected += factor * feature
        np.minimum(np.maximum(expected, DARKEST, out=expected), BRIGHTEST, out=expected)
        return expected

    def learn(self, frame: NDArray[Any]) -> None:
        """Update the running means with the next frame.

        Parameters
        ----------
        frame : ndarray of unsigned integers, shape (height, width)
            Codes below 2**24.
        """
        self._features = None
        self._learned += 1
        values = frame.astype(np.float32)
        values += np.float32(1)
        for mean, length in zip(self._means, (LONG, SHORT), strict=True):
            change = values - mean
            change *= np.float32(1) / np.float32(min(self._learned, length))
            np.add(mean, change, out=mean)


def _surroundings(mean: Image) -> tuple[Image, Image, Image]:
    near = _sums(_sums(mean, axis=0, distance=1), axis=1, distance=1)
    far = _sums(_sums(near, axis=0, distance=2), axis=1, distance=2)
    return mean, near, far


def _sums(image: Image, *, axis: int, distance: int) -> Image:
    """Return twice each pixel plus those at a distance before and behind it along an axis.

    The pixel itself takes the place of one that is outside the image.
    """
    length = image.shape[axis]
    if length <= 2 * distance:
        return image * np.float32(4)
    lines = image if axis == 0 else image.T  # all slices are along the axis
    pairs = np.add(lines[:-distance], lines[distance:], order="C" if axis == 0 else "F")
    sums = np.empty_like(image)
    target = sums if axis == 0 else sums.T
    np.add(pairs[:-distance], pairs[distance:], out=target[distance:-distance])
    for edge, pair in (
        (slice(None, distance), pairs[:distance]),
        (slice(-distance, None), pairs[-distance:]),
    ):
        np.add(lines[edge], lines[edge], out=target[edge])
        target[edge] += pair
    return sums
