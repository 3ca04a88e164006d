"""The choice of levels and tables for the codes of a chunk."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.layouts.dense.levels import (
    ESCAPE,
    KEYS,
    LEVEL,
    MOST_BITS,
    TABLE,
    Levels,
    key_brightness,
)
from dj_photon_codecs.layouts.dense.rans import PRECISION

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Outline", "fit_levels", "outline_levels"]

Outline = tuple["NDArray[Any]", "NDArray[np.uint8]"]  # levels without tables, and their low bits

MOST_TABLES = 250  # of 256 that the format allows
# These are measured by benchmarks/constants.py; sigma is the standard deviation of the noise.
FINEST_STEP = 0.1  # sigma; the least width of a level
LEVEL_COST = 28  # sigma**3; bits of a level, relative to those lost per code in a level of 1 sigma
MOST_LEVELS = 1 << 14
REACH = 5.0  # sigma; how far the base is below the brightness of its level
LEAST_SIGMA = 0.1  # codes
FINEST = 16.0  # symbols in a sigma, above which low bits are split off
FEWEST = 4000  # codes from which a sigma is measured
FREQUENCY_BITS, TABLE_BITS = 7, 24  # about what a frequency and a table take in the chunk
ESCAPE_BITS = 10  # about what an escape takes beyond its symbol


def outline_levels(counts: NDArray[Any], squares: NDArray[Any], *, first: int, top: int) -> Outline:
    """Choose levels narrower than the noise, the narrower the more codes the chunk has.

    Parameters
    ----------
    counts, squares : ndarray, shape (KEYS,)
        For each key, the number of codes in a sample, and the sum of the squares of their
        differences from the prediction.
    first : int
        The key of the first frame, before which there is none: it has the last level alone.
    top : int
        The largest code.
    """
    level, low = np.zeros(0, LEVEL), np.zeros(0, np.uint8)
    if counts.any():
        level, low = _levels_by_noise(counts, squares)
    below = np.flatnonzero(level["key"] < first)
    last = np.zeros(1, LEVEL)
    last["key"] = first
    bits = min((top // ESCAPE).bit_length(), MOST_BITS)
    return np.append(level[below], last), np.append(low[: below.size], bits).astype(np.uint8)


def _levels_by_noise(counts: NDArray[Any], squares: NDArray[Any]) -> Outline:
    sigma = _noise(counts, squares)
    brightness = key_brightness()
    used = np.flatnonzero(counts)
    span = slice(int(used[0]), int(used[-1]) + 1)
    width = np.diff(brightness, append=brightness[-1])
    noises = np.cumsum(width[span] / sigma[span])
    step = max(FINEST_STEP, np.cbrt(LEVEL_COST * noises[-1] / counts.sum()))
    number = np.floor(noises / max(step, noises[-1] / MOST_LEVELS)).astype(int)
    keys = np.flatnonzero(np.diff(number, prepend=-1)) + span.start
    level = np.zeros(len(keys), LEVEL)
    level["key"] = keys
    low = np.clip(np.ceil(np.log2(sigma[keys] / FINEST)), 0, MOST_BITS).astype(np.uint8)
    base = np.floor(brightness[keys] - 1 - REACH * sigma[keys])
    level["base"] = np.maximum(0, base)
    return level, low


def fit_levels(outline: Outline, histograms: NDArray[Any]) -> Levels:
    """Give neighbouring levels one table while that takes fewer bits than two.

    Parameters
    ----------
    outline : Outline
        From `outline_levels`.
    histograms : ndarray of integers, shape (levels, 256)
        How often each symbol occurred at each level.
    """
    level, low = outline
    used: NDArray[np.bool_] = np.asarray(histograms.any(axis=1))
    used[0] |= not used.any()
    level, low, histograms = level[used].copy(), low[used], histograms[used]
    ranges = _joined(histograms, low)
    table = np.zeros(len(ranges), TABLE)
    for row, (start, stop) in zip(table, ranges, strict=True):
        row["low"] = low[start]
        row["frequencies"] = _frequencies(histograms[start:stop].sum(axis=0))
    level["table"] = np.repeat(np.arange(len(ranges)), [stop - start for start, stop in ranges])
    return Levels(level, table)


def _noise(counts: NDArray[Any], squares: NDArray[Any]) -> NDArray[np.float64]:
    """Return the standard deviation of codes about the prediction, at each key."""
    # measured in ranges of keys with `FEWEST` codes each, and interpolated between their centres
    part = ((np.cumsum(counts) - counts) // FEWEST).astype(np.intp)
    number, square, moment = (
        np.bincount(part, weights) for weights in (counts, squares, counts * np.arange(KEYS))
    )
    used = number > 0
    sigma = np.sqrt(square[used] / number[used])
    sigma = np.interp(np.arange(KEYS), moment[used] / number[used], sigma)
    return np.maximum(sigma, LEAST_SIGMA)


def _joined(histograms: NDArray[Any], low: NDArray[Any]) -> list[tuple[int, int]]:
    """Return the ranges of levels that share a table."""
    begin = list(range(len(low)))
    counts = histograms.astype(np.int64)
    alone = _bits(counts)
    both = _bits(counts[:-1] + counts[1:])
    # the bits that it saves to join each range and the next; their low bits must be the same
    saved = np.where(low[:-1] == low[1:], alone[:-1] + alone[1:] - both, -np.inf)
    parts = list(counts)
    while saved.size:
        best = int(np.argmax(saved))
        if saved[best] < 0 and (len(begin) <= MOST_TABLES or saved[best] == -np.inf):
            break
        parts[best] += parts.pop(best + 1)
        alone[best] = _bits(parts[best][None])[0]
        del begin[best + 1]
        alone, saved = np.delete(alone, best + 1), np.delete(saved, best)
        for k in range(max(best - 1, 0), min(best + 1, saved.size)):
            if low[begin[k]] == low[begin[k + 1]]:
                saved[k] = alone[k] + alone[k + 1] - _bits((parts[k] + parts[k + 1])[None])[0]
    return list(pairwise([*begin, len(low)]))


def _bits(histograms: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how many bits the codes of each histogram take, with their table."""
    counts = histograms.astype(np.float64)
    total = counts.sum(axis=1)
    own = (counts * np.log2(np.maximum(counts, 1))).sum(axis=1)
    ideal = total * np.log2(np.maximum(total, 1)) - own
    return ideal + FREQUENCY_BITS * np.count_nonzero(histograms, axis=1) + TABLE_BITS


def _frequencies(histogram: NDArray[Any]) -> NDArray[np.int64]:
    """Return frequencies that add up to 2**12; 0 for symbols that are better made escapes."""
    counts = histogram.astype(np.int64)
    total = max(int(counts.sum()), 1)
    # the least frequency costs the other symbols more than escapes cost, if a symbol is rarer
    rare = (counts * ESCAPE_BITS << PRECISION) < 1.44 * total
    counts[ESCAPE] += counts[:ESCAPE][rare[:ESCAPE]].sum()
    counts[:ESCAPE][rare[:ESCAPE]] = 0
    if not counts.any():
        counts[0] = 1
    shares = np.maximum((counts << PRECISION) // counts.sum(), counts > 0)
    left = (1 << PRECISION) - int(shares.sum())
    while left:
        largest = int(np.argmax(counts / shares.clip(1) if left > 0 else shares * (shares > 1)))
        change = 1 if left > 0 else -1
        shares[largest] += change
        left -= change
    return shares
