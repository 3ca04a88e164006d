"""Codes of which many are never in use, numbered so that there are no holes among them.

Near-lossless codes of dim pixels are such: where a photon more is several steps, most codes
between the lowest ones stand for no count of photons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["renumber", "values_in_use"]

WIDEST = 1 << 16  # codes from the lowest to the highest, in movies that are renumbered
SAMPLED = 32  # one in so many frames
COMMON = 0.01, 0.9  # of all codes, those that are not the lowest or the highest
FILLED = 0.9  # of the common codes; where more are in use, the others are missing by chance


def values_in_use(frames: NDArray[Any]) -> NDArray[Any] | None:
    """Return the codes that occur, in order, if there are many holes among the common ones.

    Parameters
    ----------
    frames : ndarray of unsigned integers, shape (frames, pixels)
        Codes.

    Returns
    -------
    ndarray of unsigned integers, or None
        None if the codes are best left as they are.

    Examples
    --------
    >>> values_in_use(np.repeat(np.array([[2, 5, 6, 7, 8]], "u1"), 20, axis=0))
    array([2, 5, 6, 7, 8], dtype=uint8)
    >>> values_in_use(np.repeat(np.array([[4, 5, 6, 7, 8]], "u1"), 20, axis=0)) is None
    True
    """
    some = frames[len(frames) // SAMPLED // 2 :: SAMPLED]
    if not _has_holes(some) or int(np.ptp(frames)) >= WIDEST:
        return None
    lowest = frames.min()
    counts = sum(
        np.bincount(_indices(frame - lowest).ravel(), minlength=WIDEST) for frame in frames
    )
    return np.flatnonzero(counts).astype(frames.dtype) + lowest


def renumber(frames: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    """Return the number of each code among some values, in which it must be.

    Parameters
    ----------
    frames : ndarray of unsigned integers
        Codes.
    values : ndarray of unsigned integers
        As `values_in_use` returned them.
    """
    numbers = np.zeros(int(values[-1] - values[0]) + 1, frames.dtype)
    numbers[values - values[0]] = np.arange(len(values))
    return np.take(numbers, _indices(frames - values[0]), mode="clip")


def _has_holes(sample: NDArray[Any]) -> bool:
    """Whether many codes among the common ones are not in use."""
    if int(np.ptp(sample)) >= WIDEST:
        return False
    counts = np.bincount(_indices(sample - sample.min()).ravel())
    first, last = np.searchsorted(np.cumsum(counts), np.multiply(COMMON, sample.size))
    return bool((counts[first : last + 1] > 0).mean() < FILLED)


def _indices(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return small unsigned integers as NumPy 2.0 takes them as indices: not as uint64."""
    return numbers.view("i8") if numbers.dtype.itemsize == 8 else numbers
