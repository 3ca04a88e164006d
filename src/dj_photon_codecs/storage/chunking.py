"""How many frames a chunk holds, and which frames are sampled to plan how a movie is stored."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numcodecs.blosc
import numpy as np

from dj_photon_codecs.movies.sample import sampled_runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dj_photon_codecs.movies.sources import Frames

__all__ = ["CHUNK_BYTES", "LARGEST_FRAME", "frames_in_chunk", "middle_chunk", "sampled_frames"]

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


def sampled_frames(values: Frames, frames: int, *, in_steps: bool) -> list[int]:
    """Return the numbers of the frames that are needed again after the survey of a movie.

    Where it is stored in steps, a decode table is fitted to a sample of it. A chunk has `frames`.

    Examples
    --------
    >>> sampled_frames(np.zeros((24, 8, 8)), 4, in_steps=False)
    [12, 13, 14, 15]
    """
    shape, size = tuple(values.shape), values.dtype.itemsize
    first, stop = _middle(shape, frames_in_chunk(shape, size, wanted=frames), size=size)
    runs = sampled_runs(shape) if in_steps else []
    return [*range(first, stop), *(frame for run in runs for frame in run)]


def middle_chunk(values: Frames, frames: int) -> NDArray[Any]:
    """Return the chunk in the middle of a movie, by which the compression is chosen.

    Where the values of so many frames take more than 256 MiB, fewer are read.
    """
    first, stop = _middle(tuple(values.shape), frames, size=values.dtype.itemsize)
    return np.asarray(values[first:stop])


def _middle(shape: tuple[int, ...], frames: int, *, size: int) -> tuple[int, int]:
    frame = math.prod(shape[1:]) * size
    first = shape[0] // frames // 2 * frames
    return first, min(first + min(frames, max(1, CHUNK_BYTES // frame)), shape[0])
