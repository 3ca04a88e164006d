"""A number for each frame, by which a frame that is read twice is compared with itself."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["fingerprints"]

BLOCK = 1 << 19  # bytes of frames at a time, so that they stay in the cache


def fingerprints(frames: NDArray[Any]) -> NDArray[np.uint64]:
    """Return a number for each frame, which changes when the frame does.

    It is a sum of the frame's words of 64 bits, each times a random odd number of its place,
    modulo 2**64. A frame in which one word changed always has another number; any other change is
    missed with a probability of less than 1e-9. It takes an eighth of the time of CRC-32
    (benchmarks/insert_sources.py), and is no protection against changes that are made to match.

    Parameters
    ----------
    frames : numpy.ndarray
        Shape (frames, height, width, ...), of numbers.

    Returns
    -------
    numpy.ndarray
        Shape (frames,).

    Examples
    --------
    >>> movie = np.zeros((3, 4, 5), "u2")
    >>> movie[1, 2, 3] = 7
    >>> before, movie[1, 2, 3], movie[1, 3, 2] = fingerprints(movie), 0, 7
    >>> before == fingerprints(movie)
    array([ True, False,  True])
    """
    flat = np.ascontiguousarray(frames).reshape(len(frames), -1).view(np.uint8)
    size = flat.shape[1]
    rows = max(1, BLOCK // size)
    words, mixed = np.zeros((2, rows, -(-size // 8)), np.uint64)
    found = np.empty(len(flat), np.uint64)
    for start in range(0, len(flat), rows):
        block = flat[start : start + rows]
        words.view(np.uint8)[: len(block), :size] = block
        # a change of high bits only meets few bits of its weight, so that they change low ones too
        np.right_shift(words, np.uint64(32), out=mixed)
        np.bitwise_xor(words, mixed, out=mixed)
        sums = np.einsum("ij,j->i", mixed, _weights(words.shape[1]))
        found[start : start + rows] = sums[: len(block)]
    return found


@lru_cache(maxsize=1)
def _weights(number: int) -> NDArray[np.uint64]:
    return np.random.default_rng(0).integers(1 << 63, size=number, dtype=np.uint64) * 2 + 1
