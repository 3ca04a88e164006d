"""How many frames a chunk holds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numcodecs.blosc

if TYPE_CHECKING:
    pass

__all__ = ["CHUNK_BYTES", "LARGEST_FRAME", "frames_in_chunk"]

CHUNK_BYTES = 1 << 28  # of codes; 100 frames of 1024 x 1024 uint16 are less
LARGEST_FRAME = numcodecs.blosc.MAX_BUFFERSIZE - (1 << 26)  # bytes of codes, and room for layouts


def frames_in_chunk(shape: tuple[int, ...], itemsize: int, *, wanted: int) -> int:
    """Return how many frames a chunk holds: as many as wanted, but at most 256 MiB of codes.

    Raises
    ------
    ValueError
        If a single frame exceeds what Blosc can take.

    Examples
    --------
    >>> frames_in_chunk((1000, 512, 512), 2, wanted=100)
    100
    >>> frames_in_chunk((1000, 4096, 4096), 2, wanted=100)
    8
    """
    frame = math.prod(shape[1:]) * itemsize
    if frame > LARGEST_FRAME:
        raise ValueError(
            f"a frame of shape {shape[1:]} takes {frame} bytes, more than the {LARGEST_FRAME} "
            "that Blosc can compress; insert the movie in tiles"
        )
    return max(1, min(wanted, shape[0], CHUNK_BYTES // frame))
