"""Levels of what is expected, each with a base and a table of frequencies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.adaptive.prediction import key_values
from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.layout import DamagedChunk
from dj_photon_codecs.layouts.static.tables import LOGARITHMS, find_roots

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Levels", "fit_levels", "level_of_key"]

SYMBOLS, ESCAPE = 256, 255  # of a table
# These were found by ablation on real and simulated movies; sigma is that of the noise.
FINEST_STEP = 0.02  # sigma; the least width of a level
LEVEL_COST = 100  # sigma**3; bits of a level, relative to those lost per code in a level of 1 sigma
MOST_LEVELS, MOST_TABLES = 1800, 250
REACH, MOST_BELOW = 12, 80  # sigma, and bins, of a level below what it expects
LEAST_SIGMA = 0.01  # of numbers
FEWEST, PARTS, MOST = 200, 48, 3000  # numbers of which a sigma is measured
SYMBOL_BITS, TABLE_BITS = 7, 24  # about what a frequency and a table take in the chunk
RARE = 3.5e-5  # share of a symbol, below which an escape costs less than its frequency of 1
COUNTED = 1 << 23  # pixels in which symbols are counted, at least


class Levels(NamedTuple):
    """The levels of the first frame, and those of the others.

    Attributes
    ----------
    first : int
        How many levels the first frame has.
    key, base, table : ndarray of integers, shape (levels,)
        The least key of each level, in ascending order in each of the two; the bin of its symbol
        0; and its table.
    roots : ndarray of uint8, shape (tables, 256)
        Of the frequencies of symbols; see `frequencies_of`.
    """

    first: int
    key: NDArray[Any]
    base: NDArray[Any]
    table: NDArray[Any]
    roots: NDArray[np.uint8]

    def entries(self, dropped: int) -> NDArray[np.uint32]:
        """Return for each key of the first frame, and of the others, its base | table << 16."""
        level = level_of_key(self.key, self.first, key_values(dropped).size)
        return (self.base.astype(np.uint32) | self.table.astype(np.uint32) << np.uint32(16))[level]


def level_of_key(key: NDArray[Any], first: int, keys: int) -> NDArray[np.intp]:
    """Return the level of each key, in the first frame and in the others."""
    if not 0 < first < key.size:
        raise DamagedChunk(f"damaged chunk: {first} of {key.size} levels are of its first frame")
    below = np.searchsorted(key[:first], np.arange(keys), "right") - 1
    others = np.searchsorted(key[first:], np.arange(keys), "right") - 1
    return np.concatenate([np.maximum(below, 0), first + np.maximum(others, 0)])


def fit_levels(
    bins: NDArray[np.uint16],
    keys: NDArray[np.uint16],
    sampled: tuple[NDArray[Any], NDArray[Any], int],
    *,
    expected: NDArray[np.float64],
    of_value: NDArray[np.uint16],
) -> Levels:
    """Choose levels narrower than the noise, and let neighbours share tables.

    Parameters
    ----------
    bins, keys : ndarray of uint16, shape (frames, pixels)
        Bins, and what is expected of them.
    sampled : tuple of ndarrays, each of shape (2, keys)
        How often each key occurs in a sample, in the first frame and in the others, and the sums
        of the squares of what is off.
    expected : ndarray of float64, shape (keys,)
        The least value, plus 1, that is expected at each key.
    of_value : ndarray of uint16
        The bin of the number below each whole value.
    """
    counts, squares, share = sampled
    parts = [
        _outline(count, square, expected, of_value, share)
        for count, square, share in zip(counts, squares, (1, share), strict=True)
    ]
    key, base = (np.concatenate(part).astype(np.uint16) for part in zip(*parts, strict=True))
    first = parts[0][0].size
    level = level_of_key(key, first, counts.shape[1])
    found = np.zeros((key.size, SYMBOLS), np.uint32)
    entries = base[level] | level.astype(np.uint32) << np.uint32(16)
    every = max(1, bins.size // COUNTED)
    kernel().count_levels(bins, keys, entries, every, found)
    used: NDArray[np.bool_] = np.asarray(found.any(axis=1))
    used[[0, first]] = True
    key, base, found = key[used], base[used], found[used]
    table = np.zeros(key.size, np.uint8)
    prices = SYMBOL_BITS << 16, TABLE_BITS << 16
    kernel().join_tables(found, LOGARITHMS, *prices, MOST_TABLES, table)
    heads = np.flatnonzero(np.diff(table.astype(int), prepend=-1))
    found[:, ESCAPE] += np.uint32(every > 1)  # since others may occur
    roots = find_roots(_without_rare(found[heads]))
    return Levels(int(used[:first].sum()), key, base, table, roots)


def _outline(
    counts: NDArray[Any],
    squares: NDArray[Any],
    value: NDArray[np.float64],
    of_value: NDArray[np.uint16],
    share: int,
) -> tuple[NDArray[Any], NDArray[np.uint16]]:
    """Return the least keys of levels, and their bases."""
    used = np.flatnonzero(counts)
    if not used.size:
        return np.zeros(1, np.int64), np.zeros(1, np.uint16)
    first, last = int(used[0]), int(used[-1]) + 1
    value = value[first : last + 1]
    sigma = _sigma(counts[first:last], squares[first:last])
    noises = np.cumsum(np.diff(value, append=value[-1])[: sigma.size] / sigma)
    step = max(np.cbrt(LEVEL_COST * noises[-1] / (share * counts.sum())), FINEST_STEP)
    number = ((noises - noises[0]) / max(step, noises[-1] / MOST_LEVELS)).astype(int)
    key = np.flatnonzero(np.diff(number, prepend=-1))

    def bins(at: NDArray[Any]) -> NDArray[np.int64]:
        return of_value[np.clip(at, 0, of_value.size - 1).astype(int)].astype(np.int64)

    below = bins(value[key] - REACH * sigma[key])
    return first + key, np.maximum(below, bins(value[key]) - MOST_BELOW).astype(np.uint16)


def _sigma(counts: NDArray[Any], squares: NDArray[Any]) -> NDArray[np.float64]:
    """Return the standard deviation of numbers about the prediction, at each key."""
    few = np.clip(counts.sum() / PARTS, FEWEST, MOST)
    part = ((np.cumsum(counts) - counts) // few).astype(np.intp)
    number, square, moment = (
        np.bincount(part, of) for of in (counts, squares, counts * np.arange(counts.size))
    )
    used = number > 0
    variance = np.interp(
        np.arange(counts.size), moment[used] / number[used], square[used] / number[used]
    )
    return np.maximum(np.sqrt(variance), LEAST_SIGMA)


def _without_rare(counts: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Make rare symbols escapes."""
    rare = counts < RARE * counts.sum(axis=1, keepdims=True)
    rare[:, ESCAPE] = False
    kept = np.where(rare, 0, counts).astype(np.uint32)
    kept[:, ESCAPE] += np.where(rare, counts, 0).sum(axis=1, dtype=np.uint32)
    return kept
