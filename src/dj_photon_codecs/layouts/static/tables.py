"""Tables of frequencies, stored as their square roots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.layouts.kernels.reference_rans import ESCAPE, SLOTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["bits_of_symbols", "find_roots", "frequencies_of"]

SCALE = 128  # of roots: the largest is one above it
COST = np.log2(SLOTS / np.maximum(np.arange(SLOTS + 1), 1))  # bits, of each frequency
# This is measured by benchmarks/constants.py.
RARE = 2e-5  # share of a symbol, below which an escape costs less than its frequency of 1


def find_roots(counts: NDArray[np.integer], *, sampled: bool) -> NDArray[np.uint8]:
    """Return the roots from which `frequencies_of` makes tables like these counts.

    Parameters
    ----------
    counts : ndarray of integers, shape (tables, 256)
        How often each symbol occurs.
    sampled : bool
        Whether they are those of a sample. Then rare symbols become escapes, and each table has
        an escape.
    """
    counts = counts.astype(float)
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    if sampled:
        rare = counts < RARE * totals
        rare[:, ESCAPE] = False
        counts[:, ESCAPE] += np.where(rare, counts, 0).sum(axis=1) + 1e-9
        counts[rare] = 0
    above = np.maximum(counts / totals * SLOTS - 1, 0)  # each symbol has a frequency of 1 before
    roots = 1 + np.rint(SCALE * np.sqrt(above / SLOTS))
    return np.where(counts > 0, roots, 0).astype(np.uint8)


def frequencies_of(roots: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return tables of frequencies that add up to 4096.

    A symbol of root r > 0 has the frequency 1 + (r - 1)**2 * (4096 - n) // w, where n symbols have
    roots, and w is the sum of (r - 1)**2, or 1 if that is 0. What is left of 4096 is added to the
    first of the most frequent ones; without any symbol, to the escape.

    Parameters
    ----------
    roots : ndarray of uint8, shape (tables, 256)

    Examples
    --------
    >>> frequencies_of(np.array([[0, 61, 11, 1] + [0] * 252], "u1"))[0, :5].tolist()
    [0, 3984, 111, 1, 0]
    """
    present = roots > 0
    weights = np.square(roots - present, dtype=np.uint32)  # times SLOTS, they are below 2**32
    numbers = present.sum(axis=1, keepdims=True, dtype=np.uint32)
    totals = np.maximum(weights.sum(axis=1, keepdims=True, dtype=np.uint32), 1)
    frequencies = present + weights * (SLOTS - numbers) // totals
    most = np.where(present.any(axis=1), roots.argmax(axis=1), ESCAPE)
    rest = SLOTS - frequencies.sum(axis=1, dtype=np.uint32)
    frequencies[np.arange(len(roots)), most] += rest
    return frequencies.astype(np.uint16)


def bits_of_symbols(counts: NDArray[Any], frequencies: NDArray[np.uint16]) -> float:
    """Return how many bits symbols take with tables.

    Parameters
    ----------
    counts : ndarray of integers, shape (tables, 256)
        How often each symbol occurs.
    frequencies : ndarray of uint16, shape (tables, 256)
        Those without a frequency are escapes, which take 16 bits more.
    """
    escaped = np.where(frequencies > 0, 0, counts)
    escapes = escaped.sum(axis=1) + counts[:, ESCAPE]
    cost = COST[frequencies]
    escape = escaped.sum(axis=1) @ cost[:, ESCAPE]
    return float((np.where(frequencies > 0, counts, 0) * cost).sum() + escape + 16 * escapes.sum())
