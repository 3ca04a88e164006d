"""Levels and tables that fit the codes of a chunk."""

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

Outline = tuple["NDArray[Any]", "NDArray[np.uint8]"]  # levels without their tables, and low bits

FINEST_STEP = 0.1  # sigma, of a level
LEVEL_COST = 28  # sigma**3; a level's bits, over those a sample costs for a step of one sigma
MOST_LEVELS = 1 << 14
REACH = 5.0  # sigma, below the level
LEAST_SIGMA = 0.1  # codes
FINEST = 16.0  # sigma, in symbols, where low bits are split off
FEWEST = 4000  # samples, from which noise is known to a hundredth
MOST_TABLES = 250  # of at most 256, so that a table's number is a byte
FREQUENCY_BITS, TABLE_BITS = 7, 24  # what a frequency and a table take, about
ESCAPE_BITS = 10  # what a code takes that is listed apart, beyond its symbol


def outline_levels(counts: NDArray[Any], squares: NDArray[Any], *, first: int, top: int) -> Outline:
    """Choose levels much narrower than the noise; the narrower, the more codes pay for them.

    Parameters
    ----------
    counts, squares : ndarray, shape (KEYS,)
        For each key, the number of codes that were seen, and the sum of the squares of what they
        differ from the expected by.
    first : int
        The key of the first frame, of which nothing is known: a level of its own, the last one.
    top : int
        The largest code.
    """
    level, low = np.zeros(0, LEVEL), np.zeros(0, np.uint8)
    if counts.any():
        level, low = _outlined(counts, squares)
    below = np.flatnonzero(level["key"] < first)
    unknown = np.zeros(1, LEVEL)
    unknown["key"] = first
    bits = min((top // ESCAPE).bit_length(), MOST_BITS)
    return np.append(level[below], unknown), np.append(low[: below.size], bits).astype(np.uint8)


def _outlined(counts: NDArray[Any], squares: NDArray[Any]) -> Outline:
    sigma = _noise(counts, squares)
    brightness = key_brightness()
    used = np.flatnonzero(counts)
    span = slice(int(used[0]), int(used[-1]) + 1)
    width = np.diff(brightness, append=brightness[-1])
    noises = np.cumsum(width[span] / sigma[span])
    step = max(FINEST_STEP, np.cbrt(LEVEL_COST * noises[-1] / counts.sum()))
    number = np.floor(noises / max(step, noises[-1] / MOST_LEVELS)).astype(int)
    begin = np.flatnonzero(np.diff(number, prepend=-1)) + span.start
    level = np.zeros(len(begin), LEVEL)
    level["key"] = begin
    low = np.clip(np.ceil(np.log2(sigma[begin] / FINEST)), 0, MOST_BITS).astype(np.uint8)
    base = np.floor(brightness[begin] - 1 - REACH * sigma[begin])
    level["base"] = np.maximum(0, base)
    return level, low


def fit_levels(outline: Outline, histograms: NDArray[Any]) -> Levels:
    """Join neighbouring levels while their codes take fewer bits with one table than with two.

    Parameters
    ----------
    outline : Outline
        From `outline_levels`.
    histograms : ndarray of integers, shape (levels, 256)
        How often each symbol occurred at each level.
    """
    level, low = outline
    seen: NDArray[np.bool_] = np.asarray(histograms.any(axis=1))
    seen[0] |= not seen.any()
    level, low, histograms = level[seen].copy(), low[seen], histograms[seen]
    joined = _joined(histograms, low)
    table = np.zeros(len(joined), TABLE)
    for row, (start, stop) in zip(table, joined, strict=True):
        row["low"] = low[start]
        row["frequencies"] = _frequencies(histograms[start:stop].sum(axis=0))
    level["table"] = np.repeat(np.arange(len(joined)), [stop - start for start, stop in joined])
    return Levels(level, table)


def _noise(counts: NDArray[Any], squares: NDArray[Any]) -> NDArray[np.float64]:
    """The standard deviation of codes about the expected, at each key."""
    # ranges of keys of so many samples that the noise is steady from one to the next
    part = ((np.cumsum(counts) - counts) // FEWEST).astype(np.intp)
    number, square, place = (
        np.bincount(part, each) for each in (counts, squares, counts * np.arange(KEYS))
    )
    used = number > 0
    sigma = np.sqrt(square[used] / number[used])
    known = np.interp(np.arange(KEYS), place[used] / number[used], sigma)
    return np.maximum(known, LEAST_SIGMA)


def _joined(histograms: NDArray[Any], low: NDArray[Any]) -> list[tuple[int, int]]:
    """Ranges of levels that have a table together."""
    begin = list(range(len(low)))
    counts = histograms.astype(np.int64)
    alone = _bits(counts)
    both = _bits(counts[:-1] + counts[1:])
    # how many bits it saves to join each range to the next; low bits must be the same
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
    """What the codes of each histogram take, and its table."""
    counts = histograms.astype(np.float64)
    total = counts.sum(axis=1)
    own = (counts * np.log2(np.maximum(counts, 1))).sum(axis=1)
    ideal = total * np.log2(np.maximum(total, 1)) - own
    return ideal + FREQUENCY_BITS * np.count_nonzero(histograms, axis=1) + TABLE_BITS


def _frequencies(histogram: NDArray[Any]) -> NDArray[np.int64]:
    """Shares in 2**12, none of them 0 except of those that do not occur, or are too rare."""
    counts = histogram.astype(np.int64)
    total = max(int(counts.sum()), 1)
    # a share of one in 2**12 costs the others more than what is rarer costs where it is listed
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
