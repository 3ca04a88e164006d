"""How many frames a chunk holds."""

from __future__ import annotations

import math

import numcodecs.blosc

__all__ = ["CHUNK_BYTES", "LARGEST_FRAME", "frames_in_chunk"]


CHUNK_BYTES = 1 << 28  # of codes; 100 frames of 1024 x 1024 uint16 are less
LARGEST_FRAME = numcodecs.blosc.MAX_BUFFERSIZE - (1 << 26)  # bytes of codes, and room for layouts


def frames_in_chunk(shape: tuple[int, ...], itemsize: int, *, wanted: int) -> int:
    """Return how many frames a chunk holds: as many as wanted, but at most 256 MiB of codes.

    A single frame that exceeds what Blosc can take is a `ValueError`.
    """
    frame = math.prod(shape[1:]) * itemsize
    if frame > LARGEST_FRAME:
        raise ValueError(
            f"a frame of shape {shape[1:]} takes {frame} bytes, more than the {LARGEST_FRAME} "
            "that Blosc can compress; insert the movie in tiles"
        )
    return max(1, min(wanted, shape[0], CHUNK_BYTES // frame))
