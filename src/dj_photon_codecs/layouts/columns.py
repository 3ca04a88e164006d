"""Columns of whole numbers in a stream of zlib: what describes a chunk, beside its symbols."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dj_photon_codecs.layouts.layout import DamagedChunk

__all__ = ["bytewise", "changes", "cut", "inflated", "numbers_of"]


def changes(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return each number less the one before it on the last axis, modulo the dtype's range."""
    found = numbers.copy()
    found[..., 1:] -= numbers[..., :-1]
    return found


def bytewise(numbers: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the lowest byte of all numbers, then the next byte of all, and so on."""
    little = numbers.astype(numbers.dtype.newbyteorder("<"))
    return np.ascontiguousarray(little.reshape(-1, 1).view(np.uint8).T).reshape(-1)


def numbers_of(section: NDArray[np.uint8], dtype: str) -> NDArray[Any]:
    """Return the numbers of which `bytewise` made bytes."""
    planes = section.reshape(np.dtype(dtype).itemsize, -1)
    return planes.T.copy().view(np.dtype(dtype).newbyteorder("<")).reshape(-1).astype(dtype)


def inflated(stored: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return what a stream of zlib holds; another number of bytes is a `DamagedChunk`."""
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(stored.tobytes(), size + 1)
    except zlib.error as error:
        raise DamagedChunk(f"damaged chunk: {error}") from error
    if len(found) != size or not stream.eof or stream.unused_data:
        raise DamagedChunk(f"damaged chunk: a model of {len(found)} bytes or more, not {size}")
    return np.frombuffer(found, np.uint8)


def cut(
    stored: NDArray[np.uint8], sizes: Iterable[int], *, all_of_it: bool = False
) -> list[NDArray[np.uint8]]:
    """Cut bytes into parts of given sizes, and the rest unless there must be none.

    Too few are a `DamagedChunk`.
    """
    edges = list(accumulate(sizes, initial=0))
    if edges[-1] > stored.size:
        raise DamagedChunk(f"damaged chunk: {stored.size} bytes, where {edges[-1]} should be")
    parts = [stored[start:stop] for start, stop in pairwise(edges)]
    return parts if all_of_it else [*parts, stored[edges[-1] :]]
