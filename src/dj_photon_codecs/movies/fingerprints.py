"""A number for each frame, by which a frame that is read twice is compared with itself."""

from __future__ import annotations

from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

__all__ = ["fingerprints"]

CACHED = 1 << 18  # bytes that stay in the cache of a processor


def fingerprints(frames: NDArray[Any]) -> NDArray[np.uint32]:
    """Return the CRC-32C of each frame, which one change in four billion leaves as it is.

    Processors have an instruction for it, so that it takes less time than sums do: of what is in
    their cache, to where a maximum brings it three times as fast.

    Examples
    --------
    >>> movie = np.zeros((3, 4, 5), "u2")
    >>> movie[1, 2, 3] = 7
    >>> before, movie[1, 2, 3], movie[1, 3, 2] = fingerprints(movie), 0, 7
    >>> before == fingerprints(movie)
    array([ True, False,  True])
    """
    flat = np.ascontiguousarray(frames).reshape(len(frames), -1).view(np.uint8)
    found = np.empty(len(flat), np.uint32)
    step = max(1, CACHED // flat.shape[1])
    for start in range(0, len(flat), step):
        block = flat[start : start + step]
        block.max()
        found[start : start + step] = [*map(google_crc32c.value, block)]
    return found
