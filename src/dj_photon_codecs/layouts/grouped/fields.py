"""The widths of the fields of each class: the narrowest that hold all but a few differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["smallest_fields"]

FIELDS = (1, 0), (2, 0), *((4, low) for low in range(61))  # bits and low, from narrow to wide
# These are measured by benchmarks/constants.py.
HISTOGRAM_BITS = 12  # of differences; lower bits of wider ones are ignored
OUTSIDE = {0: 0.08, 1: 0.03, 2: 0.015, 4: 0.008}  # largest share of events, by bits


def smallest_fields(
    codes: NDArray[Any], pixels: NDArray[np.intp]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint64]]:
    """Return the narrowest fields of each class, and the base with which they hold most codes.

    Parameters
    ----------
    codes : ndarray of unsigned integers, shape (frames, pixels)
        Codes less the offsets of their pixels, modulo the range of their dtype, sorted by class.
    pixels : ndarray of intp, shape (classes,)
        How many pixels each class has; at least one.

    Returns
    -------
    bits, low, base : ndarray, shape (classes,)
        As in `Grouping.table`: of each class, all but a few codes less `base` are below
        2**(bits + low), modulo the range of their dtype.

    Examples
    --------
    >>> codes = np.array([[7, 8, 7, 60, 20], [8, 7, 8, 20, 50]], "u1")
    >>> bits, low, base = smallest_fields(codes, np.array([3, 2]))
    >>> bits.tolist(), low.tolist(), base.tolist()
    ([1, 4], [0, 2], [7, 20])
    """
    starts = np.cumsum(pixels) - pixels
    # codes less offsets may wrap below zero: so distances to one of them are taken, with a sign
    first = codes[0, starts]
    distance = (codes - np.repeat(first, pixels)).view(f"i{codes.itemsize}")
    lowest = np.minimum.reduceat(distance.min(axis=0), starts)
    above = (distance - np.repeat(lowest, pixels)).view(codes.dtype)
    largest = np.maximum.reduceat(above.max(axis=0), starts)
    length = np.array([number.bit_length() for number in largest.tolist()])
    ignored = np.maximum(length - HISTOGRAM_BITS, 0)
    counts = _histograms(above, pixels, ignored=ignored, width=1 << length - ignored)
    bits, low = np.empty((2, len(pixels)), np.uint8)
    base = first + lowest.view(codes.dtype)
    for same_length in np.unique(length).tolist():  # classes whose histograms have one shape
        classes = np.flatnonzero(length == same_length)
        shift = int(ignored[classes[0]])
        fields = _narrowest(np.stack([counts[i] for i in classes]), ignored=shift)
        bits[classes], low[classes] = fields[:2]
        base[classes] += fields[2].astype(codes.dtype) << codes.dtype.type(shift)
    return bits, low, base.astype(np.uint64)


def _histograms(
    codes: NDArray[Any],
    pixels: NDArray[np.intp],
    *,
    ignored: NDArray[np.intp],
    width: NDArray[np.intp],
) -> list[NDArray[np.intp]]:
    """Count the codes of each class, without their lowest bits; they are below `width`."""
    if ignored.any():
        codes = codes >> np.repeat(ignored, pixels).astype(codes.dtype)
    stops = np.cumsum(width)
    numbers = codes + np.repeat(stops - width, pixels)
    counts = np.bincount(numbers.reshape(-1).astype(np.intp), minlength=stops[-1])
    return np.split(counts, stops[:-1])


def _narrowest(
    counts: NDArray[np.intp], *, ignored: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.intp]]:
    """Return bits, low and base of the narrowest fields, from histograms of several classes."""
    length = counts.shape[1]
    below = np.zeros((len(counts), length + 1), np.intp)
    np.cumsum(counts, axis=1, out=below[:, 1:])
    bits, low = np.zeros((2, len(counts)), np.uint8)
    base = counts.argmax(axis=1)
    classes = np.flatnonzero(counts.max(axis=1) < (1 - OUTSIDE[0]) * below[:, -1])
    for fields in FIELDS[_holding(length << ignored) :: -1]:  # narrower ones, while they suffice
        width = min((1 << sum(fields)) >> ignored, length)
        inside = below[classes, width:] - below[classes, : length + 1 - width]
        enough = inside.max(axis=1) >= (1 - OUTSIDE[fields[0]]) * below[classes, -1]
        classes = classes[enough]
        if not classes.size:
            break
        bits[classes], low[classes] = fields
        base[classes] = inside[enough].argmax(axis=1)
    return bits, low, base


def _holding(length: int) -> int:
    """Return the index of the narrowest fields that hold numbers below `length`."""
    return next(i for i, fields in enumerate(FIELDS) if 1 << sum(fields) >= length)
