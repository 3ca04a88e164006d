"""Samples of the frames of a chunk, and frames that are constant or repeat."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GOLDEN", "count_varying", "frames_repeat", "sample_patches"]

# Multiples of the golden ratio, modulo 1, are spread evenly, and in step with nothing periodic.
GOLDEN = (math.sqrt(5) - 1) / 2
# These are measured by benchmarks/constants.py.
PATCHES = 8  # in a sample; fewer if they would be too narrow
ROWS = 4  # of a patch


def count_varying(frames: NDArray[Any]) -> int:
    """Count the frames before those at the end whose codes all equal the last one, bit for bit.

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
    """Return whether any two frames are the same, apart from those that have one value.

    Parameters
    ----------
    frames : numpy.ndarray
        Codes, shape (frames, ...).

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
        About how many values to take; all if there are less than twice as many.
    columns : int
        The least width of a patch, if a frame is as wide.

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
