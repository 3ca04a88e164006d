"""Codes with holes among them, replaced by their indices into the list of those that occur.

Codes in steps of the noise have such holes: in dim pixels one photon more is several steps, and the
codes between do not occur.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["renumber", "values_in_use"]

WIDEST = 1 << 16  # the largest range of codes that are renumbered
# These are measured by benchmarks/constants.py.
SAMPLED = 32  # every 32nd frame is looked at first
COMMON = 0.01, 0.9  # quantiles of the codes between which holes count
FILLED = 0.9  # share of the codes there that occur, from where on the holes are left


def values_in_use(frames: NDArray[Any]) -> NDArray[Any] | None:
    """Return the codes that occur, in ascending order, if there are many holes among them.

    Parameters
    ----------
    frames : ndarray of unsigned integers, shape (frames, pixels)
        Codes.

    Returns
    -------
    ndarray of unsigned integers, or None
        None if there are few holes.

    Examples
    --------
    >>> values_in_use(np.repeat(np.array([[2, 5, 6, 7, 8]], "u1"), 20, axis=0))
    array([2, 5, 6, 7, 8], dtype=uint8)
    >>> values_in_use(np.repeat(np.array([[4, 5, 6, 7, 8]], "u1"), 20, axis=0)) is None
    True
    """
    sample = frames[len(frames) // SAMPLED // 2 :: SAMPLED]
    if not _has_holes(sample) or int(np.ptp(frames)) >= WIDEST:
        return None
    lowest = frames.min()
    counts = sum(
        np.bincount(_indices(frame - lowest).ravel(), minlength=WIDEST) for frame in frames
    )
    return np.flatnonzero(counts).astype(frames.dtype) + lowest


def renumber(frames: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    """Return the index of each code into `values`, which must have it.

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
    """Return whether many of the codes between the quantiles `COMMON` do not occur."""
    if int(np.ptp(sample)) >= WIDEST:
        return False
    counts = np.bincount(_indices(sample - sample.min()).ravel())
    first, last = np.searchsorted(np.cumsum(counts), np.multiply(COMMON, sample.size))
    return bool((counts[first : last + 1] > 0).mean() < FILLED)


def _indices(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return small numbers in a dtype that NumPy takes as indices: it refuses uint64."""
    return numbers.view("i8") if numbers.dtype.itemsize == 8 else numbers
