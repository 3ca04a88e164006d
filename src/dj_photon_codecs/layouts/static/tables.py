"""Tables of frequencies, stored as their square roots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dj_photon_codecs.layouts.kernels.backend import kernel
from dj_photon_codecs.layouts.kernels.reference_rans import ESCAPE, SLOTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LOGARITHMS", "RARE", "bits_of_symbols", "find_roots", "fit_tables", "frequencies_of"]

LOGARITHMS = np.rint(65536 * np.log2(np.maximum(np.arange(SLOTS), 1))).astype(np.uint32)
# This is measured by benchmarks/constants.py.
RARE = 50_000  # one symbol in so many, and an escape costs less than its frequency of 1


def fit_tables(
    counts: NDArray[np.uint32], *, sampled: bool
) -> tuple[NDArray[np.uint8], NDArray[np.uint16], float]:
    """Return the roots and the frequencies of tables, and how many bits these symbols take.

    Parameters
    ----------
    counts : ndarray of uint32, shape (tables, 256)
        How often each symbol occurs.
    sampled : bool
        Whether they are those of a sample. Then rare symbols become escapes, and each table has
        an escape.
    """
    roots, frequencies = np.empty(counts.shape, np.uint8), np.empty(counts.shape, np.uint16)
    bits = kernel().fit_tables(counts, LOGARITHMS, RARE * sampled, roots, frequencies)
    return roots, frequencies, bits / 65536


def find_roots(counts: NDArray[np.integer], *, rare: int = 0) -> NDArray[np.uint8]:
    """Return the roots from which `frequencies_of` makes tables like these counts.

    Parameters
    ----------
    counts : ndarray of integers, shape (tables, 256)
        How often each symbol occurs.
    rare : int
        Symbols of less than one part in so many become escapes, and each table has an escape;
        unless it is 0.
    """
    counts = counts.astype(np.int64)
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    if rare:
        few = counts * rare < totals
        few[:, ESCAPE] = False
        counts[:, ESCAPE] += np.where(few, counts, 0).sum(axis=1)
        counts[few] = 0
    # each symbol has a frequency of 1 before, and the root of 4096 above it is 128
    squares = 16 * np.maximum(counts * SLOTS - totals, 0) // totals
    roots = 1 + (np.sqrt(squares).astype(np.int64) + 1) // 2
    present = counts > 0
    present[:, ESCAPE] |= rare > 0
    return np.where(present, roots, 0).astype(np.uint8)


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


def bits_of_symbols(
    counts: NDArray[Any], frequencies: NDArray[np.uint16], logarithms: NDArray[np.uint32]
) -> int:
    """Return 2**16 times the bits that symbols take with tables.

    Parameters
    ----------
    counts : ndarray of integers, shape (tables, 256)
        How often each symbol occurs.
    frequencies : ndarray of uint16, shape (tables, 256)
        Those without a frequency are escapes, which take 16 bits more.
    logarithms : ndarray of uint32, shape (4096,)
        2**16 times those of 0 to 4095, to the base of 2, and 0 for 0.
    """
    costs = np.append((12 << 16) - logarithms.astype(np.int64), 0)
    escaped = np.where(frequencies > 0, 0, counts).astype(np.int64)
    cost = costs[frequencies]
    bits = ((counts - escaped) * cost).sum() + escaped.sum(axis=1) @ cost[:, ESCAPE]
    return int(bits + ((escaped.sum() + counts[:, ESCAPE].sum(dtype=np.int64)) << 16 + 4))
