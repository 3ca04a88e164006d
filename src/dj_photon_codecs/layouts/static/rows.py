"""Rows: the base and the table of each level in each class of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.kernels.reference_rans import ESCAPE
from dj_photon_codecs.layouts.static.bins import bins_of_numbers, find_bins
from dj_photon_codecs.layouts.static.tables import LOGARITHMS, fit_tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.layouts.static.levels import Levels

__all__ = ["Rows", "fit_rows"]

# These are measured by benchmarks/constants.py.
COUNTED, EVERY = 1 << 19, 8  # numbers that are counted, at least, or those of every 8th frame
BINNED = 1 << 13  # numbers from which bins are found
MOST_TABLES = 64  # more do not stay in the cache
SYMBOL_PRICE, TABLE_PRICE = 5, 16  # bits, of a symbol in a table and of a table
# Bits of a further bin, and how many bits wider bins may be: until windows hold what they should.
PRICES = (8, 0), (500, 0), (2000, 1), (2000, 2)
BELOW, ABOVE = 7, 9  # standard deviations from the mean of a row that its window should hold


class Rows(NamedTuple):
    """What the symbols of a chunk mean, and how frequent they are.

    Attributes
    ----------
    base : ndarray of uint16, shape (classes, levels)
        The bin of symbol 0.
    table : ndarray of uint8, shape (classes, levels)
        The table of each row.
    roots : ndarray of uint8, shape (tables, 256)
        Of the frequencies; see `frequencies_of`.
    low : ndarray of uint8, shape (bins,)
        The low bits of bins; see `bins_of_numbers`.
    """

    base: NDArray[np.uint16]
    table: NDArray[np.uint8]
    roots: NDArray[np.uint8]
    low: NDArray[np.uint8]

    def cells(self, level: NDArray[np.uint16]) -> NDArray[np.uint32]:
        """Return base and table of the level of each pixel, as the kernel takes them."""
        cells = np.empty((len(self.base), level.size), np.uint32)
        rows = self.base | self.table.astype(np.uint32) << np.uint32(24)
        kernel().fill_cells(level, rows, cells)
        return cells


def fit_rows(
    numbers: NDArray[Any], sums: NDArray[np.uint32], levels: Levels
) -> tuple[Rows, NDArray[np.uint16], float]:
    """Return rows, the frequencies of their tables, and how many bits all numbers take.

    Parameters
    ----------
    numbers : ndarray of uint8 or uint16, shape (frames, pixels)
    sums : ndarray of uint32, shape (pixels,)
        Of each pixel over all frames.
    levels : Levels
        Of frames and pixels.
    """
    top, level = int(numbers.max()), levels.level
    classes = int(levels.frame_class.max()) + 1
    one_window = top < ESCAPE and classes == 1
    shape = classes, levels.families * levels.number
    expected = None if one_window else _expected(numbers, sums, levels, level)
    low, base = np.zeros(0, np.uint8), np.zeros(shape, np.uint16)
    if top >= ESCAPE and expected is not None:
        low, base = _windows(numbers, top, levels, expected)
    every = max(1, min(EVERY, numbers.size // COUNTED) // (1 if classes == 1 else 3))
    start = int(every > 1)  # not the frames in which pixels were chosen for their variance
    sample, sample_class = numbers[start::every], levels.frame_class[start::every].copy()
    group = _groups(levels, expected)
    counts = np.zeros((int(group.max()) + 1, 256), np.uint32)
    models = sample_class, level, base | group << np.uint32(16), counts
    low_bits = kernel().count_symbols(sample, bins_of_numbers(low), *models)
    counts, table = _joined(counts)
    roots, frequencies, bits = fit_tables(counts, sampled=every > 1)
    rows = Rows(base, table[group], roots, low)
    return rows, frequencies, (bits + low_bits) * numbers.size / sample.size


def _expected(
    numbers: NDArray[Any],
    sums: NDArray[np.uint32],
    levels: Levels,
    level: NDArray[np.uint16],
) -> NDArray[np.float64]:
    """Return the mean number of each row, shape (classes, levels)."""
    number, classes = levels.families * levels.number, int(levels.frame_class.max()) + 1
    pixels = np.maximum(np.bincount(level, minlength=number), 1)
    means = np.empty((classes, number))
    for of_class, row in enumerate(means):
        frames = np.flatnonzero(levels.frame_class == of_class)
        if classes > 1:
            sums = np.add.reduce(numbers[frames], axis=0, dtype=np.uint32)
        row[...] = np.bincount(level, sums, minlength=number) / (pixels * frames.size)
    return means


def _windows(
    numbers: NDArray[Any], top: int, levels: Levels, expected: NDArray[np.float64]
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Return the low bits of bins, and the bases whose symbols hold most numbers of their rows."""
    flat = numbers.reshape(-1)
    counts = np.bincount(flat[:: flat.size // BINNED | 1], minlength=top + 1)
    spread = np.sqrt(levels.noise.variance_at(expected))
    reach = np.array([[[-BELOW]], [[ABOVE]]])
    ends = np.rint(np.clip(expected + reach * spread, 0, top)).astype(np.int64)
    for price, coarser in PRICES:
        price_in_sample = price * counts.sum() / flat.size
        low = find_bins(counts, levels.noise, price=price_in_sample, coarser=coarser)
        of = bins_of_numbers(low) & 0xFFFF if low.size else np.arange(top + 1)
        if of[top] < ESCAPE:
            return low, np.zeros(expected.shape, np.uint16)
        below, above = of[ends].astype(np.int64)
        if (above - below < ESCAPE).all():
            break
    centred = (below + above) // 2 - ESCAPE // 2
    return low, np.maximum(below, centred).astype(np.uint16)


def _groups(levels: Levels, expected: NDArray[np.float64] | None) -> NDArray[np.uint32]:
    """Return the group of each row, by family and brightness, (classes, levels).

    Rows of a group share a table.
    """
    rows = np.arange(levels.families * levels.number, dtype=np.uint32)
    if expected is None or len(expected) == 1:
        return rows[np.newaxis]
    family = rows // levels.number
    depth = np.rint(levels.noise.depth_at(expected) / levels.step).astype(np.intp)
    _, group = np.unique(family * (depth.max() + 1) + depth, return_inverse=True)
    return group.reshape(expected.shape).astype(np.uint32)


def _joined(counts: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Return the counts of tables that groups share, and the table of each group."""
    table = np.empty(len(counts), np.uint8)
    prices = SYMBOL_PRICE << 16, TABLE_PRICE << 16
    kernel().join_tables(counts, LOGARITHMS, *prices, MOST_TABLES, table)
    return counts[np.flatnonzero(np.diff(table, prepend=255))], table
