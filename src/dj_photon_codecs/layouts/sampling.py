"""Samples of the frames of a chunk, and which of its frames are worth looking at."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GOLDEN", "count_varying", "frames_repeat", "sample_patches"]

# Steps of the golden ratio of a length, modulo that length, are spread evenly over it and in step
# with nothing that is periodic.
GOLDEN = (math.sqrt(5) - 1) / 2
PATCHES = 8  # of a sample; more where a patch would be narrower than it may be
ROWS = 4  # of a patch


def count_varying(frames: NDArray[Any]) -> int:
    """Count the frames before those that are of one value, bit for bit the same in all.

    Parameters
    ----------
    frames : numpy.ndarray
        Codes, shape (frames, ...).

    Examples
    --------
    >>> count_varying(np.array([[1, 1], [2, 1], [0, 0], [0, 0]]))
    2
    """
    bits = frames.view(f"u{frames.itemsize}")
    number = len(frames) if frames.size else 0
    while number and (bits[number - 1] == bits.flat[-1]).all():
        number -= 1
    return number


def frames_repeat(frames: NDArray[Any]) -> bool:
    """Return whether any frames are the same, apart from those that are of one value.

    Parameters
    ----------
    frames : numpy.ndarray
        Codes, shape (frames, ...), or those of some pixels.

    Examples
    --------
    >>> frames_repeat(np.array([[1, 2], [0, 0], [0, 0], [2, 1]]))
    False
    >>> frames_repeat(np.array([[1, 2], [0, 0], [1, 2]]))
    True
    """
    flat = frames.reshape(len(frames), -1)
    varying = flat[(flat != flat[:, :1]).any(axis=1)]
    return len({frame.tobytes() for frame in varying}) < len(varying)


def sample_patches(values: NDArray[Any], size: int, *, columns: int) -> NDArray[Any]:
    """Take patches of pixels, spread over the frame, in all frames.

    Parameters
    ----------
    values : numpy.ndarray
        Values or codes, shape (frames, ..., columns).
    size : int
        About how many of them to take; all if there are not many more.
    columns : int
        Of a patch, at least, if a frame has as many.

    Returns
    -------
    numpy.ndarray
        Shape (frames, patches, pixels); of all values, that of the frames.

    Examples
    --------
    >>> sample_patches(np.zeros((100, 128, 128), "u1"), 1 << 15, columns=16).shape
    (100, 6, 64)
    """
    frames = values.reshape(len(values), -1, values.shape[-1])
    height = min(ROWS, frames.shape[1])
    width = min(max(columns, size // (PATCHES * len(frames) * height)), frames.shape[2])
    number = -(-size // (len(frames) * height * width))
    if number * len(frames) * height * width * 2 > values.size:
        return frames
    tops = ((np.arange(number) + 0.5) / number * (frames.shape[1] - height)).astype(int)
    lefts = ((np.arange(number) + 0.5) * GOLDEN % 1 * (frames.shape[2] - width)).astype(int)
    patches = [
        frames[:, top : top + height, left : left + width].reshape(len(frames), -1)
        for top, left in zip(tops.tolist(), lefts.tolist(), strict=True)
    ]
    return np.stack(patches, axis=1)
