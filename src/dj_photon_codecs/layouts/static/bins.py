"""Bins: consecutive numbers that share a symbol, since which of them it was is noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.layouts.static.noise import Noise

__all__ = ["bins_of_numbers", "find_bins", "numbers_of_bins"]

# These are measured by benchmarks/constants.py.
RESOLUTION = 8  # bins in a standard deviation of the noise, at least


def bins_of_numbers(low: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return the bin of each number, and how many low bits it has << 16; empty if there are none.

    Parameters
    ----------
    low : ndarray of uint8, shape (bins,)
        The low bits of bins that follow each other from number 0 on; empty if each number is a bin.

    Examples
    --------
    >>> [(entry & 0xFFFF, entry >> 16) for entry in bins_of_numbers(np.array([0, 2])).tolist()]
    [(0, 0), (1, 2), (1, 2), (1, 2), (1, 2)]
    """
    if not low.size:
        return np.zeros(0, np.uint32)
    entries = np.arange(low.size) | low.astype(np.int64) << 16
    return entries.repeat(np.left_shift(1, low, dtype=np.int64)).astype(np.uint32)


def numbers_of_bins(low: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return the first number of each bin, and how many low bits it has << 16.

    Examples
    --------
    >>> [(entry & 0xFFFF, entry >> 16) for entry in numbers_of_bins(np.array([0, 2, 1])).tolist()]
    [(0, 0), (1, 2), (5, 1)]
    """
    widths = np.left_shift(1, low, dtype=np.int64)
    return (np.cumsum(widths) - widths | low.astype(np.int64) << 16).astype(np.uint32)


def find_bins(
    counts: NDArray[np.integer], noise: Noise, *, price: float, coarser: int = 0
) -> NDArray[np.uint8]:
    """Return the low bits of the bins with which numbers take the fewest bits.

    Parameters
    ----------
    counts : ndarray of integers
        How often each number occurs, in a sample.
    noise : Noise
        A bin is at most 1/`RESOLUTION` of its standard deviation wide.
    price : float
        Bits that a further bin costs.
    coarser : int
        How many bits wider bins may be than that.
    """
    spread = np.sqrt(noise.variance_at(np.arange(counts.size)))
    widest = np.log2(np.maximum(spread / RESOLUTION, 1)).astype(np.int64) + coarser
    depth = int(widest.max())
    if not depth:
        return np.zeros(0, np.uint8)
    padding = -counts.size % (1 << depth)
    count = np.append(counts, np.zeros(padding)).astype(float)
    widest = np.append(widest, np.full(padding, depth))
    bits, splits = np.zeros(count.size), []
    for low in range(1, depth + 1):
        pairs = count.reshape(-1, 2)
        count = pairs.sum(axis=1)
        widest = widest.reshape(-1, 2).min(axis=1)
        chosen = _times_log(count) - _times_log(pairs).sum(axis=1)
        bits = bits.reshape(-1, 2).sum(axis=1) + chosen + price
        split = (widest < low) | (bits < low * count)
        bits = np.where(split, bits, low * count)
        splits.append(split)
    return _low_bits(splits, counts.size)


def _low_bits(splits: list[NDArray[np.bool_]], numbers: int) -> NDArray[np.uint8]:
    """Return the low bits of all bins that have one of the numbers, from what is split in two."""
    low = np.where(splits[-1], 0, len(splits))
    for depth, split in zip(range(len(splits) - 1, 0, -1), reversed(splits[:-1]), strict=True):
        low = low.repeat(2)
        low[(low == 0) & ~split] = depth
    low = low.repeat(2)  # one for each number
    starts = np.arange(low.size) & ((1 << low) - 1) == 0
    return low[:numbers][starts[:numbers]].astype(np.uint8)


def _times_log(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    product: NDArray[np.float64] = counts * np.log2(np.maximum(counts, 1))
    return product
