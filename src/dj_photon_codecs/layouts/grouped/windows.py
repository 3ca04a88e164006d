"""The window, of as few bits as may be, into which all but a few codes of a class fall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["smallest_windows"]

HISTOGRAM_BITS = 12
WINDOWS = (1, 0), (2, 0), *((4, low) for low in range(61))  # bits and low bits, by size
OUTSIDE = {0: 0.08, 1: 0.03, 2: 0.015, 4: 0.008}  # how many codes may not fit into these bits


def smallest_windows(
    codes: NDArray[Any], pixels: NDArray[np.intp]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint64]]:
    """Return the windows that store the codes of classes in the fewest bytes.

    Parameters
    ----------
    codes : ndarray of unsigned integers, shape (frames, pixels)
        Codes, modulo the range of their dtype, by class.
    pixels : ndarray of intp, shape (classes,)
        How many pixels each class has; at least one.

    Returns
    -------
    bits, low, base : ndarray, shape (classes,)
        As in `Grouping.table`: all but a few codes of a class are less than 2^(bits + low) above
        its base, modulo the range of their dtype.

    Examples
    --------
    >>> codes = np.array([[7, 8, 7, 60, 20], [8, 7, 8, 20, 50]], "u1")
    >>> bits, low, base = smallest_windows(codes, np.array([3, 2]))
    >>> bits.tolist(), low.tolist(), base.tolist()
    ([1, 4], [0, 2], [7, 20])
    """
    starts = np.cumsum(pixels) - pixels
    # codes less offsets may pass below zero: what counts is how far they are from any of them
    first = codes[0, starts]
    away = (codes - np.repeat(first, pixels)).view(f"i{codes.itemsize}")
    lowest = np.minimum.reduceat(away.min(axis=0), starts)
    above = (away - np.repeat(lowest, pixels)).view(codes.dtype)
    reach = np.maximum.reduceat(above.max(axis=0), starts)
    length = np.array([each.bit_length() for each in reach.tolist()])
    coarse = np.maximum(length - HISTOGRAM_BITS, 0)
    counts = _histograms(above, pixels, coarse=coarse, width=1 << length - coarse)
    bits, low = np.empty((2, len(pixels)), np.uint8)
    base = first + lowest.view(codes.dtype)
    for each in np.unique(length).tolist():  # classes of like spread, all at once
        some = np.flatnonzero(length == each)
        shift = int(coarse[some[0]])
        found = _windows(np.stack([counts[i] for i in some]), coarse=shift)
        bits[some], low[some] = found[:2]
        base[some] += found[2].astype(codes.dtype) << codes.dtype.type(shift)
    return bits, low, base.astype(np.uint64)


def _histograms(
    codes: NDArray[Any],
    pixels: NDArray[np.intp],
    *,
    coarse: NDArray[np.intp],
    width: NDArray[np.intp],
) -> list[NDArray[np.intp]]:
    """How often each code of each class occurs, without its lowest bits, below a width."""
    if coarse.any():
        codes = codes >> np.repeat(coarse, pixels).astype(codes.dtype)
    stops = np.cumsum(width)
    numbers = codes + np.repeat(stops - width, pixels)
    counts = np.bincount(numbers.reshape(-1).astype(np.intp), minlength=stops[-1])
    return np.split(counts, stops[:-1])


def _windows(
    counts: NDArray[np.intp], *, coarse: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.intp]]:
    """Return bits, low bits and start of the smallest windows that most codes fall into."""
    length = counts.shape[1]
    below = np.zeros((len(counts), length + 1), np.intp)
    np.cumsum(counts, axis=1, out=below[:, 1:])
    bits, low = np.zeros((2, len(counts)), np.uint8)
    start = counts.argmax(axis=1)
    left = np.flatnonzero(counts.max(axis=1) < (1 - OUTSIDE[0]) * below[:, -1])
    for each in WINDOWS[_holding(length << coarse) :: -1]:
        width = min((1 << sum(each)) >> coarse, length)
        inside = below[left, width:] - below[left, : length + 1 - width]
        fits = inside.max(axis=1) >= (1 - OUTSIDE[each[0]]) * below[left, -1]
        left = left[fits]
        if not left.size:
            break
        bits[left], low[left] = each
        start[left] = inside[fits].argmax(axis=1)
    return bits, low, start


def _holding(length: int) -> int:
    """Which is the smallest window that holds so many codes."""
    return next(i for i, each in enumerate(WINDOWS) if 1 << sum(each) >= length)
