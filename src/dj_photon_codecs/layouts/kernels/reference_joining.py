"""The joining of rows whose symbols are about as frequent, and their tables, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.layouts.kernels.reference_rans import refuse
from dj_photon_codecs.layouts.static.tables import bits_of_symbols, find_roots, frequencies_of

__all__ = ["LOGARITHMS", "fit_tables", "join_tables"]

LOGARITHMS = 1 << 12


def join_tables(
    counts: NDArray[np.uint32],
    logarithms: NDArray[np.uint32],
    symbol: int,
    table: int,
    most: int,
    of_row: NDArray[np.uint8],
) -> int:
    """Join neighbouring rows of counts while that saves bits, the pair that saves most first.

    `counts`, (rows, 256), say how often each symbol occurs in each row, 2**32 times at most in all;
    those of a table are put into its first row. `logarithms` are 2**16 times those of 0 to 4095 to
    the base of 2, and 0 for 0; those of larger numbers are made from their highest 12 bits. A
    `symbol` in a table, and a `table`, cost 2**16 times their bits. Of more than `most` tables, 256
    at most, pairs are joined that save nothing. The table of each row, 0 or that of the row before
    or one more, is put into `of_row`; how many tables there are is returned.
    """
    refuse(logarithms.max() > 12 << 16 or counts.sum(dtype=np.int64) >= 1 << 32)
    refuse(not len(counts) or not 0 < most <= 256)

    def bits(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        logs = _times_log(rows, logarithms).sum(axis=-1)
        cost = symbol * np.count_nonzero(rows, axis=-1) + table
        found: NDArray[np.int64] = cost - logs + _times_log(rows.sum(axis=-1), logarithms)
        return found

    left = list(counts.astype(np.int64))
    first = list(range(len(left)))
    own = bits(np.stack(left)).tolist()
    pairs = np.stack(left[:-1]) + np.stack(left[1:]) if len(left) > 1 else np.zeros((0, 256), int)
    saved = [a + b - both for a, b, both in zip(own, own[1:], bits(pairs).tolist(), strict=False)]
    while saved:
        best = saved.index(max(saved))
        if saved[best] <= 0 and len(left) <= most:
            break
        left[best] += left.pop(best + 1)
        own[best : best + 2] = [int(bits(left[best]))]
        del first[best + 1], saved[best]
        for pair in {max(best - 1, 0), min(best, len(saved) - 1)} if saved else ():
            both = int(bits(left[pair] + left[pair + 1]))
            saved[pair] = own[pair] + own[pair + 1] - both
    counts[first] = left
    of_row[...] = np.repeat(np.arange(len(first)), np.diff(first, append=of_row.size))
    return len(first)


def fit_tables(
    counts: NDArray[np.uint32],
    logarithms: NDArray[np.uint32],
    rare: int,
    roots: NDArray[np.uint8],
    frequencies: NDArray[np.uint16],
) -> int:
    """Put the roots and the frequencies of tables, (tables, 256), from counts of their symbols.

    See `find_roots` and `frequencies_of`. Return 2**16 times the bits that the counts take, 2**32
    times at most in all; `logarithms` are as in `join_tables`.
    """
    refuse(not 0 <= rare < 1 << 31 or logarithms.max() > 12 << 16)
    refuse(counts.sum(dtype=np.int64) >= 1 << 32)
    roots[...] = find_roots(counts, rare=rare)
    frequencies[...] = frequencies_of(roots)
    return bits_of_symbols(counts, frequencies, logarithms)


def _times_log(counts: NDArray[np.int64], logarithms: NDArray[np.uint32]) -> NDArray[Any]:
    """Return counts times their logarithms."""
    shift = np.zeros(counts.shape, np.int64)
    for bits in (16, 8, 4, 2, 1):
        shift += np.where(counts >> shift >= LOGARITHMS << bits, bits, 0)
    shift += counts >> shift >= LOGARITHMS
    logs: NDArray[Any] = logarithms[counts >> shift].astype(np.int64) + (shift << 16)
    return counts * logs
